//! The `hexaqua` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    hexaqua::cli::main()
}
