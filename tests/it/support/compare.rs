//! Comparisons that can fail: NaN, wrong lengths and all-zero references never pass.

use glam::DVec3;
use hexaqua::cell::Cell;
use hexaqua::forces::FirstStep;
use hexaqua::math::erfc;
use hexaqua::neighbor::pairs::brute_force;
use hexaqua::system::System;
use hexaqua::units::COULOMB;
use std::f64::consts::PI;

/// |value − reference| / |reference|; infinite when either is not finite or the reference is zero.
pub fn relative_error(value: f64, reference: f64) -> f64 {
    let error = ((value - reference) / reference).abs();
    if error.is_finite() { error } else { f64::INFINITY }
}

/// √(Σ|a − b|² / Σ|b|²): root-mean-square difference over the root-mean-square of the reference `b`.
pub fn rms_error(values: &[DVec3], reference: &[DVec3]) -> f64 {
    assert_eq!(values.len(), reference.len(), "arrays of different length cannot be compared");
    let difference: f64 = values.iter().zip(reference).map(|(a, b)| (*a - *b).length_squared()).sum();
    let scale: f64 = reference.iter().map(|b| b.length_squared()).sum();
    let error = (difference / scale).sqrt();
    if error.is_finite() { error } else { f64::INFINITY }
}

/// Fails unless `value` is within `tolerance` (relative) of `reference`.
#[track_caller]
pub fn assert_relative(what: &str, value: f64, reference: f64, tolerance: f64) {
    let error = relative_error(value, reference);
    assert!(error <= tolerance, "{what}: {value:.12e} is {error:.2e} from {reference:.12e}, allowed {tolerance:.1e}");
}

/// Fails unless `value` is within `tolerance` (same unit) of `reference`.
#[track_caller]
pub fn assert_absolute(what: &str, value: f64, reference: f64, tolerance: f64) {
    let error = (value - reference).abs();
    assert!(error <= tolerance, "{what}: {value:.12e} is {error:.2e} off {reference:.12e}, allowed {tolerance:.1e}");
}

/// Fails unless the relative rms difference of two force arrays is within `tolerance`.
#[track_caller]
pub fn assert_forces(what: &str, values: &[DVec3], reference: &[DVec3], tolerance: f64) {
    let error = rms_error(values, reference);
    assert!(error <= tolerance, "{what}: relative rms force error {error:.2e}, allowed {tolerance:.1e}");
}

/// Fails unless every element of two 3 × 3 tensors agrees within `tolerance` times the largest reference element.
#[track_caller]
pub fn assert_tensor(what: &str, value: glam::DMat3, reference: glam::DMat3, tolerance: f64) {
    let elements = |m: glam::DMat3| m.to_cols_array();
    let scale = elements(reference).iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
    for (k, (a, b)) in elements(value).into_iter().zip(elements(reference)).enumerate() {
        let error = (a - b).abs() / scale;
        assert!(error <= tolerance, "{what}, element {k}: {a:.10e} against {b:.10e}, {error:.2e} of {scale:.3e}");
    }
}

#[test]
fn equal_values_pass_and_the_stated_error_is_the_limit() {
    assert_relative("one", 1.0 + 0.9e-7, 1.0, 1e-7);
    assert_absolute("one", 1.0 + 0.9e-7, 1.0, 1e-7);
    assert_eq!(rms_error(&[DVec3::X, DVec3::Y], &[DVec3::X, DVec3::Y]), 0.0);
    let error = rms_error(&[DVec3::X * 1.01, DVec3::Y * 0.99], &[DVec3::X, DVec3::Y]);
    assert!((error - 0.01).abs() < 1e-12);
}

#[test]
#[should_panic(expected = "allowed 1.0e-7")]
fn a_difference_over_the_limit_fails() {
    assert_relative("one", 1.0 + 1.1e-7, 1.0, 1e-7);
}

#[test]
#[should_panic(expected = "relative rms force error")]
fn one_wrong_atom_fails() {
    let reference = vec![DVec3::X; 100];
    let mut values = reference.clone();
    values[57] = DVec3::Y;
    assert_forces("forces", &values, &reference, 1e-2);
}

#[test]
fn nan_and_empty_references_never_pass() {
    assert_eq!(relative_error(f64::NAN, 1.0), f64::INFINITY);
    assert_eq!(relative_error(0.0, 0.0), f64::INFINITY);
    assert_eq!(rms_error(&[DVec3::NAN], &[DVec3::X]), f64::INFINITY);
    assert_eq!(rms_error(&[], &[]), f64::INFINITY);
    assert!(std::panic::catch_unwind(|| assert_absolute("nan", f64::NAN, 1.0, 1.0)).is_err());
    let nan = glam::DMat3::from_diagonal(DVec3::NAN);
    assert!(std::panic::catch_unwind(|| assert_tensor("nan", nan, glam::DMat3::IDENTITY, 1.0)).is_err());
    assert!(std::panic::catch_unwind(|| assert_tensor("zero", glam::DMat3::IDENTITY, glam::DMat3::ZERO, 1.0)).is_err());
}

/// The kinetic tensor of a first step belongs to the scaled velocities: its trace is ½ (s² K(before) + K(after)).
///
/// Fails as well when the tensor of the unscaled velocities would pass.
pub fn assert_scaled_trace(first: &FirstStep, s: f64, tolerance: f64) {
    let t = first.kinetic_tensor;
    let trace = t.x_axis.x + t.y_axis.y + t.z_axis.z;
    assert_relative("trace", trace, 0.5 * (s * s * first.kinetic_before + first.kinetic_after), tolerance);
    let unscaled = 0.5 * (first.kinetic_before + first.kinetic_after);
    assert!((trace / unscaled - 1.0).abs() > 10.0 * tolerance, "the scale must matter: {trace} and {unscaled}");
}

/// What one rounding of every distance adds up to by chance in a sum of screened Coulomb energies U, kJ/mol:
/// ε (Σ (r dU/dr)²)^½ over the pairs inside the cutoff, r dU/dr = −k_e q q' (erfc(βr)/r + 2β/√π exp(−β²r²)).
///
/// * `beta` – nm⁻¹
/// * `positions`, `charges` – `[n_atoms]`, nm and e
pub fn coulomb_rounding(system: &System, cell: &Cell, positions: &[DVec3], charges: &[f64], beta: f64) -> f64 {
    let list = brute_force(positions, cell, &system.topology, system.interactions.cutoff);
    let square = |&(i, j): &(u32, u32)| {
        let (i, j) = (i as usize, j as usize);
        let r = cell.minimum_image(positions[i] - positions[j]).length();
        let slope = erfc(beta * r) / r + 2.0 * beta / PI.sqrt() * (-(beta * r).powi(2)).exp();
        (COULOMB * charges[i] * charges[j] * slope).powi(2)
    };
    f64::from(f32::EPSILON) * list.pairs.iter().map(square).sum::<f64>().sqrt()
}
