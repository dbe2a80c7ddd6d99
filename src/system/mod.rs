//! What is simulated: atoms and molecules ([`topology`], [`bonded`]), where they are ([`state`]), how they interact
//! ([`interactions`]) and what the user asked for ([`spec`]).
//!
//! Plain data. Nothing here computes a force, reads a file or knows a device.

pub mod analyses;
pub mod bonded;
pub mod constrain;
pub mod expected;
pub mod external;
pub mod frame;
pub mod interactions;
pub mod interface;
pub mod redundant;
pub mod resolve;
pub mod restraint;
pub mod spec;
pub mod state;
pub mod structure;
pub mod topology;

pub use external::External;
pub use frame::{Charges, Frame};
pub use interactions::{Coulomb, Interactions, LjModifier};
pub use restraint::PositionRestraint;
pub use state::State;
pub use structure::Structure;
pub use topology::Topology;

use crate::potential::pair_table::PairTable;

/// Everything that stays fixed during a run: who the atoms are and how they interact.
#[derive(Debug, Clone)]
pub struct System {
    pub topology: Topology,
    /// Lennard-Jones coefficients of every pair of types: the only source of pair parameters.
    pub pair_table: PairTable,
    pub interactions: Interactions,
    /// At most one per atom.
    pub restraints: Vec<PositionRestraint>,
    /// Slab correction, field and walls.
    pub external: External,
}
