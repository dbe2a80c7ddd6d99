//! From an input file to a system that can be run: the part every subcommand shares.

use super::{BackendChoice, CliError, InputArgs};
use crate::build;
use crate::dynamics::neighbors;
use crate::forcefield::{self, Assembled};
use crate::forces::{Backend, cpu::CpuBackend, gpu, gpu::GpuBackend, reference::ReferenceBackend};
use crate::io::input;
use crate::system::spec::Input;
use crate::system::{State, System};

/// A checked input with everything that follows from it.
pub struct Prepared {
    pub input: Input,
    pub assembled: Assembled,
    pub system: System,
    pub state: State,
    pub composition: build::Composition,
    /// Worth telling the user, not worth stopping for.
    pub warnings: Vec<String>,
}

/// Reads the input and its `--set` overrides.
pub fn read_input(args: &InputArgs) -> Result<Input, CliError> {
    let mut overrides = Vec::new();
    for item in &args.set {
        let (key, value) = item.split_once('=').ok_or_else(|| {
            CliError::Input(format!("--set {item}: expected KEY=VALUE, for example --set dynamics.timestep=\"1 fs\""))
        })?;
        overrides.push((key.trim().to_string(), value.trim().to_string()));
    }
    input::read(&args.input, &overrides).map_err(CliError::input)
}
