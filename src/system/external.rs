//! What acts on the atoms of an interface from outside the pairs: the slab term, a uniform field, smooth walls, and
//! electrodes whose charges answer.

use crate::potential::pair_table::PairCoefficients;
use glam::DVec3;

/// Electrodes that a system may have: their charges are reported one by one.
pub const MOST_ELECTRODES: usize = 8;

/// External terms of one system; the default has none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct External {
    /// Make the Ewald sum of the cell that of a single slab normal to z: Yeh and Berkowitz, with the terms of a charged
    /// cell. Positions must be unwrapped along z: no molecule may cross the vacuum.
    pub slab_correction: bool,
    /// Uniform electric field along z, kJ mol⁻¹ e⁻¹ nm⁻¹ (1 V/nm = 96.485 of them).
    pub field_z: f64,
    pub walls: Vec<Wall>,
    pub electrodes: Option<Electrodes>,
    /// Not in one system with electrodes: their matrix holds for where they are.
    pub piston: Option<Piston>,
}

impl External {
    /// The names of the terms that act on atoms one by one, for messages.
    pub fn terms(&self) -> Vec<&'static str> {
        let present = [
            ("a slab correction", self.slab_correction),
            ("an external field", self.field_z != 0.0),
            ("walls", !self.walls.is_empty()),
            ("electrodes at constant potential", self.electrodes.is_some()),
        ];
        present.into_iter().filter_map(|(name, is_there)| is_there.then_some(name)).collect()
    }
}

/// Electrodes at constant potential or of constant charge.
///
/// Their atoms are frozen, carry Gaussian charges ρ ∝ exp(−r²/w²) and are excluded from nothing.
///
/// With full periodicity and a field E_z = −ΔΨ/L_z instead of the slab correction this is the finite-field form
/// (T. Dufils et al., Phys. Rev. Lett. 123, 195501 (2019)): from the upper electrode on through the boundary to the next image of the
/// lower one, their backs, the field takes away the ΔΨ by which their potentials differ, and across the liquid it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Electrodes {
    pub electrodes: Vec<Electrode>,
    /// Charge of the electrodes at constant potential together, e: minus that of everything else.
    pub balance: f64,
}

impl Electrodes {
    /// Indices of all electrode atoms, electrode by electrode.
    pub fn atoms(&self) -> impl Iterator<Item = u32> + '_ {
        self.electrodes.iter().flat_map(|e| e.atoms.iter().copied())
    }

    /// The sums of charges that are fixed: for every atom, in the order of [`Electrodes::atoms`], the sum it belongs to, and
    /// the sums, e. Electrodes at constant potential share one, an electrode of given charge has its own.
    pub fn fixed_sums(&self) -> (Vec<u32>, Vec<f64>) {
        let (mut groups, mut sums) = (Vec::new(), Vec::new());
        let mut shared = None;
        for electrode in &self.electrodes {
            let group = match electrode.condition {
                Condition::Potential(_) => *shared.get_or_insert_with(|| {
                    sums.push(self.balance);
                    sums.len() - 1
                }),
                Condition::Charge(charge) => {
                    sums.push(charge);
                    sums.len() - 1
                }
            };
            groups.extend(electrode.atoms.iter().map(|_| group as u32));
        }
        (groups, sums)
    }

    /// The group of each electrode, as [`Electrodes::fixed_sums`] counts them, `[n_electrodes]`.
    pub fn groups(&self) -> Vec<usize> {
        let (of_atoms, _) = self.fixed_sums();
        let mut first = 0;
        let group = |e: &Electrode| {
            let group = of_atoms[first] as usize;
            first += e.atoms.len();
            group
        };
        self.electrodes.iter().map(group).collect()
    }

    /// Is the charge of any electrode given, so that its potential is what follows?
    pub fn has_given_charge(&self) -> bool {
        self.electrodes.iter().any(|e| matches!(e.condition, Condition::Charge(_)))
    }

    /// Potential of every electrode on the scale of those that are held, kJ mol⁻¹ e⁻¹; zero behind the last. Where none is held, the first one is at zero.
    ///
    /// An electrode of given charge has what its atoms have: held at this potential it would take this charge.
    ///
    /// * `offsets` – by how much the potential at the atoms of every group is off the one in [`Condition::potential`], kJ mol⁻¹ e⁻¹
    pub fn potentials(&self, offsets: &[f64]) -> [f64; MOST_ELECTRODES] {
        let groups = self.groups();
        let is_held = |e: &Electrode| matches!(e.condition, Condition::Potential(_));
        let reference = self.electrodes.iter().position(is_held).unwrap_or(0);
        let mut potentials = [0.0; MOST_ELECTRODES];
        for ((potential, e), &group) in potentials.iter_mut().zip(&self.electrodes).zip(&groups) {
            *potential = e.condition.potential() + (offsets[group] - offsets[groups[reference]]);
        }
        potentials
    }
}

/// A rigid slab that a pressure pushes along z: M dV/dt = Σ F_z + s P A, with the forces of everything else on its atoms, and
/// s = −1 for a slab above the liquid.
///
/// Its atoms are frozen in x and y and to each other; they share one velocity along z, which stands with each of them in the
/// state, and their masses add up to M. The cell does not change: the slab moves into its vacuum.
#[derive(Debug, Clone, PartialEq)]
pub struct Piston {
    /// Ascending indices into the atoms of the system, at least one.
    pub atoms: Vec<u32>,
    /// `[atoms.len()]`, nm: where the atoms stood when the slab was built.
    pub shape: Vec<DVec3>,
    /// s: −1 pushes down, +1 up.
    pub direction: f64,
    /// P, kJ mol⁻¹ nm⁻³
    pub pressure: f64,
    /// A, of the cell normal to z, nm²
    pub area: f64,
    /// Height of the first atom where the gap would be zero, nm.
    pub closed: f64,
    /// Gap at which the other side of the slab comes within the cutoff of what is behind the vacuum, nm.
    pub widest: f64,
}

impl Piston {
    /// Between the innermost atoms of the slab and of what is on the other side of the liquid, nm.
    ///
    /// * `z` – of its first atom, nm
    pub fn gap(&self, z: f64) -> f64 {
        self.direction * (self.closed - z)
    }

    /// Place of its first atom in the arrays of the system.
    pub fn first(&self) -> usize {
        self.atoms[0] as usize
    }

    /// Force of the pressure along z, kJ/mol/nm.
    pub fn load(&self) -> f64 {
        self.direction * self.pressure * self.area
    }
}

/// What is held constant at an electrode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Condition {
    /// Ψ, kJ mol⁻¹ e⁻¹ (1 V = 96.485 of them)
    Potential(f64),
    /// The sum of its charges, e: its atoms share one potential, whichever it is.
    Charge(f64),
}

impl Condition {
    /// Ψ, or the zero that stands for it where only the charge matters, kJ mol⁻¹ e⁻¹.
    pub fn potential(self) -> f64 {
        match self {
            Condition::Potential(potential) => potential,
            Condition::Charge(_) => 0.0,
        }
    }
}

/// erfc of this is 1e-9: beyond so many widths a Gaussian is a point.
pub const POINT: f64 = 4.32;

/// What is wrong with a Gaussian whose shape reaches beyond the cutoff, and what to write instead: erfc(r_cut/(√2 w)) has to be below 1e-9.
///
/// * `name` – of the electrode
/// * `width`, `cutoff` – nm
pub fn too_wide(name: &str, width: f64, cutoff: f64) -> Option<(String, String)> {
    let widest = cutoff / (2f64.sqrt() * POINT);
    let what = || format!("the Gaussian width {width} nm of electrode `{name}` reaches beyond the cutoff {cutoff} nm");
    (width > widest).then(|| (what(), format!("use a width of at most {widest:.3} nm, or a longer cutoff")))
}

/// One electrode.
#[derive(Debug, Clone, PartialEq)]
pub struct Electrode {
    pub name: String,
    /// Ascending indices into the atoms of the system.
    pub atoms: Vec<u32>,
    pub condition: Condition,
    /// w, nm
    pub gaussian_width: f64,
    /// Thomas-Fermi: 4π k_e l²/v, kJ mol⁻¹ e⁻², with l the screening length and v the volume per atom; 0 = a perfect metal
    /// (L. Scalfi et al., J. Chem. Phys. 153, 174704 (2020)).
    pub thomas_fermi: f64,
}

/// A half space of Lennard-Jones atoms behind a plane normal to z.
#[derive(Debug, Clone, PartialEq)]
pub struct Wall {
    /// Plane of the outermost atoms of the wall, nm.
    pub z: f64,
    /// +1: the atoms are above the wall, −1: below it.
    pub normal: f64,
    pub form: WallForm,
    /// Atoms of the wall per volume, nm⁻³.
    pub density: f64,
    /// A wall atom with each type of the topology, `[n_types]`; C4 does not act.
    pub coefficients: Vec<PairCoefficients>,
}

/// How the atoms of the wall are smeared out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WallForm {
    /// A continuous half space, 9-3.
    NineThree,
    /// Layers `spacing` (nm) apart, 10-4-3: W. A. Steele, Surf. Sci. 36, 317 (1973).
    TenFourThree { spacing: f64 },
}
