//! Force sums of the device as integers of 2⁻¹² kJ/mol/nm: their layout and what they mean.
//!
//! Twin of `shaders/part/fixed_force.wgsl`.

use glam::DVec3;

/// Units of a sum per kJ/mol/nm.
pub const FORCE_SCALE: f64 = 4096.0;
/// Largest contribution to a sum of one word, kJ/mol/nm.
pub const LARGEST_NARROW: f64 = 16_384.0;

/// Words of the sums of `n_slots` slots: a low and a high one for each component.
pub const fn n_words(n_slots: usize) -> usize {
    6 * n_slots
}

/// (low, high) word of an integer as the shader makes them.
pub fn wide_from(x: i64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}

/// The forces in wide sums.
///
/// * `words` – `[n_words]`, low words of 3 slot + component, then the high ones
/// * returns `[n_slots]`, kJ/mol/nm
pub fn wide_forces(words: &[u32]) -> Vec<DVec3> {
    let (low, high) = words.split_at(words.len() / 2);
    let value = |k: usize| ((u64::from(high[k]) << 32 | u64::from(low[k])) as i64) as f64 / FORCE_SCALE;
    (0..low.len() / 3).map(|slot| DVec3::new(value(3 * slot), value(3 * slot + 1), value(3 * slot + 2))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_carry_both_signs() {
        let values = [1i64, -1, -3_000_000_000_000, 1 << 40, -(1 << 32), 0];
        let words: Vec<[u32; 2]> = values.iter().map(|&v| wide_from(v)).collect();
        let flat: Vec<u32> = words.iter().map(|w| w[0]).chain(words.iter().map(|w| w[1])).collect();
        let forces: Vec<f64> = wide_forces(&flat).iter().flat_map(|f| f.to_array()).collect();
        assert_eq!(forces, values.map(|v| v as f64 / 4096.0));
    }
}
