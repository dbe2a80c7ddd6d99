//! Elements by atomic number, and what to make of an atom whose type gives none.

/// Symbols in the order of the atomic numbers, and standard atomic weights (u; IUPAC 2021, abridged) of those that atoms
/// of unnamed element are compared with.
const ELEMENTS: [(&str, f64); 86] = [
    ("H", 1.008),
    ("He", 4.0026),
    ("Li", 6.94),
    ("Be", 9.0122),
    ("B", 10.81),
    ("C", 12.011),
    ("N", 14.007),
    ("O", 15.999),
    ("F", 18.998),
    ("Ne", 20.180),
    ("Na", 22.990),
    ("Mg", 24.305),
    ("Al", 26.982),
    ("Si", 28.085),
    ("P", 30.974),
    ("S", 32.06),
    ("Cl", 35.45),
    ("Ar", 39.95),
    ("K", 39.098),
    ("Ca", 40.078),
    ("Sc", 44.956),
    ("Ti", 47.867),
    ("V", 50.942),
    ("Cr", 51.996),
    ("Mn", 54.938),
    ("Fe", 55.845),
    ("Co", 58.933),
    ("Ni", 58.693),
    ("Cu", 63.546),
    ("Zn", 65.38),
    ("Ga", 69.723),
    ("Ge", 72.630),
    ("As", 74.922),
    ("Se", 78.971),
    ("Br", 79.904),
    ("Kr", 83.798),
    ("Rb", 85.468),
    ("Sr", 87.62),
    ("Y", 88.906),
    ("Zr", 91.224),
    ("Nb", 92.906),
    ("Mo", 95.95),
    ("Tc", 97.0),
    ("Ru", 101.07),
    ("Rh", 102.91),
    ("Pd", 106.42),
    ("Ag", 107.87),
    ("Cd", 112.41),
    ("In", 114.82),
    ("Sn", 118.71),
    ("Sb", 121.76),
    ("Te", 127.60),
    ("I", 126.90),
    ("Xe", 131.29),
    ("Cs", 132.91),
    ("Ba", 137.33),
    ("La", 138.91),
    ("Ce", 140.12),
    ("Pr", 140.91),
    ("Nd", 144.24),
    ("Pm", 145.0),
    ("Sm", 150.36),
    ("Eu", 151.96),
    ("Gd", 157.25),
    ("Tb", 158.93),
    ("Dy", 162.50),
    ("Ho", 164.93),
    ("Er", 167.26),
    ("Tm", 168.93),
    ("Yb", 173.05),
    ("Lu", 174.97),
    ("Hf", 178.49),
    ("Ta", 180.95),
    ("W", 183.84),
    ("Re", 186.21),
    ("Os", 190.23),
    ("Ir", 192.22),
    ("Pt", 195.08),
    ("Au", 196.97),
    ("Hg", 200.59),
    ("Tl", 204.38),
    ("Pb", 207.2),
    ("Bi", 208.98),
    ("Po", 209.0),
    ("At", 210.0),
    ("Rn", 222.0),
];

/// Masses in force fields are rounded to a tenth at worst, u.
const MASS_TOLERANCE: f64 = 0.06;
/// Within this the mass decides against the name; a CH2 bead is 0.02 heavier than nitrogen, u.
const SAME_MASS: f64 = 0.012;

/// Atomic number of a symbol; zero for a virtual site or an unknown symbol.
pub(super) fn atomic_number(symbol: &str) -> usize {
    ELEMENTS.iter().position(|e| e.0 == symbol).map_or(0, |n| n + 1)
}

/// Symbol of an atom: by atomic number, else by its mass, else by how its name begins; empty if none of them says.
///
/// * `mass` – u; repartitioned hydrogens and united atoms match no element, and are taken by their name
pub(super) fn symbol(atomic_number: Option<u32>, mass: f64, name: &str) -> String {
    if let Some((symbol, _)) = atomic_number.and_then(|n| ELEMENTS.get((n as usize).checked_sub(1)?)) {
        return (*symbol).to_string();
    }
    let letters: String = name.chars().filter(char::is_ascii_alphabetic).collect();
    let begins = |symbol: &str| letters.get(..symbol.len()).is_some_and(|l| l.eq_ignore_ascii_case(symbol));
    let mut near: Vec<&(&str, f64)> = ELEMENTS.iter().filter(|e| (e.1 - mass).abs() < MASS_TOLERANCE).collect();
    near.sort_by(|a, b| (a.1 - mass).abs().total_cmp(&(b.1 - mass).abs()));
    // by name alone `CA` is carbon: two letters only where the mass agrees
    let by_name = ELEMENTS.iter().map(|e| e.0).filter(|s| s.len() == 1).find(|s| begins(s));
    let agreeing = near.iter().find(|e| begins(e.0));
    let exact = near.iter().find(|e| (e.1 - mass).abs() < SAME_MASS);
    let by_mass = agreeing.or(exact).map(|e| e.0);
    by_mass.or(by_name).or(near.first().map(|e| e.0)).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found() {
        assert_eq!(symbol(Some(30), 0.0, "M"), "Zn");
        assert_eq!(symbol(None, 65.4, "ZN"), "Zn");
        assert_eq!(symbol(None, 12.011, "CA"), "C");
        assert_eq!(symbol(None, 40.08, "CA"), "Ca");
        assert_eq!(symbol(None, 3.024, "H12"), "H", "repartitioned");
        assert_eq!(symbol(None, 14.027, "CH2"), "C", "a united atom");
        assert_eq!(symbol(None, 14.01, "QX"), "N");
    }

    #[test]
    fn numbers_and_symbols_agree() {
        assert_eq!((atomic_number("Zn"), atomic_number("Rn"), atomic_number("")), (30, 86, 0));
    }
}
