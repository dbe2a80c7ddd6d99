//! Massless sites: where they are, and what their forces do to their parents. f64.
//!
//! r_s = r_i + a (r_j − r_i) + b (r_k − r_i) + c (r_j − r_i) × (r_k − r_i). Positions are built before forces, forces
//! spread after: δr_s = Σ (∂r_s/∂r) δr makes the power the same. A site moves with its parents under strain when c = 0;
//! the normal of two vectors does not, which is a part of the virial of its own.

use super::outer;
use crate::cell::Cell;
use crate::system::Topology;
use crate::system::bonded::VirtualSite;
use glam::{DMat3, DVec3};

/// The position of a site relative to its first parent, nm.
///
/// * `d_j`, `d_k` – r_j − r_i and r_k − r_i, nm
pub fn offset(site: &VirtualSite, d_j: DVec3, d_k: DVec3) -> DVec3 {
    site.a * d_j + site.b * d_k + site.c * d_j.cross(d_k)
}

/// The force on a site as forces on its parents i, j, k, kJ/mol/nm, and the virial this adds.
///
/// * `d_j`, `d_k` – r_j − r_i and r_k − r_i, nm
pub fn spread(site: &VirtualSite, d_j: DVec3, d_k: DVec3, force: DVec3) -> ([DVec3; 3], DMat3) {
    let f_j = site.a * force + site.c * d_k.cross(force);
    let f_k = site.b * force + site.c * force.cross(d_j);
    let virial = match site.c {
        0.0 => DMat3::ZERO,
        _ => outer(d_j, f_j) + outer(d_k, f_k) - outer(offset(site, d_j, d_k), force),
    };
    ([force - f_j - f_k, f_j, f_k], virial)
}

/// Every virtual site of a topology, with atoms of the whole system.
fn sites(topology: &Topology) -> impl Iterator<Item = (usize, [usize; 3], &VirtualSite)> + '_ {
    topology.molecules.iter().flat_map(move |m| {
        let first = m.first_atom as usize;
        topology.species[m.species as usize]
            .virtual_sites
            .iter()
            .map(move |site| (first + site.site as usize, site.parents.map(|p| first + p as usize), site))
    })
}

/// Does any molecule have a virtual site?
pub fn any(topology: &Topology) -> bool {
    sites(topology).next().is_some()
}

/// Puts every site where its parents say, at the image of its first parent.
///
/// * `positions` – `[n_atoms]`, nm
pub fn construct(topology: &Topology, cell: &Cell, positions: &mut [DVec3]) {
    for (s, [i, j, k], site) in sites(topology) {
        let at = positions[i];
        let (d_j, d_k) = (cell.minimum_image(positions[j] - at), cell.minimum_image(positions[k] - at));
        positions[s] = at + offset(site, d_j, d_k);
    }
}

/// Moves the force on every site to its parents; returns the virial this adds, kJ/mol.
///
/// * `positions` – `[n_atoms]`, nm
/// * `forces` – `[n_atoms]`, kJ/mol/nm
pub fn spread_forces(topology: &Topology, cell: &Cell, positions: &[DVec3], forces: &mut [DVec3]) -> DMat3 {
    let mut virial = DMat3::ZERO;
    for (s, [i, j, k], site) in sites(topology) {
        let at = positions[i];
        let (d_j, d_k) = (cell.minimum_image(positions[j] - at), cell.minimum_image(positions[k] - at));
        let ([f_i, f_j, f_k], w) = spread(site, d_j, d_k, std::mem::take(&mut forces[s]));
        forces[i] += f_i;
        forces[j] += f_j;
        forces[k] += f_k;
        virial += w;
    }
    virial
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Stream};

    const SITES: [VirtualSite; 4] = [
        VirtualSite { site: 3, parents: [0, 1, 1], a: 0.3, b: 0.0, c: 0.0 },
        VirtualSite { site: 3, parents: [0, 1, 2], a: 0.13, b: 0.13, c: 0.0 },
        VirtualSite { site: 3, parents: [0, 1, 2], a: -0.4, b: 0.2, c: 3.0 },
        VirtualSite { site: 3, parents: [0, 1, 2], a: 0.0, b: 0.0, c: -7.0 },
    ];

    fn vector(draws: &mut Draws) -> DVec3 {
        DVec3::new(draws.normal(), draws.normal(), draws.normal())
    }

    #[test]
    fn a_site_by_hand() {
        let site = VirtualSite { site: 3, parents: [0, 1, 2], a: 0.5, b: 0.25, c: 10.0 };
        let at = offset(&site, DVec3::new(0.1, 0.0, 0.0), DVec3::new(0.0, 0.2, 0.0));
        assert!((at - DVec3::new(0.05, 0.05, 0.2)).length() < 1e-15);
    }

    /// With U any function of the site alone, spread forces are −dU/dr of the parents and the virial −dU/dε.
    #[test]
    fn spread_forces_are_the_gradient() {
        let mut draws = Draws::new(5, Stream::Build, 0);
        // an anharmonic well
        let energy = |r: DVec3| 40.0 * r.x * r.x + 30.0 * r.x * r.y + 500.0 * r.z.powi(3) - 20.0 * r.y;
        let force = |r: DVec3| -DVec3::new(80.0 * r.x + 30.0 * r.y, 30.0 * r.x - 20.0, 1500.0 * r.z * r.z);
        for site in SITES {
            for _ in 0..20 {
                let r = [0.1 * vector(&mut draws), 0.1 * vector(&mut draws), 0.1 * vector(&mut draws)];
                let r = if site.parents[1] == site.parents[2] { [r[0], r[1], r[1]] } else { r };
                let place = |r: [DVec3; 3]| r[0] + offset(&site, r[1] - r[0], r[2] - r[0]);
                let (forces, extra) = spread(&site, r[1] - r[0], r[2] - r[0], force(place(r)));
                for axis in 0..3 {
                    for parent in 0..3 {
                        let at = |h: f64| {
                            let mut moved = r;
                            moved[parent][axis] += h;
                            energy(place(moved))
                        };
                        let numeric = -(at(1e-6) - at(-1e-6)) / 2e-6;
                        assert!((numeric - forces[parent][axis]).abs() < 1e-6, "{site:?}");
                    }
                    for other in 0..3 {
                        // strain ε_{axis,other}: x_axis += ε x_other, W_{axis,other} = −dU/dε transposed
                        let at = |h: f64| {
                            let mut moved = r;
                            for p in &mut moved {
                                p[axis] += h * p[other];
                            }
                            energy(place(moved))
                        };
                        let numeric = -(at(1e-6) - at(-1e-6)) / 2e-6;
                        let total = outer(place(r), force(place(r))) + extra;
                        assert!((numeric - total.col(axis)[other]).abs() < 1e-6, "{site:?} {axis} {other}");
                    }
                }
            }
        }
    }
}
