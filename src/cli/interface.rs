//! What an input says about an interface, applied to a built system: slab, field, walls and electrodes.

use super::vacuum;
use crate::analysis::selection::select;
use crate::cell::Cell;
use crate::potential::mixing::Mixing;
use crate::potential::pair_table::{PairCoefficients, PairOrigin, PairTable};
use crate::system::external::{Condition, Electrode, Electrodes, External, Wall};
use crate::system::interface::{ConditionSpec, ElectrodeSpec, InterfaceSpec, WallSpec};
use crate::system::spec::Input;
use crate::system::{State, System, Topology};
use crate::units::{COULOMB, VOLT};
use std::f64::consts::PI;

/// What is wrong, and the key of the input that says it.
#[derive(Debug)]
pub struct InterfaceError {
    pub key: String,
    pub message: String,
}

/// Charges are compared to a thousandth of e: those of a topology are rounded.
const NEUTRAL: f64 = 1e-3;
/// Atoms of one layer are level to this, nm
const ONE_LAYER: f64 = 0.05;
/// A larger voltage may be a slip of the unit, V.
const MOST_VOLTAGE: f64 = 10.0;

pub(super) fn fault(key: impl Into<String>, message: impl Into<String>) -> InterfaceError {
    InterfaceError { key: key.into(), message: message.into() }
}

/// Fills in `system.external`, freezes electrodes, and moves molecules so that no slab is cut by the cell.
///
/// * `mixing` – for atoms of walls with those of the system
/// * returns warnings
pub fn apply(
    input: &Input,
    system: &mut System,
    state: &mut State,
    mixing: Mixing,
) -> Result<Vec<String>, InterfaceError> {
    let (spec, net_charge_allowed) = (&input.interface, input.system.net_charge_allowed);
    let mut warnings = Vec::new();
    if *spec == InterfaceSpec::default() {
        return Ok(warnings);
    }
    if spec.slab_correction || spec.finite_field.is_some() || spec.field != 0.0 {
        upright(&state.cell).map_err(|what| fault("external", what))?;
    }
    let mut electrodes = electrodes(spec, system, net_charge_allowed)?;
    if let Some((potential, electrodes)) = spec.finite_field.zip(electrodes.as_mut()) {
        warnings.extend(hold_apart(potential, electrodes, system, state)?);
    }
    if let Some(electrodes) = &electrodes {
        warnings.extend(doubts(spec, electrodes, system, state));
        make_bare(electrodes, system)?;
        let (n, dropped) = (electrodes.atoms().count(), drop_inner_pairs(electrodes, system));
        if dropped > 0 {
            warnings.push(format!("the {n} electrode atoms stay where they are: Lennard-Jones among them is left out"));
        }
    }
    if spec.slab_correction {
        if electrodes.is_none() && system.topology.net_charge().abs() > NEUTRAL && !net_charge_allowed {
            let message = "a slab with a net charge has a field on both sides that no cell can hold\n  change the amounts, or \
                           write net_charge = \"allowed\" in [system] if this is meant";
            return Err(fault("external.slab_correction", message));
        }
        warnings.extend(vacuum::of_slab(input, &system.topology, state)?);
    }
    let height = state.cell.vectors().z_axis.z;
    system.external = External {
        slab_correction: spec.slab_correction,
        field_z: VOLT * spec.finite_field.map_or(spec.field, |potential| -potential / height),
        walls: spec.walls.iter().map(|wall| made(wall, &system.pair_table, mixing)).collect(),
        electrodes,
        piston: None,
    };
    for (k, wall) in system.external.walls.iter().enumerate() {
        let behind = |i: &usize| {
            let touches = !wall.coefficients[system.topology.type_ids[*i] as usize].is_zero();
            touches && wall.normal * (state.positions[*i].z - wall.z) <= 0.0
        };
        if let Some(atom) = (0..state.n_atoms()).find(behind) {
            let message = format!(
                "{} is at z = {:.3} nm, behind the wall at {} nm\n  move the wall, or choose the other side",
                system.topology.describe_atom(atom),
                state.positions[atom].z,
                wall.z
            );
            return Err(fault(format!("wall.{}", k + 1), message));
        }
    }
    Ok(warnings)
}

/// Gives the electrodes of a finite-field cell their potentials: the upper one stands `potential` (V) above the lower one. Returns a warning where a vacuum is
/// behind them.
fn hold_apart(
    potential: f64,
    electrodes: &mut Electrodes,
    system: &System,
    state: &State,
) -> Result<Option<String>, InterfaceError> {
    let [first, second] = &mut electrodes.electrodes[..] else {
        let message =
            format!("`finite_field` acts between two electrodes, and there are {}", electrodes.electrodes.len());
        return Err(fault("external.finite_field", message));
    };
    for (k, electrode) in [&*first, &*second].into_iter().enumerate() {
        if let Condition::Charge(_) = electrode.condition {
            let message = format!(
                "the electrode `{}` has a given charge beside `finite_field`, which holds potentials\n  remove `charge`, or \
                 use slab_correction with a vacuum instead of `finite_field`",
                electrode.name
            );
            return Err(fault(format!("electrode.{}", k + 1), message));
        }
    }
    let heights = |e: &Electrode| -> Vec<f64> { e.atoms.iter().map(|&i| state.positions[i as usize].z).collect() };
    let mean = |e: &Electrode| heights(e).iter().sum::<f64>() / e.atoms.len().max(1) as f64;
    let (lower, upper) = if mean(first) <= mean(second) { (first, second) } else { (second, first) };
    lower.condition = Condition::Potential(0.0);
    upper.condition = Condition::Potential(potential * VOLT);
    let bottom = heights(lower).into_iter().fold(f64::INFINITY, f64::min);
    let top = heights(upper).into_iter().fold(f64::NEG_INFINITY, f64::max);
    let outside = |i: &usize| !(bottom..=top).contains(&state.positions[*i].z);
    if let Some(atom) = (0..state.n_atoms()).find(outside) {
        let message = format!(
            "{} is at z = {:.3} nm and not between the electrodes, {bottom:.3} to {top:.3} nm\n  the liquid of a finite-field \
             cell stands above `{}` and below `{}`, whose backs meet at the boundary",
            system.topology.describe_atom(atom),
            state.positions[atom].z,
            lower.name,
            upper.name
        );
        return Err(fault("external.finite_field", message));
    }
    let apart = state.cell.vectors().z_axis.z - (top - bottom);
    Ok((apart >= vacuum::LEAST).then(|| {
        format!(
            "behind the electrodes of a finite field are {apart:.2} nm of vacuum, which do nothing but make the mesh larger: let their backs meet, 0.335 nm apart for \
             graphite"
        )
    }))
}

/// What is allowed and seldom meant, about electrodes before they are made bare.
fn doubts(spec: &InterfaceSpec, electrodes: &Electrodes, system: &System, state: &State) -> Vec<String> {
    let mut doubts = Vec::new();
    let largest =
        |e: &Electrode| e.atoms.iter().map(|&i| system.topology.charges[i as usize].abs()).fold(0.0, f64::max);
    for e in electrodes.electrodes.iter().filter(|e| largest(e) > NEUTRAL) {
        doubts.push(format!(
            "the atoms of the electrode `{}` have charges of their own, up to {:.3} e, and lose them: an electrode is a metal; leave the [[electrode]] out \
             to keep the charges",
            e.name,
            largest(e)
        ));
    }
    let held: Vec<f64> = (spec.electrodes.iter())
        .filter_map(|e| if let ConditionSpec::Potential(potential) = e.condition { Some(potential) } else { None })
        .collect();
    let ends = |of: fn(f64, f64) -> f64, from: f64| held.iter().copied().fold(from, of);
    let voltage = spec.finite_field.map_or(ends(f64::max, f64::MIN) - ends(f64::min, f64::MAX), f64::abs);
    if let ([only], 1) = (held.as_slice(), electrodes.electrodes.len())
        && *only != 0.0
    {
        doubts.push(format!(
            "`{}` is the only electrode: only differences of potentials matter, so {only} V do nothing",
            electrodes.electrodes[0].name
        ));
    }
    if voltage > MOST_VOLTAGE {
        doubts.push(format!("between the electrodes stand {voltage} V: experiments with water have one or two"));
    }
    let heights = |e: &Electrode| e.atoms.iter().map(|&i| state.positions[i as usize].z).collect::<Vec<f64>>();
    let mean = |e: &&Electrode| heights(e).iter().sum::<f64>() / e.atoms.len().max(1) as f64;
    let outermost = (electrodes.electrodes.iter().min_by(|a, b| mean(a).total_cmp(&mean(b))))
        .zip(electrodes.electrodes.iter().max_by(|a, b| mean(a).total_cmp(&mean(b))));
    if let Some((lower, upper)) = outermost.filter(|_| !spec.slab_correction && spec.finite_field.is_none()) {
        let (empty, _) = vacuum::widest(&state.cell, &state.positions);
        // of given charges nobody knows
        let is_alike = lower.condition == upper.condition && matches!(lower.condition, Condition::Potential(_));
        if !is_alike || empty >= vacuum::LEAST {
            let backs = if empty >= vacuum::LEAST {
                format!("its {empty:.2} nm of vacuum")
            } else {
                "the boundary".to_string()
            };
            doubts.push(format!(
                "the cell is periodic along z, so {backs} is a capacitor between the backs of `{}` and `{}`: write slab_correction = true in \
                 [external] with a vacuum, or finite_field without one",
                lower.name, upper.name
            ));
        }
    }
    let ends = |e: &Electrode| {
        let ends = |(low, high): (f64, f64), z: f64| (low.min(z), high.max(z));
        heights(e).into_iter().fold((f64::INFINITY, f64::NEG_INFINITY), ends)
    };
    if spec.finite_field.is_some()
        && let Some(thin) = electrodes.electrodes.iter().find(|e| ends(e).1 - ends(e).0 < ONE_LAYER)
    {
        doubts.push(format!(
            "`{}` is one layer of atoms, which does not screen the field of the liquid from the other electrode's back: in a finite field the charge is that of \
             both sides, 12 % more for empty graphene; two layers screen it",
            thin.name
        ));
    }
    doubts
}

/// Are a and b in the xy plane and c along z?
fn upright(cell: &Cell) -> Result<(), String> {
    let c = cell.vectors().z_axis;
    if c.x != 0.0 || c.y != 0.0 {
        let message =
            "the third vector of the cell must be along z\n  the slab, its correction and the field are normal to z";
        return Err(message.to_string());
    }
    Ok(())
}

fn electrodes(
    spec: &InterfaceSpec,
    system: &System,
    net_charge_allowed: bool,
) -> Result<Option<Electrodes>, InterfaceError> {
    if spec.electrodes.is_empty() {
        return Ok(None);
    }
    let topology = &system.topology;
    let mut owner: Vec<Option<usize>> = vec![None; topology.n_atoms()];
    let mut electrodes = Vec::new();
    for (k, electrode) in spec.electrodes.iter().enumerate() {
        let key = format!("electrode.{}.atoms", k + 1);
        let is_alone = spec.surface.as_ref().is_some_and(|s| s.slabs == 1) && electrode.atoms.contains("upper");
        let atoms = select(&electrode.atoms, topology).map_err(|e| match is_alone {
            true => {
                fault(&key, "there is one slab, `lower`\n  remove this electrode, or leave `slabs` out of [surface]")
            }
            false => fault(&key, e.to_string()),
        })?;
        if atoms.is_empty() {
            return Err(fault(&key, format!("the electrode `{}` has no atoms", electrode.name)));
        }
        for &atom in &atoms {
            let name = topology.describe_atom(atom as usize);
            if let Some(other) = owner[atom as usize].replace(k) {
                let other = &spec.electrodes[other].name;
                let message = format!("{name} belongs to the electrodes `{other}` and `{}`", electrode.name);
                return Err(fault(&key, message));
            }
            let species =
                &topology.species[topology.molecules[topology.molecule_of[atom as usize] as usize].species as usize];
            if species.rigid_water.is_some() {
                let message =
                    format!("{name} is of the water, and an electrode is a slab\n  name the slab: atoms = \"upper\"");
                return Err(fault(&key, message));
            }
            if topology.masses[atom as usize] == 0.0 {
                return Err(fault(&key, format!("{name} is a virtual site and cannot be an electrode")));
            }
        }
        electrodes.push(made_electrode(electrode, atoms));
    }
    let others: f64 = owner.iter().zip(&topology.charges).filter(|(o, _)| o.is_none()).map(|(_, q)| q).sum();
    let given: f64 = (electrodes.iter())
        .map(|e: &Electrode| if let Condition::Charge(charge) = e.condition { charge } else { 0.0 })
        .sum();
    let balances = electrodes.iter().any(|e| matches!(e.condition, Condition::Potential(_)));
    let net = others + given;
    if net.abs() > NEUTRAL && !net_charge_allowed {
        let what = if balances {
            "which the electrodes at constant potential would have to balance"
        } else {
            "and no electrode at constant potential balances it"
        };
        let message = format!(
            "the electrolyte has a net charge of {others:+.4} e and electrodes of given charge one of {given:+.4} e, {what}\n  \
             change the amounts, or write net_charge = \"allowed\" in [system] if this is meant"
        );
        return Err(fault("electrode", message));
    }
    Ok(Some(Electrodes { electrodes, balance: -net }))
}

fn made_electrode(spec: &ElectrodeSpec, atoms: Vec<u32>) -> Electrode {
    let condition = match spec.condition {
        ConditionSpec::Potential(volts) => Condition::Potential(volts * VOLT),
        ConditionSpec::Charge(charge) => Condition::Charge(charge),
    };
    let thomas_fermi = spec.thomas_fermi.map_or(0.0, |t| 4.0 * PI * COULOMB * t.length * t.length / t.volume);
    Electrode { name: spec.name.clone(), atoms, condition, gaussian_width: spec.gaussian_width, thomas_fermi }
}

/// Freezes the electrodes and takes bonds and exclusions off their molecules: frozen atoms need no bonds, and the
/// charges of an electrode see each other.
fn make_bare(electrodes: &Electrodes, system: &mut System) -> Result<(), InterfaceError> {
    let mut is_electrode = vec![false; system.topology.n_atoms()];
    electrodes.atoms().for_each(|i| is_electrode[i as usize] = true);
    let topology = &mut system.topology;
    let mut species = topology.species.clone();
    for m in 0..topology.molecules.len() {
        let atoms = topology.atoms_of(m);
        let n_atoms = atoms.len();
        let n = atoms.filter(|&i| is_electrode[i]).count();
        if n == 0 {
            continue;
        }
        let own = &mut species[topology.molecules[m].species as usize];
        let is_bound = !own.exclusions.is_empty() || !own.bonded.is_empty() || own.rigid_water.is_some();
        if n < n_atoms && is_bound {
            let message = format!(
                "{n} of the {n_atoms} atoms of {} belong to an electrode\n  select molecules whole: an electrode has no bonds",
                own.name
            );
            return Err(fault("electrode", message));
        }
        if n == n_atoms {
            own.exclusions.clear();
            own.bonded = Default::default();
            own.constraints.clear();
            own.rigid_water = None;
        }
    }
    for m in 0..topology.molecules.len() {
        let index = topology.molecules[m].species as usize;
        let n = topology.atoms_of(m).filter(|&i| is_electrode[i]).count();
        if n == 0 && species[index] != topology.species[index] {
            let message = format!(
                "some molecules of {} belong to an electrode and some do not, and they have bonds\n  give them species of \
                 their own",
                species[index].name
            );
            return Err(fault("electrode", message));
        }
    }
    if species != topology.species {
        let sequence: Vec<u32> = topology.molecules.iter().map(|m| m.species).collect();
        let (frozen, types) = (std::mem::take(&mut topology.frozen), std::mem::take(&mut topology.types));
        *topology = Topology::new(types, species, &sequence);
        topology.frozen = frozen;
    }
    is_electrode.iter().enumerate().filter(|(_, is)| **is).for_each(|(i, _)| topology.frozen[i] = true);
    // what the topology says of their charges is a start at best
    electrodes.atoms().for_each(|i| topology.charges[i as usize] = 0.0);
    Ok(())
}

/// Takes Lennard-Jones off pairs of types that electrodes alone have: a constant, and a huge one for bonded neighbours.
/// Returns how many pairs of types had one.
fn drop_inner_pairs(electrodes: &Electrodes, system: &mut System) -> usize {
    let n_types = system.topology.n_types();
    let mut outside = vec![false; n_types];
    let mut is_electrode = vec![false; system.topology.n_atoms()];
    electrodes.atoms().for_each(|i| is_electrode[i as usize] = true);
    for (&a, is) in system.topology.type_ids.iter().zip(&is_electrode) {
        outside[a as usize] |= !is;
    }
    let mut used = vec![false; n_types];
    system.topology.type_ids.iter().for_each(|&a| used[a as usize] = true);
    let inner: Vec<usize> = (0..n_types).filter(|&a| used[a] && !outside[a]).collect();
    let mut dropped = 0;
    for (k, &a) in inner.iter().enumerate() {
        for &b in &inner[k..] {
            dropped += usize::from(!system.pair_table.get(a, b).is_zero());
            system.pair_table.set(a, b, PairCoefficients::default(), PairOrigin::Explicit);
        }
    }
    dropped
}

/// A wall with its coefficients for every type.
fn made(wall: &WallSpec, table: &PairTable, mixing: Mixing) -> Wall {
    let with = |a: usize| {
        let Some(own) = table.get(a, a).sigma_epsilon() else { return PairCoefficients::default() };
        let (sigma, epsilon) = mixing.mix((wall.sigma, wall.epsilon), own);
        PairCoefficients::from_sigma_epsilon(sigma, epsilon)
    };
    let coefficients = (0..table.n_types()).map(with).collect();
    Wall { z: wall.z, normal: wall.normal, form: wall.form, density: wall.density, coefficients }
}
