//! Verdicts, reference files and the written report: the rule, the skeleton, the files.

use crate::analysis::hydrated_zinc;
use hexaqua::analysis::blocks::BlockCount;
use hexaqua::analysis::{AnalysisSet, Column, Quantity};
use hexaqua::forcefield::{Library, WaterModel};
use hexaqua::io::expected;
use hexaqua::report::{self, Doubt, RunReport, Verdict, verdict};
use hexaqua::system::Frame;
use hexaqua::system::expected::{Reference, Status};
use hexaqua::system::spec::AnalysisSpec;

fn reference(value: f64, uncertainty: Option<f64>, tolerance: Option<f64>, status: Status) -> Reference {
    Reference {
        quantity: "first_peak(Zn2+,OW)".to_string(),
        label: "Zn–O first peak".to_string(),
        value,
        uncertainty,
        unit: "nm".to_string(),
        tolerance,
        r_min: None,
        bin_width: None,
        status,
        trend: None,
        comparable: true,
        citation: "A. Author, J. Test 1 (2000) 1".to_string(),
        note: String::new(),
    }
}

fn quantity(id: &str, value: f64, error: Option<f64>, unit: &str) -> Quantity {
    Quantity { id: id.to_string(), label: id.to_string(), value, error, blocks: None, unit: unit.to_string() }
}

#[test]
fn the_rule_passes_and_fails_where_it_says() {
    let known = reference(0.2076, Some(0.001), None, Status::Computed);
    // 2 √(0.001² + 0.0005²) = 0.002236
    let of = |value: f64, reference: &Reference| Verdict::of(Some((value, Some(0.0005))), reference);
    assert_eq!(of(0.2076 + 0.002_23, &known), Verdict::Pass);
    assert_eq!(of(0.2076 + 0.002_25, &known), Verdict::Fail);
    assert_eq!(of(0.2076 - 0.002_25, &known), Verdict::Fail);

    let stated = reference(6.0, None, Some(0.1), Status::Verified);
    assert_eq!(of(6.1, &stated), Verdict::Pass);
    // A miss by less than two errors is none: 2 · 0.0005.
    assert_eq!(of(5.899_01, &stated), Verdict::Inconclusive);
    assert_eq!(of(5.898_9, &stated), Verdict::Fail);
    // The uncertainty of the reference counts as well: 2 √(0.0005² + 0.01²) = 0.020025.
    let uncertain = reference(6.0, Some(0.01), Some(0.1), Status::Verified);
    assert_eq!(of(6.12, &uncertain), Verdict::Inconclusive);
    assert_eq!(of(6.120_1, &uncertain), Verdict::Fail);
    assert_eq!(of(6.1, &uncertain), Verdict::Pass);
    assert_eq!(of(f64::NAN, &stated), Verdict::Fail);
    let exact = reference(6.0, None, Some(0.0), Status::Verified);
    assert_eq!(Verdict::of(Some((6.0, Some(0.0))), &exact), Verdict::Pass);
    assert_eq!(of(6.0, &exact), Verdict::Inconclusive);
    assert_eq!(of(5.0, &exact), Verdict::Fail);
}

/// Twice the error is allowed, so a run that knows nothing would agree with everything.
#[test]
fn a_value_much_less_certain_than_its_reference_does_not_pass() {
    let known = reference(0.2076, Some(0.001), None, Status::Computed);
    let of = |error: f64, reference: &Reference| Verdict::of(Some((reference.value, Some(error))), reference);
    assert_eq!(of(0.0019, &known), Verdict::Pass);
    assert_eq!(of(0.0021, &known), Verdict::Inconclusive);
    assert_eq!(Verdict::of(Some((0.2076, None)), &known), Verdict::Inconclusive);
    assert_eq!(Verdict::of(Some((0.3, Some(0.0021))), &known), Verdict::Fail);
    // A stated tolerance is a scale too; an exact value has none.
    let stated = reference(6.0, None, Some(0.1), Status::Verified);
    assert_eq!(of(0.1, &stated), Verdict::Pass);
    assert_eq!(of(0.11, &stated), Verdict::Inconclusive);
    assert_eq!(Verdict::of(Some((6.0, None)), &stated), Verdict::Inconclusive);
    assert_eq!(Verdict::of(Some((6.2, None)), &stated), Verdict::Inconclusive);
    assert_eq!(Verdict::of(Some((6.0, Some(f64::NAN))), &stated), Verdict::Inconclusive);
    let criterion = reference(6.0, None, Some(0.0), Status::Criterion);
    assert_eq!(of(0.0, &criterion), Verdict::Pass);
    let exact = reference(298.15, Some(0.0), None, Status::Computed);
    assert_eq!(of(0.5, &exact), Verdict::Pass);
    assert_eq!(Verdict::of(Some((299.2, Some(0.5))), &exact), Verdict::Fail);
    let poor = [quantity("first_peak(Zn2+,OW)", 0.2076, Some(0.01), "nm")];
    let rows = verdict::judge("case", "system", &[known], &poor, &[]).expect("same unit");
    assert_eq!(verdict::tally(&rows), "1 inconclusive");
    let why = rows[0].reason.as_deref().expect("a reason");
    assert!(why.contains("its error, 0.010, exceeds twice the uncertainty of the reference, 0.001"), "{why}");
    assert!(report::text::verdict_table(&rows).contains(&format!("Zn–O first peak, inconclusive: {why}")));
    let page = report::page(&RunReport { verdicts: rows, ..RunReport::default() });
    assert!(page.contains("exceeds twice the uncertainty"), "{page}");
}

/// A value whose blocks are alike has a larger error than it states. Where that could turn the verdict there is none; where it could not, it stands.
#[test]
fn few_independent_blocks_decide_only_what_they_can() {
    let stated = reference(6.0, None, Some(0.1), Status::Verified);
    let of = |value: f64, independent: f64| {
        let blocks = Some(BlockCount { n: 12, independent });
        let measured = Quantity { blocks, ..quantity("first_peak(Zn2+,OW)", value, Some(0.01), "nm") };
        let (verdict, why) = Verdict::with_reason(Some(&measured), &stated, &[]);
        assert_eq!(why.is_some(), verdict == Verdict::Inconclusive, "{why:?}");
        verdict
    };
    // 3.18 · 0.01 √(12/3) = 0.0636
    for (value, many, few) in [
        (6.0, Verdict::Pass, Verdict::Pass),
        (6.03, Verdict::Pass, Verdict::Pass),
        (6.05, Verdict::Pass, Verdict::Inconclusive),
        (6.15, Verdict::Fail, Verdict::Inconclusive),
        (6.2, Verdict::Fail, Verdict::Fail),
    ] {
        assert_eq!((of(value, 9.0), of(value, 3.0)), (many, few), "{value}");
    }
    // Around a narrow tolerance both ends miss it, on either side.
    let narrow = reference(6.0, None, Some(0.001), Status::Verified);
    let blocks = Some(BlockCount { n: 12, independent: 2.0 });
    let measured = Quantity { blocks, ..quantity("first_peak(Zn2+,OW)", 6.004, Some(0.001), "nm") };
    let (verdict, why) = Verdict::with_reason(Some(&measured), &narrow, &[]);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(why.expect("a reason").contains("12 blocks are worth 2.0 independent ones"));
}

#[test]
fn a_run_that_was_not_stationary_decides_nothing_about_what_depends_on_it() {
    let known = reference(0.2076, Some(0.001), None, Status::Computed);
    let held = Reference {
        quantity: "potential_drop(z)".into(),
        unit: "V".into(),
        ..reference(2.0, None, Some(0.01), Status::Criterion)
    };
    let measured = [
        quantity("first_peak(Zn2+,OW)", 0.2076, Some(0.0001), "nm"),
        quantity("potential_drop(z)", 2.0006, Some(0.0001), "V"),
    ];
    let told = |doubt: Doubt| -> Vec<(Verdict, Option<String>)> {
        let rows =
            verdict::judge("case", "system", &[known.clone(), held.clone()], &measured, &[doubt]).expect("units");
        rows.into_iter().map(|row| (row.verdict, row.reason)).collect()
    };
    let why = "the gap still changed".to_string();
    let all = told(Doubt { of: None, why: why.clone() });
    assert_eq!(all, [(Verdict::Inconclusive, Some(why.clone())), (Verdict::Pass, None)]);
    // A reason that rows share is printed once.
    let again = Reference { label: "the same again".into(), ..known.clone() };
    let doubt = [Doubt { of: None, why: why.clone() }];
    let rows = verdict::judge("case", "system", &[known.clone(), again], &measured, &doubt).expect("units");
    let table = report::text::verdict_table(&rows);
    assert!(table.contains("Zn–O first peak; the same again, inconclusive: the gap still changed"), "{table}");
    assert_eq!(table.matches("the gap").count(), 1);
    // A value that has been steady by itself stands; one that is worth less than half its blocks does not.
    let alone = |independent: f64| {
        let blocks = Some(BlockCount { n: 12, independent });
        let steady = [Quantity { blocks, ..measured[0].clone() }];
        verdict::judge("case", "system", std::slice::from_ref(&known), &steady, &doubt).expect("units")[0].verdict
    };
    assert_eq!([6.5, 5.5].map(alone), [Verdict::Pass, Verdict::Inconclusive]);
    let other = told(Doubt { of: Some("temperature".into()), why: why.clone() });
    assert_eq!(other, [(Verdict::Pass, None), (Verdict::Pass, None)]);
    let own = told(Doubt { of: Some("potential_drop(z)".into()), why: why.clone() });
    assert_eq!(own, [(Verdict::Pass, None), (Verdict::Inconclusive, Some(why.clone()))]);
    // What is far off is wrong, whatever the run was like: beyond ten times what is allowed, of an exact value beyond a fifth.
    let of = |value: f64, error: Option<f64>, reference: &Reference| {
        let measured = quantity(&reference.quantity, value, error, &reference.unit);
        let doubt = Doubt { of: Some(reference.quantity.clone()), why: why.clone() };
        Verdict::with_reason(Some(&measured), reference, &[doubt])
    };
    assert_eq!(of(2.099, Some(0.0001), &held), (Verdict::Inconclusive, Some(why.clone())));
    assert_eq!(of(2.101, Some(0.0001), &held), (Verdict::Fail, Some(why.clone())));
    assert_eq!((of(2.099, None, &held).0, of(2.101, None, &held).0), (Verdict::Inconclusive, Verdict::Fail));
    let exact = reference(298.15, Some(0.0), None, Status::Computed);
    assert_eq!((of(240.0, None, &exact).0, of(200.1, None, &exact).0), (Verdict::Inconclusive, Verdict::Fail));
}

#[test]
fn memory_and_foreign_systems_never_decide() {
    let recalled = reference(0.2078, Some(0.0003), None, Status::Recalled);
    assert_eq!(Verdict::of(Some((0.2078, None)), &recalled), Verdict::Recalled);
    assert_eq!(Verdict::of(Some((0.9, None)), &recalled), Verdict::Recalled);
    let foreign = Reference { comparable: false, ..reference(0.214, Some(0.001), None, Status::Verified) };
    assert_eq!(Verdict::of(Some((0.214, None)), &foreign), Verdict::NotApplicable);
    // … not even when nothing was measured.
    assert_eq!(Verdict::of(None, &recalled), Verdict::Recalled);
    assert_eq!(Verdict::of(None, &foreign), Verdict::NotApplicable);
}

#[test]
fn a_deciding_reference_that_was_not_measured_fails() {
    for status in [Status::Verified, Status::Computed, Status::Criterion] {
        assert_eq!(Verdict::of(None, &reference(1.0, None, Some(1.0), status)), Verdict::Fail);
    }
    let known = reference(0.2076, Some(0.001), None, Status::Computed);
    let other = [quantity("second_peak(Zn2+,OW)", 0.2076, None, "nm")];
    let rows = verdict::judge("case", "system", &[known], &other, &[]).expect("same unit");
    assert!(verdict::any_failed(&rows) && rows[0].value.is_none());
    assert!(report::text::verdict_table(&rows).contains("not measured"));
}

#[test]
fn rows_find_their_quantity_and_units_must_agree() {
    let known = reference(0.2076, Some(0.001), None, Status::Computed);
    let measured = [quantity("first_peak(Zn2+,OW)", 0.25, Some(0.001), "nm")];
    let rows = verdict::judge("case", "system", std::slice::from_ref(&known), &measured, &[]).expect("same unit");
    assert!(verdict::any_failed(&rows));
    let json = verdict::to_json(&rows);
    let expected = serde_json::json!([{
        "case": "case", "system": "system", "quantity": "first_peak(Zn2+,OW)", "label": "Zn–O first peak", "value": 0.25,
        "uncertainty": 0.001, "independent_blocks": null, "reference": 0.2076, "reference_uncertainty": 0.001, "tolerance": null,
        "allowed": 2.0 * 0.001_f64.hypot(0.001), "unit": "nm", "status": "computed", "comparable": true,
        "citation": "A. Author, J. Test 1 (2000) 1", "note": "", "definition": null, "verdict": "FAIL", "reason": null,
    }]);
    assert_eq!(json, expected);
    let in_angstrom = [quantity("first_peak(Zn2+,OW)", 2.08, None, "angstrom")];
    assert!(verdict::judge("case", "system", &[known], &in_angstrom, &[]).is_err());
}

#[test]
fn the_built_in_cases_are_sound() {
    let cases = expected::built_in().expect("readable");
    let names: Vec<&str> = cases.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(
        names,
        ["zn-hydration", "zn-peaks", "density", "lj-fluid", "spce-water", "zn-electrolytes", "interfaces"]
    );
    for (case, system) in cases.iter().flat_map(|c| c.systems.iter().map(move |s| (c, s))) {
        let wanted = match (case.name.as_str(), system.name.as_str()) {
            ("density", _) => "density",
            ("lj-fluid", _) => "potential_energy_per_molecule",
            ("spce-water", _) => "potential_energy_per_water",
            // the published simulation counts water
            ("zn-electrolytes", name) if name.starts_with("znotf2") => "coordination_number(Zn2+,OW)",
            ("zn-electrolytes", _) => "coordination_number(Zn2+)",
            ("interfaces", name) if name.starts_with("graphite-") || name.starts_with("zn-") => "potential_drop(z)",
            ("interfaces", name) if !name.starts_with("voh") => "coordination_number(Zn2+,OW)",
            ("interfaces", _) => "coordination_number(Zn2+ and within 0.6 nm of (lower or upper),OW)",
            _ => "first_peak(Zn2+,OW)",
        };
        assert!(system.references.iter().any(|r| r.quantity == wanted), "{}", system.name);
        for r in &system.references {
            assert!(
                ["nm", "1", "deg", "K", "g/cm3", "kJ/mol", "bar", "D", "1e-9 m2/s", "V", "e", "nm-2"]
                    .contains(&r.unit.as_str()),
                "{} is in {}",
                r.label,
                r.unit
            );
        }
    }
    let deciding = |r: &&Reference| r.comparable && r.status != Status::Recalled;
    assert!(cases[0].systems[0].references.iter().filter(deciding).count() >= 9);
}

/// A set that is added to the library, or changed there, must be added to the case, or changed, too.
#[test]
fn zn_peaks_holds_every_zinc_set_that_runs() {
    let library = Library::builtin().expect("sound");
    let cases = expected::built_in().expect("readable");
    let peaks = cases.iter().find(|c| c.name == "zn-peaks").expect("the case");
    let mut wanted: Vec<(String, f64)> = Vec::new();
    for set in library.sets_of("Zn2+").filter(|s| s.runs()) {
        let checked = set.md_checks.iter().map(|c| c.water.as_str());
        let mut waters: Vec<&str> = set.water.iter().map(String::as_str).chain(checked).collect();
        waters.sort_unstable();
        waters.dedup();
        for water in waters.into_iter().filter(|w| library.water(w).is_ok_and(WaterModel::runs)) {
            let check = set.md_checks.iter().find(|c| c.water == water);
            let check =
                check.unwrap_or_else(|| panic!("{} has no md_check in {water} to compare with", set.full_name()));
            wanted.push((format!("{water}/{}", set.model), check.peak));
        }
    }
    let mut listed: Vec<(String, f64)> = Vec::new();
    for system in &peaks.systems {
        let (water, model) = system.name.split_once('/').expect("water/model");
        let named = system.water.as_deref().expect("a water");
        assert_eq!(library.water(named).expect("runs").key(), water);
        // A set in a water that it was not fitted for has its full name.
        assert_eq!(system.zinc.as_deref().and_then(|zinc| zinc.split('@').next()), Some(model));
        let peak = system.references.iter().find(|r| r.quantity == "first_peak(Zn2+,OW)").expect("a peak");
        let own = library.sets_of("Zn2+").any(|s| s.model == model && s.own.is_some());
        assert_eq!(own, peak.note.starts_with("Own "), "{}: own sets are labelled", system.name);
        listed.push((system.name.clone(), peak.value));
    }
    let by_name = |a: &(String, f64), b: &(String, f64)| a.0.cmp(&b.0);
    wanted.sort_by(by_name);
    listed.sort_by(by_name);
    assert_eq!(listed, wanted);
}

#[test]
fn faults_of_reference_files_are_named() {
    let good = include_str!("../../validation/zn-hydration/expected.toml");
    assert!(expected::parse("expected.toml", good).is_ok());
    for (from, to, says) in [
        ("status = \"computed\"", "status = \"guessed\"", "guessed"),
        ("uncertainty = 0.001\n", "", "neither an uncertainty nor a tolerance"),
        ("uncertainty = 0.001\n", "uncertainty = -0.001\n", "negative"),
        ("uncertainty = 0.001\n", "uncertainty = 0.001\nr_min = 0\n", "r_min or bin_width"),
        ("label = \"Zn–O first peak\"\n", "label = \"Zn–O first peak\"\nlabbel = 1\n", "labbel"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        let message = expected::parse("expected.toml", &bad).expect_err("refused").to_string();
        assert!(message.contains(says) && message.contains("expected.toml"), "{message}");
    }
}

/// A report of synthetic data with everything a real one has.
pub fn sample_report() -> RunReport {
    let (topology, cell, frames) = hydrated_zinc(500, 400, 7);
    let name = String::from;
    let specs = [
        AnalysisSpec::Rdf {
            pairs: vec![(name("Zn2+"), name("OW"))],
            r_max: None,
            bin_width: 0.002,
            molecules: false,
            intramolecular: true,
            every: 0.2,
        },
        AnalysisSpec::Coordination {
            center: name("Zn2+"),
            ligands: vec![name("OW"), name("Cl-")],
            r_min: None,
            layer: None,
            every: 0.2,
        },
        AnalysisSpec::Angles { center: name("Zn2+"), ligand: name("OW"), r_min: None, bin_width: 1.0, every: 0.2 },
    ];
    let mut set = AnalysisSet::new(&specs, &topology, &cell).expect("valid");
    for (k, positions) in frames.iter().enumerate() {
        set.sample(&Frame::new(100 * k as u64, 0.2 * k as f64, &cell, positions)).expect("good frame");
    }
    let results = set.finish();
    let case = &expected::built_in().expect("readable")[0];
    let mut measured: Vec<Quantity> = results.iter().flat_map(|r| r.values.clone()).collect();
    measured.push(quantity("temperature", 297.6, Some(0.7), "K"));
    let verdicts = verdict::judge(&case.name, &case.systems[0].name, &case.systems[0].references, &measured, &[])
        .expect("units agree");
    let time: Vec<f64> = (0..2000).map(|k| 0.04 * f64::from(k)).collect();
    let noise = |k: f64, a: f64| a * ((12.9898 * k).sin() * 43758.5453).fract();
    let column = |label: &str, unit: &str, f: &dyn Fn(f64) -> f64| {
        Column::new(label, unit, time.iter().map(|t| f(*t)).collect())
    };
    RunReport {
        title: name("One Zn2+ in SPC/E water <test>"),
        facts: vec![(name("Composition"), name("1 Zn2+, 2 Cl-, 500 SPC/E")), (name("Seed"), name("7"))],
        warnings: vec![name("Synthetic data: no molecular dynamics was run.")],
        log: vec![
            column("time", "ps", &|t| t),
            column("temperature", "K", &|t| 298.15 + noise(t, 12.0)),
            column("potential", "kJ/mol", &|t| -24_310.0 + noise(t, 60.0)),
            column("kinetic", "kJ/mol", &|t| 3_790.0 + noise(t + 0.5, 50.0)),
            column("conserved", "kJ/mol", &|t| -20_500.0 + 0.01 * t + noise(t, 0.3)),
        ],
        results,
        verdicts,
        ..Default::default()
    }
}

#[test]
fn the_page_is_whole_and_asks_for_nothing() {
    let report = sample_report();
    let page = report::page(&report);
    // Order of the sections.
    let mut at = 0;
    for part in [
        "<!DOCTYPE html>",
        "<h1>One Zn²⁺ in SPC/E water &lt;test&gt;</h1>",
        "<h2>Warnings</h2>",
        "<h2>Against the literature</h2>",
        "<h2>Structure</h2>",
        "<h2>Measured values</h2>",
        "<h2>The run</h2>",
        "<h2>What was run</h2>",
        "</html>",
    ] {
        at += page[at..].find(part).unwrap_or_else(|| panic!("{part} is missing or out of order"));
    }
    assert_eq!(page.matches("<svg").count(), 6, "g(r), CN, angles, temperature, energies, conserved");
    // Self-contained: the only address is the name of the SVG vocabulary, and links stay on the page.
    let addresses = page.matches("://").count();
    assert_eq!(addresses, page.matches("http://www.w3.org/2000/svg").count());
    for forbidden in ["<script", "<link", "<img", "@import", "<iframe"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for (at, _) in page.match_indices("href=\"") {
        assert!(page[at..].starts_with("href=\"#"), "an outside link");
    }
    for (at, _) in page.match_indices("url(") {
        assert!(page[at..].starts_with("url(#"));
    }
    let balanced = |tag: &str| page.matches(&format!("<{tag}")).count() == page.matches(&format!("</{tag}>")).count();
    for tag in ["section", "table", "tbody", "tr", "svg", "figure", "ul", "ol", "dl", "span", "a "] {
        assert!(balanced(tag) || tag == "a ", "{tag}");
    }
}

#[test]
fn every_file_is_written_whole() {
    let report = sample_report();
    let folder = tempfile::tempdir().expect("scratch folder");
    let page = report::write_all(folder.path(), &report).expect("written");
    assert_eq!(page, folder.path().join("report.html"));
    let list = |sub: &str| {
        let entries = std::fs::read_dir(folder.path().join(sub)).expect("folder");
        let mut names: Vec<String> =
            entries.map(|e| e.expect("entry").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    };
    let tables = ["angles_OW_Zn2+_OW.csv", "coordination_Zn2+.csv", "coordination_Zn2+_radius.csv", "rdf_Zn2+_OW.csv"];
    assert_eq!(list("analysis"), tables);
    let drawn = ["angles_OW_Zn2+_OW", "conserved", "coordination_Zn2+", "energy", "rdf_Zn2+_OW", "temperature"];
    assert_eq!(list("figures"), drawn.map(|n| format!("{n}.svg")));
    assert_eq!(list(""), ["analysis", "figures", "report.html", "summary.json"], "nothing half-written is left");

    for table in tables {
        let text = std::fs::read_to_string(folder.path().join("analysis").join(table)).expect("readable");
        let head = text.lines().next().expect("a head");
        assert!(head.split(',').filter(|h| h.ends_with(']') || h.ends_with("]\"")).count() >= 2, "{head}");
        let numbers: Vec<f64> =
            text.lines().last().expect("rows").split(',').map(|v| v.parse().expect("number")).collect();
        assert!(numbers.iter().all(|n| n.is_finite()));
    }
    let summary = std::fs::read_to_string(folder.path().join("summary.json")).expect("readable");
    let summary: serde_json::Value = serde_json::from_str(&summary).expect("JSON");
    let quantities: Vec<&str> =
        summary["values"].as_array().unwrap().iter().map(|v| v["quantity"].as_str().unwrap()).collect();
    assert!(quantities.contains(&"first_peak(Zn2+,OW)") && quantities.contains(&"coordination_number(Zn2+)"));
    assert_eq!(summary["verdicts"].as_array().unwrap().len(), report.verdicts.len());
    assert_eq!(summary["facts"]["Seed"], "7");

    // A second report into the same folder replaces the first; a file in the way is an error that names it.
    report::write_all(folder.path(), &report).expect("written again");
    let blocked = folder.path().join("blocked");
    std::fs::write(&blocked, "a file").expect("written");
    let message = report::write_all(&blocked, &report).expect_err("not a folder").to_string();
    assert!(message.contains("blocked"), "{message}");
}

#[test]
fn the_terminal_table_fits_and_is_aligned() {
    let report = sample_report();
    let text = report::text::verdict_table(&report.verdicts);
    assert!(text.lines().all(|l| l.chars().count() <= 120), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    let position = |line: &str, word: &str| line.find(word).map(|at| line[..at].chars().count());
    let verdict_at = position(lines[0], "Verdict").expect("heading");
    for (line, row) in lines[1..].iter().zip(&report.verdicts) {
        let rest: String = line.chars().skip(verdict_at).collect();
        assert!(rest.starts_with(row.verdict.word()), "{line}");
    }
    assert!(text.contains("recalled") && text.contains("n/a") && text.contains("PASS"));
    assert!(text.contains("[1] Same Zn2+ and water models simulated with OpenMM"));
}

#[test]
fn an_empty_report_still_is_a_page() {
    let page = report::page(&RunReport { title: "Nothing yet".to_string(), ..Default::default() });
    assert!(page.contains("<h1>Nothing yet</h1>") && page.ends_with("</html>\n"));
    assert!(!page.contains("<section"));
}

/// The report with a picture of one water at a zinc ion.
pub fn with_shell(report: RunReport) -> RunReport {
    use hexaqua::report::{ShellView, ViewAtom};
    let atom = |element: &str, x: f64, y: f64, z: f64| ViewAtom { element: element.to_string(), position: [x, y, z] };
    let shell = ShellView {
        title: "First shell of Zn2+ (molecule 1)".to_string(),
        atoms: vec![
            atom("Zn", 0.0, 0.0, 0.0),
            atom("O", 0.21, 0.0, 0.0),
            atom("H", 0.27, 0.08, 0.0),
            atom("H", 0.27, -0.08, 0.0),
        ],
        bonds: vec![(1, 2), (1, 3)],
        contacts: vec![(0, 1)],
    };
    RunReport { shell, ..report }
}

/// The report of an interface: seen from the side, a table by layers, a map.
pub fn with_interface(mut report: RunReport) -> RunReport {
    use hexaqua::analysis::{Axis, Column, Figure, Map, Table};
    use hexaqua::report::SideView;
    let electrode = |z: f64| (0..12).map(move |k| ("C".to_string(), [0.14 * f64::from(k), z]));
    let water = (0..40).map(|k| ("O".to_string(), [0.04 * f64::from(k), 1.0 + 0.1 * f64::from(k % 20)]));
    report.side = SideView {
        width: 1.7,
        z: [0.0, 4.0],
        atoms: electrode(0.5).chain(electrode(3.5)).chain(water).collect(),
        surfaces: vec![("lower".to_string(), [0.5, 0.5]), ("upper".to_string(), [3.5, 3.5])],
        caption: "Hydrogen of molecules is left out.".to_string(),
    };
    let columns = vec![Column::new("z", "nm", vec![0.75, 1.25]), Column::new("CN OW", "1", vec![5.0, 6.0])];
    let result = &mut report.results[0];
    result.shown.push(result.tables.len());
    result.tables.push(Table { name: "layers".to_string(), columns });
    result.figures.push(Figure {
        name: "map".to_string(),
        title: "Water over z and x".to_string(),
        x: Axis::new("z", "nm").with_range(0.0, 4.0),
        y: Axis::new("x", "nm").with_range(0.0, 2.0),
        map: Some(Map {
            n_x: 4,
            values: vec![0.0, 1.0, 1.0, 0.0, 0.0, 2.0, 1.0, 0.5],
            high: 2.0,
            scale: Axis::new("molecules", "nm⁻³"),
        }),
        note: "Averaged over y & more.".to_string(),
        ..Default::default()
    });
    report
}

#[test]
fn an_interface_is_seen_from_the_side_with_its_layers() {
    let page = report::page(&with_interface(sample_report()));
    let side = &page[page.find("class=\"side\"").expect("side view")..];
    let side = &side[..side.find("</figure>").expect("its end")];
    assert_eq!(side.matches("class=\"surface\"").count(), 2);
    assert_eq!(side.matches("h0").count(), 64, "24 atoms of carbon, 40 of oxygen");
    assert!(side.contains(">lower</text>") && side.contains(">upper</text>"));
    assert!(page.contains("<tr><td>0.7500</td><td>5</td></tr>"), "a table is shown whole");
    // Two neighbours that are equal are one rectangle.
    let map = report::figure_svg(&with_interface(sample_report()).results[0].figures.last().expect("map").clone());
    let paths: Vec<&str> =
        map.lines().filter(|l| l.starts_with("<path") && l.contains("fill-opacity=\"0.50\"")).collect();
    assert_eq!(paths.len(), 1);
    assert_eq!(paths[0].matches('M').count(), 2);
    // The bar: twelve steps as high as the axes, the darkest on top, from 0 to what the darkest stands for, with its unit.
    let steps: Vec<(f64, f64)> = map
        .lines()
        .filter(|l| l.starts_with("<rect class=\"f0\""))
        .map(|l| {
            let number =
                |key: &str| l.split(&format!(" {key}=\"")).nth(1).and_then(|r| r.split('"').next()?.parse().ok());
            (number("y").expect("y"), number("fill-opacity").expect("opacity"))
        })
        .collect();
    assert_eq!(steps.len(), 12);
    assert!(steps.windows(2).all(|w| w[1].0 < w[0].0 && w[1].1 > w[0].1), "{steps:?}");
    assert_eq!(steps[11].1, 1.0);
    assert!(map.contains(">molecules (nm⁻³)</text>") && map.contains(">1.5</text>"), "{map}");
    assert!(page.contains("<figcaption class=\"note\">Averaged over y &amp; more.</figcaption>"));
    assert!(!report::page(&sample_report()).contains("class=\"side\""));
}

#[test]
fn the_first_shell_is_drawn_and_turned_by_a_script_that_asks_for_nothing() {
    let page = report::page(&with_shell(sample_report()));
    assert!(page.contains("<h2>First shell of Zn²⁺ (molecule 1)</h2>"));
    // Drawn without the script: four atoms, two bonds, one contact.
    let drawing = &page[page.find("id=\"shell-view\"").expect("picture")..page.find("<figcaption").expect("caption")];
    assert_eq!(drawing.matches("<circle").count(), 4);
    assert_eq!((drawing.matches("class=\"bond\"").count(), drawing.matches("class=\"contact\"").count()), (2, 1));
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(page.find("<script>").expect("script") > page.find("id=\"shell-view\"").expect("picture"));
    for forbidden in ["fetch(", "XMLHttpRequest", "import ", "src=", "eval("] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert_eq!(page.matches("://").count(), page.matches("http://www.w3.org/2000/svg").count());
}

#[test]
fn the_stationary_part_of_a_series_is_marked() {
    let n = 400;
    let time: Vec<f64> = (0..n).map(|k| 0.1 * f64::from(k)).collect();
    // Noise without a pattern, on a relaxation that is over after some ten picoseconds.
    let noise = |k: i32| (f64::from(k) * 12.9898).sin() * 43_758.547 % 1.0;
    let potential: Vec<f64> = (0..n).map(|k| 100.0 * (-f64::from(k) / 25.0).exp() + noise(k)).collect();
    let from = report::stationary_from(&time, &potential, 0.0).expect("long enough");
    assert!((5.0..25.0).contains(&from), "{from}");
    let log = vec![
        hexaqua::analysis::Column::new("time", "ps", time),
        hexaqua::analysis::Column::new("potential", "kJ/mol", potential),
    ];
    let page = report::page(&RunReport { log, ..Default::default() });
    assert!(page.contains(&format!("stationary from {} ps", report::text::number(from, None))));
}

/// Means in titles and legends are of what was analysed, and not of the stages before it.
#[test]
fn means_in_titles_are_those_of_the_analysed_part() {
    // ten lines of equilibration, then ten with other means
    let column = |name: &str, unit: &str, before: f64, after: f64| {
        let values =
            (0..20).map(|k| if k < 10 { before } else { after + if k % 2 == 0 { 0.01 } else { -0.01 } }).collect();
        Column::new(name, unit, values)
    };
    let log = vec![
        Column::new("time", "ps", (0..20).map(f64::from).collect()),
        column("temperature", "K", 200.0, 300.0),
        column("potential", "kJ/mol", -50.0, -900.0),
        column("charge_lower", "e", 0.0, -0.75),
        column("charge_upper", "e", 0.0, 0.75),
    ];
    let means = |analysed_from: Option<f64>| {
        let report = RunReport { log: log.clone(), analysed_from, ..Default::default() };
        let of = |f: hexaqua::analysis::Figure| std::iter::once(f.title).chain(f.series.into_iter().map(|s| s.label));
        let told: Vec<String> = report.figures().into_iter().flat_map(of).collect();
        ["Temperature, mean ", "Charge of electrodes, mean of upper ", "potential (mean "].map(|before| {
            let number = |t: &String| t.strip_prefix(before)?.split([' ', ')']).next()?.parse::<f64>().ok();
            told.iter().find_map(number).unwrap_or_else(|| panic!("{before} in {told:?}"))
        })
    };
    let is_near = |a: [f64; 3], b: [f64; 3]| a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 0.02 * b.abs());
    let (analysed, whole) = (means(Some(10.0)), means(None));
    assert!(is_near(analysed, [300.0, 0.75, -900.0]), "{analysed:?}");
    assert!(is_near(whole, [250.0, 0.375, -475.0]), "{whole:?}");
}
