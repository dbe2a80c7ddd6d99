//! What a run may do to a molecule before it starts: turn stiff bonds into constraints, move mass to hydrogens.
//!
//! Rigid water is left alone by both: its geometry is part of the model, and its hydrogens limit nothing.

use super::bonded::DistanceConstraint;
use super::spec::ConstraintsSpec;
use super::topology::Species;

/// Why masses cannot be moved.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RepartitionError {
    #[error(
        "hydrogen_mass = {target} u leaves {atom} of {species} with {left:.3} u, less than its hydrogens have; use a smaller hydrogen_mass"
    )]
    TooHeavy { species: String, atom: String, target: f64, left: f64 },
    #[error(
        "hydrogen {atom} of {species} is bonded to {n} heavy atoms, so hydrogen_mass does not know whose mass to take"
    )]
    NotBondedToOne { species: String, atom: String, n: usize },
}

impl Species {
    /// Is atom `i` (local) a hydrogen?
    pub fn is_hydrogen(&self, i: u32) -> bool {
        matches!(self.atoms[i as usize].element.as_str(), "H" | "D")
    }

    /// Turns harmonic bonds into constraints at their equilibrium length: those with a hydrogen, or all.
    pub fn constrain_bonds(&mut self, which: ConstraintsSpec) {
        if self.rigid_water.is_some() {
            return;
        }
        let bonds = std::mem::take(&mut self.bonded.bonds);
        for bond in bonds {
            let wanted = match which {
                ConstraintsSpec::AllBonds => true,
                ConstraintsSpec::HBonds => bond.atoms.iter().any(|&i| self.is_hydrogen(i)),
                ConstraintsSpec::RigidWater | ConstraintsSpec::None => false,
            };
            let known = |c: &DistanceConstraint| c.atoms == bond.atoms || c.atoms == [bond.atoms[1], bond.atoms[0]];
            if !wanted {
                self.bonded.bonds.push(bond);
            } else if !self.constraints.iter().any(known) {
                self.constraints.push(DistanceConstraint { atoms: bond.atoms, length: bond.length });
            }
        }
    }

    /// Gives every hydrogen `mass` (u), taken from the heavy atom it is bonded to.
    ///
    /// # Errors
    /// [`RepartitionError`] when a heavy atom would end lighter than its hydrogens, or a hydrogen has none or several.
    pub fn repartition_hydrogen_mass(&mut self, mass: f64) -> Result<(), RepartitionError> {
        if self.rigid_water.is_some() {
            return Ok(());
        }
        let hydrogens: Vec<u32> = (0..self.atoms.len() as u32).filter(|&i| self.is_hydrogen(i)).collect();
        for h in hydrogens {
            let other = |&(a, b): &(u32, u32)| match h {
                _ if a == h => Some(b),
                _ if b == h => Some(a),
                _ => None,
            };
            let heavy: Vec<u32> = self.bonds.iter().filter_map(other).filter(|&i| !self.is_hydrogen(i)).collect();
            let [heavy] = heavy[..] else {
                let (species, atom) = (self.name.clone(), self.atoms[h as usize].name.clone());
                return Err(RepartitionError::NotBondedToOne { species, atom, n: heavy.len() });
            };
            let moved = mass - self.atoms[h as usize].mass;
            self.atoms[h as usize].mass = mass;
            let heavy = &mut self.atoms[heavy as usize];
            heavy.mass -= moved;
            if heavy.mass < mass {
                let (species, atom, left) = (self.name.clone(), heavy.name.clone(), heavy.mass);
                return Err(RepartitionError::TooHeavy { species, atom, target: mass, left });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::bonded::{Bonded, HarmonicBond};
    use crate::system::topology::SpeciesAtom;

    /// CH3OH with bonds only.
    fn methanol() -> Species {
        let atom = |name: &str, mass| SpeciesAtom {
            name: name.into(),
            element: name[..1].into(),
            type_id: 0,
            charge: 0.0,
            mass,
        };
        let bonds = vec![(0, 1), (0, 2), (0, 3), (0, 4), (4, 5)];
        let of = |&(a, b): &(u32, u32)| HarmonicBond { atoms: [a, b], length: 0.1, k: 1e5 };
        Species {
            name: "methanol".into(),
            atoms: vec![
                atom("C", 12.011),
                atom("H1", 1.008),
                atom("H2", 1.008),
                atom("H3", 1.008),
                atom("O", 15.999),
                atom("HO", 1.008),
            ],
            bonded: Bonded { bonds: bonds.iter().map(of).collect(), ..Bonded::default() },
            bonds,
            ..Species::default()
        }
    }

    #[test]
    fn bonds_become_constraints_once() {
        let count = |which| {
            let mut species = methanol();
            species.constrain_bonds(which);
            species.constrain_bonds(which);
            (species.bonded.bonds.len(), species.constraints.len())
        };
        assert_eq!(count(ConstraintsSpec::RigidWater), (5, 0));
        assert_eq!(count(ConstraintsSpec::HBonds), (1, 4));
        assert_eq!(count(ConstraintsSpec::AllBonds), (0, 5));
    }

    #[test]
    fn mass_moves_within_the_molecule() {
        let mut species = methanol();
        species.repartition_hydrogen_mass(2.0).unwrap();
        assert!((species.mass() - methanol().mass()).abs() < 1e-12);
        assert_eq!(species.atoms[1].mass, 2.0);
        assert!((species.atoms[0].mass - (12.011 - 3.0 * 0.992)).abs() < 1e-12);
        assert!((species.atoms[4].mass - (15.999 - 0.992)).abs() < 1e-12);
        let error = methanol().repartition_hydrogen_mass(4.0).unwrap_err();
        assert!(matches!(error, RepartitionError::TooHeavy { .. }), "{error}");
        let mut lone = methanol();
        lone.bonds.pop();
        assert!(matches!(lone.repartition_hydrogen_mass(2.0), Err(RepartitionError::NotBondedToOne { n: 0, .. })));
    }
}
