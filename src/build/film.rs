//! A film of liquid in a cell that is higher than it: alone in its vacuum, or between walls.
//!
//! From below: half of the vacuum, the liquid, the other half. Where a wall stands at the end of the liquid or inside it, the
//! amounts are those of the volume that is left, which ends half a σ of the wall's atoms before their plane, as at a surface
//! ([`super::slab`]).

use super::composition::{BoxReport, Composition, Extent, Quantity};
use super::slab::{APART, CLEARANCE};
use super::solution::{BuildError, MIN_HEIGHT, Solution, SolutionRequest, solution_between};
use crate::cell::Cell;
use glam::DVec3;

/// The plane of the outermost atoms of a wall.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Face {
    /// nm, in the whole cell
    pub z: f64,
    /// Of its atoms, nm
    pub sigma: f64,
}

/// A film that was built.
#[derive(Debug, Clone, PartialEq)]
pub struct Film {
    /// In the coordinates of the whole cell, which is that of the solution.
    pub liquid: Solution,
    /// Height of the liquid's volume, nm
    pub accessible: f64,
}

/// Builds a film.
///
/// * `request` – its extent is that of the liquid; the third vector of the cell is along z
/// * `vacuum` – nm in all, half of it below the liquid
/// * `walls` – below and above the liquid
///
/// # Errors
/// Those of [`super::solution`], and [`BuildError::FilmTooLow`].
pub fn film(request: &SolutionRequest, vacuum: f64, walls: [Option<Face>; 2]) -> Result<Film, BuildError> {
    let whole = Composition::new(request.species, request.quantities, request.extent)?;
    let v = whole.cell.vectors();
    let of_height =
        |height: f64| Cell::new(v.x_axis, v.y_axis, DVec3::new(0.0, 0.0, height)).map_err(|_| BuildError::Nothing);
    let height = v.z_axis.z;
    // centres of heavy atoms keep to `room`, the volume of the liquid ends at `ends`; both as distances from an end of the box
    let taken = |wall: Option<Face>, behind: f64| match wall {
        Some(face) => {
            let inside = face.z - behind;
            ((inside + CLEARANCE).max(0.5 * APART), (inside + 0.5 * face.sigma).max(0.0))
        }
        None => (0.5 * APART, 0.0),
    };
    let from_above = |face: Face| Face { z: height + vacuum - face.z, ..face };
    let (below, low) = taken(walls[0], 0.5 * vacuum);
    let (above, high) = taken(walls[1].map(from_above), 0.5 * vacuum);
    let (free, accessible) = (height - below - above, height - low - high);
    let has_walls = walls.iter().any(Option::is_some);
    if free <= 0.0 || accessible <= 0.0 || (has_walls && free + APART < MIN_HEIGHT) {
        return Err(BuildError::FilmTooLow { height, taken: (below + above).max(low + high) });
    }
    let counts = match request.extent {
        Extent::Density(_) => whole.counts,
        Extent::Cell(_) => {
            Composition::new(request.species, request.quantities, Extent::Cell(of_height(accessible)?))?.counts
        }
        Extent::CellAndDensity(_, density) => {
            let extent = Extent::CellAndDensity(of_height(accessible)?, density);
            Composition::new(request.species, request.quantities, extent)?.counts
        }
    };
    let quantities: Vec<Quantity> = counts.iter().map(|&n| Quantity::Count(n)).collect();
    let inner = SolutionRequest { quantities: &quantities, extent: Extent::Cell(of_height(free + APART)?), ..*request };
    let mut liquid = solution_between(&inner, [0.0, free])?;
    liquid.positions.iter_mut().for_each(|r| r.z += 0.5 * vacuum + below);
    liquid.cell = of_height(height + vacuum)?;
    liquid.report = BoxReport::new(request.species, &counts, liquid.cell);
    Ok(Film { liquid, accessible })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::topology::{Species, SpeciesAtom};

    fn argon() -> Species {
        let atom = SpeciesAtom { name: "AR".into(), element: "Ar".into(), type_id: 0, charge: 0.0, mass: 39.948 };
        Species { name: "Ar".into(), residue: "AR".into(), atoms: vec![atom], ..Species::default() }
    }

    fn built(extent: Extent, quantity: Quantity, walls: [Option<Face>; 2]) -> Result<Film, BuildError> {
        let species = [argon()];
        let request = SolutionRequest {
            species: &species,
            quantities: &[quantity],
            extent,
            seed: 3,
            net_charge_allowed: false,
            contact_pairs_allowed: true,
            geometries: &[],
        };
        film(&request, 6.0, walls)
    }

    fn heights(film: &Film) -> (f64, f64) {
        let z = film.liquid.positions.iter().map(|r| r.z);
        (z.clone().fold(f64::MAX, f64::min), z.fold(f64::MIN, f64::max))
    }

    #[test]
    fn a_film_stands_in_the_middle_of_its_vacuum() {
        let liquid = Cell::orthorhombic(2.0, 2.2, 3.0).expect("valid");
        let film = built(Extent::CellAndDensity(liquid, 1.2), Quantity::Fill, [None; 2]).expect("room");
        let n = film.liquid.sequence.len() as f64;
        // u per nm³ is 1.66054e-3 g/cm³
        assert!((n * 39.948 * 1.66054e-3 / (2.0 * 2.2 * 3.0) / 1.2 - 1.0).abs() < 0.01, "{n} atoms");
        assert_eq!(film.liquid.cell.vectors().z_axis, DVec3::new(0.0, 0.0, 9.0));
        let (low, high) = heights(&film);
        assert!(low > 3.0 && low < 3.3 && high < 6.0 && high > 5.7, "{low} to {high}");
        assert!((film.accessible - 3.0).abs() < 1e-12);
    }

    #[test]
    fn walls_take_half_a_diameter_from_the_volume_and_keep_their_distance() {
        let liquid = Cell::orthorhombic(2.0, 2.0, 3.0).expect("valid");
        let face = |z| Some(Face { z, sigma: 0.34 });
        let film = built(Extent::CellAndDensity(liquid, 1.2), Quantity::Fill, [face(3.0), face(6.0)]).expect("room");
        assert!((film.accessible - 2.66).abs() < 1e-12);
        let n = film.liquid.sequence.len() as f64;
        assert!((n * 39.948 * 1.66054e-3 / (2.0 * 2.0 * 2.66) / 1.2 - 1.0).abs() < 0.01, "{n} atoms");
        let (low, high) = heights(&film);
        assert!(low >= 3.28 - 1e-9 && high <= 5.72 + 1e-9 && low < 3.5 && high > 5.5, "{low} to {high}");
        // walls out in the vacuum change nothing; one in the middle takes half of the liquid
        let far = built(Extent::CellAndDensity(liquid, 1.2), Quantity::Fill, [face(2.5), face(6.5)]).expect("room");
        assert!((far.accessible - 3.0).abs() < 1e-12);
        let half = built(Extent::CellAndDensity(liquid, 1.2), Quantity::Fill, [face(4.5), None]).expect("room");
        assert!((half.accessible - 1.33).abs() < 1e-12 && heights(&half).0 >= 4.78 - 1e-9);
        // nor do walls behind the ends of the cell
        let outside =
            built(Extent::CellAndDensity(liquid, 1.2), Quantity::Fill, [face(-3.3), face(12.3)]).expect("room");
        assert!((outside.accessible - 3.0).abs() < 1e-12, "{}", outside.accessible);
        let none = built(Extent::Cell(liquid), Quantity::Count(5), [face(5.9), None]);
        assert!(matches!(none, Err(BuildError::FilmTooLow { .. })), "{none:?}");
        // 0.04 nm between the atoms of both are less than a layer
        let thin = built(Extent::Cell(liquid), Quantity::Count(5), [face(3.0), face(3.6)]);
        assert!(matches!(thin, Err(BuildError::FilmTooLow { .. })), "{thin:?}");
    }
}
