//! A run that keeps everything in memory: what validation cases are made of.

use super::CliError;
use super::doubts::{self, Watched};
use super::piston;
use super::prepare::Prepared;
use super::progress::Progress;
use super::run::{backends, run_minimise, stage_plan, start_velocities};
use crate::analysis::{AnalysisSet, Quantity};
use crate::dynamics::engine::StagePlan;
use crate::dynamics::{DynamicsError, Engine, LogRow, Moment, Observer};
use crate::forces::Backend;
use crate::report::Doubt;
use crate::system::Frame;
use crate::system::external::{Condition, MOST_ELECTRODES};
use crate::system::spec::StageKind;
use crate::units::{DENSITY_G_CM3, VOLT};

use super::outcome::{density_quantity, series_quantity, temperature_quantity};

/// Collects samples and temperatures.
struct Memory {
    analyses: AnalysisSet,
    analyse: bool,
    /// ps
    times: Vec<f64>,
    temperatures: Vec<f64>,
    /// g/cm³
    densities: Vec<f64>,
    /// Of all atoms, u.
    mass: f64,
    /// kJ/mol
    potentials: Vec<f64>,
    /// bar
    pressures: Vec<f64>,
    /// Charges by electrode, e
    electrodes: Vec<[f64; MOST_ELECTRODES]>,
    /// Potentials by electrode, V
    levels: Vec<[f64; MOST_ELECTRODES]>,
    progress: Progress,
}

impl Observer for Memory {
    fn log(&mut self, row: &LogRow) -> Result<(), DynamicsError> {
        if self.analyse {
            self.times.push(row.time);
            self.temperatures.push(row.temperature);
            self.densities.push(self.mass / row.volume * DENSITY_G_CM3);
            self.potentials.push(row.energies.total());
            self.pressures.push(row.pressure);
            self.electrodes.push(row.energies.electrode_charges);
            self.levels.push(row.energies.electrode_potentials.map(|potential| potential / VOLT));
        }
        Ok(())
    }

    fn frame(&mut self, frame: &Frame<'_>, _: bool, sample: bool) -> Result<(), DynamicsError> {
        if sample && self.analyse {
            self.analyses.sample(frame).map_err(|e| DynamicsError::Output(Box::new(e)))?;
        }
        Ok(())
    }

    fn checkpoint(&mut self, _: &Moment<'_>) -> Result<(), DynamicsError> {
        Ok(())
    }

    fn progress(&mut self, stage_step: u64, n_steps: u64, temperature: f64) {
        self.progress.update(stage_step as f64 / n_steps as f64, &format!("{temperature:6.1} K"));
    }
}

/// What a run in memory leaves.
pub struct Simulated {
    /// The mean temperature and, under a barostat, the density among them.
    pub quantities: Vec<Quantity>,
    pub doubts: Vec<Doubt>,
}

/// Runs all stages.
pub fn simulate(name: &str, prepared: &Prepared, backend: Box<dyn Backend>) -> Result<Simulated, CliError> {
    let analyses = prepared.analyses().map_err(CliError::input)?;
    let mass = prepared.system.topology.total_mass();
    let mut memory = Memory {
        analyses,
        analyse: false,
        times: Vec::new(),
        temperatures: Vec::new(),
        densities: Vec::new(),
        mass,
        potentials: Vec::new(),
        pressures: Vec::new(),
        electrodes: Vec::new(),
        levels: Vec::new(),
        progress: Progress::new(name, 0.0),
    };
    let system_of = |stage: usize| prepared.open.get(stage).unwrap_or(&prepared.system);
    let mut backend_of = backends(prepared, backend);
    let mut engine = Engine::new(system_of(0), backend_of(0)?, prepared.state.clone());
    let mut doubts = Vec::new();
    for (index, stage) in prepared.input.stages.iter().enumerate() {
        if !std::ptr::eq(engine.system, system_of(index)) {
            let before = &prepared.input.stages[index - 1].name;
            if let Some((_, Some(warning))) = piston::fix(&mut engine, before, prepared.piston_log.as_ref()) {
                warn!("warning: {warning}");
                doubts.push(Doubt { of: None, why: warning });
            }
            (engine.system, engine.backend) = (system_of(index), backend_of(index)?);
        }
        match &stage.kind {
            StageKind::Minimise { max_force, max_steps } => {
                if let Some(warning) = run_minimise(&mut engine, *max_force, *max_steps, &stage.name)? {
                    warn!("warning: {warning}");
                }
            }
            StageKind::Dynamics { duration, dynamics, analyse, piston, .. } => {
                let lag = engine.backend.list_lag();
                engine.backend.prune_to(Some(super::prepare::inner_radius(prepared, dynamics)));
                let plan = stage_plan(prepared, &stage.name, *duration, dynamics, None, *analyse, lag);
                let plan = StagePlan { piston_friction: piston.as_ref().map_or(0.0, |p| p.friction), ..plan };
                if engine.state.step == 0 {
                    start_velocities(&mut engine, dynamics);
                }
                memory.analyse = *analyse;
                memory.progress = Progress::new(name, 0.0);
                engine.run_stage(&plan, 0, &mut memory).map_err(CliError::run)?;
            }
        }
    }
    memory.progress.finish("done");
    let mut quantities: Vec<Quantity> = memory.analyses.finish().into_iter().flat_map(|r| r.values).collect();
    quantities.extend(temperature_quantity(&memory.temperatures));
    quantities.extend(density_quantity(&memory.densities));
    quantities.extend(series_quantity("pressure", "bar", &memory.pressures));
    let (warnings, of_series) = memory.doubts(prepared);
    warnings.iter().for_each(|warning| warn!("warning: {warning}"));
    doubts.extend(of_series);
    for (k, electrode) in prepared.system.external.electrodes.iter().flat_map(|e| &e.electrodes).enumerate() {
        let charges: Vec<f64> = memory.electrodes.iter().map(|row| row[k]).collect();
        quantities.extend(series_quantity(&format!("electrode_charge({})", electrode.name), "e", &charges));
        if let Condition::Charge(_) = electrode.condition {
            let potentials: Vec<f64> = memory.levels.iter().map(|row| row[k]).collect();
            quantities.extend(series_quantity(&format!("electrode_potential({})", electrode.name), "V", &potentials));
        }
    }
    quantities.extend(energy_per_molecule(prepared, &memory.potentials));
    Ok(Simulated { quantities, doubts })
}

impl Memory {
    /// What was not stationary: sentences, and what is doubtful for it.
    fn doubts(&self, prepared: &Prepared) -> (Vec<String>, Vec<Doubt>) {
        let electrodes = prepared.system.external.electrodes.iter().flat_map(|e| &e.electrodes).enumerate();
        let charges: Vec<(String, Vec<f64>)> = electrodes
            .map(|(k, e)| (doubts::charge_of(&e.name), self.electrodes.iter().map(|row| row[k]).collect()))
            .collect();
        let mut watched = vec![
            Watched::of_all("the potential energy", &self.potentials),
            Watched::of_all("the density", &self.densities),
            Watched::alone("temperature", &self.temperatures),
            Watched::alone("pressure", &self.pressures),
        ];
        watched.extend(charges.iter().map(|(what, values)| Watched::of_all(what.as_str(), values)));
        doubts::of_series(&self.times, &watched)
    }
}

/// Mean potential energy of a molecule, where all of them are of one species; `potential_energy_per_water` if that is water.
fn energy_per_molecule(prepared: &Prepared, potentials: &[f64]) -> Option<Quantity> {
    let topology = &prepared.system.topology;
    let n = topology.molecules.len();
    let species = topology.molecules.first()?.species;
    if topology.molecules.iter().any(|m| m.species != species) {
        return None;
    }
    let per_molecule: Vec<f64> = potentials.iter().map(|u| u / n as f64).collect();
    let (id, label) = match topology.species_of(0).is_water {
        true => ("potential_energy_per_water", "potential energy per water"),
        false => ("potential_energy_per_molecule", "potential energy per molecule"),
    };
    Some(Quantity { label: label.into(), ..series_quantity(id, "kJ/mol", &per_molecule)? })
}
