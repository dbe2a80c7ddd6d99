//! How many molecules of each species, and how large the cell: amounts → counts.
//!
//! Knows masses, charges and counts; places nothing.

use super::BuildError;
use crate::cell::Cell;
use crate::system::topology::Species;
use crate::units::{AVOGADRO, CONCENTRATION_MOL_L, DENSITY_G_CM3};
use std::fmt;

/// How much of a species.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quantity {
    Count(usize),
    /// mol per litre of the whole box
    Concentration(f64),
    /// As many as the density asks for; one species at most, and only with [`Extent::CellAndDensity`].
    Fill,
}

/// How large the box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Extent {
    /// A cube of this mass density, g/cm³.
    Density(f64),
    Cell(Cell),
    /// This cell, filled to this mass density (g/cm³).
    CellAndDensity(Cell, f64),
}

/// Counts and cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Composition {
    /// `[n_species]`
    pub counts: Vec<usize>,
    pub cell: Cell,
}

impl Composition {
    /// Counts and cell that `quantities` (`[n_species]`) and `extent` ask for.
    ///
    /// Concentrations refer to the final box, so with [`Extent::Density`] volume and counts are solved together.
    /// Counts from concentrations are rounded; when the unrounded amounts are neutral, the nearest neutral set of
    /// integers is taken.
    pub fn new(species: &[Species], quantities: &[Quantity], extent: Extent) -> Result<Self, BuildError> {
        let density = match extent {
            Extent::Density(d) | Extent::CellAndDensity(_, d) => Some(d),
            Extent::Cell(_) => None,
        };
        if let Some(d) = density
            && !(d > 0.0 && d < 30.0)
        {
            return Err(BuildError::Density(d));
        }
        for (s, q) in species.iter().zip(quantities) {
            if let Quantity::Concentration(c) = *q
                && !(0.0..1000.0).contains(&c)
            {
                return Err(BuildError::Concentration { species: s.name.clone(), concentration: c });
            }
        }
        let counted: f64 = species.iter().zip(quantities).map(|(s, q)| s.mass() * count(q)).sum();
        let volume = match extent {
            Extent::Cell(cell) | Extent::CellAndDensity(cell, _) => cell.volume(),
            Extent::Density(density) => {
                // ρ V = M + V Σ c m, with ρ in u/nm³ and c per nm³
                let rho = density / DENSITY_G_CM3;
                let dissolved: f64 = species.iter().zip(quantities).map(|(s, q)| s.mass() * per_volume(q)).sum();
                if dissolved >= rho {
                    return Err(BuildError::DissolvedTooHeavy { density, dissolved: dissolved * DENSITY_G_CM3 });
                }
                counted / (rho - dissolved)
            }
        };
        let mut counts = integer_counts(species, quantities, volume);
        let mass = |counts: &[usize]| species.iter().zip(counts).map(|(s, &n)| s.mass() * n as f64).sum::<f64>();
        let mut fills = (0..species.len()).filter(|&s| quantities[s] == Quantity::Fill);
        let cell = match (extent, fills.next(), fills.next()) {
            (Extent::Density(density), None, None) => {
                // Counts are integers now: the density fixes the edge.
                let edge = (mass(&counts) * DENSITY_G_CM3 / density).cbrt();
                Cell::cubic(edge).map_err(|_| BuildError::Nothing)?
            }
            (Extent::Cell(cell), None, None) => cell,
            (Extent::CellAndDensity(cell, density), Some(s), None) => {
                let missing = density / DENSITY_G_CM3 * volume - mass(&counts);
                let n = (missing / species[s].mass()).round();
                if n < 0.0 {
                    let reached = mass(&counts) / volume * DENSITY_G_CM3;
                    return Err(BuildError::AlreadyDenser { species: species[s].name.clone(), density, reached });
                }
                counts[s] = n as usize;
                cell
            }
            (_, fill, other) => {
                let species = other.or(fill).map(|s| species[s].name.clone());
                return Err(BuildError::Underdetermined { species });
            }
        };
        if counts.iter().sum::<usize>() == 0 {
            return Err(BuildError::Nothing);
        }
        for (s, q) in quantities.iter().enumerate() {
            if let Quantity::Concentration(concentration) = *q
                && concentration > 0.0
                && counts[s] == 0
            {
                let exact = per_volume(q) * cell.volume();
                let waters = species.iter().zip(&counts).find(|(s, _)| s.is_water).map_or(0, |(_, &n)| n);
                return Err(BuildError::TooDilute {
                    species: species[s].name.clone(),
                    concentration,
                    exact,
                    volume: cell.volume() / exact,
                    waters: (waters as f64 / exact).ceil() as usize,
                });
            }
        }
        Ok(Composition { counts, cell })
    }
}

fn count(q: &Quantity) -> f64 {
    if let Quantity::Count(n) = *q { n as f64 } else { 0.0 }
}

/// nm⁻³
fn per_volume(q: &Quantity) -> f64 {
    if let Quantity::Concentration(c) = *q { c / CONCENTRATION_MOL_L } else { 0.0 }
}

/// Charges are compared to a millionth of e: scaled charges do not sum to integers exactly.
const CHARGE_TOLERANCE: f64 = 1e-6;

fn integer_counts(species: &[Species], quantities: &[Quantity], volume: f64) -> Vec<usize> {
    let exact: Vec<f64> = quantities.iter().map(|q| count(q) + per_volume(q) * volume).collect();
    let mut counts: Vec<usize> = exact.iter().map(|x| x.round() as usize).collect();
    let charge = |counts: &[usize]| species.iter().zip(counts).map(|(s, &n)| s.charge() * n as f64).sum::<f64>();
    let exact_charge: f64 = species.iter().zip(&exact).map(|(s, x)| s.charge() * x).sum();
    let ions: Vec<usize> = (0..species.len())
        .filter(|&s| {
            matches!(quantities[s], Quantity::Concentration(_)) && species[s].charge().abs() > CHARGE_TOLERANCE
        })
        .collect();
    let largest = ions.iter().map(|&s| species[s].charge().abs()).fold(0.0, f64::max);
    // A remainder of less than one ion is rounding (also of the digits the user wrote), more is intent.
    if charge(&counts).abs() <= CHARGE_TOLERANCE || exact_charge.abs() >= largest || ions.len() > 6 {
        return counts;
    }
    const REACH: [i64; 7] = [0, 1, -1, 2, -2, 3, -3];
    let rounded = counts.clone();
    let mut best = f64::INFINITY;
    for k in 0..REACH.len().pow(ions.len() as u32) {
        let mut candidate = rounded.clone();
        let (mut distance, mut rest, mut valid) = (0.0, k, true);
        for &s in &ions {
            let n = rounded[s] as i64 + REACH[rest % REACH.len()];
            rest /= REACH.len();
            // An ion that was asked for does not disappear by rounding to neutrality.
            valid &= n >= i64::from(rounded[s] > 0);
            candidate[s] = n.max(0) as usize;
            distance += (n as f64 - exact[s]).powi(2);
        }
        if valid && distance < best && charge(&candidate).abs() <= CHARGE_TOLERANCE {
            best = distance;
            counts = candidate;
        }
    }
    counts
}

/// What is in a box, in the units of the laboratory. `Display` is what `hexaqua build` prints.
#[derive(Debug, Clone, PartialEq)]
pub struct BoxReport {
    pub rows: Vec<SpeciesRow>,
    pub n_atoms: usize,
    pub cell: Cell,
    /// Of all that is in the cell, g/cm³
    pub density: f64,
    /// e
    pub net_charge: f64,
    /// Does the cell hold a surface or vacuum, so that its volume is not that of a liquid?
    pub has_surface: bool,
    /// The liquid of such a cell, where its volume is known.
    pub liquid: Option<Liquid>,
}

/// The liquid beside a surface, in one gap of several alike, without what lies on faces and in galleries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Liquid {
    /// Accessible to it, nm³
    pub volume: f64,
    /// g/cm³
    pub density: f64,
    /// Are there molecules elsewhere: in galleries, on faces, in another gap?
    pub is_part: bool,
}

/// One species of a [`BoxReport`].
#[derive(Debug, Clone, PartialEq)]
pub struct SpeciesRow {
    pub name: String,
    pub is_water: bool,
    pub count: usize,
    /// e per molecule
    pub charge: f64,
    /// mol per litre of box, or of the liquid beside a surface; `None` where its volume is not known
    pub molarity: Option<f64>,
    /// mol per kg of water, of the liquid where that is known; `None` for water itself and without water
    pub molality: Option<f64>,
    /// Stays where it is: part of a surface, dissolved in nothing.
    pub is_slab: bool,
}

impl BoxReport {
    /// * `counts` – `[n_species]`
    pub fn new(species: &[Species], counts: &[usize], cell: Cell) -> Self {
        let total =
            |of: &dyn Fn(&Species) -> f64| -> f64 { species.iter().zip(counts).map(|(s, &n)| of(s) * n as f64).sum() };
        // u → kg
        let water_kg = total(&|s| if s.is_water { s.mass() } else { 0.0 }) / (1000.0 * AVOGADRO);
        let row = |(s, &n): (&Species, &usize)| SpeciesRow {
            name: s.name.clone(),
            is_water: s.is_water,
            count: n,
            charge: s.charge(),
            molarity: Some(n as f64 / cell.volume() * CONCENTRATION_MOL_L),
            molality: (water_kg > 0.0 && !s.is_water).then(|| n as f64 / AVOGADRO / water_kg),
            is_slab: false,
        };
        BoxReport {
            rows: species.iter().zip(counts).map(row).collect(),
            n_atoms: species.iter().zip(counts).map(|(s, &n)| s.atoms.len() * n).sum(),
            cell,
            density: total(&|s| s.mass()) / cell.volume() * DENSITY_G_CM3,
            net_charge: total(&|s| s.charge()),
            has_surface: false,
            liquid: None,
        }
    }

    /// The same for a cell with a surface or vacuum: amounts are those of the liquid.
    ///
    /// * `is_slab` – `[n_species]`
    /// * `liquid` – its volume (nm³) and `[n_species]` counts, where they are known
    pub fn with_surface(mut self, species: &[Species], is_slab: &[bool], liquid: Option<(f64, &[usize])>) -> Self {
        self.has_surface = true;
        self.rows.iter_mut().zip(is_slab).for_each(|(row, is_slab)| row.is_slab = *is_slab);
        let of = liquid.and_then(|(volume, counts)| {
            let cell = Cell::orthorhombic(1.0, 1.0, volume).ok()?;
            Some((volume, BoxReport::new(species, counts, cell)))
        });
        for (k, row) in self.rows.iter_mut().enumerate() {
            row.molarity = of.as_ref().and_then(|(_, own)| own.rows[k].molarity);
            row.molality = of.as_ref().map_or(row.molality, |(_, own)| own.rows[k].molality);
        }
        let is_elsewhere = |(all, own): (&SpeciesRow, &SpeciesRow)| !all.is_slab && all.count != own.count;
        self.liquid = of.map(|(volume, own)| Liquid {
            volume,
            density: own.density,
            is_part: self.rows.iter().zip(&own.rows).any(is_elsewhere),
        });
        self
    }
}

impl fmt::Display for BoxReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|r| r.name.chars().count()).max().unwrap_or(0).max(7);
        let molar = match (self.has_surface, &self.liquid) {
            (false, _) => Some("mol/L"),
            (true, Some(_)) => Some("mol/L liquid"),
            (true, None) => None,
        };
        let column = |text: &str| molar.map_or(String::new(), |_| format!("  {text:>12}"));
        writeln!(
            f,
            "{:width$}  {:>8}  {:>9}{}  {:>18}",
            "species",
            "count",
            "charge/e",
            column(molar.unwrap_or_default()),
            "mol/kg water"
        )?;
        for r in &self.rows {
            let number = |x: Option<f64>| x.filter(|_| !r.is_slab).map_or("-".into(), |x| format!("{x:.4}"));
            let (molarity, molality) = (column(&number(r.molarity)), number(r.molality));
            writeln!(f, "{:width$}  {:>8}  {:>+9.4}{molarity}  {molality:>18}", r.name, r.count, r.charge)?;
        }
        let v = self.cell.vectors();
        if self.cell.is_orthorhombic() {
            write!(f, "box         {:.5} x {:.5} x {:.5} nm", v.x_axis.x, v.y_axis.y, v.z_axis.z)?;
        } else {
            write!(f, "box         a {:.5}, b {:.5}, c {:.5} nm", v.x_axis, v.y_axis, v.z_axis)?;
        }
        writeln!(f, ", {:.4} nm^3, {} atoms", self.cell.volume(), self.n_atoms)?;
        match &self.liquid {
            Some(liquid) => {
                let (volume, density) = (liquid.volume, liquid.density);
                writeln!(f, "liquid      {volume:.4} nm^3 are accessible to it, {density:.4} g/cm3 in them")?;
                if liquid.is_part {
                    writeln!(
                        f,
                        "            mol/L and mol/kg are its own: more molecules are in other layers, listed below"
                    )?;
                }
            }
            None if self.has_surface => {}
            None => writeln!(f, "density     {:.4} g/cm3", self.density)?,
        }
        // −0.0000 helps nobody.
        let charge = if self.net_charge.abs() < 5e-5 { 0.0 } else { self.net_charge };
        writeln!(f, "net charge  {charge:+.4} e")
    }
}
