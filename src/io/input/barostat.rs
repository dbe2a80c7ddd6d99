//! `[dynamics.barostat.c-rescale]`, and `none`, with which a stage runs at constant volume.

use super::fault::{Faults, Place};
use super::held::Held;
use super::quantity::Dimension;
use super::table::{Bound, Table};
use crate::system::spec::{BarostatSpec, PressureCoupling, ThermostatSpec};

/// bar
const PRESSURE: f64 = 1.0;
/// ps
const TIME_CONSTANT: f64 = 5.0;
/// bar⁻¹, of water at room temperature
const COMPRESSIBILITY: f64 = 4.5e-5;

const KINDS: [&str; 2] = ["c-rescale", "none"];

/// The table as written.
#[derive(Debug, Clone)]
pub(super) struct RawBarostat {
    is_on: bool,
    pressure: Option<f64>,
    time_constant: Option<f64>,
    compressibility: Option<f64>,
    coupling: Option<PressureCoupling>,
    place: Place,
}

/// The table `barostat` of `table`; `path` begins its title.
pub(super) fn read(table: &Table, path: &str) -> Option<RawBarostat> {
    let title = format!("[{path}.barostat]");
    let barostat = table.table("barostat", &title, &KINDS)?;
    let (kind, _) = barostat.one_kind(&KINDS)?;
    let is_on = kind.name == "c-rescale";
    let keys: &[&str] = if is_on { &["pressure", "time_constant", "compressibility", "coupling"] } else { &[] };
    let name = if is_on { "c-rescale" } else { "none" };
    let values = barostat.table(name, &format!("[{path}.barostat.{name}]"), keys)?;
    let coupling = values.choice(
        "coupling",
        &[
            ("isotropic", PressureCoupling::Isotropic),
            ("semi-isotropic", PressureCoupling::SemiIsotropic),
            ("z", PressureCoupling::Z),
        ],
    );
    let positive = |name, dimension| values.quantity(name, dimension, Bound::Positive).map(|q| q.value);
    // a pressure may be negative
    let pressure = values.get("pressure").and_then(|n| values.quantity_of(n, "`pressure`", Dimension::Pressure));
    Some(RawBarostat {
        is_on,
        pressure,
        time_constant: positive("time_constant", Dimension::Time),
        compressibility: positive("compressibility", Dimension::Compressibility),
        coupling: coupling.map(|c| c.value),
        place: values.place,
    })
}

impl RawBarostat {
    /// `own`, completed by `base` where both are on.
    pub fn over(own: Option<RawBarostat>, base: Option<RawBarostat>) -> Option<RawBarostat> {
        match (own, base) {
            (Some(own), Some(base)) if own.is_on && base.is_on => Some(RawBarostat {
                pressure: own.pressure.or(base.pressure),
                time_constant: own.time_constant.or(base.time_constant),
                compressibility: own.compressibility.or(base.compressibility),
                coupling: own.coupling.or(base.coupling),
                ..own
            }),
            (own, base) => own.or(base),
        }
    }

    /// With defaults; `None` at constant volume.
    pub fn resolve(&self, faults: &Faults, thermostat: &ThermostatSpec, held: &Held) -> Option<BarostatSpec> {
        if !self.is_on {
            return None;
        }
        if matches!(thermostat, ThermostatSpec::None { .. }) {
            let help = "add a thermostat, for example [dynamics.thermostat.csvr]: the barostat shares its temperature";
            faults.add(&self.place, "a barostat needs a thermostat", help);
        }
        if !held.frozen.is_empty() || !held.restraints.is_empty() {
            let help = "equilibrate the box without them, or run at constant volume: [stage.barostat.none]";
            faults.add(&self.place, "a barostat would move the cell under frozen or restrained atoms", help);
        }
        Some(BarostatSpec {
            pressure: self.pressure.unwrap_or(PRESSURE),
            time_constant: self.time_constant.unwrap_or(TIME_CONSTANT),
            compressibility: self.compressibility.unwrap_or(COMPRESSIBILITY),
            coupling: self.coupling.unwrap_or(PressureCoupling::Isotropic),
        })
    }
}
