//! What a topology says, before anything is looked up or combined: rows of numbers with their places.

use super::source::Place;
use std::collections::HashMap;

/// `[ defaults ]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Defaults {
    pub place: Place,
    pub rule: CombinationRule,
    /// Are 1-4 parameters made from the types' own where `[ pairtypes ]` has none?
    pub gen_pairs: bool,
    pub fudge_lj: f64,
    pub fudge_qq: f64,
}

/// Meaning of the two numbers of a type, and how pairs are made from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CombinationRule {
    /// 1: c6 (kJ/mol nm⁶) and c12 (kJ/mol nm¹²), both geometric.
    GeometricC6C12,
    /// 2: σ (nm) arithmetic, ε (kJ/mol) geometric.
    LorentzBerthelot,
    /// 3: σ and ε, both geometric.
    GeometricSigmaEpsilon,
}

/// What an atom type is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParticleKind {
    Atom,
    VirtualSite,
}

/// A row of `[ atomtypes ]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AtomType {
    pub place: Place,
    pub name: String,
    /// Name that bonded types know it by.
    pub bonded: String,
    pub atomic_number: Option<u32>,
    /// u
    pub mass: f64,
    /// e
    pub charge: f64,
    pub kind: ParticleKind,
    /// σ and ε, or c6 and c12
    pub v: f64,
    pub w: f64,
}

/// A row of `[ nonbond_params ]` or `[ pairtypes ]`, names sorted.
#[derive(Debug, Clone, Copy)]
pub(super) struct PairParameters {
    pub place: Place,
    pub v: f64,
    pub w: f64,
}

/// Pairs of type names (the smaller first) and their parameters.
pub(super) type PairParameterTable = HashMap<(String, String), PairParameters>;

/// A row of `[ atoms ]`.
#[derive(Debug, Clone)]
pub(super) struct AtomRow {
    pub place: Place,
    pub type_name: String,
    pub residue: String,
    /// Number of the residue, with its insertion code.
    pub residue_number: String,
    pub name: String,
    /// e
    pub charge: Option<f64>,
    /// u
    pub mass: Option<f64>,
}

/// Directives of a molecule whose rows are atoms, a function and numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TermKind {
    Bonds,
    Pairs,
    PairsNb,
    Angles,
    Dihedrals,
    Constraints,
    Settles,
    VirtualSites2,
    VirtualSites3,
    PositionRestraints,
}

impl TermKind {
    pub const ALL: [TermKind; 10] = [
        TermKind::Bonds,
        TermKind::Pairs,
        TermKind::PairsNb,
        TermKind::Angles,
        TermKind::Dihedrals,
        TermKind::Constraints,
        TermKind::Settles,
        TermKind::VirtualSites2,
        TermKind::VirtualSites3,
        TermKind::PositionRestraints,
    ];

    pub fn directive(self) -> &'static str {
        match self {
            TermKind::Bonds => "bonds",
            TermKind::Pairs => "pairs",
            TermKind::PairsNb => "pairs_nb",
            TermKind::Angles => "angles",
            TermKind::Dihedrals => "dihedrals",
            TermKind::Constraints => "constraints",
            TermKind::Settles => "settles",
            TermKind::VirtualSites2 => "virtual_sites2",
            TermKind::VirtualSites3 => "virtual_sites3",
            TermKind::PositionRestraints => "position_restraints",
        }
    }

    pub fn n_atoms(self) -> usize {
        match self {
            TermKind::Settles | TermKind::PositionRestraints => 1,
            TermKind::Bonds | TermKind::Pairs | TermKind::PairsNb | TermKind::Constraints => 2,
            TermKind::Angles | TermKind::VirtualSites2 => 3,
            TermKind::Dihedrals | TermKind::VirtualSites3 => 4,
        }
    }
}

/// One row of such a directive. Atoms are local indices from 0; unused ones are 0.
#[derive(Debug, Clone)]
pub(super) struct Term {
    pub place: Place,
    pub atoms: [u32; 4],
    pub function: u32,
    /// As written; empty where the force field's types are to be used.
    pub values: Vec<f64>,
}

/// `[ moleculetype ]` and what follows it.
#[derive(Debug, Clone)]
pub(super) struct MoleculeType {
    pub place: Place,
    pub name: String,
    /// Atoms up to this many bonds away are excluded.
    pub nrexcl: u32,
    pub atoms: Vec<AtomRow>,
    /// By [`TermKind`].
    terms: [Vec<Term>; TermKind::ALL.len()],
    /// Rows of `[ exclusions ]`: an atom and those it is excluded from.
    pub exclusions: Vec<(Place, Vec<u32>)>,
    /// First row of a directive that cannot be run, and what it is.
    pub unsupported: Option<(Place, &'static str)>,
}

impl MoleculeType {
    pub fn new(place: Place, name: String, nrexcl: u32) -> Self {
        MoleculeType {
            place,
            name,
            nrexcl,
            atoms: Vec::new(),
            terms: Default::default(),
            exclusions: Vec::new(),
            unsupported: None,
        }
    }

    pub fn terms(&self, kind: TermKind) -> &[Term] {
        &self.terms[kind as usize]
    }

    pub fn terms_mut(&mut self, kind: TermKind) -> &mut Vec<Term> {
        &mut self.terms[kind as usize]
    }
}

/// A row of `[ molecules ]`.
#[derive(Debug, Clone)]
pub(super) struct MoleculeCount {
    pub place: Place,
    pub name: String,
    pub count: u64,
}
