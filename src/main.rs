//! The `hexaqua` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    quiet_device_selection();
    hexaqua::cli::main()
}

/// Without a desktop session Mesa's device-selection layer prints an error about XDG_RUNTIME_DIR on every look for
/// adapters and then goes on; it only orders adapters, which this program does itself.
fn quiet_device_selection() {
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() && std::env::var_os("NODEVICE_SELECT").is_none() {
        // SAFETY: the program has one thread here
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
