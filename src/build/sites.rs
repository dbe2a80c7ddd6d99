//! Lattices of sites that repeat with a cell of any shape.

use crate::cell::Cell;
use glam::{DMat3, DVec3};

/// A lattice of sites that repeats with the cell.
pub(super) struct SiteLattice {
    /// Steps between sites, nm.
    pub steps: DMat3,
    pub counts: [usize; 3],
    /// Distance between nearest sites, nm.
    pub spacing: f64,
}

impl SiteLattice {
    /// The lattice of at least `n_sites` sites whose nearest sites are farthest apart.
    pub fn new(cell: &Cell, n_sites: usize) -> Self {
        // The same cell with its vectors as short and as perpendicular as its shape lets them be.
        let [a, mut b, mut c] = [cell.vectors().x_axis, cell.vectors().y_axis, cell.vectors().z_axis];
        b -= a * (b.x / a.x).round();
        c -= b * (c.y / b.y).round();
        c -= a * (c.x / a.x).round();
        let edge = (cell.volume() / n_sites as f64).cbrt();
        let around = |length: f64| {
            let n = (length / edge) as usize;
            n.saturating_sub(2).max(1)..=n + 3
        };
        let mut best = SiteLattice { steps: DMat3::IDENTITY, counts: [0; 3], spacing: f64::NEG_INFINITY };
        for n_a in around(a.length()) {
            for n_b in around(b.length()) {
                let n_c = n_sites.div_ceil(n_a * n_b);
                let steps = DMat3::from_cols(a / n_a as f64, b / n_b as f64, c / n_c as f64);
                let spacing = shortest_vector(steps);
                let fewer = n_a * n_b * n_c < best.counts.iter().product();
                // Rounding must not decide between lattices of equal spacing.
                if spacing > best.spacing + 1e-9 || (spacing > best.spacing - 1e-9 && fewer) {
                    best = SiteLattice { steps, counts: [n_a, n_b, n_c], spacing };
                }
            }
        }
        best
    }

    pub fn points(&self) -> Vec<DVec3> {
        let [n_a, n_b, n_c] = self.counts;
        let mut points = Vec::with_capacity(n_a * n_b * n_c);
        for k in 0..n_c {
            for j in 0..n_b {
                points.extend((0..n_a).map(|i| self.steps * DVec3::new(i as f64, j as f64, k as f64)));
            }
        }
        points
    }
}

/// Length of the shortest non-zero sum of −2 … 2 of each vector.
fn shortest_vector(steps: DMat3) -> f64 {
    let mut shortest = f64::INFINITY;
    for i in -2..=2 {
        for j in -2..=2 {
            for k in -2..=2 {
                if (i, j, k) != (0, 0, 0) {
                    shortest = shortest.min((steps * DVec3::new(f64::from(i), f64::from(j), f64::from(k))).length());
                }
            }
        }
    }
    shortest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_site_lattice_of_a_cube_is_cubic() {
        let lattice = SiteLattice::new(&Cell::cubic(2.0).expect("valid"), 512);
        assert_eq!(lattice.counts, [8, 8, 8]);
        assert!((lattice.spacing - 0.25).abs() < 1e-12);
        assert_eq!(lattice.points().len(), 512);
    }

    #[test]
    fn the_site_lattice_does_not_care_which_vectors_describe_the_cell() {
        let plain = Cell::cubic(2.0).expect("valid");
        let skewed = Cell::new(DVec3::X * 2.0, DVec3::new(4.0, 2.0, 0.0), DVec3::new(-2.0, 6.0, 2.0)).expect("valid");
        let (plain, skewed) = (SiteLattice::new(&plain, 343), SiteLattice::new(&skewed, 343));
        assert_eq!(plain.counts, skewed.counts);
        assert!((plain.spacing - skewed.spacing).abs() < 1e-12);
    }
}
