//! Is a time step short enough for the bonds that vibrate?
//!
//! The measure is that of `grompp`: at least five steps to a period are needed, ten are good.

use crate::system::Topology;
use std::f64::consts::TAU;

/// A bond that vibrates.
struct Vibration {
    /// ps
    period: f64,
    /// `C1-H1 of ethane`
    bond: String,
}

/// What to say about a time step (ps) that has fewer than ten steps in the period of some bond.
pub fn warning(topology: &Topology, timestep: f64) -> Option<String> {
    let Vibration { period, bond } = fastest(topology)?;
    if period >= 10.0 * timestep {
        return None;
    }
    let verdict = if period < 5.0 * timestep { "at least five are needed" } else { "ten are advised" };
    let (period_fs, step_fs, tenth) = (1e3 * period, 1e3 * timestep, 100.0 * period);
    Some(format!(
        "the bond {bond} vibrates with a period of {period_fs:.1} fs, which is {:.1} time steps of {step_fs} fs, and {verdict}: \
         constrain it (constraints = \"h-bonds\" or \"all-bonds\"), or take {tenth:.1} fs",
        period / timestep
    ))
}

/// The harmonic bond with the shortest period that is not constrained, in a molecule that moves.
fn fastest(topology: &Topology) -> Option<Vibration> {
    let mut fastest: Option<Vibration> = None;
    for (s, species) in topology.species.iter().enumerate() {
        let own = (0..topology.molecules.len()).filter(|&m| topology.molecules[m].species as usize == s);
        let Some(atoms) = own.map(|m| topology.atoms_of(m)).find(|atoms| atoms.clone().any(|i| !topology.frozen[i]))
        else {
            continue;
        };
        for bond in &species.bonded.bonds {
            let inverse = |i: u32| match topology.frozen[atoms.start + i as usize] {
                true => 0.0,
                false => 1.0 / species.atoms[i as usize].mass,
            };
            let omega = (bond.k * (inverse(bond.atoms[0]) + inverse(bond.atoms[1]))).sqrt();
            // a bond to a massless site has no period of its own
            let is_shorter = |f: &Vibration| TAU / omega < f.period;
            if omega > 0.0 && omega.is_finite() && fastest.as_ref().is_none_or(is_shorter) {
                let name = |i: u32| species.atoms[i as usize].name.as_str();
                let bond = format!("{}-{} of {}", name(bond.atoms[0]), name(bond.atoms[1]), species.name);
                fastest = Some(Vibration { period: TAU / omega, bond });
            }
        }
    }
    fastest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::bonded::{Bonded, HarmonicBond};
    use crate::system::topology::{Species, SpeciesAtom};

    /// O-H of OPLS: 462750 kJ/mol/nm² and 0.948 u, ω = 698.6 /ps, 8.99 fs.
    #[test]
    fn the_period_of_a_bond_is_compared_with_the_time_step() {
        let atom =
            |name: &str, mass| SpeciesAtom { name: name.into(), element: name.into(), type_id: 0, charge: 0.0, mass };
        let bond = HarmonicBond { atoms: [0, 1], length: 0.0945, k: 462_750.0 };
        let species = Species {
            name: "hydroxide".into(),
            atoms: vec![atom("O", 15.9994), atom("H", 1.008)],
            bonds: vec![(0, 1)],
            bonded: Bonded { bonds: vec![bond], ..Bonded::default() },
            ..Species::default()
        };
        let mut topology = Topology::new(vec!["X".into()], vec![species], &[0, 0]);
        assert_eq!(warning(&topology, 0.0005), None);
        let close = warning(&topology, 0.001).expect("nine steps");
        assert!(
            close.contains("O-H of hydroxide") && close.contains("9.0 fs") && close.contains("ten are advised"),
            "{close}"
        );
        let far = warning(&topology, 0.002).expect("four steps");
        assert!(far.contains("4.5 time steps of 2 fs") && far.contains("five are needed"), "{far}");
        topology.frozen = vec![true, true, true, false];
        let held = fastest(&topology).expect("one hydrogen moves").period;
        assert!((held / (TAU * (1.008f64 / 462_750.0).sqrt()) - 1.0).abs() < 1e-12, "{held}");
        topology.frozen = vec![true; 4];
        assert_eq!(warning(&topology, 0.002), None);
    }
}
