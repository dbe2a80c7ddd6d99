//! Quantities with units: `"0.9 nm"`, `"2 mol/L"`, `"1 /ps"`.
//!
//! Every dimension has a short list of units; the first is the internal one and has factor 1, so that a value written
//! by [`format`] reads back bit for bit. Spellings are compared after removing spaces and `^` and after turning
//! superscripts into digits, so `nm^-1`, `/nm` and `1/nm` are the same.

use crate::suggest::nearest;

/// What a quantity measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    Length,
    InverseLength,
    Time,
    InverseTime,
    Temperature,
    Force,
    MassDensity,
    Concentration,
    Angle,
    /// bar
    Pressure,
    /// bar⁻¹
    Compressibility,
    /// u
    Mass,
    /// kJ mol⁻¹ nm⁻²
    ForceConstant,
    /// mPa s
    Viscosity,
    /// V
    Potential,
    /// V nm⁻¹
    ElectricField,
    /// e
    Charge,
    /// nm³
    Volume,
    /// nm⁻³
    NumberDensity,
    /// nm⁻²
    Coverage,
    /// kJ/mol
    Energy,
}

/// A unit: spellings (the first is printed), factor and offset to the internal unit.
struct Unit {
    spellings: &'static [&'static str],
    factor: f64,
    offset: f64,
}

const fn unit(spellings: &'static [&'static str], factor: f64) -> Unit {
    Unit { spellings, factor, offset: 0.0 }
}

const LENGTH: &[Unit] =
    &[unit(&["nm"], 1.0), unit(&["angstrom", "\u{c5}", "\u{212b}", "A", "Angstrom"], 0.1), unit(&["pm"], 1e-3)];
const INVERSE_LENGTH: &[Unit] =
    &[unit(&["/nm", "nm-1"], 1.0), unit(&["/angstrom", "/Å", "/A", "angstrom-1", "Å-1", "A-1"], 10.0)];
const TIME: &[Unit] =
    &[unit(&["ps"], 1.0), unit(&["fs"], 1e-3), unit(&["ns"], 1e3), unit(&["us", "\u{b5}s", "\u{3bc}s"], 1e6)];
const INVERSE_TIME: &[Unit] = &[unit(&["/ps", "ps-1"], 1.0), unit(&["/fs", "fs-1"], 1e3), unit(&["/ns", "ns-1"], 1e-3)];
const TEMPERATURE: &[Unit] =
    &[unit(&["K", "kelvin"], 1.0), Unit { spellings: &["celsius", "°C", "degC"], factor: 1.0, offset: 273.15 }];
const FORCE: &[Unit] = &[
    unit(&["kJ/mol/nm", "kJ/(molnm)"], 1.0),
    unit(&["kJ/mol/angstrom", "kJ/mol/Å", "kJ/mol/A"], 10.0),
    unit(&["kcal/mol/angstrom", "kcal/mol/Å", "kcal/mol/A"], 41.84),
    unit(&["kcal/mol/nm"], 4.184),
];
const MASS_DENSITY: &[Unit] =
    &[unit(&["g/cm3", "gcm-3", "g/mL", "g/ml", "kg/L"], 1.0), unit(&["kg/m3", "kgm-3", "g/L"], 1e-3)];
const CONCENTRATION: &[Unit] =
    &[unit(&["mol/L", "mol/l", "M", "molL-1", "mol/dm3"], 1.0), unit(&["mmol/L", "mM", "mol/m3"], 1e-3)];
const ANGLE: &[Unit] =
    &[unit(&["degree", "degrees", "deg", "°"], 1.0), unit(&["rad", "radian"], 180.0 / std::f64::consts::PI)];
const PRESSURE: &[Unit] = &[
    unit(&["bar"], 1.0),
    unit(&["atm"], 1.01325),
    unit(&["kbar"], 1e3),
    unit(&["Pa"], 1e-5),
    unit(&["kPa"], 1e-2),
    unit(&["MPa"], 10.0),
    unit(&["GPa"], 1e4),
];
const COMPRESSIBILITY: &[Unit] =
    &[unit(&["/bar", "bar-1"], 1.0), unit(&["/Pa", "Pa-1"], 1e5), unit(&["/GPa", "GPa-1"], 1e-4)];
const MASS: &[Unit] = &[unit(&["u", "amu", "Da", "g/mol"], 1.0)];
const FORCE_CONSTANT: &[Unit] = &[
    unit(&["kJ/mol/nm2", "kJ/(molnm2)"], 1.0),
    unit(&["kJ/mol/angstrom2", "kJ/mol/Å2", "kJ/mol/A2"], 100.0),
    unit(&["kcal/mol/angstrom2", "kcal/mol/Å2", "kcal/mol/A2"], 418.4),
];

const VISCOSITY: &[Unit] = &[unit(&["mPa s", "mPas", "cP"], 1.0), unit(&["Pa s", "Pas"], 1e3)];

const POTENTIAL: &[Unit] = &[unit(&["V"], 1.0), unit(&["mV"], 1e-3)];
const ELECTRIC_FIELD: &[Unit] =
    &[unit(&["V/nm"], 1.0), unit(&["V/angstrom", "V/Å", "V/A"], 10.0), unit(&["MV/cm"], 0.1), unit(&["V/m"], 1e-9)];
const CHARGE: &[Unit] = &[unit(&["e"], 1.0)];
const VOLUME: &[Unit] = &[unit(&["nm3"], 1.0), unit(&["angstrom3", "Å3", "A3"], 1e-3)];
const NUMBER_DENSITY: &[Unit] =
    &[unit(&["/nm3", "nm-3"], 1.0), unit(&["/angstrom3", "/Å3", "/A3", "angstrom-3", "Å-3", "A-3"], 1e3)];
const ENERGY: &[Unit] = &[
    unit(&["kJ/mol"], 1.0),
    unit(&["kcal/mol"], 4.184),
    unit(&["K", "kelvin"], crate::units::BOLTZMANN),
    unit(&["eV"], crate::units::VOLT),
];

const COVERAGE: &[Unit] =
    &[unit(&["/nm2", "nm-2"], 1.0), unit(&["/angstrom2", "/Å2", "/A2", "angstrom-2", "Å-2", "A-2"], 1e2)];

const ALL: [Dimension; 21] = [
    Dimension::Length,
    Dimension::InverseLength,
    Dimension::Time,
    Dimension::InverseTime,
    Dimension::Temperature,
    Dimension::Force,
    Dimension::MassDensity,
    Dimension::Concentration,
    Dimension::Angle,
    Dimension::Pressure,
    Dimension::Compressibility,
    Dimension::Mass,
    Dimension::ForceConstant,
    Dimension::Viscosity,
    Dimension::Potential,
    Dimension::ElectricField,
    Dimension::Charge,
    Dimension::Volume,
    Dimension::NumberDensity,
    Dimension::Coverage,
    Dimension::Energy,
];

impl Dimension {
    fn units(self) -> &'static [Unit] {
        match self {
            Dimension::Length => LENGTH,
            Dimension::InverseLength => INVERSE_LENGTH,
            Dimension::Time => TIME,
            Dimension::InverseTime => INVERSE_TIME,
            Dimension::Temperature => TEMPERATURE,
            Dimension::Force => FORCE,
            Dimension::MassDensity => MASS_DENSITY,
            Dimension::Concentration => CONCENTRATION,
            Dimension::Angle => ANGLE,
            Dimension::Pressure => PRESSURE,
            Dimension::Compressibility => COMPRESSIBILITY,
            Dimension::Mass => MASS,
            Dimension::ForceConstant => FORCE_CONSTANT,
            Dimension::Viscosity => VISCOSITY,
            Dimension::Potential => POTENTIAL,
            Dimension::ElectricField => ELECTRIC_FIELD,
            Dimension::Charge => CHARGE,
            Dimension::Volume => VOLUME,
            Dimension::NumberDensity => NUMBER_DENSITY,
            Dimension::Coverage => COVERAGE,
            Dimension::Energy => ENERGY,
        }
    }

    /// "a length"
    pub fn name(self) -> &'static str {
        match self {
            Dimension::Length => "a length",
            Dimension::InverseLength => "an inverse length",
            Dimension::Time => "a time",
            Dimension::InverseTime => "an inverse time",
            Dimension::Temperature => "a temperature",
            Dimension::Force => "a force",
            Dimension::MassDensity => "a mass density",
            Dimension::Concentration => "a concentration",
            Dimension::Angle => "an angle",
            Dimension::Pressure => "a pressure",
            Dimension::Compressibility => "a compressibility",
            Dimension::Mass => "a mass",
            Dimension::ForceConstant => "a force constant",
            Dimension::Viscosity => "a viscosity",
            Dimension::Potential => "an electric potential",
            Dimension::ElectricField => "an electric field",
            Dimension::Charge => "a charge",
            Dimension::Volume => "a volume",
            Dimension::NumberDensity => "a number density",
            Dimension::Coverage => "a number per area",
            Dimension::Energy => "an energy",
        }
    }

    /// The internal unit: nm, ps, K, …
    pub fn internal_unit(self) -> &'static str {
        self.units()[0].spellings[0]
    }

    /// "nm, angstrom or pm"
    pub fn unit_list(self) -> String {
        let names: Vec<&str> = self.units().iter().map(|u| u.spellings[0]).collect();
        match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => names.join(""),
        }
    }

    fn find(self, normalised: &str) -> Option<&'static Unit> {
        self.units().iter().find(|u| u.spellings.contains(&normalised))
    }
}

/// Why a string is not a quantity of the wanted dimension.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum QuantityError {
    #[error("\"{text}\" does not begin with a number")]
    NoNumber { text: String },
    #[error("\"{text}\" has no unit")]
    NoUnit { text: String },
    #[error("`{unit}` is not a unit of {}{}", .wanted.name(), .hint)]
    UnknownUnit { unit: String, wanted: Dimension, hint: String },
    #[error("\"{text}\" is not a finite number")]
    NotFinite { text: String },
}

/// The value of `text` in the internal unit of `dimension`.
///
/// ```
/// use hexaqua::io::input::quantity::{Dimension, parse};
/// assert_eq!(parse("9 angstrom", Dimension::Length), Ok(0.9));
/// assert_eq!(parse("25 celsius", Dimension::Temperature), Ok(298.15));
/// assert!(parse("0.9", Dimension::Length).is_err());
/// ```
///
/// # Errors
/// [`QuantityError`] for a missing number, a missing or wrong unit, or a value that is not finite.
pub fn parse(text: &str, dimension: Dimension) -> Result<f64, QuantityError> {
    let trimmed = text.trim();
    let (number, rest) = split_number(trimmed).ok_or_else(|| QuantityError::NoNumber { text: text.into() })?;
    let spelled = rest.trim();
    if spelled.is_empty() {
        return Err(QuantityError::NoUnit { text: text.into() });
    }
    let normalised = normalise(spelled);
    let Some(unit) = dimension.find(&normalised) else {
        let other = ALL.into_iter().find(|d| d.find(&normalised).is_some());
        let hint = match other {
            Some(other) => format!(" but of {}", other.name()),
            None => {
                let spellings = dimension.units().iter().flat_map(|u| u.spellings.iter().copied());
                nearest(&normalised, spellings).map(|s| format!("; did you mean `{s}`?")).unwrap_or_default()
            }
        };
        return Err(QuantityError::UnknownUnit { unit: spelled.into(), wanted: dimension, hint });
    };
    let value = number * unit.factor + unit.offset;
    if value.is_finite() { Ok(value) } else { Err(QuantityError::NotFinite { text: text.into() }) }
}

/// `value` (in the internal unit) as text that [`parse`] turns back into the same bits.
pub fn format(value: f64, dimension: Dimension) -> String {
    format!("{value} {}", dimension.internal_unit())
}

/// The longest leading number and the rest. Words that Rust reads as numbers (`inf`, `nan`) do not count.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let digits = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    let end = text.find(|c| !digits(c)).unwrap_or(text.len());
    (1..=end).rev().find_map(|n| text[..n].parse::<f64>().ok().map(|value| (value, &text[n..])))
}

/// Removes spaces, `^` and a leading `1` before `/`; superscripts become digits.
fn normalise(unit: &str) -> String {
    let unit = unit.strip_prefix('1').filter(|rest| rest.trim_start().starts_with('/')).unwrap_or(unit);
    unit.chars()
        .filter(|c| !c.is_whitespace() && *c != '^' && *c != '·')
        .map(|c| match c {
            '⁻' | '−' => '-',
            '¹' => '1',
            '²' => '2',
            '³' => '3',
            _ => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(text: &str, dimension: Dimension, expected: f64) {
        let value = parse(text, dimension).unwrap();
        assert!((value - expected).abs() <= 1e-15 * expected.abs(), "{text}: {value} instead of {expected}");
    }

    #[test]
    fn units_of_every_dimension() {
        close("0.9 nm", Dimension::Length, 0.9);
        close("9angstrom", Dimension::Length, 0.9);
        close("9 Å", Dimension::Length, 0.9);
        close("900 pm", Dimension::Length, 0.9);
        close("3.47 /nm", Dimension::InverseLength, 3.47);
        close("3.47 1/nm", Dimension::InverseLength, 3.47);
        close("3.47 nm^-1", Dimension::InverseLength, 3.47);
        close("3.47 nm⁻¹", Dimension::InverseLength, 3.47);
        close("0.347 /angstrom", Dimension::InverseLength, 3.47);
        close("2 fs", Dimension::Time, 0.002);
        close("1.5e1 ns", Dimension::Time, 15000.0);
        close("2 µs", Dimension::Time, 2e6);
        close("1 /ps", Dimension::InverseTime, 1.0);
        close("1/ps", Dimension::InverseTime, 1.0);
        close("298.15 K", Dimension::Temperature, 298.15);
        close("25 °C", Dimension::Temperature, 298.15);
        close("100 kJ/mol/nm", Dimension::Force, 100.0);
        close("1 kcal/mol/angstrom", Dimension::Force, 41.84);
        close("0.997 g/cm3", Dimension::MassDensity, 0.997);
        close("997 kg/m^3", Dimension::MassDensity, 0.997);
        close("2 mol/L", Dimension::Concentration, 2.0);
        close("20 mM", Dimension::Concentration, 0.02);
        close("2 degree", Dimension::Angle, 2.0);
        close("1 atm", Dimension::Pressure, 1.01325);
        close("0.1 MPa", Dimension::Pressure, 1.0);
        close("4.5e-10 /Pa", Dimension::Compressibility, 4.5e-5);
        close("3 Da", Dimension::Mass, 3.0);
        close("2 kcal/mol/angstrom^2", Dimension::ForceConstant, 836.8);
    }

    #[test]
    fn faults_name_the_cause() {
        let message = |text, dimension| parse(text, dimension).unwrap_err().to_string();
        assert_eq!(message("0.9", Dimension::Length), "\"0.9\" has no unit");
        assert_eq!(message("nm", Dimension::Length), "\"nm\" does not begin with a number");
        assert_eq!(message("inf nm", Dimension::Length), "\"inf nm\" does not begin with a number");
        assert_eq!(message("1e999 nm", Dimension::Length), "\"1e999 nm\" is not a finite number");
        assert_eq!(message("2 K", Dimension::Length), "`K` is not a unit of a length but of a temperature");
        assert_eq!(
            message("9 angstroms", Dimension::Length),
            "`angstroms` is not a unit of a length; did you mean `angstrom`?"
        );
        assert_eq!(message("9 parsec", Dimension::Length), "`parsec` is not a unit of a length");
    }

    #[test]
    fn written_values_read_back_bit_for_bit() {
        for dimension in ALL {
            for value in [0.1 + 0.2, 1.0 / 3.0, 298.15, 1e-17, 123_456_789.123_456_78] {
                assert_eq!(parse(&format(value, dimension), dimension).unwrap().to_bits(), value.to_bits());
            }
        }
    }

    #[test]
    fn no_spelling_belongs_to_two_units() {
        // energies of wells are given as temperatures, too
        let is_well = |d: &Dimension, u: &Unit| *d == Dimension::Energy && u.spellings == ["K", "kelvin"];
        let units = ALL.iter().flat_map(|d| d.units().iter().filter(move |u| !is_well(d, u)));
        let spellings: Vec<&str> = units.flat_map(|u| u.spellings).copied().collect();
        let mut unique = spellings.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), spellings.len());
    }
}
