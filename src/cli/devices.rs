//! `hexaqua devices`: adapters, limits, features, and a self-test against the f64 reference.

use super::CliError;
use crate::forces::gpu::{self, AdapterSelector};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Self-test this adapter (number in the list) instead of the best one
    #[arg(long, value_name = "N")]
    test: Option<usize>,
    /// Only list
    #[arg(long, conflicts_with = "test")]
    no_test: bool,
}

pub fn run(args: &Args) -> Result<(), CliError> {
    let devices = gpu::devices();
    if devices.is_empty() {
        say!("no GPU adapter found; `--backend auto` uses the CPU");
        return Ok(());
    }
    for device in &devices {
        say!("{}", describe(device));
    }
    if args.no_test {
        return Ok(());
    }
    let selector = match args.test {
        Some(n) if n >= devices.len() => {
            return Err(CliError::Input(format!(
                "--test {n}: there are only {} adapters, counted from 0",
                devices.len()
            )));
        }
        Some(n) => AdapterSelector::Index(n),
        None => AdapterSelector::Best,
    };
    let report = gpu::self_test(&selector).map_err(CliError::run)?;
    say!("self-test on {} against f64:", report.device);
    for check in &report.checks {
        let measures: Vec<String> =
            check.measures.iter().map(|m| format!("{} {:.1e} (limit {:.0e})", m.name, m.value, m.limit)).collect();
        say!("  {}  {}", if check.passed() { "passed" } else { "FAILED" }, check.what);
        if measures.is_empty() {
            continue;
        }
        say!("          differs by {}", measures.join(", "));
        say!("          kernels {}", check.kernels.join(", "));
    }
    say!("self-test: {}", if report.passed() { "passed" } else { "FAILED" });
    if report.passed() { Ok(()) } else { Err(CliError::Run("the self-test failed: do not use this device".into())) }
}

/// One adapter as a few lines.
fn describe(device: &gpu::DeviceDescription) -> String {
    let software = if device.is_software { ", software: never chosen by `--backend auto`" } else { "" };
    let limits: Vec<String> = device.limits.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let features = if device.features.is_empty() { "none".to_string() } else { device.features.join(", ") };
    format!(
        "[{}] {} ({}, {}{software})\n    driver    {}\n    limits    {}\n    features  {features}",
        device.index,
        device.name,
        device.api,
        device.kind,
        device.driver,
        limits.join(", ")
    )
}
