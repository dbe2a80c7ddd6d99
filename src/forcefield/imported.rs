//! Parameters that came with a topology of the user's instead of the library.

use super::assemble::{Assembled, Provenance};
use crate::potential::pair_table::PairTable;
use crate::system::topology::Species;

impl Assembled {
    /// Types, species and pair table of a topology file; its name stands where a model of the library would.
    pub fn imported(types: Vec<String>, species: Vec<Species>, pair_table: PairTable, source: &str) -> Self {
        let file = std::path::Path::new(source).file_name().map_or(source.into(), |f| f.to_string_lossy().into_owned());
        let provenance = species.iter().map(|s| Provenance {
            species: s.name.clone(),
            model: file.clone(),
            title: "parameters of a GROMACS topology".into(),
            source: source.to_string(),
            flags: Vec::new(),
        });
        Assembled {
            provenance: provenance.collect(),
            type_models: vec![file; types.len()],
            c4_origins: Vec::new(),
            warnings: Vec::new(),
            geometries: Vec::new(),
            types,
            species,
            pair_table,
        }
    }
}
