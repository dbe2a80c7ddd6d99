//! Slabs with a liquid between them or on top: where the atoms of surfaces stand, and how much liquid there is room for.
//!
//! From below: the lower slab, the gap, the upper slab (its mirror image), vacuum half below and half above. Of three slabs the
//! one in the middle stands between two gaps, with the same amounts of liquid in each. The liquid is
//! packed into the gap ([`super::solution_between`]); its amounts are those of the accessible volume, which ends half a σ of the
//! outermost atoms of a surface before their centres.

use super::composition::{BoxReport, Composition, Extent, Quantity};
use super::solution::{BuildError, MIN_HEIGHT, Solution, SolutionRequest, solution_between};
use crate::cell::Cell;
use crate::system::topology::Species;
use crate::units::{CONCENTRATION_MOL_L, DENSITY_G_CM3};
use glam::DVec3;

/// Centres of heavy atoms stay this far from those of a surface, nm.
pub(super) const CLEARANCE: f64 = 0.28;
/// Room above the highest atoms of the liquid in the packer's periodic cell, and between a monolayer and the liquid, nm.
pub(super) const APART: f64 = 0.27;
/// The packer takes no lower cell, nm.
const LOWEST: f64 = 0.61;
/// Water in a narrow gallery may stand this far from its middle, nm.
const SWAY: f64 = 0.03;

/// A slab and the liquid beside it.
#[derive(Debug, Clone)]
pub struct SlabRequest<'a> {
    /// Atoms of the lower slab in one lateral cell, the lowest at z = 0, nm.
    pub atoms: &'a [DVec3],
    /// nm
    pub thickness: f64,
    /// nm
    pub lateral: [f64; 2],
    /// Lateral size asked for, nm.
    pub size: [f64; 2],
    /// 1, 2 or 3
    pub slabs: usize,
    /// Between the innermost atoms of both slabs, or the height of the liquid on one, nm.
    pub gap: f64,
    /// nm
    pub vacuum: f64,
    /// σ of the atoms of the face, nm
    pub sigma: f64,
    /// g/cm³, of the liquid in the accessible volume
    pub density: Option<f64>,
    pub species: &'a [Species],
    pub quantities: &'a [Quantity],
    /// Molecules on the faces.
    pub monolayers: &'a [Monolayer],
    /// Galleries in the lower slab, from the atoms below to those above, nm, with z as in `atoms`.
    pub galleries: &'a [[f64; 2]],
    /// Place of water in `species`, and molecules of it per nm² of a gallery.
    pub gallery_water: (usize, f64),
    pub seed: u64,
    pub net_charge_allowed: bool,
    pub contact_pairs_allowed: bool,
    pub geometries: &'a [(String, Vec<DVec3>)],
}

/// Molecules of one species, packed onto faces before the liquid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Monolayer {
    /// From 1, as messages count them.
    pub number: usize,
    /// Place in the species.
    pub species: usize,
    /// Molecules per nm²
    pub coverage: f64,
    /// On the lower slab, on the upper one.
    pub faces: [bool; 2],
    /// nm
    pub height: f64,
}

/// What was built.
#[derive(Debug, Clone)]
pub struct SlabBox {
    pub cell: Cell,
    /// Of the slabs, `[n_slabs][n_atoms]`, nm
    pub slabs: Vec<Vec<DVec3>>,
    /// The liquid, of three slabs the lower one, in the coordinates of `cell`.
    pub liquid: Solution,
    /// Lateral cells along x and y.
    pub cells: [usize; 2],
    /// Height of the liquid's volume, nm
    pub accessible: f64,
    /// What stands outside of the liquid, in the order it was packed.
    pub layers: Vec<Layer>,
    /// Species of every molecule and the coordinates of its atoms (nm), by species: layers and liquid.
    pub sequence: Vec<u32>,
    pub positions: Vec<DVec3>,
}

/// Molecules of one species outside of the liquid: in a gallery, or a monolayer on one face.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    pub name: String,
    /// Place in the species of the liquid.
    pub species: usize,
    pub count: usize,
    /// That centres of heavy atoms keep to, nm
    pub height: f64,
}

/// Builds slabs and liquid.
///
/// # Errors
/// Those of [`super::solution`], and those about gaps and layers of [`BuildError`].
pub fn slab(request: &SlabRequest) -> Result<SlabBox, BuildError> {
    let cells = [0, 1].map(|k| ((request.size[k] / request.lateral[k]).round() as usize).max(1));
    let [x, y] = [0, 1].map(|k| cells[k] as f64 * request.lateral[k]);
    let walls = if request.slabs > 1 { 2.0 } else { 1.0 };
    let taken = |face: usize| {
        let on_face = request.monolayers.iter().filter(|m| m.faces[face] && (face == 0 || request.slabs > 1));
        on_face.map(|m| m.height + APART).fold(0.0, f64::max)
    };
    let (below, above) = (taken(0), taken(1));
    let accessible = request.gap - 0.5 * walls * request.sigma - below - above;
    let free = request.gap - walls * CLEARANCE - below - above;
    let surfaces = walls * CLEARANCE.max(0.5 * request.sigma);
    if free + APART < MIN_HEIGHT || accessible <= 0.0 {
        // what the packer needs, and a volume
        let least = below + above + surfaces.max(walls * CLEARANCE + MIN_HEIGHT - APART) + 0.01;
        let monolayers = below + above;
        return Err(BuildError::GapTooSmall { gap: request.gap, surfaces, monolayers, least });
    }
    let volume = Cell::orthorhombic(x, y, accessible).map_err(|_| BuildError::Nothing)?;
    let extent = request.density.map_or(Extent::Cell(volume), |density| Extent::CellAndDensity(volume, density));
    let composed = Composition::new(request.species, request.quantities, extent);
    let counts = composed.map_err(|e| too_full(request, e, x * y, request.gap - accessible))?.counts;
    let quantities: Vec<Quantity> = counts.iter().map(|&n| Quantity::Count(n)).collect();
    let packing = Cell::orthorhombic(x, y, free + APART).map_err(|_| BuildError::Nothing)?;
    let inner = SolutionRequest {
        species: request.species,
        quantities: &quantities,
        extent: Extent::Cell(packing),
        seed: request.seed,
        net_charge_allowed: request.net_charge_allowed,
        contact_pairs_allowed: request.contact_pairs_allowed,
        geometries: request.geometries,
    };
    let too_dense = |e| match e {
        BuildError::TooDense { placed, wanted, .. } => {
            let density = BoxReport::new(request.species, &counts, volume).density;
            BuildError::GapTooDense { placed, wanted, gap: request.gap, density }
        }
        other => other,
    };
    let mut liquid = solution_between(&inner, [0.0, free]).map_err(too_dense)?;
    let gaps = (request.slabs - 1).max(1);
    let filled = request.slabs as f64 * request.thickness + gaps as f64 * request.gap;
    let height = filled + request.vacuum;
    let cell = Cell::orthorhombic(x, y, height).map_err(|_| BuildError::Nothing)?;
    let bottom = 0.5 * request.vacuum;
    let floor = bottom + request.thickness + CLEARANCE;
    liquid.positions.iter_mut().for_each(|r| r.z += floor + below);
    let mut parts: Vec<Solution> = Vec::new();
    let mut layers = Vec::new();
    // seeds of their own, so that no two layers are alike
    type Kind = (usize, Option<usize>);
    let mut layer = |name: &str, (species, number): Kind, n: usize, lowest: f64, room: f64| -> Result<(), BuildError> {
        let mut counts = vec![Quantity::Count(0); request.species.len()];
        counts[species] = Quantity::Count(n);
        let cell = Cell::orthorhombic(x, y, (room + APART).max(LOWEST)).map_err(|_| BuildError::Nothing)?;
        let seed = request.seed.wrapping_add(1 + layers.len() as u64);
        let own = SolutionRequest { quantities: &counts, extent: Extent::Cell(cell), seed, ..inner };
        if n > 0 {
            let mut packed = solution_between(&own, [0.0, room]).map_err(|e| match e {
                BuildError::TooDense { placed, wanted, .. } => {
                    let species = request.species[species].name.clone();
                    BuildError::LayerTooDense {
                        layer: name.to_string(),
                        number,
                        species,
                        placed,
                        wanted,
                        height: room,
                        area: x * y,
                    }
                }
                other => other,
            })?;
            packed.positions.iter_mut().for_each(|r| r.z += lowest);
            parts.push(packed);
        }
        layers.push(Layer { name: name.to_string(), species, count: n, height: room });
        Ok(())
    };
    let (water, per_area) = request.gallery_water;
    let in_gallery = (per_area * x * y).round() as usize;
    // the mirror of two and of three slabs
    let middle = bottom + 0.5 * filled;
    let gallery = |[low, high]: [f64; 2]| {
        let margin = CLEARANCE.min(0.5 * (high - low) - SWAY);
        (bottom + low + margin, high - low - 2.0 * margin)
    };
    for bounds in request.galleries {
        let (lowest, room) = gallery(*bounds);
        layer("gallery of the lower slab", (water, None), in_gallery, lowest, room)?;
    }
    for (face, name) in [(0, "monolayer on the lower slab"), (1, "monolayer on the upper slab")] {
        for m in request.monolayers.iter().filter(|m| m.faces[face] && (face == 0 || request.slabs > 1)) {
            let n = (m.coverage * x * y).round() as usize;
            if n == 0 && m.coverage > 0.0 {
                let species = request.species[m.species].name.clone();
                let (number, coverage, area) = (m.number, m.coverage, x * y);
                return Err(BuildError::LayerTooDilute { layer: name.to_string(), number, species, coverage, area });
            }
            let lowest = if face == 0 { floor } else { 2.0 * middle - floor - m.height };
            layer(name, (m.species, Some(m.number)), n, lowest, m.height)?;
        }
    }
    if request.slabs > 1 {
        for bounds in request.galleries.iter().rev() {
            let (lowest, room) = gallery(*bounds);
            layer("gallery of the upper slab", (water, None), in_gallery, 2.0 * middle - lowest - room, room)?;
        }
    }
    parts.push(liquid.clone());
    let period = DVec3::new(0.0, 0.0, request.thickness + request.gap);
    if request.slabs == 3 {
        // no image of the first
        let mut second =
            solution_between(&SolutionRequest { seed: request.seed.wrapping_add(1), ..inner }, [0.0, free])?;
        second.positions.iter_mut().for_each(|r| *r += period + DVec3::new(0.0, 0.0, floor + below));
        parts.push(second);
    }
    let (sequence, positions) = by_species(request.species, &parts);
    let lower: Vec<DVec3> = (0..cells[0])
        .flat_map(|i| (0..cells[1]).map(move |j| (i, j)))
        .flat_map(|(i, j)| {
            let at = DVec3::new(i as f64 * request.lateral[0], j as f64 * request.lateral[1], bottom);
            request.atoms.iter().map(move |r| *r + at)
        })
        .collect();
    let mut slabs = vec![lower];
    if request.slabs == 3 {
        slabs.push(slabs[0].iter().map(|r| *r + period).collect());
    }
    if request.slabs > 1 {
        let mirrored = slabs[0].iter().map(|r| DVec3::new(r.x, r.y, 2.0 * middle - r.z)).collect();
        slabs.push(mirrored);
    }
    Ok(SlabBox { cell, slabs, liquid, cells, accessible, layers, sequence, positions })
}

/// How high the gap must be for what is counted, where that alone is denser than the liquid is to be.
///
/// * `area` – nm²
/// * `taken` – of the gap, by all but the liquid, nm
fn too_full(request: &SlabRequest, error: BuildError, area: f64, taken: f64) -> BuildError {
    let BuildError::AlreadyDenser { species, density, reached } = error else { return error };
    // ρ V = M + V Σ c m
    let (mut counted, mut dissolved) = (0.0, 0.0);
    for (s, quantity) in request.species.iter().zip(request.quantities) {
        match *quantity {
            Quantity::Count(n) => counted += s.mass() * n as f64,
            Quantity::Concentration(c) => dissolved += s.mass() * c / CONCENTRATION_MOL_L,
            Quantity::Fill => {}
        }
    }
    let rest = density / DENSITY_G_CM3 - dissolved;
    if rest <= 0.0 {
        return BuildError::DissolvedTooHeavy { density, dissolved: dissolved * DENSITY_G_CM3 };
    }
    // a tenth more, for integers and for some of the rest
    let least = taken + 1.1 * counted / rest / area;
    BuildError::GapTooFull { species, density, reached, gap: request.gap, least: (10.0 * least).ceil() / 10.0 }
}

/// Molecules of all parts, those of one species together.
fn by_species(species: &[Species], parts: &[Solution]) -> (Vec<u32>, Vec<DVec3>) {
    let mut molecules: Vec<(u32, &[DVec3])> = Vec::new();
    for part in parts {
        let mut rest = &part.positions[..];
        for &s in &part.sequence {
            let (own, tail) = rest.split_at(species[s as usize].atoms.len());
            molecules.push((s, own));
            rest = tail;
        }
    }
    molecules.sort_by_key(|m| m.0);
    (molecules.iter().map(|m| m.0).collect(), molecules.iter().flat_map(|m| m.1.iter().copied()).collect())
}
