//! A system as a self-contained `.top`: every parameter in its row, nothing included, nothing left to a force field.
//!
//! Numbers are written so that they read back as the same bits, except Lennard-Jones coefficients, which become σ and ε
//! and agree to about 1e-15. Pairs that the combination rule does not give stand in `[ nonbond_params ]`. Exclusions
//! that bonds do not explain are listed, 1-4 parameters are given per pair and `gen-pairs` is `no`: GROMACS and OpenMM,
//! whose readers differ in what they generate, then have nothing to generate.

use super::elements;
use crate::potential::mixing::Mixing;
use crate::potential::pair_table::{PairCoefficients, PairTable};
use crate::system::System;
use crate::system::bonded::{Pair14, VirtualSite};
use crate::system::topology::{Species, SpeciesAtom};
use glam::DVec3;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write;

/// Largest relative difference between a pair and what the combination rule makes of it.
const SAME: f64 = 1e-12;

/// Why a system has no GROMACS topology.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ExportError {
    #[error(
        "the pair {a} {b} has a term -C4/r^4 with C4 = {c4} kJ/mol nm^4: a GROMACS topology holds r^-6 and r^-12 only, and would lose it\n  choose a 12-6 model of the ion"
    )]
    C4 { a: String, b: String, c4: f64 },
    #[error(
        "position restraints differ between the molecules of {species}: a GROMACS topology restrains all of them or none"
    )]
    Restraints { species: String },
}

/// The text of a topology. The order of the atoms is that of the system; the structure is written beside it.
///
/// # Errors
/// [`ExportError`] where the format cannot hold what the system has.
pub fn to_top(system: &System, title: &str) -> Result<String, ExportError> {
    let topology = &system.topology;
    let table = &system.pair_table;
    let counts = topology.species_counts();
    let used: Vec<usize> = (0..counts.len()).filter(|&s| counts[s] > 0).collect();
    let types = Types::new(system, &used);
    for (n, &a) in types.used.iter().enumerate() {
        for &b in &types.used[n..] {
            let c4 = table.get(a, b).c4;
            if c4 != 0.0 {
                let name = |t: usize| topology.types[t].clone();
                return Err(ExportError::C4 { a: name(a), b: name(b), c4 });
            }
        }
    }
    let molecule_names = unique_names(used.iter().map(|&s| topology.species[s].name.as_str()));
    let fudge_qq = common_fudge(used.iter().map(|&s| &topology.species[s]));
    let title: String = title.chars().map(|c| if c.is_control() || "[];#\\*".contains(c) { ' ' } else { c }).collect();
    let mut text =
        format!("; {}\n; written by hexaqua {}: nm, kJ/mol, e, u, degrees\n", title.trim(), env!("CARGO_PKG_VERSION"));
    types.write(&mut text, table, fudge_qq);
    for (&s, name) in used.iter().zip(&molecule_names) {
        let restraints = restraints_of(system, s)?;
        let writer = MoleculeWriter { species: &topology.species[s], types: &types, fudge_qq };
        writer.write(&mut text, name, &restraints);
    }
    let title = if title.trim().is_empty() { "hexaqua" } else { title.trim() };
    let _ = write!(text, "\n[ system ]\n{title}\n\n[ molecules ]\n");
    for run in topology.molecules.chunk_by(|a, b| a.species == b.species) {
        let name = used.iter().position(|&s| s == run[0].species as usize).map_or("", |n| molecule_names[n].as_str());
        let _ = writeln!(text, "{name} {}", run.len());
    }
    Ok(text)
}

/// A number that reads back as the same bits.
fn number(x: f64) -> String {
    match x.abs() {
        size if size != 0.0 && !(1e-4..1e9).contains(&size) => format!("{x:e}"),
        _ => format!("{x}"),
    }
}

/// An angle in degrees that reads back as the same radians, if there is one; else within a rounding.
fn degrees(radians: f64) -> String {
    let exact = radians.to_degrees();
    let rounded = (1..=12).map(|digits| {
        let scale = 10f64.powi(digits);
        (exact * scale).round() / scale
    });
    let neighbors = [exact, exact.next_up(), exact.next_down()];
    number(rounded.chain(neighbors).find(|d| d.to_radians() == radians).unwrap_or(exact))
}

/// Names without blanks and special characters, each once.
fn unique_names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut unique = |name: &str| {
        let plain: String =
            name.chars().map(|c| if c.is_whitespace() || "[];#\\\"<>".contains(c) { '_' } else { c }).collect();
        let plain = if plain.is_empty() || plain.starts_with('*') { format!("m{plain}") } else { plain };
        let mut candidate = plain.clone();
        let mut n = 2;
        while !taken.insert(candidate.clone()) {
            candidate = format!("{plain}_{n}");
            n += 1;
        }
        candidate
    };
    names.map(&mut unique).collect()
}

/// The factor on most 1-4 charge products; one if there are none.
fn common_fudge<'a>(species: impl Iterator<Item = &'a Species>) -> f64 {
    let mut votes: HashMap<u64, (usize, f64)> = HashMap::new();
    for s in species {
        for p in &s.bonded.pairs_14 {
            let product = charge_product(s, p);
            if product == 0.0 {
                continue;
            }
            let ratio = p.qq / product;
            // the shortest decimal that explains the product: 0.5, 0.8333, 0.8333333333
            let short = (1..=12).map(|n| (ratio * 10f64.powi(n)).round() / 10f64.powi(n));
            let fudge = short.into_iter().find(|f| same(f * product, p.qq)).unwrap_or(ratio);
            votes.entry(fudge.to_bits()).or_insert((0, fudge)).0 += 1;
        }
    }
    let most = votes.into_values().max_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
    most.map_or(1.0, |(_, fudge)| fudge)
}

fn charge_product(species: &Species, pair: &Pair14) -> f64 {
    pair.atoms.iter().map(|&i| species.atoms[i as usize].charge).product()
}

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= SAME * a.abs().max(b.abs())
}

fn same_pair(a: PairCoefficients, b: PairCoefficients) -> bool {
    same(a.c6, b.c6) && same(a.c12, b.c12)
}

/// σ (nm) and ε (kJ/mol) of coefficients; `None` where only one of them is zero.
fn sigma_epsilon(k: PairCoefficients) -> Option<(f64, f64)> {
    if k.c6 == 0.0 && k.c12 == 0.0 { Some((0.0, 0.0)) } else { k.sigma_epsilon() }
}

/// How pairs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// 1: c6 and c12
    Coefficients,
    /// 2 or 3: σ and ε
    SigmaEpsilon(Mixing),
}

impl Rule {
    fn number(self) -> u32 {
        match self {
            Rule::Coefficients => 1,
            Rule::SigmaEpsilon(Mixing::LorentzBerthelot) => 2,
            Rule::SigmaEpsilon(Mixing::Geometric) => 3,
        }
    }

    /// What the rule makes of two like pairs.
    fn mix(self, a: PairCoefficients, b: PairCoefficients) -> PairCoefficients {
        match (self, sigma_epsilon(a), sigma_epsilon(b)) {
            (Rule::SigmaEpsilon(mixing), Some(a), Some(b)) => {
                let (sigma, epsilon) = mixing.mix(a, b);
                PairCoefficients::from_sigma_epsilon(sigma, epsilon)
            }
            _ => PairCoefficients { c6: (a.c6 * b.c6).sqrt(), c12: (a.c12 * b.c12).sqrt(), c4: 0.0 },
        }
    }

    /// The two numbers of a row.
    fn row(self, k: PairCoefficients) -> String {
        match (self, sigma_epsilon(k)) {
            (Rule::SigmaEpsilon(_), Some((sigma, epsilon))) => format!("{} {}", number(sigma), number(epsilon)),
            _ => format!("{} {}", number(k.c6), number(k.c12)),
        }
    }
}

/// The types that are used, by name and with a representative atom each.
struct Types<'a> {
    /// Indices into the pair table.
    used: Vec<usize>,
    names: Vec<String>,
    atoms: Vec<&'a SpeciesAtom>,
    rule: Rule,
}

impl<'a> Types<'a> {
    fn new(system: &'a System, species: &[usize]) -> Self {
        let topology = &system.topology;
        let mut atoms: Vec<Option<&SpeciesAtom>> = vec![None; topology.n_types()];
        for &s in species {
            for atom in &topology.species[s].atoms {
                let seen = &mut atoms[atom.type_id as usize];
                // an atom says more about a type than a virtual site does
                if seen.is_none_or(|known| known.mass == 0.0) {
                    *seen = Some(atom);
                }
            }
        }
        let used: Vec<usize> = (0..atoms.len()).filter(|&t| atoms[t].is_some()).collect();
        let names = unique_names(used.iter().map(|&t| topology.types[t].as_str()));
        let rule = choose_rule(system, &used, species);
        let atoms = atoms.into_iter().flatten().collect();
        Types { used, names, atoms, rule }
    }

    fn name(&self, type_id: u32) -> &str {
        self.used.iter().position(|&t| t == type_id as usize).map_or("", |n| self.names[n].as_str())
    }

    fn write(&self, text: &mut String, table: &PairTable, fudge_qq: f64) {
        let _ = write!(
            text,
            "\n[ defaults ]\n; nbfunc comb-rule gen-pairs fudgeLJ fudgeQQ\n1 {} no 1.0 {}\n",
            self.rule.number(),
            number(fudge_qq)
        );
        let columns = if self.rule == Rule::Coefficients { "c6 c12" } else { "sigma epsilon" };
        let _ = write!(text, "\n[ atomtypes ]\n; name at.num mass charge ptype {columns}\n");
        for ((&t, name), atom) in self.used.iter().zip(&self.names).zip(&self.atoms) {
            let ptype = if atom.mass == 0.0 { "V" } else { "A" };
            let (n, mass) = (elements::atomic_number(&atom.element), number(atom.mass));
            let _ = writeln!(text, "{name} {n} {mass} 0.0 {ptype} {}", self.rule.row(table.get(t, t)));
        }
        let mut head = "\n[ nonbond_params ]\n; i j func, pairs that the combination rule does not give\n";
        for (n, &a) in self.used.iter().enumerate() {
            for (m, &b) in self.used.iter().enumerate().skip(n + 1) {
                let k = table.get(a, b);
                if !same_pair(self.rule.mix(table.get(a, a), table.get(b, b)), k) {
                    text.push_str(std::mem::take(&mut head));
                    let _ = writeln!(text, "{} {} 1 {}", self.names[n], self.names[m], self.rule.row(k));
                }
            }
        }
    }
}

/// c6 and c12 where some pair has only one of them, else the mixing that explains more pairs.
fn choose_rule(system: &System, used: &[usize], species: &[usize]) -> Rule {
    let table = &system.pair_table;
    let pairs = || used.iter().enumerate().flat_map(|(n, &a)| used[n..].iter().map(move |&b| (a, b)));
    let pairs_14 = species.iter().flat_map(|&s| &system.topology.species[s].bonded.pairs_14);
    let has_sigma = |k: PairCoefficients| sigma_epsilon(k).is_some();
    let all = pairs().all(|(a, b)| has_sigma(table.get(a, b)))
        && pairs_14.into_iter().all(|p| has_sigma(PairCoefficients { c6: p.c6, c12: p.c12, c4: 0.0 }));
    if !all {
        return Rule::Coefficients;
    }
    let explained = |mixing: Mixing| {
        let rule = Rule::SigmaEpsilon(mixing);
        pairs().filter(|&(a, b)| same_pair(rule.mix(table.get(a, a), table.get(b, b)), table.get(a, b))).count()
    };
    let geometric = explained(Mixing::Geometric) > explained(Mixing::LorentzBerthelot);
    Rule::SigmaEpsilon(if geometric { Mixing::Geometric } else { Mixing::LorentzBerthelot })
}

/// Restraints of the first molecule of a species, if those of the others are the same.
fn restraints_of(system: &System, species: usize) -> Result<Vec<(u32, DVec3)>, ExportError> {
    let topology = &system.topology;
    if system.restraints.is_empty() {
        return Ok(Vec::new());
    }
    let mut by_molecule: HashMap<u32, Vec<(u32, DVec3)>> = HashMap::new();
    for r in &system.restraints {
        let m = topology.molecule_of[r.atom as usize];
        let molecule = topology.molecules[m as usize];
        if molecule.species as usize == species {
            by_molecule.entry(m).or_default().push((r.atom - molecule.first_atom, r.k));
        }
    }
    let mut all = by_molecule.into_values();
    let Some(mut first) = all.next() else { return Ok(Vec::new()) };
    let sort = |list: &mut Vec<(u32, DVec3)>| list.sort_by_key(|r| r.0);
    sort(&mut first);
    let mut n = 1;
    for mut other in all {
        sort(&mut other);
        n += 1;
        if other != first {
            return Err(ExportError::Restraints { species: topology.species[species].name.clone() });
        }
    }
    match n == topology.species_counts()[species] {
        true => Ok(first),
        false => Err(ExportError::Restraints { species: topology.species[species].name.clone() }),
    }
}

/// The sections of one molecule.
struct MoleculeWriter<'a> {
    species: &'a Species,
    types: &'a Types<'a>,
    fudge_qq: f64,
}

/// Smaller index first.
fn sorted([a, b]: [u32; 2]) -> (u32, u32) {
    (a.min(b), a.max(b))
}

/// "1 2 3": atoms from 1.
fn atoms(indices: &[u32]) -> String {
    let shown: Vec<String> = indices.iter().map(|i| (i + 1).to_string()).collect();
    shown.join(" ")
}

fn section(text: &mut String, head: &str, rows: &[String]) {
    if !rows.is_empty() {
        let _ = write!(text, "\n{head}\n{}\n", rows.join("\n"));
    }
}

impl MoleculeWriter<'_> {
    fn write(&self, text: &mut String, name: &str, restraints: &[(u32, DVec3)]) {
        let species = self.species;
        let (bonds, graph) = self.bonds();
        let (nrexcl, exclusions) = self.exclusions(&graph);
        let _ = write!(text, "\n[ moleculetype ]\n; name nrexcl\n{name} {nrexcl}\n");
        let row = |(i, a): (usize, &SpeciesAtom)| {
            let (ordinal, residue) = species.residue_of(i);
            let residue: String = residue.split_whitespace().collect();
            let residue = if residue.is_empty() { "MOL" } else { &residue };
            let (charge, mass) = (number(a.charge), number(a.mass));
            let atom = if a.name.is_empty() { "X" } else { &a.name };
            format!("{0} {1} {2} {residue} {atom} {0} {charge} {mass}", i + 1, self.types.name(a.type_id), ordinal + 1)
        };
        let rows: Vec<String> = species.atoms.iter().enumerate().map(row).collect();
        section(text, "[ atoms ]\n; nr type resnr residue atom cgnr charge mass", &rows);
        section(text, "[ bonds ]\n; i j function length k", &bonds);
        section(text, "[ constraints ]\n; i j function length", &self.constraints());
        if let Some(water) = species.rigid_water {
            let row = format!("1 1 {} {}", number(water.d_oh), number(water.d_hh));
            section(text, "[ settles ]\n; oxygen function d(OH) d(HH)", &[row]);
        }
        section(text, "[ pairs ]\n; i j function sigma epsilon (or c6 c12)", &self.pairs());
        section(text, "[ angles ]\n; i j k function angle k (length k)", &self.angles());
        for (head, rows) in self.dihedrals() {
            section(text, head, &rows);
        }
        self.virtual_sites(text);
        section(text, "[ exclusions ]", &exclusions);
        let row = |(i, k): &(u32, DVec3)| format!("{} 1 {} {} {}", i + 1, number(k.x), number(k.y), number(k.z));
        let rows: Vec<String> = restraints.iter().map(row).collect();
        section(text, "[ position_restraints ]\n; atom function kx ky kz", &rows);
    }

    /// Rows of `[ bonds ]`, and the chemical bonds that a reader will see in the file.
    fn bonds(&self) -> (Vec<String>, Vec<(u32, u32)>) {
        let species = self.species;
        let mut potentials: HashMap<(u32, u32), Vec<usize>> = HashMap::new();
        for (n, bond) in species.bonded.bonds.iter().enumerate() {
            potentials.entry(sorted(bond.atoms)).or_default().push(n);
        }
        let constrained: HashSet<(u32, u32)> = species.constraints.iter().map(|c| sorted(c.atoms)).collect();
        let (mut rows, mut graph) = (Vec::new(), Vec::new());
        let mut written = vec![false; species.bonded.bonds.len()];
        let potential = |n: usize, function: u32| {
            let bond = &species.bonded.bonds[n];
            format!("{} {function} {} {}", atoms(&bond.atoms), number(bond.length), number(bond.k))
        };
        for &(a, b) in &species.bonds {
            let key = sorted([a, b]);
            let in_settles = species.rigid_water.is_some() && matches!(key, (0, 1) | (0, 2));
            match potentials.get(&key).map(|list| list[0]) {
                Some(n) if !written[n] => {
                    written[n] = true;
                    rows.push(potential(n, 1));
                    graph.push(key);
                }
                _ if in_settles => {}
                _ if constrained.contains(&key) => graph.push(key),
                _ => {
                    rows.push(format!("{} 5", atoms(&[a, b])));
                    graph.push(key);
                }
            }
        }
        // potentials between atoms that are not bonded
        rows.extend((0..written.len()).filter(|&n| !written[n]).map(|n| potential(n, 6)));
        rows.extend(
            self.lone_urey_bradleys().map(|u| format!("{} 6 {} {}", atoms(&u.atoms), number(u.length), number(u.k))),
        );
        (rows, graph)
    }

    /// The largest `nrexcl` up to 3 that excludes nothing too much, and rows for what it leaves out.
    fn exclusions(&self, graph: &[(u32, u32)]) -> (u32, Vec<String>) {
        let wanted: BTreeSet<(u32, u32)> = self.species.exclusions.iter().map(|&(a, b)| sorted([a, b])).collect();
        let n = self.species.atoms.len();
        let mut neighbors = vec![Vec::new(); n];
        for &(a, b) in graph {
            neighbors[a as usize].push(b);
            neighbors[b as usize].push(a);
        }
        let (mut nrexcl, mut explained) = (0, BTreeSet::new());
        let mut shells: Vec<BTreeSet<u32>> = (0..n as u32).map(|i| BTreeSet::from([i])).collect();
        for bonds in 1..=3 {
            let grow = |shell: &BTreeSet<u32>| {
                let next = shell.iter().flat_map(|&i| neighbors[i as usize].iter().copied());
                shell.iter().copied().chain(next).collect::<BTreeSet<u32>>()
            };
            shells = shells.iter().map(grow).collect();
            let pairs: BTreeSet<(u32, u32)> =
                (0..n as u32).flat_map(|i| shells[i as usize].range(i + 1..).map(move |&j| (i, j))).collect();
            if !pairs.is_subset(&wanted) {
                break;
            }
            (nrexcl, explained) = (bonds, pairs);
        }
        let mut rows: Vec<Vec<u32>> = Vec::new();
        for &(a, b) in wanted.difference(&explained) {
            match rows.last_mut() {
                Some(row) if row[0] == a => row.push(b),
                _ => rows.push(vec![a, b]),
            }
        }
        (nrexcl, rows.iter().map(|row| atoms(row)).collect())
    }

    fn constraints(&self) -> Vec<String> {
        let bonded: HashSet<(u32, u32)> = self.species.bonds.iter().map(|&(a, b)| sorted([a, b])).collect();
        let row = |c: &crate::system::bonded::DistanceConstraint| {
            let function = if bonded.contains(&sorted(c.atoms)) { 1 } else { 2 };
            format!("{} {function} {}", atoms(&c.atoms), number(c.length))
        };
        self.species.constraints.iter().map(row).collect()
    }

    fn pairs(&self) -> Vec<String> {
        let row = |p: &Pair14| {
            let parameters = self.types.rule.row(PairCoefficients { c6: p.c6, c12: p.c12, c4: 0.0 });
            match same(self.fudge_qq * charge_product(self.species, p), p.qq) {
                true => format!("{} 1 {parameters}", atoms(&p.atoms)),
                // its own product of charges
                false => format!("{} 2 1.0 {} 1.0 {parameters}", atoms(&p.atoms), number(p.qq)),
            }
        };
        self.species.bonded.pairs_14.iter().map(row).collect()
    }

    /// For each Urey-Bradley term the angle that spans it.
    fn urey_bradley_angles(&self) -> Vec<Option<usize>> {
        let bonded = &self.species.bonded;
        let mut spanning: HashMap<(u32, u32), Vec<usize>> = HashMap::new();
        for (n, angle) in bonded.angles.iter().enumerate().rev() {
            spanning.entry(sorted([angle.atoms[0], angle.atoms[2]])).or_default().push(n);
        }
        bonded.urey_bradleys.iter().map(|u| spanning.get_mut(&sorted(u.atoms)).and_then(Vec::pop)).collect()
    }

    fn lone_urey_bradleys(&self) -> impl Iterator<Item = &crate::system::bonded::UreyBradley> {
        let angles = self.urey_bradley_angles();
        self.species.bonded.urey_bradleys.iter().zip(angles).filter(|(_, angle)| angle.is_none()).map(|(u, _)| u)
    }

    fn angles(&self) -> Vec<String> {
        let bonded = &self.species.bonded;
        let mut term_of = vec![None; bonded.angles.len()];
        for (term, angle) in bonded.urey_bradleys.iter().zip(self.urey_bradley_angles()) {
            if let Some(n) = angle {
                term_of[n] = Some(term);
            }
        }
        let row =
            |(angle, term): (&crate::system::bonded::HarmonicAngle, Option<&crate::system::bonded::UreyBradley>)| {
                let harmonic = format!("{} {}", degrees(angle.angle), number(angle.k));
                match term {
                    None => format!("{} 1 {harmonic}", atoms(&angle.atoms)),
                    Some(u) => format!("{} 5 {harmonic} {} {}", atoms(&angle.atoms), number(u.length), number(u.k)),
                }
            };
        bonded.angles.iter().zip(term_of).map(row).collect()
    }

    fn dihedrals(&self) -> [(&'static str, Vec<String>); 4] {
        let bonded = &self.species.bonded;
        let periodic = |improper: bool| {
            let rows = bonded.dihedrals.iter().filter(move |d| d.is_improper == improper);
            rows.map(|d| {
                let function = if improper { 4 } else { 9 };
                format!("{} {function} {} {} {}", atoms(&d.atoms), degrees(d.phase), number(d.k), d.multiplicity)
            })
            .collect()
        };
        let rb =
            bonded.ryckaert_bellemans.iter().map(|d| format!("{} 3 {}", atoms(&d.atoms), d.c.map(number).join(" ")));
        let harmonic =
            (bonded.impropers.iter()).map(|d| format!("{} 2 {} {}", atoms(&d.atoms), degrees(d.angle), number(d.k)));
        [
            ("[ dihedrals ]\n; i j k l function phase k multiplicity", periodic(false)),
            ("[ dihedrals ]\n; i j k l function C0 C1 C2 C3 C4 C5", rb.collect()),
            ("[ dihedrals ]\n; planarity: i j k l function phase k multiplicity", periodic(true)),
            ("[ dihedrals ]\n; planarity: i j k l function angle k", harmonic.collect()),
        ]
    }

    fn virtual_sites(&self, text: &mut String) {
        let on_a_line = |s: &&VirtualSite| s.parents[1] == s.parents[2];
        let line =
            |s: &VirtualSite| format!("{} 1 {}", atoms(&[s.site, s.parents[0], s.parents[1]]), number(s.a + s.b));
        let plane = |s: &VirtualSite| {
            let [i, j, k] = s.parents;
            let (four, a, b) = (atoms(&[s.site, i, j, k]), number(s.a), number(s.b));
            if s.c == 0.0 { format!("{four} 1 {a} {b}") } else { format!("{four} 4 {a} {b} {}", number(s.c)) }
        };
        let sites = &self.species.virtual_sites;
        let two: Vec<String> = sites.iter().filter(on_a_line).map(line).collect();
        let three: Vec<String> = sites.iter().filter(|s| !on_a_line(s)).map(plane).collect();
        section(text, "[ virtual_sites2 ]\n; site i j function a", &two);
        section(text, "[ virtual_sites3 ]\n; site i j k function a b (c)", &three);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_read_back_as_the_same_radians() {
        for d in [107.1, 180.0, 0.0, 109.47, 111.7, -35.2643896, 104.52] {
            assert_eq!(degrees(f64::to_radians(d)), number(d));
        }
        let awkward = 1.234_567_890_123_456;
        let back: f64 = degrees(awkward).parse().unwrap_or(f64::NAN);
        assert!((back.to_radians() - awkward).abs() <= 4.0 * f64::EPSILON);
    }

    #[test]
    fn names_become_words_and_stay_apart() {
        let names = unique_names(["Zn2+", "my ion", "my_ion", "[x]", "", "*"].into_iter());
        assert_eq!(names, ["Zn2+", "my_ion", "my_ion_2", "_x_", "m", "m*"]);
    }
}
