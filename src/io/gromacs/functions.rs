//! The function numbers of the bonded directives: how many parameters each takes and which of them this program runs.
//!
//! After the table of intermolecular and bonded directives in the GROMACS reference manual, "File formats, Topology file".

use super::records::TermKind;

/// A function of a directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Function {
    pub number: u32,
    /// Of the unperturbed state.
    pub n_parameters: usize,
    pub name: &'static str,
    pub runs: bool,
}

const fn runs(number: u32, n_parameters: usize, name: &'static str) -> Function {
    Function { number, n_parameters, name, runs: true }
}

const fn refused(number: u32, n_parameters: usize, name: &'static str) -> Function {
    Function { number, n_parameters, name, runs: false }
}

const BONDS: &[Function] = &[
    runs(1, 2, "harmonic bond"),
    refused(2, 2, "GROMOS-96 bond"),
    refused(3, 3, "Morse bond"),
    refused(4, 3, "cubic bond"),
    runs(5, 0, "connection"),
    runs(6, 2, "harmonic potential"),
    refused(7, 2, "FENE bond"),
    refused(8, 2, "tabulated bond"),
    refused(9, 2, "tabulated bond without exclusions"),
    refused(10, 4, "restraint potential"),
];

const ANGLES: &[Function] = &[
    runs(1, 2, "harmonic angle"),
    refused(2, 2, "GROMOS-96 angle"),
    refused(3, 3, "cross bond-bond term"),
    refused(4, 4, "cross bond-angle term"),
    runs(5, 4, "Urey-Bradley angle"),
    refused(6, 6, "quartic angle"),
    refused(8, 2, "tabulated angle"),
    refused(9, 2, "linear angle"),
    refused(10, 2, "restricted bending potential"),
];

const DIHEDRALS: &[Function] = &[
    runs(1, 3, "proper dihedral"),
    runs(2, 2, "improper dihedral"),
    runs(3, 6, "Ryckaert-Bellemans dihedral"),
    runs(4, 3, "periodic improper dihedral"),
    runs(5, 4, "Fourier dihedral"),
    refused(8, 2, "tabulated dihedral"),
    runs(9, 3, "proper dihedral (multiple)"),
    refused(10, 2, "restricted dihedral"),
    refused(11, 6, "combined bending-torsion potential"),
];

const CONSTRAINTS: &[Function] = &[runs(1, 1, "constraint"), runs(2, 1, "constraint without exclusions")];

const PAIRS: &[Function] = &[runs(1, 2, "1-4 pair"), runs(2, 5, "1-4 pair with its own charges")];

const PAIRS_NB: &[Function] = &[runs(1, 4, "pair without cutoff")];

const SETTLES: &[Function] = &[runs(1, 2, "rigid water")];

const VIRTUAL_SITES2: &[Function] =
    &[runs(1, 1, "virtual site on a line"), refused(2, 1, "virtual site at a fixed distance (2fd)")];

const VIRTUAL_SITES3: &[Function] = &[
    runs(1, 2, "virtual site in a plane"),
    refused(2, 2, "virtual site at a fixed distance (3fd)"),
    refused(3, 2, "virtual site at a fixed angle and distance (3fad)"),
    runs(4, 3, "virtual site out of a plane (3out)"),
];

const POSITION_RESTRAINTS: &[Function] =
    &[runs(1, 3, "position restraint"), refused(2, 3, "flat-bottomed position restraint")];

/// The functions of a directive.
pub(super) fn functions(kind: TermKind) -> &'static [Function] {
    match kind {
        TermKind::Bonds => BONDS,
        TermKind::Pairs => PAIRS,
        TermKind::PairsNb => PAIRS_NB,
        TermKind::Angles => ANGLES,
        TermKind::Dihedrals => DIHEDRALS,
        TermKind::Constraints => CONSTRAINTS,
        TermKind::Settles => SETTLES,
        TermKind::VirtualSites2 => VIRTUAL_SITES2,
        TermKind::VirtualSites3 => VIRTUAL_SITES3,
        TermKind::PositionRestraints => POSITION_RESTRAINTS,
    }
}

/// Function `number` of a directive.
pub(super) fn function(kind: TermKind, number: u32) -> Option<&'static Function> {
    functions(kind).iter().find(|f| f.number == number)
}
