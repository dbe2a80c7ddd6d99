//! Points binned in a periodic cell: who is within a short distance of here?
//!
//! O(1) insertion, removal and query at liquid densities. Knows points and a cell, any cell.

use crate::cell::Cell;
use glam::DVec3;

/// A periodic cell list that can grow and shrink.
#[derive(Debug, Clone)]
pub struct PeriodicGrid {
    cell: Cell,
    /// Largest query radius, nm.
    reach: f64,
    n_bins: [usize; 3],
    /// `[n_bins]`, (point, caller's index)
    bins: Vec<Vec<(DVec3, u32)>>,
}

impl PeriodicGrid {
    /// * `reach` – nm, the largest radius of a query; at most [`Cell::half_height`] counts, beyond it images are missed
    pub fn new(cell: Cell, reach: f64) -> Self {
        // Bins as wide as the reach: 27 of them hold every neighbor. A bin less than one per direction is the cell.
        let n_bins = cell.heights().map(|h| ((h / reach) as usize).clamp(1, 512));
        PeriodicGrid { cell, reach, n_bins, bins: vec![Vec::new(); n_bins.iter().product()] }
    }

    fn bin_of(&self, r: DVec3) -> [usize; 3] {
        let s = self.cell.to_fractional(r);
        let axis = |s: f64, n: usize| (((s - s.floor()) * n as f64) as usize).min(n - 1);
        [axis(s.x, self.n_bins[0]), axis(s.y, self.n_bins[1]), axis(s.z, self.n_bins[2])]
    }

    fn flat(&self, [x, y, z]: [usize; 3]) -> usize {
        (z * self.n_bins[1] + y) * self.n_bins[0] + x
    }

    pub fn insert(&mut self, r: DVec3, index: u32) {
        let bin = self.flat(self.bin_of(r));
        self.bins[bin].push((r, index));
    }

    /// Removes the point that was inserted with exactly this position and index.
    pub fn remove(&mut self, r: DVec3, index: u32) {
        let bin = self.flat(self.bin_of(r));
        self.bins[bin].retain(|p| *p != (r, index));
    }

    /// Calls `visit(index, distance²)` for every point within `radius` (≤ reach) of `r`. Every point once.
    pub fn for_each_within(&self, r: DVec3, radius: f64, mut visit: impl FnMut(u32, f64)) {
        debug_assert!(radius <= self.reach);
        let center = self.bin_of(r);
        // One or two bins per direction have fewer than three different neighbors.
        let axis = |k: usize| {
            let (n, c) = (self.n_bins[k], center[k]);
            ([c, (c + 1) % n, (c + n - 1) % n], n.min(3))
        };
        let [(xs, nx), (ys, ny), (zs, nz)] = [axis(0), axis(1), axis(2)];
        for &z in &zs[..nz] {
            for &y in &ys[..ny] {
                for &x in &xs[..nx] {
                    for &(point, index) in &self.bins[self.flat([x, y, z])] {
                        let d_sq = self.cell.minimum_image(point - r).length_squared();
                        if d_sq <= radius * radius {
                            visit(index, d_sq);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Stream};

    #[test]
    fn queries_agree_with_all_pairs() {
        let cells = [
            Cell::cubic(1.1).expect("valid"),
            Cell::new(DVec3::X * 2.5, DVec3::new(1.2, 2.1, 0.0), DVec3::new(-0.8, 0.9, 1.9)).expect("valid"),
            Cell::orthorhombic(0.9, 3.0, 6.0).expect("valid"),
        ];
        for (k, cell) in cells.into_iter().enumerate() {
            let mut draws = Draws::new(k as u64, Stream::Build, 0);
            let mut point = || {
                let s = DVec3::new(draws.uniform(), draws.uniform(), draws.uniform());
                cell.to_cartesian(s * 3.0 - 1.0)
            };
            let points: Vec<DVec3> = (0..300).map(|_| point()).collect();
            let reach = 0.4_f64.min(cell.half_height());
            let mut grid = PeriodicGrid::new(cell, reach);
            points.iter().enumerate().for_each(|(i, &r)| grid.insert(r, i as u32));
            for i in (0..300).step_by(3) {
                grid.remove(points[i], i as u32);
            }
            for _ in 0..50 {
                let r = point();
                let mut found = Vec::new();
                grid.for_each_within(r, reach, |i, _| found.push(i));
                found.sort_unstable();
                let near = |i: &u32| cell.minimum_image(points[*i as usize] - r).length() <= reach;
                let expected: Vec<u32> = (0..300).filter(|i| i % 3 != 0).filter(near).collect();
                assert_eq!(found, expected);
            }
        }
    }
}
