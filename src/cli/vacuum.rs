//! Is there enough vacuum behind a slab for the slab correction, and which key of the input gives it more?
//!
//! The correction makes the mean field of the images right. What is left of them are the waves of charge along x and y: an image at a distance
//! `vacuum` is felt by exp(−2π vacuum / width), with the width the period of the longest wave. Packed films of water, whatever their height and width, have
//! forces that are off by less than a fifth of this factor, of their rms (`tests/it/films.rs`).

use super::interface::{InterfaceError, fault};
use crate::cell::Cell;
use crate::system::spec::{GeometrySpec, Input};
use crate::system::{State, Topology};
use glam::DVec3;
use std::f64::consts::TAU;

/// Empty height of the cell from which a slab counts as one, nm.
pub(super) const LEAST: f64 = 1.0;
/// What may be left of an image: forces are then good to 1e-4 of their rms.
const LEFT: f64 = 5e-4;
/// By which part of what is left of an image forces are off, of their rms.
const OF_FORCES: f64 = 0.2;
/// Heights that are proposed are whole multiples of this, nm.
const STEP: f64 = 0.1;

/// Moves molecules so that the slab is in one piece; returns a warning if its images are felt.
///
/// # Errors
/// Where there is no vacuum.
pub(super) fn of_slab(input: &Input, topology: &Topology, state: &mut State) -> Result<Option<String>, InterfaceError> {
    let vacuum = gather_slab(topology, state);
    let width = width(&state.cell);
    let needed = (-LEFT.ln() / TAU * width).max(LEAST);
    let remedy = Remedy::new(input, &state.cell, needed - vacuum);
    if vacuum < LEAST {
        let message = format!(
            "`slab_correction` needs an empty part of the cell, and the largest is {vacuum:.3} nm of {:.3} nm\n  {}",
            state.cell.vectors().z_axis.z,
            remedy.text
        );
        return Err(fault(remedy.key, message));
    }
    let left = (-TAU * vacuum / width).exp();
    Ok((left > LEFT).then(|| {
        format!(
            "the vacuum behind the slab is {vacuum:.2} nm, and the cell {width:.2} nm wide: through it the slab feels its images, by about {:.1e} \
             of the forces; {}",
            OF_FORCES * left,
            remedy.text
        )
    }))
}

/// Period of the longest wave along x and y, nm.
fn width(cell: &Cell) -> f64 {
    let reciprocal = cell.inverse().transpose();
    let (a, b) = (reciprocal.x_axis, reciprocal.y_axis);
    let shortest =
        [a, b, a + b, a - b].map(|g| DVec3::new(g.x, g.y, 0.0).length()).into_iter().fold(f64::MAX, f64::min);
    1.0 / shortest
}

/// The key that makes the vacuum higher, and what to write.
struct Remedy {
    key: &'static str,
    text: String,
}

impl Remedy {
    /// * `lacking` – nm
    fn new(input: &Input, cell: &Cell, lacking: f64) -> Remedy {
        // a hair less, so that what suffices already is not rounded up
        let round_up = |height: f64| ((height - 1e-9) / STEP).ceil() * STEP;
        if let Some(surface) = &input.interface.surface {
            let text = format!("[surface] vacuum = \"{:.1} nm\" suffices", round_up(surface.vacuum + lacking));
            return Remedy { key: "surface.vacuum", text };
        }
        if let GeometrySpec::Structure(_) | GeometrySpec::Topology { .. } = input.system.geometry {
            let height = round_up(cell.vectors().z_axis.z + lacking);
            let text = format!("a structure whose cell is {height:.1} nm high along z suffices");
            return Remedy { key: "system.structure", text };
        }
        let vacuum = round_up(input.system.vacuum + lacking);
        let walls = match input.interface.walls.len() {
            0 => String::new(),
            n => format!(
                ", and z of {} {:.2} nm higher",
                if n == 1 { "the wall" } else { "every wall" },
                0.5 * (vacuum - input.system.vacuum)
            ),
        };
        // a liquid that fills its cell has no such key yet
        let key = if input.system.vacuum > 0.0 { "system.vacuum" } else { "external.slab_correction" };
        Remedy { key, text: format!("[system] vacuum = \"{vacuum:.1} nm\" suffices{walls}") }
    }
}

/// The largest empty part of the cell along z: its height and where it ends, nm.
pub(super) fn widest(cell: &Cell, positions: &[DVec3]) -> (f64, f64) {
    let height = cell.vectors().z_axis.z;
    let wrapped = |z: f64| z - height * (z / height).floor();
    let mut heights: Vec<f64> = positions.iter().map(|r| wrapped(r.z)).collect();
    heights.sort_by(f64::total_cmp);
    let Some((&first, &last)) = heights.first().zip(heights.last()) else { return (height, 0.0) };
    let mut widest = (first + height - last, first);
    for pair in heights.windows(2) {
        if pair[1] - pair[0] > widest.0 {
            widest = (pair[1] - pair[0], pair[1]);
        }
    }
    widest
}

/// Moves molecules by whole heights of the cell so that the slab is not cut; returns the height of the vacuum, nm.
fn gather_slab(topology: &Topology, state: &mut State) -> f64 {
    let height = state.cell.vectors().z_axis.z;
    let (vacuum, bottom) = widest(&state.cell, &state.positions);
    // nothing to do where the slab lies in one piece already; else its lower edge stays inside the cell
    let edge = bottom - 0.5 * vacuum;
    let extent = |positions: &[DVec3]| {
        let z = positions.iter().map(|r| r.z);
        z.clone().fold(f64::MIN, f64::max) - z.fold(f64::MAX, f64::min)
    };
    if extent(&state.positions) > height - vacuum + 1e-6 {
        for m in 0..topology.molecules.len() {
            let atoms = topology.atoms_of(m);
            let middle = atoms.clone().map(|i| state.positions[i].z).sum::<f64>() / atoms.len() as f64;
            let shift = height * ((middle - edge) / height).floor();
            state.positions[atoms].iter_mut().for_each(|r| r.z -= shift);
        }
    }
    height - extent(&state.positions)
}
