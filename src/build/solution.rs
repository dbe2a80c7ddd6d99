//! A solution from its composition.

use super::composition::{BoxReport, Composition, Extent, Quantity};
use super::overlap::{closest_contacts, contact_pairs};
use super::pack::{self, CONTACT_PAIR, Contact, Kind, MIN_HEAVY, MIN_HYDROGEN, Role};
use super::shape::{place_virtual_sites, shape_from_bonded_terms};
use super::slab::APART;
use crate::cell::Cell;
use crate::system::Topology;
use crate::system::topology::{Species, SpeciesAtom};
use glam::DVec3;

/// What to build.
#[derive(Debug, Clone, Copy)]
pub struct SolutionRequest<'a> {
    /// In the order in which their atoms will be stored (solutes first, water last, by convention).
    pub species: &'a [Species],
    /// `[n_species]`
    pub quantities: &'a [Quantity],
    pub extent: Extent,
    pub seed: u64,
    pub net_charge_allowed: bool,
    /// May a cation and an anion start in contact? If not, they start solvated where there is room for it.
    pub contact_pairs_allowed: bool,
    /// Rigid shapes by species name, `[n_atoms]`, nm. Single atoms and rigid water need none.
    pub geometries: &'a [(String, Vec<DVec3>)],
}

/// A packed box.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// Species of every molecule, as [`Topology::new`] takes it.
    pub sequence: Vec<u32>,
    pub cell: Cell,
    /// `[n_atoms]`, nm, molecules whole
    pub positions: Vec<DVec3>,
    /// Cations and anions in contact.
    pub contact_pairs: usize,
    pub report: BoxReport,
}

/// Why a box cannot be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BuildError {
    #[error("a density of {0} g/cm3 cannot be built")]
    Density(f64),
    #[error("a concentration of {concentration} mol/L of {species} cannot be built")]
    Concentration { species: String, concentration: f64 },
    #[error(
        "{} mmol/L of {species} in this box are {exact:.2} molecules, which rounds to none\n  one molecule needs {}a box of {volume:.0} nm^3; enlarge the box, or take count = 1 and what concentration that is",
        1e3 * .concentration, if *.waters > 0 { format!("at least {} waters, ", .waters) } else { String::new() }
    )]
    TooDilute { species: String, concentration: f64, exact: f64, volume: f64, waters: usize },
    #[error(
        "the solutes alone weigh {dissolved:.3} g per cm3 of box, which leaves nothing of the density {density} g/cm3 for the rest; lower the concentrations or raise the density"
    )]
    DissolvedTooHeavy { density: f64, dissolved: f64 },
    #[error(
        "the box reaches {reached:.3} g/cm3 before any {species} is added, above the density {density} g/cm3; lower the other amounts or raise the density"
    )]
    AlreadyDenser { species: String, density: f64, reached: f64 },
    #[error(
        "amounts and box do not determine each other{}: give every amount and either a density or a box, or leave out one amount and give both",
        .species.as_ref().map_or(String::new(), |s| format!(" (see {s})"))
    )]
    Underdetermined { species: Option<String> },
    #[error("the box would be empty: at least one molecule is needed")]
    Nothing,
    #[error(
        "the box has a net charge of {charge:+.4} e ({detail}); change the amounts, or write net_charge = \"allowed\" in [system] if this is meant"
    )]
    NetCharge { charge: f64, detail: String },
    #[error(
        "nothing is known about the shape of {species} ({n_atoms} atoms), so it cannot be placed; import a structure that holds it"
    )]
    NoGeometry { species: String, n_atoms: usize },
    #[error("the cell has a height of {height:.3} nm; molecules need at least {limit} nm")]
    CellTooSmall { height: f64, limit: f64 },
    #[error(
        "{} fit into {volume:.3} nm^3 ({density:.3} g/cm3) without overlap; lower the density, enlarge the box or take fewer molecules",
        match .placed { 0 => format!("{wanted} molecules do not"), n => format!("only {n} of {wanted} molecules") }
    )]
    TooDense { placed: usize, wanted: usize, volume: f64, density: f64 },
    #[error(
        "a gap of {gap} nm has no room for a liquid: {}, and one layer of molecules needs {:.2} nm\n  [surface] gap = \"{least:.2} nm\" is the least{}",
        taken(*.surfaces, *.monolayers), .least - .surfaces - .monolayers,
        if *.monolayers > 0.0 { "; a lower `height` of the monolayers leaves it more" } else { "" }
    )]
    GapTooSmall { gap: f64, surfaces: f64, monolayers: f64, least: f64 },
    #[error(
        "what is counted makes {reached:.3} g/cm3 of the liquid in a gap of {gap} nm before any {species} is added, and its density is to be {density} g/cm3\n  \
         [surface] gap = \"{least:.1} nm\" has room for it; or lower the counts in [system], or enlarge [surface] size"
    )]
    GapTooFull { species: String, density: f64, reached: f64, gap: f64, least: f64 },
    #[error(
        "{wanted} molecules do not fit into a gap of {gap} nm, where they are {density:.3} g/cm3{}\n  lower density or amounts in [system], or make gap or size in \
         [surface] larger",
        if *.placed > 0 { format!(": {placed} of them did") } else { String::new() }
    )]
    GapTooDense { placed: usize, wanted: usize, gap: f64, density: f64 },
    #[error(
        "the walls leave no room for a film: they take {taken:.2} nm of its height of {height} nm, and one layer of molecules needs {:.2} nm\n  make the third edge of [system] box longer, or move the walls apart: z of [[wall]]",
        MIN_HEIGHT - APART
    )]
    FilmTooLow { height: f64, taken: f64 },
    #[error(
        "{layer}: {wanted} {species}, {:.2} /nm2, do not fit into its height of {height} nm{}\n  a larger `height` or a smaller `coverage` of [surface] monolayers has room for them",
        *.wanted as f64 / .area, if *.placed > 0 { format!(", and {} of them, {:.2} /nm2, did", .placed, *.placed as f64 / .area) } else { String::new() }
    )]
    LayerTooDense {
        layer: String,
        number: Option<usize>,
        species: String,
        placed: usize,
        wanted: usize,
        height: f64,
        area: f64,
    },
    #[error(
        "{layer}: a coverage of {coverage} /nm2 is {:.2} {species} on its {area:.2} nm2, which rounds to none\n  one molecule needs a face of {:.0} nm2, or a coverage of {:.3} /nm2: enlarge [surface] size or the coverage, or leave the monolayer out",
        .coverage * .area, (1.0 / .coverage).ceil(), 1.0 / .area
    )]
    LayerTooDilute { layer: String, number: usize, species: String, coverage: f64, area: f64 },
    #[error("{0} atoms are more than can be numbered")]
    TooMany(usize),
}

/// What stands in a gap besides the liquid, nm.
fn taken(surfaces: f64, monolayers: f64) -> String {
    let slabs = format!("the atoms of the surfaces take {surfaces:.2} nm of it");
    if monolayers > 0.0 { format!("{slabs} and the monolayers {monolayers:.2} nm") } else { slabs }
}

/// Shapes are a property of the molecule: they do not change with the seed of the box.
const SHAPE_SEED: u64 = 1;

/// Smallest height of a cell that is packed, nm: contacts are searched up to half of it.
pub(super) const MIN_HEIGHT: f64 = 0.6;

/// Builds a solution: counts, cell and coordinates without overlaps.
///
/// Heavy atoms of different molecules are at least [`MIN_HEAVY`] apart, hydrogens [`MIN_HYDROGEN`] from everything;
/// the same request gives the same coordinates.
pub fn solution(request: &SolutionRequest) -> Result<Solution, BuildError> {
    pack_solution(request, None)
}

/// The same between two walls: centres of heavy atoms stay between these heights (nm), hydrogens a little beyond. The cell
/// is higher than that by the room that images need.
pub fn solution_between(request: &SolutionRequest, heights: [f64; 2]) -> Result<Solution, BuildError> {
    pack_solution(request, Some(heights))
}

fn pack_solution(request: &SolutionRequest, between: Option<[f64; 2]>) -> Result<Solution, BuildError> {
    let species = request.species;
    let Composition { counts, cell } = Composition::new(species, request.quantities, request.extent)?;
    let report = BoxReport::new(species, &counts, cell);
    if report.net_charge.abs() > 1e-4 && !request.net_charge_allowed {
        let charged = report.rows.iter().filter(|r| r.charge.abs() > 1e-6 && r.count > 0);
        let detail: Vec<String> = charged.map(|r| format!("{} {} of {:+}", r.count, r.name, short(r.charge))).collect();
        return Err(BuildError::NetCharge { charge: report.net_charge, detail: detail.join(", ") });
    }
    if u32::try_from(report.n_atoms).is_err() {
        return Err(BuildError::TooMany(report.n_atoms));
    }
    let height = 2.0 * cell.half_height();
    if height < MIN_HEIGHT {
        return Err(BuildError::CellTooSmall { height, limit: MIN_HEIGHT });
    }
    let kinds: Vec<Kind> =
        species.iter().zip(&counts).map(|(s, &n)| kind(s, n, request.geometries)).collect::<Result<_, _>>()?;
    let wanted: usize = counts.iter().sum();
    let too_dense = |placed| BuildError::TooDense { placed, wanted, volume: cell.volume(), density: report.density };
    let positions = pack::pack(&kinds, cell, request.seed, request.contact_pairs_allowed, between)
        .map_err(|full| too_dense(full.placed))?;

    let sequence: Vec<u32> = counts.iter().enumerate().flat_map(|(s, &n)| std::iter::repeat_n(s as u32, n)).collect();
    // The packer has promised this; a box that breaks the promise would blow up later and far from its cause. Between walls there are no images along z, and in
    // a cell that is hardly wider than an ion with its shell one that meets its own image has no room.
    let topology = Topology::new(Vec::new(), species.to_vec(), &sequence);
    let v = cell.vectors();
    let alone = between.and_then(|_| Cell::new(v.x_axis, v.y_axis, v.z_axis + DVec3::Z).ok());
    let (heavy, hydrogen) = closest_contacts(&topology, &alone.unwrap_or(cell), &positions, 0.3);
    if heavy <= MIN_HEAVY - 1e-6 || hydrogen <= MIN_HYDROGEN - 1e-6 {
        return Err(too_dense(0));
    }
    let contact_pairs = contact_pairs(&topology, &cell, &positions, CONTACT_PAIR);
    Ok(Solution { sequence, cell, positions, contact_pairs, report })
}

/// Four digits are enough to recognise a charge.
fn short(charge: f64) -> f64 {
    (charge * 1e4).round() / 1e4
}

fn kind(species: &Species, count: usize, geometries: &[(String, Vec<DVec3>)]) -> Result<Kind, BuildError> {
    let n_atoms = species.atoms.len();
    let given = geometries.iter().find(|(name, g)| *name == species.name && g.len() == n_atoms);
    let geometry = match (given, species.rigid_water) {
        (Some((_, geometry)), _) => {
            let mut shape: Vec<DVec3> = geometry.iter().map(|&r| r - geometry[0]).collect();
            place_virtual_sites(species, &mut shape);
            shape
        }
        (None, Some(water)) if n_atoms == 3 || species.virtual_sites.len() + 3 == n_atoms => {
            let x = 0.5 * water.d_hh;
            let y = (water.d_oh * water.d_oh - x * x).max(0.0).sqrt();
            let mut shape = vec![DVec3::ZERO, DVec3::new(x, y, 0.0), DVec3::new(-x, y, 0.0)];
            shape.resize(n_atoms, DVec3::ZERO);
            place_virtual_sites(species, &mut shape);
            shape
        }
        (None, _) if n_atoms == 1 => vec![DVec3::ZERO],
        (None, _) if count == 0 => Vec::new(),
        (None, _)
            if species.bonded.bonds.len() + species.constraints.len() + 1 < n_atoms - species.virtual_sites.len() =>
        {
            return Err(BuildError::NoGeometry { species: species.name.clone(), n_atoms });
        }
        (None, _) => shape_from_bonded_terms(species, SHAPE_SEED),
    };
    let contact = |a: &SpeciesAtom| match a.element.as_str() {
        _ if a.mass == 0.0 => Contact::None,
        "H" => Contact::Hydrogen,
        _ => Contact::Heavy,
    };
    let contacts = species.atoms.iter().map(contact).collect();
    let charge = species.charge();
    let ion = if charge.abs() > 0.1 { charge.signum() as i8 } else { 0 };
    // Ions of charge 2, also where all charges are scaled, keep their shell far longer than any run.
    let role = match n_atoms {
        _ if species.is_water => Role::Water,
        1 if charge > 1.4 => Role::Hydrated,
        _ => Role::Other,
    };
    Ok(Kind { geometry, contacts, ion, role, count })
}
