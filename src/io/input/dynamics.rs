//! `[dynamics]`, and the same keys inside a stage: what a stage leaves out it takes from `[dynamics]`.
//!
//! Without a thermostat table a run keeps its energy (`[dynamics.thermostat.none]`) and starts at 298.15 K.

use super::barostat::{self, RawBarostat};
use super::fault::{Faults, Place};
use super::held::RawHeld;
use super::quantity::{Dimension, format};
use super::table::{Bound, Given, Table};
use crate::system::spec::{DynamicsSpec, ThermostatSpec};

/// ps
const TIMESTEP: f64 = 0.002;
/// ps; rigid water becomes unstable above, its librations have a period of about 30 fs.
const LARGEST_TIMESTEP: f64 = 0.004;
/// ps
const CHECKPOINT_EVERY: f64 = 10.0;
/// ps
const LOG_EVERY: f64 = 0.2;
const COM_REMOVAL_EVERY: u64 = 100;
/// K
const TEMPERATURE: f64 = 298.15;
/// ps
const TIME_CONSTANT: f64 = 0.5;
/// ps⁻¹
const FRICTION: f64 = 1.0;
/// ps; the period of a Nosé–Hoover chain
const PERIOD: f64 = 1.0;
const CHAIN_LENGTH: u64 = 3;
const LONGEST_CHAIN: u64 = 20;

/// Keys of `[dynamics]`; a stage takes them, too.
pub(super) const KEYS: [&str; 13] = [
    "timestep",
    "seed",
    "constraints",
    "hydrogen_mass",
    "frozen",
    "restraints",
    "thermostat",
    "barostat",
    "checkpoint_every",
    "log_every",
    "com_removal_every",
    "neighbor_every",
    "skin",
];

/// `[dynamics]` as written.
#[derive(Debug, Clone, Default)]
pub(super) struct RawDynamics {
    timestep: Option<Given<f64>>,
    seed: Option<u64>,
    held: RawHeld,
    thermostat: Option<RawThermostat>,
    barostat: Option<RawBarostat>,
    checkpoint_every: Option<Given<f64>>,
    log_every: Option<Given<f64>>,
    com_removal_every: Option<u64>,
    neighbor_every: Option<u32>,
    skin: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ThermostatKind {
    None,
    Csvr,
    Langevin,
    NoseHoover,
}

#[derive(Debug, Clone)]
struct RawThermostat {
    kind: ThermostatKind,
    temperature: Option<f64>,
    time_constant: Option<f64>,
    friction: Option<f64>,
    chain_length: Option<u64>,
    place: Place,
}

impl RawDynamics {
    /// The `[dynamics]` table, if there is one.
    pub fn read_top(top: &Table) -> Self {
        top.table("dynamics", "[dynamics]", &KEYS).map_or_else(Self::default, |table| Self::read(&table, "dynamics"))
    }

    /// The keys of [`KEYS`] in `table`; `path` begins the title of its sub-tables.
    pub fn read(table: &Table, path: &str) -> Self {
        let neighbor_every = table.integer("neighbor_every", 1).map(|n| {
            u32::try_from(n.value).unwrap_or_else(|_| {
                table.faults.add(
                    &n.place,
                    format!("`neighbor_every` is {}, which is too many steps", n.value),
                    "20 is usual",
                );
                1
            })
        });
        RawDynamics {
            timestep: table.quantity("timestep", Dimension::Time, Bound::Positive),
            seed: table.integer("seed", 0).map(|s| s.value),
            held: RawHeld::read(table, path),
            thermostat: thermostat(table, path),
            barostat: barostat::read(table, path),
            checkpoint_every: table.quantity("checkpoint_every", Dimension::Time, Bound::Positive),
            log_every: table.quantity("log_every", Dimension::Time, Bound::Positive),
            com_removal_every: table.integer("com_removal_every", 0).map(|n| n.value),
            neighbor_every,
            skin: table.quantity("skin", Dimension::Length, Bound::NotNegative).map(|s| s.value),
        }
    }

    /// These keys, and those of `base` for what is missing. A thermostat of the same kind completes the other; one of
    /// another kind takes over its temperature only.
    pub fn over(self, base: &RawDynamics) -> RawDynamics {
        let base = base.clone();
        let thermostat = match (self.thermostat, base.thermostat) {
            (Some(own), Some(base)) => {
                let same = own.kind == base.kind;
                Some(RawThermostat {
                    temperature: own.temperature.or(base.temperature),
                    time_constant: own.time_constant.or(base.time_constant.filter(|_| same)),
                    friction: own.friction.or(base.friction.filter(|_| same)),
                    chain_length: own.chain_length.or(base.chain_length.filter(|_| same)),
                    ..own
                })
            }
            (own, base) => own.or(base),
        };
        RawDynamics {
            timestep: self.timestep.or(base.timestep),
            seed: self.seed.or(base.seed),
            held: base.held,
            thermostat,
            barostat: RawBarostat::over(self.barostat, base.barostat),
            checkpoint_every: self.checkpoint_every.or(base.checkpoint_every),
            log_every: self.log_every.or(base.log_every),
            com_removal_every: self.com_removal_every.or(base.com_removal_every),
            neighbor_every: self.neighbor_every.or(base.neighbor_every),
            skin: self.skin.or(base.skin),
        }
    }

    /// With every default filled in and checked.
    ///
    /// * `whose` – whose time step it is, in messages: `[dynamics]`, or the stage
    /// * `has_water` – may the box hold rigid water?
    pub fn resolve(&self, faults: &Faults, whose: &str, has_water: bool) -> DynamicsSpec {
        let timestep = self.timestep.as_ref().map_or(TIMESTEP, |t| t.value);
        if let Some(given) = self.timestep.as_ref().filter(|t| t.value > LARGEST_TIMESTEP * (1.0 + 1e-12)) {
            let message = format!("the time step is {}, and must be at most 4 fs", femtoseconds(given.value));
            faults.add(&given.place, message, "2 fs is usual with rigid water, 1 fs without constraints");
        }
        let held = self.held.resolve(faults, has_water);
        let thermostat = self.resolve_thermostat(faults);
        let interval = |given: &Option<Given<f64>>, name: &str, default: f64| match given {
            Some(given) => {
                check_multiple(faults, name, given, timestep, whose);
                given.value
            }
            None => nearest_multiple(default, timestep),
        };
        DynamicsSpec {
            timestep,
            seed: self.seed.unwrap_or(1),
            constraints: held.constraints,
            hydrogen_mass: held.hydrogen_mass,
            barostat: self.barostat.as_ref().and_then(|b| b.resolve(faults, &thermostat, &held)),
            frozen: held.frozen,
            restraints: held.restraints,
            thermostat,
            checkpoint_every: interval(&self.checkpoint_every, "checkpoint_every", CHECKPOINT_EVERY),
            log_every: interval(&self.log_every, "log_every", LOG_EVERY),
            com_removal_every: self.com_removal_every.unwrap_or(COM_REMOVAL_EVERY),
            neighbor_every: self.neighbor_every,
            skin: self.skin,
        }
    }

    fn resolve_thermostat(&self, faults: &Faults) -> ThermostatSpec {
        let Some(raw) = &self.thermostat else { return ThermostatSpec::None { initial_temperature: TEMPERATURE } };
        let temperature = || {
            raw.temperature.unwrap_or_else(|| {
                faults.add(&raw.place, "the thermostat has no `temperature`", "for example temperature = \"298.15 K\"");
                TEMPERATURE
            })
        };
        match raw.kind {
            ThermostatKind::None => {
                ThermostatSpec::None { initial_temperature: raw.temperature.unwrap_or(TEMPERATURE) }
            }
            ThermostatKind::Csvr => ThermostatSpec::Csvr {
                temperature: temperature(),
                time_constant: raw.time_constant.unwrap_or(TIME_CONSTANT),
            },
            ThermostatKind::Langevin => {
                ThermostatSpec::Langevin { temperature: temperature(), friction: raw.friction.unwrap_or(FRICTION) }
            }
            ThermostatKind::NoseHoover => ThermostatSpec::NoseHoover {
                temperature: temperature(),
                time_constant: raw.time_constant.unwrap_or(PERIOD),
                chain_length: raw.chain_length.unwrap_or(CHAIN_LENGTH) as usize,
            },
        }
    }
}

fn thermostat(table: &Table, path: &str) -> Option<RawThermostat> {
    const KINDS: [&str; 4] = ["csvr", "langevin", "nose-hoover", "none"];
    let title = format!("[{path}.thermostat]");
    let thermostat = table.table("thermostat", &title, &KINDS)?;
    let (kind, _) = thermostat.one_kind(&KINDS)?;
    let title = format!("[{path}.thermostat.{}]", kind.name);
    let (kind, keys): (ThermostatKind, &[&str]) = match kind.name.as_str() {
        "csvr" => (ThermostatKind::Csvr, &["temperature", "time_constant"]),
        "langevin" => (ThermostatKind::Langevin, &["temperature", "friction"]),
        "nose-hoover" => (ThermostatKind::NoseHoover, &["temperature", "time_constant", "chain_length"]),
        _ => (ThermostatKind::None, &["initial_temperature"]),
    };
    let name = match kind {
        ThermostatKind::Csvr => "csvr",
        ThermostatKind::Langevin => "langevin",
        ThermostatKind::NoseHoover => "nose-hoover",
        ThermostatKind::None => "none",
    };
    let values = thermostat.table(name, &title, keys)?;
    let temperature = match kind {
        ThermostatKind::None => values.quantity("initial_temperature", Dimension::Temperature, Bound::NotNegative),
        _ => values.quantity("temperature", Dimension::Temperature, Bound::Positive),
    };
    let chain_length = values.integer("chain_length", 1);
    if let Some(n) = chain_length.as_ref().filter(|n| n.value > LONGEST_CHAIN) {
        let message = format!("`chain_length` is {}, and must be at most {LONGEST_CHAIN}", n.value);
        values.faults.add(&n.place, message, "3 to 5 are usual");
    }
    Some(RawThermostat {
        kind,
        chain_length: chain_length.map(|n| n.value),
        // A temperature that was wrong is not missing as well.
        temperature: temperature.map(|t| t.value).or(values.get("temperature").map(|_| TEMPERATURE)),
        time_constant: values.quantity("time_constant", Dimension::Time, Bound::Positive).map(|t| t.value),
        friction: values.quantity("friction", Dimension::InverseTime, Bound::Positive).map(|f| f.value),
        place: values.place,
    })
}

/// Records a fault unless `given` (ps) is a whole number of time steps.
pub(super) fn check_multiple(faults: &Faults, name: &str, given: &Given<f64>, timestep: f64, whose: &str) {
    let steps = given.value / timestep;
    if (steps - steps.round()).abs() <= 1e-4 && steps.round() >= 1.0 {
        return;
    }
    let (below, above) = (steps.floor() * timestep, steps.ceil() * timestep);
    // Twelve digits: without the rounding noise of the product.
    let tidy = |value: f64| format(format!("{value:.12e}").parse().unwrap_or(value), Dimension::Time);
    let help = if below > 0.0 {
        format!("nearest: {} or {}", tidy(below), tidy(above))
    } else {
        format!("it must be at least one step: {}", tidy(above))
    };
    let written = format(given.value, Dimension::Time);
    let step = femtoseconds(timestep);
    let message = format!("`{name}` is {written}, not a whole number of time steps of {step} ({whose})");
    faults.add(&given.place, message, help);
}

/// The multiple of `timestep` nearest to `value`, at least one.
pub(super) fn nearest_multiple(value: f64, timestep: f64) -> f64 {
    let steps = value / timestep;
    if (steps - steps.round()).abs() <= 1e-9 { value } else { steps.round().max(1.0) * timestep }
}

fn femtoseconds(ps: f64) -> String {
    let fs = 1000.0 * ps;
    format!("{} fs", format!("{fs:.9}").trim_end_matches('0').trim_end_matches('.'))
}
