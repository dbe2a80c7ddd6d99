//! From an input file to a system that can be run: the part every subcommand shares.

use super::amounts::place_of;
use super::piston::{self, Room};
use super::recorder::PistonLog;
use super::{CliError, InputArgs, held, import, interface, observables, surface, time_step};
use crate::analysis::{AnalysisError, AnalysisSet};
use crate::build::{self, BoxReport, Extent, Quantity, SolutionRequest};
use crate::cell::Cell;
use crate::forcefield::{self, Assembled};
use crate::forces::PRUNE_INTERVAL;
use crate::io::input::{self, InputError, Locations};
use crate::io::structure;
use crate::neighbor::buffer;
use crate::potential::pair_table::PairOrigin;
use crate::system::interface::InterfaceSpec;
use crate::system::spec::{Amount, DynamicsSpec, GeometrySpec, Input, StageKind, StageSpec, SystemSpec};
use crate::system::topology::Species;
use crate::system::{External, PositionRestraint, State, System, Topology};
use crate::units::CONCENTRATION_MOL_L;
use glam::DVec3;

/// A checked input with everything that follows from it.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub input: Input,
    pub assembled: Assembled,
    pub system: System,
    /// Of the stages up to the last one with a piston, in which electrodes have no charge.
    pub open: Vec<System>,
    /// How to tell the density of the liquid under a piston.
    pub piston_log: Option<PistonLog>,
    pub state: State,
    /// Of atoms at the start, nm⁻³; of its densest part where the box is inhomogeneous.
    pub density: f64,
    pub composition: BoxReport,
    /// Of an interface, what every layer is made of.
    pub layers: Vec<String>,
    /// Worth telling the user, not worth stopping for.
    pub warnings: Vec<String>,
}

impl Prepared {
    /// The analyses of the input, for frames of its system.
    pub fn analyses(&self) -> Result<AnalysisSet, AnalysisError> {
        self.analyses_in(&self.state.cell)
    }

    /// The same for frames of another cell.
    pub fn analyses_in(&self, cell: &Cell) -> Result<AnalysisSet, AnalysisError> {
        let (topology, external) = (&self.system.topology, &self.system.external);
        AnalysisSet::with_external(&self.input.analyses, topology, external, cell)
    }
}

/// Reads the input and its `--set` overrides.
pub fn read_input(args: &InputArgs) -> Result<(Input, Locations), CliError> {
    input::read_located(&args.input, &overrides(&args.set)?).map_err(CliError::input)
}

/// `KEY=VALUE` of every `--set` as (key, value).
pub fn overrides(set: &[String]) -> Result<Vec<(String, String)>, CliError> {
    let pair = |item: &String| {
        let (key, value) = item.split_once('=').ok_or_else(|| {
            CliError::Input(format!("--set {item}: expected KEY=VALUE, for example --set dynamics.timestep=\"1 fs\""))
        })?;
        Ok((key.trim().to_string(), value.trim().to_string()))
    };
    set.iter().map(pair).collect()
}

/// Reads an input file and builds its system.
pub fn prepare_file(args: &InputArgs) -> Result<Prepared, CliError> {
    let (input, locations) = read_input(args)?;
    prepare(input, &locations)
}

/// Builds the system of an input: force field, coordinates, interactions. Writes nothing.
pub fn prepare(input: Input, locations: &Locations) -> Result<Prepared, CliError> {
    let at = |key: &str, error: &dyn std::fmt::Display| CliError::input(locations.explain(key, &error.to_string()));
    if let GeometrySpec::Topology { structure, topology } = &input.system.geometry {
        let imported = import::import(structure, topology, locations)?;
        return finish(input, locations, imported, Vec::new());
    }
    let library = super::molecules::library(&input.system, locations)?;
    let files = super::molecules::from_files(&input.system, locations)?;
    let assembled = forcefield::assemble_from(&library, &input.system, input.nonbonded.mixing, &files)
        .map_err(|e| at(&e.key().unwrap_or_else(|| "system".into()), &e))?;
    if let (GeometrySpec::Slab { density }, Some(spec)) = (&input.system.geometry, &input.interface.surface) {
        let (parts, layers) = surface::build(&input, spec, *density, assembled, &library, locations)?;
        return finish(input, locations, parts, layers);
    }
    let mut warnings = assembled.warnings.clone();
    let (mut layers, mut liquid) = (Vec::new(), None);
    // the water comes first in the library's list and last in the box
    let mut species = assembled.species.clone();
    species.rotate_left(1);
    let (sequence, state) = match &input.system.geometry {
        GeometrySpec::Structure(path) => {
            let read = structure::read_structure(path).map_err(|e| at("system.structure", &e))?;
            let same = |s: &Species, residue: &str| {
                forcefield::residue_aliases(s).iter().any(|alias| alias.eq_ignore_ascii_case(residue))
            };
            let imported = build::from_structure(&read, &species, same).map_err(|e| at("system.structure", &e))?;
            check_counts(&input.system, &species, &imported.sequence).map_err(|e| at("system.structure", &e))?;
            let mut state = State::at_rest(read.cell, imported.positions);
            if let Some(velocities) = imported.velocities {
                state.velocities = velocities;
            }
            (imported.sequence, state)
        }
        geometry => {
            let request = SolutionRequest {
                species: &species,
                quantities: &quantities(&input.system, geometry),
                extent: extent(geometry).map_err(|e| at("system.box", &e))?,
                seed: input.system.seed,
                net_charge_allowed: input.system.net_charge_allowed,
                contact_pairs_allowed: input.system.contact_pairs_allowed,
                geometries: &assembled.geometries,
            };
            let built = if input.system.vacuum > 0.0 {
                let film = build::film(&request, input.system.vacuum, faces(&input.interface));
                let film = film.map_err(|e| at(&place_of(&e, &input.system), &e))?;
                layers = describe_film(&input.system, &input.interface, &film);
                warnings.extend(far_walls(&input.interface, &film));
                let counts: Vec<usize> = film.liquid.report.rows.iter().map(|r| r.count).collect();
                liquid = Some((area(&film.liquid.cell) * film.accessible, counts));
                warnings.extend(narrowed(geometry, &film));
                film.liquid
            } else {
                build::solution(&request).map_err(|e| at(&place_of(&e, &input.system), &e))?
            };
            if built.contact_pairs > 0 && !input.system.contact_pairs_allowed {
                warnings.push(format!(
                    "{} pairs of a cation and an anion start in contact, because the box has no room to keep all ions solvated",
                    built.contact_pairs
                ));
            }
            (built.sequence, State::at_rest(built.cell, built.positions))
        }
    };
    let topology = Topology::new(assembled.types.clone(), species, &sequence);
    let parts = Parts { assembled, topology, state, restraints: Vec::new(), room: None, liquid, warnings };
    finish(input, locations, parts, layers)
}

/// The walls next to a film: the highest one below it and the lowest one above it.
fn faces(interface: &InterfaceSpec) -> [Option<build::Face>; 2] {
    let on = |normal: f64| {
        let walls = interface.walls.iter().filter(move |wall| wall.normal == normal);
        let innermost = walls.max_by(|a, b| (normal * a.z).total_cmp(&(normal * b.z)));
        innermost.map(|wall| build::Face { z: wall.z, sigma: wall.sigma })
    };
    [on(1.0), on(-1.0)]
}

/// Of a cell in the xy plane, nm²
fn area(cell: &Cell) -> f64 {
    let v = cell.vectors();
    v.x_axis.cross(v.y_axis).length()
}

/// A density that fixed a box for all molecules holds no more where walls take a part of it.
fn narrowed(geometry: &GeometrySpec, film: &build::Film) -> Option<String> {
    let GeometrySpec::Density(asked) = geometry else { return None };
    let cell = film.liquid.cell;
    let volume = area(&cell) * film.accessible;
    let between = film.liquid.report.density * cell.volume() / volume;
    (between > 1.02 * asked).then(|| {
        format!(
            "walls take a part of the box that {asked:.4} g/cm3 made for the molecules, and leave {between:.4} g/cm3 between them: give `box` beside the \
             density and one species without a number, which fills what is left"
        )
    })
}

/// What a film is made of, from below.
fn describe_film(system: &SystemSpec, interface: &InterfaceSpec, film: &build::Film) -> Vec<String> {
    let (report, cell) = (&film.liquid.report, film.liquid.cell.vectors());
    let volume = area(&film.liquid.cell) * film.accessible;
    let density = report.density * film.liquid.cell.volume() / volume;
    let bottom = 0.5 * system.vacuum;
    let mut notes = vec![format!(
        "film    from {bottom:.3} to {:.3} nm, accessible height {:.3} nm, {volume:.3} nm3, {density:.4} g/cm3 in it",
        cell.z_axis.z - bottom,
        film.accessible
    )];
    for row in report.rows.iter().filter(|r| r.count > 0) {
        let molar = row.count as f64 / volume * CONCENTRATION_MOL_L;
        notes.push(format!("          {:<12} {:>7}  {molar:.4} mol/L of the accessible volume", row.name, row.count));
    }
    for (k, wall) in interface.walls.iter().enumerate() {
        let side = if wall.normal > 0.0 { "below" } else { "above" };
        notes.push(format!("wall {}  at {} nm, {side} what it acts on", k + 1, wall.z));
    }
    notes.push(format!("vacuum  {} nm in all, half of it below", system.vacuum));
    notes
}

/// Walls that the liquid will never reach.
fn far_walls(interface: &InterfaceSpec, film: &build::Film) -> Vec<String> {
    let height = film.liquid.cell.vectors().z_axis.z;
    let is_out = |z: f64| !(0.0..=height).contains(&z);
    let out = interface.walls.iter().enumerate().filter(|(_, wall)| is_out(wall.z));
    out.map(|(k, wall)| {
        format!("[[wall]] {} at {} nm is outside of the cell, 0 to {height:.3} nm: nothing reaches it", k + 1, wall.z)
    })
    .collect()
}

/// A system without its interactions.
pub struct Parts {
    pub assembled: Assembled,
    pub topology: Topology,
    pub state: State,
    pub restraints: Vec<PositionRestraint>,
    /// Between slabs that were built.
    pub room: Option<Room>,
    /// Beside a surface or vacuum that was built: volume of the liquid (nm³) and `[n_species]` of its molecules, in one gap of several.
    pub liquid: Option<(f64, Vec<usize>)>,
    pub warnings: Vec<String>,
}

/// Checks the charge, fits the interactions to the cell.
fn finish(input: Input, locations: &Locations, parts: Parts, layers: Vec<String>) -> Result<Prepared, CliError> {
    let at = |key: &str, error: &dyn std::fmt::Display| CliError::input(locations.explain(key, &error.to_string()));
    let Parts { assembled, topology, state, restraints, room, liquid, mut warnings } = parts;
    let mut composition = BoxReport::new(&topology.species, &topology.species_counts(), state.cell);
    if input.interface.has_surface() || input.system.vacuum > 0.0 {
        let mut is_slab = vec![false; topology.species.len()];
        for molecule in &topology.molecules {
            is_slab[molecule.species as usize] |= topology.frozen[molecule.first_atom as usize];
        }
        let liquid = liquid.as_ref().map(|(volume, counts)| (*volume, &counts[..]));
        composition = composition.with_surface(&topology.species, &is_slab, liquid);
    }
    // what electrodes carry is not what the topology says
    if composition.net_charge.abs() > 1e-4 && input.interface.electrodes.is_empty() {
        // charges of a topology are rounded: what does not add up to one elementary charge is that
        let is_rounding =
            matches!(input.system.geometry, GeometrySpec::Topology { .. }) && composition.net_charge.abs() < 0.5;
        if !input.system.net_charge_allowed && !is_rounding {
            let error = build::BuildError::NetCharge {
                charge: composition.net_charge,
                detail: "the imported structure".to_string(),
            };
            return Err(at(&place_of(&error, &input.system), &error));
        }
        let charge = composition.net_charge;
        warnings.push(if input.interface.slab_correction {
            format!("the slab has a net charge of {charge:+.4} e: there is a field in the vacuum on both of its sides")
        } else {
            format!("the box has a net charge of {charge:+.4} e: Ewald sums neutralise it with a uniform background")
        });
    }
    let interactions = input.nonbonded.resolve(&state.cell).map_err(|e| {
        let lateral =
            if input.interface.surface.is_some() { "\n  `size` of [surface] says how wide the cell is" } else { "" };
        at("nonbonded.cutoff", &format!("{e}{lateral}"))
    })?;
    if interactions.dispersion_correction && has_c4(&assembled) {
        warnings.push("the −C4/r⁴ tail beyond the cutoff is not part of the dispersion correction".to_string());
    }
    observables::check(&input.analyses, &topology, &state.cell, locations)?;
    let mut system = System {
        topology,
        pair_table: assembled.pair_table.clone(),
        interactions,
        restraints,
        external: External::default(),
    };
    let mut state = state;
    warnings.extend(held::hold(&mut system, &mut state, &input.dynamics).map_err(|e| at(e.key, &e.message))?);
    // a topology has a rule of its own, which shows where a type meets itself
    let mixing = match (&input.system.geometry, system.pair_table.origin(0, 0)) {
        (GeometrySpec::Topology { .. }, PairOrigin::Mixed(rule)) => rule,
        _ => input.nonbonded.mixing,
    };
    let notes = interface::apply(&input, &mut system, &mut state, mixing);
    warnings.extend(notes.map_err(|e| at(&e.key, &e.message))?);
    let open = piston::open_systems(&input, &system, &state).map_err(|e| at(&e.key, &e.message))?;
    let piston_log = piston::log_of(&open, room);
    let step = |s: &StageSpec| match &s.kind {
        StageKind::Dynamics { dynamics, .. } => dynamics.timestep,
        _ => 0.0,
    };
    warnings.extend(time_step::warning(&system.topology, input.stages.iter().map(step).fold(0.0, f64::max)));
    let has_barostat =
        |s: &StageSpec| matches!(&s.kind, StageKind::Dynamics { dynamics, .. } if dynamics.barostat.is_some());
    if !system.restraints.is_empty() && input.stages.iter().any(has_barostat) {
        let message = "the topology restrains atoms, and a barostat would move the cell under them\n  run at constant volume, or \
                       leave its position_restraints out";
        return Err(at("dynamics.barostat", &message));
    }
    let density = buffer::densest(&state.positions, &state.cell);
    Ok(Prepared { input, assembled, system, open, piston_log, state, density, composition, layers, warnings })
}

fn has_c4(assembled: &Assembled) -> bool {
    assembled.pair_table.coefficients().iter().any(|k| k.c4 != 0.0)
}

/// Amounts in the order solutes, water.
pub(super) fn quantities(system: &SystemSpec, geometry: &GeometrySpec) -> Vec<Quantity> {
    let solutes = system.solutes.iter().map(|s| match s.amount {
        Amount::Count(n) => Quantity::Count(n),
        Amount::Concentration(c) => Quantity::Concentration(c),
        Amount::FromStructure => Quantity::Count(0),
    });
    let water = match (system.water.molecules, geometry) {
        (Some(n), _) => Quantity::Count(n),
        (None, _) => Quantity::Fill,
    };
    solutes.chain([water]).collect()
}

pub(super) fn extent(geometry: &GeometrySpec) -> Result<Extent, crate::cell::CellError> {
    let cell = |v: &[[f64; 3]; 3]| Cell::new(DVec3::from(v[0]), DVec3::from(v[1]), DVec3::from(v[2]));
    Ok(match geometry {
        GeometrySpec::Density(density) => Extent::Density(*density),
        GeometrySpec::Cell(vectors) => Extent::Cell(cell(vectors)?),
        GeometrySpec::CellAndDensity { cell: vectors, density } => Extent::CellAndDensity(cell(vectors)?, *density),
        GeometrySpec::Slab { .. } | GeometrySpec::Structure(_) | GeometrySpec::Topology { .. } => Extent::Density(1.0),
    })
}

/// Counts that the input states must be those of the structure.
fn check_counts(system: &SystemSpec, species: &[Species], sequence: &[u32]) -> Result<(), String> {
    let stated = system.solutes.iter().map(|s| match s.amount {
        Amount::Count(n) => Some(n),
        _ => None,
    });
    for (s, stated) in stated.chain([system.water.molecules]).enumerate() {
        let found = sequence.iter().filter(|&&x| x as usize == s).count();
        if let Some(n) = stated
            && n != found
        {
            return Err(format!("the structure holds {found} molecules of {}, the input says {n}", species[s].name));
        }
    }
    Ok(())
}

/// Radius of the neighbor list of a stage, nm, and a warning when the user asked for less than the drift needs.
///
/// * `lag` – intervals that a list lags behind when it is put to use: it has to serve that much longer
pub fn list_radius(prepared: &Prepared, dynamics: &DynamicsSpec, lag: u32) -> (f64, Option<String>) {
    let lifetime = dynamics.list_lifetime(lag) * (1 + lag);
    let estimate = buffer::list_radius(
        &prepared.system,
        prepared.density,
        dynamics.thermostat.temperature(),
        dynamics.timestep,
        lifetime,
        buffer::DEFAULT_TOLERANCE,
    );
    let cutoff = prepared.system.interactions.cutoff;
    let Some(skin) = dynamics.skin else { return (estimate, None) };
    let warning = (cutoff + skin < estimate).then(|| {
        format!(
            "skin = {skin} nm is less than the {:.3} nm that lists of {} steps need: pairs are missed and energy drifts; leave skin out or lower neighbor_every",
            estimate - cutoff,
            lifetime
        )
    });
    (cutoff + skin, warning)
}

/// Radius to which a list may be pruned on a device, nm: it covers the moves until every pair is looked at again.
pub fn inner_radius(prepared: &Prepared, dynamics: &DynamicsSpec) -> f64 {
    buffer::list_radius(
        &prepared.system,
        prepared.density,
        dynamics.thermostat.temperature().max(buffer::COLDEST),
        dynamics.timestep,
        // a list made at step n serves the forces of step n; one pruned after them serves those of n + interval
        PRUNE_INTERVAL + 1,
        buffer::INNER_TOLERANCE,
    )
}

/// Length of all dynamics stages together, ps.
pub fn total_duration(input: &Input) -> f64 {
    let of = |kind: &StageKind| if let StageKind::Dynamics { duration, .. } = kind { *duration } else { 0.0 };
    input.stages.iter().map(|s| of(&s.kind)).sum()
}

/// Any input error, as the command line shows it.
impl From<InputError> for CliError {
    fn from(error: InputError) -> Self {
        CliError::input(error)
    }
}
