//! Equal bins along a distance.

/// Bins of width `width` (nm) whose edges are `origin + k width`, k = 0 … n.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RadialGrid {
    /// nm, in (−width, 0]
    origin: f64,
    /// nm
    width: f64,
    n: usize,
}

impl RadialGrid {
    /// `n` bins from zero up to at most `r_max` (nm).
    pub fn from_zero(r_max: f64, width: f64) -> Self {
        // A hair more, so that 0.6/0.002 makes 300 bins and not 299.
        RadialGrid { origin: 0.0, width, n: (r_max / width * (1.0 + 1e-12)).floor() as usize }
    }

    /// Bins placed so that `edge` (nm) is exactly an edge, reaching at least `beyond` (nm) past it.
    pub fn through(edge: f64, beyond: f64, width: f64) -> Self {
        let below = (edge / width).ceil();
        RadialGrid { origin: edge - below * width, width, n: below as usize + (beyond / width).ceil() as usize }
    }

    pub fn len(&self) -> usize {
        self.n
    }

    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// nm
    pub fn width(&self) -> f64 {
        self.width
    }

    /// Bin of the distance `r` (nm ≥ 0), if it is within range.
    pub fn bin(&self, r: f64) -> Option<usize> {
        let k = ((r - self.origin) / self.width) as usize;
        (k < self.n).then_some(k)
    }

    /// Centre of bin `k`, nm.
    pub fn center(&self, k: usize) -> f64 {
        0.5 * (self.edge(k).max(0.0) + self.edge(k + 1))
    }

    /// Edge `k` (the lower end of bin `k`), nm.
    pub fn edge(&self, k: usize) -> f64 {
        self.origin + k as f64 * self.width
    }

    /// The edge nearest to `r` (nm).
    pub fn nearest_edge(&self, r: f64) -> usize {
        (((r - self.origin) / self.width).round().max(0.0) as usize).min(self.n)
    }

    /// Last edge, nm.
    pub fn r_max(&self) -> f64 {
        self.edge(self.n)
    }

    /// Volume of the spherical shell of bin `k`, nm³.
    pub fn shell_volume(&self, k: usize) -> f64 {
        let (low, high) = (self.edge(k).max(0.0), self.edge(k + 1));
        4.0 / 3.0 * std::f64::consts::PI * (high * high * high - low * low * low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_fill_the_sphere_and_the_chosen_edge_is_hit() {
        for grid in [RadialGrid::from_zero(0.6, 0.002), RadialGrid::through(0.2913, 0.03, 0.002)] {
            let sum: f64 = (0..grid.len()).map(|k| grid.shell_volume(k)).sum();
            let sphere = 4.0 / 3.0 * std::f64::consts::PI * grid.r_max().powi(3);
            assert!((sum - sphere).abs() < 1e-12);
        }
        let grid = RadialGrid::through(0.2913, 0.03, 0.002);
        assert!((grid.edge(grid.nearest_edge(0.2913)) - 0.2913).abs() < 1e-15);
        assert_eq!(RadialGrid::from_zero(0.6, 0.002).len(), 300);
        assert_eq!(grid.bin(0.0), Some(0));
        assert_eq!(grid.bin(9.0), None);
    }
}
