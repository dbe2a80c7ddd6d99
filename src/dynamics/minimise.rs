//! Energy minimisation with rigid molecules: FIRE 2.0 with a bounded displacement per step.
//!
//! E. Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006); J. Guénolé et al., Comput. Mater. Sci. 175, 109584 (2020).
//! Constraints hold: velocities and forces are projected on them, positions corrected by SETTLE and M-SHAKE. Frozen atoms
//! stay, virtual sites follow their parents.
//! The bound on the displacement is what lets it survive a packed start with overlaps; no energy is compared, so
//! single-precision backends converge as well as the reference.

use super::{DynamicsError, neighbors};
use crate::forces::reference::integrate::Integrator;
use crate::forces::{Backend, Evaluation, ForceError};
use crate::system::{State, System};
use glam::DVec3;

/// Farthest an atom may move in one step, nm.
const MAX_MOVE: f64 = 0.01;
/// First and longest pseudo time step, ps.
const DT_START: f64 = 0.0005;
const DT_MAX: f64 = 0.004;
const DT_MIN: f64 = 1e-6;
const DELAY: u32 = 20;
const ALPHA_START: f64 = 0.25;

/// What a minimisation did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Minimised {
    pub n_steps: u64,
    /// kJ/mol
    pub energy_before: f64,
    /// kJ/mol
    pub energy_after: f64,
    /// Largest atomic force along the allowed motions, kJ/mol/nm
    pub max_force: f64,
    /// Atom that carries it
    pub max_force_atom: usize,
    /// Did `max_force` come below what was asked?
    pub converged: bool,
}

/// Settings of a minimisation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MinimisePlan {
    /// kJ/mol/nm
    pub max_force: f64,
    pub max_steps: u64,
    /// List radius, nm; the list is rebuilt when an atom has moved half of what it exceeds the cutoff by.
    pub list_radius: f64,
}

/// Moves `state.positions` downhill until the largest force is below `plan.max_force` or the steps are used up.
///
/// `progress` is called with (step, energy kJ/mol, largest force kJ/mol/nm). Velocities are left at zero.
pub fn minimise(
    system: &System,
    backend: &mut dyn Backend,
    state: &mut State,
    plan: &MinimisePlan,
    mut progress: impl FnMut(u64, f64, f64),
) -> Result<Minimised, DynamicsError> {
    let topology = &system.topology;
    state.velocities.fill(DVec3::ZERO);
    let rigid = Integrator::new(topology);
    rigid.constrain_positions(&state.cell, &mut state.positions);
    let skin = plan.list_radius - system.interactions.cutoff;
    let mut velocities = vec![DVec3::ZERO; state.n_atoms()];
    let mut list_origin: Vec<DVec3> = Vec::new();
    let (mut dt, mut alpha, mut downhill) = (DT_START, ALPHA_START, 0_u32);
    let mut result: Option<Minimised> = None;
    for step in 0..=plan.max_steps {
        let evaluation = evaluate(system, backend, state, &mut list_origin, skin, plan.list_radius)?;
        let mut accelerations: Vec<DVec3> = evaluation
            .forces
            .iter()
            .zip(&topology.masses)
            .map(|(f, &m)| if m > 0.0 { *f / m } else { DVec3::ZERO })
            .collect();
        rigid.stop_immobile(&mut accelerations);
        rigid.project_velocities(&state.cell, &state.positions, &mut accelerations);
        let (atom, max_force) = largest_force(&accelerations, &topology.masses);
        let energy = evaluation.energies.total();
        if !(energy.is_finite() && max_force.is_finite()) {
            let detail =
                format!("the force on atom {} is not finite during minimisation", topology.describe_atom(atom));
            return Err(ForceError::BlowUp { step, atom: Some(atom), detail }.into());
        }
        progress(step, energy, max_force);
        let energy_before = result.map_or(energy, |r| r.energy_before);
        let converged = max_force < plan.max_force;
        result = Some(Minimised {
            n_steps: step,
            energy_before,
            energy_after: energy,
            max_force,
            max_force_atom: atom,
            converged,
        });
        if converged || step == plan.max_steps {
            break;
        }
        // FIRE: steer the velocity towards the force while going downhill, stop when going uphill
        let power: f64 =
            velocities.iter().zip(&accelerations).zip(&topology.masses).map(|((v, a), &m)| m * v.dot(*a)).sum();
        if power > 0.0 {
            downhill += 1;
            if downhill > DELAY {
                dt = (dt * 1.1).min(DT_MAX);
                alpha *= 0.99;
            }
        } else {
            downhill = 0;
            dt = (dt * 0.5).max(DT_MIN);
            alpha = ALPHA_START;
            for (r, v) in state.positions.iter_mut().zip(&mut velocities) {
                *r -= *v * (0.5 * dt);
                *v = DVec3::ZERO;
            }
        }
        for (v, a) in velocities.iter_mut().zip(&accelerations) {
            *v += *a * dt;
        }
        let v_norm = velocities.iter().map(|v| v.length_squared()).sum::<f64>().sqrt();
        let a_norm = accelerations.iter().map(|a| a.length_squared()).sum::<f64>().sqrt();
        if a_norm > 0.0 {
            for (v, a) in velocities.iter_mut().zip(&accelerations) {
                *v = *v * (1.0 - alpha) + *a * (alpha * v_norm / a_norm);
            }
        }
        // each molecule's own speed limit: a molecule in a clash must not freeze the rest of the box
        limit_molecules(system, &mut velocities, MAX_MOVE / dt);
        let old = state.positions.clone();
        for (r, v) in state.positions.iter_mut().zip(&velocities) {
            *r += *v * dt;
        }
        rigid.constrain_positions(&state.cell, &mut state.positions);
        for ((v, r), o) in velocities.iter_mut().zip(&state.positions).zip(&old) {
            *v = (*r - *o) / dt;
        }
        rigid.stop_immobile(&mut velocities);
    }
    result.ok_or_else(|| ForceError::NoNeighbors.into())
}

/// Evaluates, rebuilding the list when an atom has left half the skin behind.
fn evaluate(
    system: &System,
    backend: &mut dyn Backend,
    state: &State,
    list_origin: &mut Vec<DVec3>,
    skin: f64,
    radius: f64,
) -> Result<Evaluation, DynamicsError> {
    backend.load(state)?;
    let moved =
        state.positions.iter().zip(list_origin.iter()).map(|(r, o)| (*r - *o).length_squared()).fold(0.0, f64::max);
    if list_origin.is_empty() || moved > (0.5 * skin).powi(2) {
        neighbors::rebuild(backend, system, state, radius)?;
        list_origin.clone_from(&state.positions);
    }
    Ok(backend.evaluate()?)
}

/// (atom, m |a|) of the largest projected force.
fn largest_force(accelerations: &[DVec3], masses: &[f64]) -> (usize, f64) {
    let mut largest = (0, 0.0);
    for (i, (a, &m)) in accelerations.iter().zip(masses).enumerate() {
        let force = m * a.length();
        if force > largest.1 || !force.is_finite() {
            largest = (i, force);
            if !force.is_finite() {
                break;
            }
        }
    }
    largest
}

/// Scales the velocities of every molecule whose fastest atom exceeds `limit` (nm/ps).
fn limit_molecules(system: &System, velocities: &mut [DVec3], limit: f64) {
    let topology = &system.topology;
    for m in 0..topology.molecules.len() {
        let atoms = &mut velocities[topology.atoms_of(m)];
        let fastest = atoms.iter().map(|v| v.length()).fold(0.0, f64::max);
        if fastest > limit {
            for v in atoms {
                *v *= limit / fastest;
            }
        }
    }
}
