//! Command line: one file per subcommand. The only part of the library that sees everything.
//!
//! Exit codes: 0 done, 1 the run failed, 2 the input or command line is wrong, 3 a validation verdict failed.

/// `println!` that a closed pipe cannot stop: `hexaqua run | head` must not kill the run.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

/// `eprintln!` under the same rule.
macro_rules! warn {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

mod amounts;
pub mod analyze;
pub mod bench;
pub mod build;
mod capacitance;
mod definitions;
pub mod devices;
mod doubts;
pub mod energy;
pub mod executor;
pub mod forcefield;
mod frame_charges;
mod held;
pub mod import;
mod interface;
mod interrupt;
mod intervals;
mod joined;
mod level;
mod literature;
mod molecules;
pub mod observables;
pub mod outcome;
mod own_input;
pub mod piston;
pub mod prepare;
pub mod progress;
pub mod recorder;
pub mod records;
mod relay;
mod rigid;
pub mod run;
mod shell;
mod side_view;
pub mod simulate;
mod surface;
mod time_step;
mod vacuum;
pub mod validate;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Molecular dynamics of aqueous zinc-ion battery interfaces on any vendor's GPU.
#[derive(Debug, Parser)]
#[command(name = "hexaqua", version, about, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build, minimise and run a system; write trajectory, log, analyses and report
    Run(run::Args),
    /// Build a system from its composition and print what is in it
    Build(build::Args),
    /// Energy and forces of one configuration
    Energy(energy::Args),
    /// Analyse trajectories with the analyses of an input file
    Analyze(analyze::Args),
    /// Compare with literature values and other engines
    Validate(validate::Args),
    /// Time steps: ns/day, time by pass, list and memory
    Bench(bench::Args),
    /// List GPU adapters and self-test one
    Devices(devices::Args),
    /// List the built-in force fields with their sources
    Forcefield(forcefield::Args),
}

/// Options that name an input file and change it.
#[derive(Debug, Clone, clap::Args)]
pub struct InputArgs {
    /// Input file
    pub input: PathBuf,
    /// Override a key of the input, e.g. --set dynamics.timestep="1 fs"
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// What a subcommand ends with.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Exit code 2: the user can mend it.
    #[error("{0}")]
    Input(String),
    /// Exit code 1: the run failed.
    #[error("{0}")]
    Run(String),
    /// Exit code 1: a run survives it once.
    #[error("{0}")]
    DeviceLost(String),
    /// Exit code 128 + signal: as asked for.
    #[error("{0}")]
    Interrupted(String),
    /// Exit code 3.
    #[error("{0} validation verdict(s) failed")]
    Verdict(usize),
}

impl CliError {
    /// Wraps an error the user can mend.
    pub fn input(error: impl std::fmt::Display) -> Self {
        CliError::Input(error.to_string())
    }

    /// Wraps a failure of the run.
    pub fn run(error: impl std::fmt::Display) -> Self {
        CliError::Run(error.to_string())
    }

    fn exit_code(&self) -> u8 {
        match self {
            CliError::Run(_) | CliError::DeviceLost(_) => 1,
            CliError::Input(_) => 2,
            CliError::Verdict(_) => 3,
            CliError::Interrupted(_) => interrupt::SIGNALLED + interrupt::asked().unwrap_or(0),
        }
    }
}

/// Parses the command line and runs it.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            // nothing useful can be done when the terminal is gone
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let done = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Build(args) => build::run(&args),
        Command::Energy(args) => energy::run(&args),
        Command::Analyze(args) => analyze::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Forcefield(args) => forcefield::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let head = if matches!(error, CliError::Interrupted(_)) { "" } else { "error: " };
            warn!("{head}{error}");
            ExitCode::from(error.exit_code())
        }
    }
}
