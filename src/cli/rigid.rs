//! Slabs in frames of a trajectory, whose coordinates are rounded.
//!
//! A file of 0.001 nm rounds all atoms of a crystal's layer alike, so that hundreds of charges in step move together: the dipole of a neutral slab, and with it
//! the potential across a cell, is off by tenths of a volt. Slabs are rigid, so their shape is taken from where they were built, and their place from the frame.

use crate::cell::Cell;
use crate::system::{State, Topology};
use glam::DVec3;

/// Rounding moves an atom by less than this from where the rigid slab has it, nm.
const ROUNDED: f64 = 1.1e-3;

/// The frozen molecules of a system, as they were built.
pub struct Rigid {
    /// Atoms and where they were built, nm
    slabs: Vec<(Vec<usize>, Vec<DVec3>)>,
}

impl Rigid {
    pub fn new(topology: &Topology, built: &State) -> Self {
        let whole = |m: &usize| {
            let atoms = topology.atoms_of(*m);
            atoms.len() > 1 && atoms.clone().all(|i| topology.frozen[i])
        };
        let slab = |m: usize| (topology.atoms_of(m).collect(), built.positions[topology.atoms_of(m)].to_vec());
        Rigid { slabs: (0..topology.molecules.len()).filter(whole).map(slab).collect() }
    }

    /// Takes the rounding off the slabs of a frame: each is shifted as a whole to its mean place. One that is not where a rigid slab can be is left alone.
    ///
    /// * `positions` – `[n_atoms]`, nm, wrapped or not
    pub fn restore(&self, cell: &Cell, positions: &mut [DVec3]) {
        for (atoms, built) in &self.slabs {
            let moved: Vec<DVec3> =
                atoms.iter().zip(built).map(|(&i, b)| cell.minimum_image(positions[i] - *b)).collect();
            // Displacements of less than half a cell from that of the first atom are of one image.
            let moved: Vec<DVec3> = moved.iter().map(|d| moved[0] + cell.minimum_image(*d - moved[0])).collect();
            let shift = moved.iter().sum::<DVec3>() / moved.len() as f64;
            if moved.iter().all(|d| (*d - shift).abs().max_element() < ROUNDED) {
                atoms.iter().zip(&moved).for_each(|(&i, d)| positions[i] += shift - *d);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::topology::{Species, SpeciesAtom};

    /// Three layers of charges in step; rounded, they have a dipole along z that they do not have, and a slab that was bent is not touched.
    #[test]
    fn a_rounded_slab_gets_its_dipole_back() {
        let heights = [2.000_4, 2.137_8, 2.275_2];
        let charges = [-0.6, 1.2, -0.6];
        let atom = |charge: f64| SpeciesAtom { name: "S".into(), element: "C".into(), type_id: 0, charge, mass: 12.0 };
        let atoms = (0..48).map(|k| atom(charges[k / 16])).collect();
        let species = Species { name: "slab".into(), residue: "SLB".into(), atoms, ..Species::default() };
        let mut topology = Topology::new(vec!["S".into()], vec![species], &[0]);
        topology.frozen.fill(true);
        let at = |k: usize| DVec3::new(0.25 * (k % 4) as f64, 0.25 * (k / 4 % 4) as f64, heights[k / 16]);
        let cell = Cell::orthorhombic(1.0, 1.0, 6.0).expect("valid");
        let built = State::at_rest(cell, (0..48).map(at).collect());
        let rigid = Rigid::new(&topology, &built);
        let dipole =
            |positions: &[DVec3]| -> f64 { positions.iter().zip(&topology.charges).map(|(r, q)| r.z * q).sum() };
        // moved by a piston, across the boundary, and rounded
        let moved = |r: &DVec3| {
            let r = *r + DVec3::new(0.0, 0.0, 3.8 + 0.012_34);
            let z = r.z - 6.0 * (r.z / 6.0).floor();
            (DVec3::new(r.x, r.y, z) * 1000.0).round() / 1000.0
        };
        let mut frame: Vec<DVec3> = built.positions.iter().map(moved).collect();
        let whole = |positions: &[DVec3]| -> Vec<DVec3> {
            positions.iter().map(|r| DVec3::new(r.x, r.y, if r.z < 3.0 { r.z + 6.0 } else { r.z })).collect()
        };
        let (exact, rounded) = (dipole(&built.positions), dipole(&whole(&frame)));
        assert!((rounded - exact).abs() > 1e-3, "the case shows nothing: {rounded} {exact}");
        rigid.restore(&cell, &mut frame);
        let restored = dipole(&whole(&frame));
        assert!((restored - exact).abs() < 1e-9, "{restored} {exact}");
        assert!((whole(&frame)[0].z - (heights[0] + 3.812_34)).abs() < 5e-4, "it stays where it was");
        let mut bent = frame.clone();
        bent[5].z += 0.002;
        let before = bent.clone();
        rigid.restore(&cell, &mut bent);
        assert_eq!(bent, before);
    }
}
