//! Positions as fixed-point fractions of the cell: one turn = 2³² along each lattice vector.
//!
//! The device holds the low 32 bits, whose differences wrap into minimum images. The host keeps 64 bits, so images are
//! never lost as long as an atom moves less than half a cell between two read-backs.

use crate::cell::Cell;
use glam::DVec3;

const TURN: f64 = 4_294_967_296.0;

/// An unwrapped position in units of 2⁻³² of the cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedPosition(pub [i64; 3]);

impl FixedPosition {
    /// The nearest fixed-point position; `r` in nm, unwrapped.
    pub fn from_cartesian(cell: &Cell, r: DVec3) -> Self {
        let s = cell.to_fractional(r);
        FixedPosition([s.x, s.y, s.z].map(|x| (x * TURN).round() as i64))
    }

    /// nm, unwrapped
    pub fn to_cartesian(self, cell: &Cell) -> DVec3 {
        let [x, y, z] = self.0.map(|i| i as f64 / TURN);
        cell.to_cartesian(DVec3::new(x, y, z))
    }

    /// What the device holds: the position inside its cell.
    pub fn wrapped(self) -> [i32; 3] {
        self.0.map(|i| i as i32)
    }

    /// Follows the device to the image nearest to the last known position.
    pub fn follow(&mut self, wrapped: [i32; 3]) {
        for (unwrapped, new) in self.0.iter_mut().zip(wrapped) {
            *unwrapped += i64::from(new.wrapping_sub(*unwrapped as i32));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Stream};

    #[test]
    fn round_trip_is_exact_and_crossings_are_followed() {
        let cell = Cell::new(DVec3::new(3.1, 0.0, 0.0), DVec3::new(0.7, 2.9, 0.0), DVec3::new(-0.4, 0.9, 3.3));
        let cell = cell.expect("valid");
        let mut draws = Draws::new(3, Stream::Build, 0);
        for _ in 0..2000 {
            let r = DVec3::new(draws.uniform(), draws.uniform(), draws.uniform()) * 400.0 - DVec3::splat(200.0);
            let fixed = FixedPosition::from_cartesian(&cell, r);
            let back = fixed.to_cartesian(&cell);
            assert!((back - r).length() < 2e-9);
            assert_eq!(FixedPosition::from_cartesian(&cell, back), fixed);
            // a move across any boundary is found again from its low bits
            let moved = FixedPosition::from_cartesian(&cell, r + DVec3::new(0.9, -0.8, 1.1));
            let mut followed = fixed;
            followed.follow(moved.wrapped());
            assert_eq!(followed, moved);
        }
    }

    #[test]
    fn wrapped_differences_are_minimum_images() {
        let cell = Cell::cubic(2.0).expect("valid");
        let a = FixedPosition::from_cartesian(&cell, DVec3::new(1.95, 0.1, -0.05)).wrapped();
        let b = FixedPosition::from_cartesian(&cell, DVec3::new(0.05, 1.9, 0.05)).wrapped();
        let d = [0, 1, 2].map(|k| f64::from(b[k].wrapping_sub(a[k])) / TURN * 2.0);
        assert!((d[0] - 0.1).abs() < 1e-8 && (d[1] + 0.2).abs() < 1e-8 && (d[2] - 0.1).abs() < 1e-8);
    }
}
