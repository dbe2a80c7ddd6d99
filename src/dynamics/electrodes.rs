//! Charges of electrodes at a checkpoint: they follow from the positions, so a continuation that finds others is not one.

use crate::forces::{Backend, ForceError};
use crate::system::System;

/// Charges by two backends, or on two devices, agree to this part of the largest: 50 roundings of a sum in single precision, times
/// ten for what the matrix makes of an error of the potential.
const AGREE: f64 = 500.0 * f32::EPSILON as f64;

/// Charges of the electrodes of the loaded configuration: (name, `[n_atoms of the electrode]`, e); empty without electrodes.
pub(super) fn charges(system: &System, backend: &mut dyn Backend) -> Result<Vec<(String, Vec<f64>)>, ForceError> {
    let (Some(electrodes), Some(all)) = (&system.external.electrodes, backend.charges()?) else {
        return Ok(Vec::new());
    };
    let own = |atoms: &[u32]| atoms.iter().map(|&atom| all[atom as usize]).collect();
    Ok(electrodes.electrodes.iter().map(|e| (e.name.clone(), own(&e.atoms))).collect())
}

/// What a checkpoint says of electrodes.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredCharges {
    /// (name, `[n_atoms of the electrode]`, e)
    pub electrodes: Vec<(String, Vec<f64>)>,
    /// Did a backend of the name that continues make it?
    pub same_backend: bool,
}

impl StoredCharges {
    /// Compares with the charges that a continuation finds; a warning where the bits should be the same and are not, an error where
    /// rounding does not explain the difference.
    ///
    /// * `same_list` – were both found with the same neighbor list?
    pub(super) fn compare(&self, found: &[(String, Vec<f64>)], same_list: bool) -> Result<Option<String>, String> {
        let shape = |electrodes: &[(String, Vec<f64>)]| {
            let of = |(name, charges): &(String, Vec<f64>)| format!("{name} of {} atoms", charges.len());
            if electrodes.is_empty() {
                "no electrodes".to_string()
            } else {
                electrodes.iter().map(of).collect::<Vec<_>>().join(", ")
            }
        };
        let (before, now) = (shape(&self.electrodes), shape(found));
        if before != now {
            return Err(format!(
                "it holds charges of {before}, and the system has {now}; resume it with the input that started the run"
            ));
        }
        let of =
            |electrodes: &[(String, Vec<f64>)]| -> Vec<f64> { electrodes.iter().flat_map(|e| e.1.clone()).collect() };
        let (before, now) = (of(&self.electrodes), of(found));
        // written so that NaN counts as a difference
        if before.iter().zip(&now).all(|(a, b)| a.to_bits() == b.to_bits()) {
            return Ok(None);
        }
        let difference = |k: usize| (before[k] - now[k]).abs();
        let rank = |k: usize| if difference(k).is_nan() { f64::INFINITY } else { difference(k) };
        let worst = (1..now.len()).fold(0, |most, k| if rank(k) > rank(most) { k } else { most });
        let largest = now.iter().fold(0.0_f64, |largest, q| largest.max(q.abs()));
        if difference(worst) <= AGREE * largest {
            let differs = self.same_backend && same_list;
            return Ok(differs.then(|| {
                format!(
                    "electrode charges differ from those of the checkpoint by up to {:.1e} e, which is rounding: another processor, driver or version \
                     of the program continues, and the run will not be bit-identical",
                    difference(worst)
                )
            }));
        }
        let mut left = worst;
        let place = self.electrodes.iter().find_map(|(name, charges)| {
            if left < charges.len() {
                return Some(format!("atom {} of `{name}`", left + 1));
            }
            left -= charges.len();
            None
        });
        Err(format!(
            "{} had {:.9} e and has {:.9} e for the same positions, where rounding explains {:.1e} e; charges follow from positions, so the charges \
             of the electrolyte, the electrodes' potentials, widths or matrix, or the program have changed since. Resume with the program and the files that \
             started the run",
            place.unwrap_or_default(),
            before[worst],
            now[worst],
            AGREE * largest
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_told_and_anything_else_refused() {
        let of = |last: f64| vec![("lower".to_string(), vec![-0.02, 0.01]), ("upper".to_string(), vec![0.013, last])];
        let stored = |same_backend: bool| StoredCharges { electrodes: of(-0.003), same_backend };
        assert_eq!(stored(true).compare(&of(-0.003), true), Ok(None));
        // one part in 1e9 is rounding: told only where bits were promised
        let rounded = of(-0.003 * (1.0 + 1e-9));
        let warning = stored(true).compare(&rounded, true).expect("close").expect("told");
        assert!(warning.contains("3.0e-12 e") && warning.contains("not be bit-identical"), "{warning}");
        assert_eq!(stored(false).compare(&rounded, true), Ok(None));
        assert_eq!(stored(true).compare(&rounded, false), Ok(None));
        // the largest charge times 6e-5 is 1.2e-6 e
        assert!(stored(false).compare(&of(-0.003 + 1.1e-6), true).is_ok());
        let error = stored(false).compare(&of(-0.003 + 1.3e-6), true).expect_err("more than rounding");
        assert!(error.contains("atom 2 of `upper` had -0.003000000 e and has -0.002998700 e"), "{error}");
        stored(true).compare(&of(f64::NAN), true).expect_err("not a number");
        let error = stored(true).compare(&of(-0.003)[..1], true).expect_err("an electrode is gone");
        assert!(error.contains("lower of 2 atoms, upper of 2 atoms, and the system has lower of 2 atoms"), "{error}");
        assert!(stored(true).compare(&[], true).expect_err("none").contains("has no electrodes"));
    }
}
