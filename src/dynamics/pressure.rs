//! Coupling the cell to a pressure: what the engine does with [`barostat`](super::barostat) between two batches.
//!
//! The work of a coupling is what the conserved quantity changes by: its difference between two trial steps, one in the
//! old cell and one in the new. So nothing has to be expanded, and the inertia of leap-frog is in it.

use super::engine::{Engine, StagePlan};
use super::{DynamicsError, barostat, neighbors, velocities};

impl Engine<'_> {
    /// Draws a new cell, scales the state and tells the backend. The list is one of the present positions, or of the
    /// interval that ends here.
    pub(super) fn couple_pressure(&mut self, plan: &StagePlan) -> Result<(), DynamicsError> {
        let Some(settings) = plan.barostat else { return Ok(()) };
        let topology = &self.system.topology;
        let evaluation = self.backend.evaluate()?;
        let before = self.trial_row(plan)?;
        let pressure = barostat::molecular_pressure(topology, &self.state, &evaluation, plan.dt);
        let factors = barostat::draw(
            &settings,
            pressure,
            self.state.cell.volume(),
            plan.thermostat.temperature(),
            plan.schedule.pressure as f64 * plan.dt,
            plan.seed,
            self.state.step,
        );
        let failed = |detail: String| DynamicsError::Cell { stage: plan.name.clone(), step: self.state.step, detail };
        let mut scaled = self.state.clone();
        barostat::scale(topology, &mut scaled, factors).map_err(|e| failed(e.to_string()))?;
        let (cutoff, half_height) = (self.system.interactions.cutoff, scaled.cell.half_height());
        if cutoff > half_height {
            return Err(failed(format!(
                "the box has shrunk until the cutoff of {cutoff} nm exceeds half its smallest height, {half_height:.4} nm; \
                 use a smaller cutoff or more molecules"
            )));
        }
        self.state = scaled;
        self.kinetic = velocities::kinetic_energy(topology, &self.state.velocities);
        self.backend.load(&self.state)?;
        neighbors::rebuild(&mut *self.backend, self.system, &self.state, plan.list_radius)?;
        let after = self.trial_row(plan)?;
        if let (Some(before), Some(after)) = (before, after) {
            self.heat += after.conserved - before.conserved;
        }
        Ok(())
    }
}
