//! Direct Ewald sum on the device: wave vectors, structure factors, forces. Exact, deterministic, O(N n_k).
//!
//! Twin: `forces::reference::ewald`.

use super::device::{Context, cast};
use super::nonbonded::PairBuffers;
use super::pass::{Binding, Dispatch, Pass, PassSpec, WORKGROUP};
use super::shader::{Pieces, Shaders};
use crate::cell::Cell;
use crate::forces::ForceError;
use crate::forces::reference::Contribution;
use crate::forces::reference::ewald::{WaveVectors, wave_virial};
use glam::{DMat3, DVec3};
use std::f64::consts::{PI, TAU};

/// The two passes and their wave vectors.
pub struct DirectEwald {
    structure_pass: Pass,
    /// Of the charges that do not answer, with electrodes.
    others_pass: Option<Pass>,
    force_pass: Pass,
    beta: f64,
    /// One half of reciprocal space.
    indices: Vec<[i32; 3]>,
    /// a(k) = 4π exp(−k²/4β²)/(V k²), nm⁻¹, and k, nm⁻¹, for the loaded cell.
    weights: Vec<(f64, DVec3)>,
    waves: wgpu::Buffer,
    /// S(k) of a step nobody asked about, and of the last step whose sums were wanted.
    structure: wgpu::Buffer,
    pub reported_structure: wgpu::Buffer,
    atom_workgroups: u32,
}

/// n > 0 in the sense that its first component that is not zero is positive.
fn half_space(waves: &WaveVectors) -> Vec<[i32; 3]> {
    let [a, b, c] = waves.n_max;
    let mut indices = Vec::new();
    for n_a in 0..=a {
        for n_b in -b..=b {
            for n_c in -c..=c {
                let n = [n_a, n_b, n_c];
                let is_positive = n > [0, 0, 0];
                let is_inside = waves.n_sq_max.is_none_or(|limit| n_a * n_a + n_b * n_b + n_c * n_c < limit);
                if is_positive && is_inside {
                    indices.push(n);
                }
            }
        }
    }
    indices
}

impl DirectEwald {
    /// * `electrodes` – are there charges that answer?
    pub fn new(
        context: &Context,
        shaders: &Shaders,
        waves: WaveVectors,
        n_slots: u32,
        electrodes: bool,
    ) -> Result<Self, ForceError> {
        let indices = half_space(&waves);
        let constants = [("n_slots", f64::from(n_slots)), ("n_waves", indices.len() as f64)];
        let structure_pass = Pass::new(
            context,
            &PassSpec {
                entry: "ewald_structure",
                source: &shaders.module("ewald_structure", Pieces::default()),
                constants: &constants,
                groups: [&[Binding::Read, Binding::Read], &[Binding::Write]],
            },
        )?;
        let force_pass = Pass::new(
            context,
            &PassSpec {
                entry: "ewald_force",
                source: &shaders.module("ewald_force", Pieces::default()),
                constants: &constants,
                groups: [&[Binding::Uniform, Binding::Read, Binding::Read, Binding::Read], &[Binding::Write]],
            },
        )?;
        let others = || {
            use Binding::{Read, Uniform};
            let source = shaders.module("ewald_structure", Pieces::defining(&["POTENTIAL"]));
            let groups: [&[Binding]; 2] = [&[Read, Read, Read, Uniform, Uniform], &[Binding::Write]];
            let entry = "ewald_structure";
            Pass::new(context, &PassSpec { entry, source: &source, constants: &constants, groups })
        };
        Ok(DirectEwald {
            others_pass: electrodes.then(others).transpose()?,
            structure_pass,
            force_pass,
            beta: waves.beta,
            waves: context.storage("wave vectors", indices.len() * 16),
            structure: context.storage("structure factors", indices.len() * 8),
            reported_structure: context.storage("reported structure factors", indices.len() * 8),
            weights: Vec::new(),
            indices,
            atom_workgroups: n_slots.div_ceil(WORKGROUP),
        })
    }

    /// Weights of the wave vectors in a new cell.
    pub fn set_cell(&mut self, context: &Context, cell: &Cell) {
        let reciprocal = cell.inverse().transpose();
        self.weights = (self.indices.iter())
            .map(|n| {
                let k = TAU * (reciprocal * DVec3::from_array(n.map(f64::from)));
                let k_sq = k.length_squared();
                (4.0 * PI / cell.volume() * (-k_sq / (4.0 * self.beta * self.beta)).exp() / k_sq, k)
            })
            .collect();
        let waves: Vec<[i32; 4]> = (self.indices.iter().zip(&self.weights))
            .map(|(&[a, b, c], &(weight, _))| [a, b, c, (weight as f32).to_bits() as i32])
            .collect();
        context.write(&self.waves, &waves);
    }

    /// Bytes of [`DirectEwald::reported_structure`] that [`DirectEwald::sums`] reads.
    pub fn structure_bytes(&self) -> usize {
        self.indices.len() * 8
    }

    /// Dispatches (without sums, with sums): they differ in where the structure factors go.
    pub fn dispatches(&self, context: &Context, shared: &PairBuffers) -> (Vec<Dispatch>, Vec<Dispatch>) {
        let bind = |structure: &wgpu::Buffer| {
            if self.indices.is_empty() {
                return Vec::new();
            }
            vec![
                self.structure_pass.dispatch(
                    context,
                    [&[shared.sorted, &self.waves], &[structure]],
                    self.indices.len() as u32,
                ),
                self.force_pass.dispatch(
                    context,
                    [&[shared.cell, shared.sorted, &self.waves, structure], &[shared.long_range_forces]],
                    self.atom_workgroups,
                ),
            ]
        };
        (bind(&self.structure), bind(&self.reported_structure))
    }

    pub fn n_waves(&self) -> usize {
        self.indices.len()
    }

    /// What makes structure factors of the charges that do not answer, the wave vectors, and the structure factors.
    ///
    /// * `placed` – atoms by slot, and the numbers of the list
    pub fn of_others(
        &self,
        context: &Context,
        shared: &PairBuffers,
        placed: [&wgpu::Buffer; 2],
    ) -> (Option<Dispatch>, &wgpu::Buffer, &wgpu::Buffer) {
        let inputs = [shared.sorted, &self.waves, placed[0], placed[1], shared.cell];
        let pass = self.others_pass.as_ref().filter(|_| !self.indices.is_empty());
        let dispatch = pass.map(|p| p.dispatch(context, [&inputs, &[&self.structure]], self.indices.len() as u32));
        (dispatch, &self.waves, &self.structure)
    }

    /// Energy and virial from the structure factors, in f64.
    pub fn sums(&self, structure: &[u8]) -> Contribution {
        let mut sum = Contribution { energy: 0.0, virial: DMat3::ZERO };
        for ([re, im], &(weight, k)) in cast::<[f32; 2]>(structure).into_iter().zip(&self.weights) {
            let energy = weight * (f64::from(re).powi(2) + f64::from(im).powi(2));
            sum.energy += energy;
            sum.virial += wave_virial(k, self.beta) * energy;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_space_and_its_mirror_image_make_the_box_without_zero() {
        let waves = WaveVectors { beta: 1.0, n_max: [2, 3, 1], n_sq_max: None };
        let half = half_space(&waves);
        assert_eq!(2 * half.len() + 1, 5 * 7 * 3);
        assert!(half.iter().all(|n| !half.contains(&n.map(|x| -x))));
    }
}
