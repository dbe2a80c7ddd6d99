//! Stages with a piston: the systems that they run, and what is said when the slab has been fixed.
//!
//! A piston moves a slab whose electrode charges would need a new matrix at every step. So electrodes have no charge until the
//! last piston is fixed; then they take their potentials where they are.

use super::interface::InterfaceError;
use super::prepare::Prepared;
use super::recorder::PistonLog;
use crate::analysis::selection::select;
use crate::dynamics::Engine;
use crate::dynamics::piston::{GapSums, Quarters};
use crate::report::text::number;
use crate::system::external::Piston;
use crate::system::spec::{Input, PistonSpec};
use crate::system::{Coulomb, State, System};
use crate::units::{DENSITY_G_CM3, PRESSURE_BAR};

/// Charges are compared to a thousandth of e, as for electrodes.
const NEUTRAL: f64 = 1e-3;

/// How much of the gap the liquid cannot reach, and what the liquid weighs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Room {
    /// Gap less accessible height, nm
    pub excluded: f64,
    /// u
    pub mass: f64,
}

/// The systems of the stages up to the last one with a piston; empty without one.
///
/// * `state` – what is built: where a slab is closed follows from where it starts
pub fn open_systems(input: &Input, system: &System, state: &State) -> Result<Vec<System>, InterfaceError> {
    let Some(last) = input.stages.iter().rposition(|s| s.piston().is_some()) else { return Ok(Vec::new()) };
    let mut bare = system.clone();
    bare.external.electrodes = None;
    let net = bare.topology.net_charge();
    if system.external.electrodes.is_some() && net.abs() > NEUTRAL && !input.system.net_charge_allowed {
        let message = format!(
            "the liquid has a net charge of {net:+.4} e, and electrodes that would balance it have none until the piston is fixed\n  \
             change the amounts, or write net_charge = \"allowed\" in [system] if this is meant"
        );
        return Err(InterfaceError { key: format!("stage.{}.piston", last + 1), message });
    }
    let mut open: Vec<System> = Vec::new();
    for (k, stage) in input.stages[..=last].iter().enumerate() {
        let mut own = bare.clone();
        if let Some(spec) = stage.piston() {
            let fault = |(key, message)| InterfaceError { key: format!("stage.{}.piston{key}", k + 1), message };
            let piston = made(spec, &mut own, state).map_err(fault)?;
            let earlier = open.iter().find_map(|s| s.external.piston.as_ref());
            if earlier.is_some_and(|earlier| earlier.atoms != piston.atoms) {
                let message = "an earlier piston moves other atoms\n  let the same slab move in all of them: only its distance from the \
                               other side counts, and that is known from where both are built";
                return Err(fault((".atoms", message.to_string())));
            }
            if piston.atoms.iter().any(|&i| own.topology.charges[i as usize] != 0.0) {
                own.interactions.refine_for_slabs(&state.cell);
            }
            own.external.piston = Some(piston);
        }
        open.push(own);
    }
    Ok(open)
}

/// A piston where its slab stands; its mass is given to the atoms.
fn made(spec: &PistonSpec, system: &mut System, state: &State) -> Result<Piston, (&'static str, String)> {
    let at_atoms = |message: String| (".atoms", message);
    let topology = &system.topology;
    let atoms = select(&spec.atoms, topology).map_err(|e| at_atoms(e.to_string()))?;
    if atoms.is_empty() {
        return Err(at_atoms(format!("`{}` selects no atoms for the piston", spec.atoms)));
    }
    let mut is_own = vec![false; topology.n_atoms()];
    for &atom in &atoms {
        is_own[atom as usize] = true;
        if !topology.frozen[atom as usize] {
            let name = topology.describe_atom(atom as usize);
            let message =
                format!("{name} can move by itself, and a piston is rigid\n  add its slab to `frozen` in [dynamics]");
            return Err(at_atoms(message));
        }
    }
    if let Some(restraint) = system.restraints.iter().find(|r| is_own[r.atom as usize]) {
        let name = topology.describe_atom(restraint.atom as usize);
        return Err(at_atoms(format!(
            "{name} is restrained to its place and part of the piston\n  leave its restraint out"
        )));
    }
    let heights = |wanted: &dyn Fn(usize) -> bool| -> Vec<f64> {
        (0..state.n_atoms()).filter(|&i| wanted(i)).map(|i| state.positions[i].z).collect()
    };
    let mean = |z: &[f64]| z.iter().sum::<f64>() / z.len() as f64;
    let (own, liquid) = (heights(&|i| is_own[i]), heights(&|i| !topology.frozen[i] && topology.masses[i] > 0.0));
    if liquid.is_empty() {
        return Err(("", "a piston needs a liquid to press on, and there is no atom that moves\n  is the liquid part of an [[electrode]], or of `frozen` in [dynamics]?".to_string()));
    }
    let outwards = if mean(&own) > mean(&liquid) { 1.0 } else { -1.0 };
    let heights_of_own = own.iter().map(|z| outwards * z);
    let (inmost, outmost) =
        (heights_of_own.clone().fold(f64::INFINITY, f64::min), heights_of_own.fold(f64::NEG_INFINITY, f64::max));
    let others = heights(&|i| topology.frozen[i] && !is_own[i]);
    let walls = system.external.walls.iter().map(|wall| wall.z);
    let below = others.iter().copied().chain(walls).map(|z| outwards * z).filter(|z| *z < inmost);
    let other = below.fold(f64::NEG_INFINITY, f64::max);
    if other == f64::NEG_INFINITY {
        let message = "nothing holds the liquid on the other side of the piston\n  there must be a second frozen slab, or a [[wall]]";
        return Err(("", message.to_string()));
    }
    let vectors = state.cell.vectors();
    let (height, cutoff) = (vectors.z_axis.z, system.interactions.cutoff);
    if vectors.z_axis.x != 0.0 || vectors.z_axis.y != 0.0 || vectors.x_axis.z != 0.0 || vectors.y_axis.z != 0.0 {
        let message =
            "a piston moves along z, and the third vector of the cell must be along z and normal to the others";
        return Err(("", message.to_string()));
    }
    let behind = heights(&|i| !is_own[i]).iter().map(|z| outwards * z + height - outmost).fold(f64::INFINITY, f64::min);
    if behind <= cutoff {
        let message = format!(
            "behind the piston are {behind:.3} nm of vacuum, less than the cutoff of {cutoff} nm: it would feel the image of the \
             other side\n  make the cell higher, or `vacuum` larger: the cell stays as it is while the slab moves"
        );
        return Err(("", message));
    }
    let gap = inmost - other;
    let natural: f64 = atoms.iter().map(|&i| topology.masses[i as usize]).sum();
    if natural == 0.0 && spec.mass.is_none() {
        let message = "the atoms of the piston have no mass\n  give it one: mass = \"5000 u\"".to_string();
        return Err(("", message));
    }
    let area = vectors.x_axis.cross(vectors.y_axis).length();
    let first = state.positions[atoms[0] as usize].z;
    if let Some(mass) = spec.mass {
        for &i in &atoms {
            let own = &mut system.topology.masses[i as usize];
            *own = if natural > 0.0 { *own * mass / natural } else { mass / atoms.len() as f64 };
        }
    }
    Ok(Piston {
        direction: -outwards,
        pressure: spec.pressure / PRESSURE_BAR,
        area,
        closed: first - outwards * gap,
        widest: gap + behind - cutoff,
        shape: atoms.iter().map(|&i| state.positions[i as usize]).collect(),
        atoms,
    })
}

/// How to read the density of the liquid from the gap, of the first piston there is.
pub fn log_of(open: &[System], room: Option<Room>) -> Option<PistonLog> {
    let (topology, piston) = open.iter().find_map(|s| Some((&s.topology, s.external.piston.as_ref()?)))?;
    let moving = topology.masses.iter().zip(&topology.frozen).filter(|(_, frozen)| !**frozen).map(|(m, _)| m).sum();
    let room = room.unwrap_or(Room { excluded: 0.0, mass: moving });
    Some(PistonLog { area: piston.area, excluded: room.excluded, mass: room.mass })
}

/// What a run with pistons says before it starts.
pub fn announcement(prepared: &Prepared, backend: &str) -> String {
    let name = &prepared.input.stages[prepared.open.len() - 1].name;
    let charges = if prepared.system.external.electrodes.is_some() { "electrodes carry no charge" } else { "" };
    let host = match backend {
        "gpu" => "stages run on cpu, because the device does not add up the force on a slab",
        _ => "",
    };
    let planes = |s: &System| match s.interactions.coulomb {
        Coulomb::Pme { grid, .. } => grid[2],
        _ => 0,
    };
    let (own, finest) = (planes(&prepared.system), prepared.open.iter().map(planes).max().unwrap_or(0));
    let mesh = match finest > own {
        true => format!("the mesh has {finest} points along z in place of {own}, because slabs of charges move on it"),
        false => String::new(),
    };
    let parts: Vec<&str> = [charges, host, &mesh].into_iter().filter(|s| !s.is_empty()).collect();
    if parts.is_empty() {
        format!("piston:  fixed after stage `{name}`")
    } else {
        format!("piston:  until it is fixed after stage `{name}`, {}", parts.join(", and "))
    }
}

impl PistonLog {
    /// g/cm³, of the liquid in the accessible part of a gap (nm).
    pub fn density(&self, gap: f64) -> f64 {
        self.mass / (self.area * (gap - self.excluded)) * DENSITY_G_CM3
    }
}

/// Of a run that was resumed behind its last piston: where that was fixed, and a warning if the gap still changed before.
pub fn fixed_before(
    prepared: &Prepared,
    stage: usize,
    state: &State,
    sums: &GapSums,
) -> Option<(String, Option<String>)> {
    let piston = prepared.open.iter().rev().find_map(|s| s.external.piston.as_ref())?;
    if stage < prepared.open.len() {
        return None;
    }
    let gap = piston.gap(state.positions[piston.first()].z);
    let density = prepared.piston_log.map_or(String::new(), |log| format!(", {:.4} g/cm3", log.density(gap)));
    let warning = warning(sums, &prepared.input.stages[prepared.open.len() - 1].name);
    Some((format!("gap {gap:.4} nm{density}: fixed before the run was resumed"), warning))
}

/// What is said of a gap that had not settled when its stage was over.
fn warning(sums: &GapSums, stage: &str) -> Option<String> {
    let quarters = sums.quarters().filter(Quarters::still_change)?;
    let [third, last] = quarters.means.map(|gap| number(gap, Some(quarters.error)));
    Some(format!(
        "the gap still changed at the end of stage `{stage}`: {third} nm in its third quarter and {last} nm in its last; \
         a longer stage would help"
    ))
}

/// Fixes a piston at the mean of its gap: what is said about it, and a warning if the gap still changed.
pub fn fix(engine: &mut Engine<'_>, stage: &str, log: Option<&PistonLog>) -> Option<(String, Option<String>)> {
    let sums = engine.gaps;
    let fixed = engine.fix_piston()?;
    let quarters = sums.quarters();
    let density = log.map_or(String::new(), |log| {
        format!(", {:.4} g/cm3 in the accessible height of {:.3} nm", log.density(fixed.gap), fixed.gap - log.excluded)
    });
    let settled = quarters.map_or(String::new(), |q| {
        let [third, last, deviation, error] =
            [q.means[0], q.means[1], sums.deviation(), q.error].map(|x| number(x, Some(q.error)));
        format!(", whose quarters have {third} and {last} nm, with a standard deviation of {deviation} nm and {error} nm as the error of their difference")
    });
    let told = format!(
        "gap {:.4} nm{density}: mean of the last half of `{stage}`{settled}; the slab is fixed there (it ended at {:.4} nm)",
        fixed.gap, fixed.gap_before
    );
    let warning = warning(&sums, stage);
    Some((told, warning))
}
