//! `hexaqua energy`: energy and forces of one configuration, without dynamics.

use super::executor::ExecutorArgs;
use super::prepare::{self, Prepared};
use super::{CliError, InputArgs};
use crate::dynamics::neighbors;
use crate::forces::{Backend, Evaluation, reference::ReferenceBackend};
use crate::io::output;
use crate::math::ewald_beta;
use crate::system::resolve::reciprocal_range;
use crate::system::spec::GeometrySpec;
use crate::system::{Coulomb, System};
use crate::units::VOLT;
use glam::DVec3;
use std::fmt::Write as _;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    executor: ExecutorArgs,
    /// Print JSON: {"n_atoms", "total", "terms", "backend", "device"}, kJ/mol, and "electrode_charges" (e) and "electrode_potentials" (V) where there are electrodes
    #[arg(long)]
    json: bool,
    /// Write atom,fx,fy,fz (kJ/mol/nm; constraint forces excluded)
    #[arg(long, value_name = "F.csv")]
    forces: Option<PathBuf>,
    /// Write atom,charge (e), those of electrodes as they answer this configuration
    #[arg(long, value_name = "Q.csv")]
    charges: Option<PathBuf>,
    /// Compare the forces with f64 at tight settings (converged Ewald sums; cutoff methods as they are) and print the error;
    /// in a liquid at equilibrium it is below 4e-4 of the rms force at default settings, in a packed start a few times that
    #[arg(long)]
    check: bool,
}

/// erfc(β r_cut) and reciprocal cutoff of the converged sum behind `--check`.
const TIGHT_TOLERANCE: f64 = 1e-9;

pub fn run(args: &Args) -> Result<(), CliError> {
    args.executor.threads.start()?;
    let prepared = prepare::prepare_file(&args.input)?;
    for warning in &prepared.warnings {
        warn!("warning: {warning}");
    }
    let mut backend = args.executor.backend(&prepared.system)?;
    let evaluation = evaluate(&mut *backend, &prepared)?;
    if let Some(path) = &args.forces {
        let mut text = String::from("atom,fx,fy,fz\n");
        for (i, f) in evaluation.forces.iter().enumerate() {
            // writing to a string cannot fail
            let _ = writeln!(text, "{},{:.9e},{:.9e},{:.9e}", i + 1, f.x, f.y, f.z);
        }
        output::write_atomic(path, text.as_bytes()).map_err(CliError::run)?;
    }
    if let Some(path) = &args.charges {
        let charges = backend.charges().map_err(CliError::run)?;
        let charges = charges.as_ref().unwrap_or(&prepared.system.topology.charges);
        let mut text = String::from("atom,charge\n");
        for (i, q) in charges.iter().enumerate() {
            let _ = writeln!(text, "{},{q:.9}", i + 1);
        }
        output::write_atomic(path, text.as_bytes()).map_err(CliError::run)?;
    }
    let check = if args.check { Some(force_error(&prepared, &evaluation.forces)?) } else { None };
    let n_atoms = prepared.state.n_atoms();
    let electrodes = prepared.system.external.electrodes.iter().flat_map(|e| &e.electrodes);
    let potentials = evaluation.energies.electrode_potentials.map(|potential| potential / VOLT);
    let of_electrodes = evaluation.energies.electrode_charges.into_iter().zip(potentials);
    let electrodes: Vec<(String, (f64, f64))> = electrodes.map(|e| e.name.clone()).zip(of_electrodes).collect();
    let packed = is_packed(&prepared.input.system.geometry);
    if args.json {
        let terms: serde_json::Map<String, serde_json::Value> =
            evaluation.energies.terms().into_iter().map(|(name, value)| (name.to_string(), value.into())).collect();
        let mut value = serde_json::json!({
            "n_atoms": n_atoms, "total": evaluation.energies.total(), "terms": terms,
            "backend": backend.name(), "device": backend.device(),
        });
        if !electrodes.is_empty() {
            let map = |of: fn(&(f64, f64)) -> f64| -> serde_json::Map<String, serde_json::Value> {
                electrodes.iter().map(|(name, both)| (name.clone(), of(both).into())).collect()
            };
            value["electrode_charges"] = map(|both| both.0).into();
            value["electrode_potentials"] = map(|both| both.1).into();
        }
        if let Some(error) = check {
            value["force_error_relative_rms"] = error.into();
            value["packed_start"] = packed.into();
        }
        say!("{value:#}");
    } else {
        say!("{} ({n_atoms} atoms) on {}", prepared.input.title, backend.device());
        for (name, value) in evaluation.energies.terms() {
            say!("  {name:<24} {value:>18.6} kJ/mol");
        }
        say!("  {:<24} {:>18.6} kJ/mol", "total", evaluation.energies.total());
        for (name, (charge, potential)) in &electrodes {
            say!("  {:<24} {charge:>18.6} e  at {potential:.6} V", format!("charge of {name}"));
        }
        if let Some(error) = check {
            let exact = match prepared.system.interactions.coulomb {
                Coulomb::Pme { .. } | Coulomb::Ewald { .. } => "converged Ewald sums in f64",
                Coulomb::ReactionField { .. } | Coulomb::Cutoff => "the same method in f64",
            };
            let rms = rms_force(&evaluation.forces);
            say!("  force error against {exact}: {error:.2e} of the rms force, {rms:.0} kJ/mol/nm");
            if packed {
                say!("  {PACKED_START}");
            }
        }
    }
    Ok(())
}

/// What to think of the error of a configuration that no step has been taken from.
const PACKED_START: &str = "this is a packed start, not yet a liquid: the error of its mesh is a few times that at equilibrium, \
     where it stays below 4e-4 at default settings; to check that, give the structure of a run, such as its final.gro";

/// Is the configuration one that was packed here, and not read from a structure?
fn is_packed(geometry: &GeometrySpec) -> bool {
    match geometry {
        GeometrySpec::Density(_)
        | GeometrySpec::Cell(_)
        | GeometrySpec::CellAndDensity { .. }
        | GeometrySpec::Slab { .. } => true,
        GeometrySpec::Structure(_) | GeometrySpec::Topology { .. } => false,
    }
}

fn rms_force(forces: &[DVec3]) -> f64 {
    (forces.iter().map(|f| f.length_squared()).sum::<f64>() / forces.len() as f64).sqrt()
}

/// Loads the configuration, builds its list and evaluates.
fn evaluate(backend: &mut dyn Backend, prepared: &Prepared) -> Result<Evaluation, CliError> {
    let cutoff = prepared.system.interactions.cutoff;
    backend.load(&prepared.state).map_err(CliError::run)?;
    neighbors::rebuild(backend, &prepared.system, &prepared.state, cutoff * 1.0001).map_err(CliError::run)?;
    backend.evaluate().map_err(CliError::run)
}

/// Relative rms difference to the reference backend with a converged direct Ewald sum at the same cutoff.
fn force_error(prepared: &Prepared, forces: &[DVec3]) -> Result<f64, CliError> {
    let mut interactions = prepared.system.interactions;
    if matches!(interactions.coulomb, Coulomb::Pme { .. } | Coulomb::Ewald { .. }) {
        let beta = ewald_beta(interactions.cutoff, TIGHT_TOLERANCE);
        let n_max = reciprocal_range(&prepared.state.cell, beta, TIGHT_TOLERANCE);
        interactions.coulomb = Coulomb::Ewald { beta, n_max, n_sq_max: None };
    }
    let system = System { interactions, ..prepared.system.clone() };
    let mut reference = ReferenceBackend::new(&system).map_err(CliError::run)?;
    let exact = evaluate(&mut reference, &Prepared { system: system.clone(), ..prepared.clone() })?.forces;
    let difference: f64 = forces.iter().zip(&exact).map(|(f, e)| (*f - *e).length_squared()).sum();
    let norm: f64 = exact.iter().map(|e| e.length_squared()).sum();
    Ok((difference / norm).sqrt())
}
