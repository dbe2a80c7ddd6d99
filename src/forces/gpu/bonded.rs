//! The bonded pass: which terms every atom walks, their parameters on the device, and the sums it hands back.
//!
//! Terms stand once per species, in local indices; an atom that takes part in any is an *owner* and gathers its force.
//! Position restraints are terms of one atom. Twins: `forces::reference::bonded`, `restraints`.

use super::device::Context;
use super::fixed::FixedPosition;
use super::layout::{BONDED_PARTIALS, BondedTerm};
use super::nonbonded::{PairKernel, sum_partials, symmetric};
use super::pass::{Binding, Dispatch, Pass, PassSpec, WORKGROUP};
use super::shader::{Pieces, Shaders};
use crate::cell::Cell;
use crate::forces::ForceError;
use crate::forces::reference::bonded::{BondedSums, N_TERMS};
use crate::system::bonded::Bonded as BondedTerms;
use crate::system::{PositionRestraint, System, Topology};
use crate::units::COULOMB;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Kinds of term, as the shader numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bond = 0,
    UreyBradley = 1,
    Pair14 = 2,
    Angle = 3,
    Periodic = 4,
    PeriodicImproper = 5,
    RyckaertBellemans = 6,
    Improper = 7,
    Restraint = 8,
}

/// What the pass reads.
#[derive(Debug, Clone, PartialEq, Default)]
struct Tables {
    /// (atom, first atom of its molecule, range of `entries`)
    owners: Vec<[u32; 4]>,
    /// (term, kind + 16 × place of the atom in the term)
    entries: Vec<[u32; 2]>,
    terms: Vec<BondedTerm>,
}

/// Terms of one species with their kinds and numbers of atoms.
fn terms_of(bonded: &BondedTerms) -> Vec<(Kind, usize, BondedTerm)> {
    fn atoms<const N: usize>(local: [u32; N]) -> [u32; 4] {
        let mut all = [0; 4];
        all[..N].copy_from_slice(&local);
        all
    }
    let narrow = |values: &[f64]| {
        let mut all = [0.0; 4];
        for (to, &from) in all.iter_mut().zip(values) {
            *to = from as f32;
        }
        all
    };
    let none = [0.0; 4];
    let mut terms = Vec::new();
    terms.extend(
        (bonded.bonds.iter())
            .map(|t| (Kind::Bond, 2, BondedTerm { atoms: atoms(t.atoms), a: narrow(&[t.length, t.k]), b: none })),
    );
    terms.extend(
        (bonded.urey_bradleys.iter()).map(|t| {
            (Kind::UreyBradley, 2, BondedTerm { atoms: atoms(t.atoms), a: narrow(&[t.length, t.k]), b: none })
        }),
    );
    terms.extend((bonded.pairs_14.iter()).map(|t| {
        (Kind::Pair14, 2, BondedTerm { atoms: atoms(t.atoms), a: narrow(&[t.c6, t.c12, COULOMB * t.qq]), b: none })
    }));
    terms.extend((bonded.angles.iter()).map(|t| {
        let (sin, cos) = t.angle.sin_cos();
        (Kind::Angle, 3, BondedTerm { atoms: atoms(t.atoms), a: narrow(&[cos, sin, t.k]), b: none })
    }));
    terms.extend((bonded.dihedrals.iter()).map(|t| {
        let (sin, cos) = t.phase.sin_cos();
        let kind = if t.is_improper { Kind::PeriodicImproper } else { Kind::Periodic };
        let a = narrow(&[t.k, f64::from(t.multiplicity), cos, sin]);
        (kind, 4, BondedTerm { atoms: t.atoms, a, b: none })
    }));
    terms.extend((bonded.ryckaert_bellemans.iter()).map(|t| {
        (Kind::RyckaertBellemans, 4, BondedTerm { atoms: t.atoms, a: narrow(&t.c[..4]), b: narrow(&t.c[4..]) })
    }));
    terms.extend((bonded.impropers.iter()).map(|t| {
        let (sin, cos) = t.angle.sin_cos();
        (Kind::Improper, 4, BondedTerm { atoms: t.atoms, a: narrow(&[cos, sin, t.k]), b: none })
    }));
    terms
}

impl Tables {
    fn new(topology: &Topology, restraints: &[PositionRestraint]) -> Self {
        let mut tables = Tables::default();
        // by species: (local atom, range of entries)
        let mut walks: Vec<Vec<(u32, [u32; 2])>> = Vec::new();
        for species in &topology.species {
            let terms = terms_of(&species.bonded);
            let first_term = tables.terms.len() as u32;
            let mut by_atom: Vec<Vec<[u32; 2]>> = vec![Vec::new(); species.atoms.len()];
            for (index, (kind, n, term)) in terms.iter().enumerate() {
                for (place, &atom) in term.atoms[..*n].iter().enumerate() {
                    by_atom[atom as usize].push([first_term + index as u32, *kind as u32 + 16 * place as u32]);
                }
            }
            let mut walk = Vec::new();
            for (atom, entries) in by_atom.iter().enumerate().filter(|(_, entries)| !entries.is_empty()) {
                let start = tables.entries.len() as u32;
                tables.entries.extend(entries);
                walk.push((atom as u32, [start, tables.entries.len() as u32]));
            }
            walks.push(walk);
            tables.terms.extend(terms.iter().map(|(_, _, term)| *term));
        }
        // restraints are the last terms, in the order of the system
        let first_restraint = tables.terms.len() as u32;
        tables.terms.extend(restraints.iter().map(|r| {
            let k = r.k.to_array().map(|k| k as f32);
            BondedTerm { atoms: [0; 4], a: [k[0], k[1], k[2], 0.0], b: [0.0; 4] }
        }));
        let mut restrained: BTreeMap<u32, u32> =
            (restraints.iter().zip(first_restraint..)).map(|(r, term)| (r.atom, term)).collect();
        for molecule in &topology.molecules {
            let first = molecule.first_atom;
            let mut walk: BTreeMap<u32, [u32; 2]> = walks[molecule.species as usize].iter().copied().collect();
            for local in 0..topology.species[molecule.species as usize].atoms.len() as u32 {
                let Some(term) = restrained.remove(&(first + local)) else { continue };
                // a walk of its own: that of the species and the restraint
                let [start, end] = walk.get(&local).copied().unwrap_or([0, 0]);
                let own = tables.entries.len() as u32;
                tables.entries.extend_from_within(start as usize..end as usize);
                tables.entries.push([term, Kind::Restraint as u32]);
                walk.insert(local, [own, tables.entries.len() as u32]);
            }
            tables.owners.extend(walk.into_iter().map(|(atom, [start, end])| [first + atom, first, start, end]));
        }
        tables
    }
}

/// Bonded forces with and without sums.
pub struct Bonded {
    /// Without and with sums.
    narrow: [Pass; 2],
    /// The same with force sums of two words, when they have been needed.
    wide: OnceLock<[Pass; 2]>,
    recipe: Recipe,
    owners: wgpu::Buffer,
    entries: wgpu::Buffer,
    terms: wgpu::Buffer,
    partials: wgpu::Buffer,
    workgroups: u32,
    /// What `terms` holds when there are restraints, which depend on the cell.
    restrained: Option<(Vec<BondedTerm>, Vec<PositionRestraint>)>,
}

/// What it takes to compile a variant.
struct Recipe {
    shaders: Shaders,
    kernel: PairKernel,
    n_owners: u32,
    n_slots: u32,
}

impl Recipe {
    fn compile(&self, context: &Context, wide: bool) -> Result<[Pass; 2], ForceError> {
        use Binding::{Read, Uniform, Write};
        let mut defines = Vec::new();
        defines.extend((self.kernel == PairKernel::Half).then_some("HALF"));
        defines.extend(wide.then_some("WIDE"));
        let source = self.shaders.module("bonded", Pieces::defining(&defines));
        let compile = |with_energy: f64| {
            let (n_owners, n_slots) = (f64::from(self.n_owners), f64::from(self.n_slots));
            let constants = [("n_owners", n_owners), ("n_slots", n_slots), ("with_energy", with_energy)];
            let groups: [&[Binding]; 2] = [&[Uniform, Read, Read, Read, Read], &[Write, Write, Write]];
            Pass::new(context, &PassSpec { entry: "bonded", source: &source, constants: &constants, groups })
        };
        Ok([compile(0.0)?, compile(1.0)?])
    }
}

/// Buffers that the pass shares with others.
pub struct BondedBuffers<'a> {
    pub cell: &'a wgpu::Buffer,
    pub positions: &'a wgpu::Buffer,
    pub pair_forces: &'a wgpu::Buffer,
    pub status: &'a wgpu::Buffer,
}

impl Bonded {
    /// `None` when no molecule has a term and no atom is restrained.
    ///
    /// * `kernel`, `n_slots` – of the pair pass, whose force sums are added to
    pub fn new(
        context: &Context,
        shaders: &Shaders,
        system: &System,
        kernel: PairKernel,
        n_slots: u32,
    ) -> Result<Option<Self>, ForceError> {
        let tables = Tables::new(&system.topology, &system.restraints);
        if tables.owners.is_empty() {
            return Ok(None);
        }
        let n_owners = tables.owners.len() as u32;
        let recipe = Recipe { shaders: shaders.clone(), kernel, n_owners, n_slots };
        let workgroups = n_owners.div_ceil(WORKGROUP);
        Ok(Some(Bonded {
            narrow: recipe.compile(context, false)?,
            wide: OnceLock::new(),
            recipe,
            owners: context.storage_of("bonded owners", &tables.owners),
            entries: context.storage_of("bonded entries", &tables.entries),
            terms: context.storage_of("bonded terms", &tables.terms),
            partials: context.storage("bonded partials", workgroups as usize * BONDED_PARTIALS * 4),
            workgroups,
            restrained: (!system.restraints.is_empty()).then(|| (tables.terms, system.restraints.clone())),
        }))
    }

    /// Places of restraints in a new cell.
    pub fn set_cell(&mut self, context: &Context, cell: &Cell) {
        let Some((terms, restraints)) = &mut self.restrained else { return };
        let first = terms.len() - restraints.len();
        for (term, restraint) in terms[first..].iter_mut().zip(restraints) {
            let [x, y, z] = FixedPosition::from_cartesian(cell, restraint.reference).wrapped().map(|i| i as u32);
            term.atoms = [x, y, z, 0];
        }
        context.write(&self.terms, terms);
    }

    /// The buffer that [`Self::sums`] reads.
    pub fn partials(&self) -> &wgpu::Buffer {
        &self.partials
    }

    /// Bytes of `partials`.
    pub fn partials_bytes(&self) -> usize {
        self.workgroups as usize * BONDED_PARTIALS * 4
    }

    /// Dispatches (without sums, with sums).
    ///
    /// * `wide` – with force sums of two words; only the half list has them
    pub fn dispatches(
        &self,
        context: &Context,
        shared: &BondedBuffers,
        wide: bool,
    ) -> Result<[Dispatch; 2], ForceError> {
        let passes = match (wide && self.recipe.kernel == PairKernel::Half, self.wide.get()) {
            (false, _) => &self.narrow,
            (true, Some(passes)) => passes,
            (true, None) => {
                let passes = self.recipe.compile(context, true)?;
                self.wide.get_or_init(|| passes)
            }
        };
        Ok([0, 1].map(|k| {
            let inputs = [shared.cell, shared.positions, &self.owners, &self.entries, &self.terms];
            let outputs = [shared.pair_forces, shared.status, &self.partials];
            passes[k].dispatch(context, [&inputs, &outputs], self.workgroups)
        }))
    }

    /// Energies by term and virial, and the energy of position restraints, kJ/mol.
    pub fn sums(partials: &[f32]) -> (BondedSums, f64) {
        let sums = sum_partials::<BONDED_PARTIALS>(partials);
        let mut energies = [0.0; N_TERMS];
        energies.copy_from_slice(&sums[..N_TERMS]);
        (BondedSums { energies, virial: symmetric(&sums[8..14]) }, sums[7])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::bonded::{HarmonicAngle, HarmonicBond};
    use crate::system::topology::{Species, SpeciesAtom};
    use glam::DVec3;

    fn species(n: usize, bonded: BondedTerms) -> Species {
        let atom = SpeciesAtom { name: "X".into(), element: "C".into(), type_id: 0, charge: 0.0, mass: 12.0 };
        Species { atoms: vec![atom; n], bonded, ..Species::default() }
    }

    /// Terms stand once per species; every atom of a term has an entry, other atoms none.
    #[test]
    fn atoms_own_what_they_take_part_in() {
        let bonded = BondedTerms {
            bonds: vec![HarmonicBond { atoms: [3, 1], length: 0.1, k: 1.0 }],
            angles: vec![HarmonicAngle { atoms: [1, 3, 4], angle: 2.0, k: 3.0 }],
            ..BondedTerms::default()
        };
        let all = [species(1, BondedTerms::default()), species(5, bonded)];
        let topology = Topology::new(vec!["X".into()], all.to_vec(), &[1, 0, 1]);
        let tables = Tables::new(&topology, &[]);
        assert_eq!(tables.terms.len(), 2);
        assert_eq!(tables.entries, [[0, 16], [1, 3], [0, 0], [1, 3 + 16], [1, 3 + 32]]);
        let (one, three, four) = ([0, 2], [2, 4], [4, 5]);
        let expected = [(1, 0, one), (3, 0, three), (4, 0, four), (7, 6, one), (9, 6, three), (10, 6, four)];
        assert_eq!(tables.owners, expected.map(|(atom, first, [start, end])| [atom, first, start, end]));
        let single = Topology::new(vec!["X".into()], all.to_vec(), &[0, 0]);
        assert_eq!(Tables::new(&single, &[]).owners, [[0u32; 4]; 0]);
        // restraints on an atom with terms, on one without, and on a single atom
        let on = |atom| PositionRestraint { atom, reference: DVec3::ZERO, k: DVec3::X };
        let held = Tables::new(&topology, &[on(9), on(5), on(6)]);
        assert_eq!(held.terms.len(), 5);
        let of = |atom: u32| {
            let owner = held.owners.iter().find(|o| o[0] == atom).expect("an owner");
            held.entries[owner[2] as usize..owner[3] as usize].to_vec()
        };
        assert_eq!(of(9), [[0, 0], [1, 19], [2, 8]]);
        assert_eq!((of(5), of(6)), (vec![[3, 8]], vec![[4, 8]]));
        assert_eq!(held.owners.len(), 8);
    }
}
