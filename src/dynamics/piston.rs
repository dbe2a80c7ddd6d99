//! A slab under pressure, seen by the engine: its bath, the mean of the gap, and how it is fixed when its stage is over.
//!
//! What moves it in a step is the business of backends. The gap is averaged over the last half of the stage, sampled at steps
//! that follow from step numbers alone. Fixing it at the mean deforms the liquid with it, as a barostat does: a slab that moved
//! by itself would run into the molecules that lie on it.

use super::engine::{Engine, StagePlan};
use super::{DynamicsError, neighbors, velocities};
use crate::forces::LangevinStep;
use crate::system::external::Piston;
use crate::system::{State, Topology};
use glam::DVec3;

/// A slab may cross this part of a neighbor list's buffer while the list lives.
const OUTRUN: f64 = 0.25;

/// Blocks of the last half of a stage, of equal length: half of them in its third quarter.
pub const BLOCKS: usize = 8;
/// A change of the gap by less than this part of it is none: 70 bar for water.
const SETTLED: f64 = 0.003;

/// Sums of the gap over the last half of a stage, by block.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GapSums {
    pub n: [f64; BLOCKS],
    /// nm
    pub gap: [f64; BLOCKS],
    /// nm², of all
    pub squares: f64,
}

/// Means of the gap over the third and the last quarter of a stage: if they differ, it was too short.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quarters {
    /// nm
    pub means: [f64; 2],
    /// Standard error of their difference, from the scatter of their blocks, nm
    pub error: f64,
}

impl Quarters {
    /// Is their difference more than chance makes it, and more than a liquid would notice?
    pub fn still_change(&self) -> bool {
        let [third, last] = self.means;
        (third - last).abs() > (2.0 * self.error).max(SETTLED * last)
    }
}

impl GapSums {
    /// * `progress` – from 0 to 1, the part of the stage that is done
    fn add(&mut self, progress: f64, gap: f64) {
        if progress > 0.5 {
            let block = (((progress - 0.5) * 2.0 * BLOCKS as f64).ceil() as usize).clamp(1, BLOCKS) - 1;
            self.n[block] += 1.0;
            self.gap[block] += gap;
            self.squares += gap * gap;
        }
    }

    fn count(&self) -> f64 {
        self.n.iter().sum()
    }

    /// Mean of the gap over the half, nm; `None` before there is one.
    pub fn mean(&self) -> Option<f64> {
        (self.count() > 0.0).then(|| self.gap.iter().sum::<f64>() / self.count())
    }

    /// Standard deviation of the gap, nm.
    pub fn deviation(&self) -> f64 {
        self.mean().map_or(0.0, |mean| (self.squares / self.count() - mean * mean).max(0.0).sqrt())
    }

    /// Both quarters; `None` of a stage so short that a block of them was never looked at.
    pub fn quarters(&self) -> Option<Quarters> {
        const HALF: usize = BLOCKS / 2;
        if self.n.contains(&0.0) {
            return None;
        }
        let of = |blocks: std::ops::Range<usize>| {
            let (n, gap) = (&self.n[blocks.clone()], &self.gap[blocks]);
            let mean = gap.iter().sum::<f64>() / n.iter().sum::<f64>();
            let squares: f64 = gap.iter().zip(n).map(|(gap, n)| (gap / n - mean).powi(2)).sum();
            (mean, squares / (HALF * (HALF - 1)) as f64)
        };
        let ((third, a), (last, b)) = (of(0..HALF), of(HALF..BLOCKS));
        Some(Quarters { means: [third, last], error: (a + b).sqrt() })
    }
}

/// Where a piston was fixed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fixed {
    /// At the end of the stage, nm
    pub gap_before: f64,
    /// nm
    pub gap: f64,
}

impl Engine<'_> {
    /// Friction and noise of the piston.
    pub(super) fn piston_bath(&self, plan: &StagePlan) -> Option<LangevinStep> {
        let has_bath = self.system.external.piston.is_some() && plan.piston_friction > 0.0;
        has_bath.then(|| LangevinStep {
            temperature: plan.thermostat.temperature(),
            friction: plan.piston_friction,
            seed: plan.seed,
        })
    }

    /// After a batch: is the piston where it may be? Its gap goes into the mean.
    pub(super) fn watch_piston(&mut self, plan: &StagePlan, step: u64) -> Result<(), DynamicsError> {
        let Some(piston) = &self.system.external.piston else { return Ok(()) };
        // at other steps the positions may be those of an earlier one
        if !plan.schedule.neighbor_due(step) && step != plan.schedule.n_steps {
            return Ok(());
        }
        let gap = piston.gap(self.state.positions[piston.first()].z);
        let failed = |detail: String| DynamicsError::Cell { stage: plan.name.clone(), step: self.state.step, detail };
        if gap.is_nan() || gap <= 0.0 {
            return Err(failed(format!(
                "the piston has met the other side of the liquid (gap {gap:.3} nm); is there a liquid, and is the pressure meant?"
            )));
        }
        if gap >= piston.widest {
            return Err(failed(format!(
                "the piston has been pushed out to a gap of {gap:.3} nm, where its back feels what lies behind the vacuum; give a \
                 higher pressure, a larger gap to begin with, or more vacuum"
            )));
        }
        let speed = if plan.schedule.neighbor == 0 { 0.0 } else { self.piston_speed(piston) };
        let way = speed * plan.dt * plan.schedule.neighbor as f64;
        let buffer = plan.list_radius - self.system.interactions.cutoff;
        if way > OUTRUN * buffer {
            return Err(failed(format!(
                "the piston moves at {speed:.3} nm/ps and crosses {way:.4} nm while a neighbor list lives, whose buffer is \
                 {buffer:.4} nm; give it more mass or friction, or less pressure"
            )));
        }
        self.gaps.add(step as f64 / plan.schedule.n_steps as f64, gap);
        Ok(())
    }

    /// nm/ps
    fn piston_speed(&self, piston: &Piston) -> f64 {
        self.state.velocities[piston.first()].z.abs()
    }

    /// Fixes the piston at the mean of its gap, and stops it; `None` without one, or before there is a mean.
    pub fn fix_piston(&mut self) -> Option<Fixed> {
        let (piston, gap) = (self.system.external.piston.as_ref()?, self.gaps.mean()?);
        let gap_before = piston.gap(self.state.positions[piston.first()].z);
        set_gap(&self.system.topology, piston, &mut self.state, gap);
        piston.atoms.iter().for_each(|&i| self.state.velocities[i as usize] = DVec3::ZERO);
        self.kinetic = velocities::kinetic_energy(&self.system.topology, &self.state.velocities);
        Some(Fixed { gap_before, gap })
    }

    /// The conserved quantity of the present state, kJ/mol.
    pub fn conserved_now(&mut self, plan: &StagePlan) -> Result<Option<f64>, DynamicsError> {
        self.backend.load(&self.state)?;
        neighbors::rebuild(&mut *self.backend, self.system, &self.state, plan.list_radius)?;
        Ok(self.trial_row(plan)?.map(|row| row.conserved))
    }
}

/// Brings a piston to a gap: molecules between both sides move by their centres of mass in proportion to their height, those on
/// its side with it.
pub fn set_gap(topology: &Topology, piston: &Piston, state: &mut State, gap: f64) {
    let now = piston.gap(state.positions[piston.first()].z);
    let outwards = -piston.direction;
    let shift = outwards * (gap - now);
    // height of the innermost atoms of the slab, and of the other side
    let inmost = piston.atoms.iter().map(|&i| outwards * state.positions[i as usize].z).fold(f64::INFINITY, f64::min);
    let other = outwards * (inmost - now);
    let mut is_own = vec![false; topology.n_atoms()];
    piston.atoms.iter().for_each(|&i| is_own[i as usize] = true);
    for m in 0..topology.molecules.len() {
        let atoms = topology.atoms_of(m);
        let moves = |i: &usize| is_own[*i] || !topology.frozen[*i];
        let part = match atoms.clone().all(|i| is_own[i]) {
            true => 1.0,
            false => {
                let mass: f64 = topology.masses[atoms.clone()].iter().sum();
                let centre = atoms.clone().map(|i| topology.masses[i] * state.positions[i].z).sum::<f64>() / mass;
                (outwards * (centre - other) / now).clamp(0.0, 1.0)
            }
        };
        for i in atoms.filter(moves) {
            state.positions[i].z += if is_own[i] { shift } else { part * shift };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gap that scatters by 0.03 nm about a mean that moves by `drift` (nm) over the last half.
    fn sums(drift: f64) -> GapSums {
        let mut sums = GapSums::default();
        for k in 0..4000 {
            let progress = f64::from(k + 1) / 4000.0;
            let noise = 0.03 * (0.37 * f64::from(k)).sin() * std::f64::consts::SQRT_2;
            sums.add(progress, 3.0 + 2.0 * drift * (progress - 0.75) + noise);
        }
        sums
    }

    #[test]
    fn a_drift_is_noticed_below_the_scatter_and_chance_is_not() {
        assert!((sums(0.0).mean().expect("half a stage") - 3.0).abs() < 1e-3);
        assert!((sums(0.0).deviation() - 0.03).abs() < 1e-3);
        assert_eq!(sums(0.0).n.iter().sum::<f64>(), 2000.0);
        assert!(!sums(0.0).quarters().expect("all blocks").still_change());
        assert!(sums(0.04).quarters().expect("all blocks").still_change(), "{:?}", sums(0.04).quarters());
        assert_eq!(GapSums::default().quarters(), None);
    }
}
