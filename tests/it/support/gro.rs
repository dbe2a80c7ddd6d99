//! A reader of the fixed-width `.gro` files under `validation/`, independent of the one the program uses.

use glam::DVec3;
use hexaqua::cell::Cell;
use std::path::Path;

/// Residue names and positions of a structure.
pub struct Gro {
    /// `[n_atoms]`
    pub residues: Vec<String>,
    /// `[n_atoms]`, nm
    pub positions: Vec<DVec3>,
    pub cell: Cell,
}

pub fn read(path: &Path) -> Gro {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let lines: Vec<&str> = text.lines().collect();
    let n_atoms: usize = lines[1].trim().parse().expect("the second line counts the atoms");
    let mut gro = Gro { residues: Vec::new(), positions: Vec::new(), cell: Cell::cubic(1.0).expect("valid") };
    for line in &lines[2..2 + n_atoms] {
        gro.residues.push(line[5..10].trim().to_string());
        // the width of a column follows from the distance between decimal points
        let numbers = &line[20..];
        let points: Vec<usize> = numbers.match_indices('.').map(|(at, _)| at).take(2).collect();
        let width = points[1] - points[0];
        let field = |k: usize| -> f64 { numbers[k * width..(k + 1) * width].trim().parse().expect("a number") };
        gro.positions.push(DVec3::new(field(0), field(1), field(2)));
    }
    let b: Vec<f64> = lines[2 + n_atoms].split_whitespace().map(|x| x.parse().expect("a number")).collect();
    gro.cell = match b[..] {
        [x, y, z] => Cell::orthorhombic(x, y, z),
        [xx, yy, zz, xy, xz, yx, yz, zx, zy] => {
            Cell::new(DVec3::new(xx, xy, xz), DVec3::new(yx, yy, yz), DVec3::new(zx, zy, zz))
        }
        _ => panic!("a box of 3 or 9 numbers"),
    }
    .expect("a usable cell");
    gro
}
