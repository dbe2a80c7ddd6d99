//! What stays where it is: electrodes and slabs, each a body with a name, and whether their faces are alike.
//!
//! Faces are alike, and may be averaged, where they are of one material and held in one way, without a field that tells up from down. A body knows no
//! positions: where it stands is for those who see frames.

use crate::system::external::Condition;
use crate::system::{External, Topology};
use std::collections::BTreeSet;

/// Charges of atoms that stay are told apart from this on, e.
const APART: f64 = 1e-3;

/// Atoms that stay where they are and belong together: an electrode, or those of one species that belong to none.
struct Body {
    name: String,
    /// Condition, width of the Gaussians (nm) and Thomas–Fermi term of an electrode.
    held: Option<(Condition, f64, f64)>,
    /// Types of its atoms, and the charges that they have for good in units of [`APART`].
    material: BTreeSet<(u32, i64)>,
}

/// All bodies of a system.
pub struct Bodies {
    bodies: Vec<Body>,
    /// `[n_atoms]`: the body that an atom belongs to; none for one that moves, or has no mass.
    of: Vec<Option<u32>>,
    /// Does a field tell up from down?
    in_field: bool,
    /// Are there electrodes that are not held alike?
    held_apart: bool,
}

impl Bodies {
    pub fn new(topology: &Topology, external: &External) -> Self {
        let electrodes = external.electrodes.as_ref().map_or(&[][..], |e| &e.electrodes);
        let body = |name: &str, held| Body { name: name.to_string(), held, material: BTreeSet::new() };
        let mut bodies: Vec<Body> =
            (electrodes.iter()).map(|e| body(&e.name, Some((e.condition, e.gaussian_width, e.thomas_fermi)))).collect();
        let mut of = vec![None; topology.n_atoms()];
        for (k, electrode) in electrodes.iter().enumerate() {
            electrode.atoms.iter().for_each(|&i| of[i as usize] = Some(k as u32));
        }
        let mut of_species: Vec<Option<u32>> = vec![None; topology.species.len()];
        for (i, of) in of.iter_mut().enumerate() {
            if topology.masses[i] == 0.0 {
                *of = None;
                continue;
            }
            if of.is_none() && topology.frozen[i] {
                let species = topology.molecules[topology.molecule_of[i] as usize].species as usize;
                let own = of_species[species].get_or_insert_with(|| {
                    let name = &topology.species[species].name;
                    let is_taken = electrodes.iter().any(|e| e.name == *name);
                    bodies.push(body(&if is_taken { format!("rest of {name}") } else { name.clone() }, None));
                    bodies.len() as u32 - 1
                });
                *of = Some(*own);
            }
            if let Some(k) = *of {
                let own = &mut bodies[k as usize];
                // the charge of an electrode's atom is not its own
                let charge = if own.held.is_some() { 0.0 } else { topology.charges[i] };
                own.material.insert((topology.type_ids[i], (charge / APART).round() as i64));
            }
        }
        let held_apart = electrodes.windows(2).any(|pair| pair[0].condition != pair[1].condition);
        Bodies { bodies, of, in_field: external.field_z != 0.0, held_apart }
    }

    /// How many there are.
    pub fn n_bodies(&self) -> usize {
        self.bodies.len()
    }

    /// The body of an atom.
    pub fn of(&self, atom: usize) -> Option<usize> {
        self.of[atom].map(|k| k as usize)
    }

    pub fn name(&self, body: usize) -> &str {
        &self.bodies[body].name
    }

    /// Why faces of these bodies are not alike, as a clause; `None` where they are.
    pub fn apart(&self, bodies: &[usize]) -> Option<&'static str> {
        let differ = |a: &Body, b: &Body| a.held != b.held || a.material != b.material;
        if bodies.is_empty() {
            None
        } else if self.held_apart {
            Some("electrodes are not held alike")
        } else if self.in_field {
            Some("a field tells them apart")
        } else {
            let first = &self.bodies[bodies[0]];
            let is_other = bodies.iter().any(|&k| differ(first, &self.bodies[k]));
            is_other.then_some("slabs are not of one material and held alike")
        }
    }

    /// Says which bodies there are, for the fingerprint of an analysis that tells them apart.
    pub fn fingerprint(&self) -> String {
        self.bodies.iter().map(|b| b.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::external::{Electrode, Electrodes};
    use crate::system::topology::{Species, SpeciesAtom};

    fn system(charges: [f64; 3]) -> Topology {
        let species = |k: usize| {
            let atom =
                SpeciesAtom { name: "C".into(), element: "C".into(), type_id: 0, charge: charges[k], mass: 12.0 };
            let name: String = ["lower", "middle", "upper"][k].into();
            Species { name, residue: "SLA".into(), atoms: vec![atom; 2], ..Species::default() }
        };
        let mut topology = Topology::new(vec!["C".into()], (0..3).map(species).collect(), &[0, 1, 2]);
        topology.frozen.fill(true);
        topology
    }

    #[test]
    fn faces_are_alike_where_material_and_condition_are() {
        let bare = External::default();
        let all = Bodies::new(&system([0.0; 3]), &bare);
        assert_eq!((all.n_bodies(), all.name(1), all.of(5)), (3, "middle", Some(2)));
        assert_eq!(all.apart(&[0, 1, 2]), None);
        let in_field = External { field_z: 1.0, ..bare.clone() };
        assert!(Bodies::new(&system([0.0; 3]), &in_field).apart(&[0, 2]).is_some());
        // fixed charges of either sign: the same type is not the same face
        let plates = Bodies::new(&system([-0.1, 0.0, 0.1]), &bare);
        assert!(plates.apart(&[0, 2]).is_some() && plates.apart(&[0, 0]).is_none());
        let held = |conditions: [Condition; 2]| {
            let electrode = |k: usize| Electrode {
                name: ["lower", "upper"][k].into(),
                atoms: [vec![0, 1], vec![4, 5]][k].clone(),
                condition: conditions[k],
                gaussian_width: 0.05,
                thomas_fermi: 0.0,
            };
            let electrodes = Electrodes { electrodes: vec![electrode(0), electrode(1)], balance: 0.0 };
            // of the charges that they lose nothing is left to tell them apart
            Bodies::new(&system([-0.1, 0.0, 0.1]), &External { electrodes: Some(electrodes), ..External::default() })
        };
        let [zero, one] = [0.0, 1.0].map(Condition::Potential);
        assert_eq!(held([zero, zero]).apart(&[0, 1]), None);
        assert!(held([zero, one]).apart(&[0, 1]).is_some());
        assert!(held([zero, Condition::Charge(0.0)]).apart(&[0, 1]).is_some());
        let three = held([zero, zero]);
        assert!(three.name(2) == "middle" && three.apart(&[0, 1, 2]).is_some(), "an electrode and a slab that is none");
    }
}
