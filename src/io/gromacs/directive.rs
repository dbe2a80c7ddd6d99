//! The names in square brackets.

use super::records::TermKind;

/// A directive that is known, though not always run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Directive {
    Defaults,
    AtomTypes,
    /// `bondtypes`, `angletypes`, `dihedraltypes`, `constrainttypes`
    BondedTypes(TermKind),
    NonbondParams,
    PairTypes,
    /// Parameters that only matter to a directive or a setting that cannot be run: read past.
    UnusedTypes(&'static str),
    MoleculeType,
    Atoms,
    Term(TermKind),
    Exclusions,
    /// A part of a molecule that cannot be run.
    Refused(&'static str),
    Intermolecular,
    System,
    Molecules,
}

/// Names as the manual writes them.
const NAMES: &[(&str, Directive)] = &[
    ("defaults", Directive::Defaults),
    ("atomtypes", Directive::AtomTypes),
    ("bondtypes", Directive::BondedTypes(TermKind::Bonds)),
    ("angletypes", Directive::BondedTypes(TermKind::Angles)),
    ("dihedraltypes", Directive::BondedTypes(TermKind::Dihedrals)),
    ("constrainttypes", Directive::BondedTypes(TermKind::Constraints)),
    ("nonbond_params", Directive::NonbondParams),
    ("pairtypes", Directive::PairTypes),
    ("cmaptypes", Directive::UnusedTypes("cmaptypes")),
    ("implicit_genborn_params", Directive::UnusedTypes("implicit_genborn_params")),
    ("implicit_surface_params", Directive::UnusedTypes("implicit_surface_params")),
    ("moleculetype", Directive::MoleculeType),
    ("atoms", Directive::Atoms),
    ("bonds", Directive::Term(TermKind::Bonds)),
    ("pairs", Directive::Term(TermKind::Pairs)),
    ("pairs_nb", Directive::Term(TermKind::PairsNb)),
    ("angles", Directive::Term(TermKind::Angles)),
    ("dihedrals", Directive::Term(TermKind::Dihedrals)),
    ("constraints", Directive::Term(TermKind::Constraints)),
    ("settles", Directive::Term(TermKind::Settles)),
    ("virtual_sites2", Directive::Term(TermKind::VirtualSites2)),
    ("virtual_sites3", Directive::Term(TermKind::VirtualSites3)),
    ("position_restraints", Directive::Term(TermKind::PositionRestraints)),
    ("exclusions", Directive::Exclusions),
    ("cmap", Directive::Refused("cmap")),
    ("virtual_sites1", Directive::Refused("virtual_sites1")),
    ("virtual_sites4", Directive::Refused("virtual_sites4")),
    ("virtual_sitesn", Directive::Refused("virtual_sitesn")),
    ("polarization", Directive::Refused("polarization")),
    ("water_polarization", Directive::Refused("water_polarization")),
    ("thole_polarization", Directive::Refused("thole_polarization")),
    ("distance_restraints", Directive::Refused("distance_restraints")),
    ("angle_restraints", Directive::Refused("angle_restraints")),
    ("angle_restraints_z", Directive::Refused("angle_restraints_z")),
    ("dihedral_restraints", Directive::Refused("dihedral_restraints")),
    ("orientation_restraints", Directive::Refused("orientation_restraints")),
    ("intermolecular_interactions", Directive::Intermolecular),
    ("system", Directive::System),
    ("molecules", Directive::Molecules),
];

impl Directive {
    /// By name; case, `_` and `-` do not matter, and `dummies` is the old word for virtual sites.
    pub fn parse(name: &str) -> Option<Self> {
        let plain = |name: &str| name.to_lowercase().replace(['_', '-'], "");
        let name = plain(name).replace("dummies", "virtualsites");
        NAMES.iter().find(|(known, _)| plain(known) == name).map(|&(_, directive)| directive)
    }

    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|&(name, _)| name)
    }

    /// Does it belong to the molecule that `[ moleculetype ]` began?
    pub fn is_part_of_molecule(self) -> bool {
        matches!(self, Directive::Atoms | Directive::Term(_) | Directive::Exclusions | Directive::Refused(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_loosely_as_grompp_does() {
        for name in ["virtual_sites3", "dummies3", "Virtual_Sites3", "VIRTUALSITES3"] {
            assert_eq!(Directive::parse(name), Some(Directive::Term(TermKind::VirtualSites3)), "{name}");
        }
        assert_eq!(Directive::parse("bond"), None);
        for (name, directive) in NAMES {
            assert_eq!(Directive::parse(name), Some(*directive));
        }
    }
}
