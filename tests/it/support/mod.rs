//! What several test modules share.

pub mod compare;
pub mod gpu;
pub mod gro;
pub mod molecules;
pub mod systems;
pub mod templates;
