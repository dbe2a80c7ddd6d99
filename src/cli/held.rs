//! What an input holds in place, applied to a built system: constraints, hydrogen masses, frozen and restrained atoms.

use crate::analysis::selection::select;
use crate::cell::Cell;
use crate::forces::reference::virtual_sites;
use crate::system::constrain::ConstraintError;
use crate::system::spec::DynamicsSpec;
use crate::system::topology::Species;
use crate::system::{PositionRestraint, State, System, Topology};
use glam::DVec3;
use std::collections::BTreeSet;

/// What is wrong, and the key of the input that says it.
pub struct HeldError {
    pub key: &'static str,
    pub message: String,
}

/// Changes `system` as `[dynamics]` asks and puts virtual sites of `state` in their places.
///
/// Restraints hold atoms where `state` has them; those that the topology brought stay. Returns what the user should know.
pub fn hold(system: &mut System, state: &mut State, dynamics: &DynamicsSpec) -> Result<Vec<String>, HeldError> {
    let at = |key: &'static str| move |message: String| HeldError { key, message };
    let mut warnings = Vec::new();
    let mut species = system.topology.species.clone();
    for (s, species) in species.iter_mut().enumerate() {
        let failed = |e: ConstraintError| at("dynamics.constraints")(e.to_string());
        species.constrain_bonds(dynamics.constraints).map_err(failed)?;
        let first = system.topology.molecules.iter().position(|m| m.species as usize == s);
        if let Some(m) = first.filter(|_| !species.constraints.is_empty()) {
            let geometry = whole(species, &state.cell, &state.positions[system.topology.atoms_of(m)]);
            let implied = species.drop_implied_constraints(&geometry).map_err(failed)?;
            if !implied.is_empty() {
                let (is, it) = if implied.len() == 1 { ("constraint", "follows") } else { ("constraints", "follow") };
                warnings.push(format!(
                    "{} {is} of {} {it} from the others and {} left out: {}",
                    implied.len(),
                    species.name,
                    if implied.len() == 1 { "is" } else { "are" },
                    implied.join(", ")
                ));
            }
        }
        if let Some(mass) = dynamics.hydrogen_mass {
            species.repartition_hydrogen_mass(mass).map_err(|e| at("dynamics.hydrogen_mass")(e.to_string()))?;
        }
    }
    let sequence: Vec<u32> = system.topology.molecules.iter().map(|m| m.species).collect();
    let frozen = std::mem::take(&mut system.topology.frozen);
    system.topology = Topology::new(system.topology.types.clone(), species, &sequence);
    system.topology.frozen = frozen;
    let topology = &mut system.topology;
    for selection in &dynamics.frozen {
        let atoms = select(selection, topology).map_err(|e| at("dynamics.frozen")(e.to_string()))?;
        atoms.into_iter().for_each(|i| topology.frozen[i as usize] = true);
    }
    for m in 0..topology.molecules.len() {
        let atoms = topology.atoms_of(m);
        let species = topology.species_of(m);
        let held_together = species.rigid_water.is_some() || !species.constraints.is_empty();
        let massive = |i: &usize| topology.masses[*i] > 0.0;
        let n_frozen = atoms.clone().filter(massive).filter(|&i| topology.frozen[i]).count();
        let n_massive = atoms.clone().filter(massive).count();
        if held_together && n_frozen > 0 && n_frozen < n_massive {
            let message = format!(
                "frozen atoms are part of a molecule with constraints, {}\n  freeze the molecule whole, or leave its bonds flexible",
                species.name
            );
            return Err(at("dynamics.frozen")(message));
        }
        if n_frozen > 0 && n_frozen == n_massive {
            // its virtual sites with it
            atoms.for_each(|i| topology.frozen[i] = true);
        }
    }
    virtual_sites::construct(&system.topology, &state.cell, &mut state.positions);
    let mut held: BTreeSet<u32> = system.restraints.iter().map(|r| r.atom).collect();
    for restraint in &dynamics.restraints {
        let atoms = select(&restraint.atoms, &system.topology);
        for atom in atoms.map_err(|e| at("dynamics.restraints")(e.to_string()))? {
            if system.topology.masses[atom as usize] == 0.0 {
                continue;
            }
            if !held.insert(atom) {
                let name = system.topology.describe_atom(atom as usize);
                let message = format!("{name} is restrained twice\n  let every atom belong to one selection");
                return Err(at("dynamics.restraints")(message));
            }
            let reference = state.positions[atom as usize];
            system.restraints.push(PositionRestraint { atom, reference, k: DVec3::from(restraint.force_constant) });
        }
    }
    Ok(warnings)
}

/// One molecule with atoms that are held together next to each other, `[n_atoms]`, nm.
fn whole(species: &Species, cell: &Cell, positions: &[DVec3]) -> Vec<DVec3> {
    let mut partners = vec![Vec::new(); positions.len()];
    for c in &species.constraints {
        let [a, b] = c.atoms.map(|i| i as usize);
        partners[a].push(b);
        partners[b].push(a);
    }
    let mut whole = positions.to_vec();
    let mut is_placed = vec![false; positions.len()];
    for start in 0..positions.len() {
        let mut queue = if std::mem::replace(&mut is_placed[start], true) { Vec::new() } else { vec![start] };
        while let Some(i) = queue.pop() {
            for &j in &partners[i] {
                if !std::mem::replace(&mut is_placed[j], true) {
                    whole[j] = whole[i] + cell.minimum_image(positions[j] - positions[i]);
                    queue.push(j);
                }
            }
        }
    }
    whole
}
