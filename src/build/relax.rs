//! Overlaps of rigid molecules pushed apart.
//!
//! Contacts that are closer than aimed at are resolved one after the other, each by the smallest shift and turn of its two
//! molecules that opens it (the projection of M. Müller et al., J. Vis. Commun. Image R. 18, 109 (2007), for rigid
//! bodies), until none is closer than allowed. Shapes are kept exactly. The order of contacts is fixed, so the same start
//! gives the same end. Knows shapes and distances; energies are the minimiser's business.

use super::grid::PeriodicGrid;
use crate::cell::Cell;
use glam::{DQuat, DVec3};

/// What an atom is to its neighbors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    Heavy,
    Hydrogen,
    /// A massless site: inside its molecule, no obstacle to others.
    None,
}

/// Distances between atoms of different molecules, nm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distances {
    pub heavy: f64,
    pub hydrogen: f64,
    /// Between heavy atoms of a cation and an anion.
    pub opposite_ions: f64,
}

impl Distances {
    fn of(&self, a: &Atom, b: &Atom) -> f64 {
        match (a.contact, b.contact) {
            (Contact::None, _) | (_, Contact::None) => 0.0,
            (Contact::Hydrogen, _) | (_, Contact::Hydrogen) => self.hydrogen,
            _ if a.ion * b.ion < 0 => self.opposite_ions.max(self.heavy),
            _ => self.heavy,
        }
    }
}

/// What does not change while molecules move.
#[derive(Debug, Clone, Copy)]
pub struct Atom {
    pub body: u32,
    pub contact: Contact,
    /// Sign of the charge of its molecule, 0 for neutral ones.
    pub ion: i8,
}

/// A rigid molecule, or several that move together.
#[derive(Debug, Clone)]
struct Body {
    /// Ascending.
    atoms: Vec<u32>,
    /// `[n_atoms]`, nm, relative to the centre
    shape: Vec<DVec3>,
    center: DVec3,
    turn: DQuat,
    /// Larger molecules move less: 1/n_atoms.
    inv_mass: f64,
    /// 1/Σ|shape|² for a turn, zero for a point.
    inv_inertia: f64,
    /// Farthest atom from the centre, nm.
    radius: f64,
    /// Upper bound of how far any atom has moved since the last list, nm.
    moved: f64,
}

/// Extra radius of the list of close pairs, nm.
const SKIN: f64 = 0.08;
const MAX_TURN: f64 = 0.25;
/// Part of an overlap that one projection removes: below one, crowded molecules settle instead of bouncing.
const RELAXATION: f64 = 0.8;
/// A list of close pairs is made anew at least this often.
const SWEEPS_PER_LIST: usize = 12;

/// Molecules that are pushed apart.
pub struct Relaxation<'a> {
    cell: Cell,
    atoms: &'a [Atom],
    bodies: Vec<Body>,
    /// `[n_atoms]`, nm
    positions: Vec<DVec3>,
    /// Heights that heavy atoms stay between, nm.
    between: Option<[f64; 2]>,
}

/// How far hydrogens may stand beyond a height that heavy atoms stay below, nm.
const BEYOND: f64 = 0.1;
/// Turns of a body that is wider than the room, between two sweeps.
const TURNS_PER_SWEEP: usize = 4;
/// Of heights, nm.
const ROUNDING: f64 = 1e-9;

impl<'a> Relaxation<'a> {
    /// * `atoms` – bodies are numbered from 0 without gaps
    /// * `positions` – `[n_atoms]`, nm, bodies whole
    pub fn new(cell: Cell, atoms: &'a [Atom], positions: Vec<DVec3>) -> Self {
        let n_bodies = atoms.iter().map(|a| a.body as usize + 1).max().unwrap_or(0);
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); n_bodies];
        for (i, atom) in atoms.iter().enumerate() {
            members[atom.body as usize].push(i as u32);
        }
        let body = |atoms: Vec<u32>| {
            let n = atoms.len().max(1) as f64;
            let center = atoms.iter().map(|&i| positions[i as usize]).sum::<DVec3>() / n;
            let shape: Vec<DVec3> = atoms.iter().map(|&i| positions[i as usize] - center).collect();
            let inertia: f64 = shape.iter().map(|r| r.length_squared()).sum();
            let radius = shape.iter().map(|r| r.length()).fold(0.0, f64::max);
            let inv_inertia = if radius > 1e-3 { 1.0 / inertia } else { 0.0 };
            Body { atoms, shape, center, turn: DQuat::IDENTITY, inv_mass: 1.0 / n, inv_inertia, radius, moved: 0.0 }
        };
        let bodies = members.into_iter().map(body).collect();
        Relaxation { cell, atoms, bodies, positions, between: None }
    }

    /// Between two walls normal to z: bodies come back from images of the cell, then stay inside.
    pub fn between(mut self, heights: Option<[f64; 2]>) -> Self {
        self.between = heights;
        let Some([low, high]) = heights else { return self };
        let height = self.cell.vectors().z_axis.z;
        let edge = 0.5 * (low + high - height);
        for body in &mut self.bodies {
            body.center.z = edge + (body.center.z - edge).rem_euclid(height);
            for (&i, &r) in body.atoms.iter().zip(&body.shape) {
                self.positions[i as usize] = body.center + body.turn * r;
            }
        }
        self.confine();
        self
    }

    /// Moves bodies that reach through a wall back; one that is wider than the room is turned until it is not, in steps, and
    /// stands in the middle meanwhile.
    fn confine(&mut self) {
        let Some([low, high]) = self.between else { return };
        for k in 0..self.bodies.len() {
            for _ in 0..TURNS_PER_SWEEP {
                let Some([bottom, top]) = self.span(k) else { break };
                let excess = (top.0 - bottom.0) - (high - low);
                if excess <= 0.0 {
                    break;
                }
                // To first order a turn ω changes the width by ω·L.
                let lever = (self.positions[top.1] - self.positions[bottom.1]).cross(DVec3::Z);
                let turn = match lever.length_squared() {
                    // Upright: any horizontal axis will do.
                    small if small < 1e-12 => DVec3::X * MAX_TURN,
                    square => (lever * (-excess / square)).clamp_length_max(MAX_TURN),
                };
                self.move_body(k, DVec3::ZERO, turn);
            }
            let Some([bottom, top]) = self.span(k) else { continue };
            let (below, above) = ((low - bottom.0).max(0.0), (top.0 - high).max(0.0));
            let is_wide = top.0 - bottom.0 > high - low;
            let shift = if is_wide { 0.5 * ((low - bottom.0) - (top.0 - high)) } else { below - above };
            if shift != 0.0 {
                self.move_body(k, DVec3::Z * shift, DVec3::ZERO);
            }
        }
    }

    /// Lowest and highest height of a body that count against the walls, nm, each with its atom; `None` without atoms that
    /// count.
    fn span(&self, body: usize) -> Option<[(f64, usize); 2]> {
        let mut span: Option<[(f64, usize); 2]> = None;
        for i in self.bodies[body].atoms.iter().map(|&i| i as usize) {
            let beyond = match self.atoms[i].contact {
                Contact::Heavy => 0.0,
                Contact::Hydrogen => BEYOND,
                Contact::None => continue,
            };
            let z = self.positions[i].z;
            let (low, high) = ((z + beyond, i), (z - beyond, i));
            span = Some(match span {
                None => [low, high],
                Some([bottom, top]) => {
                    [if low.0 < bottom.0 { low } else { bottom }, if high.0 > top.0 { high } else { top }]
                }
            });
        }
        span
    }

    /// Bodies that reach through a wall by more than rounding.
    fn count_outside(&self) -> usize {
        let Some([low, high]) = self.between else { return 0 };
        let is_outside =
            |&k: &usize| self.span(k).is_some_and(|[bottom, top]| bottom.0 < low - ROUNDING || top.0 > high + ROUNDING);
        (0..self.bodies.len()).filter(is_outside).count()
    }

    /// Pushes until no pair is closer than `limits`, aiming at `goals`, and no body reaches through a wall, or `max_sweeps`
    /// are over.
    ///
    /// * returns (positions `[n_atoms]` in nm, bodies that are still too close to another or outside)
    pub fn run(mut self, goals: Distances, limits: Distances, max_sweeps: usize) -> (Vec<DVec3>, usize) {
        let mut crowded = usize::MAX;
        let mut sweep = 0;
        while sweep < max_sweeps && crowded > 0 {
            let pairs = self.close_pairs(&goals);
            self.bodies.iter_mut().for_each(|b| b.moved = 0.0);
            for _ in 0..SWEEPS_PER_LIST {
                crowded = self.sweep(&pairs, &goals, &limits);
                self.confine();
                crowded += self.count_outside();
                sweep += 1;
                if crowded == 0 || self.bodies.iter().any(|b| b.moved > 0.5 * SKIN) {
                    break;
                }
            }
            // What the list did not hold is looked at before anything is called done.
            if crowded == 0 {
                let pairs = self.close_pairs(&goals);
                crowded = self.count_crowded(&pairs, &limits) + self.count_outside();
            }
        }
        (self.positions, crowded)
    }

    /// Pairs of atoms of different bodies that may come into contact before the next list.
    fn close_pairs(&self, goals: &Distances) -> Vec<(u32, u32)> {
        let mut pairs = Vec::new();
        let mut search = |reach: f64, wanted: &dyn Fn(usize) -> bool, accept: &dyn Fn(usize, usize) -> bool| {
            let reach = reach.min(self.cell.half_height());
            let mut grid = PeriodicGrid::new(self.cell, reach);
            for i in (0..self.positions.len()).filter(|&i| wanted(i)) {
                grid.for_each_within(self.positions[i], reach, |j, _| {
                    if self.atoms[i].body != self.atoms[j as usize].body && accept(i, j as usize) {
                        pairs.push((j, i as u32));
                    }
                });
                grid.insert(self.positions[i], i as u32);
            }
        };
        let has_contact = |i: usize| self.atoms[i].contact != Contact::None;
        let opposite = |i: usize, j: usize| self.atoms[i].ion * self.atoms[j].ion < 0;
        let is_heavy = |i: usize| self.atoms[i].contact == Contact::Heavy;
        search(goals.heavy.max(goals.hydrogen) + SKIN, &has_contact, &|i, j| {
            goals.opposite_ions <= goals.heavy || !(opposite(i, j) && is_heavy(i) && is_heavy(j))
        });
        if goals.opposite_ions > goals.heavy {
            search(goals.opposite_ions + SKIN, &|i| is_heavy(i) && self.atoms[i].ion != 0, &opposite);
        }
        pairs
    }

    /// One projection of every contact that is closer than its goal; the number of bodies below the limits.
    fn sweep(&mut self, pairs: &[(u32, u32)], goals: &Distances, limits: &Distances) -> usize {
        let mut too_close = Vec::new();
        for &(i, j) in pairs {
            let (i, j) = (i as usize, j as usize);
            let (a, b) = (self.atoms[i], self.atoms[j]);
            let goal = goals.of(&a, &b);
            let d = self.cell.minimum_image(self.positions[j] - self.positions[i]);
            let distance = d.length();
            if distance >= goal {
                continue;
            }
            if distance < limits.of(&a, &b) {
                too_close.extend([a.body, b.body]);
            }
            // Two atoms in one place have no direction: any will do, and it depends on nothing but them.
            let normal = if distance > 1e-9 { d / distance } else { DVec3::new(0.6, 0.0, 0.8) };
            let arm = |index: usize, body: u32| self.positions[index] - self.bodies[body as usize].center;
            let (arm_a, arm_b) = (arm(i, a.body), arm(j, b.body));
            let (lever_a, lever_b) = (arm_a.cross(normal), arm_b.cross(normal));
            let ease = |body: u32, lever: DVec3| {
                let body = &self.bodies[body as usize];
                body.inv_mass + lever.length_squared() * body.inv_inertia
            };
            let push = RELAXATION * (goal - distance) / (ease(a.body, lever_a) + ease(b.body, lever_b));
            self.shift(a.body, -push, normal, lever_a);
            self.shift(b.body, push, normal, lever_b);
        }
        too_close.sort_unstable();
        too_close.dedup();
        too_close.len()
    }

    fn shift(&mut self, body: u32, push: f64, normal: DVec3, lever: DVec3) {
        let Body { inv_mass, inv_inertia, .. } = self.bodies[body as usize];
        let turn = (lever * (push * inv_inertia)).clamp_length_max(MAX_TURN);
        self.move_body(body as usize, normal * (push * inv_mass), turn);
    }

    /// * `step` – nm
    /// * `turn` – axis times angle
    fn move_body(&mut self, body: usize, step: DVec3, turn: DVec3) {
        let body = &mut self.bodies[body];
        body.center += step;
        body.moved += step.length();
        if turn != DVec3::ZERO {
            body.turn = (DQuat::from_scaled_axis(turn) * body.turn).normalize();
            body.moved += turn.length() * body.radius;
        }
        for (&i, &r) in body.atoms.iter().zip(&body.shape) {
            self.positions[i as usize] = body.center + body.turn * r;
        }
    }

    fn count_crowded(&self, pairs: &[(u32, u32)], limits: &Distances) -> usize {
        let is_close = |&&(i, j): &&(u32, u32)| {
            let (i, j) = (i as usize, j as usize);
            let d = self.cell.minimum_image(self.positions[j] - self.positions[i]);
            d.length() < limits.of(&self.atoms[i], &self.atoms[j])
        };
        let close = pairs.iter().filter(is_close);
        let mut bodies: Vec<u32> =
            close.flat_map(|&(i, j)| [self.atoms[i as usize].body, self.atoms[j as usize].body]).collect();
        bodies.sort_unstable();
        bodies.dedup();
        bodies.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOALS: Distances = Distances { heavy: 0.26, hydrogen: 0.17, opposite_ions: 0.0 };
    const LIMITS: Distances = Distances { heavy: 0.23, hydrogen: 0.14, opposite_ions: 0.0 };

    /// Chains of six heavy atoms over a length of `rise`, upright on a square of 6 x 6 with 0.4 nm between them.
    fn upright_chains(rise: f64) -> (Cell, Vec<Atom>, Vec<DVec3>) {
        let cell = Cell::orthorhombic(2.4, 2.4, 1.5).unwrap();
        let (mut atoms, mut positions) = (Vec::new(), Vec::new());
        for body in 0..36_u32 {
            let (x, y) = (0.4 * f64::from(body % 6), 0.4 * f64::from(body / 6));
            for k in 0..6 {
                atoms.push(Atom { body, contact: Contact::Heavy, ion: 0 });
                positions.push(DVec3::new(x, y, 0.2 * rise * f64::from(k)));
            }
        }
        (cell, atoms, positions)
    }

    #[test]
    fn chains_that_are_longer_than_the_room_is_high_are_tilted_until_every_atom_is_inside() {
        let (cell, atoms, start) = upright_chains(0.66);
        let room = [0.1, 0.7];
        let relaxation = Relaxation::new(cell, &atoms, start.clone()).between(Some(room));
        let (positions, left) = relaxation.run(GOALS, LIMITS, 600);
        assert_eq!(left, 0);
        for r in &positions {
            assert!(r.z > room[0] - ROUNDING && r.z < room[1] + ROUNDING, "{}", r.z);
        }
        for k in (0..positions.len()).step_by(6) {
            assert!(((positions[k + 5] - positions[k]).length() - 0.66).abs() < 1e-12, "chains stay rigid");
        }
        // without walls nothing has to move: the start keeps its distances, and its atoms reach beyond the room
        let (free, left) = Relaxation::new(cell, &atoms, start.clone()).run(GOALS, LIMITS, 600);
        assert_eq!((left, free), (0, start));
    }

    #[test]
    fn a_body_that_is_too_wide_in_every_orientation_is_reported() {
        let cell = Cell::orthorhombic(3.0, 3.0, 3.0).unwrap();
        let corners = (0..8).map(|k| DVec3::new(f64::from(k & 1), f64::from(k >> 1 & 1), f64::from(k >> 2)));
        let positions: Vec<DVec3> = corners.map(|r| 0.5 * r).collect();
        let atoms = vec![Atom { body: 0, contact: Contact::Heavy, ion: 0 }; 8];
        let left = |height: f64| {
            let relaxation = Relaxation::new(cell, &atoms, positions.clone()).between(Some([1.0, 1.0 + height]));
            relaxation.run(GOALS, LIMITS, 50).1
        };
        assert_eq!((left(0.45), left(0.51)), (1, 0), "a cube of 0.5 nm is at least that wide");
    }
}
