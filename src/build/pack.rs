//! Rigid molecules into a cell without overlap.
//!
//! Large molecules go to random places. Everything else (ions, water) gets one site each of a jittered lattice that
//! fits the cell exactly, whatever its shape: neighbors are then as far apart as the density allows, which a random
//! insertion cannot promise. Ions are spread over the sites first, away from each other; the small molecules are turned
//! until their hydrogens keep clear. Linear in the number of molecules; the same seed gives the same box.
//!
//! Knows geometries and distances. Energies are the minimiser's business.

use super::grid::PeriodicGrid;
use crate::cell::Cell;
use crate::random::{Draws, Stream};
use glam::{DMat3, DQuat, DVec3};

/// Smallest distance between heavy atoms of different molecules, nm.
pub const MIN_HEAVY: f64 = 0.23;
/// Smallest distance between a hydrogen and any atom of another molecule, nm.
pub const MIN_HYDROGEN: f64 = 0.14;
/// Ions stay this far apart where there is room for it, nm: no contact pairs to begin with.
pub const ION_SEPARATION: f64 = 0.6;

/// Distances that are aimed at; the limits above are what is guaranteed.
const GOOD_HEAVY: f64 = 0.26;
const GOOD_HYDROGEN: f64 = 0.17;
/// A molecule whose atoms all lie within this distance of the first one takes one site, nm.
const SMALL_RADIUS: f64 = 0.13;
const LARGE_ATTEMPTS: usize = 5000;
const TURNS: usize = 24;
const TURNS_AGAIN: usize = 200;
const SWEEPS: usize = 40;

/// A kind of rigid molecule.
#[derive(Debug, Clone, PartialEq)]
pub struct Kind {
    /// `[n_atoms]`, nm, relative to the first atom
    pub geometry: Vec<DVec3>,
    /// `[n_atoms]`
    pub is_hydrogen: Vec<bool>,
    /// Kept away from other ions.
    pub is_ion: bool,
    pub count: usize,
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
pub fn pack(kinds: &[Kind], cell: Cell, seed: u64) -> Result<Vec<DVec3>, Full> {
    let mut draws = Draws::new(seed, Stream::Build, 0);
    let mut packing = Packing::new(kinds, cell);
    packing.place_large(&mut draws)?;
    let mut sites = packing.free_sites(&mut draws)?;
    for i in (1..sites.len()).rev() {
        sites.swap(i, (draws.uniform() * (i + 1) as f64) as usize);
    }
    packing.assign_sites(&sites);
    packing.turn_small(&mut draws)?;
    Ok(packing.positions)
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
    molecules: Vec<Molecule>,
    /// `[n_atoms]`; meaningful once the molecule is placed
    positions: Vec<DVec3>,
    molecule_of: Vec<u32>,
    is_hydrogen: Vec<bool>,
    /// The atoms placed so far.
    grid: PeriodicGrid,
}

impl<'a> Packing<'a> {
    fn new(kinds: &'a [Kind], cell: Cell) -> Self {
        let (mut molecules, mut molecule_of, mut is_hydrogen) = (Vec::new(), Vec::new(), Vec::new());
        for (kind, k) in kinds.iter().enumerate() {
            for _ in 0..k.count {
                molecules.push(Molecule { kind, first_atom: molecule_of.len() });
                molecule_of.extend(k.geometry.iter().map(|_| molecules.len() as u32 - 1));
                is_hydrogen.extend(&k.is_hydrogen);
            }
        }
        let positions = vec![DVec3::ZERO; molecule_of.len()];
        let grid = PeriodicGrid::new(cell, GOOD_HEAVY);
        Packing { kinds, cell, molecules, positions, molecule_of, is_hydrogen, grid }
    }

    fn n_small(&self) -> usize {
        self.kinds.iter().filter(|k| !k.is_large()).map(|k| k.count).sum()
    }

    fn random_point(&self, draws: &mut Draws) -> DVec3 {
        self.cell.to_cartesian(DVec3::new(draws.uniform(), draws.uniform(), draws.uniform()))
    }

    fn place_large(&mut self, draws: &mut Draws) -> Result<(), Full> {
        let kinds = self.kinds;
        let large: Vec<Molecule> = self.molecules.iter().filter(|m| kinds[m.kind].is_large()).copied().collect();
        for (placed, molecule) in large.into_iter().enumerate() {
            let kind = &kinds[molecule.kind];
            let fitting = (0..LARGE_ATTEMPTS).find_map(|_| {
                let (turn, shift) = (random_rotation(draws), self.random_point(draws));
                let atoms: Vec<DVec3> = kind.geometry.iter().map(|&r| turn * r + shift).collect();
                let clear = atoms.iter().zip(&kind.is_hydrogen).all(|(&r, &h)| self.clearance(r, h, u32::MAX) >= 0.0);
                clear.then_some(atoms)
            });
            let atoms = fitting.ok_or(Full { placed })?;
            for (local, r) in atoms.into_iter().enumerate() {
                self.positions[molecule.first_atom + local] = r;
                self.grid.insert(r, (molecule.first_atom + local) as u32);
            }
        }
        Ok(())
    }

    /// How much farther than the distance aimed at the nearest placed atom of another molecule is, nm. Negative: too
    /// close. At most [`GOOD_HEAVY`].
    fn clearance(&self, r: DVec3, is_hydrogen: bool, own: u32) -> f64 {
        let mut clearance = GOOD_HEAVY;
        self.grid.for_each_within(r, GOOD_HEAVY, |j, d_sq| {
            let j = j as usize;
            if self.molecule_of[j] != own {
                let good = if is_hydrogen || self.is_hydrogen[j] { GOOD_HYDROGEN } else { GOOD_HEAVY };
                clearance = clearance.min(d_sq.sqrt() - good);
            }
        });
        clearance
    }

    /// At least as many sites as small molecules, clear of the large ones.
    fn free_sites(&self, draws: &mut Draws) -> Result<Vec<DVec3>, Full> {
        let wanted = self.n_small();
        let n_large = self.molecules.len() - wanted;
        let mut n_sites = wanted.max(1);
        let mut most = 0;
        loop {
            let lattice = SiteLattice::new(&self.cell, n_sites);
            if lattice.spacing < MIN_HEAVY {
                return Err(Full { placed: n_large + most });
            }
            let jitter = (0.5 * (lattice.spacing - GOOD_HEAVY)).clamp(0.0, 0.04);
            let mut sites = lattice.points();
            let shift = self.random_point(draws);
            for site in &mut sites {
                *site += shift + random_rotation(draws) * (DVec3::X * (jitter * draws.uniform().cbrt()));
            }
            sites.retain(|&r| self.clearance(r, false, u32::MAX) >= 0.0);
            if sites.len() >= wanted {
                return Ok(sites);
            }
            most = most.max(sites.len());
            // What the large molecules block is made up for by more sites.
            n_sites = lattice.counts.iter().product::<usize>() + wanted - sites.len();
        }
    }

    /// Ions first, as far apart as there is room for; then the others in the (random) order of the sites.
    fn assign_sites(&mut self, sites: &[DVec3]) {
        let kinds = self.kinds;
        let small = self.molecules.iter().filter(|m| !kinds[m.kind].is_large());
        let (ions, others): (Vec<Molecule>, Vec<Molecule>) = small.copied().partition(|m| kinds[m.kind].is_ion);
        let mut taken = vec![false; sites.len()];
        let mut waiting = ions.into_iter().peekable();
        let mut separation = ION_SEPARATION.min(self.cell.half_height());
        let mut near_ions = PeriodicGrid::new(self.cell, separation);
        while waiting.peek().is_some() {
            for (k, &site) in sites.iter().enumerate() {
                if taken[k] {
                    continue;
                }
                let mut crowded = false;
                near_ions.for_each_within(site, separation, |_, _| crowded = true);
                if !crowded {
                    let Some(ion) = waiting.next() else { break };
                    taken[k] = true;
                    near_ions.insert(site, ion.first_atom as u32);
                    self.put(ion, site);
                }
            }
            // At zero every free site is good, so this ends: there are at least as many sites as molecules.
            separation = if separation > 0.3 { separation - 0.05 } else { 0.0 };
        }
        let free = sites.iter().zip(&taken).filter(|(_, taken)| !**taken).map(|(&site, _)| site);
        for (molecule, site) in others.into_iter().zip(free) {
            self.put(molecule, site);
        }
    }

    /// First atom on its site, in the grid; the others follow when the molecule is turned.
    fn put(&mut self, molecule: Molecule, site: DVec3) {
        self.positions[molecule.first_atom] = site;
        self.grid.insert(site, molecule.first_atom as u32);
    }

    fn turn_small(&mut self, draws: &mut Draws) -> Result<(), Full> {
        let is_turned = |m: &usize| {
            let kind = &self.kinds[self.molecules[*m].kind];
            kind.geometry.len() > 1 && !kind.is_large()
        };
        let turned: Vec<usize> = (0..self.molecules.len()).filter(is_turned).collect();
        for &m in &turned {
            self.turn(m, TURNS, draws);
        }
        // Molecules that came early did not see the later ones: turn those that are still in each other's way.
        // Heavy atoms stand on their sites and meet the same margin; the last bits of rounding do not count.
        let limit = MIN_HYDROGEN - GOOD_HYDROGEN - 1e-9;
        let mut crowded = turned;
        for _ in 0..SWEEPS {
            crowded.retain(|&m| self.worst_clearance(m) < limit);
            if crowded.is_empty() {
                return Ok(());
            }
            for &m in &crowded {
                self.lift(m);
                self.turn(m, TURNS_AGAIN, draws);
            }
        }
        crowded.retain(|&m| self.worst_clearance(m) < limit);
        let placed = self.molecules.len() - crowded.len();
        if crowded.is_empty() { Ok(()) } else { Err(Full { placed }) }
    }

    fn atoms(&self, m: usize) -> std::ops::Range<usize> {
        let Molecule { kind, first_atom } = self.molecules[m];
        first_atom..first_atom + self.kinds[kind].geometry.len()
    }

    fn worst_clearance(&self, m: usize) -> f64 {
        let clearance = |i: usize| self.clearance(self.positions[i], self.is_hydrogen[i], m as u32);
        self.atoms(m).map(clearance).fold(f64::INFINITY, f64::min)
    }

    /// Takes all atoms but the first out of the grid.
    fn lift(&mut self, m: usize) {
        for i in self.atoms(m).skip(1) {
            self.grid.remove(self.positions[i], i as u32);
        }
    }

    /// The best of up to `n_turns` orientations about the first atom.
    fn turn(&mut self, m: usize, n_turns: usize, draws: &mut Draws) {
        let first = self.molecules[m].first_atom;
        let site = self.positions[first];
        let kind = &self.kinds[self.molecules[m].kind];
        let (mut best, mut best_clearance) = (DQuat::IDENTITY, f64::NEG_INFINITY);
        for _ in 0..n_turns {
            let turn = random_rotation(draws);
            let clearance =
                |local: usize| self.clearance(site + turn * kind.geometry[local], kind.is_hydrogen[local], m as u32);
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
            self.grid.insert(site + best * r, (first + local) as u32);
        }
    }
}

/// A lattice of sites that repeats with the cell.
struct SiteLattice {
    /// Steps between sites, nm.
    steps: DMat3,
    counts: [usize; 3],
    /// Distance between nearest sites, nm.
    spacing: f64,
}

impl SiteLattice {
    /// The lattice of at least `n_sites` sites whose nearest sites are farthest apart.
    fn new(cell: &Cell, n_sites: usize) -> Self {
        // The same cell with its vectors as short and as perpendicular as its shape lets them be.
        let [a, mut b, mut c] = [cell.vectors().x_axis, cell.vectors().y_axis, cell.vectors().z_axis];
        b -= a * (b.x / a.x).round();
        c -= b * (c.y / b.y).round();
        c -= a * (c.x / a.x).round();
        let edge = (cell.volume() / n_sites as f64).cbrt();
        let around = |length: f64| {
            let n = (length / edge) as usize;
            n.saturating_sub(2).max(1)..=n + 3
        };
        let mut best = SiteLattice { steps: DMat3::IDENTITY, counts: [0; 3], spacing: f64::NEG_INFINITY };
        for n_a in around(a.length()) {
            for n_b in around(b.length()) {
                let n_c = n_sites.div_ceil(n_a * n_b);
                let steps = DMat3::from_cols(a / n_a as f64, b / n_b as f64, c / n_c as f64);
                let spacing = shortest_vector(steps);
                let fewer = n_a * n_b * n_c < best.counts.iter().product();
                // Rounding must not decide between lattices of equal spacing.
                if spacing > best.spacing + 1e-9 || (spacing > best.spacing - 1e-9 && fewer) {
                    best = SiteLattice { steps, counts: [n_a, n_b, n_c], spacing };
                }
            }
        }
        best
    }

    fn points(&self) -> Vec<DVec3> {
        let [n_a, n_b, n_c] = self.counts;
        let mut points = Vec::with_capacity(n_a * n_b * n_c);
        for k in 0..n_c {
            for j in 0..n_b {
                points.extend((0..n_a).map(|i| self.steps * DVec3::new(i as f64, j as f64, k as f64)));
            }
        }
        points
    }
}

/// Length of the shortest non-zero sum of −2 … 2 of each vector.
fn shortest_vector(steps: DMat3) -> f64 {
    let mut shortest = f64::INFINITY;
    for i in -2..=2 {
        for j in -2..=2 {
            for k in -2..=2 {
                if (i, j, k) != (0, 0, 0) {
                    shortest = shortest.min((steps * DVec3::new(f64::from(i), f64::from(j), f64::from(k))).length());
                }
            }
        }
    }
    shortest
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
    fn the_site_lattice_of_a_cube_is_cubic() {
        let lattice = SiteLattice::new(&Cell::cubic(2.0).expect("valid"), 512);
        assert_eq!(lattice.counts, [8, 8, 8]);
        assert!((lattice.spacing - 0.25).abs() < 1e-12);
        assert_eq!(lattice.points().len(), 512);
    }

    #[test]
    fn the_site_lattice_does_not_care_which_vectors_describe_the_cell() {
        let plain = Cell::cubic(2.0).expect("valid");
        let skewed = Cell::new(DVec3::X * 2.0, DVec3::new(4.0, 2.0, 0.0), DVec3::new(-2.0, 6.0, 2.0)).expect("valid");
        let (plain, skewed) = (SiteLattice::new(&plain, 343), SiteLattice::new(&skewed, 343));
        assert_eq!(plain.counts, skewed.counts);
        assert!((plain.spacing - skewed.spacing).abs() < 1e-12);
    }

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
