//! Stochastic cell rescaling: M. Bernetti, G. Bussi, J. Chem. Phys. 153, 114107 (2020).
//!
//! With ε the logarithm of a part of the cell (volume; area and height; height), P its pressure and f the share of it:
//! dε = f β_T/τ (P − P₀) dt + √(2 f kT β_T/(V τ)) dW, f = 1 for the volume and for the height alone, ⅔ and ⅓ for area and
//! height. In the logarithm the noise-induced drift cancels the Jacobian, so this samples exp(−(H + P₀ V)/kT).
//!
//! Molecules are moved, not stretched: their centres of mass scale with the cell, their centre-of-mass velocities
//! inversely, and P is the pressure that belongs to this move, (2 K_com + W_com)/(3 V). Forces inside molecules, those of
//! constraints too, cancel in it.

use crate::cell::{Cell, CellError};
use crate::forces::Evaluation;
use crate::forces::reference::outer;
use crate::random::{Stream, block, normals};
use crate::system::spec::{BarostatSpec, PressureCoupling};
use crate::system::{State, Topology};
use crate::units::{BOLTZMANN, PRESSURE_BAR};
use glam::{DMat3, DVec3};

/// Largest change of a logarithm that the pressure makes in one coupling. Only a box far from equilibrium meets it.
const MAX_DRIFT: f64 = 0.03;

/// Positions and velocities of centres of mass, `[n_molecules]`.
fn centres(topology: &Topology, values: &[DVec3]) -> Vec<DVec3> {
    (0..topology.molecules.len())
        .map(|m| {
            let atoms = topology.atoms_of(m);
            let mass: f64 = topology.masses[atoms.clone()].iter().sum();
            atoms.map(|i| topology.masses[i] * values[i]).sum::<DVec3>() / mass
        })
        .collect()
}

/// The pressure of centres of mass along x, y, z, kJ/mol/nm³.
///
/// * `evaluation` – of the positions of `state`, whose velocities are half a step earlier
/// * `dt` – ps
pub fn molecular_pressure(topology: &Topology, state: &State, evaluation: &Evaluation, dt: f64) -> DVec3 {
    let (r, v) = (centres(topology, &state.positions), centres(topology, &state.velocities));
    let mut twice_kinetic = DMat3::ZERO;
    let mut virial = evaluation.virial;
    for m in 0..topology.molecules.len() {
        let atoms = topology.atoms_of(m);
        let mass: f64 = topology.masses[atoms.clone()].iter().sum();
        let mut force = DVec3::ZERO;
        for i in atoms {
            virial -= outer(state.positions[i] - r[m], evaluation.forces[i]);
            force += evaluation.forces[i];
        }
        let after = v[m] + dt / mass * force;
        twice_kinetic += (outer(v[m], v[m]) + outer(after, after)) * (0.5 * mass);
    }
    let sum = twice_kinetic + virial;
    DVec3::new(sum.x_axis.x, sum.y_axis.y, sum.z_axis.z) / state.cell.volume()
}

/// The factors on x, y, z that one coupling draws.
///
/// * `pressure` – along x, y, z, kJ/mol/nm³
/// * `volume` – nm³
/// * `temperature` – of the bath, K
/// * `interval` – time since the last coupling, ps
/// * `seed`, `step` – key and counter of the noise
pub fn draw(
    barostat: &BarostatSpec,
    pressure: DVec3,
    volume: f64,
    temperature: f64,
    interval: f64,
    seed: u64,
    step: u64,
) -> DVec3 {
    let target = barostat.pressure / PRESSURE_BAR;
    // nm³ mol/kJ per ps
    let rate = barostat.compressibility * PRESSURE_BAR / barostat.time_constant;
    let noise = normals(block(seed, Stream::Barostat, step, 0));
    let strain = |share: f64, pressure: f64, noise: f64| {
        let drift = share * rate * (pressure - target) * interval;
        let width = (2.0 * share * BOLTZMANN * temperature * rate / volume * interval).sqrt();
        drift.clamp(-MAX_DRIFT, MAX_DRIFT) + width * noise
    };
    match barostat.coupling {
        PressureCoupling::Isotropic => {
            DVec3::splat((strain(1.0, (pressure.x + pressure.y + pressure.z) / 3.0, noise[0]) / 3.0).exp())
        }
        PressureCoupling::SemiIsotropic => {
            let side = (strain(2.0 / 3.0, 0.5 * (pressure.x + pressure.y), noise[0]) / 2.0).exp();
            DVec3::new(side, side, strain(1.0 / 3.0, pressure.z, noise[1]).exp())
        }
        PressureCoupling::Z => DVec3::new(1.0, 1.0, strain(1.0, pressure.z, noise[0]).exp()),
    }
}

/// Scales the cell, the centres of mass of molecules and, inversely, their velocities.
///
/// # Errors
/// When the scaled cell is none, which takes factors that are not finite.
pub fn scale(topology: &Topology, state: &mut State, factors: DVec3) -> Result<(), CellError> {
    let vectors = state.cell.vectors();
    let cell = Cell::new(vectors.x_axis * factors, vectors.y_axis * factors, vectors.z_axis * factors)?;
    let (r, v) = (centres(topology, &state.positions), centres(topology, &state.velocities));
    let (move_by, slow_by) = (factors - DVec3::ONE, DVec3::ONE / factors - DVec3::ONE);
    for m in 0..topology.molecules.len() {
        for i in topology.atoms_of(m) {
            state.positions[i] += move_by * r[m];
            if topology.masses[i] > 0.0 {
                state.velocities[i] += slow_by * v[m];
            }
        }
    }
    state.cell = cell;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::topology::{Species, SpeciesAtom};

    fn barostat(coupling: PressureCoupling) -> BarostatSpec {
        BarostatSpec { pressure: 500.0, time_constant: 1.0, compressibility: 4.5e-5, coupling }
    }

    /// An ideal gas of N molecules whose pressure is N kT/V: ⟨V⟩ = (N + 1) kT/P₀ and var V = (N + 1) (kT/P₀)².
    #[test]
    fn an_ideal_gas_has_the_volume_and_the_fluctuations_of_its_ensemble() {
        let (n, temperature) = (50.0, 300.0);
        let kt = BOLTZMANN * temperature;
        for coupling in [PressureCoupling::Isotropic, PressureCoupling::Z, PressureCoupling::SemiIsotropic] {
            // a compressibility of its own: 1/P
            let settings = BarostatSpec { compressibility: 1.0 / 500.0, ..barostat(coupling) };
            let unit = kt / (500.0 / PRESSURE_BAR);
            let mut volume = 1.2 * n * unit;
            let (mut sum, mut sum_sq, mut count) = (0.0, 0.0, 0.0);
            for step in 0..400_000 {
                let pressure = DVec3::splat(n * kt / volume);
                let factors = draw(&settings, pressure, volume, temperature, 0.05, 11, step);
                volume *= factors.x * factors.y * factors.z;
                if step > 2000 {
                    sum += volume;
                    sum_sq += volume * volume;
                    count += 1.0;
                }
            }
            let mean = sum / count;
            let variance = sum_sq / count - mean * mean;
            // relaxation takes τ, which is 20 couplings; the finite interval widens the distribution by 1/40
            let independent = count / 40.0;
            let (exact, exact_variance) = ((n + 1.0) * unit, (n + 1.0) * unit * unit);
            println!("{coupling:?}: <V> {:.4}, var {:.4} of exact", mean / exact, variance / exact_variance);
            assert!((mean - exact).abs() < 4.0 * (exact_variance / independent).sqrt(), "{coupling:?} {mean} {exact}");
            let tolerance = 4.0 * (2.0 / independent).sqrt() + 0.03;
            assert!((variance / exact_variance - 1.0).abs() < tolerance, "{coupling:?}: {}", variance / exact_variance);
        }
    }

    #[test]
    fn couplings_leave_alone_what_they_do_not_couple() {
        let pressure = DVec3::new(100.0, 200.0, 300.0);
        let f = |c| draw(&barostat(c), pressure, 30.0, 300.0, 0.1, 1, 1);
        let z = f(PressureCoupling::Z);
        assert!(z.x == 1.0 && z.y == 1.0 && z.z != 1.0);
        let semi = f(PressureCoupling::SemiIsotropic);
        assert!(semi.x == semi.y && semi.x != semi.z && semi.x > 1.0 && semi.z > 1.0);
        let all = f(PressureCoupling::Isotropic);
        assert!(all.x == all.y && all.y == all.z);
    }

    #[test]
    fn scaling_moves_molecules_whole() {
        let atom = |mass| SpeciesAtom { name: "A".into(), element: "C".into(), type_id: 0, charge: 0.0, mass };
        let pair = Species { name: "pair".into(), atoms: vec![atom(1.0), atom(3.0), atom(0.0)], ..Species::default() };
        let topology = Topology::new(vec!["A".into()], vec![pair], &[0, 0]);
        let at = [DVec3::ZERO, DVec3::X, 0.5 * DVec3::X, DVec3::splat(2.0), DVec3::splat(2.5), DVec3::splat(2.25)];
        let cell = Cell::new(DVec3::X * 5.0, DVec3::new(1.0, 4.0, 0.0), DVec3::new(0.5, 0.3, 6.0)).expect("valid");
        let mut state = State::at_rest(cell, at.to_vec());
        for (k, v) in state.velocities.iter_mut().enumerate() {
            *v = if k % 3 == 2 { DVec3::ZERO } else { DVec3::new(1.0, -2.0, k as f64) };
        }
        let (before, factors) = (state.clone(), DVec3::new(1.1, 1.1, 0.8));
        scale(&topology, &mut state, factors).expect("a cell");
        assert!((state.cell.volume() / before.cell.volume() - 1.1 * 1.1 * 0.8).abs() < 1e-12);
        let product = |s: &State| {
            let (r, v) = (centres(&topology, &s.positions), centres(&topology, &s.velocities));
            r.iter().zip(&v).map(|(r, v)| *r * *v).collect::<Vec<_>>()
        };
        // q p is kept component by component, and so is the inside of a molecule
        for (a, b) in product(&state).iter().zip(product(&before)) {
            assert!((*a - b).length() < 1e-12);
        }
        for (i, j) in [(0, 1), (3, 4), (3, 5)] {
            let inside = |s: &State| (s.positions[i] - s.positions[j], s.velocities[i] - s.velocities[j]);
            assert!((inside(&state).0 - inside(&before).0).length() < 1e-12);
            if j != 5 {
                assert!((inside(&state).1 - inside(&before).1).length() < 1e-12);
            }
        }
    }
}
