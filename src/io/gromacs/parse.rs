//! Logical lines in, [`Records`] out: every row read, its numbers checked, nothing looked up yet.

use super::TopologyError;
use super::bonded_types::{Added, BondedTypes};
use super::directive::Directive;
use super::functions::{function, functions};
use super::preprocess::{Line, Preprocessor};
use super::records::{
    AtomRow, AtomType, CombinationRule, Defaults, MoleculeCount, MoleculeType, PairParameterTable, PairParameters,
    ParticleKind, Term, TermKind,
};
use super::source::{Place, Sources};
use crate::suggest::nearest;
use std::collections::HashMap;

/// Everything a topology says.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub defaults: Option<Defaults>,
    pub atom_types: Vec<AtomType>,
    /// Name → index into `atom_types`.
    pub atom_type_index: HashMap<String, usize>,
    pub bonded_types: BondedTypes,
    pub nonbond_params: PairParameterTable,
    pub pair_types: PairParameterTable,
    pub molecule_types: Vec<MoleculeType>,
    pub title: String,
    pub molecules: Vec<MoleculeCount>,
    pub warnings: Vec<String>,
    /// What the caller defined in vain, and what was meant, perhaps.
    pub unused_defines: Vec<(String, Option<String>)>,
}

/// The words of a line.
struct Row<'a> {
    place: Place,
    words: Vec<&'a str>,
}

pub(super) struct Parser {
    preprocessor: Preprocessor,
    records: Records,
    directive: Option<Directive>,
    /// Where the last directive of each kind stands that must be there, or may be there once.
    system: Option<Place>,
    molecules: Option<Place>,
}

/// Reads a topology to its end.
pub(super) fn parse(preprocessor: Preprocessor) -> Result<(Records, Sources), TopologyError> {
    let mut parser =
        Parser { preprocessor, records: Records::default(), directive: None, system: None, molecules: None };
    while let Some(line) = parser.preprocessor.next_line()? {
        parser.line(&line)?;
    }
    parser.finish()
}

impl Parser {
    fn sources(&self) -> &Sources {
        &self.preprocessor.sources
    }

    /// A fault at the word `nth` of a row.
    fn at<T>(&self, row: &Row, nth: usize, message: impl Into<String>, help: &str) -> Result<T, TopologyError> {
        let word = row.words.get(nth).copied().unwrap_or("");
        Err(self.sources().fault_at(row.place, (word, nth), message, help))
    }

    /// A fault of the whole row.
    fn wrong<T>(&self, row: &Row, message: impl Into<String>, help: &str) -> Result<T, TopologyError> {
        Err(self.sources().fault(row.place, "", message, help))
    }

    fn line(&mut self, line: &Line) -> Result<(), TopologyError> {
        if let Some(rest) = line.text.strip_prefix('[') {
            return self.begin(line.place, rest);
        }
        let row = Row { place: line.place, words: line.text.split_whitespace().collect() };
        match self.directive {
            None => self.wrong(&row, "text before the first directive", "a topology begins with [ defaults ]"),
            Some(Directive::Defaults) => self.defaults(&row),
            Some(Directive::AtomTypes) => self.atom_type(&row),
            Some(Directive::BondedTypes(kind)) => self.bonded_type(kind, &row),
            Some(Directive::NonbondParams) => self.pair_parameters("nonbond_params", &row),
            Some(Directive::PairTypes) => self.pair_parameters("pairtypes", &row),
            Some(Directive::UnusedTypes(name)) => {
                let warning = format!("the parameters of [ {name} ] are not used by anything that is run");
                if name != "cmaptypes" && !self.records.warnings.contains(&warning) {
                    self.records.warnings.push(warning);
                }
                Ok(())
            }
            Some(Directive::MoleculeType) => self.molecule_type(&row),
            Some(Directive::Atoms) => self.atom(&row),
            Some(Directive::Term(kind)) => self.term(kind, &row),
            Some(Directive::Exclusions) => self.exclusions(&row),
            Some(Directive::Refused(name)) => {
                if let Some(molecule) = self.records.molecule_types.last_mut() {
                    molecule.unsupported.get_or_insert((row.place, name));
                }
                Ok(())
            }
            Some(Directive::Intermolecular) => Ok(()),
            Some(Directive::System) => {
                if self.records.title.is_empty() {
                    self.records.title = line.text.clone();
                }
                Ok(())
            }
            Some(Directive::Molecules) => self.molecule_count(&row),
        }
    }

    /// `[ name ]`, without the opening bracket.
    fn begin(&mut self, place: Place, rest: &str) -> Result<(), TopologyError> {
        let fault = |word: &str, message: String, help: String| Err(self.sources().fault(place, word, message, help));
        let Some((name, after)) = rest.split_once(']') else {
            return fault("", "the directive has no closing bracket".into(), "write [ name ]".into());
        };
        let name = name.trim();
        let Some(directive) = Directive::parse(name) else {
            let help = match nearest(name, Directive::names()) {
                Some(near) => format!("did you mean [ {near} ]?"),
                None => "see the table of directives in the GROMACS reference manual".to_string(),
            };
            return fault(name, format!("unknown directive [ {name} ]"), help);
        };
        if !after.trim().is_empty() {
            return fault(after.trim(), format!("text behind [ {name} ]"), "put it on the next line".into());
        }
        if directive.is_part_of_molecule() {
            if self.system.is_some() {
                let help = "move it to its [ moleculetype ], before [ system ]";
                return fault(name, format!("[ {name} ] after [ system ]"), help.into());
            }
            if self.records.molecule_types.is_empty() {
                let help = "add a [ moleculetype ] with the name of the molecule before it";
                return fault(name, format!("[ {name} ] before any [ moleculetype ]"), help.into());
            }
        }
        match directive {
            Directive::Intermolecular => {
                let help = "no input of this program replaces it; run the system without them or with GROMACS";
                return fault(name, "intermolecular interactions are not supported".into(), help.into());
            }
            Directive::System => self.system = Some(place),
            Directive::Molecules if self.system.is_none() => {
                return fault(name, "[ molecules ] before [ system ]".into(), "add [ system ] and a title".into());
            }
            Directive::Molecules => self.molecules = Some(place),
            _ => {}
        }
        self.directive = Some(directive);
        Ok(())
    }

    /// A number that is one.
    fn number(&self, row: &Row, nth: usize, what: &str) -> Result<f64, TopologyError> {
        match row.words[nth].parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => {
                let help = match row.words[nth].starts_with(|c: char| c.is_alphabetic() || c == '_') {
                    true => "if it is a macro, its `#define` is missing",
                    false => "",
                };
                self.at(row, nth, format!("{what} is `{}`, which is no number", row.words[nth]), help)
            }
        }
    }

    fn integer<T: std::str::FromStr>(&self, row: &Row, nth: usize, what: &str) -> Result<T, TopologyError> {
        match row.words[nth].parse::<T>() {
            Ok(number) => Ok(number),
            Err(_) => self.at(row, nth, format!("{what} is `{}`, not a whole number", row.words[nth]), ""),
        }
    }

    /// All words from `first` on as numbers.
    fn numbers(&self, row: &Row, first: usize) -> Result<Vec<f64>, TopologyError> {
        (first..row.words.len()).map(|k| self.number(row, k, &format!("parameter {}", k + 1 - first))).collect()
    }

    fn at_least(&self, row: &Row, count: usize, form: &str) -> Result<(), TopologyError> {
        match row.words.len() >= count {
            true => Ok(()),
            false => {
                let n = row.words.len();
                let s = if n == 1 { "" } else { "s" };
                self.wrong(
                    row,
                    format!("{n} column{s} where at least {count} are needed"),
                    &format!("the columns are: {form}"),
                )
            }
        }
    }

    fn at_most(&self, row: &Row, count: usize, form: &str) -> Result<(), TopologyError> {
        match row.words.len() <= count {
            true => Ok(()),
            false => self.at(row, count, "a column too many", &format!("the columns are: {form}")),
        }
    }

    fn defaults(&mut self, row: &Row) -> Result<(), TopologyError> {
        const FORM: &str = "nbfunc comb-rule gen-pairs fudgeLJ fudgeQQ";
        if let Some(first) = &self.records.defaults {
            let message = format!("a second [ defaults ]; the first is at {}", self.sources().describe(first.place));
            let help = "keep one: a molecule's file must not bring a force field of its own";
            return self.wrong(row, message, help);
        }
        self.at_least(row, 2, FORM)?;
        match row.words[0] {
            "1" => {}
            "2" => {
                let help = "use a force field with Lennard-Jones interactions (nbfunc 1)";
                return self.at(row, 0, "Buckingham interactions (nbfunc 2) are not supported", help);
            }
            other => return self.at(row, 0, format!("unknown nbfunc {other}"), "1 is Lennard-Jones"),
        }
        let rule = match row.words[1] {
            "1" => CombinationRule::GeometricC6C12,
            "2" => CombinationRule::LorentzBerthelot,
            "3" => CombinationRule::GeometricSigmaEpsilon,
            other => return self.at(row, 1, format!("unknown combination rule {other}"), "it is 1, 2 or 3"),
        };
        let gen_pairs = match row.words.get(2).map(|w| w.to_lowercase()).as_deref() {
            None | Some("no") => false,
            Some("yes") => true,
            Some(other) => return self.at(row, 2, format!("gen-pairs is `{other}`"), "it is yes or no"),
        };
        let fudge = |nth| if row.words.len() > nth { self.number(row, nth, "the fudge factor") } else { Ok(1.0) };
        let (fudge_lj, fudge_qq) = (fudge(3)?, fudge(4)?);
        // a sixth number is the exponent of the repulsion, which is 12 for Lennard-Jones
        if row.words.len() > 5 && self.number(row, 5, "the repulsion exponent")? != 12.0 {
            return self.at(row, 5, "a repulsion exponent other than 12 is not supported", "");
        }
        self.at_most(row, 6, FORM)?;
        self.records.defaults = Some(Defaults { place: row.place, rule, gen_pairs, fudge_lj, fudge_qq });
        Ok(())
    }

    /// name [bonded type] [atomic number] mass charge ptype V W
    fn atom_type(&mut self, row: &Row) -> Result<(), TopologyError> {
        const FORM: &str = "name [bonded type] [atomic number] mass charge ptype sigma epsilon (or c6 c12)";
        self.at_least(row, 6, FORM)?;
        let is_letter = |nth: usize| {
            let word = row.words[nth];
            word.len() == 1 && word.starts_with(|c: char| c.is_ascii_alphabetic())
        };
        // as `grompp`: the particle type is the only column of one letter
        let (has_bonded, has_number) = if is_letter(5) {
            (true, true)
        } else if is_letter(3) {
            (false, false)
        } else {
            let has_bonded = row.words[1].starts_with(|c: char| c.is_ascii_alphabetic());
            (has_bonded, !has_bonded)
        };
        let ptype = 3 + usize::from(has_bonded) + usize::from(has_number);
        self.at_least(row, ptype + 3, FORM)?;
        let name = row.words[0].to_string();
        let bonded = if has_bonded { row.words[1] } else { row.words[0] }.to_string();
        let atomic_number =
            if has_number { Some(self.integer::<i64>(row, ptype - 3, "the atomic number")?) } else { None };
        let kind = match row.words[ptype] {
            "A" | "a" => ParticleKind::Atom,
            "V" | "v" | "D" | "d" => ParticleKind::VirtualSite,
            "S" | "s" => {
                let help = "Drude and other shell models cannot be run";
                return self.at(row, ptype, "shell particles (ptype S) are not supported", help);
            }
            other => return self.at(row, ptype, format!("unknown ptype `{other}`"), "A is an atom, V a virtual site"),
        };
        let atom_type = AtomType {
            place: row.place,
            name,
            bonded,
            atomic_number: atomic_number.and_then(|n| u32::try_from(n).ok()).filter(|&n| n > 0),
            mass: self.number(row, ptype - 2, "the mass")?,
            charge: self.number(row, ptype - 1, "the charge")?,
            kind,
            v: self.number(row, ptype + 1, "the first Lennard-Jones parameter")?,
            w: self.number(row, ptype + 2, "the second Lennard-Jones parameter")?,
        };
        if row.words.len() > ptype + 3 {
            let place = self.sources().describe(row.place);
            self.warn_once("atomtypes", || {
                format!("{place}: columns behind the Lennard-Jones parameters of [ atomtypes ] are not used")
            });
        }
        if let Some(&known) = self.records.atom_type_index.get(&atom_type.name) {
            let first = &self.records.atom_types[known];
            if (AtomType { place: first.place, ..atom_type.clone() }) != *first {
                let first = self.sources().describe(first.place);
                let message = format!("the atom type `{}` is defined with other values at {first}", atom_type.name);
                return self.at(row, 0, message, "remove one of them, or give one of them another name");
            }
            return Ok(());
        }
        self.records.atom_type_index.insert(atom_type.name.clone(), self.records.atom_types.len());
        self.records.atom_types.push(atom_type);
        Ok(())
    }

    /// Adds a warning unless one about the same subject is there.
    fn warn_once(&mut self, subject: &str, warning: impl FnOnce() -> String) {
        let marker = format!("[ {subject} ]");
        if !self.records.warnings.iter().any(|w| w.contains(&marker)) {
            self.records.warnings.push(warning());
        }
    }

    fn bonded_type(&mut self, kind: TermKind, row: &Row) -> Result<(), TopologyError> {
        let mut n = kind.n_atoms();
        // a dihedral type may name two atoms only: the middle ones, or the outer ones of an improper
        let is_function = |nth: usize| row.words.get(nth).is_some_and(|w| w.len() <= 2 && w.parse::<u32>().is_ok());
        if kind == TermKind::Dihedrals && is_function(2) {
            n = 2;
        }
        let form = match n {
            2 => "type type function parameters",
            3 => "type type type function parameters",
            _ => "type type type type function parameters",
        };
        self.at_least(row, n + 1, form)?;
        let number = self.function(kind, row, n)?;
        let names = match (kind, n, number) {
            (TermKind::Dihedrals, 2, 2) => vec![row.words[0], "X", "X", row.words[1]],
            (TermKind::Dihedrals, 2, _) => vec!["X", row.words[0], row.words[1], "X"],
            _ => row.words[..n].to_vec(),
        };
        let values = self.numbers(row, n + 1)?;
        if let Some(function) = function(kind, number).filter(|f| f.runs) {
            let values = self.unperturbed(row, n + 1, function.n_parameters, values, function.name)?;
            if values.is_empty() && function.n_parameters > 0 {
                let expected = function.n_parameters;
                return self.wrong(row, format!("a {} takes {expected} parameters, not 0", function.name), "");
            }
            return self.add_bonded_type(kind, &names, number, row, values);
        }
        self.add_bonded_type(kind, &names, number, row, values)
    }

    fn add_bonded_type(
        &mut self,
        kind: TermKind,
        names: &[&str],
        number: u32,
        row: &Row,
        values: Vec<f64>,
    ) -> Result<(), TopologyError> {
        match self.records.bonded_types.add(kind, names, number, row.place, values) {
            Added::Stored | Added::Repeated => {}
            Added::Replaced(first) => {
                let (here, first) = (self.sources().describe(row.place), self.sources().describe(first));
                self.records
                    .warnings
                    .push(format!("{here}: this row replaces other numbers for the same types at {first}"));
            }
            Added::SecondBlock(first) => {
                let first = self.sources().describe(first);
                let message = format!("a second block of lines for the dihedral type at {first}");
                let help = "lines of function 9 for the same atoms must follow each other: remove one of the blocks";
                return self.wrong(row, message, help);
            }
        }
        Ok(())
    }

    /// The function number in column `nth`, if the directive has it.
    fn function(&self, kind: TermKind, row: &Row, nth: usize) -> Result<u32, TopologyError> {
        let number = row.words[nth].parse().ok().filter(|&n| function(kind, n).is_some());
        match number {
            Some(number) => Ok(number),
            None => {
                let known: Vec<String> = functions(kind).iter().map(|f| f.number.to_string()).collect();
                let message = format!("`{}` is no function of {}", row.words[nth], kind.directive());
                self.at(row, nth, message, &format!("its functions are {}", known.join(", ")))
            }
        }
    }

    /// The parameters of state A: `n` of `values`, or none. Numbers of a state B are accepted where they change nothing.
    fn unperturbed(
        &self,
        row: &Row,
        first: usize,
        n: usize,
        mut values: Vec<f64>,
        what: &str,
    ) -> Result<Vec<f64>, TopologyError> {
        let (a, b) = values.split_at(n.min(values.len()));
        // the multiplicity of a dihedral may be left out in state B
        let full = b.len() == n || (b.len() + 1 == n && n == 3);
        match (a.len() == n, full) {
            _ if values.is_empty() => {}
            (true, _) if b.is_empty() => {}
            (true, true) if a[..b.len()] == *b => {}
            (true, true) => {
                let help = "free-energy states are not supported: leave the parameters of state B out";
                return self.at(row, first + n, format!("this {what} differs in state B"), help);
            }
            _ => {
                let s = if n == 1 { "" } else { "s" };
                let message = format!("a {what} takes {n} parameter{s}, not {}", values.len());
                return self.wrong(row, message, "");
            }
        }
        values.truncate(n);
        Ok(values)
    }

    fn pair_parameters(&mut self, directive: &str, row: &Row) -> Result<(), TopologyError> {
        const FORM: &str = "type type function sigma epsilon (or c6 c12)";
        self.at_least(row, 3, FORM)?;
        match row.words[2] {
            "1" => {}
            "2" => {
                let what =
                    if directive == "pairtypes" { "pair types of function 2" } else { "Buckingham pairs (function 2)" };
                return self.at(row, 2, format!("{what} are not supported"), "use function 1, Lennard-Jones");
            }
            other => return self.at(row, 2, format!("`{other}` is no function of {directive}"), "1 is Lennard-Jones"),
        }
        self.at_least(row, 5, FORM)?;
        let values = self.unperturbed(row, 3, 2, self.numbers(row, 3)?, "Lennard-Jones pair")?;
        let (a, b) = (row.words[0].min(row.words[1]), row.words[0].max(row.words[1]));
        let new = PairParameters { place: row.place, v: values[0], w: values[1] };
        let table = match directive {
            "pairtypes" => &mut self.records.pair_types,
            _ => &mut self.records.nonbond_params,
        };
        if let Some(old) = table.insert((a.to_string(), b.to_string()), new)
            && (old.v, old.w) != (new.v, new.w)
        {
            let (here, first) = (self.sources().describe(row.place), self.sources().describe(old.place));
            self.records
                .warnings
                .push(format!("{here}: this row replaces other numbers for the same types at {first}"));
        }
        Ok(())
    }

    fn molecule_type(&mut self, row: &Row) -> Result<(), TopologyError> {
        const FORM: &str = "name nrexcl";
        self.at_least(row, 2, FORM)?;
        self.at_most(row, 2, FORM)?;
        let nrexcl = self.integer(row, 1, "nrexcl")?;
        if let Some(first) = self.records.molecule_types.iter().find(|m| m.name == row.words[0]) {
            let first = self.sources().describe(first.place);
            return self.at(
                row,
                0,
                format!("the molecule `{}` is defined at {first} already", row.words[0]),
                "remove one of them",
            );
        }
        self.records.molecule_types.push(MoleculeType::new(row.place, row.words[0].to_string(), nrexcl));
        Ok(())
    }

    /// The molecule that rows go to; its own row may be missing.
    fn molecule(&mut self, row: &Row) -> Result<&mut MoleculeType, TopologyError> {
        if self.records.molecule_types.is_empty() {
            return self.wrong(
                row,
                "a row of a molecule that has no name",
                "add name and nrexcl below [ moleculetype ]",
            );
        }
        let last = self.records.molecule_types.len() - 1;
        Ok(&mut self.records.molecule_types[last])
    }

    /// nr type resnr residue atom cgnr [charge [mass [typeB chargeB massB]]]
    fn atom(&mut self, row: &Row) -> Result<(), TopologyError> {
        const FORM: &str = "nr type resnr residue atom cgnr charge mass";
        self.at_least(row, 6, FORM)?;
        self.at_most(row, 11, FORM)?;
        let nr: u64 = self.integer(row, 0, "the number of the atom")?;
        let expected = self.molecule(row)?.atoms.len() as u64 + 1;
        if nr != expected {
            let message = format!("the atom is numbered {nr} where {expected} follows");
            return self.at(row, 0, message, "number the atoms of a molecule from 1 without gaps");
        }
        let optional = |nth: usize, what: &str| match row.words.len() > nth {
            true => self.number(row, nth, what).map(Some),
            false => Ok(None),
        };
        let (charge, mass) = (optional(6, "the charge")?, optional(7, "the mass")?);
        let (charge_b, mass_b) = (optional(9, "the charge of state B")?, optional(10, "the mass of state B")?);
        let differs = row.words.get(8).is_some_and(|b| *b != row.words[1])
            || charge_b.is_some_and(|b| Some(b) != charge)
            || mass_b.is_some_and(|b| Some(b) != mass);
        if differs {
            let help = "free-energy states are not supported: leave the columns of state B out";
            return self.at(row, 8, "this atom differs in state B", help);
        }
        let atom = AtomRow {
            place: row.place,
            type_name: row.words[1].to_string(),
            residue: row.words[3].to_string(),
            residue_number: row.words[2].to_string(),
            name: row.words[4].to_string(),
            charge,
            mass,
        };
        self.molecule(row)?.atoms.push(atom);
        Ok(())
    }

    /// Local index (from 0) of the atom in column `nth`.
    fn atom_index(&self, row: &Row, nth: usize) -> Result<u32, TopologyError> {
        let index: u32 = self.integer(row, nth, "an atom")?;
        match index {
            0 => self.at(row, nth, "atom 0 does not exist", "atoms are numbered from 1"),
            _ => Ok(index - 1),
        }
    }

    fn term(&mut self, kind: TermKind, row: &Row) -> Result<(), TopologyError> {
        let n = kind.n_atoms();
        let form = match kind {
            TermKind::Settles => "oxygen function d(OH) d(HH)",
            TermKind::PositionRestraints => "atom function kx ky kz",
            TermKind::VirtualSites2 => "site i j function a",
            TermKind::VirtualSites3 => "site i j k function a b [c]",
            _ if n == 2 => "i j function [parameters]",
            _ if n == 3 => "i j k function [parameters]",
            _ => "i j k l function [parameters]",
        };
        self.at_least(row, n + 1, form)?;
        let mut atoms = [0; 4];
        for (nth, atom) in atoms.iter_mut().enumerate().take(n) {
            *atom = self.atom_index(row, nth)?;
        }
        for b in 1..n {
            if atoms[..b].contains(&atoms[b]) {
                return self.at(row, b, format!("atom {} stands twice in this row", atoms[b] + 1), "");
            }
        }
        let number = self.function(kind, row, n)?;
        let values = self.numbers(row, n + 1)?;
        let values = match function(kind, number).filter(|f| f.runs) {
            Some(function) => self.unperturbed(row, n + 1, function.n_parameters, values, function.name)?,
            None => values,
        };
        self.molecule(row)?.terms_mut(kind).push(Term { place: row.place, atoms, function: number, values });
        Ok(())
    }

    fn exclusions(&mut self, row: &Row) -> Result<(), TopologyError> {
        self.at_least(row, 1, "an atom, and those it is excluded from")?;
        let atoms: Vec<u32> = (0..row.words.len()).map(|nth| self.atom_index(row, nth)).collect::<Result<_, _>>()?;
        self.molecule(row)?.exclusions.push((row.place, atoms));
        Ok(())
    }

    fn molecule_count(&mut self, row: &Row) -> Result<(), TopologyError> {
        const FORM: &str = "name count";
        self.at_least(row, 2, FORM)?;
        self.at_most(row, 2, FORM)?;
        let count = self.integer(row, 1, "the number of molecules")?;
        self.records.molecules.push(MoleculeCount { place: row.place, name: row.words[0].to_string(), count });
        Ok(())
    }

    /// Checks that need the whole topology.
    fn finish(self) -> Result<(Records, Sources), TopologyError> {
        let Parser { preprocessor, mut records, system, molecules, .. } = self;
        records.unused_defines = preprocessor.unused_defines();
        let sources = preprocessor.sources;
        let top = Place { source: 0, line: 0 };
        let missing = |name: &str, help: &str| Err(sources.fault(top, "", format!("there is no [ {name} ]"), help));
        if records.defaults.is_none() {
            let help =
                "add one, or #include the forcefield.itp of the force field: a molecule's .itp alone is no topology";
            return missing("defaults", help);
        }
        if system.is_none() {
            return missing("system", "add [ system ] and a title, then [ molecules ]");
        }
        if molecules.is_none() || records.molecules.is_empty() {
            return missing("molecules", "add [ molecules ] with a name and a count per line");
        }
        check_atoms(&records, &sources)?;
        check_signs(&records, &sources)?;
        check_type_names(&records, &sources)?;
        Ok((records, sources))
    }
}

/// Every row names atoms that its molecule has.
fn check_atoms(records: &Records, sources: &Sources) -> Result<(), TopologyError> {
    for molecule in &records.molecule_types {
        let n = molecule.atoms.len() as u32;
        let check = |place: Place, nth: usize, atom: u32| {
            if atom < n {
                return Ok(());
            }
            let message = format!("there is no atom {} in {}, which has {n}", atom + 1, molecule.name);
            Err(sources.fault_at(place, (&(atom + 1).to_string(), nth), message, ""))
        };
        for kind in TermKind::ALL {
            for term in molecule.terms(kind) {
                for (nth, &atom) in term.atoms[..kind.n_atoms()].iter().enumerate() {
                    check(term.place, nth, atom)?;
                }
            }
        }
        for (place, atoms) in &molecule.exclusions {
            for (nth, &atom) in atoms.iter().enumerate() {
                check(*place, nth, atom)?;
            }
        }
    }
    Ok(())
}

/// Depths of Lennard-Jones wells are not negative; neither are the coefficients that roots are taken of.
fn check_signs(records: &Records, sources: &Sources) -> Result<(), TopologyError> {
    let by_coefficients = records.defaults.is_some_and(|d| d.rule == CombinationRule::GeometricC6C12);
    let second = if by_coefficients { "c12" } else { "epsilon" };
    let fault = |place: Place, what: &str, value: f64| {
        let help = match what {
            "epsilon" => "the columns may be mixed up, or sigma and epsilon given as c6 and c12",
            _ => "the columns may be mixed up",
        };
        Err(sources.fault(place, "", format!("{what} is {value}, and must not be negative"), help))
    };
    for t in &records.atom_types {
        if t.w < 0.0 {
            return fault(t.place, second, t.w);
        }
        if by_coefficients && t.v < 0.0 {
            return fault(t.place, "c6", t.v);
        }
    }
    let rows = records.nonbond_params.values().chain(records.pair_types.values());
    let first = rows.filter(|row| row.w < 0.0).min_by_key(|row| (row.place.source, row.place.line));
    first.map_or(Ok(()), |row| fault(row.place, second, row.w))
}

/// Every name in a table of parameters is that of a type.
fn check_type_names(records: &Records, sources: &Sources) -> Result<(), TopologyError> {
    let unknown = |name: &str, place: Place, known: &mut dyn Iterator<Item = &str>| {
        let help = nearest(name, known).map_or(String::new(), |near| format!("did you mean `{near}`?"));
        Err(sources.fault(place, name, format!("there is no atom type `{name}`"), help))
    };
    for table in [&records.nonbond_params, &records.pair_types] {
        let mut bad: Vec<(Place, &str)> = table
            .iter()
            .flat_map(|((a, b), row)| [(row.place, a.as_str()), (row.place, b.as_str())])
            .filter(|(_, name)| !records.atom_type_index.contains_key(*name))
            .collect();
        bad.sort_by_key(|(place, _)| (place.source, place.line));
        if let Some(&(place, name)) = bad.first() {
            return unknown(name, place, &mut records.atom_types.iter().map(|t| t.name.as_str()));
        }
    }
    let bonded: std::collections::HashSet<&str> = records.atom_types.iter().map(|t| t.bonded.as_str()).collect();
    for (name, place) in records.bonded_types.names() {
        if !bonded.contains(name) {
            return unknown(name, place, &mut records.atom_types.iter().map(|t| t.bonded.as_str()));
        }
    }
    Ok(())
}
