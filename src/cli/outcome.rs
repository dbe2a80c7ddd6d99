//! What a finished run hands to people: summary, verdict table, report.

use super::CliError;
use super::capacitance;
use super::doubts;
use super::level;
use super::literature;
use super::prepare::{Prepared, total_duration};
use super::progress::clock;
use super::recorder::LOG_FILE;
use super::run::Finished;
use super::shell;
use super::side_view;
use crate::analysis::blocks::Estimate;
use crate::analysis::{AnalysisResult, Column, Quantity};
use crate::forces::Backend;
use crate::io::log::Log;
use crate::io::output::OutputFolder;
use crate::io::structure;
use crate::report::{self, RunReport, text};
use crate::system::expected::{CaseSystem, Reference};
use crate::system::external::{Condition, Electrode};
use crate::system::spec::{Input, StageKind, StageSpec, ThermostatSpec};
use crate::system::{Coulomb, Interactions, LjModifier};
use crate::units::{COULOMB, VOLT};

/// First lines of `run.toml`: what ran, on what.
pub fn run_header(backend: &dyn Backend) -> String {
    format!(
        "# The input with every default written out. hexaqua {}, backend {} ({}).\n\n",
        env!("CARGO_PKG_VERSION"),
        backend.name(),
        backend.device()
    )
}

/// Writes final.gro, analyses, figures and report; prints the tables.
pub fn finish(prepared: &Prepared, folder: &OutputFolder, done: Finished, wall: f64) -> Result<(), CliError> {
    let topology = &prepared.system.topology;
    structure::write_gro(&folder.file("final.gro"), topology, &done.state, &prepared.input.title)
        .map_err(CliError::run)?;
    let log = Log::read(&folder.file(LOG_FILE)).map_err(CliError::run)?;
    let mut results = if done.analyses.n_frames() > 0 { done.analyses.finish() } else { Vec::new() };
    level::tell(prepared, &mut results);
    let analysed_from = analysed_from(&prepared.input, &log);
    let readings = capacitance::of_log(prepared, &log, analysed_from);
    let electrodes = capacitance::of(prepared, &done.state.cell, &done.state.positions, &readings, "lines of the log");
    results.extend(electrodes);
    let mut quantities: Vec<Quantity> = results.iter().flat_map(|r| r.values.iter().cloned()).collect();
    quantities.extend(means_of_log(&prepared.input, &log));
    let (drift, mut doubts) = doubts::of_log(&log, analysed_from);
    doubts.extend(done.doubts.iter().cloned());
    let literature = literature::verdicts(prepared, &quantities, &doubts)?;
    for warning in done.warnings.iter().chain(&drift) {
        warn!("warning: {warning}");
    }
    let warnings: Vec<String> = prepared.warnings.iter().chain(&done.warnings).chain(&drift).cloned().collect();
    let report = RunReport {
        title: prepared.input.title.clone(),
        facts: [facts(prepared, &done, wall), literature.facts()].concat(),
        warnings,
        log: log_columns(&log),
        results,
        verdicts: literature.rows.clone(),
        shell: shell::first_shell(topology, &done.state),
        side: side_view::of(&prepared.system, &done.state),
        analysed_from,
    };
    let page = report::write_all(folder.path(), &report).map_err(CliError::run)?;
    print_tables(&report, &quantities, literature.note.as_deref());
    for (stage, summary, speed) in &done.stages {
        say!(
            "{stage}: {} steps in {} ({speed:.2} ns/day, {:.3} ms/step, {:.0} % of it neighbor search)",
            summary.n_steps,
            clock(summary.wall),
            1e3 * summary.wall / summary.n_steps.max(1) as f64,
            100.0 * summary.neighbor_wall / summary.wall.max(1e-9),
        );
    }
    say!("report: {}", page.display());
    Ok(())
}

/// Time of the first line of the log (ps) that belongs to the stage analysed last.
fn analysed_from(input: &Input, log: &Log) -> Option<f64> {
    let is_analysed = |s: &&StageSpec| matches!(&s.kind, StageKind::Dynamics { analyse: true, .. });
    let stage = &input.stages.iter().rfind(is_analysed)?.name;
    let line = log.stages.iter().position(|s| s == stage)?;
    log.column("time")?.get(line).copied()
}

/// The verdict table if the system is one of the validation cases, and the measured values that it does not hold.
pub fn print_tables(report: &RunReport, quantities: &[Quantity], literature: Option<&str>) {
    say!("");
    if !report.verdicts.is_empty() {
        say!("{}", text::verdict_table(&report.verdicts));
    }
    let is_told = |q: &&Quantity| report.verdicts.iter().any(|row| row.reference.quantity == q.id);
    let others: Vec<Quantity> = quantities.iter().filter(|q| !is_told(q)).cloned().collect();
    say!("{}", text::value_table(&others));
    let slow = text::slow_values(quantities.iter());
    for note in notes(&report.results).into_iter().map(String::as_str).chain(literature).chain(slow.as_deref()) {
        say!("note: {note}");
    }
    say!("");
}

fn notes(results: &[AnalysisResult]) -> Vec<&String> {
    let mut seen: Vec<&String> = Vec::new();
    for note in results.iter().flat_map(|r| &r.notes) {
        if !seen.contains(&note) {
            seen.push(note);
        }
    }
    seen
}

/// The references of a system of a case; that of the temperature is the set point of the thermostat, known exactly, so that only the
/// statistical error of the measured mean decides.
pub fn references_of(system: &CaseSystem, input: &Input) -> Vec<Reference> {
    let set_point = set_point(input);
    let mut references = system.references.clone();
    references.retain(|r| r.quantity != "temperature" || set_point.is_some());
    for reference in references.iter_mut().filter(|r| r.quantity == "temperature") {
        reference.value = set_point.unwrap_or(reference.value);
        reference.uncertainty = Some(0.0);
        reference.tolerance = None;
    }
    references
}

/// Temperature (K) that the thermostats of all analysed stages hold; `None` without one, or if they differ.
pub fn set_point(input: &Input) -> Option<f64> {
    let mut points = input.stages.iter().filter_map(|stage| match &stage.kind {
        StageKind::Dynamics { dynamics, analyse: true, .. } => Some(match dynamics.thermostat {
            ThermostatSpec::None { .. } => None,
            ThermostatSpec::Csvr { temperature, .. }
            | ThermostatSpec::Langevin { temperature, .. }
            | ThermostatSpec::NoseHoover { temperature, .. } => Some(temperature),
        }),
        _ => None,
    });
    let first = points.next()??;
    points.all(|p| p == Some(first)).then_some(first)
}

/// Mean temperature (K) of the analysed stages with a block error and, under a barostat, the mean density (g/cm³).
fn means_of_log(input: &Input, log: &Log) -> Vec<Quantity> {
    let analysed: Vec<&str> = input
        .stages
        .iter()
        .filter(|s| matches!(&s.kind, StageKind::Dynamics { analyse: true, .. }))
        .map(|s| s.name.as_str())
        .collect();
    let column = |name: &str| -> Vec<f64> {
        let rows = log.column(name).unwrap_or_default().iter().zip(&log.stages);
        rows.filter(|(v, stage)| v.is_finite() && analysed.contains(&stage.as_str())).map(|(v, _)| *v).collect()
    };
    temperature_quantity(&column("temperature")).into_iter().chain(density_quantity(&column("density"))).collect()
}

/// Mean and block error (ten blocks) of a temperature series, K.
pub fn temperature_quantity(values: &[f64]) -> Option<Quantity> {
    series_quantity("temperature", "K", values)
}

/// Mean and block error (ten blocks) of the density under a barostat, g/cm³; nothing at constant volume.
pub fn density_quantity(values: &[f64]) -> Option<Quantity> {
    let varies = values.windows(2).any(|pair| pair[0] != pair[1]);
    series_quantity("density", "g/cm3", values).filter(|_| varies)
}

/// Mean and block error (ten blocks) of a series.
pub fn series_quantity(name: &str, unit: &str, values: &[f64]) -> Option<Quantity> {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let estimate = (!values.is_empty()).then(|| Estimate::of_series(values, mean))?;
    Some(Quantity::new(name.into(), name.into(), estimate, unit))
}

/// The log as the report draws it.
fn log_columns(log: &Log) -> Vec<Column> {
    let unit = |u: &str| if u.is_empty() { "1".to_string() } else { u.to_string() };
    log.columns
        .iter()
        .filter(|c| c.name != "step")
        .map(|c| Column::new(c.name.clone(), &unit(&c.unit), c.values.clone()))
        .collect()
}

/// Composition and models.
pub fn system_facts(prepared: &Prepared) -> Vec<(String, String)> {
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut add = |key: &str, value: String| facts.push((key.to_string(), value));
    let rows = prepared.composition.rows.iter().filter(|r| r.count > 0);
    add("Composition", rows.map(|r| format!("{} {}", r.count, r.name)).collect::<Vec<_>>().join(", "));
    add("Atoms", prepared.system.topology.n_atoms().to_string());
    if prepared.layers.is_empty() {
        // with vacuum or a slab a density of the cell says nothing
        if !prepared.composition.has_surface {
            add("Density", format!("{:.4} g/cm³", prepared.composition.density));
        }
    } else {
        let lines = prepared.layers.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        add("Interface", lines.collect::<Vec<_>>().join("; "));
    }
    let external = &prepared.system.external;
    for electrode in external.electrodes.iter().flat_map(|e| &e.electrodes) {
        add(&format!("Electrode {}", electrode.name), electrode_text(electrode));
    }
    let field = external.field_z / VOLT;
    match prepared.input.interface.finite_field {
        Some(potential) => add("Boundary", format!("finite field, {potential} V across the liquid: {field:.4} V/nm")),
        None if external.slab_correction => {
            let field = if field == 0.0 { String::new() } else { format!(", and a field of {field} V/nm") };
            add("Boundary", format!("slab correction (Yeh and Berkowitz) normal to z{field}"));
        }
        None => {}
    }
    for p in &prepared.assembled.provenance {
        let flags = if p.flags.is_empty() { String::new() } else { format!(" [{}]", p.flags.join(", ")) };
        add(&format!("Model of {}", p.species), format!("{}: {}{flags}. {}", p.model, p.title, p.source));
    }
    facts
}

fn facts(prepared: &Prepared, done: &Finished, wall: f64) -> Vec<(String, String)> {
    let mut facts = system_facts(prepared);
    let mut add = |key: &str, value: String| facts.push((key.to_string(), value));
    let interactions = &prepared.system.interactions;
    add("Lennard-Jones", lennard_jones_text(interactions));
    add("Coulomb", coulomb_text(&interactions.coulomb));
    for stage in &prepared.input.stages {
        if let StageKind::Dynamics { duration, dynamics, piston, .. } = &stage.kind {
            let mut thermostat = thermostat_text(&dynamics.thermostat);
            if let Some(piston) = piston {
                thermostat += &format!("; a piston at {} bar on {}", piston.pressure, piston.atoms);
            }
            add(
                &format!("Stage {}", stage.name),
                format!("{duration} ps, time step {} fs, thermostat: {thermostat}", dynamics.timestep * 1e3),
            );
        }
    }
    for told in &done.pistons {
        add("Piston", told.clone());
    }
    add("Length", format!("{} ps", total_duration(&prepared.input)));
    add("Seeds", format!("system {}, dynamics {}", prepared.input.system.seed, prepared.input.dynamics.seed));
    add("Backend", format!("{} on {}", done.backend, done.device));
    for (stage, summary, speed) in &done.stages {
        add(
            &format!("Speed of {stage}"),
            format!("{speed:.2} ns/day, {:.3} ms/step", 1e3 * summary.wall / summary.n_steps.max(1) as f64),
        );
    }
    add("Wall time", clock(wall));
    add("Version", format!("hexaqua {}", env!("CARGO_PKG_VERSION")));
    facts
}

fn electrode_text(electrode: &Electrode) -> String {
    let held = match electrode.condition {
        Condition::Potential(potential) => format!("{} V", potential / VOLT),
        Condition::Charge(charge) => format!("a charge of {charge} e"),
    };
    let metal = match electrode.thomas_fermi / (4.0 * std::f64::consts::PI * COULOMB) {
        0.0 => String::new(),
        screening => format!(", Thomas–Fermi l²/v {screening:.4} nm⁻¹"),
    };
    format!("{} atoms at {held}, Gaussian width {} nm{metal}", electrode.atoms.len(), electrode.gaussian_width)
}

fn lennard_jones_text(interactions: &Interactions) -> String {
    let modifier = match interactions.lj_modifier {
        LjModifier::None => "plain truncation".to_string(),
        LjModifier::PotentialShift => "potential shifted to zero at the cutoff".to_string(),
        LjModifier::Switch { start } => format!("switched off from {start} nm"),
    };
    let tail = if interactions.dispersion_correction { "with" } else { "without" };
    format!("cutoff {} nm, {modifier}, {tail} dispersion correction", interactions.cutoff)
}

fn coulomb_text(coulomb: &Coulomb) -> String {
    match coulomb {
        Coulomb::Pme { beta, grid: [x, y, z], order } => {
            format!("smooth particle-mesh Ewald, β {beta:.4} nm⁻¹, mesh {x} × {y} × {z}, order {order}")
        }
        Coulomb::Ewald { beta, n_max: [x, y, z], .. } => {
            format!("direct Ewald sum, β {beta:.4} nm⁻¹, |n| up to {x}, {y}, {z}")
        }
        Coulomb::ReactionField { epsilon } => format!("reaction field, dielectric constant {epsilon}"),
        Coulomb::Cutoff => "plain truncation".to_string(),
    }
}

fn thermostat_text(thermostat: &ThermostatSpec) -> String {
    match thermostat {
        ThermostatSpec::None { .. } => "none".to_string(),
        ThermostatSpec::Csvr { temperature, time_constant } => {
            format!("stochastic velocity rescaling, {temperature} K, τ {time_constant} ps")
        }
        ThermostatSpec::Langevin { temperature, friction } => {
            format!("Langevin middle scheme, {temperature} K, γ {friction} ps⁻¹")
        }
        ThermostatSpec::NoseHoover { temperature, time_constant, chain_length } => {
            format!("Nosé–Hoover chain of {chain_length}, {temperature} K, period {time_constant} ps")
        }
    }
}
