//! Charges, potentials and capacitance of the electrodes of a run, from its log or from frames.

use super::outcome::set_point;
use super::prepare::Prepared;
use crate::analysis::AnalysisResult;
use crate::analysis::capacitance::{Capacitor, Carried, Level, Terminal};
use crate::cell::Cell;
use crate::forces::response::empty_capacitance;
use crate::io::log::{CHARGE, DIPOLE, Log, POTENTIAL};
use crate::system::external::{Condition, Electrode, MOST_ELECTRODES};
use crate::units::VOLT;
use glam::DVec3;

/// What electrodes had at one moment, in the order of the system.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// e
    pub charges: [f64; MOST_ELECTRODES],
    /// V
    pub potentials: [f64; MOST_ELECTRODES],
    /// Σ q z of all charges, e nm, where it is known
    pub dipole_z: Option<f64>,
}

/// The readings of a log; empty if a column is missing.
///
/// * `from` – ps, where the analysed part of the log begins
pub fn of_log(prepared: &Prepared, log: &Log, from: Option<f64>) -> Vec<Reading> {
    let electrodes: Vec<&Electrode> = prepared.system.external.electrodes.iter().flat_map(|e| &e.electrodes).collect();
    let charges: Option<Vec<&[f64]>> = electrodes.iter().map(|e| log.column(&format!("{CHARGE}{}", e.name))).collect();
    let potentials: Option<Vec<Option<&[f64]>>> = (electrodes.iter())
        .map(|e| match e.condition {
            Condition::Potential(_) => Some(None),
            Condition::Charge(_) => log.column(&format!("{POTENTIAL}{}", e.name)).map(Some),
        })
        .collect();
    let (Some(time), Some(charges), Some(potentials)) = (log.column("time"), charges, potentials) else {
        return Vec::new();
    };
    let dipole = log.column(DIPOLE);
    let reading = |line: usize| {
        let dipole_z = dipole.map(|dipole| dipole[line]).filter(|m| m.is_finite());
        let mut reading = Reading { charges: [0.0; MOST_ELECTRODES], potentials: [0.0; MOST_ELECTRODES], dipole_z };
        for (k, electrode) in electrodes.iter().enumerate() {
            reading.charges[k] = charges[k][line];
            reading.potentials[k] =
                potentials[k].map_or(electrode.condition.potential() / VOLT, |potentials| potentials[line]);
        }
        let known = reading.charges.iter().chain(&reading.potentials).all(|x| x.is_finite());
        known.then_some(reading)
    };
    let analysed = |line: &usize| from.is_none_or(|from| time[*line] >= from - 1e-9);
    (0..time.len()).filter(analysed).filter_map(reading).collect()
}

/// The result for a system with electrodes; `None` for any other, and without readings.
///
/// * `positions` – `[n_atoms]`, nm: of electrodes, which stay where they are
/// * `lines` – what a reading is called: `lines of the log`, `frames`
pub fn of(
    prepared: &Prepared,
    cell: &Cell,
    positions: &[DVec3],
    readings: &[Reading],
    lines: &'static str,
) -> Option<AnalysisResult> {
    let electrodes = prepared.system.external.electrodes.as_ref()?;
    let lowest = |k: &usize| {
        let atoms = electrodes.electrodes[*k].atoms.iter();
        atoms.map(|&i| positions[i as usize].z).fold(f64::INFINITY, f64::min)
    };
    let mut order: Vec<usize> = (0..electrodes.electrodes.len()).collect();
    order.sort_by(|a, b| lowest(a).total_cmp(&lowest(b)));
    let terminal = |&k: &usize| {
        let electrode = &electrodes.electrodes[k];
        let level = match electrode.condition {
            Condition::Potential(potential) => Level::Held(potential / VOLT),
            Condition::Charge(_) => Level::Found(readings.iter().map(|r| r.potentials[k]).collect()),
        };
        Terminal { name: electrode.name.clone(), level, charges: readings.iter().map(|r| r.charges[k]).collect() }
    };
    let finite_field = prepared.input.interface.finite_field.is_some();
    let empty = match order[..] {
        [lower, upper] if !readings.is_empty() => {
            let between = [lower, upper];
            let empty = empty_capacitance(&prepared.system, electrodes, cell, positions, between, finite_field);
            empty.ok().map(|capacitance| capacitance * VOLT)
        }
        _ => None,
    };
    let vectors = cell.vectors();
    let by_height = |r: &Reading| r.dipole_z.map(|moment| moment / vectors.z_axis.z);
    Capacitor {
        electrodes: order.iter().map(terminal).collect(),
        area: vectors.x_axis.cross(vectors.y_axis).length(),
        empty,
        carried: match finite_field {
            true => Carried::Dipole(readings.iter().map(by_height).collect()),
            false => Carried::Nothing,
        },
        lines,
        temperature: set_point(&prepared.input),
    }
    .result()
}
