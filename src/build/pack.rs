//! Rigid molecules into a cell without overlap.
//!
//! Multivalent cations take their first shell of waters along: an octahedron that moves as one body, so that nothing else
//! is near when the minimiser starts to pull. Those and large molecules start on a lattice of their own and are pushed
//! apart ([`super::relax`]). Everything else (ions, water) gets one site each of a jittered lattice that fits the cell exactly, whatever its shape, and leaves out the large
//! molecules: neighbors are then as far apart as the density allows, which a random insertion cannot promise. Ions are
//! spread over the sites first, away from each other; the small molecules are turned until their hydrogens keep clear.
//! What is still too close is pushed apart, all molecules together. Linear in the number of molecules; the same seed gives
//! the same box.
//!
//! Knows geometries and distances. Energies are the minimiser's business.

use super::grid::PeriodicGrid;
use super::relax::{Atom, Distances, Relaxation};
use super::sites::SiteLattice;
use crate::cell::Cell;
use crate::neighbor::clusters::{Clusters, PADDING};
use crate::random::{Draws, Stream};
use glam::{DQuat, DVec3};

pub use super::relax::Contact;

/// Smallest distance between heavy atoms of different molecules, nm.
pub const MIN_HEAVY: f64 = 0.23;
/// Smallest distance between a hydrogen and any atom of another molecule, nm.
pub const MIN_HYDROGEN: f64 = 0.14;
/// Ions of one atom stay this far apart where there is room for it, nm: no contact pairs to begin with.
pub const ION_SEPARATION: f64 = 0.6;
/// Heavy atoms of a cation and an anion stay this far apart where there is room for it, nm: a water fits between them
/// (Zn-O 0.21 nm and a hydrogen bond of 0.27 nm along two sides of a triangle).
pub const SOLVENT_SEPARATION: f64 = 0.42;
/// Heavy atoms of a cation and an anion closer than this are a contact pair, nm.
pub const CONTACT_PAIR: f64 = 0.34;

/// Waters of a first shell, and the distance of their first atom from the ion, nm: farther than in solution, so that
/// [`MIN_HEAVY`] holds, and near enough for the minimiser to pull them in.
pub const SHELL_WATERS: usize = 6;
const SHELL_DISTANCE: f64 = 0.235;

/// Distances that are aimed at; the limits above are what is guaranteed.
const GOOD_HEAVY: f64 = 0.26;
const GOOD_HYDROGEN: f64 = 0.17;
/// A molecule whose atoms all lie within this distance of the first one takes one site, nm.
const SMALL_RADIUS: f64 = 0.13;
const TURNS: usize = 24;
const TURNS_AGAIN: usize = 200;
const SWEEPS: usize = 40;
/// Of the final relaxation: with ions kept apart, then without.
const RELAX_IONS: usize = 250;
const RELAX: usize = 600;

/// A kind of rigid molecule.
#[derive(Debug, Clone, PartialEq)]
pub struct Kind {
    /// `[n_atoms]`, nm, relative to the first atom
    pub geometry: Vec<DVec3>,
    /// `[n_atoms]`
    pub contacts: Vec<Contact>,
    /// Sign of the charge, 0 for a neutral molecule.
    pub ion: i8,
    pub role: Role,
    pub count: usize,
}

/// What a kind is in the first shell of an ion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A cation that gets a shell of waters.
    Hydrated,
    /// The solvent that shells are made of.
    Water,
    Other,
}

impl Kind {
    fn is_large(&self) -> bool {
        self.geometry.iter().any(|r| r.length() > SMALL_RADIUS)
    }
}

/// The cell is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// Molecules that found a place.
    pub placed: usize,
}

/// Positions of all atoms (nm), kind by kind, molecules whole.
///
/// The closest contacts are at least [`MIN_HEAVY`] and [`MIN_HYDROGEN`], or the cell is [`Full`].
///
/// * `contact_pairs` – may ions start in contact? If not, [`SOLVENT_SEPARATION`] is kept where there is room
/// * `between` – heights that centres of heavy atoms stay between, nm
pub fn pack(
    kinds: &[Kind],
    cell: Cell,
    seed: u64,
    contact_pairs: bool,
    between: Option<[f64; 2]>,
) -> Result<Vec<DVec3>, Full> {
    let mut draws = Draws::new(seed, Stream::Build, 0);
    let mut packing = Packing::new(kinds, cell, contact_pairs);
    packing.place_units(&mut draws);
    let mut sites = packing.free_sites(&mut draws)?;
    for i in (1..sites.len()).rev() {
        sites.swap(i, (draws.uniform() * (i + 1) as f64) as usize);
    }
    packing.assign_sites(&sites);
    packing.turn_small(&mut draws);
    packing.push_apart(between)
}

/// One molecule to be placed.
#[derive(Debug, Clone, Copy)]
struct Molecule {
    kind: usize,
    first_atom: usize,
}

struct Packing<'a> {
    kinds: &'a [Kind],
    cell: Cell,
    contact_pairs: bool,
    molecules: Vec<Molecule>,
    /// What is placed before the small molecules: large ones, and ions with their waters, as indices of molecules.
    units: Vec<Vec<usize>>,
    /// `[n_molecules]`: is it in a unit?
    in_unit: Vec<bool>,
    /// `[n_atoms]`; meaningful once the molecule is placed
    positions: Vec<DVec3>,
    /// `[n_atoms]`; bodies are molecules, an ion with its shell is one
    atoms: Vec<Atom>,
    /// The atoms placed so far, massless sites left out.
    grid: PeriodicGrid,
}

impl<'a> Packing<'a> {
    fn new(kinds: &'a [Kind], cell: Cell, contact_pairs: bool) -> Self {
        let (mut molecules, mut n_atoms) = (Vec::new(), 0);
        for (kind, k) in kinds.iter().enumerate() {
            for _ in 0..k.count {
                molecules.push(Molecule { kind, first_atom: n_atoms });
                n_atoms += k.geometry.len();
            }
        }
        let kind_of = |m: usize| &kinds[molecules[m].kind];
        let of_role =
            |role: Role| -> Vec<usize> { (0..molecules.len()).filter(|&m| kind_of(m).role == role).collect() };
        let waters = of_role(Role::Water);
        let hydrated = if contact_pairs { Vec::new() } else { of_role(Role::Hydrated) };
        let per_ion = (waters.len() / hydrated.len().max(1)).min(SHELL_WATERS);
        let mut units: Vec<Vec<usize>> = Vec::new();
        for (n, &ion) in hydrated.iter().enumerate().filter(|_| per_ion > 0) {
            units.push(std::iter::once(ion).chain(waters[n * per_ion..(n + 1) * per_ion].iter().copied()).collect());
        }
        units.extend((0..molecules.len()).filter(|&m| kind_of(m).is_large()).map(|m| vec![m]));
        let mut in_unit = vec![false; molecules.len()];
        units.iter().flatten().for_each(|&m| in_unit[m] = true);

        // Bodies: the units, then every other molecule.
        let mut body_of = vec![0; molecules.len()];
        units.iter().enumerate().for_each(|(body, unit)| unit.iter().for_each(|&m| body_of[m] = body as u32));
        let alone = (0..molecules.len()).filter(|&m| !in_unit[m]);
        for (body, m) in (units.len() as u32..).zip(alone) {
            body_of[m] = body;
        }
        let mut atoms = Vec::with_capacity(n_atoms);
        for (m, molecule) in molecules.iter().enumerate() {
            let kind = &kinds[molecule.kind];
            atoms.extend(kind.contacts.iter().map(|&contact| Atom { body: body_of[m], contact, ion: kind.ion }));
        }
        let positions = vec![DVec3::ZERO; n_atoms];
        let grid = PeriodicGrid::new(cell, GOOD_HEAVY);
        Packing { kinds, cell, contact_pairs, molecules, units, in_unit, positions, atoms, grid }
    }

    /// Molecules that take one site each.
    fn small(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.molecules.len()).filter(|&m| !self.in_unit[m])
    }

    fn random_point(&self, draws: &mut Draws) -> DVec3 {
        self.cell.to_cartesian(DVec3::new(draws.uniform(), draws.uniform(), draws.uniform()))
    }

    fn insert(&mut self, i: usize) {
        if self.atoms[i].contact != Contact::None {
            self.grid.insert(self.positions[i], i as u32);
        }
    }

    /// Distances between ions that are aimed at while there is room.
    fn goals(&self) -> Distances {
        let opposite_ions = if self.contact_pairs { 0.0 } else { SOLVENT_SEPARATION };
        Distances { heavy: GOOD_HEAVY, hydrogen: GOOD_HYDROGEN, opposite_ions }
    }

    /// The units alone: a lattice with one site each, turned at random, then pushed apart.
    fn place_units(&mut self, draws: &mut Draws) {
        if self.units.is_empty() {
            return;
        }
        let lattice = SiteLattice::new(&self.cell, self.units.len());
        let mut sites = lattice.points();
        let origin = self.random_point(draws);
        for i in (1..sites.len()).rev() {
            sites.swap(i, (draws.uniform() * (i + 1) as f64) as usize);
        }
        // (atom of the box, its position)
        let mut placed: Vec<(usize, DVec3)> = Vec::new();
        for (unit, &site) in self.units.iter().zip(&sites) {
            let shape = self.unit_shape(unit);
            let jitter = random_rotation(draws) * (DVec3::X * (0.2 * lattice.spacing * draws.uniform().cbrt()));
            let turn = random_rotation(draws);
            let middle = shape.iter().map(|(_, r)| *r).sum::<DVec3>() / shape.len() as f64;
            placed.extend(shape.into_iter().map(|(i, r)| (i, origin + site + jitter + turn * (r - middle))));
        }
        let atoms: Vec<Atom> = placed.iter().map(|&(i, _)| self.atoms[i]).collect();
        let positions = placed.iter().map(|&(_, r)| r).collect();
        let goals = self.goals();
        let (positions, _) = Relaxation::new(self.cell, &atoms, positions).run(goals, goals, RELAX_IONS);
        for (&(i, _), r) in placed.iter().zip(positions) {
            self.positions[i] = r;
            self.insert(i);
        }
    }

    /// Atoms of a unit with their places: a molecule as it is, or an ion in the middle of an octahedron of waters whose
    /// hydrogens point away from it.
    fn unit_shape(&self, unit: &[usize]) -> Vec<(usize, DVec3)> {
        const AXES: [DVec3; SHELL_WATERS] = [DVec3::X, DVec3::NEG_X, DVec3::Y, DVec3::NEG_Y, DVec3::Z, DVec3::NEG_Z];
        let mut shape = Vec::new();
        for (n, &m) in unit.iter().enumerate() {
            let geometry = &self.kinds[self.molecules[m].kind].geometry;
            let (mut turn, mut shift) = (DQuat::IDENTITY, DVec3::ZERO);
            if n > 0 {
                // The mean of a water's atoms lies on its axis, on the side of the hydrogens.
                let outwards = geometry.iter().sum::<DVec3>().normalize_or(DVec3::X);
                turn = DQuat::from_rotation_arc(outwards, AXES[n - 1]);
                shift = AXES[n - 1] * SHELL_DISTANCE;
            }
            let atoms = self.atoms_of(m).zip(geometry);
            shape.extend(atoms.map(|(i, &r)| (i, turn * r + shift)));
        }
        shape
    }

    /// How much farther than the distance aimed at the nearest placed atom of another molecule is, nm. Negative: too
    /// close. At most [`GOOD_HEAVY`].
    fn clearance(&self, r: DVec3, contact: Contact, own: u32) -> f64 {
        let mut clearance = GOOD_HEAVY;
        if contact == Contact::None {
            return clearance;
        }
        self.grid.for_each_within(r, GOOD_HEAVY, |j, d_sq| {
            let other = self.atoms[j as usize];
            if other.body != own {
                let hydrogen = contact == Contact::Hydrogen || other.contact == Contact::Hydrogen;
                let good = if hydrogen { GOOD_HYDROGEN } else { GOOD_HEAVY };
                clearance = clearance.min(d_sq.sqrt() - good);
            }
        });
        clearance
    }

    /// At least as many sites as small molecules, as clear of the large ones as there is room for.
    fn free_sites(&self, draws: &mut Draws) -> Result<Vec<DVec3>, Full> {
        let wanted = self.small().count();
        let has_large = !self.units.is_empty();
        let mut n_sites = wanted.max(1);
        loop {
            let lattice = SiteLattice::new(&self.cell, n_sites);
            if lattice.spacing < MIN_HEAVY && !has_large {
                return Err(Full { placed: 0 });
            }
            let jitter = (0.5 * (lattice.spacing - GOOD_HEAVY)).clamp(0.0, 0.04);
            let shift = self.random_point(draws);
            let mut jittered =
                |site: DVec3| site + shift + random_rotation(draws) * (DVec3::X * (jitter * draws.uniform().cbrt()));
            let points: Vec<DVec3> = lattice.points().into_iter().map(&mut jittered).collect();
            if !has_large {
                return Ok(points);
            }
            let mut sites: Vec<(f64, DVec3)> =
                points.into_iter().map(|r| (self.clearance(r, Contact::Heavy, u32::MAX), r)).collect();
            let clear = sites.iter().filter(|(clearance, _)| *clearance >= 0.0).count();
            if clear >= wanted {
                sites.retain(|(clearance, _)| *clearance >= 0.0);
                return Ok(sites.into_iter().map(|(_, r)| r).collect());
            }
            // As fine as it may get: the clearest sites, and the rest is pushing.
            if lattice.spacing < 0.9 * GOOD_HEAVY {
                sites.sort_by(|a, b| b.0.total_cmp(&a.0));
                sites.truncate(wanted);
                return Ok(sites.into_iter().map(|(_, r)| r).collect());
            }
            // What the large molecules block is made up for by more sites.
            n_sites = lattice.counts.iter().product::<usize>() + wanted - clear;
        }
    }

    /// Ions first, as far apart as there is room for; then the others in the (random) order of the sites.
    fn assign_sites(&mut self, sites: &[DVec3]) {
        let is_ion = |m: &usize| self.kinds[self.molecules[*m].kind].ion != 0;
        let (ions, others): (Vec<usize>, Vec<usize>) = self.small().partition(is_ion);
        let mut taken = vec![false; sites.len()];
        let mut waiting = ions.into_iter().peekable();
        let mut separation = ION_SEPARATION.min(self.cell.half_height());
        let mut near_ions = PeriodicGrid::new(self.cell, separation);
        // Atoms of large ions of either sign are marked by u32::MAX: they need less room than the middle of an ion.
        for &m in self.units.iter().flatten().filter(|m| is_ion(m)) {
            let atoms = self.atoms_of(m);
            let index = if atoms.len() == 1 { atoms.start as u32 } else { u32::MAX };
            for i in atoms.filter(|&i| self.atoms[i].contact == Contact::Heavy) {
                near_ions.insert(self.positions[i], index);
            }
        }
        while waiting.peek().is_some() {
            for (k, &site) in sites.iter().enumerate() {
                if taken[k] {
                    continue;
                }
                let (mut crowded, to_large_sq) = (false, (separation * SOLVENT_SEPARATION / ION_SEPARATION).powi(2));
                near_ions.for_each_within(site, separation, |j, d_sq| crowded |= j != u32::MAX || d_sq < to_large_sq);
                if !crowded {
                    let Some(ion) = waiting.next() else { break };
                    taken[k] = true;
                    near_ions.insert(site, self.molecules[ion].first_atom as u32);
                    self.put(ion, site);
                }
            }
            // At zero every free site is good, so this ends: there are at least as many sites as molecules.
            separation = if separation > 0.3 { separation - 0.05 } else { 0.0 };
        }
        // Which kind gets which sites is random; within a kind, molecules that follow each other are neighbors in space,
        // so that a large box is read from memory in order.
        let mut free = sites.iter().zip(&taken).filter(|(_, taken)| !**taken).map(|(&site, _)| site);
        let kind = |m: &usize| self.molecules[*m].kind;
        let by_kind: Vec<Vec<usize>> = others.chunk_by(|a, b| kind(a) == kind(b)).map(<[usize]>::to_vec).collect();
        for molecules in by_kind {
            let sites: Vec<DVec3> = free.by_ref().take(molecules.len()).collect();
            let order = Clusters::build(&sites, &self.cell).order;
            for (&molecule, site) in molecules.iter().zip(order.into_iter().filter(|&k| k != PADDING)) {
                self.put(molecule, sites[site as usize]);
            }
        }
    }

    /// First atom on its site, in the grid; the others follow when the molecule is turned.
    fn put(&mut self, m: usize, site: DVec3) {
        let first = self.molecules[m].first_atom;
        self.positions[first] = site;
        self.insert(first);
    }

    fn turn_small(&mut self, draws: &mut Draws) {
        let turned: Vec<usize> = self.small().filter(|&m| self.atoms_of(m).len() > 1).collect();
        for &m in &turned {
            self.turn(m, TURNS, draws);
        }
        // Molecules that came early did not see the later ones: turn those that are still in each other's way.
        // Heavy atoms stand on their sites and meet the same margin; the last bits of rounding do not count.
        let limit = MIN_HYDROGEN - GOOD_HYDROGEN - 1e-9;
        let mut crowded = turned;
        let mut before = usize::MAX;
        for _ in 0..SWEEPS {
            crowded.retain(|&m| self.worst_clearance(m) < limit);
            // Sites that are too close to something cannot be turned away from: that is left to pushing.
            if crowded.is_empty() || crowded.len() as f64 > 0.98 * before as f64 {
                return;
            }
            before = crowded.len();
            for &m in &crowded {
                self.lift(m);
                self.turn(m, TURNS_AGAIN, draws);
            }
        }
    }

    fn atoms_of(&self, m: usize) -> std::ops::Range<usize> {
        let Molecule { kind, first_atom } = self.molecules[m];
        first_atom..first_atom + self.kinds[kind].geometry.len()
    }

    fn worst_clearance(&self, m: usize) -> f64 {
        let clearance = |i: usize| self.clearance(self.positions[i], self.atoms[i].contact, self.atoms[i].body);
        self.atoms_of(m).map(clearance).fold(f64::INFINITY, f64::min)
    }

    /// Takes all atoms but the first out of the grid.
    fn lift(&mut self, m: usize) {
        for i in self.atoms_of(m).skip(1) {
            self.grid.remove(self.positions[i], i as u32);
        }
    }

    /// The best of up to `n_turns` orientations about the first atom.
    fn turn(&mut self, m: usize, n_turns: usize, draws: &mut Draws) {
        let first = self.molecules[m].first_atom;
        let site = self.positions[first];
        let (kind, own) = (&self.kinds[self.molecules[m].kind], self.atoms[first].body);
        let (mut best, mut best_clearance) = (DQuat::IDENTITY, f64::NEG_INFINITY);
        for _ in 0..n_turns {
            let turn = random_rotation(draws);
            let clearance =
                |local: usize| self.clearance(site + turn * kind.geometry[local], kind.contacts[local], own);
            let worst = (1..kind.geometry.len()).map(clearance).fold(f64::INFINITY, f64::min);
            if worst > best_clearance {
                (best, best_clearance) = (turn, worst);
            }
            if best_clearance >= 0.0 {
                break;
            }
        }
        for (local, &r) in kind.geometry.iter().enumerate().skip(1) {
            self.positions[first + local] = site + best * r;
            self.insert(first + local);
        }
    }

    /// Opens what is closer than the limits: first with ions kept apart, then, if that has no room, without.
    fn push_apart(self, between: Option<[f64; 2]>) -> Result<Vec<DVec3>, Full> {
        let n_molecules = self.molecules.len();
        // A hair more than is promised.
        let hair = 1e-6;
        let limits = Distances { heavy: MIN_HEAVY + hair, hydrogen: MIN_HYDROGEN + hair, opposite_ions: 0.0 };
        let goals = self.goals();
        let mut positions = self.positions;
        if !self.contact_pairs {
            // A little less than the goal counts as reached.
            let apart = Distances { opposite_ions: 0.95 * SOLVENT_SEPARATION, ..limits };
            let relaxed =
                Relaxation::new(self.cell, &self.atoms, positions).between(between).run(goals, apart, RELAX_IONS);
            if relaxed.1 == 0 {
                return Ok(relaxed.0);
            }
            positions = relaxed.0;
        }
        let goals = Distances { opposite_ions: 0.0, ..goals };
        let (positions, crowded) =
            Relaxation::new(self.cell, &self.atoms, positions).between(between).run(goals, limits, RELAX);
        if crowded == 0 { Ok(positions) } else { Err(Full { placed: n_molecules.saturating_sub(crowded) }) }
    }
}

/// Uniform over all orientations (K. Shoemake, in Graphics Gems III, Academic Press (1992), p. 124).
fn random_rotation(draws: &mut Draws) -> DQuat {
    let (u, v, w) = (draws.uniform(), draws.uniform(), draws.uniform());
    let (sin_v, cos_v) = (std::f64::consts::TAU * v).sin_cos();
    let (sin_w, cos_w) = (std::f64::consts::TAU * w).sin_cos();
    let (p, q) = ((1.0 - u).sqrt(), u.sqrt());
    DQuat::from_xyzw(p * sin_v, p * cos_v, q * sin_w, q * cos_w).normalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotations_are_uniform() {
        let mut draws = Draws::new(5, Stream::Build, 0);
        let n = 4000;
        let (mut mean, mut second) = (DVec3::ZERO, 0.0);
        for _ in 0..n {
            let r = random_rotation(&mut draws) * DVec3::X;
            assert!((r.length() - 1.0).abs() < 1e-12);
            mean += r;
            second += r.z * r.z;
        }
        let n = f64::from(n);
        // <z²> = 1/3, var z² = 4/45
        assert!((mean / n).length() < 4.0 / n.sqrt());
        assert!((second / n - 1.0 / 3.0).abs() < 4.0 * (4.0_f64 / 45.0 / n).sqrt());
    }
}
