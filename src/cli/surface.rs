//! Slabs of an input: from the library and the builder to the parts of a system.

use super::CliError;
use super::amounts::place_of;
use super::piston::Room;
use super::prepare::{Parts, quantities};
use crate::build::{self, SlabRequest};
use crate::cell::Cell;
use crate::forcefield::crystal::{self, Crystal, CrystalFault};
use crate::forcefield::surface::{self, Surface, SurfaceSite};
use crate::forcefield::{Assembled, Library};
use crate::io::input::Locations;
use crate::io::structure;
use crate::system::interface::{COATING_DISTANCE, CrystalSpec, MonolayerSpec, SurfaceSpec};
use crate::system::spec::Input;
use crate::system::topology::{Species, SpeciesAtom};
use crate::system::{State, Topology};
use crate::units::{CONCENTRATION_MOL_L, COULOMB, DENSITY_G_CM3, VOLT};
use glam::DVec3;
use std::f64::consts::PI;

/// Layers where neither input nor library say how many.
const LAYERS: usize = 3;
/// A slab under a coating may be this much smaller or larger than asked for.
const NEAR: f64 = 0.1;
/// Atoms of a slab and of its coating that are closer stand in each other: no bond between heavy atoms of solids is shorter by much, nm.
const NEAREST: f64 = 0.15;
/// Above this distance of a coating there is an empty gap below it, nm.
const FARTHEST: f64 = 0.6;
/// Potential across a slab of the user's crystal above which it counts as polar, V.
const MOST_POLAR: f64 = 0.1;
/// Mass in the height of a monolayer, g/cm³: water and organic liquids are below.
const MOST_DENSE: f64 = 1.5;
/// Slabs whose backs are closer across the boundary stand in each other, nm.
const LEAST_APART: f64 = 0.1;

/// Names of the slabs, as species: what selections call them.
fn names(slabs: usize) -> &'static [(&'static str, &'static str)] {
    match slabs {
        3 => &[("lower", "LOW"), ("middle", "MID"), ("upper", "UPP")],
        n => &[("lower", "LOW"), ("upper", "UPP")][..n],
    }
}

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
    let surface = match &spec.crystal {
        Some(crystal) => {
            let place = |e: CrystalFault| at(&format!("surface.crystal.{}", e.key), &e.message);
            own_crystal(&spec.material, crystal).map_err(place)?
        }
        None => surface::find(&spec.material).map_err(|e| at("surface.material", &e))?,
    };
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
    let sheet = surface.slab_cell(layers).map_err(|e| {
        let is_frame = spec.crystal.is_some() && surface.slab_cell(1).is_err();
        at(if is_frame { "surface.crystal.frame" } else { "surface.layers" }, &e)
    })?;
    if spec.vacuum < LEAST_APART {
        let apart = layers as f64 * surface.layer - sheet.thickness;
        let message = format!(
            "{} nm of vacuum puts the outermost atoms below and above on each other across the boundary\n  layers of {} are \
             {apart:.3} nm apart: vacuum = \"{apart:.3} nm\" joins the slabs back to back",
            spec.vacuum, surface.name
        );
        return Err(at("surface.vacuum", &message));
    }
    let gallery = match (spec.galleries, surface.gallery) {
        (0, _) => None,
        (_, Some(gallery)) => Some(gallery),
        (_, None) => {
            let message = format!("{} has no galleries; the library has some for voh and birnessite", surface.name);
            return Err(at("surface.galleries", &message));
        }
    };
    let spacing = gallery.map_or(0.0, |g| g.spacing);
    let cell = surface.stacked(&sheet, spec.galleries + 1, spacing);
    let (surface, cell, size, coating) = match &spec.coating {
        None => (surface, cell, spec.size, None),
        Some(coating) => {
            let of_material = |e: String| at("surface.coating.material", &e);
            let material = surface::find(&coating.material).map_err(of_material)?;
            let sheet = material.slab_cell(material.layers.unwrap_or(1)).map_err(of_material)?;
            let fit = Fit::new(spec.size, cell.lateral, sheet.lateral, 2.0 * input.nonbonded.cutoff);
            let note = fit.note(&material.title, coating.distance);
            let n_below = cell.atoms.len() * fit.slab[0] * fit.slab[1];
            let cell = coat(&cell, &sheet, &fit, coating.distance, surface.sites.len());
            let surface = surface.with(&material);
            apart(&surface, &cell, n_below, coating.distance).map_err(|e| at("surface.coating.distance", &e))?;
            (surface, cell.clone(), cell.lateral, Some((fit, note)))
        }
    };
    let bounds: Vec<[f64; 2]> =
        (0..spec.galleries).map(|k| [k as f64 * spacing + sheet.thickness, (k + 1) as f64 * spacing]).collect();
    let mut liquid_species = assembled.species.clone();
    liquid_species.rotate_left(1);
    let monolayers =
        monolayers(spec, &liquid_species).map_err(|(k, e)| at(&format!("surface.monolayers.{k}.species"), &e))?;
    let positions: Vec<DVec3> = cell.atoms.iter().map(|a| a.1).collect();
    let amounts = quantities(&input.system, &input.system.geometry);
    let request = SlabRequest {
        atoms: &positions,
        thickness: cell.thickness,
        lateral: cell.lateral,
        size,
        slabs: spec.slabs,
        gap: spec.gap,
        vacuum: spec.vacuum,
        sigma: surface.sigma(&cell),
        density,
        species: &liquid_species,
        quantities: &amounts,
        monolayers: &monolayers,
        galleries: &bounds,
        gallery_water: (liquid_species.len() - 1, gallery.map_or(0.0, |g| g.water)),
        seed: input.system.seed,
        net_charge_allowed: input.system.net_charge_allowed,
        contact_pairs_allowed: input.system.contact_pairs_allowed,
        geometries: &assembled.geometries,
    };
    let built = build::slab(&request).map_err(|e| match e {
        build::BuildError::CellTooSmall { limit, .. } => {
            let built = [0, 1].map(|k| (spec.size[k] / cell.lateral[k]).round().max(1.0) * cell.lateral[k]);
            let message = format!(
                "a size of {} x {} nm is {:.3} x {:.3} nm in whole cells of the crystal, and molecules need at least {limit} nm\n  \
                 twice the cutoff is what the forces need: size = [\"2 nm\", \"2 nm\"] for 0.9 nm",
                spec.size[0], spec.size[1], built[0], built[1]
            );
            at("surface.size", &message)
        }
        build::BuildError::TooDilute { ref species, concentration, exact, volume, .. } => {
            let message = format!(
                "{} mmol/L of {species} in this liquid are {exact:.2} molecules, which rounds to none\n  one molecule needs {volume:.0} nm3: make \
                 `gap` or `size` of [surface] larger, or take count = 1 and what concentration that is",
                1e3 * concentration
            );
            at(&place_of(&e, &input.system), &message)
        }
        _ => at(&place_of(&e, &input.system), &e),
    })?;

    let water = library.water(&input.system.water.model).map_err(|e| at("system.water.model", &e))?;
    let water_names: Vec<&str> = std::iter::once(&water.name).chain(&water.aliases).map(String::as_str).collect();
    let oxygen = assembled.species[0].atoms.iter().find(|a| a.element == "O").map(|a| a.type_id);
    let first_type = assembled.add_surface(&surface, &water_names, oxygen, input.nonbonded.mixing);
    let n_slabs = built.slabs.len();
    let mut species: Vec<Species> =
        names(n_slabs).iter().map(|names| slab_species(*names, &surface, &cell, built.cells, first_type)).collect();
    species.extend(liquid_species);
    let mut sequence: Vec<u32> = (0..n_slabs as u32).collect();
    sequence.extend(built.sequence.iter().map(|s| s + n_slabs as u32));
    let mut topology = Topology::new(assembled.types.clone(), species, &sequence);
    let n_frozen: usize = built.slabs.iter().map(Vec::len).sum();
    topology.frozen[..n_frozen].fill(true);
    let all: Vec<DVec3> = built.slabs.iter().flatten().chain(&built.positions).copied().collect();
    let sheets = Sheets { layers, galleries: &bounds, fit: coating.as_ref().map(|c| &c.0) };
    let mut notes = describe(spec, &surface, &sheets, &cell, &built, &topology.species[n_slabs..]);
    notes.extend(coating.map(|c| c.1));
    let mut warnings = assembled.warnings.clone();
    if let Some(coating) = spec.coating.as_ref().filter(|c| c.distance > FARTHEST) {
        warnings.push(format!(
            "the coating is {} nm above its slab, and nothing fills the gap: [surface] coating.distance is {COATING_DISTANCE} nm where it is left out",
            coating.distance
        ));
    }
    warnings.extend(polar(&surface, &sheet).filter(|_| spec.crystal.is_some()));
    warnings.extend(crowded(&topology.species[n_slabs..], &built));
    let state = State::at_rest(built.cell, all);
    let liquid = built.liquid.sequence.iter().map(|&s| topology.species[s as usize + n_slabs].mass()).sum();
    let room = Some(Room { excluded: spec.gap - built.accessible, mass: liquid });
    let mut counts = vec![0; topology.species.len()];
    built.liquid.sequence.iter().for_each(|&s| counts[s as usize + n_slabs] += 1);
    let v = built.cell.vectors();
    let liquid = Some((v.x_axis.x * v.y_axis.y * built.accessible, counts));
    Ok((Parts { assembled, topology, state, restraints: Vec::new(), room, liquid, warnings }, notes))
}

/// A crystal that was cut so that a potential stands across the slab without any liquid.
fn polar(surface: &Surface, sheet: &surface::SlabCell) -> Option<String> {
    let moment: f64 = sheet.atoms.iter().map(|(site, r)| surface.sites[*site].charge * r.z).sum();
    let potential = 4.0 * PI * COULOMB * moment / (sheet.lateral[0] * sheet.lateral[1]) / VOLT;
    let at = |end: fn(f64, f64) -> f64, from: f64| sheet.atoms.iter().map(|a| a.1.z).fold(from, end);
    let face = |height: f64| {
        let here = sheet.atoms.iter().find(|a| (a.1.z - height).abs() < 1e-9);
        here.map_or("", |a| &surface.sites[a.0].name)
    };
    (potential.abs() > MOST_POLAR).then(|| {
        format!(
            "the slab of {} begins with {} and ends with {}, and {potential:.1} V stand across it before anything touches it: another `cut` in \
             [surface.crystal], which is where in the crystal the slab begins (0 where it is left out), may end it as it begins",
            surface.title,
            face(at(f64::min, f64::INFINITY)),
            face(at(f64::max, f64::NEG_INFINITY))
        )
    })
}

/// Mass of a layer by its height, g/cm³.
///
/// * `species` – of the liquid
fn density_of(layer: &build::Layer, species: &[Species], cell: &Cell) -> f64 {
    let v = cell.vectors();
    layer.count as f64 * species[layer.species].mass() / (v.x_axis.x * v.y_axis.y * layer.height) * DENSITY_G_CM3
}

/// Is a layer a monolayer, and not in a gallery?
fn is_monolayer(layer: &build::Layer) -> bool {
    layer.name.starts_with("monolayer")
}

/// Monolayers that were packed more densely than liquids are.
///
/// * `species` – of the liquid
fn crowded(species: &[Species], built: &build::SlabBox) -> Option<String> {
    let densest = (built.layers.iter().filter(|layer| is_monolayer(layer)))
        .map(|layer| (density_of(layer, species, &built.cell), layer))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let (density, layer) = densest.filter(|(density, _)| *density > MOST_DENSE)?;
    Some(format!(
        "{}: {} {} in its {} nm are {density:.2} g/cm3, more than such a liquid has: a smaller coverage, or a larger `height`, in [surface] monolayers gives \
         them room",
        layer.name, layer.count, species[layer.species].name, layer.height
    ))
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

/// Whole cells of a slab and of a sheet of another lattice on it, along x and y.
#[derive(Debug, Clone, PartialEq)]
struct Fit {
    slab: [usize; 2],
    sheet: [usize; 2],
    /// By which the sheet is stretched.
    scale: [f64; 2],
}

impl Fit {
    /// Of the sizes of the slab within [`NEAR`] of the one asked for, that at which the sheet is strained least; of equal ones that nearest to it. Where
    /// there is none the nearest size.
    ///
    /// * `size`, `slab`, `sheet` – asked for, and of one cell of each, nm
    /// * `least` – nm; no size below it is chosen instead of one above
    fn new(size: [f64; 2], slab: [f64; 2], sheet: [f64; 2], least: f64) -> Self {
        let along = |k: usize| {
            let length = |n: usize| n as f64 * slab[k];
            let nearest = ((size[k] / slab[k]).round() as usize).max(1);
            let of_sheet = |n: usize| ((length(n) / sheet[k]).round() as usize).max(1);
            let scale = |n: usize| length(n) / (of_sheet(n) as f64 * sheet[k]);
            let is_near = |n: &usize| (length(*n) / size[k] - 1.0).abs() <= NEAR && length(*n) >= least;
            let few = (size[k] * (1.0 - NEAR) / slab[k]).floor().max(1.0) as usize;
            // to a millionth: equal lattices have equal strains
            let strain = |n: usize| ((scale(n) - 1.0).abs() * 1e6).round();
            let off = |n: usize| (length(n) - size[k]).abs();
            let better = |a: &usize, b: &usize| strain(*a).total_cmp(&strain(*b)).then(off(*a).total_cmp(&off(*b)));
            let n = (few..=nearest + few).filter(is_near).min_by(better).unwrap_or(nearest);
            (n, of_sheet(n), scale(n))
        };
        let [x, y] = [along(0), along(1)];
        Fit { slab: [x.0, y.0], sheet: [x.1, y.1], scale: [x.2, y.2] }
    }

    fn note(&self, title: &str, distance: f64) -> String {
        let [x, y] = self.scale.map(|s| 100.0 * (s - 1.0));
        let [n_x, n_y] = self.sheet;
        format!(
            "coating {title}: {n_x} x {n_y} cells strained by {x:+.2} % and {y:+.2} %, {distance} nm above the slab"
        )
    }
}

/// One sheet on top of a slab as one cell; the sheet is strained to fit.
///
/// * `distance` – nm
/// * `first_site` – the sheet's kinds of atoms count from here
fn coat(
    base: &surface::SlabCell,
    sheet: &surface::SlabCell,
    fit: &Fit,
    distance: f64,
    first_site: usize,
) -> surface::SlabCell {
    let spread = |cell: &surface::SlabCell, n: [usize; 2], scale: [f64; 2], z: f64, first: usize| {
        let mut atoms = Vec::new();
        for i in 0..n[0] {
            for j in 0..n[1] {
                let at = DVec3::new(i as f64 * cell.lateral[0], j as f64 * cell.lateral[1], z);
                let place = |r: DVec3| (r + at) * DVec3::new(scale[0], scale[1], 1.0);
                atoms.extend(cell.atoms.iter().map(|&(site, r)| (first + site, place(r))));
            }
        }
        atoms
    };
    let mut atoms = spread(base, fit.slab, [1.0; 2], 0.0, 0);
    let above = base.thickness + distance;
    atoms.extend(spread(sheet, fit.sheet, fit.scale, above, first_site));
    let lateral = [0, 1].map(|k| fit.slab[k] as f64 * base.lateral[k]);
    surface::SlabCell { lateral, atoms, thickness: above + sheet.thickness }
}

/// Do a slab and its coating stand clear of each other?
///
/// * `n_below` – atoms of the slab, which come first in `cell`
/// * `distance` – that was asked for, nm
///
/// # Errors
/// Which atoms do not, and what to write.
fn apart(surface: &Surface, cell: &surface::SlabCell, n_below: usize, distance: f64) -> Result<(), String> {
    let (below, above) = cell.atoms.split_at(n_below);
    let top = below.iter().map(|a| a.1.z).fold(f64::MIN, f64::max);
    let of = |atoms: &[(usize, DVec3)]| -> Vec<(usize, DVec3)> {
        atoms.iter().filter(|a| (a.1.z - top).abs() < distance + NEAREST).copied().collect()
    };
    let (below, above) = (of(below), of(above));
    let mut nearest = (f64::INFINITY, 0, 0);
    for &(i, r) in &below {
        for &(k, s) in &above {
            let mut d = s - r;
            d.x -= cell.lateral[0] * (d.x / cell.lateral[0]).round();
            d.y -= cell.lateral[1] * (d.y / cell.lateral[1]).round();
            if d.length() < nearest.0 {
                nearest = (d.length(), i, k);
            }
        }
    }
    let (length, i, k) = nearest;
    if length >= NEAREST {
        return Ok(());
    }
    let [own, other] = [i, k].map(|site| &surface.sites[site]);
    // the minimum of their Lennard-Jones potential
    let contact = 2.0_f64.powf(1.0 / 6.0) * 0.5 * (own.sigma + other.sigma);
    Err(format!(
        "{distance} nm between slab and coating puts {} and {} at {length:.3} nm, where atoms stand in each other\n  leave `distance` out for \
         {COATING_DISTANCE} nm; {} and {} that are not bonded touch at {contact:.2} nm",
        own.name, other.name, own.element, other.element
    ))
}

/// A crystal from the user's file.
fn own_crystal(name: &str, spec: &CrystalSpec) -> Result<Surface, CrystalFault> {
    let read = structure::read_structure(&spec.file).map_err(|e| CrystalFault {
        key: "file".to_string(),
        message: format!(
            "{e}\n  a CIF, or another structure with a cell, is needed; its path counts from the folder of the input"
        ),
    })?;
    let vectors = read.cell.vectors();
    let sites = spec.sites.iter().map(|s| SurfaceSite {
        name: s.name.clone(),
        element: String::new(),
        charge: s.charge,
        sigma: s.sigma,
        epsilon: s.epsilon,
        mass: 0.0,
    });
    let atoms = read.names.iter().zip(&read.positions);
    crystal::from_crystal(&Crystal {
        name,
        source: &read.source,
        vectors: [vectors.x_axis, vectors.y_axis, vectors.z_axis],
        atoms: atoms.map(|(name, r)| (name.as_str(), read.cell.to_fractional(*r))).collect(),
        frame: spec.frame,
        cut: spec.cut,
        sites: sites.collect(),
    })
}

/// Monolayers with the places of their species, solutes first.
///
/// # Errors
/// The number of a monolayer from 1, and what is wrong with it.
fn monolayers(spec: &SurfaceSpec, species: &[Species]) -> Result<Vec<build::Monolayer>, (usize, String)> {
    let find = |(number, m): (usize, &MonolayerSpec)| {
        let Some(place) = species.iter().position(|s| s.name == m.species) else {
            let known: Vec<&str> = species.iter().map(|s| s.name.as_str()).collect();
            let message = format!(
                "there is no solute `{}` for a monolayer\n  add it to [system] solutes, with count = 0 if none of it is dissolved; there are {}",
                m.species,
                known.join(", ")
            );
            return Err((number, message));
        };
        let charge: f64 = species[place].atoms.iter().map(|a| a.charge).sum();
        if charge.abs() > 1e-3 {
            return Err((number, format!("{} carries {charge:+.3} e, and a monolayer must be neutral", m.species)));
        }
        Ok(build::Monolayer { number, species: place, coverage: m.coverage, faces: m.faces, height: m.height })
    };
    (1..).zip(&spec.monolayers).map(find).collect()
}

/// How a slab is made up.
struct Sheets<'a> {
    /// Of the crystal in one sheet.
    layers: usize,
    /// Between sheets: from the atoms below to those above, nm
    galleries: &'a [[f64; 2]],
    /// Of its coating.
    fit: Option<&'a Fit>,
}

impl Sheets<'_> {
    /// * `thickness` – nm
    fn text(&self, thickness: f64) -> String {
        let layers = self.layers;
        match (self.galleries, self.fit) {
            ([], None) => format!("{layers} layer(s), {thickness:.3} nm thick"),
            ([], Some(_)) => format!("{layers} layer(s) and the coating, {thickness:.3} nm thick"),
            (galleries @ [[low, high], ..], fit) => format!(
                "{} sheets of {layers} layer(s){}, {thickness:.3} nm thick with {} {:.3} nm high",
                galleries.len() + 1,
                if fit.is_some() { " and the coating" } else { "" },
                if let [_] = galleries { "a gallery".to_string() } else { format!("{} galleries", galleries.len()) },
                high - low
            ),
        }
    }
}

/// What every layer is made of, from below.
fn describe(
    spec: &SurfaceSpec,
    surface: &Surface,
    sheets: &Sheets,
    cell: &surface::SlabCell,
    built: &build::SlabBox,
    of_liquid: &[Species],
) -> Vec<String> {
    let v = built.cell.vectors();
    let (x, y) = (v.x_axis.x, v.y_axis.y);
    let change = |built: f64, asked: f64| 100.0 * (built / asked - 1.0);
    let slab = |name: &str| {
        let made_of = sheets.text(cell.thickness);
        format!("{name:<7} {}: {made_of}, {} atoms, frozen", surface.title, built.slabs[0].len())
    };
    let (cells, whose) = match sheets.fit {
        None => (built.cells, "the crystal itself is not strained"),
        Some(fit) => (fit.slab, "the size near it that strains the coating least; the slab below it is not strained"),
    };
    let mut notes = vec![format!(
        "lateral {} x {} cells, {x:.4} x {y:.4} nm ({:+.2} %, {:+.2} % of the size asked for; {whose})",
        cells[0],
        cells[1],
        change(x, spec.size[0]),
        change(y, spec.size[1])
    )];
    let outside = |notes: &mut Vec<String>, of: &str| {
        for layer in built.layers.iter().filter(|layer| layer.name.ends_with(of)) {
            let build::Layer { name, species, count, height } = layer;
            let density = match is_monolayer(layer) {
                true => format!(", {:.2} g/cm3 in its {height} nm", density_of(layer, of_liquid, &built.cell)),
                false => String::new(),
            };
            notes.push(format!(
                "{name}: {count} {}, {:.3} /nm2{density}",
                of_liquid[*species].name,
                *count as f64 / (x * y)
            ));
        }
    };
    notes.push(slab("lower"));
    outside(&mut notes, "the lower slab");
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
    if spec.slabs == 3 {
        notes.push(slab("middle"));
        notes.push("liquid  the same amounts again".to_string());
    }
    if spec.slabs > 1 {
        outside(&mut notes, "the upper slab");
        notes.push(slab("upper"));
    }
    notes.push(format!("vacuum  {} nm in all, half of it below", spec.vacuum));
    notes
}

#[cfg(test)]
mod tests {
    use super::Fit;

    const ZINC: [f64; 2] = [0.26648, 0.461557];
    const MXENE: [f64; 2] = [0.304, 0.526543];

    fn cells(size: [f64; 2], slab: [f64; 2], sheet: [f64; 2]) -> ([usize; 2], [usize; 2]) {
        let fit = Fit::new(size, slab, sheet, 1.8);
        (fit.slab, fit.sheet)
    }

    /// Eight cells of zinc are seven of MXene to 0.2 %: they are taken where they are near, and not from farther away.
    #[test]
    fn a_coating_takes_the_size_near_the_one_asked_for_that_strains_it_least() {
        assert_eq!(cells([4.0; 2], ZINC, MXENE), ([16, 8], [14, 7]));
        let fit = Fit::new([4.0; 2], ZINC, MXENE, 1.8);
        assert!(fit.scale.iter().all(|s| (s - 1.0).abs() < 0.002), "{fit:?}");
        // the nearest size, 15 by 9 cells, strains it more
        let nearest = 15.0 * ZINC[0] / (13.0 * MXENE[0]);
        assert!(nearest - 1.0 > 0.01);
        // 6 cells are the only ones within 10 % of 2.8 nm, and 4 of 2 nm
        assert_eq!(cells([2.7, 2.8], ZINC, MXENE), ([10, 6], [9, 5]));
        assert_eq!(cells([1.9, 2.0], ZINC, MXENE), ([7, 4], [6, 4]));
    }

    #[test]
    fn equal_strains_stay_near_and_no_size_falls_below_the_least() {
        assert_eq!(cells([3.0; 2], [0.25; 2], [0.25; 2]), ([12; 2], [12; 2]), "a lattice on itself");
        assert_eq!(cells([3.0; 2], [2.4; 2], [0.7; 2]), ([1; 2], [3; 2]), "nothing within 10 %: the nearest");
        // 1.75 nm would fit without strain, below twice a cutoff of 0.9 nm
        assert_eq!(cells([1.9; 2], [0.25; 2], [1.75; 2]), ([8; 2], [1; 2]));
        assert_eq!(Fit::new([1.9; 2], [0.25; 2], [1.75; 2], 1.7).slab, [7; 2]);
    }
}
