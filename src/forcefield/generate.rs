//! From connectivity to a species: bonds, angles, torsions, exclusions and 1-4 pairs of a molecule of the library.
//!
//! Parameters are found by the classes of the atoms, in either direction. Bond distances are shortest paths, so atoms of a
//! ring that are both two and three bonds apart are a 1-3 pair and nothing else. Knows one molecule; types of other
//! species and mixing between them are the business of [`super::assemble`].

use super::library::{Combination, ParameterSet};
use super::molecule::{AngleType, AtomType, BondType, MoleculeTemplate, TorsionType};
use crate::potential::mixing::Mixing;
use crate::potential::pair_table::PairCoefficients;
use crate::system::bonded::{
    Bonded, DistanceConstraint, HarmonicAngle, HarmonicBond, Pair14, PeriodicDihedral, RyckaertBellemans,
};
use crate::system::redundant::independent;
use crate::system::topology::{Species, SpeciesAtom};
use glam::DVec3;

/// Pairs of atoms up to this many bonds apart are excluded; the last of them are 1-4 pairs.
const EXCLUDED_BONDS: u8 = 3;

/// A molecule with everything that its connectivity implies.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// `type_id` of its atoms counts the types of the set, from 0.
    pub species: Species,
    /// Bonds, angles and torsions found, those with zero parameters included.
    pub n_bonds: usize,
    pub n_angles: usize,
    pub n_torsions: usize,
    /// What stands in for missing parameters, each once.
    pub substitutes: Vec<String>,
}

/// Builds the species of `template` with the parameters of `set`. Its name and residue are those of the template.
///
/// # Errors
/// What is missing or inconsistent, naming atoms and classes.
pub fn generate(set: &ParameterSet, template: &MoleculeTemplate) -> Result<Generated, String> {
    let name = &template.name;
    let types: Vec<(usize, &AtomType)> = template
        .atoms
        .iter()
        .map(|atom| {
            let found = set.atom_types.iter().enumerate().find(|(_, t)| t.name == atom.type_name);
            found.ok_or_else(|| format!("{name}: atom {} has the unknown type `{}`", atom.name, atom.type_name))
        })
        .collect::<Result<_, _>>()?;
    let neighbors = neighbors(template)?;
    let distance = bond_distances(&neighbors);
    let class = |i: usize| types[i].1.class.as_str();
    let describe = |atoms: &[usize]| {
        let names: Vec<&str> = atoms.iter().map(|&i| template.atoms[i].name.as_str()).collect();
        let classes: Vec<&str> = atoms.iter().map(|&i| class(i)).collect();
        format!("{} (classes {})", names.join("-"), classes.join("-"))
    };
    let mut substitutes: Vec<String> = Vec::new();
    let mut note = |substitute: &Option<String>| {
        if let Some(text) = substitute.as_ref().filter(|text| !substitutes.contains(*text)) {
            substitutes.push(text.clone());
        }
    };
    let mut bonded = Bonded::default();
    let mut constraints = Vec::new();

    for &[a, b] in &template.bonds {
        let atoms = [a as usize, b as usize];
        let classes = atoms.map(class);
        let found: Option<&BondType> = set.bond_types.iter().find(|t| matches(&t.classes, &classes));
        let found = found.ok_or_else(|| format!("{name}: no bond parameters for {}", describe(&atoms)))?;
        note(&found.substitute);
        match found.k.filter(|_| !template.rigid) {
            Some(k) => bonded.bonds.push(HarmonicBond { atoms: [a, b], length: found.r0, k }),
            None => constraints.push(DistanceConstraint { atoms: [a, b], length: found.r0 }),
        }
    }

    let mut n_angles = 0;
    for (j, around) in neighbors.iter().enumerate() {
        for (n, &i) in around.iter().enumerate() {
            for &k in &around[n + 1..] {
                n_angles += 1;
                let classes = [i, j, k].map(class);
                let found: Option<&AngleType> = set.angle_types.iter().find(|t| matches(&t.classes, &classes));
                let found = found.ok_or_else(|| format!("{name}: no angle parameters for {}", describe(&[i, j, k])))?;
                note(&found.substitute);
                if template.rigid {
                    continue;
                }
                let strength = found.k.ok_or_else(|| format!("{name}: angle {} has no k", describe(&[i, j, k])))?;
                bonded.angles.push(HarmonicAngle {
                    atoms: [i, j, k].map(|x| x as u32),
                    angle: found.theta0.to_radians(),
                    k: strength,
                });
            }
        }
    }

    let mut n_torsions = 0;
    for &[j, k] in &template.bonds {
        let (j, k) = (j as usize, k as usize);
        for &i in neighbors[j].iter().filter(|&&i| i != k) {
            for &l in neighbors[k].iter().filter(|&&l| l != j && l != i) {
                n_torsions += 1;
                let classes = [i, j, k, l].map(class);
                let fits = |t: &&TorsionType| matches(&t.classes, &classes);
                let own = template.torsion_types.iter().find(fits);
                let found = own.or_else(|| set.torsion_types.iter().find(fits));
                let found =
                    found.ok_or_else(|| format!("{name}: no torsion parameters for {}", describe(&[i, j, k, l])))?;
                note(&found.substitute);
                let c = found.coefficients();
                // A constant is kept: energies are then those of programs that read the same numbers.
                if c != [0.0; 6] && !template.rigid {
                    let atoms = [i, j, k, l].map(|x| x as u32);
                    bonded.ryckaert_bellemans.push(RyckaertBellemans { atoms, c });
                }
            }
        }
    }

    for improper in &template.impropers {
        let found = set.improper_types.iter().find(|t| t.name == improper.type_name);
        let found = found.ok_or_else(|| format!("{name}: unknown improper `{}`", improper.type_name))?;
        if improper.atoms.iter().any(|&i| i as usize >= types.len()) {
            return Err(format!("{name}: an improper names an atom beyond the last"));
        }
        bonded.dihedrals.push(PeriodicDihedral {
            atoms: improper.atoms,
            phase: found.phi0.to_radians(),
            k: found.k,
            multiplicity: found.n,
            is_improper: true,
        });
    }

    let rule = if set.combination == Combination::Geometric { Mixing::Geometric } else { Mixing::LorentzBerthelot };
    let mut exclusions = Vec::new();
    for i in 0..types.len() {
        for j in i + 1..types.len() {
            if distance[i][j] > EXCLUDED_BONDS {
                continue;
            }
            let atoms = [i as u32, j as u32];
            exclusions.push((atoms[0], atoms[1]));
            if distance[i][j] < EXCLUDED_BONDS || template.rigid {
                continue;
            }
            let scale = set.scale_14.ok_or_else(|| format!("{name}: its set does not say how 1-4 pairs are scaled"))?;
            let (a, b) = (types[i].1, types[j].1);
            let (sigma, epsilon) = rule.mix((a.sigma, a.epsilon), (b.sigma, b.epsilon));
            let lj = PairCoefficients::from_sigma_epsilon(sigma, scale.lj * epsilon);
            let qq = scale.coulomb * a.charge * b.charge;
            bonded.pairs_14.push(Pair14 { atoms, c6: lj.c6, c12: lj.c12, qq });
        }
    }

    if template.rigid {
        constraints = rigid_constraints(template, &constraints)?;
    }
    for (what, found, stated) in
        [("angles", n_angles, template.n_angles), ("torsions", n_torsions, template.n_torsions)]
    {
        if let Some(stated) = stated.filter(|&n| n != found) {
            return Err(format!("{name}: its bonds give {found} {what}, the entry says {stated}"));
        }
    }
    if !template.geometry.is_empty() && template.geometry.len() != template.atoms.len() {
        return Err(format!("{name}: {} atoms, but a geometry of {}", template.atoms.len(), template.geometry.len()));
    }
    let atoms = template.atoms.iter().zip(&types).map(|(atom, &(type_id, t))| SpeciesAtom {
        name: atom.name.clone(),
        element: atom.element.clone(),
        type_id: type_id as u32,
        charge: t.charge,
        mass: t.mass,
    });
    let species = Species {
        name: name.clone(),
        residue: name.chars().filter(char::is_ascii_alphanumeric).take(5).collect::<String>().to_uppercase(),
        atoms: atoms.collect(),
        bonds: template.bonds.iter().map(|&[a, b]| (a, b)).collect(),
        exclusions,
        bonded,
        constraints,
        ..Species::default()
    };
    Ok(Generated { species, n_bonds: template.bonds.len(), n_angles, n_torsions, substitutes })
}

/// Classes in either direction.
fn matches<const N: usize>(parameter: &[String; N], wanted: &[&str; N]) -> bool {
    let forward = parameter.iter().zip(wanted).all(|(p, w)| p == w);
    forward || parameter.iter().rev().zip(wanted).all(|(p, w)| p == w)
}

/// `[n_atoms]`, ascending.
fn neighbors(template: &MoleculeTemplate) -> Result<Vec<Vec<usize>>, String> {
    let n = template.atoms.len();
    let mut neighbors = vec![Vec::new(); n];
    for &[a, b] in &template.bonds {
        let (a, b) = (a as usize, b as usize);
        if a >= n || b >= n || a == b || neighbors[a].contains(&b) {
            return Err(format!("{}: the bond [{a}, {b}] is impossible or there twice", template.name));
        }
        neighbors[a].push(b);
        neighbors[b].push(a);
    }
    neighbors.iter_mut().for_each(|list| list.sort_unstable());
    Ok(neighbors)
}

/// Shortest paths in bonds, `[n_atoms][n_atoms]`; 255 where there is none.
fn bond_distances(neighbors: &[Vec<usize>]) -> Vec<Vec<u8>> {
    let from = |start: usize| {
        let mut distance = vec![u8::MAX; neighbors.len()];
        distance[start] = 0;
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(i) = queue.pop_front() {
            for &j in &neighbors[i] {
                if distance[j] == u8::MAX {
                    distance[j] = distance[i].saturating_add(1);
                    queue.push_back(j);
                }
            }
        }
        distance
    };
    (0..neighbors.len()).map(from).collect()
}

/// As few distances as fix the shape: the bonds first, then any pair that takes away one more motion.
fn rigid_constraints(
    template: &MoleculeTemplate,
    bonds: &[DistanceConstraint],
) -> Result<Vec<DistanceConstraint>, String> {
    let geometry: Vec<DVec3> = template.geometry.iter().map(|&r| DVec3::from_array(r)).collect();
    let n = geometry.len();
    if n != template.atoms.len() {
        return Err(format!("{}: a rigid molecule needs its geometry", template.name));
    }
    let length = |i: usize, j: usize| (geometry[i] - geometry[j]).length();
    if let Some(off) = bonds.iter().find(|b| (length(b.atoms[0] as usize, b.atoms[1] as usize) - b.length).abs() > 1e-6)
    {
        return Err(format!("{}: its geometry does not have the bond length {} nm", template.name, off.length));
    }
    let every_pair = (0..n).flat_map(|i| (i + 1..n).map(move |j| [i as u32, j as u32]));
    let pairs: Vec<[u32; 2]> = bonds.iter().map(|b| b.atoms).chain(every_pair).collect();
    let chosen = pairs.iter().zip(independent(&geometry, &pairs, 1e-6)).filter(|(_, is_independent)| *is_independent);
    let kept = |(&atoms, _): (&[u32; 2], bool)| DistanceConstraint {
        atoms,
        length: length(atoms[0] as usize, atoms[1] as usize),
    };
    Ok(chosen.map(kept).collect())
}
