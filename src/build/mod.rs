//! Composition → coordinates, and coordinates from elsewhere → molecules.
//!
//! [`solution`] packs a box from species and amounts, [`from_structure`] recognises species in a file that somebody
//! else made, [`whole`] puts molecules back together. Knows geometry, masses and charges; knows no force field, no
//! file format and no unit strings.

mod composition;
mod film;
mod grid;
mod import;
mod overlap;
pub mod pack;
mod relax;
mod shape;
mod sites;
mod slab;
mod solution;
mod whole;

pub use composition::{BoxReport, Composition, Extent, Liquid, Quantity, SpeciesRow};
pub use film::{Face, Film, film};
pub use import::{ImportError, Imported, from_structure, sound_positions};
pub use overlap::{Overlap, closest_contacts, contact_pairs, find_overlap};
pub use shape::shape_from_bonded_terms;
pub use slab::{Layer, Monolayer, SlabBox, SlabRequest, slab};
pub use solution::{BuildError, Solution, SolutionRequest, solution, solution_between};
pub use whole::{MoleculeTrees, make_whole};
