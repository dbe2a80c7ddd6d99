//! Slabs of an input: from the library and the builder to the parts of a system.

use super::CliError;
use super::prepare::{Parts, quantities};
use crate::build::{self, SlabRequest};
use crate::forcefield::surface::{self, Surface};
use crate::forcefield::{Assembled, Library};
use crate::io::input::Locations;
use crate::system::interface::SurfaceSpec;
use crate::system::spec::Input;
use crate::system::topology::{Species, SpeciesAtom};
use crate::system::{State, Topology};
use crate::units::CONCENTRATION_MOL_L;
use glam::DVec3;

/// Layers where neither input nor library say how many.
const LAYERS: usize = 3;

/// Names of the slabs, as species: what selections call them.
const NAMES: [(&str, &str); 2] = [("lower", "LOW"), ("upper", "UPP")];

/// Builds slabs and liquid.
///
/// * `species` – of the liquid, solutes first and water last
/// * returns the parts, and what `build` prints about every layer
pub fn build(
    input: &Input,
    spec: &SurfaceSpec,
    density: Option<f64>,
    mut assembled: Assembled,
    library: &Library,
    locations: &Locations,
) -> Result<(Parts, Vec<String>), CliError> {
    let at = |key: &str, error: &dyn std::fmt::Display| CliError::input(locations.explain(key, &error.to_string()));
    let surface = surface::find(&spec.material).map_err(|e| at("surface.material", &e))?;
    let layers = match (spec.layers, surface.layers) {
        (Some(asked), Some(only)) if asked != only => {
            let message = format!(
                "{} is built of {only} layer(s), not {asked}\n  more would need what stands between them; leave `layers` out",
                surface.name
            );
            return Err(at("surface.layers", &message));
        }
        (asked, only) => asked.or(only).unwrap_or(LAYERS),
    };
    let cell = surface.slab_cell(layers);
    let mut liquid_species = assembled.species.clone();
    liquid_species.rotate_left(1);
    let positions: Vec<DVec3> = cell.atoms.iter().map(|a| a.1).collect();
    let amounts = quantities(&input.system, &input.system.geometry);
    let request = SlabRequest {
        atoms: &positions,
        thickness: cell.thickness,
        lateral: cell.lateral,
        size: spec.size,
        two: spec.two,
        gap: spec.gap,
        vacuum: spec.vacuum,
        sigma: surface.sigma(),
        density,
        species: &liquid_species,
        quantities: &amounts,
        seed: input.system.seed,
        net_charge_allowed: input.system.net_charge_allowed,
        contact_pairs_allowed: input.system.contact_pairs_allowed,
        geometries: &assembled.geometries,
    };
    let built = build::slab(&request).map_err(|e| match e {
        build::BuildError::GapTooSmall { .. } => at("surface.gap", &e),
        _ => at("system", &e),
    })?;

    let water = library.water(&input.system.water.model).map_err(|e| at("system.water.model", &e))?;
    let water_names: Vec<&str> = std::iter::once(&water.name).chain(&water.aliases).map(String::as_str).collect();
    let oxygen = assembled.species[0].atoms.iter().find(|a| a.element == "O").map(|a| a.type_id);
    let first_type = assembled.add_surface(&surface, &water_names, oxygen, input.nonbonded.mixing);
    let n_slabs = built.slabs.len();
    let mut species: Vec<Species> =
        NAMES[..n_slabs].iter().map(|names| slab_species(*names, &surface, &cell, built.cells, first_type)).collect();
    species.extend(liquid_species);
    let mut sequence: Vec<u32> = (0..n_slabs as u32).collect();
    sequence.extend(built.liquid.sequence.iter().map(|s| s + n_slabs as u32));
    let mut topology = Topology::new(assembled.types.clone(), species, &sequence);
    let n_frozen: usize = built.slabs.iter().map(Vec::len).sum();
    topology.frozen[..n_frozen].fill(true);
    let all: Vec<DVec3> = built.slabs.iter().flatten().chain(&built.liquid.positions).copied().collect();
    let notes = describe(spec, &surface, layers, &cell, &built);
    let warnings = assembled.warnings.clone();
    let state = State::at_rest(built.cell, all);
    Ok((Parts { assembled, topology, state, restraints: Vec::new(), warnings }, notes))
}

/// A slab is one molecule without bonds: its atoms stay where they are.
fn slab_species(
    (name, residue): (&str, &str),
    surface: &Surface,
    cell: &surface::SlabCell,
    cells: [usize; 2],
    first_type: u32,
) -> Species {
    let atom = |site: usize| {
        let site_data = &surface.sites[site];
        SpeciesAtom {
            name: site_data.name.clone(),
            element: site_data.element.clone(),
            type_id: first_type + site as u32,
            charge: site_data.charge,
            mass: site_data.mass,
        }
    };
    let one: Vec<SpeciesAtom> = cell.atoms.iter().map(|a| atom(a.0)).collect();
    let atoms = (0..cells[0] * cells[1]).flat_map(|_| one.iter().cloned()).collect();
    Species { name: name.into(), residue: residue.into(), atoms, ..Species::default() }
}

/// What every layer is made of, from below.
fn describe(
    spec: &SurfaceSpec,
    surface: &Surface,
    layers: usize,
    cell: &surface::SlabCell,
    built: &build::SlabBox,
) -> Vec<String> {
    let v = built.cell.vectors();
    let (x, y) = (v.x_axis.x, v.y_axis.y);
    let change = |built: f64, asked: f64| 100.0 * (built / asked - 1.0);
    let slab = |name: &str| {
        format!(
            "{name:<7} {}: {layers} layer(s), {:.3} nm thick, {} atoms, frozen",
            surface.title,
            cell.thickness,
            built.slabs[0].len()
        )
    };
    let mut notes = vec![format!(
        "lateral {} x {} cells, {x:.4} x {y:.4} nm ({:+.2} %, {:+.2} % of the size asked for; the crystal itself is not strained)",
        built.cells[0],
        built.cells[1],
        change(x, spec.size[0]),
        change(y, spec.size[1])
    )];
    notes.push(slab("lower"));
    let volume = x * y * built.accessible;
    notes.push(format!(
        "liquid  gap {} nm, accessible height {:.3} nm, {volume:.3} nm3, {:.4} g/cm3 in it",
        spec.gap,
        built.accessible,
        built.liquid.report.density * built.liquid.cell.volume() / volume
    ));
    for row in built.liquid.report.rows.iter().filter(|r| r.count > 0) {
        let molar = row.count as f64 / volume * CONCENTRATION_MOL_L;
        notes.push(format!("          {:<12} {:>7}  {molar:.4} mol/L of the accessible volume", row.name, row.count));
    }
    if spec.two {
        notes.push(slab("upper"));
    }
    notes.push(format!("vacuum  {} nm in all, half of it below", spec.vacuum));
    notes
}
