//! The first shell of one ion of the last configuration, for the picture in the report.

use crate::report::{ShellView, ViewAtom};
use crate::system::{State, Topology};
use glam::DVec3;

/// Molecules with an atom this near to the ion are drawn, nm: between the first and the second shell of Zn2+.
const RADIUS: f64 = 0.28;

/// The first zinc ion, or without one the first ion of charge +1 or more, with the molecules that touch it; empty without any.
pub fn first_shell(topology: &Topology, state: &State) -> ShellView {
    let is_ion = |m: &usize| topology.species_of(*m).atoms.len() == 1 && topology.species_of(*m).charge() > 0.5;
    let ions: Vec<usize> = (0..topology.molecules.len()).filter(is_ion).collect();
    let zinc = ions.iter().copied().find(|&m| topology.species_of(m).atoms[0].element == "Zn");
    let Some(ion) = zinc.or(ions.first().copied()) else { return ShellView::default() };
    let center = topology.atoms_of(ion).start;
    let from_center = |i: usize| state.cell.minimum_image(state.positions[i] - state.positions[center]);
    let species = topology.species_of(ion);
    let mut view = ShellView {
        title: format!("First shell of {} (molecule {})", species.name, ion + 1),
        atoms: vec![ViewAtom { element: species.atoms[0].element.clone(), position: [0.0; 3] }],
        ..Default::default()
    };
    for m in (0..topology.molecules.len()).filter(|&m| m != ion) {
        let atoms = topology.atoms_of(m);
        let massive = |i: &usize| topology.masses[*i] > 0.0;
        let is_hydrogen = |i: usize| topology.atom(i).element == "H";
        let Some(nearest) = (atoms.clone().filter(massive).filter(|&i| !is_hydrogen(i)))
            .min_by(|&i, &j| from_center(i).length_squared().total_cmp(&from_center(j).length_squared()))
            .filter(|&i| from_center(i).length() < RADIUS)
        else {
            continue;
        };
        // The rest of the molecule as it hangs on the atom in the shell.
        let anchor = from_center(nearest);
        let place =
            |i: usize| -> DVec3 { anchor + state.cell.minimum_image(state.positions[i] - state.positions[nearest]) };
        let mut index = vec![None; atoms.len()];
        for i in atoms.clone().filter(massive) {
            index[i - atoms.start] = Some(view.atoms.len());
            if i == nearest {
                view.contacts.push((0, view.atoms.len()));
            }
            view.atoms.push(ViewAtom { element: topology.atom(i).element.clone(), position: place(i).to_array() });
        }
        for &(a, b) in &topology.species_of(m).bonds {
            if let (Some(a), Some(b)) = (index[a as usize], index[b as usize]) {
                view.bonds.push((a, b));
            }
        }
    }
    view
}
