//! What a run may do to a molecule before it starts: turn stiff bonds into constraints, move mass to hydrogens.
//!
//! Rigid water is left alone by both: its geometry is part of the model, and its hydrogens limit nothing. No water gives mass
//! to its hydrogens.

use super::bonded::DistanceConstraint;
use super::redundant::{self, Conflict, SAME_LENGTH};
use super::spec::ConstraintsSpec;
use super::topology::Species;
use glam::DVec3;
use std::collections::{HashMap, HashSet};

/// Why distances cannot be kept.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConstraintError {
    #[error(
        "constraints would fix the length of the bond {bond} of {species}, and {site} is a virtual site without mass\n  give that bond function 5, a connection without potential, or leave bonds flexible: constraints = \"rigid-water\""
    )]
    VirtualSite { species: String, bond: String, site: String },
    #[error(
        "the distance {pair} of {species} would be kept at {first} nm and at {second} nm\n  keep one of the two: [ bonds ] and [ constraints ] of the molecule must agree"
    )]
    TwoLengths { species: String, pair: String, first: f64, second: f64 },
    #[error(
        "the distance {pair} of {species} is to be kept at {stated} nm, and the other constraints make it {implied:.5} nm\n  remove that constraint, or correct its length"
    )]
    Inconsistent { species: String, pair: String, stated: f64, implied: f64 },
    #[error(
        "the constraint {pair} of {species} follows from others because the atoms lie on a line or in a plane, where distances do not keep the shape\n  keep the shape by angles and dihedrals, or build these atoms as virtual sites"
    )]
    Flat { species: String, pair: String },
}

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

    /// Turns harmonic bonds into constraints at their equilibrium length: those with a hydrogen, or all. A harmonic
    /// potential between atoms that are not bonded stays one.
    ///
    /// # Errors
    /// [`ConstraintError`] for a bond to a virtual site, and for a pair that is kept at another length already.
    pub fn constrain_bonds(&mut self, which: ConstraintsSpec) -> Result<(), ConstraintError> {
        if self.rigid_water.is_some() || matches!(which, ConstraintsSpec::RigidWater | ConstraintsSpec::None) {
            return Ok(());
        }
        let ordered = |a: u32, b: u32| (a.min(b), a.max(b));
        let chemical: HashSet<(u32, u32)> = self.bonds.iter().map(|&(a, b)| ordered(a, b)).collect();
        let kept = self.constraints.iter().map(|c| (ordered(c.atoms[0], c.atoms[1]), c.length));
        let mut kept: HashMap<(u32, u32), f64> = kept.collect();
        for bond in std::mem::take(&mut self.bonded.bonds) {
            let pair = ordered(bond.atoms[0], bond.atoms[1]);
            let has_hydrogen = bond.atoms.iter().any(|&i| self.is_hydrogen(i));
            if !chemical.contains(&pair) || (which == ConstraintsSpec::HBonds && !has_hydrogen) {
                self.bonded.bonds.push(bond);
                continue;
            }
            let (species, name) = (self.name.clone(), self.name_pair(bond.atoms));
            if let Some(&site) = bond.atoms.iter().find(|&&i| self.atoms[i as usize].mass == 0.0) {
                let site = self.atoms[site as usize].name.clone();
                return Err(ConstraintError::VirtualSite { species, bond: name, site });
            }
            match kept.insert(pair, bond.length) {
                None => self.constraints.push(DistanceConstraint { atoms: bond.atoms, length: bond.length }),
                Some(length) if (length - bond.length).abs() <= SAME_LENGTH => {}
                Some(first) => {
                    return Err(ConstraintError::TwoLengths { species, pair: name, first, second: bond.length });
                }
            }
        }
        Ok(())
    }

    /// Takes out the constraints that follow from others.
    ///
    /// * `geometry` – `[n_atoms]`, nm
    /// * returns those taken out, as `O1-O4`
    ///
    /// # Errors
    /// [`ConstraintError`] where the constraints contradict each other or cannot keep the shape.
    pub fn drop_implied_constraints(&mut self, geometry: &[DVec3]) -> Result<Vec<String>, ConstraintError> {
        let sorted = redundant::sort(&self.constraints, geometry).map_err(|conflict| {
            let species = self.name.clone();
            match conflict {
                Conflict::TwoLengths { atoms, lengths: [first, second] } => {
                    ConstraintError::TwoLengths { species, pair: self.name_pair(atoms), first, second }
                }
                Conflict::Inconsistent { stated, implied } => {
                    let (pair, stated) = (self.name_pair(stated.atoms), stated.length);
                    ConstraintError::Inconsistent { species, pair, stated, implied }
                }
                Conflict::Flat { atoms } => ConstraintError::Flat { species, pair: self.name_pair(atoms) },
            }
        })?;
        self.constraints = sorted.independent;
        Ok(sorted.implied.iter().map(|c| self.name_pair(c.atoms)).collect())
    }

    /// `O1-O4`
    fn name_pair(&self, [a, b]: [u32; 2]) -> String {
        format!("{}-{}", self.atoms[a as usize].name, self.atoms[b as usize].name)
    }

    /// Gives every hydrogen `mass` (u), taken from the heavy atom it is bonded to. Waters are left alone.
    ///
    /// # Errors
    /// [`RepartitionError`] when a heavy atom would end lighter than its hydrogens, or a hydrogen has none or several.
    pub fn repartition_hydrogen_mass(&mut self, mass: f64) -> Result<(), RepartitionError> {
        if self.rigid_water.is_some() || self.is_water {
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
            species.constrain_bonds(which).unwrap();
            species.constrain_bonds(which).unwrap();
            (species.bonded.bonds.len(), species.constraints.len())
        };
        assert_eq!(count(ConstraintsSpec::RigidWater), (5, 0));
        assert_eq!(count(ConstraintsSpec::HBonds), (1, 4));
        assert_eq!(count(ConstraintsSpec::AllBonds), (0, 5));
    }

    /// Only chemical bonds are constrained: a harmonic potential between two other atoms (function 6 of `[ bonds ]`) is none.
    #[test]
    fn springs_between_atoms_that_are_not_bonded_stay() {
        let mut species = methanol();
        let spring = HarmonicBond { atoms: [1, 4], length: 0.2, k: 500.0 };
        species.bonded.bonds.push(spring);
        species.constrain_bonds(ConstraintsSpec::AllBonds).unwrap();
        assert_eq!((species.bonded.bonds, species.constraints.len()), (vec![spring], 5));
    }

    #[test]
    fn virtual_sites_and_second_lengths_are_not_constrained() {
        let mut species = methanol();
        species.atoms[5].mass = 0.0;
        let error = species.constrain_bonds(ConstraintsSpec::AllBonds).unwrap_err();
        assert!(matches!(&error, ConstraintError::VirtualSite { bond, .. } if bond == "O-HO"), "{error}");
        species.clone_from(&methanol());
        species.constraints.push(DistanceConstraint { atoms: [4, 0], length: 0.11 });
        let error = species.constrain_bonds(ConstraintsSpec::AllBonds).unwrap_err();
        assert!(matches!(error, ConstraintError::TwoLengths { first: 0.11, second: 0.1, .. }), "{error}");
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
        let mut water = Species { is_water: true, ..methanol() };
        water.repartition_hydrogen_mass(2.0).unwrap();
        assert_eq!(water.atoms, methanol().atoms, "no water changes, rigid or not");
    }
}
