//! Pairs of electrode atoms whose Gaussians overlap, for the backends of single precision: electrodes are frozen, so these are found once.
//!
//! Twin: the walk over the list of neighbors in `forces/reference/electrode.rs`.

use super::reference::electrode::{Site, shape};
use crate::cell::Cell;
use glam::DVec3;
use rayon::prelude::*;

/// The pairs of one set of electrodes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Overlaps {
    /// Indices of two sites, and the displacement from the first to the second, nm.
    pairs: Vec<(u32, u32, DVec3)>,
}

impl Overlaps {
    /// * `sites`, `at` – `[n_sites]`; where they are, nm
    /// * `reach` – distance in combined widths √(w² + w'²) from which Gaussians are points
    /// * `cutoff` – of real space, nm
    pub fn new(sites: &[Site], at: &[DVec3], cell: &Cell, reach: f64, cutoff: f64) -> Self {
        let overlap = |i: usize, j: usize| {
            let d = cell.minimum_image(at[j] - at[i]);
            let limit = (reach * sites[i].width.hypot(sites[j].width)).min(cutoff);
            (d.length() < limit).then_some((i as u32, j as u32, d))
        };
        let pairs = (0..sites.len()).into_par_iter();
        Overlaps { pairs: pairs.flat_map_iter(|i| (0..i).filter_map(move |j| overlap(i, j))).collect() }
    }

    /// (atom, atom, energy in kJ/mol and force on the second in kJ/mol/nm) of every pair: what Gaussians take from points.
    ///
    /// * `charges` – `[n_atoms]`, e
    pub fn shapes<'a>(
        &'a self,
        sites: &'a [Site],
        charges: &'a [f64],
    ) -> impl Iterator<Item = (usize, usize, (f64, DVec3))> + 'a {
        self.pairs.iter().map(|&(i, j, d)| {
            let (a, b) = (&sites[i as usize], &sites[j as usize]);
            (a.atom, b.atom, shape(charges[a.atom] * charges[b.atom], 1.0 / a.width.hypot(b.width), d))
        })
    }
}
