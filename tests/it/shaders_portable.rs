//! Every pass, in every combination of pieces, validates with naga and translates to Metal and HLSL without a device.
//!
//! The capabilities allowed are none beyond core WGSL (shuffles, for variants that have a sibling without); storage buffers per pass and workgroup memory stay within the
//! WebGPU defaults.

use hexaqua::forces::gpu::shader::{Pieces, Shaders};
use naga::back::{hlsl, msl, pipeline_constants};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};

/// One module.
struct Variant {
    file: &'static str,
    entries: Vec<&'static str>,
    forms: Option<[&'static str; 2]>,
    defines: Vec<&'static str>,
}

impl Variant {
    fn source(&self, shaders: &Shaders) -> String {
        let [vdw, coulomb] = self.forms.map_or([None; 2], |forms| forms.map(Some));
        shaders.module(self.file, Pieces { vdw, coulomb, defines: &self.defines })
    }

    fn name(&self) -> String {
        format!("{} {:?}", self.file, self.defines)
    }
}

/// Every pass in every variant that a backend can choose.
fn passes() -> Vec<Variant> {
    let mut all = Vec::new();
    for vdw in ["vdw/lennard_jones", "vdw/lennard_jones_switch"] {
        for coulomb in ["coulomb/ewald_real", "coulomb/reaction_field", "coulomb/cutoff"] {
            for beside in [vec![], vec!["SPREAD"], vec!["ENERGY"]] {
                let forms = Some([vdw, coulomb]);
                let variant = |file, more: &[&'static str]| Variant {
                    file,
                    entries: vec![file],
                    forms,
                    defines: beside.iter().chain(more).copied().collect(),
                };
                all.push(variant("nb_full", &[]));
                all.extend([&[][..], &["WIDE"], &["SUBGROUPS"], &["SUBGROUPS", "WIDE"]].map(|m| variant("nb_half", m)));
            }
        }
    }
    for sums in [&[][..], &["HALF"], &["HALF", "WIDE"]] {
        for long_range in [&[][..], &["MESH"], &["EWALD"]] {
            let defines = [sums, long_range].concat();
            for (file, entries) in [
                ("update", vec!["update"]),
                ("constraints", vec!["update_constrained"]),
                ("virtual_sites", vec!["spread_sites", "build_sites"]),
            ] {
                all.push(Variant { file, entries, forms: None, defines: defines.clone() });
            }
        }
        all.push(Variant { file: "bonded", entries: vec!["bonded"], forms: None, defines: sums.to_vec() });
        for electrodes in [&[][..], &["ELECTRODES"]] {
            let defines = [sums, electrodes].concat();
            all.push(Variant { file: "external", entries: vec!["external_forces"], forms: None, defines });
        }
    }
    for defines in [
        &[][..],
        &["PLANE"],
        &["CONVERT"],
        &["PLANE", "CONVERT"],
        &["REAL"],
        &["PLANE", "REAL"],
        &["SOLVE"],
        &["SOLVE", "ENERGY"],
    ] {
        let defines = defines.to_vec();
        all.push(Variant { file: "fft", entries: vec!["fft"], forms: None, defines });
    }
    for (entry, part) in
        [("electrode_potential", "POTENTIAL"), ("electrode_drive", "DRIVE"), ("electrode_charge", "CHARGE")]
    {
        for long_range in ["MESH", "EWALD"] {
            all.push(Variant { file: "electrode", entries: vec![entry], forms: None, defines: vec![part, long_range] });
        }
    }
    let others = vec!["POTENTIAL"];
    all.push(Variant { file: "ewald_structure", entries: vec!["ewald_structure"], forms: None, defines: others });
    all.push(Variant { file: "external", entries: vec!["dipole"], forms: None, defines: vec!["DIPOLE"] });
    all.push(Variant { file: "probe", entries: vec!["probe"], forms: None, defines: vec!["SUBGROUPS"] });
    for (file, entries) in [
        ("pack", vec!["pack"]),
        ("prune", vec!["prune"]),
        ("ewald_structure", vec!["ewald_structure"]),
        ("ewald_force", vec!["ewald_force"]),
        ("spread", vec!["spread"]),
        ("gather", vec!["gather"]),
        ("momentum", vec!["momentum_partial", "momentum_total", "momentum_remove"]),
        ("couple", vec!["kinetic_partial", "couple"]),
        ("displacement", vec!["displacement_since_start"]),
        ("micro", vec!["touch", "add"]),
    ] {
        all.push(Variant { file, entries, forms: None, defines: vec![] });
    }
    all
}

fn validate(module: &naga::Module, what: &str, subgroups: bool) -> ModuleInfo {
    let allowed = if subgroups { Capabilities::SUBGROUP } else { Capabilities::empty() };
    Validator::new(ValidationFlags::all(), allowed)
        .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
        .subgroup_operations(
            naga::valid::SubgroupOperationSet::SHUFFLE_RELATIVE | naga::valid::SubgroupOperationSet::SHUFFLE,
        )
        .validate(module)
        .unwrap_or_else(|e| panic!("{what}: {:?}", e.as_inner()))
}

#[test]
fn every_pass_translates_to_metal_and_hlsl() {
    let shaders = Shaders::embedded();
    for variant in passes() {
        let source = variant.source(&shaders);
        let file = variant.name();
        let subgroups = variant.defines.contains(&"SUBGROUPS");
        let module =
            naga::front::wgsl::parse_str(&source).unwrap_or_else(|e| panic!("{file}: {}", e.emit_to_string(&source)));
        let info = validate(&module, &file, subgroups);
        for &entry in &variant.entries {
            let at = format!("{file}, {entry}");
            // any value will do for translation; 64 also suits the workgroup size
            let constants: naga::back::PipelineConstants =
                (module.overrides.iter()).map(|(_, o)| (o.name.clone().expect("named"), 64.0)).collect();
            let stage = Some((naga::ShaderStage::Compute, entry));
            let (fixed, fixed_info) = pipeline_constants::process_overrides(&module, &info, stage, &constants)
                .unwrap_or_else(|e| panic!("{at}: {e}"));

            let options = msl::Options {
                fake_missing_bindings: true,
                lang_version: if subgroups { (2, 4) } else { (2, 1) },
                ..Default::default()
            };
            let (text, _) = msl::write_string(&fixed, &fixed_info, &options, &Default::default())
                .unwrap_or_else(|e| panic!("{at} to Metal: {e}"));
            assert!(text.contains("kernel"), "{at}");

            let mut text = String::new();
            let shader_model = if subgroups { hlsl::ShaderModel::V6_0 } else { hlsl::ShaderModel::V5_1 };
            let options = hlsl::Options { fake_missing_bindings: true, shader_model, ..Default::default() };
            hlsl::Writer::new(&mut text, &options, &Default::default())
                .write(&fixed, &fixed_info, None)
                .unwrap_or_else(|e| panic!("{at} to HLSL: {e}"));
            assert!(text.contains("numthreads"), "{at}");

            let used = |handle: naga::Handle<naga::GlobalVariable>| {
                let index = fixed.entry_points.iter().position(|e| e.name == entry).expect("the entry point exists");
                !fixed_info.get_entry_point(index)[handle].is_empty()
            };
            let storage = (fixed.global_variables.iter())
                .filter(|(h, v)| matches!(v.space, naga::AddressSpace::Storage { .. }) && used(*h))
                .count();
            assert!(storage <= 8, "{at} binds {storage} storage buffers");
            let layouter = {
                let mut layouter = naga::proc::Layouter::default();
                layouter.update(fixed.to_ctx()).unwrap_or_else(|e| panic!("{at}: {e}"));
                layouter
            };
            let shared: u32 = (fixed.global_variables.iter())
                .filter(|(h, v)| v.space == naga::AddressSpace::WorkGroup && used(*h))
                .map(|(_, v)| layouter[v.ty].size)
                .sum();
            assert!(shared <= 16 * 1024, "{at} uses {shared} bytes of workgroup memory");
        }
    }
}

#[test]
fn an_optional_feature_would_be_refused() {
    let source = "@group(0) @binding(0) var<storage, read_write> x: array<f64>;
        @compute @workgroup_size(1) fn main() { x[0] = 1.0lf; }";
    let module = naga::front::wgsl::parse_str(source).expect("parses");
    let outcome = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module);
    assert!(outcome.is_err());
}
