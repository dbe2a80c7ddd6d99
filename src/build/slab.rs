//! Slabs with a liquid between them or on top: where the atoms of surfaces stand, and how much liquid there is room for.
//!
//! From below: the lower slab, the gap, the upper slab (its mirror image), vacuum half below and half above. The liquid is
//! packed into the gap ([`super::solution_between`]); its amounts are those of the accessible volume, which ends half a σ of the
//! surface's atoms before their centres.

use super::composition::{Composition, Extent, Quantity};
use super::solution::{BuildError, Solution, SolutionRequest, solution_between};
use crate::cell::Cell;
use crate::system::topology::Species;
use glam::DVec3;

/// Centres of heavy atoms stay this far from those of a surface, nm.
const CLEARANCE: f64 = 0.28;
/// Room above the highest atoms of the liquid in the packer's periodic cell, nm.
const APART: f64 = 0.27;

/// A slab and the liquid beside it.
#[derive(Debug, Clone)]
pub struct SlabRequest<'a> {
    /// Atoms of the lower slab in one lateral cell, the lowest at z = 0, nm.
    pub atoms: &'a [DVec3],
    /// nm
    pub thickness: f64,
    /// nm
    pub lateral: [f64; 2],
    /// Lateral size asked for, nm.
    pub size: [f64; 2],
    pub two: bool,
    /// Between the innermost atoms of both slabs, or the height of the liquid on one, nm.
    pub gap: f64,
    /// nm
    pub vacuum: f64,
    /// σ of the surface's atoms, nm
    pub sigma: f64,
    /// g/cm³, of the liquid in the accessible volume
    pub density: Option<f64>,
    pub species: &'a [Species],
    pub quantities: &'a [Quantity],
    pub seed: u64,
    pub net_charge_allowed: bool,
    pub contact_pairs_allowed: bool,
    pub geometries: &'a [(String, Vec<DVec3>)],
}

/// What was built.
#[derive(Debug, Clone)]
pub struct SlabBox {
    pub cell: Cell,
    /// Of the slabs, `[n_slabs][n_atoms]`, nm
    pub slabs: Vec<Vec<DVec3>>,
    /// The liquid in the coordinates of `cell`.
    pub liquid: Solution,
    /// Lateral cells along x and y.
    pub cells: [usize; 2],
    /// Height of the liquid's volume, nm
    pub accessible: f64,
}

/// Builds slabs and liquid.
///
/// # Errors
/// Those of [`super::solution`], and [`BuildError::GapTooSmall`].
pub fn slab(request: &SlabRequest) -> Result<SlabBox, BuildError> {
    let cells = [0, 1].map(|k| ((request.size[k] / request.lateral[k]).round() as usize).max(1));
    let [x, y] = [0, 1].map(|k| cells[k] as f64 * request.lateral[k]);
    let walls = if request.two { 2.0 } else { 1.0 };
    let accessible = request.gap - 0.5 * walls * request.sigma;
    let free = request.gap - walls * CLEARANCE;
    if free <= 0.0 || accessible <= 0.0 {
        return Err(BuildError::GapTooSmall { gap: request.gap, least: walls * CLEARANCE.max(0.5 * request.sigma) });
    }
    let volume = Cell::orthorhombic(x, y, accessible).map_err(|_| BuildError::Nothing)?;
    let extent = request.density.map_or(Extent::Cell(volume), |density| Extent::CellAndDensity(volume, density));
    let counts = Composition::new(request.species, request.quantities, extent)?.counts;
    let quantities: Vec<Quantity> = counts.iter().map(|&n| Quantity::Count(n)).collect();
    let packing = Cell::orthorhombic(x, y, free + APART).map_err(|_| BuildError::Nothing)?;
    let inner = SolutionRequest {
        species: request.species,
        quantities: &quantities,
        extent: Extent::Cell(packing),
        seed: request.seed,
        net_charge_allowed: request.net_charge_allowed,
        contact_pairs_allowed: request.contact_pairs_allowed,
        geometries: request.geometries,
    };
    let mut liquid = solution_between(&inner, [0.0, free])?;
    let height = walls * request.thickness + request.gap + request.vacuum;
    let cell = Cell::orthorhombic(x, y, height).map_err(|_| BuildError::Nothing)?;
    let bottom = 0.5 * request.vacuum;
    let floor = bottom + request.thickness + CLEARANCE;
    liquid.positions.iter_mut().for_each(|r| r.z += floor);
    let lower: Vec<DVec3> = (0..cells[0])
        .flat_map(|i| (0..cells[1]).map(move |j| (i, j)))
        .flat_map(|(i, j)| {
            let at = DVec3::new(i as f64 * request.lateral[0], j as f64 * request.lateral[1], bottom);
            request.atoms.iter().map(move |r| *r + at)
        })
        .collect();
    let mut slabs = vec![lower];
    if request.two {
        let middle = bottom + request.thickness + 0.5 * request.gap;
        let mirrored = slabs[0].iter().map(|r| DVec3::new(r.x, r.y, 2.0 * middle - r.z)).collect();
        slabs.push(mirrored);
    }
    Ok(SlabBox { cell, slabs, liquid, cells, accessible })
}
