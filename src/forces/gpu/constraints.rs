//! Which atoms and constraints the workgroups of `constraints.wgsl` take together.
//!
//! Constraints that share atoms form a group; groups are packed into bundles of at most 64 atoms and 32 constraints, in
//! the order of the atoms. Twin: `forces::reference::constraints`.

use super::device::Context;
use super::integrate::{ForceInput, STEP_BLOCK, StateBuffers};
use super::pass::{Binding, Dispatch, Pass, PassSpec};
use super::shader::{Pieces, Shaders};
use crate::forces::ForceError;
use crate::neighbor::clusters::PADDING;
use crate::system::Topology;
use crate::system::bonded::DistanceConstraint;
use crate::system::topology::Species;

const MAX_ATOMS: usize = 64;
const MAX_CONSTRAINTS: usize = 32;

/// Constraints of a species that share atoms, in local indices.
#[derive(Debug, Clone, PartialEq)]
struct Group {
    /// ascending
    atoms: Vec<u32>,
    constraints: Vec<DistanceConstraint>,
}

/// The groups of a species, in the order of their first atoms.
fn groups_of(species: &Species) -> Vec<Group> {
    // the smallest atom that is joined with each
    let mut root: Vec<usize> = (0..species.atoms.len()).collect();
    fn find(root: &mut [usize], mut atom: usize) -> usize {
        while root[atom] != atom {
            root[atom] = root[root[atom]];
            atom = root[atom];
        }
        atom
    }
    for constraint in &species.constraints {
        let [a, b] = constraint.atoms.map(|atom| find(&mut root, atom as usize));
        root[a.max(b)] = a.min(b);
    }
    let mut groups: Vec<(usize, Group)> = Vec::new();
    for constraint in &species.constraints {
        let of = find(&mut root, constraint.atoms[0] as usize);
        match groups.iter_mut().find(|(first, _)| *first == of) {
            Some((_, group)) => group.constraints.push(*constraint),
            None => groups.push((of, Group { atoms: Vec::new(), constraints: vec![*constraint] })),
        }
    }
    groups.sort_by_key(|(first, _)| *first);
    (groups.into_iter())
        .map(|(_, mut group)| {
            group.atoms = group.constraints.iter().flat_map(|c| c.atoms).collect();
            group.atoms.sort_unstable();
            group.atoms.dedup();
            group
        })
        .collect()
}

/// Atoms and constraints of one workgroup; constraints hold places in `atoms`.
#[derive(Debug, Clone, PartialEq, Default)]
struct Bundle {
    atoms: Vec<u32>,
    constraints: Vec<([u32; 2], f32)>,
}

impl Bundle {
    fn add(&mut self, group: &Group, first_atom: u32) {
        let first_place = self.atoms.len();
        self.atoms.extend(group.atoms.iter().map(|atom| first_atom + atom));
        let place = |atom: u32| (first_place + group.atoms.partition_point(|&a| a < atom)) as u32;
        self.constraints.extend(group.constraints.iter().map(|c| (c.atoms.map(place), c.length as f32)));
    }

    /// What the shader reads.
    fn words(&self) -> [[u32; 4]; MAX_ATOMS + MAX_CONSTRAINTS] {
        let n = self.constraints.len() as u32;
        let mut words = [[PADDING, 0, 0, n]; MAX_ATOMS + MAX_CONSTRAINTS];
        for (word, &atom) in words.iter_mut().zip(&self.atoms) {
            word[0] = atom;
        }
        words[MAX_ATOMS..].fill([0; 4]);
        for (k, ([i, j], length)) in self.constraints.iter().enumerate() {
            words[*i as usize][1] |= 1 << k;
            words[*j as usize][2] |= 1 << k;
            words[MAX_ATOMS + k] = [*i, *j, length.to_bits(), 0];
        }
        words
    }
}

/// Bundles of the molecules that move, and which atoms are in one, `[n_atoms]`.
fn bundles(topology: &Topology) -> Result<(Vec<Bundle>, Vec<bool>), ForceError> {
    let by_species: Vec<Vec<Group>> = topology.species.iter().map(groups_of).collect();
    let mut bundles = Vec::new();
    let mut current = Bundle::default();
    let mut bundled = vec![false; topology.n_atoms()];
    for molecule in topology.molecules.iter().filter(|m| !topology.frozen[m.first_atom as usize]) {
        let first = molecule.first_atom;
        for group in &by_species[molecule.species as usize] {
            if group.constraints.len() > MAX_CONSTRAINTS || group.atoms.len() > MAX_ATOMS {
                let name = &topology.species[molecule.species as usize].name;
                let what = format!(
                    "{name} has {} constraints that share atoms, above {MAX_CONSTRAINTS}; constrain bonds to hydrogen only",
                    group.constraints.len()
                );
                return Err(ForceError::Unsupported { what, instead: "cpu" });
            }
            if current.atoms.len() + group.atoms.len() > MAX_ATOMS
                || current.constraints.len() + group.constraints.len() > MAX_CONSTRAINTS
            {
                bundles.push(std::mem::take(&mut current));
            }
            current.add(group, first);
            group.atoms.iter().for_each(|&atom| bundled[(first + atom) as usize] = true);
        }
    }
    if !current.atoms.is_empty() {
        bundles.push(current);
    }
    Ok((bundles, bundled))
}

/// The update pass of atoms whose distances are constrained.
pub struct Constraints {
    /// With narrow and with wide force sums.
    passes: [Option<Pass>; 2],
    bundles: wgpu::Buffer,
    n_bundles: u32,
    /// `[n_atoms]`: does the pass move the atom?
    pub moves: Vec<bool>,
}

impl Constraints {
    pub fn new(
        context: &Context,
        shaders: &Shaders,
        topology: &Topology,
        input: &ForceInput,
    ) -> Result<Self, ForceError> {
        use Binding::{Read, Uniform, UniformBlock, Write};
        let (bundles, moves) = bundles(topology)?;
        let words: Vec<[u32; 4]> = bundles.iter().flat_map(Bundle::words).collect();
        let mut inputs = vec![Uniform, UniformBlock(STEP_BLOCK.1), Read];
        inputs.extend(input.long_range.map(|_| Read));
        let groups: [&[Binding]; 2] = [&inputs, &[Write, Write, Write, Write, Write, Write]];
        let compile = |wide: bool| {
            let source = shaders.module("constraints", Pieces::defining(&input.defines(wide)));
            let (entry, constants) = ("update_constrained", &input.constants);
            Pass::new(context, &PassSpec { entry, source: &source, constants, groups })
        };
        Ok(Constraints {
            passes: if bundles.is_empty() { [None, None] } else { input.both(compile)? },
            n_bundles: bundles.len() as u32,
            bundles: context.storage_of("constraint bundles", &words),
            moves,
        })
    }

    /// Workgroups of the pass, whose partial sums come before those of the update pass.
    pub fn workgroups(&self) -> u32 {
        self.n_bundles
    }

    /// `None` when nothing is constrained.
    ///
    /// * `steps`, `partials` – of the update pass
    pub fn dispatch(
        &self,
        context: &Context,
        state: &StateBuffers,
        [steps, partials]: [&wgpu::Buffer; 2],
        wide: bool,
    ) -> Option<Dispatch> {
        let mut inputs = vec![state.cell, steps, &self.bundles];
        inputs.extend(state.long_range);
        let outputs = [state.pair_forces, state.positions, state.velocities, state.sorted, partials, state.status];
        let pass = self.passes[usize::from(wide)].as_ref()?;
        Some(pass.dispatch_blocks(context, [&inputs, &outputs], self.n_bundles, Some(STEP_BLOCK)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::topology::SpeciesAtom;

    fn species(n: usize, pairs: &[[u32; 2]]) -> Species {
        let atom = SpeciesAtom { name: "X".into(), element: "C".into(), type_id: 0, charge: 0.0, mass: 12.0 };
        let constraints = pairs.iter().map(|&atoms| DistanceConstraint { atoms, length: 0.1 }).collect();
        Species { atoms: vec![atom; n], constraints, ..Species::default() }
    }

    fn topology(species: Species, n: usize) -> Topology {
        Topology::new(vec!["X".into()], vec![species], &vec![0; n])
    }

    #[test]
    fn constraints_that_share_atoms_stay_together() {
        let groups = groups_of(&species(9, &[[7, 8], [4, 1], [5, 4], [1, 2], [8, 6]]));
        let atoms: Vec<&[u32]> = groups.iter().map(|g| g.atoms.as_slice()).collect();
        assert_eq!(atoms, [&[1, 2, 4, 5][..], &[6, 7, 8]]);
        assert_eq!(groups.iter().map(|g| g.constraints.len()).collect::<Vec<_>>(), [3, 2]);
    }

    #[test]
    fn bundles_hold_every_constraint_once_and_stay_within_their_limits() {
        // three constraints on four atoms, five times per molecule of 22 atoms
        let pairs: Vec<[u32; 2]> = (0..5)
            .flat_map(|g| {
                [1, 2, 3].map(|h| [4 * g + if g % 2 == 0 { 0 } else { h }, 4 * g + if g % 2 == 0 { h } else { 0 }])
            })
            .collect();
        let topology = topology(species(22, &pairs), 7);
        let (all, bundled) = bundles(&topology).expect("small groups");
        assert_eq!(bundled.iter().filter(|&&b| b).count(), 7 * 20);
        assert_eq!(all.iter().map(|b| b.constraints.len()).sum::<usize>(), 7 * 15);
        let mut seen = Vec::new();
        for bundle in &all {
            assert!(bundle.atoms.len() <= MAX_ATOMS && bundle.constraints.len() <= MAX_CONSTRAINTS);
            let words = bundle.words();
            for k in 0..bundle.constraints.len() {
                let [i, j, length, _] = words[MAX_ATOMS + k];
                assert_eq!(length, 0.1f32.to_bits());
                assert_ne!(words[i as usize][1] & 1 << k, 0);
                assert_ne!(words[j as usize][2] & 1 << k, 0);
                seen.push([words[i as usize][0], words[j as usize][0]]);
            }
            let bits: u32 = words[..MAX_ATOMS].iter().map(|w| w[1].count_ones() + w[2].count_ones()).sum();
            assert_eq!(bits as usize, 2 * bundle.constraints.len());
        }
        let expected = (0..7).flat_map(|m| pairs.iter().map(move |p| p.map(|a| 22 * m + a)));
        assert_eq!(seen, expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_group_that_is_too_large_is_refused_by_name() {
        let chain: Vec<[u32; 2]> = (0..33).map(|k| [k, k + 1]).collect();
        let error = bundles(&topology(species(40, &chain), 1)).expect_err("33 constraints");
        assert!(error.to_string().contains("33 constraints"), "{error}");
        assert!(bundles(&topology(species(40, &chain[..32]), 1)).is_ok());
    }
}
