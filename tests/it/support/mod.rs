//! What several test modules share.

pub mod capacitor;
pub mod compare;
pub mod electrolyte;
pub mod fixture;
pub mod gpu;
pub mod gro;
pub mod molecules;
pub mod systems;
pub mod templates;

/// Root of the repository: where it was when this was compiled, or `HEXAQUA_ROOT` for a test program that was carried to
/// another machine.
pub fn root() -> std::path::PathBuf {
    std::env::var_os("HEXAQUA_ROOT").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), Into::into)
}
