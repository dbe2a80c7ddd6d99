//! Ion pairs: who touches whom, how large the clusters are, and what stands in the first shell.
//!
//! Two ions are in contact when a donor atom of the anion is within `r_contact` of the cation. Every cation has one state:
//!
//! * *aggregate*: in contact with two or more anions, or with one that touches another cation as well;
//! * *CIP*: in contact with exactly one anion, which touches no other cation;
//! * *SSIP*: no contact, and an anion centre within `r_ssip`;
//! * *2SIP*: no anion centre within `r_ssip`, but one within `r_2sip`;
//! * *free*: none of these.
//!
//! The five fractions add up to 1. Clusters are ions connected by contacts. Molecules are counted once, however many of their
//! donor atoms touch the cation, so `Zn(H2O)5(OTf)` may hold a bidentate triflate.

use super::blocks::{Blocks, Estimate};
use super::codec::{Reader, Writer};
use super::pairs::PairSearch;
use super::particles::Molecules;
use super::results::{self, AnalysisResult, Axis, Column, Figure, Quantity, Series, SeriesKind, Table};
use super::selection::Selection;
use super::snapshot::Snapshot;
use super::{AnalysisError, Observable};
use crate::cell::Cell;
use crate::system::Topology;
use crate::system::analyses::IonPairsSpec;

const STATES: [&str; 5] = ["free", "2SIP", "SSIP", "CIP", "aggregate"];
/// Cluster sizes are kept up to here; larger ones are counted as this.
const MAX_CLUSTER: usize = 24;
/// Most molecules of one kind that a composition tells apart.
const MAX_LIGANDS: usize = 9;
/// Most kinds of ligand: 10⁴ compositions.
const MAX_KINDS: usize = 4;

/// Association of cations with anions.
pub struct IonPairs {
    spec: IonPairsSpec,
    cation: Selection,
    anion: Selection,
    centers: Selection,
    /// Ligand species, as `formula` writes them, and for every species its index among them.
    kinds: Vec<String>,
    kind_of_species: Vec<Option<usize>>,
    ligands: Selection,
    molecules: Molecules,
    species_of: Vec<u32>,
    cation_formula: String,
    /// Per frame: cations, `[5]` states, `[MAX_CLUSTER]` ions in clusters of 1, 2, …, clusters, ions in them, donor contacts, then
    /// `[10^kinds]` compositions.
    blocks: Blocks,
}

const CLUSTERS: usize = 6;
const TOTALS: usize = CLUSTERS + MAX_CLUSTER;
const COMPOSITIONS: usize = TOTALS + 3;

/// A species as a formula writes it: without its charge, and water as H2O.
fn formula(name: &str, is_water: bool) -> String {
    if is_water {
        return "H2O".to_string();
    }
    let Some(bare) = name.strip_suffix(['+', '-']) else { return name.to_string() };
    let stem = bare.trim_end_matches(|c: char| c.is_ascii_digit());
    // The last digit is a charge in `SO4 2-`, `SO42-` and `Zn2+`, but a count in `NO3-`: a single element has no count.
    let is_element = stem.chars().filter(char::is_ascii_uppercase).count() == 1 && stem.len() <= 2;
    let n_digits = bare.len() - stem.len();
    let keep =
        if stem.ends_with(' ') || (n_digits == 1 && is_element) { stem } else { &bare[..bare.len() - n_digits / 2] };
    keep.trim_end().to_string()
}

impl IonPairs {
    pub fn new(spec: &IonPairsSpec, topology: &Topology, cell: &Cell) -> Result<Self, AnalysisError> {
        let half_height = cell.half_height();
        if spec.r_2sip > half_height {
            return Err(AnalysisError::RadiusExceedsHalfBox { what: "r_2sip", radius: spec.r_2sip, half_height });
        }
        if !(spec.r_contact < spec.r_ssip && spec.r_ssip < spec.r_2sip) {
            let remedy = "the radii must grow from r_contact to r_ssip to r_2sip";
            return Err(AnalysisError::InvalidSetting { what: "r_ssip", value: spec.r_ssip, remedy });
        }
        let select = |text: &str| Selection::new(text, topology);
        let (cation, anion) = (select(&spec.cation)?, select(&spec.anion)?);
        let centers = select(if spec.anion_center.is_empty() { &spec.anion } else { &spec.anion_center })?;
        let has_water = topology.species.iter().zip(topology.species_counts()).any(|(s, n)| s.is_water && n > 0);
        let ligands = match (spec.ligands.is_empty(), has_water) {
            (false, _) => spec.ligands.iter().map(|l| format!("({l})")).collect::<Vec<_>>().join(" or "),
            (true, true) => format!("(water and element O) or ({})", spec.anion),
            (true, false) => spec.anion.clone(),
        };
        let ligands = select(&ligands)?;
        let Some(first) = cation.fixed().and_then(|c| c.first().copied()) else {
            let remedy = "the cation must be a fixed group of atoms, without `z …` and `within … of …`";
            return Err(AnalysisError::InvalidSetting { what: "cation", value: 0.0, remedy });
        };
        let species_of: Vec<u32> =
            topology.molecule_of.iter().map(|&m| topology.molecules[m as usize].species).collect();
        let (mut kinds, mut kind_of_species) = (Vec::new(), vec![None; topology.species.len()]);
        // Water first, then in the order of the topology.
        let mut order: Vec<usize> = (0..topology.species.len()).collect();
        order.sort_by_key(|&s| !topology.species[s].is_water);
        let everything = ligands.fixed().map(<[u32]>::to_vec).unwrap_or_else(|| (0..species_of.len() as u32).collect());
        for s in order {
            if everything.iter().any(|&i| species_of[i as usize] as usize == s) {
                kind_of_species[s] = Some(kinds.len());
                kinds.push(formula(&topology.species[s].name, topology.species[s].is_water));
            }
        }
        if kinds.len() > MAX_KINDS {
            let remedy = "at most four species may be ligands: name fewer in `ligands`";
            return Err(AnalysisError::InvalidSetting { what: "ligands", value: kinds.len() as f64, remedy });
        }
        let (own, _) = topology.site(first as usize);
        Ok(IonPairs {
            blocks: Blocks::new(COMPOSITIONS + (MAX_LIGANDS + 1).pow(kinds.len() as u32)),
            cation_formula: formula(&own.name, own.is_water),
            spec: spec.clone(),
            cation,
            anion,
            centers,
            kinds,
            kind_of_species,
            ligands,
            molecules: Molecules::new(topology),
            species_of,
        })
    }

    /// `Zn(H2O)5(OTf)` from the index of a composition.
    fn composition(&self, mut index: usize) -> String {
        let mut text = self.cation_formula.clone();
        for kind in &self.kinds {
            let n = index % (MAX_LIGANDS + 1);
            index /= MAX_LIGANDS + 1;
            match n {
                0 => {}
                1 => text += &format!("({kind})"),
                n => text += &format!("({kind}){n}"),
            }
        }
        text
    }
}

/// Representative of `i` among connected nodes.
fn root(parent: &mut [usize], mut i: usize) -> usize {
    while parent[i] != i {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    i
}

impl Observable for IonPairs {
    fn sample(&mut self, frame: &Snapshot) -> Result<(), AnalysisError> {
        let (cations, donors) = (self.cation.atoms(frame)?, self.anion.atoms(frame)?);
        let (centers, ligands) = (self.centers.atoms(frame)?, self.ligands.atoms(frame)?);
        let anions = self.molecules.touched(&donors);
        let n_cations = cations.len();
        // Contacts: anion molecules of every cation, and the graph of cations (first) and anions.
        let mut parent: Vec<usize> = (0..n_cations + anions.len()).collect();
        let mut touching = vec![Vec::new(); n_cations];
        let mut n_touched = vec![0_u32; anions.len()];
        let mut n_contacts = 0;
        let search = PairSearch::new(frame, &donors, self.spec.r_contact)?;
        for (c, &cation) in cations.iter().enumerate() {
            let found: &mut Vec<usize> = &mut touching[c];
            search.visit(frame.positions[cation as usize], |k, _| {
                let m = self.molecules.of(donors[k]);
                if m != self.molecules.of(cation) {
                    n_contacts += 1;
                    found.push(anions.binary_search(&m).unwrap_or_default());
                }
            });
            found.sort_unstable();
            found.dedup();
            for &a in found.iter() {
                n_touched[a] += 1;
                let (x, y) = (root(&mut parent, c), root(&mut parent, n_cations + a));
                parent[x.max(y)] = x.min(y);
            }
        }
        let mut sizes = vec![0_usize; parent.len()];
        for i in 0..parent.len() {
            sizes[root(&mut parent, i)] += 1;
        }
        let around = PairSearch::new(frame, &centers, self.spec.r_2sip)?;
        let shell = PairSearch::new(frame, &ligands, self.spec.r_contact)?;
        let (molecules, r_ssip) = (&self.molecules, self.spec.r_ssip);
        let (species_of, kind_of_species) = (&self.species_of, &self.kind_of_species);
        self.blocks.add_frame(|slot| {
            slot[0] += n_cations as f64;
            for (c, &cation) in cations.iter().enumerate() {
                let position = frame.positions[cation as usize];
                let state = match touching[c].as_slice() {
                    [] => {
                        let mut nearest = f64::INFINITY;
                        around.visit(position, |k, d| {
                            if molecules.differ(centers[k], cation) {
                                nearest = nearest.min(d.length());
                            }
                        });
                        if nearest < r_ssip { 2 } else { usize::from(nearest.is_finite()) }
                    }
                    [one] if n_touched[*one] == 1 => 3,
                    _ => 4,
                };
                slot[1 + state] += 1.0;
                let mut near: Vec<(usize, u32)> = Vec::new();
                shell.visit(position, |k, _| {
                    let atom = ligands[k];
                    if let Some(kind) = kind_of_species[species_of[atom as usize] as usize]
                        && molecules.differ(atom, cation)
                    {
                        near.push((kind, molecules.of(atom)));
                    }
                });
                near.sort_unstable();
                near.dedup();
                let mut index = 0;
                let mut weight = 1;
                for kind in 0..self.kinds.len() {
                    index += weight * near.iter().filter(|n| n.0 == kind).count().min(MAX_LIGANDS);
                    weight *= MAX_LIGANDS + 1;
                }
                slot[COMPOSITIONS + index] += 1.0;
            }
            for &size in sizes.iter().filter(|s| **s > 0) {
                slot[CLUSTERS + size.min(MAX_CLUSTER) - 1] += size as f64;
                slot[TOTALS] += 1.0;
                slot[TOTALS + 1] += size as f64;
            }
            slot[TOTALS + 2] += f64::from(n_contacts);
        });
        Ok(())
    }

    fn finish(&self) -> Vec<AnalysisResult> {
        let (cation, anion) = (self.spec.cation.as_str(), self.spec.anion.as_str());
        let mut result = AnalysisResult {
            name: results::file_stem(&["ion_pairs", cation, anion]),
            title: format!("Ion pairs {cation} – {anion}"),
            n_frames: self.blocks.n_frames(),
            ..Default::default()
        };
        if self.blocks.n_frames() == 0 {
            result.notes.push("No frame was sampled.".to_string());
            return vec![result];
        }
        let sums = self.blocks.total();
        let jackknife = self.blocks.jackknife();
        let share = |slot: usize| jackknife.estimate(|s, _| Some(s[slot] / s[0].max(1.0)));
        let mut push = |kind: String, label: String, estimate: Option<Estimate>| {
            result.values.extend(estimate.map(|e| Quantity::new(kind, label, e, "1")));
        };
        for (k, state) in STATES.iter().enumerate().rev() {
            let id = format!("ion_pair_fraction({cation},{anion},{state})");
            push(id, format!("{cation} fraction {state}"), share(1 + k));
        }
        let contacts = jackknife.estimate(|s, _| Some(s[TOTALS + 2] / s[0].max(1.0)));
        push(format!("donor_contacts({cation},{anion})"), format!("{anion} in contact with a {cation}"), contacts);
        let size = jackknife.estimate(|s, _| Some(s[TOTALS + 1] / s[TOTALS].max(1.0)));
        push(format!("cluster_size({cation},{anion})"), "mean cluster size, ions".to_string(), size);
        let mut found: Vec<usize> = (COMPOSITIONS..sums.len()).filter(|&k| sums[k] > 0.0).collect();
        found.sort_by(|&a, &b| sums[b].total_cmp(&sums[a]));
        for &slot in found.iter().take(12) {
            let name = self.composition(slot - COMPOSITIONS);
            push(format!("shell_fraction({name})"), format!("fraction {name}"), share(slot));
        }

        let column = |name: &str, slots: &[usize], total: f64| {
            Column::new(name, "1", slots.iter().map(|&k| sums[k] / total.max(1.0)).collect())
        };
        let mut columns = Vec::new();
        for (kind, name) in self.kinds.iter().enumerate() {
            let digit = (MAX_LIGANDS + 1).pow(kind as u32);
            let numbers = found.iter().map(|&k| ((k - COMPOSITIONS) / digit % (MAX_LIGANDS + 1)) as f64).collect();
            columns.push(Column::new(format!("n {name}"), "1", numbers));
        }
        columns.push(column("fraction", &found, sums[0]));
        result.tables.push(Table { name: format!("{}_shell", result.name), columns });
        let last = (0..MAX_CLUSTER).rev().find(|&k| sums[CLUSTERS + k] > 0.0).unwrap_or(0);
        let sizes: Vec<usize> = (CLUSTERS..=CLUSTERS + last).collect();
        result.tables.push(Table {
            name: format!("{}_clusters", result.name),
            columns: vec![
                Column::new("ions in the cluster", "1", (1..=last + 1).map(|n| n as f64).collect()),
                column("fraction of ions", &sizes, sums[TOTALS + 1]),
            ],
        });
        result.tables.push(Table {
            name: format!("{}_states", result.name),
            columns: STATES.iter().enumerate().map(|(k, s)| column(s, &[1 + k], sums[0])).collect(),
        });
        let points = (0..=last).map(|k| [(k + 1) as f64, sums[CLUSTERS + k] / sums[TOTALS + 1].max(1.0)]).collect();
        result.figures.push(Figure {
            name: format!("{}_clusters", result.name),
            title: format!("Clusters of {cation} and {anion}"),
            x: Axis::new("ions in the cluster", "1").with_range(0.5, last.max(7) as f64 + 1.5),
            y: Axis::new("fraction of ions", "1").with_range(0.0, 1.05),
            series: vec![Series::new(SeriesKind::Bars, "fraction of ions", 0, points)],
            ..Default::default()
        });
        let IonPairsSpec { r_contact, r_ssip, r_2sip, .. } = self.spec;
        let center = self.centers.text();
        result.notes.push(format!(
            "Contact: a donor \"{anion}\" within {r_contact:.3} nm. SSIP and 2SIP: nearest \"{center}\" within {r_ssip:.3} and {r_2sip:.3} nm. \
             Aggregate: two or more anions in contact, or one shared with another {cation}. Compositions count molecules with an atom \
             of \"{}\" within {r_contact:.3} nm, {MAX_LIGANDS} meaning {MAX_LIGANDS} or more.",
            self.ligands.text()
        ));
        vec![result]
    }

    fn fingerprint(&self) -> String {
        let IonPairsSpec { cation, anion, r_contact, r_ssip, r_2sip, .. } = &self.spec;
        let (center, ligands) = (self.centers.text(), self.ligands.text());
        format!("ion-pairs {cation} {anion} {center} {ligands} {r_contact} {r_ssip} {r_2sip} nm")
    }

    fn save(&self, writer: &mut Writer) {
        self.blocks.save(writer);
    }

    fn selections(&self) -> Vec<(&Selection, bool)> {
        [&self.cation, &self.anion, &self.centers, &self.ligands].map(|s| (s, true)).to_vec()
    }

    fn restore(&mut self, reader: &mut Reader) -> Result<(), AnalysisError> {
        self.blocks.restore(reader)
    }
}

#[cfg(test)]
mod tests {
    use super::formula;

    #[test]
    fn formulas_lose_their_charge_and_nothing_else() {
        for (name, written) in
            [("Zn2+", "Zn"), ("Cl-", "Cl"), ("OTf-", "OTf"), ("SO4 2-", "SO4"), ("IDE", "IDE"), ("SO42-", "SO4")]
        {
            assert_eq!(formula(name, false), written);
        }
        assert_eq!(formula("SPC/E", true), "H2O");
    }
}
