//! The response matrix of the electrodes of a system: from the cache, or made in f64 by the twin.

use super::ForceError;
use super::reference::electrode::{Site, check, response};
use super::reference::{ewald, pme::Pme};
use crate::cell::Cell;
use crate::electrode::cache;
use crate::electrode::response::Response;
use crate::system::external::Electrodes;
use crate::system::{Coulomb, System};
use crate::units::COULOMB;
use glam::DVec3;

/// Makes the matrix, or takes it from the cache.
///
/// * `sites`, `at` – `[n_sites]`; where they are, nm
///
/// # Errors
/// Those of [`check`] and [`response`].
pub fn solved(
    system: &System,
    electrodes: &Electrodes,
    cell: &Cell,
    sites: &[Site],
    at: &[DVec3],
) -> Result<Response, ForceError> {
    let beta = check(system, electrodes)?;
    let (groups, fixed_sums) = electrodes.fixed_sums();
    let key = cache::Key::new(&describe(system, beta, cell, sites, at, &groups));
    if let Some(found) = cache::read(&key, sites.len(), fixed_sums.len()) {
        return Ok(found);
    }
    let far = match system.interactions.coulomb {
        Coulomb::Pme { beta, grid, order } => Pme::new(grid, order, beta).interactions(cell, at),
        Coulomb::Ewald { beta, n_max, n_sq_max } => {
            ewald::interactions(cell, at, &ewald::WaveVectors { beta, n_max, n_sq_max })
        }
        Coulomb::ReactionField { .. } | Coulomb::Cutoff => vec![0.0; sites.len() * sites.len()],
    };
    let made = response(system, electrodes, sites, cell, at, far)?;
    cache::write(&key, &made);
    Ok(made)
}

/// Capacitance between two electrodes with nothing else in the cell: the charge of the upper one by the potential between them, e² mol kJ⁻¹.
///
/// * `positions` – `[n_atoms]`, nm; only electrode atoms are looked at
/// * `between` – which electrodes: the lower and the upper one
/// * `finite_field` – does the field −ΔΨ/L_z go with the potential?
///
/// # Errors
/// Those of [`solved`].
pub fn empty_capacitance(
    system: &System,
    electrodes: &Electrodes,
    cell: &Cell,
    positions: &[DVec3],
    between: [usize; 2],
    finite_field: bool,
) -> Result<f64, ForceError> {
    let sites = Site::all(electrodes);
    let at: Vec<DVec3> = sites.iter().map(|s| positions[s.atom]).collect();
    let response = solved(system, electrodes, cell, &sites, &at)?;
    let groups = electrodes.groups();
    let [lower, upper] = between;
    if groups[lower] != groups[upper] {
        return Ok(response.capacitance_between([groups[lower], groups[upper]]));
    }
    let counted: Vec<bool> =
        (electrodes.electrodes.iter().enumerate()).flat_map(|(k, e)| e.atoms.iter().map(move |_| k == upper)).collect();
    // Ψ + E z by ΔΨ
    let of_field = |r: &DVec3| if finite_field { -r.z / cell.vectors().z_axis.z } else { 0.0 };
    let drive: Vec<f64> = counted.iter().zip(&at).map(|(&counted, r)| f64::from(counted) + of_field(r)).collect();
    Ok(response.charge_of(&counted, &drive))
}

/// Everything that C depends on, as bytes.
fn describe(system: &System, beta: f64, cell: &Cell, sites: &[Site], at: &[DVec3], groups: &[u32]) -> Vec<u8> {
    let mut numbers = cell.vectors().to_cols_array().to_vec();
    let (kind, mesh) = match system.interactions.coulomb {
        Coulomb::Pme { grid, order, .. } => (1.0, [grid[0], grid[1], grid[2], order].map(|n| n as f64)),
        Coulomb::Ewald { n_max, n_sq_max, .. } => {
            let limit = n_sq_max.map_or(-1.0, f64::from);
            (2.0, [f64::from(n_max[0]), f64::from(n_max[1]), f64::from(n_max[2]), limit])
        }
        Coulomb::ReactionField { .. } | Coulomb::Cutoff => (3.0, [0.0; 4]),
    };
    numbers.extend([kind, system.interactions.cutoff, beta, COULOMB]);
    numbers.extend(mesh);
    numbers.push(f64::from(u8::from(system.external.slab_correction)));
    for ((site, r), group) in sites.iter().zip(at).zip(groups) {
        numbers.extend([r.x, r.y, r.z, site.width, site.thomas_fermi, f64::from(*group)]);
    }
    numbers.iter().flat_map(|x| x.to_bits().to_le_bytes()).collect()
}
