//! Electrodes at constant potential in f64: their charges for a configuration, and what these add to energy and forces.
//!
//! The charges minimise U(q) = ½ qᵀ A q + qᵀ φ − qᵀ Ψ − E_z qᵀ z (and the slab term of a charged cell) at fixed sums (`electrode::response`). A is built with
//! the very reciprocal sum that gives the forces, so that U is stationary in q and the forces at fixed q are exact
//! derivatives:
//!
//! A_ij = reciprocal(i, j) + k_e [erfc(β r) − erfc(η_ij r)]/r + δ_ij [k_e (2 η_ii − 2 β)/√π + Thomas-Fermi] + slab,
//! η_ij⁻² = w_i² + w_j², and slab = 4π k_e z_i z_j/V.
//!
//! Every other pass treats the charges as points. What is left is the short range of the Gaussians,
//! −k_e q_i q_j erfc(η_ij r)/r, added here for every pair that holds an electrode atom, and the self terms. Its virial is that of
//! electrode atoms with others: what they do to each other no virial holds (`super::frozen`).

use super::external::Dipole;
use super::outer;
use crate::cell::Cell;
use crate::electrode::dense::Matrix;
use crate::electrode::response::Response;
use crate::forces::ForceError;
use crate::math::erfc;
use crate::neighbor::pairs::PairList;
use crate::system::external::{Electrodes, MOST_ELECTRODES, too_wide};
use crate::system::{Coulomb, System};
use crate::units::COULOMB;
use glam::{DMat3, DVec3};
use rayon::prelude::*;
use std::f64::consts::PI;

/// Potential of the reciprocal sum at every atom from charges on every atom; kJ mol⁻¹ e⁻¹ from e.
pub type Reciprocal<'a> = dyn Fn(&[f64]) -> Vec<f64> + Sync + 'a;

/// One electrode atom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Site {
    pub atom: usize,
    /// kJ mol⁻¹ e⁻¹
    pub potential: f64,
    /// nm
    pub width: f64,
    /// kJ mol⁻¹ e⁻²
    pub thomas_fermi: f64,
}

impl Site {
    /// Every electrode atom, electrode by electrode.
    pub fn all(electrodes: &Electrodes) -> Vec<Site> {
        (electrodes.electrodes.iter())
            .flat_map(|e| {
                e.atoms.iter().map(|&atom| Site {
                    atom: atom as usize,
                    potential: e.condition.potential(),
                    width: e.gaussian_width,
                    thomas_fermi: e.thomas_fermi,
                })
            })
            .collect()
    }

    /// Energy of a unit charge with itself beyond the point charge of the Ewald sum, kJ mol⁻¹ e⁻².
    pub fn own(&self) -> f64 {
        COULOMB * 2.0 / (2f64.sqrt() * self.width * PI.sqrt()) + self.thomas_fermi
    }

    /// Self term of a charge (e) and the work of the source, kJ/mol.
    pub fn energy(&self, charge: f64) -> f64 {
        0.5 * charge * charge * self.own() - charge * self.potential
    }
}

/// β, when the system can have these electrodes at all.
///
/// # Errors
/// Without an Ewald sum, or with Gaussians too wide for the cutoff.
pub fn check(system: &System, electrodes: &Electrodes) -> Result<f64, ForceError> {
    let beta = match system.interactions.coulomb {
        Coulomb::Pme { beta, .. } | Coulomb::Ewald { beta, .. } => beta,
        Coulomb::ReactionField { .. } | Coulomb::Cutoff => {
            let what = "electrodes at constant potential need an Ewald sum; choose pme or ewald";
            return Err(ForceError::Impossible(what.to_string()));
        }
    };
    if system.external.piston.is_some() {
        let what = "electrodes at constant potential cannot move with a piston: the matrix of their charges holds for where \
                    they are; fix the piston first";
        return Err(ForceError::Impossible(what.to_string()));
    }
    let cutoff = system.interactions.cutoff;
    for e in &electrodes.electrodes {
        if let Some((what, help)) = too_wide(&e.name, e.gaussian_width, cutoff) {
            return Err(ForceError::Impossible(format!("{what}; {help}")));
        }
    }
    Ok(beta)
}

/// Response of the electrodes.
///
/// * `at` – `[n_sites]`, nm
/// * `far` – `[n_sites * n_sites]`, reciprocal energy of unit charges, kJ mol⁻¹ e⁻²
///
/// # Errors
/// With electrode atoms on top of each other.
pub fn response(
    system: &System,
    electrodes: &Electrodes,
    sites: &[Site],
    cell: &Cell,
    at: &[DVec3],
    far: Vec<f64>,
) -> Result<Response, ForceError> {
    let beta = check(system, electrodes)?;
    let (n, cutoff) = (sites.len(), system.interactions.cutoff);
    let mut matrix = Matrix { n, values: far };
    matrix.values.par_chunks_mut(n.max(1)).enumerate().for_each(|(i, row)| {
        for (j, value) in row.iter_mut().enumerate() {
            let eta = 1.0 / sites[i].width.hypot(sites[j].width);
            let r = cell.minimum_image(at[j] - at[i]).length();
            *value += if i == j {
                sites[i].own() - COULOMB * 2.0 * beta / PI.sqrt()
            } else if r < cutoff {
                COULOMB * (erfc(beta * r) - erfc(eta * r)) / r
            } else {
                0.0
            };
            if system.external.slab_correction {
                *value += 4.0 * PI * COULOMB / cell.volume() * at[i].z * at[j].z;
            }
        }
    });
    let (groups, fixed_sums) = electrodes.fixed_sums();
    Response::new(matrix, &groups, fixed_sums.len()).map_err(|e| {
        ForceError::Impossible(format!(
            "the electrode atoms do not hold charges independently: {e}; look for atoms on top of each other or a \
             Gaussian width far above their distance"
        ))
    })
}

/// Ψ + E_z z at every site, with what the charge Q of all atoms adds to the slab term there, 2π k_e Q z²/V: all of the drive
/// that does not depend on the configuration, `[n_sites]`, kJ mol⁻¹ e⁻¹. Q is the same for whatever charges the sites take.
///
/// * `at` – `[n_sites]`, nm
pub fn held(system: &System, electrodes: &Electrodes, cell: &Cell, sites: &[Site], at: &[DVec3]) -> Vec<f64> {
    let external = &system.external;
    let mut charges = system.topology.charges.clone();
    electrodes.atoms().for_each(|atom| charges[atom as usize] = 0.0);
    let total: f64 = charges.iter().sum::<f64>() + electrodes.fixed_sums().1.iter().sum::<f64>();
    let of_charge = if external.slab_correction { 2.0 * PI * COULOMB / cell.volume() * total } else { 0.0 };
    sites.iter().zip(at).map(|(s, r)| s.potential + external.field_z * r.z + of_charge * r.z * r.z).collect()
}

/// The electrodes of one system in one cell, frozen where they are.
pub struct ConstantPotential {
    sites: Vec<Site>,
    /// atom → index into `sites`
    site_of: Vec<Option<u32>>,
    /// e, by group of [`Response`]
    fixed_sums: Vec<f64>,
    beta: f64,
    response: Response,
    /// As by [`held`].
    held: Vec<f64>,
    /// Where the matrix was made: cell and `[n_sites]`, nm.
    made_for: (Cell, Vec<DVec3>),
}

/// What electrode charges add besides the passes that treat them as points, kJ/mol.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ElectrodeSums {
    /// Short range of the Gaussians: part of the real-space Coulomb energy.
    pub short_range: f64,
    /// Gaussian self-energies, Thomas-Fermi terms and −qᵀ Ψ.
    pub electrode: f64,
    /// Of the short range between an electrode atom and another, kJ/mol.
    pub virial: DMat3,
}

impl ConstantPotential {
    /// Builds and inverts the matrix. `None` when the system has no electrodes.
    ///
    /// * `positions` – `[n_atoms]`, nm; only electrode atoms are looked at
    /// * `far` – reciprocal energies of unit charges at the positions given, `[n * n]`, by the sum in use
    ///
    /// # Errors
    /// Those of [`check`] and [`response`].
    pub fn new(
        system: &System,
        cell: &Cell,
        positions: &[DVec3],
        far: impl Fn(&[DVec3]) -> Vec<f64>,
    ) -> Result<Option<Self>, ForceError> {
        let Some(electrodes) = &system.external.electrodes else { return Ok(None) };
        let beta = check(system, electrodes)?;
        let sites = Site::all(electrodes);
        let at: Vec<DVec3> = sites.iter().map(|s| positions[s.atom]).collect();
        let response = response(system, electrodes, &sites, cell, &at, far(&at))?;
        let mut site_of = vec![None; positions.len()];
        for (k, site) in sites.iter().enumerate() {
            site_of[site.atom] = Some(k as u32);
        }
        let (_, fixed_sums) = electrodes.fixed_sums();
        let held = held(system, electrodes, cell, &sites, &at);
        Ok(Some(ConstantPotential { sites, site_of, fixed_sums, beta, response, held, made_for: (*cell, at) }))
    }

    /// Are the electrodes still where they were when the matrix was made?
    pub fn is_made_for(&self, cell: &Cell, positions: &[DVec3]) -> bool {
        *cell == self.made_for.0 && self.sites.iter().zip(&self.made_for.1).all(|(s, r)| positions[s.atom] == *r)
    }

    /// The charges that electrode atoms take in this configuration, written into `charges`. Returns the potentials of the electrodes, as
    /// [`Electrodes::potentials`].
    ///
    /// * `charges` – `[n_atoms]`, e
    pub fn set_charges(
        &self,
        system: &System,
        cell: &Cell,
        positions: &[DVec3],
        list: &PairList,
        reciprocal: &Reciprocal,
        charges: &mut [f64],
    ) -> [f64; MOST_ELECTRODES] {
        for site in &self.sites {
            charges[site.atom] = 0.0;
        }
        let far = reciprocal(charges);
        let mut near = vec![0.0; self.sites.len()];
        let cutoff_sq = system.interactions.cutoff.powi(2);
        for &(i, j) in &list.pairs {
            for (a, b) in [(i as usize, j as usize), (j as usize, i as usize)] {
                let Some(k) = self.site_of[a] else { continue };
                if self.site_of[b].is_some() {
                    continue;
                }
                let r_sq = cell.minimum_image(positions[a] - positions[b]).length_squared();
                if r_sq < cutoff_sq {
                    let r = r_sq.sqrt();
                    let eta = 1.0 / self.sites[k as usize].width;
                    near[k as usize] += COULOMB * charges[b] * (erfc(self.beta * r) - erfc(eta * r)) / r;
                }
            }
        }
        let moment = Dipole::new(positions, charges).moment;
        let drive: Vec<f64> = (self.sites.iter().zip(&near).zip(&self.held))
            .map(|((site, near), held)| {
                let z = positions[site.atom].z;
                let slab =
                    if system.external.slab_correction { 4.0 * PI * COULOMB / cell.volume() * moment * z } else { 0.0 };
                held - far[site.atom] - near - slab
            })
            .collect();
        for (site, q) in self.sites.iter().zip(self.response.charges(&drive, &self.fixed_sums)) {
            charges[site.atom] = q;
        }
        let offsets = self.response.offsets(&drive, &self.fixed_sums);
        system.external.electrodes.as_ref().map_or([0.0; MOST_ELECTRODES], |e| e.potentials(&offsets))
    }

    /// Adds what the shape of the Gaussians changes, and returns it with the self terms.
    ///
    /// * `forces` – `[n_atoms]`, kJ/mol/nm, added to
    pub fn add_forces(
        &self,
        system: &System,
        cell: &Cell,
        positions: &[DVec3],
        charges: &[f64],
        list: &PairList,
        forces: &mut [DVec3],
    ) -> ElectrodeSums {
        let mut sums = ElectrodeSums { short_range: 0.0, electrode: 0.0, virial: DMat3::ZERO };
        let cutoff_sq = system.interactions.cutoff.powi(2);
        let width = |atom: usize| self.site_of[atom].map_or(0.0, |k| self.sites[k as usize].width);
        for &(i, j) in &list.pairs {
            let (i, j) = (i as usize, j as usize);
            if self.site_of[i].is_none() && self.site_of[j].is_none() {
                continue;
            }
            let d = cell.minimum_image(positions[i] - positions[j]);
            let r_sq = d.length_squared();
            if r_sq >= cutoff_sq {
                continue;
            }
            let (energy, f) = shape(charges[i] * charges[j], 1.0 / width(i).hypot(width(j)), d);
            sums.short_range += energy;
            if self.site_of[i].is_none() || self.site_of[j].is_none() {
                sums.virial += outer(d, f);
            }
            forces[i] += f;
            forces[j] -= f;
        }
        for site in &self.sites {
            sums.electrode += site.energy(charges[site.atom]);
        }
        sums
    }

    /// The matrix C and its companions.
    pub fn response(&self) -> &Response {
        &self.response
    }
}

/// What Gaussians take from the energy of two points, −k_e q q' erfc(η r)/r, and the force on the atom at the end of `d`.
///
/// * `qq` – q q', e²; `eta` – nm⁻¹; `d` – nm
pub fn shape(qq: f64, eta: f64, d: DVec3) -> (f64, DVec3) {
    let r_sq = d.length_squared();
    let r = r_sq.sqrt();
    let tail = erfc(eta * r) / r;
    let slope = 2.0 * eta / PI.sqrt() * (-eta * eta * r_sq).exp();
    (-COULOMB * qq * tail, -COULOMB * qq * (tail + slope) / r_sq * d)
}
