//! A molecule type with the force field's parameters filled in: [`MoleculeType`] to [`Species`].

use super::TopologyError;
use super::elements;
use super::functions::{function, functions};
use super::nonbonded::Nonbonded;
use super::parse::Records;
use super::records::{AtomType, MoleculeType, ParticleKind, Term, TermKind};
use super::source::{Place, Sources};
use crate::suggest::nearest;
use crate::system::bonded::{
    Bonded, DistanceConstraint, HarmonicAngle, HarmonicBond, HarmonicImproper, Pair14, PeriodicDihedral,
    RyckaertBellemans, UreyBradley, VirtualSite,
};
use crate::system::redundant::SAME_LENGTH;
use crate::system::topology::{RigidWater, Species, SpeciesAtom};
use glam::DVec3;
use std::collections::{HashMap, HashSet};

/// A charge this far from an integer is worth a word, e. Six atoms rounded to four digits may be off by less.
const CHARGE_TOLERANCE: f64 = 1e-4;

/// A molecule ready to be used.
pub(super) struct Molecule {
    pub species: Species,
    /// Local index and force constants along x, y, z (kJ/mol/nm²).
    pub restraints: Vec<(u32, DVec3)>,
    pub warnings: Vec<String>,
}

/// What molecules are made with.
pub(super) struct Context<'a> {
    pub records: &'a Records,
    pub sources: &'a Sources,
    pub nonbonded: Nonbonded<'a>,
    /// Index into `records.atom_types` → index into the topology's types.
    pub type_ids: HashMap<usize, u32>,
}

/// The atom types of a molecule, in the order of its atoms.
pub(super) fn types_of(
    records: &Records,
    sources: &Sources,
    molecule: &MoleculeType,
) -> Result<Vec<usize>, TopologyError> {
    let find = |atom: &super::records::AtomRow| {
        records.atom_type_index.get(&atom.type_name).copied().ok_or_else(|| {
            let near = nearest(&atom.type_name, records.atom_types.iter().map(|t| t.name.as_str()));
            let help = near.map_or("add it to [ atomtypes ], or include the force field".into(), |n| {
                format!("did you mean `{n}`?")
            });
            let message = format!("there is no atom type `{}`", atom.type_name);
            sources.fault_at(atom.place, (&atom.type_name, 1), message, help)
        })
    };
    molecule.atoms.iter().map(find).collect()
}

impl Context<'_> {
    /// Fills in one molecule.
    pub fn molecule(&self, molecule: &MoleculeType) -> Result<Molecule, TopologyError> {
        let types = types_of(self.records, self.sources, molecule)?;
        let mut maker = Maker {
            context: self,
            molecule,
            types,
            species: Species::default(),
            graph: Vec::new(),
            kept: HashMap::new(),
            notes: Vec::new(),
        };
        maker.refuse_what_cannot_run()?;
        maker.atoms()?;
        maker.species.bonded = Bonded::default();
        maker.bonds()?;
        maker.angles()?;
        maker.dihedrals()?;
        maker.constraints()?;
        maker.settles()?;
        maker.virtual_sites()?;
        maker.pairs()?;
        maker.exclusions();
        maker.species.is_water = is_water(&maker.species);
        let restraints = maker.restraints()?;
        let warnings = maker.warnings();
        Ok(Molecule { species: maker.species, restraints, warnings })
    }
}

/// One oxygen, two hydrogens, and nothing else that has mass.
fn is_water(species: &Species) -> bool {
    let count = |element: &str| species.atoms.iter().filter(|a| a.element == element).count();
    (count("O"), count("H")) == (1, 2) && species.atoms.iter().filter(|a| a.mass > 0.0).count() == 3
}

struct Maker<'a> {
    context: &'a Context<'a>,
    molecule: &'a MoleculeType,
    /// `[n_atoms]`, index into `records.atom_types`
    types: Vec<usize>,
    species: Species,
    /// Chemical bonds that `nrexcl` counts.
    graph: Vec<(u32, u32)>,
    /// Distances that are constrained (the smaller index first), with their rows and lengths (nm).
    kept: HashMap<(u32, u32), (Place, f64)>,
    notes: Vec<String>,
}

impl<'a> Maker<'a> {
    fn fault<T>(&self, place: Place, message: impl Into<String>, help: impl Into<String>) -> Result<T, TopologyError> {
        Err(self.context.sources.fault(place, "", message, help))
    }

    fn terms(&self, kind: TermKind) -> &'a [Term] {
        self.molecule.terms(kind)
    }

    fn atom_type(&self, atom: u32) -> &'a AtomType {
        &self.context.records.atom_types[self.types[atom as usize]]
    }

    /// "3 (HW2)"
    fn name(&self, atom: u32) -> String {
        format!("{} ({})", atom + 1, self.molecule.atoms[atom as usize].name)
    }

    /// Anything that would have to be left out is an error.
    fn refuse_what_cannot_run(&self) -> Result<(), TopologyError> {
        let name = &self.molecule.name;
        if let Some((place, directive)) = self.molecule.unsupported {
            let message = format!("[ {directive} ] of {name} is not supported");
            return self.fault(place, message, "the energy would lack these terms: use a force field without them");
        }
        for kind in TermKind::ALL {
            for term in self.terms(kind) {
                let Some(f) = function(kind, term.function).filter(|f| !f.runs) else { continue };
                let run: Vec<String> =
                    functions(kind).iter().filter(|f| f.runs).map(|f| format!("{} ({})", f.number, f.name)).collect();
                let message =
                    format!("function {} of [ {} ], {}, is not supported", f.number, kind.directive(), f.name);
                let help = format!("supported: {}", run.join(", "));
                let word = (&*f.number.to_string(), kind.n_atoms());
                return Err(self.context.sources.fault_at(term.place, word, message, help));
            }
        }
        match self.molecule.atoms.is_empty() {
            true => self.fault(self.molecule.place, format!("the molecule {name} has no atoms"), "add [ atoms ]"),
            false => Ok(()),
        }
    }

    fn atoms(&mut self) -> Result<(), TopologyError> {
        let mut is_site = vec![false; self.molecule.atoms.len()];
        for kind in [TermKind::VirtualSites2, TermKind::VirtualSites3] {
            for term in self.terms(kind) {
                let site = &mut is_site[term.atoms[0] as usize];
                if std::mem::replace(site, true) {
                    let message = format!("the virtual site {} is built twice", self.name(term.atoms[0]));
                    return self.fault(term.place, message, "remove one of its rows");
                }
            }
        }
        for (i, row) in (0u32..).zip(&self.molecule.atoms) {
            let atom_type = self.atom_type(i);
            let mass = row.mass.unwrap_or(atom_type.mass);
            let is_site = is_site[i as usize];
            if is_site && mass != 0.0 {
                let message = format!("the virtual site {} has a mass of {mass} u", self.name(i));
                return self.fault(row.place, message, "a virtual site must have mass 0");
            }
            if !is_site && atom_type.kind == ParticleKind::VirtualSite {
                let message = format!("the virtual site {} is not built from any atoms", self.name(i));
                return self.fault(row.place, message, "add its row to [ virtual_sites2 ] or [ virtual_sites3 ]");
            }
            if !is_site && mass <= 0.0 {
                let message = format!("the atom {} has a mass of {mass} u", self.name(i));
                return self.fault(row.place, message, "give its mass here or in [ atomtypes ]");
            }
            self.species.atoms.push(SpeciesAtom {
                name: row.name.clone(),
                element: match is_site {
                    true => String::new(),
                    false => elements::symbol(atom_type.atomic_number, mass, &row.name),
                },
                type_id: self.context.type_ids[&self.types[i as usize]],
                charge: row.charge.unwrap_or(atom_type.charge),
                mass,
            });
        }
        self.species.name = self.molecule.name.clone();
        self.species.residue = self.molecule.atoms[0].residue.clone();
        let same = |a: &super::records::AtomRow, b: &super::records::AtomRow| {
            (&a.residue_number, &a.residue) == (&b.residue_number, &b.residue)
        };
        let mut residues = Vec::new();
        let mut first = 0;
        for residue in self.molecule.atoms.chunk_by(same) {
            residues.push((first, residue[0].residue.clone()));
            first += residue.len() as u32;
        }
        if residues.len() > 1 {
            self.species.residues = residues;
        }
        Ok(())
    }

    /// The parameters of a term: its own, or those of the types of its atoms (several lines for some dihedrals).
    fn parameters(&self, kind: TermKind, term: &Term) -> Result<Vec<Vec<f64>>, TopologyError> {
        let n_parameters = function(kind, term.function).map_or(0, |f| f.n_parameters);
        if !term.values.is_empty() || n_parameters == 0 {
            return Ok(vec![term.values.clone()]);
        }
        let names: Vec<&str> =
            term.atoms[..kind.n_atoms()].iter().map(|&i| self.atom_type(i).bonded.as_str()).collect();
        let types = match kind {
            TermKind::Bonds => "bondtypes",
            TermKind::Angles => "angletypes",
            TermKind::Dihedrals => "dihedraltypes",
            TermKind::Constraints => "constrainttypes",
            _ => {
                let message = format!("this row of [ {} ] has no parameters", kind.directive());
                return self.fault(term.place, message, format!("add the {n_parameters} behind the function number"));
            }
        };
        match self.context.records.bonded_types.find(kind, &names, term.function) {
            Some(entry) => Ok(entry.lines.iter().map(|(_, values)| values.clone()).collect()),
            None => {
                let (function, types_named) = (term.function, names.join("-"));
                let message = format!("no parameters: [ {types} ] has no function {function} for {types_named}");
                self.fault(term.place, message, "add them to this row, or to the force field")
            }
        }
    }

    fn positive(&self, place: Place, what: &str, value: f64) -> Result<f64, TopologyError> {
        match value > 0.0 {
            true => Ok(value),
            false => self.fault(place, format!("{what} is {value} nm, and must be positive"), ""),
        }
    }

    /// Harmonic terms have a minimum, and it is a distance.
    fn not_negative(&self, place: Place, what: &str, value: f64) -> Result<f64, TopologyError> {
        match value >= 0.0 {
            true => Ok(value),
            false => self.fault(place, format!("{what} is {value}, and must not be negative"), ""),
        }
    }

    fn bonds(&mut self) -> Result<(), TopologyError> {
        for term in self.terms(TermKind::Bonds) {
            let [a, b, ..] = term.atoms;
            if term.function != 6 {
                self.graph.push((a, b));
                self.species.bonds.push((a, b));
            }
            if term.function != 5 {
                for p in self.parameters(TermKind::Bonds, term)? {
                    let length = self.not_negative(term.place, "the length of this bond", p[0])?;
                    let k = self.not_negative(term.place, "the force constant of this bond", p[1])?;
                    self.species.bonded.bonds.push(HarmonicBond { atoms: [a, b], length, k });
                }
            }
        }
        Ok(())
    }

    fn angles(&mut self) -> Result<(), TopologyError> {
        for term in self.terms(TermKind::Angles) {
            let [a, b, c, _] = term.atoms;
            for p in self.parameters(TermKind::Angles, term)? {
                self.not_negative(term.place, "the force constant of this angle", p[1])?;
                if term.function == 5 {
                    self.not_negative(term.place, "the Urey-Bradley distance of this angle", p[2])?;
                    self.not_negative(term.place, "the Urey-Bradley force constant of this angle", p[3])?;
                }
                let bonded = &mut self.species.bonded;
                bonded.angles.push(HarmonicAngle { atoms: [a, b, c], angle: p[0].to_radians(), k: p[1] });
                if term.function == 5 && p[3] != 0.0 {
                    bonded.urey_bradleys.push(UreyBradley { atoms: [a, c], length: p[2], k: p[3] });
                }
            }
        }
        Ok(())
    }

    fn dihedrals(&mut self) -> Result<(), TopologyError> {
        for term in self.terms(TermKind::Dihedrals) {
            let atoms = term.atoms;
            for p in self.parameters(TermKind::Dihedrals, term)? {
                if term.function == 2 {
                    self.not_negative(term.place, "the force constant of this improper dihedral", p[1])?;
                }
                let bonded = &mut self.species.bonded;
                match term.function {
                    2 => bonded.impropers.push(HarmonicImproper { atoms, angle: p[0].to_radians(), k: p[1] }),
                    3 => {
                        let c = std::array::from_fn(|n| p[n]);
                        bonded.ryckaert_bellemans.push(RyckaertBellemans { atoms, c });
                    }
                    5 => bonded
                        .ryckaert_bellemans
                        .push(RyckaertBellemans { atoms, c: fourier_to_rb([p[0], p[1], p[2], p[3]]) }),
                    function => {
                        let n = p[2].round();
                        if (p[2] - n).abs() > 1e-6 || n.abs() > 1000.0 {
                            let message = format!("the multiplicity of this dihedral is {}", p[2]);
                            return self.fault(term.place, message, "it must be a whole number");
                        }
                        // cos(−nφ − φ₀) = cos(nφ + φ₀): Amber files hold negative multiplicities
                        let phase = if n < 0.0 { -p[0] } else { p[0] }.to_radians();
                        let multiplicity = n.abs() as u32;
                        let is_improper = function == 4;
                        bonded.dihedrals.push(PeriodicDihedral { atoms, phase, k: p[1], multiplicity, is_improper });
                    }
                }
            }
        }
        Ok(())
    }

    fn constraints(&mut self) -> Result<(), TopologyError> {
        let mut bonded: HashSet<(u32, u32)> = self.species.bonds.iter().map(|&(a, b)| (a.min(b), a.max(b))).collect();
        for term in self.terms(TermKind::Constraints) {
            let [a, b, ..] = term.atoms;
            for i in [a, b] {
                if self.species.atoms[i as usize].mass == 0.0 {
                    let message = format!("the virtual site {} cannot be constrained", self.name(i));
                    return self.fault(
                        term.place,
                        message,
                        "its place follows from its parents: remove the constraint",
                    );
                }
            }
            let values = self.parameters(TermKind::Constraints, term)?;
            let length = self.positive(term.place, "the constrained distance", values[0][0])?;
            if term.function == 1 {
                self.graph.push((a, b));
                if bonded.insert((a.min(b), a.max(b))) {
                    self.species.bonds.push((a, b));
                }
            }
            self.keep(term.place, [a, b], length)?;
        }
        Ok(())
    }

    /// Adds a constraint, unless it is there already.
    fn keep(&mut self, place: Place, atoms: [u32; 2], length: f64) -> Result<(), TopologyError> {
        let [a, b] = atoms;
        let (first, kept) = *self.kept.entry((a.min(b), a.max(b))).or_insert((place, length));
        let here = self.context.sources.describe(place);
        let pair = format!("{}-{}", self.name(a), self.name(b));
        if first == place && kept == length {
            self.species.constraints.push(DistanceConstraint { atoms, length });
        } else if (kept - length).abs() <= SAME_LENGTH {
            self.notes.push(format!("{here}: the distance {pair} is constrained twice, and once is enough"));
        } else {
            let message = format!("the distance {pair} is constrained to {length} nm here and to {kept} nm before");
            let help = format!("the other row is at {}: remove one of them", self.context.sources.describe(first));
            return self.fault(place, message, help);
        }
        Ok(())
    }

    /// A rigid water keeps its three distances itself: rows that repeat them are left out.
    fn merge_with_rigid_water(&mut self, place: Place, water: RigidWater) -> Result<(), TopologyError> {
        for (pair, length) in [((0, 1), water.d_oh), ((0, 2), water.d_oh), ((1, 2), water.d_hh)] {
            if let Some(&(row, kept)) = self.kept.get(&pair) {
                let name = format!("{}-{}", self.name(pair.0), self.name(pair.1));
                if (kept - length).abs() > SAME_LENGTH {
                    let message = format!("this rigid water has {name} at {length} nm, and a constraint has {kept} nm");
                    let help = format!("the constraint is at {}: remove it", self.context.sources.describe(row));
                    return self.fault(place, message, help);
                }
                let row = self.context.sources.describe(row);
                self.notes.push(format!("{row}: the distance {name} of a rigid water is constrained twice"));
            }
        }
        self.species.constraints.retain(|c| c.atoms.iter().any(|&i| i > 2));
        Ok(())
    }

    fn settles(&mut self) -> Result<(), TopologyError> {
        let n_atoms = self.molecule.atoms.len() as u32;
        for term in self.terms(TermKind::Settles) {
            let oxygen = term.atoms[0];
            if oxygen + 3 > n_atoms {
                let message = format!("two hydrogens must follow the oxygen {}", self.name(oxygen));
                return self.fault(term.place, message, "");
            }
            let values = self.parameters(TermKind::Settles, term)?;
            let d_oh = self.positive(term.place, "the O-H distance", values[0][0])?;
            let d_hh = self.positive(term.place, "the H-H distance", values[0][1])?;
            if d_hh >= 2.0 * d_oh {
                let message = format!("no triangle has sides of {d_oh}, {d_oh} and {d_hh} nm");
                return self.fault(term.place, message, "the columns are: oxygen function d(OH) d(HH)");
            }
            let mass = |i: u32| self.species.atoms[(oxygen + i) as usize].mass;
            let is_triangle = [0, 1, 2].iter().all(|&i| mass(i) > 0.0);
            if !is_triangle {
                let message = format!("the rigid water at {} holds a virtual site", self.name(oxygen));
                return self.fault(term.place, message, "the oxygen and the two atoms behind it must have mass");
            }
            self.species.bonds.extend([(oxygen, oxygen + 1), (oxygen, oxygen + 2)]);
            let rest_is_virtual = self.species.atoms.iter().skip(3).all(|a| a.mass == 0.0);
            if oxygen == 0 && rest_is_virtual && mass(1) == mass(2) && self.species.rigid_water.is_none() {
                let water = RigidWater { d_oh, d_hh };
                self.merge_with_rigid_water(term.place, water)?;
                self.species.rigid_water = Some(water);
            } else {
                // a rigid water inside something larger: the same triangle by three distances
                for (i, j, length) in [(0, 1, d_oh), (0, 2, d_oh), (1, 2, d_hh)] {
                    self.keep(term.place, [oxygen + i, oxygen + j], length)?;
                }
            }
        }
        Ok(())
    }

    fn virtual_sites(&mut self) -> Result<(), TopologyError> {
        let mut sites = Vec::new();
        for kind in [TermKind::VirtualSites2, TermKind::VirtualSites3] {
            for term in self.terms(kind) {
                let [site, i, j, k] = term.atoms;
                let k = if kind == TermKind::VirtualSites2 { j } else { k };
                if let Some(&parent) = [i, j, k].iter().find(|&&p| self.species.atoms[p as usize].mass == 0.0) {
                    let message = format!(
                        "the virtual site {} is built from the virtual site {}",
                        self.name(site),
                        self.name(parent)
                    );
                    return self.fault(term.place, message, "virtual sites must be built from atoms that have mass");
                }
                let p = &self.parameters(kind, term)?[0];
                let value = |n: usize| p.get(n).copied().unwrap_or(0.0);
                sites.push(VirtualSite { site, parents: [i, j, k], a: value(0), b: value(1), c: value(2) });
            }
        }
        sites.sort_by_key(|s| s.site);
        self.species.virtual_sites = sites;
        Ok(())
    }

    fn pairs(&mut self) -> Result<(), TopologyError> {
        let nonbonded = &self.context.nonbonded;
        let charge = |species: &Species, i: u32| species.atoms[i as usize].charge;
        for term in self.terms(TermKind::Pairs) {
            let [a, b, ..] = term.atoms;
            let (k, qq) = match (term.function, term.values.as_slice()) {
                (2, [fudge_qq, q_a, q_b, v, w]) => (nonbonded.coefficients(*v, *w), fudge_qq * q_a * q_b),
                (2, _) => {
                    let help = "function 2 takes fudgeQQ, both charges and two Lennard-Jones parameters";
                    return self.fault(term.place, "this row of [ pairs ] has no parameters", help);
                }
                (_, values) => {
                    let k = match values {
                        [v, w] => nonbonded.coefficients(*v, *w),
                        _ => self.generated(term)?,
                    };
                    (k, nonbonded.defaults.fudge_qq * charge(&self.species, a) * charge(&self.species, b))
                }
            };
            self.species.bonded.pairs_14.push(Pair14 { atoms: [a, b], c6: k.c6, c12: k.c12, qq });
        }
        for term in self.terms(TermKind::PairsNb) {
            let [a, b, ..] = term.atoms;
            let p = &self.parameters(TermKind::PairsNb, term)?[0];
            let k = nonbonded.coefficients(p[2], p[3]);
            self.species.bonded.pairs_14.push(Pair14 { atoms: [a, b], c6: k.c6, c12: k.c12, qq: p[0] * p[1] });
        }
        Ok(())
    }

    fn generated(&self, term: &Term) -> Result<crate::potential::pair_table::PairCoefficients, TopologyError> {
        let (a, b) = (self.atom_type(term.atoms[0]), self.atom_type(term.atoms[1]));
        match self.context.nonbonded.pair_14(a, b) {
            Some(k) => Ok(k),
            None => {
                let message =
                    format!("no 1-4 parameters: [ pairtypes ] has none for {}-{}, and gen-pairs is no", a.name, b.name);
                self.fault(term.place, message, "add them to this row or to [ pairtypes ], or set gen-pairs to yes")
            }
        }
    }

    /// `nrexcl` along the bonds, and `[ exclusions ]`.
    fn exclusions(&mut self) {
        let n = self.molecule.atoms.len();
        let mut neighbors = vec![Vec::new(); n];
        for &(a, b) in &self.graph {
            neighbors[a as usize].push(b);
            neighbors[b as usize].push(a);
        }
        let mut excluded: Vec<(u32, u32)> = Vec::new();
        // for which atom an atom was last reached
        let mut reached_from = vec![u32::MAX; n];
        let (mut shell, mut next) = (Vec::new(), Vec::new());
        for i in 0..n as u32 {
            reached_from[i as usize] = i;
            shell.clear();
            shell.push(i);
            for _ in 0..self.molecule.nrexcl {
                next.clear();
                for &at in &shell {
                    for &j in &neighbors[at as usize] {
                        if std::mem::replace(&mut reached_from[j as usize], i) != i {
                            next.push(j);
                        }
                    }
                }
                if next.is_empty() {
                    break;
                }
                excluded.extend(next.iter().filter(|&&j| j > i).map(|&j| (i, j)));
                std::mem::swap(&mut shell, &mut next);
            }
        }
        for (_, atoms) in &self.molecule.exclusions {
            let others = atoms[1..].iter().filter(|&&j| j != atoms[0]);
            excluded.extend(others.map(|&j| (atoms[0].min(j), atoms[0].max(j))));
        }
        excluded.sort_unstable();
        excluded.dedup();
        self.species.exclusions = excluded;
    }

    fn restraints(&self) -> Result<Vec<(u32, DVec3)>, TopologyError> {
        let mut restraints: Vec<(u32, DVec3)> = Vec::new();
        let mut restrained = vec![false; self.molecule.atoms.len()];
        for term in self.terms(TermKind::PositionRestraints) {
            let atom = term.atoms[0];
            if std::mem::replace(&mut restrained[atom as usize], true) {
                let message = format!("the atom {} is restrained twice", self.name(atom));
                return self.fault(term.place, message, "remove one of its rows");
            }
            let p = &self.parameters(TermKind::PositionRestraints, term)?[0];
            let k = DVec3::new(p[0], p[1], p[2]);
            if k.min_element() < 0.0 {
                return self.fault(term.place, "a force constant is negative", "");
            }
            restraints.push((atom, k));
        }
        Ok(restraints)
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = self.notes.clone();
        let (name, charge) = (&self.species.name, self.species.charge());
        if (charge - charge.round()).abs() > CHARGE_TOLERANCE {
            warnings.push(format!("the charge of {name} is {charge:+.6} e, not an integer"));
        }
        let excluded = |a, b| self.species.exclusions.binary_search(&(a, b)).is_ok();
        if self.species.rigid_water.is_some() && ![(0, 1), (0, 2), (1, 2)].iter().all(|&(a, b)| excluded(a, b)) {
            warnings.push(format!("the atoms of the rigid water {name} interact with each other: add [ exclusions ]"));
        }
        warnings
    }
}

/// ½ [F₁ (1 + cos φ) + F₂ (1 − cos 2φ) + F₃ (1 + cos 3φ) + F₄ (1 − cos 4φ)] as Σ Cₙ cosⁿ ψ, ψ = φ − 180°.
fn fourier_to_rb(f: [f64; 4]) -> [f64; 6] {
    [f[1] + 0.5 * (f[0] + f[2]), 0.5 * (3.0 * f[2] - f[0]), 4.0 * f[3] - f[1], -2.0 * f[2], -4.0 * f[3], 0.0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fourier_series_becomes_powers_of_the_cosine() {
        let f = [3.1, -1.7, 0.9, 0.4];
        let c = fourier_to_rb(f);
        for degrees in [0.0, 17.0, 60.0, 101.0, 180.0, 275.0] {
            let phi = f64::to_radians(degrees);
            let series: f64 = 0.5
                * (1..=4)
                    .map(|n| {
                        let sign = if n % 2 == 1 { 1.0 } else { -1.0 };
                        f[n - 1] * (1.0 + sign * (n as f64 * phi).cos())
                    })
                    .sum::<f64>();
            let psi = phi - std::f64::consts::PI;
            let powers: f64 = (0..6).map(|n| c[n] * psi.cos().powi(n as i32)).sum();
            assert!((series - powers).abs() < 1e-12, "{degrees}°: {series} {powers}");
        }
    }
}
