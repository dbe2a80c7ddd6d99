//! The periodic cell: three lattice vectors, orthorhombic or triclinic.
//!
//! Knows geometry only: no atoms, no cutoffs of its own.
//!
//! Invariant: the lattice is right-handed with `a` along x and `b` in the xy plane (the convention of the `.gro`
//! format, of OpenMM and of LAMMPS). `Cell::new` refuses anything else.

use glam::{DMat3, DVec3};

/// Why three vectors are not a usable cell.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CellError {
    #[error("the cell vectors hold a value that is not finite: {0:?} nm")]
    NotFinite([[f64; 3]; 3]),
    #[error(
        "the cell must have its first vector along x, its second in the xy plane and positive diagonal lengths, got {0:?} nm; rotate the structure first"
    )]
    NotLowerTriangular([[f64; 3]; 3]),
}

/// A periodic cell. Lengths in nm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// Columns are the lattice vectors a, b, c, nm.
    vectors: DMat3,
    /// Inverse of `vectors`, nm⁻¹.
    inverse: DMat3,
}

impl Cell {
    /// A cell from its lattice vectors a, b, c (nm).
    pub fn new(a: DVec3, b: DVec3, c: DVec3) -> Result<Self, CellError> {
        let rows = [a.to_array(), b.to_array(), c.to_array()];
        if !(a.is_finite() && b.is_finite() && c.is_finite()) {
            return Err(CellError::NotFinite(rows));
        }
        let lower = a.y == 0.0 && a.z == 0.0 && b.z == 0.0;
        if !lower || a.x <= 0.0 || b.y <= 0.0 || c.z <= 0.0 {
            return Err(CellError::NotLowerTriangular(rows));
        }
        let vectors = DMat3::from_cols(a, b, c);
        Ok(Cell { vectors, inverse: vectors.inverse() })
    }

    /// A rectangular cell from its edge lengths (nm).
    pub fn orthorhombic(x: f64, y: f64, z: f64) -> Result<Self, CellError> {
        Cell::new(DVec3::new(x, 0.0, 0.0), DVec3::new(0.0, y, 0.0), DVec3::new(0.0, 0.0, z))
    }

    /// A cube of edge `length` (nm).
    pub fn cubic(length: f64) -> Result<Self, CellError> {
        Cell::orthorhombic(length, length, length)
    }

    /// Lattice vectors as columns, nm.
    pub fn vectors(&self) -> DMat3 {
        self.vectors
    }

    /// Inverse of [`Cell::vectors`], nm⁻¹; its rows are the reciprocal vectors without 2π.
    pub fn inverse(&self) -> DMat3 {
        self.inverse
    }

    /// Volume, nm³.
    pub fn volume(&self) -> f64 {
        self.vectors.determinant()
    }

    pub fn is_orthorhombic(&self) -> bool {
        self.vectors.y_axis.x == 0.0 && self.vectors.z_axis.x == 0.0 && self.vectors.z_axis.y == 0.0
    }

    /// Perpendicular heights of the cell along its three reciprocal directions, nm.
    pub fn heights(&self) -> [f64; 3] {
        let rows = self.inverse.transpose();
        [1.0 / rows.x_axis.length(), 1.0 / rows.y_axis.length(), 1.0 / rows.z_axis.length()]
    }

    /// Half the smallest perpendicular height, nm: the largest cutoff for which one image per pair is enough.
    pub fn half_height(&self) -> f64 {
        let [a, b, c] = self.heights();
        0.5 * a.min(b).min(c)
    }

    /// Fractional coordinates of a point (nm → 1).
    pub fn to_fractional(&self, r: DVec3) -> DVec3 {
        self.inverse * r
    }

    /// Cartesian coordinates of a fractional point (1 → nm).
    pub fn to_cartesian(&self, s: DVec3) -> DVec3 {
        self.vectors * s
    }

    /// The periodic image of the displacement `d` with fractional coordinates in [-1/2, 1/2].
    ///
    /// For every displacement shorter than [`Cell::half_height`] this is the nearest image, in any cell: a
    /// fractional coordinate is at most |d| divided by the matching height.
    pub fn minimum_image(&self, d: DVec3) -> DVec3 {
        let s = self.inverse * d;
        d - self.vectors * DVec3::new(s.x.round(), s.y.round(), s.z.round())
    }

    /// The shortest image of the displacement `d`, at any length and whatever vectors describe the lattice; one of them where several are as short.
    pub fn nearest_image(&self, d: DVec3) -> DVec3 {
        let first = self.minimum_image(d);
        let length = first.length();
        if length <= self.half_height() {
            return first;
        }
        // A shorter image differs by a lattice vector of at most twice this length, so by at most that many layers along each height.
        let reach = self.heights().map(|h| (2.0 * length / h) as i32);
        let mut best = first;
        for a in -reach[0]..=reach[0] {
            for b in -reach[1]..=reach[1] {
                for c in -reach[2]..=reach[2] {
                    let image = first + self.vectors * DVec3::new(f64::from(a), f64::from(b), f64::from(c));
                    if image.length_squared() < best.length_squared() {
                        best = image;
                    }
                }
            }
        }
        best
    }

    /// The image of `r` with fractional coordinates in [0, 1).
    pub fn wrap(&self, r: DVec3) -> DVec3 {
        let s = self.inverse * r;
        r - self.vectors * s.floor()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skewed() -> Cell {
        Cell::new(DVec3::new(3.0, 0.0, 0.0), DVec3::new(0.9, 2.8, 0.0), DVec3::new(-0.7, 0.6, 2.5)).expect("valid")
    }

    #[test]
    fn volume_and_heights_of_a_box() {
        let cell = Cell::orthorhombic(2.0, 3.0, 4.0).expect("valid");
        assert!((cell.volume() - 24.0).abs() < 1e-12);
        assert_eq!(cell.heights(), [2.0, 3.0, 4.0]);
        assert_eq!(cell.half_height(), 1.0);
    }

    #[test]
    fn minimum_image_is_the_nearest_within_half_a_height() {
        let cell = skewed();
        let v = cell.vectors();
        for k in 0..200 {
            let t = f64::from(k);
            let direction = DVec3::new((1.7 * t).sin(), (2.3 * t).cos(), (0.9 * t).sin() - 0.2).normalize();
            let short = direction * (cell.half_height() * 0.999);
            let far = short
                + v.x_axis * f64::from(k % 5 - 2)
                + v.y_axis * f64::from(k % 3 - 1)
                + v.z_axis * f64::from(k % 7 - 3);
            assert!((cell.minimum_image(far) - short).length() < 1e-12);
        }
    }

    #[test]
    fn the_nearest_image_does_not_depend_on_the_vectors_that_describe_the_lattice() {
        let cell = skewed();
        let v = cell.vectors();
        let other = Cell::new(v.x_axis, v.y_axis - v.x_axis, v.z_axis + v.y_axis - v.x_axis).expect("valid");
        let (mut shorter, mut beyond) = (0, 0);
        for k in 0..500 {
            let t = f64::from(k);
            let d = DVec3::new((1.7 * t).sin(), (2.3 * t).cos(), (0.9 * t).sin()) * 4.0;
            let (found, again) = (cell.nearest_image(d), other.nearest_image(d));
            assert!((found.length() - again.length()).abs() < 1e-12, "{found} and {again} for {d}");
            let mut best = f64::INFINITY;
            for n in 0..1331_i32 {
                let shift = DVec3::new(f64::from(n % 11 - 5), f64::from(n / 11 % 11 - 5), f64::from(n / 121 - 5));
                best = best.min((d + v * shift).length());
            }
            assert!((found.length() - best).abs() < 1e-12, "{found} for {d}");
            shorter += u32::from(other.minimum_image(d).length() > best + 1e-9);
            beyond += u32::from(best > other.half_height());
        }
        assert!(shorter > 50 && beyond > 50, "the plain rule fails for {shorter}, {beyond} are far");
    }

    #[test]
    fn wrap_lands_inside() {
        let cell = skewed();
        let s = cell.to_fractional(cell.wrap(DVec3::new(-17.3, 22.8, 9.1)));
        assert!(s.min_element() >= 0.0 && s.max_element() < 1.0);
    }

    #[test]
    fn refuses_rotated_and_broken_cells() {
        assert!(matches!(Cell::cubic(f64::NAN), Err(CellError::NotFinite(_))));
        assert!(matches!(Cell::cubic(-1.0), Err(CellError::NotLowerTriangular(_))));
        let rotated = Cell::new(DVec3::Y, -DVec3::X, DVec3::Z);
        assert!(matches!(rotated, Err(CellError::NotLowerTriangular(_))));
    }
}
