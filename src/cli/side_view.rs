//! The last configuration from the side, for the picture of an interface in the report.

use crate::report::SideView;
use crate::system::{State, System};

/// More atoms than this are not drawn: a layer of the cell is, whose thickness follows.
const MOST_ATOMS: usize = 8000;
/// Empty space shown on both sides, nm.
const ROOM: f64 = 0.3;

/// The picture of a system with a surface: electrodes, walls, atoms that stay where they are, or a slab in vacuum; empty for any other.
pub fn of(system: &System, state: &State) -> SideView {
    let (topology, external) = (&system.topology, &system.external);
    let has_surface = topology.frozen.contains(&true) || !external.terms().is_empty();
    let vectors = state.cell.vectors();
    let drawn: Vec<usize> = (0..topology.n_atoms())
        .filter(|&i| topology.masses[i] > 0.0 && (topology.frozen[i] || topology.atom(i).element != "H"))
        .collect();
    if !has_surface || drawn.is_empty() {
        return SideView::default();
    }
    let depth = vectors.y_axis.y;
    let shown = (MOST_ATOMS as f64 / drawn.len() as f64).min(1.0);
    // z is not wrapped where there is a vacuum: the slab is in one piece.
    let z_of = |i: usize| match external.slab_correction {
        true => state.positions[i].z,
        false => state.cell.wrap(state.positions[i]).z,
    };
    let layer_of = |i: usize| (topology.frozen[i], topology.atom(i).element.clone());
    let mut atoms: Vec<((bool, usize, String), [f64; 2])> = drawn
        .iter()
        .map(|&i| (i, state.cell.wrap(state.positions[i])))
        .filter(|(_, r)| shown == 1.0 || r.y < shown * depth)
        .map(|(i, r)| {
            let (frozen, element) = layer_of(i);
            // Surfaces first, then water, and ions on top of what surrounds them.
            let n_atoms = topology.species_of(topology.molecule_of[i] as usize).atoms.len();
            ((!frozen, usize::MAX - n_atoms, element), [r.x, z_of(i)])
        })
        .collect();
    atoms.sort_by(|a, b| a.0.cmp(&b.0));
    let extent = |z: &mut dyn Iterator<Item = f64>| {
        z.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], z| [low.min(z), high.max(z)])
    };
    let [low, high] = extent(&mut drawn.iter().map(|&i| z_of(i)));
    let mut surfaces: Vec<(String, [f64; 2])> = Vec::new();
    if let Some(electrodes) = &external.electrodes {
        for e in &electrodes.electrodes {
            surfaces.push((e.name.clone(), extent(&mut e.atoms.iter().map(|&i| z_of(i as usize)))));
        }
    } else {
        let frozen: Vec<usize> = drawn.iter().copied().filter(|&i| topology.frozen[i]).collect();
        let mut of_species: Vec<(u32, Vec<usize>)> = Vec::new();
        for i in frozen {
            let species = topology.molecules[topology.molecule_of[i] as usize].species;
            match of_species.iter_mut().find(|(s, _)| *s == species) {
                Some((_, own)) => own.push(i),
                None => of_species.push((species, vec![i])),
            }
        }
        for (species, own) in of_species {
            let name = topology.species[species as usize].name.clone();
            surfaces.push((name, extent(&mut own.iter().map(|&i| z_of(i)))));
        }
    }
    let mut caption = "Hydrogen of molecules is left out.".to_string();
    if shown < 1.0 {
        caption += &format!(" Of {depth:.2} nm along y the first {:.2} nm are drawn.", shown * depth);
    }
    SideView {
        width: vectors.x_axis.x,
        z: [low - ROOM, high + ROOM],
        atoms: atoms.into_iter().map(|((_, _, element), at)| (element, at)).collect(),
        surfaces,
        caption,
    }
}
