//! Which executor runs, on which adapter and with how many threads: the options that subcommands share, and what they name.

use super::CliError;
use crate::forces::cpu::CpuBackend;
use crate::forces::gpu::{AdapterSelector, GpuBackend};
use crate::forces::reference::ReferenceBackend;
use crate::forces::{Backend, ForceError};
use crate::system::System;
use clap::ValueEnum;

/// Which executor to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BackendChoice {
    /// A hardware GPU if there is one, else the CPU
    Auto,
    Gpu,
    Cpu,
    /// Plain f64, slow
    Reference,
}

/// How many threads.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct ThreadArgs {
    /// Threads of the host [default: RAYON_NUM_THREADS, or as many as there are cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MOST_THREADS))]
    threads: Option<u16>,
}

const MOST_THREADS: i64 = 4096;

impl ThreadArgs {
    /// Makes the threads, if a number was asked for; before anything else runs on them.
    pub fn start(self) -> Result<(), CliError> {
        let Some(n) = self.threads else { return Ok(()) };
        let threads = rayon::ThreadPoolBuilder::new().num_threads(usize::from(n));
        threads.build_global().map_err(|why| CliError::Run(format!("--threads {n}: {why}")))
    }
}

/// The executor and where it runs.
#[derive(Debug, Clone, clap::Args)]
pub struct ExecutorArgs {
    /// What computes
    #[arg(long = "backend", value_enum, default_value = "auto")]
    pub choice: BackendChoice,
    /// GPU to run on: its number in `hexaqua devices`, or part of its name [default: the best one]
    #[arg(long, value_name = "N|NAME")]
    adapter: Option<String>,
    #[command(flatten)]
    pub threads: ThreadArgs,
}

impl ExecutorArgs {
    /// The adapter that was asked for; an error where the backend is not a GPU.
    pub fn adapter(&self) -> Result<Option<AdapterSelector>, CliError> {
        let Some(text) = &self.adapter else { return Ok(None) };
        match self.choice {
            BackendChoice::Gpu | BackendChoice::Auto => Ok(Some(selector(text))),
            BackendChoice::Cpu | BackendChoice::Reference => Err(CliError::Input(format!(
                "--adapter {text}: an adapter is for the gpu backend; leave it out or give --backend gpu"
            ))),
        }
    }

    /// The backend of a run. `auto` takes a hardware GPU if it can run the system, else the CPU, and says why; an adapter that is
    /// named is taken or is an error.
    pub fn backend(&self, system: &System) -> Result<Box<dyn Backend>, CliError> {
        let n_held = system.external.electrodes.as_ref().map_or(0, |e| e.atoms().count());
        if n_held >= LARGE {
            warn!(
                "note: the matrix of {n_held} electrode atoms is made now, unless it is kept from before: up to minutes for thousands of them"
            );
        }
        let gpu = |adapter: &AdapterSelector| -> Result<Box<dyn Backend>, ForceError> {
            GpuBackend::new(system, Some(adapter)).map(|b| Box::new(b) as _)
        };
        let made: Result<Box<dyn Backend>, ForceError> = match (self.choice, self.adapter()?) {
            (_, Some(adapter)) => gpu(&adapter),
            (BackendChoice::Gpu, None) => gpu(&AdapterSelector::Best),
            (BackendChoice::Reference, None) => ReferenceBackend::new(system).map(|b| Box::new(b) as _),
            (BackendChoice::Cpu, None) => on_host(system),
            (BackendChoice::Auto, None) => match gpu(&AdapterSelector::Hardware) {
                Ok(gpu) => Ok(gpu),
                Err(ForceError::NoAdapter(_)) => on_host(system),
                Err(why) => {
                    warn!("warning: the GPU is not used: {why}");
                    on_host(system)
                }
            },
        };
        made.map_err(|error| match error {
            ForceError::Unsupported { .. } | ForceError::Impossible(_) | ForceError::NoAdapter(_) => {
                CliError::input(error)
            }
            other => CliError::run(other),
        })
    }
}

/// Electrode atoms whose matrix takes more than some seconds.
const LARGE: usize = 1500;

/// The cpu backend on the threads of the program.
pub fn on_host(system: &System) -> Result<Box<dyn Backend>, ForceError> {
    CpuBackend::new(system, Some(rayon::current_num_threads())).map(|b| Box::new(b) as _)
}

/// The host backend for what a backend of this name cannot run: `reference` beside itself, else `cpu`.
pub fn beside(name: &str, system: &System) -> Result<Box<dyn Backend>, ForceError> {
    if name == "reference" { ReferenceBackend::new(system).map(|b| Box::new(b) as _) } else { on_host(system) }
}

/// A number is a place in the list, anything else a name.
fn selector(text: &str) -> AdapterSelector {
    text.parse().map_or_else(|_| AdapterSelector::Name(text.to_string()), AdapterSelector::Index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_go_by_number_or_name_and_with_the_gpu_only() {
        let args = |choice, adapter: Option<&str>| ExecutorArgs {
            choice,
            adapter: adapter.map(String::from),
            threads: ThreadArgs { threads: None },
        };
        let adapter = |choice, text| args(choice, text).adapter().ok();
        use BackendChoice::{Auto, Cpu, Gpu, Reference};
        assert_eq!(adapter(Gpu, Some("1")), Some(Some(AdapterSelector::Index(1))));
        assert_eq!(adapter(Auto, Some("h200")), Some(Some(AdapterSelector::Name("h200".into()))));
        assert_eq!((adapter(Cpu, None), adapter(Gpu, None)), (Some(None), Some(None)));
        for choice in [Cpu, Reference] {
            let error = args(choice, Some("0")).adapter().expect_err("no adapter on the host").to_string();
            assert!(error.contains("--adapter 0") && error.contains("--backend gpu"), "{error}");
        }
    }
}
