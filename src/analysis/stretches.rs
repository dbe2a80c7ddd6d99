//! Where liquids stand along z: between slabs and vacuum, found from profiles of what moves and what stays.
//!
//! The cell is periodic and nothing here depends on where its bottom is. Slabs are the bins of atoms that stay where they are, in which the liquid is not; a
//! vacuum is a stretch of at least [`VACUUM`] in which next to nothing moves. What remains are liquids, each with a face below and above where no
//! vacuum parts it from a slab. Water between the layers of a slab, its galleries, is none of them.

/// A stretch as high as this in which next to nothing moves is a vacuum, nm. A liquid stands some 0.3 nm off its faces.
pub const VACUUM: f64 = 1.0;
/// Height over which densities are averaged before they are called empty, nm: a molecule or two.
const BLUR: f64 = 0.5;
/// Share of the density of the liquid below which a stretch is empty: vapour, a molecule that left.
const EMPTY: f64 = 0.05;
/// Share of the greatest liquid's mass from which on what moves elsewhere is a liquid and not what has leaked.
const LEAKED: f64 = 0.02;
/// Height over which densities are averaged for telling whether an atom that stays stands in the liquid, as a held ion does, nm.
const NEAR: f64 = 0.2;
/// Share of the density of the liquid from which on an atom stands in it. The outermost atoms of a flat slab have it on one side only.
const WET: f64 = 0.7;

/// Where a slab ends and a liquid begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Face {
    /// Of the outermost atoms.
    pub bin: usize,
    /// Index of the body that they belong to.
    pub body: usize,
    /// Does the liquid stand above it?
    pub is_below: bool,
}

/// What moves between slabs, between a slab and a vacuum, or in a vacuum.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Liquid {
    /// From its lower end to its upper one, around the cell where that cuts it.
    pub bins: Vec<usize>,
    pub below: Option<Face>,
    pub above: Option<Face>,
    /// Does it fill the cell, without an end?
    pub is_endless: bool,
}

impl Liquid {
    pub fn faces(&self) -> impl Iterator<Item = Face> {
        self.below.into_iter().chain(self.above)
    }

    /// Bins from a face on, at most `deep`; between near faces a bin belongs to the nearer one.
    pub fn from_face(&self, face: Face, deep: usize) -> Vec<usize> {
        let n = if self.faces().count() > 1 { self.bins.len() / 2 } else { self.bins.len() };
        let deep = deep.min(n);
        if face.is_below { self.bins[..deep].to_vec() } else { self.bins.iter().rev().take(deep).copied().collect() }
    }

    /// Bins between the heights below which 40 % and 60 % of its mass lie, far from its ends; all of an endless one.
    ///
    /// * `moving` – mass in every bin, in whatever unit
    pub fn middle(&self, moving: &[f64]) -> Vec<usize> {
        if self.is_endless {
            return self.bins.clone();
        }
        let total: f64 = self.bins.iter().map(|&k| moving[k]).sum();
        let (mut below, mut middle) = (0.0, Vec::new());
        for &k in &self.bins {
            if below < 0.6 * total && below + moving[k] > 0.4 * total {
                middle.push(k);
            }
            below += moving[k];
        }
        middle
    }
}

/// Mean of a stretch of bins over `2 half + 1` of them, as many as there are at its ends.
fn blurred(values: &[f64], half: usize) -> Vec<f64> {
    let mut sums = vec![0.0; values.len() + 1];
    (0..values.len()).for_each(|k| sums[k + 1] = sums[k] + values[k]);
    let mean = |k: usize| {
        let (from, to) = (k.saturating_sub(half), (k + half + 1).min(values.len()));
        (sums[to] - sums[from]) / (to - from) as f64
    };
    (0..values.len()).map(mean).collect()
}

/// As [`blurred`], around the cell.
fn blurred_around(values: &[f64], half: usize) -> Vec<f64> {
    let (n, half) = (values.len(), half.min((values.len() - 1) / 2));
    let unrolled: Vec<f64> = (0..n + 2 * half).map(|k| values[(k + n - half) % n]).collect();
    blurred(&unrolled, half)[half..half + n].to_vec()
}

/// Runs of `is`, as first and last index.
fn runs(is: &[bool]) -> Vec<[usize; 2]> {
    let mut runs: Vec<[usize; 2]> = Vec::new();
    for k in (0..is.len()).filter(|&k| is[k]) {
        match runs.last_mut() {
            Some([_, last]) if *last + 1 == k => *last = k,
            _ => runs.push([k, k]),
        }
    }
    runs
}

/// The liquids of a cell, upwards from above its widest empty stretch.
///
/// * `moving` – mass of what moves in every bin, in whatever unit
/// * `bodies` – mass of what stays, `[n_bodies][n_bins]`, in the same
/// * `dz` – height of a bin, nm
pub fn liquids(moving: &[f64], bodies: &[&[f64]], dz: f64) -> Vec<Liquid> {
    let n = moving.len();
    let bins = |height: f64| (0.5 * height / dz).round() as usize;
    let around = blurred_around(moving, bins(BLUR));
    let sum: f64 = around.iter().sum();
    if sum <= 0.0 {
        return Vec::new();
    }
    // the density that molecules see around them, which a vacuum does not thin
    let density = around.iter().map(|m| m * m).sum::<f64>() / sum;
    let wet = blurred_around(moving, bins(NEAR));
    let is_slab = |body: &&&[f64]| (0..n).any(|k| body[k] > 0.0 && wet[k] < WET * density);
    let slabs: Vec<(usize, &[f64])> =
        bodies.iter().enumerate().filter(|(_, body)| is_slab(body)).map(|(k, body)| (k, *body)).collect();
    // the body that has most of a bin
    let held = |bin: usize| {
        let here = slabs.iter().filter(|(_, body)| body[bin] > 0.0);
        here.max_by(|a, b| a.1[bin].total_cmp(&b.1[bin])).map(|(k, _)| *k)
    };
    let held: Vec<Option<usize>> = (0..n).map(held).collect();
    let mut found = Vec::new();
    if let Some(first) = held.iter().position(Option::is_some) {
        let mut low = first;
        for step in first + 1..=first + n {
            let Some(above) = held[step % n] else { continue };
            let below = Face { bin: low % n, body: held[low % n].expect("a slab"), is_below: true };
            let above = Face { bin: step % n, body: above, is_below: false };
            let open: Vec<usize> = (low + 1..step).map(|k| k % n).collect();
            found.extend(between(moving, open, [Some(below), Some(above)], density, dz));
            low = step;
        }
    } else if let Some(empty) = around.iter().position(|m| *m < EMPTY * density) {
        // the first of the empty bins around it: no liquid is cut there
        let begin = (0..n).take_while(|step| around[(empty + n - step) % n] < EMPTY * density).last().unwrap_or(0);
        let open: Vec<usize> = (0..n).map(|k| (empty + n - begin + k) % n).collect();
        found.extend(between(moving, open, [None, None], density, dz));
    } else {
        found.push(Liquid { bins: (0..n).collect(), is_endless: true, ..Liquid::default() });
    }
    let is_gallery = |l: &Liquid| {
        let is_inside = l.below.zip(l.above).is_some_and(|(below, above)| below.body == above.body);
        is_inside && (l.bins.len() + 1) as f64 * dz < VACUUM
    };
    if !found.iter().all(is_gallery) {
        found.retain(|l| !is_gallery(l));
    }
    let held_by = |l: &Liquid| l.bins.iter().map(|&k| moving[k]).sum::<f64>();
    let greatest = found.iter().map(held_by).fold(0.0, f64::max);
    found.retain(|l| held_by(l) > LEAKED * greatest);
    let mass: Vec<f64> = (0..n).map(|k| moving[k] + bodies.iter().map(|b| b[k]).sum::<f64>()).collect();
    let bottom = super::potential_profile::bottom(&mass);
    found.sort_by_key(|l| (l.bins[0] + n - bottom) % n);
    found
}

/// The liquids in a stretch without slabs.
///
/// * `open` – its bins
/// * `faces` – below and above it
fn between(moving: &[f64], open: Vec<usize>, faces: [Option<Face>; 2], density: f64, dz: f64) -> Vec<Liquid> {
    let own: Vec<f64> = open.iter().map(|&k| moving[k]).collect();
    let half = (0.5 * BLUR / dz).round() as usize;
    let is_filled: Vec<bool> = blurred(&own, half).iter().map(|m| *m >= EMPTY * density).collect();
    let end = open.len();
    // blurring fills this much of what is empty beside a liquid
    let is_vacuum = |bins: usize, liquids: usize| (bins + liquids * half) as f64 * dz >= VACUUM;
    let mut joined: Vec<[usize; 2]> = Vec::new();
    for [first, last] in runs(&is_filled) {
        match joined.last_mut() {
            Some(before) if !is_vacuum(first - before[1] - 1, 2) => before[1] = last,
            _ => joined.push([first, last]),
        }
    }
    let liquid = |[first, last]: [usize; 2]| {
        let below = faces[0].filter(|_| !is_vacuum(first, 1));
        let above = faces[1].filter(|_| !is_vacuum(end - 1 - last, 1));
        let from = if below.is_some() { 0 } else { first };
        let to = if above.is_some() { end } else { last + 1 };
        Liquid { bins: open[from..to].to_vec(), below, above, is_endless: false }
    };
    joined.into_iter().map(liquid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DZ: f64 = 0.02;

    /// Densities along z, from letters of 0.1 nm each: `w` water, `v` a little of it, `a`, `b`, `c` slabs, `.` nothing.
    fn profiles(cell: &str, shift: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
        let letters: Vec<char> = cell.chars().filter(|c| *c != ' ').flat_map(|c| [c; 5]).collect();
        let n = letters.len();
        let of = |wanted: char, value: f64| -> Vec<f64> {
            (0..n).map(|k| if letters[(k + n - shift % n) % n] == wanted { value } else { 0.0 }).collect()
        };
        let moving = of('w', 1.0).iter().zip(of('v', 0.03)).map(|(w, v)| w + v).collect();
        (moving, ['a', 'b', 'c'].map(|slab| of(slab, 2.0)).to_vec())
    }

    /// What each liquid stands on and under, its height and that of its middle, nm.
    fn told(cell: &str, shift: usize) -> Vec<String> {
        let (moving, bodies) = profiles(cell, shift);
        let bodies: Vec<&[f64]> = bodies.iter().map(Vec::as_slice).collect();
        let name = |face: Option<Face>| face.map_or('-', |f| ['a', 'b', 'c'][f.body]);
        let line = |l: Liquid| {
            let middle = l.middle(&moving);
            assert!(l.is_endless || middle.iter().all(|&k| moving[k] == 1.0), "the middle of {l:?} is wet");
            let height = l.bins.len() as f64 * DZ;
            format!("{}{} {height:.1} {:.1}", name(l.below), name(l.above), middle.len() as f64 * DZ)
        };
        liquids(&moving, &bodies, DZ).into_iter().map(line).collect()
    }

    /// In a vacuum a liquid ends where 0.5 nm around hold less than a twentieth of it: 0.24 nm behind its last bin, or a bin later over vapour.
    #[test]
    fn liquids_stand_between_slabs_and_vacuum_wherever_the_cell_is_cut() {
        let water = "wwwww wwwww wwwww wwwww wwwww"; // 2.5 nm
        let vacuum = ".".repeat(40);
        for (what, cell, wanted) in [
            ("two slabs", format!("aa..{water}..bb{vacuum}"), vec!["ab 2.9 0.5"]),
            ("three slabs", format!("aa..{water}..bb..{water}..cc{vacuum}"), vec!["ab 2.9 0.5", "bc 2.9 0.5"]),
            ("one slab", format!("aa..{water}{vacuum}"), vec!["a- 2.9 0.5"]),
            ("one above", format!("{water}..aa{vacuum}"), vec!["-a 2.9 0.5"]),
            ("in a periodic cell", format!("aa..{water}{water}.."), vec!["aa 5.4 1.0"]),
            ("layers of a slab", format!("a...a...a..{water}..b...b...b{vacuum}"), vec!["ab 2.9 0.5"]),
            ("galleries", format!("a.ww.a..{water}..b.ww.b{vacuum}"), vec!["ab 2.9 0.5"]),
            ("back to back", format!("aa..{water}..bb..."), vec!["ab 2.9 0.5"]),
            ("a film", format!("{water}{vacuum}"), vec!["-- 3.0 0.5"]),
            ("a bubble", format!("aa..{water}{vacuum}{water}..bb{vacuum}{vacuum}"), vec!["a- 2.9 0.5", "-b 2.9 0.5"]),
            ("vapour", format!("aa..{water}{}.v.", ".vvv......".repeat(4)), vec!["a- 3.0 0.5"]),
            ("behind the slabs", format!("aa..{water}..bb..w{vacuum}"), vec!["ab 2.9 0.5", "b- 0.5 0.0"]),
            ("leaked", format!("aa..{water}{water}{water}..bb..w{vacuum}"), vec!["ab 7.9 1.5"]),
            ("a narrow pore alone", format!("aa.www.aa{vacuum}"), vec!["aa 0.5 0.1"]),
            ("a narrow pore of two slabs", format!("aa.www.bb..{water}..cc{vacuum}"), vec!["ab 0.5 0.1", "bc 2.9 0.5"]),
            ("a liquid", water.to_string(), vec!["-- 2.5 2.5"]),
            ("nothing", vacuum.clone(), vec![]),
        ] {
            let n = cell.chars().filter(|c| *c != ' ').count() * 5;
            for shift in (0..n).step_by(7) {
                let found = told(&cell, shift);
                assert_eq!(found, wanted, "{what}, by {:.2} nm", shift as f64 * DZ);
            }
        }
    }

    /// An ion that is held in the liquid is no slab.
    #[test]
    fn what_stands_in_the_liquid_does_not_part_it() {
        let (mut moving, mut bodies) = profiles(&format!("aa..{}..bb{}", "w".repeat(30), ".".repeat(40)), 0);
        bodies[2][80] = 0.1;
        let found = |moving: &[f64], bodies: &[Vec<f64>]| {
            liquids(moving, &bodies.iter().map(Vec::as_slice).collect::<Vec<_>>(), DZ)
        };
        assert_eq!(found(&moving, &bodies).len(), 1);
        // the control: with room around it, it is a slab
        moving[65..=95].fill(0.0);
        assert_eq!(found(&moving, &bodies).len(), 2);
        assert_eq!(found(&[1.0; 100], &[vec![0.1; 100]])[0].middle(&[1.0; 100]).len(), 100, "in a bulk liquid");
    }

    #[test]
    fn bins_near_a_face_belong_to_the_nearer_one() {
        let (moving, bodies) = profiles(&format!("aa.{}.bb{}", "w".repeat(8), ".".repeat(20)), 33);
        let bodies: Vec<&[f64]> = bodies.iter().map(Vec::as_slice).collect();
        let [liquid] = &liquids(&moving, &bodies, DZ)[..] else { panic!("one") };
        let [below, above] = [liquid.below, liquid.above].map(|f| f.expect("a face"));
        let near = |face| liquid.from_face(face, 40);
        assert_eq!((near(below).len(), near(above).len()), (25, 25));
        assert_eq!((near(below)[0], near(above)[0]), (below.bin + 1, above.bin - 1));
        assert_eq!(liquid.from_face(below, 3), [below.bin + 1, below.bin + 2, below.bin + 3]);
    }
}
