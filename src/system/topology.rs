//! Who the atoms are: species (molecule templates), molecules, and per-atom arrays derived from them.
//!
//! Atoms of one molecule are contiguous. Names, bonds and exclusions are stored once per species, so a million-atom
//! box costs a few numbers per atom. Nothing here knows positions.

use super::bonded::{Bonded, DistanceConstraint, VirtualSite};

/// One atom of a species.
#[derive(Debug, Clone, PartialEq)]
pub struct SpeciesAtom {
    /// Atom name as written to structure files, e.g. `OW`, `HW1`, `ZN`.
    pub name: String,
    /// Chemical element symbol, e.g. `O`; empty for a virtual site.
    pub element: String,
    /// Index into [`Topology::types`].
    pub type_id: u32,
    /// e
    pub charge: f64,
    /// u; zero for a virtual site
    pub mass: f64,
}

/// Geometry of a rigid three-site water whose atoms are stored as O, H, H.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RigidWater {
    /// O–H distance, nm
    pub d_oh: f64,
    /// H–H distance, nm
    pub d_hh: f64,
}

/// A kind of molecule. Rigid water, constraints, virtual sites and bonded potentials are what its atoms do to each other;
/// everything else is pair interactions between atoms that are not excluded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Species {
    /// Name shown to users and matched by selections, e.g. `Zn2+`, `SPC/E`.
    pub name: String,
    /// Residue name in structure files, at most five letters, e.g. `ZN`, `SOL`.
    pub residue: String,
    /// First atom (local index, ascending from 0) and name of every residue of a molecule that has several, as a polymer does;
    /// empty for one that is a single residue.
    pub residues: Vec<(u32, String)>,
    /// Is this the solvent water?
    pub is_water: bool,
    pub atoms: Vec<SpeciesAtom>,
    /// Covalent bonds as pairs of local indices: for structure files, molecules made whole and analysis.
    pub bonds: Vec<(u32, u32)>,
    /// Excluded pairs of local indices (i < j): no Lennard-Jones and no bare Coulomb between them.
    pub exclusions: Vec<(u32, u32)>,
    /// Set when the first three atoms are a rigid water O, H, H (SETTLE); a fourth site is virtual.
    pub rigid_water: Option<RigidWater>,
    /// Bonded potentials and 1-4 pairs; bonds that are constrained are not among them.
    pub bonded: Bonded,
    /// Distances kept fixed, those of a rigid water left out.
    pub constraints: Vec<DistanceConstraint>,
    /// Massless sites built from their parents, in the order of `atoms`.
    pub virtual_sites: Vec<VirtualSite>,
}

impl Species {
    /// How many residues a molecule has.
    pub fn n_residues(&self) -> usize {
        self.residues.len().max(1)
    }

    /// Which residue of its molecule an atom belongs to, from 0, and the name of that residue.
    pub fn residue_of(&self, local: usize) -> (usize, &str) {
        match self.residues.partition_point(|&(first, _)| first as usize <= local) {
            0 => (0, &self.residue),
            n => (n - 1, &self.residues[n - 1].1),
        }
    }

    /// Is any residue called this?
    pub fn has_residue(&self, name: &str) -> bool {
        self.residue == name || self.residues.iter().any(|(_, r)| r == name)
    }

    /// u
    pub fn mass(&self) -> f64 {
        self.atoms.iter().map(|a| a.mass).sum()
    }

    /// e
    pub fn charge(&self) -> f64 {
        self.atoms.iter().map(|a| a.charge).sum()
    }
}

/// One molecule: its species and its first atom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Molecule {
    pub species: u32,
    pub first_atom: u32,
}

/// Species, molecules and per-atom arrays. Build it with [`Topology::new`]; the arrays then stay consistent.
#[derive(Debug, Clone, PartialEq)]
pub struct Topology {
    /// Names of the Lennard-Jones types, `[n_types]`.
    pub types: Vec<String>,
    pub species: Vec<Species>,
    pub molecules: Vec<Molecule>,
    /// `[n_atoms]`, index into `types`
    pub type_ids: Vec<u32>,
    /// `[n_atoms]`, e
    pub charges: Vec<f64>,
    /// `[n_atoms]`, u
    pub masses: Vec<f64>,
    /// `[n_atoms]`, index into `molecules`
    pub molecule_of: Vec<u32>,
    /// `[n_atoms]`: does the atom stay where it is? A molecule with constraints is frozen whole or not at all.
    pub frozen: Vec<bool>,
    /// By species, from its exclusions.
    partners: Vec<Partners>,
}

/// For every atom of a species the atoms that it is excluded from: those of atom `i` are `start[i]..start[i + 1]`.
#[derive(Debug, Clone, PartialEq)]
struct Partners {
    start: Vec<u32>,
    atoms: Vec<u32>,
}

impl Partners {
    fn new(species: &Species) -> Self {
        let mut start = vec![0; species.atoms.len() + 1];
        for &(a, b) in &species.exclusions {
            start[a as usize + 1] += 1;
            start[b as usize + 1] += 1;
        }
        for i in 1..start.len() {
            start[i] += start[i - 1];
        }
        let mut next = start.clone();
        let mut atoms = vec![0; 2 * species.exclusions.len()];
        for &(a, b) in &species.exclusions {
            for (atom, partner) in [(a, b), (b, a)] {
                let slot = &mut next[atom as usize];
                atoms[*slot as usize] = partner;
                *slot += 1;
            }
        }
        Partners { start, atoms }
    }

    fn of(&self, atom: usize) -> &[u32] {
        &self.atoms[self.start[atom] as usize..self.start[atom + 1] as usize]
    }
}

impl Topology {
    /// A topology from molecule templates.
    ///
    /// * `types` – names of the Lennard-Jones types that `species` refer to
    /// * `sequence` – species index of every molecule, in the order of the atoms
    pub fn new(types: Vec<String>, species: Vec<Species>, sequence: &[u32]) -> Self {
        let partners = species.iter().map(Partners::new).collect();
        let mut topology = Topology {
            partners,
            types,
            species,
            molecules: Vec::with_capacity(sequence.len()),
            type_ids: Vec::new(),
            charges: Vec::new(),
            masses: Vec::new(),
            molecule_of: Vec::new(),
            frozen: Vec::new(),
        };
        for (index, &s) in sequence.iter().enumerate() {
            let first_atom = topology.type_ids.len() as u32;
            topology.molecules.push(Molecule { species: s, first_atom });
            for atom in &topology.species[s as usize].atoms {
                topology.type_ids.push(atom.type_id);
                topology.charges.push(atom.charge);
                topology.masses.push(atom.mass);
                topology.molecule_of.push(index as u32);
                topology.frozen.push(false);
            }
        }
        topology
    }

    pub fn n_atoms(&self) -> usize {
        self.type_ids.len()
    }

    pub fn n_types(&self) -> usize {
        self.types.len()
    }

    /// The species of molecule `m`.
    pub fn species_of(&self, m: usize) -> &Species {
        &self.species[self.molecules[m].species as usize]
    }

    /// Range of the atoms of molecule `m`.
    pub fn atoms_of(&self, m: usize) -> std::ops::Range<usize> {
        let first = self.molecules[m].first_atom as usize;
        first..first + self.species_of(m).atoms.len()
    }

    /// Species of atom `i` and the atom's index inside it.
    pub fn site(&self, i: usize) -> (&Species, usize) {
        let m = self.molecule_of[i] as usize;
        (self.species_of(m), i - self.molecules[m].first_atom as usize)
    }

    /// Template data of atom `i` (name, element, …).
    pub fn atom(&self, i: usize) -> &SpeciesAtom {
        let (species, local) = self.site(i);
        &species.atoms[local]
    }

    /// "ZN of Zn2+ (molecule 1)": how messages name an atom. Molecules count from 1.
    pub fn describe_atom(&self, i: usize) -> String {
        let (species, local) = self.site(i);
        format!("{} of {} (molecule {})", species.atoms[local].name, species.name, self.molecule_of[i] + 1)
    }

    /// Every excluded pair of atoms (i < j), in the order of the molecules.
    pub fn excluded_pairs(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.molecules.iter().flat_map(|m| {
            let first = m.first_atom as usize;
            let exclusions = &self.species[m.species as usize].exclusions;
            exclusions.iter().map(move |&(a, b)| (first + a as usize, first + b as usize))
        })
    }

    /// Atoms that atom `i` does not interact with directly.
    pub fn excluded_partners(&self, i: usize) -> impl Iterator<Item = usize> + '_ {
        let molecule = self.molecules[self.molecule_of[i] as usize];
        let first = molecule.first_atom as usize;
        self.partners[molecule.species as usize].of(i - first).iter().map(move |&j| first + j as usize)
    }

    /// Rigid waters as (index of O, geometry); the hydrogens follow at +1 and +2.
    pub fn rigid_waters(&self) -> impl Iterator<Item = (usize, RigidWater)> + '_ {
        self.molecules.iter().filter_map(|m| {
            self.species[m.species as usize].rigid_water.map(|geometry| (m.first_atom as usize, geometry))
        })
    }

    /// Net charge, e.
    pub fn net_charge(&self) -> f64 {
        self.charges.iter().sum()
    }

    /// Total mass, u.
    pub fn total_mass(&self) -> f64 {
        self.masses.iter().sum()
    }

    /// Number of holonomic constraints of molecules that move: three per rigid water, and the constrained distances of
    /// other molecules.
    pub fn n_constraints(&self) -> usize {
        let of = |s: &Species| s.constraints.len() + if s.rigid_water.is_some() { 3 } else { 0 };
        let mobile = self.molecules.iter().filter(|m| !self.frozen[m.first_atom as usize]);
        mobile.map(|m| of(&self.species[m.species as usize])).sum()
    }

    /// Degrees of freedom: 3 × massive atoms that move − constraints − removed centre-of-mass components.
    pub fn degrees_of_freedom(&self, removed_com_components: usize) -> usize {
        let massive = self.masses.iter().zip(&self.frozen).filter(|(m, frozen)| **m > 0.0 && !**frozen).count();
        (3 * massive).saturating_sub(self.n_constraints() + removed_com_components)
    }

    /// How many molecules of each species, `[n_species]`.
    pub fn species_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.species.len()];
        for m in &self.molecules {
            counts[m.species as usize] += 1;
        }
        counts
    }
}
