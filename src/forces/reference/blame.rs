//! Why a run blew up, for its message: which atom, and which term of its force is the largest.
//!
//! Plain f64 sums over one configuration, so every backend asks the same question of the last positions it trusts. It
//! does not know how a backend noticed; positions that are not finite take no part in any sum.

use super::ewald::{self, WaveVectors};
use super::pme::Pme;
use super::{bonded, exclusions, pair};
use crate::cell::Cell;
use crate::forces::ForceError;
use crate::neighbor::pairs::linked_cells;
use crate::system::{Coulomb, System};
use crate::units::COULOMB;
use glam::DVec3;

/// What to do about an atom that flew away in a step.
pub const AFTER_A_STEP: &str = "reduce the time step or minimise longer";
/// What to do about a configuration without finite forces.
pub const BEFORE_ANY_STEP: &str = "look for overlapping atoms in the structure";

/// Where and when something went wrong.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    pub system: &'a System,
    pub cell: &'a Cell,
    /// `[n_atoms]`, nm: the last positions known to be good, from which terms are computed
    pub positions: &'a [DVec3],
    pub step: u64,
    /// [`AFTER_A_STEP`] or [`BEFORE_ANY_STEP`]
    pub remedy: &'static str,
}

impl Scene<'_> {
    /// An error that names `atom`, what happened to it, its largest force term and a remedy.
    ///
    /// * `what` – continues the name of the atom: "has a force that is not finite"
    pub fn blow_up(&self, atom: usize, what: &str) -> ForceError {
        let name = self.system.topology.describe_atom(atom);
        let term = largest_term(self.system, self.cell, self.positions, atom);
        let detail = format!("{name} {what}; {term}; {}", self.remedy);
        ForceError::BlowUp { step: self.step, atom: Some(atom), detail }
    }

    /// The same for an atom that moved `moved` nm in the `n_steps` steps since the neighbor list was built.
    ///
    /// * `limit` – nm; a longer move is a blow-up
    pub fn runaway(&self, atom: usize, moved: f64, n_steps: u64, limit: f64) -> ForceError {
        if !moved.is_finite() {
            return self.blow_up(atom, "cannot be placed after the step: the run has blown up");
        }
        let steps = if n_steps == 1 { "step" } else { "steps" };
        // three digits of a distance, whatever its size
        let digits = (2.0 - moved.log10().floor()).clamp(0.0, 9.0) as usize;
        let what = format!("moved {moved:.digits$} nm in {n_steps} {steps}: the run has blown up (limit {limit} nm)");
        self.blow_up(atom, &what)
    }

    /// An error about all atoms that names the one on which pair forces are largest.
    ///
    /// * `what` – a whole clause: "the potential energy is not finite"
    pub fn blow_up_somewhere(&self, what: &str) -> ForceError {
        let Some(atom) = hardest_pressed(self.system, self.cell, self.positions) else {
            return ForceError::BlowUp { step: self.step, atom: None, detail: format!("{what}; {}", self.remedy) };
        };
        let name = self.system.topology.describe_atom(atom);
        let term = largest_term(self.system, self.cell, self.positions, atom);
        let detail = format!("{what}; pair forces are largest on {name}; {term}; {}", self.remedy);
        ForceError::BlowUp { step: self.step, atom: Some(atom), detail }
    }
}

/// The force on `atom` by term, kJ/mol/nm: `lj`, `lj_c4`, `coulomb_real`, `coulomb_reciprocal`, and the bonded terms
/// that act on it.
///
/// Excluded pairs count with the part of Coulomb that they correct: the reciprocal sum, or the reaction field.
///
/// * `positions` – `[n_atoms]`, nm
pub fn forces_by_term(system: &System, cell: &Cell, positions: &[DVec3], atom: usize) -> Vec<(&'static str, DVec3)> {
    let topology = &system.topology;
    let cutoff_sq = system.interactions.cutoff.powi(2);
    let excluded: Vec<usize> = topology.excluded_partners(atom).collect();
    let (mut lj, mut c4, mut real) = (DVec3::ZERO, DVec3::ZERO, DVec3::ZERO);
    let mut correction = DVec3::ZERO;
    for other in (0..positions.len()).filter(|&j| j != atom && positions[j].is_finite()) {
        let d = cell.minimum_image(positions[atom] - positions[other]);
        let r_sq = d.length_squared();
        if excluded.contains(&other) {
            let qq = COULOMB * topology.charges[atom] * topology.charges[other];
            correction += exclusions::term(system, qq, r_sq).map_or(DVec3::ZERO, |term| term.force_over_r * d);
        } else if r_sq <= cutoff_sq {
            let terms = pair::terms(system, atom, other, r_sq);
            lj += terms.lj.force_over_r * d;
            c4 += terms.lj_c4.force_over_r * d;
            real += terms.coulomb.force_over_r * d;
        }
    }
    let mut reciprocal = reciprocal_force(system, cell, positions, atom);
    match system.interactions.coulomb {
        Coulomb::ReactionField { .. } | Coulomb::Cutoff => real += correction,
        Coulomb::Pme { .. } | Coulomb::Ewald { .. } => reciprocal += correction,
    }
    let mut forces = vec![("lj", lj), ("lj_c4", c4), ("coulomb_real", real), ("coulomb_reciprocal", reciprocal)];
    forces.extend(bonded::forces_by_term(topology, cell, positions, atom));
    forces
}

/// The reciprocal sum's force on one atom; zero for a method without one.
fn reciprocal_force(system: &System, cell: &Cell, positions: &[DVec3], atom: usize) -> DVec3 {
    let charge = |(&q, r): (&f64, &DVec3)| if r.is_finite() { q } else { 0.0 };
    let charges: Vec<f64> = system.topology.charges.iter().zip(positions).map(charge).collect();
    let placed: Vec<DVec3> = positions.iter().map(|&r| if r.is_finite() { r } else { DVec3::ZERO }).collect();
    let mut forces = vec![DVec3::ZERO; positions.len()];
    match system.interactions.coulomb {
        Coulomb::Pme { beta, grid, order } => {
            Pme::new(grid, order, beta).add_forces(cell, &placed, &charges, &mut forces);
        }
        Coulomb::Ewald { beta, n_max, n_sq_max } => {
            let waves = WaveVectors { beta, n_max, n_sq_max };
            ewald::add_forces(cell, &placed, &charges, &waves, &mut forces);
        }
        Coulomb::ReactionField { .. } | Coulomb::Cutoff => {}
    }
    forces[atom]
}

/// "largest force term: lj (1.200e9 kJ/mol/nm)"; the first term that is not finite counts as the largest.
pub fn largest_term(system: &System, cell: &Cell, positions: &[DVec3], atom: usize) -> String {
    if !positions[atom].is_finite() {
        return "largest force term: none, its position is not finite".to_string();
    }
    let size = |f: DVec3| if f.is_finite() { f.length() } else { f64::INFINITY };
    let mut largest = ("lj", 0.0);
    for (name, f) in forces_by_term(system, cell, positions, atom) {
        if size(f) > largest.1 {
            largest = (name, size(f));
        }
    }
    match largest {
        (_, 0.0) => "largest force term: none, no force acts on it".to_string(),
        (name, f) if f.is_finite() => format!("largest force term: {name} ({f:.3e} kJ/mol/nm)"),
        (name, _) => format!("largest force term: {name} (not finite: two atoms coincide)"),
    }
}

/// The atom on which pair forces are largest, one without a finite position or force first; `None` without atoms.
fn hardest_pressed(system: &System, cell: &Cell, positions: &[DVec3]) -> Option<usize> {
    if let Some(lost) = positions.iter().position(|r| !r.is_finite()) {
        return Some(lost);
    }
    let list = linked_cells(positions, cell, &system.topology, system.interactions.cutoff);
    let mut forces = vec![DVec3::ZERO; positions.len()];
    pair::add_forces(system, cell, positions, &list, &mut forces);
    let size = |i: usize| if forces[i].is_finite() { forces[i].length() } else { f64::INFINITY };
    (0..forces.len()).reduce(|most, i| if size(i) > size(most) { i } else { most })
}
