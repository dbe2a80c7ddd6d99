//! Electrostatic potential along z from charges shared between bins: Poisson's equation in one dimension.
//!
//! A charge q at height z adds −(2π k_e/A) q |z' − z| to the potential of the plane z', linear on both sides of it. Shared between the two nearest bin
//! centres in proportion to its nearness, it gives the same potential at every bin centre as it does itself, because a function that is linear between
//! centres is interpolated without error. So the dipole moment, the potential at bin centres and the drop across a slab are those of the charges, whatever
//! the width of the bins. (Moving each charge to the centre of its bin, as histograms do, moves an electrode of 0.16 e/nm² by half a bin of 0.01 nm
//! and the drop by 15 mV.)

use crate::units::{COULOMB, VOLT};
use std::f64::consts::PI;

/// What is known of the field at the ends of the cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// Ewald sums with conducting boundary: the same potential at both ends.
    Periodic,
    /// A slab in vacuum, as the slab correction makes it: charges have no field outside.
    Slab,
}

/// The two bins whose centres are nearest to a height, and the share of each.
///
/// * `fraction` – of the height of the cell, in [0, 1); the cell is periodic
pub fn shares(fraction: f64, n_bins: usize) -> [(usize, f64); 2] {
    let at = fraction * n_bins as f64 - 0.5;
    let low = at.floor();
    let upper = at - low;
    let k = if low < 0.0 { n_bins - 1 } else { (low as usize).min(n_bins - 1) };
    [(k, 1.0 - upper), ((k + 1) % n_bins, upper)]
}

/// A bin with no more than this is empty: vapour is there.
fn least(mass: &[f64]) -> f64 {
    let filled = mass.iter().filter(|m| **m > 0.0).count().max(1);
    0.01 * mass.iter().sum::<f64>() / filled as f64
}

/// The widest empty stretch of the cell, which may go on beyond its end: bins and the first of them; `None` where all are empty.
pub fn widest_empty(mass: &[f64]) -> Option<(usize, usize)> {
    let (n, least) = (mass.len(), least(mass));
    let is_empty = |k: usize| mass[k % n] <= least;
    let first = (0..n).find(|&k| !is_empty(k))?;
    // (length, first bin) of the longest empty run, from a filled bin around the cell and back to it
    let (mut longest, mut length) = ((0, 0), 0);
    for k in first + 1..=first + n {
        if is_empty(k) {
            length += 1;
        } else {
            if length > longest.0 {
                longest = (length, k - length);
            }
            length = 0;
        }
    }
    Some(longest)
}

/// The first bin of what stands together in a cell: that above the widest empty stretch.
///
/// * `mass` – in every bin, in whatever unit
pub fn bottom(mass: &[f64]) -> usize {
    widest_empty(mass).map_or(0, |(length, begin)| (begin + length) % mass.len())
}

/// How many bins from `start` on the lowest and the highest stand in which there is matter.
///
/// * `mass` – in every bin, in whatever unit
pub fn ends(start: usize, mass: &[f64]) -> (usize, usize) {
    let (n, least) = (mass.len(), least(mass));
    let is_filled = |step: &usize| mass[(start + step) % n] > least;
    ((0..n).find(is_filled).unwrap_or(0), (0..n).rfind(is_filled).unwrap_or(0))
}

/// A bin in the vacuum around a slab, the widest empty stretch of the cell: the bottom of the cell if that is one, else the middle of the stretch.
///
/// * `mass` – in every bin, in whatever unit
pub fn in_the_vacuum(mass: &[f64]) -> usize {
    let n = mass.len();
    let Some((length, begin)) = widest_empty(mass) else { return 0 };
    // steps from there to the bottom of a cell
    let to_bottom = (n - begin % n) % n;
    if to_bottom < length { 0 } else { (begin + length / 2) % n }
}

/// φ at bin centres and at the end of the cell, V, with φ = 0 and no field at the lower edge of bin `start`, from where the bins follow each other around
/// the cell.
///
/// * `density` – mean density of the shared charges, `[n_bins]`, e/nm³
/// * `dz` – nm
pub fn without_field_at(start: usize, density: &[f64], dz: f64) -> (Vec<f64>, f64) {
    let n = density.len();
    let (mut field, mut phi) = (0.0, 0.0);
    let mut centers = vec![0.0; n];
    for step in 0..n {
        let k = (start + step) % n;
        phi -= field * dz * if step == 0 { 0.5 } else { 1.0 };
        centers[k] = phi;
        field += 4.0 * PI * COULOMB / VOLT * density[k] * dz;
    }
    (centers, phi - field * 0.5 * dz)
}

/// As [`without_field_at`] the bottom of the cell, with a linear term that makes both ends equal.
pub fn periodic(density: &[f64], dz: f64) -> Vec<f64> {
    let (mut phi, end) = without_field_at(0, density, dz);
    let n = density.len() as f64;
    phi.iter_mut().enumerate().for_each(|(k, p)| *p -= end * (k as f64 + 0.5) / n);
    phi
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_keep_charge_and_moment_and_go_around_the_cell() {
        for (fraction, n) in [(0.333, 10), (0.35, 10), (0.3501, 7), (0.9, 4)] {
            let parts = shares(fraction, n);
            let sum: f64 = parts.iter().map(|p| p.1).sum();
            // Centres in units of the cell; the one behind the end is at 1 + 0.5/n.
            let center = |k: usize| {
                let z = (k as f64 + 0.5) / n as f64;
                if z < fraction - 0.5 { z + 1.0 } else { z }
            };
            let moment: f64 = parts.iter().map(|p| p.1 * center(p.0)).sum();
            assert!((sum - 1.0).abs() < 1e-15 && (moment - fraction).abs() < 1e-15, "{fraction}: {parts:?}");
        }
        assert_eq!(shares(0.01, 10)[0].0, 9, "the lowest half bin is between the last centre and the first");
    }

    #[test]
    fn the_vacuum_is_the_widest_empty_stretch() {
        let at =
            |cell: &str| in_the_vacuum(&cell.chars().map(|c| if c == '.' { 0.0 } else { 1.0 }).collect::<Vec<_>>());
        assert_eq!(at("...##.##..."), 0, "around the bottom");
        assert_eq!(at("..##.##"), 0);
        assert_eq!(at("##.##.."), 6);
        assert_eq!(at(".##....##."), 5, "the bottom is a gap between layers");
        assert_eq!(at("#.##....#"), 6);
        assert_eq!(at("####"), 0);
        assert_eq!(at("...."), 0);
    }

    #[test]
    fn matter_begins_and_ends_where_it_stands_together() {
        let bins = |cell: &str| cell.chars().map(|c| if c == '.' { 0.0 } else { 1.0 }).collect::<Vec<_>>();
        for (cell, from) in [("..##.##", 2), ("##....##", 6), ("#.#....", 0), ("####", 0), ("....", 0)] {
            assert_eq!(bottom(&bins(cell)), from, "{cell}");
        }
        assert_eq!(ends(0, &bins("..##.#..")), (2, 5));
        assert_eq!(ends(4, &bins("##....##")), (2, 5), "around the end of the cell");
        let mut with_vapour = bins("..##.#..");
        with_vapour[7] = 1e-3;
        assert_eq!(ends(0, &with_vapour), (2, 5));
    }

    /// Charges anywhere: the potential at bin centres is that of the charges, and bins that hold them whole do not give it.
    #[test]
    fn the_potential_is_that_of_the_charges_whatever_the_bins() {
        let (height, area) = (8.0, 6.0);
        let charges = [(1.3, 2.013), (-0.4, 3.777), (0.2, 3.801), (-1.6, 5.049), (0.5, 4.444)];
        let phi_at = |z: f64| {
            let slope = 4.0 * PI * COULOMB / (VOLT * area);
            charges.iter().map(|(q, at)| -slope * q * (z - at).max(0.0)).sum::<f64>()
        };
        for n in [80, 123] {
            let dz = height / n as f64;
            let (mut shared, mut whole) = (vec![0.0; n], vec![0.0; n]);
            for (q, z) in charges {
                shares(z / height, n).iter().for_each(|&(k, part)| shared[k] += part * q / (area * dz));
                whole[(z / dz) as usize] += q / (area * dz);
            }
            let (phi, end) = without_field_at(0, &shared, dz);
            let error = |phi: &[f64]| {
                phi.iter().enumerate().map(|(k, p)| (p - phi_at((k as f64 + 0.5) * dz)).abs()).fold(0.0, f64::max)
            };
            assert!(error(&phi) < 1e-9 && (end - phi_at(height)).abs() < 1e-9, "{} V", error(&phi));
            let coarse = without_field_at(0, &whole, dz);
            assert!(error(&coarse.0) > 0.05 && (coarse.1 - phi_at(height)).abs() > 0.01, "the control must differ");
            // From elsewhere in the vacuum the same potential follows.
            let (turned, _) = without_field_at(n - 5, &shared, dz);
            assert!((turned[n / 2] - phi[n / 2]).abs() < 1e-9);
            assert!((periodic(&shared, dz)[0] - (phi[0] - end * 0.5 / n as f64)).abs() < 1e-9);
        }
    }
}
