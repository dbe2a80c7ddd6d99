//! Every pass, in every combination of pieces, validates with naga and translates to Metal and HLSL without a device.
//!
//! The capabilities allowed are none beyond core WGSL; storage buffers per pass and workgroup memory stay within the
//! WebGPU defaults.

use hexaqua::forces::gpu::shader::{Pieces, Shaders};
use naga::back::{hlsl, msl, pipeline_constants};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};

/// (file, entry points, pieces)
fn passes() -> Vec<(&'static str, Vec<&'static str>, Pieces)> {
    let mut all = Vec::new();
    for vdw in ["vdw/lennard_jones", "vdw/lennard_jones_switch"] {
        for coulomb in ["coulomb/ewald_real", "coulomb/reaction_field", "coulomb/cutoff"] {
            all.push(("nb_full", vec!["nb_full"], Pieces { vdw: Some(vdw), coulomb: Some(coulomb) }));
        }
    }
    for (file, entries) in [
        ("pack", vec!["pack"]),
        ("bonded", vec!["bonded"]),
        ("ewald_structure", vec!["ewald_structure"]),
        ("ewald_force", vec!["ewald_force"]),
        ("spread", vec!["spread"]),
        ("mesh_convert", vec!["mesh_convert"]),
        ("fft", vec!["fft"]),
        ("solve", vec!["solve"]),
        ("gather", vec!["gather"]),
        ("momentum", vec!["momentum_partial", "momentum_total", "momentum_remove"]),
        ("couple", vec!["kinetic_partial", "couple"]),
        ("update", vec!["update"]),
        ("displacement", vec!["displacement_since_start"]),
        ("micro", vec!["touch", "add"]),
    ] {
        all.push((file, entries, Pieces::default()));
    }
    all
}

fn validate(module: &naga::Module, what: &str) -> ModuleInfo {
    Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(module)
        .unwrap_or_else(|e| panic!("{what}: {:?}", e.as_inner()))
}

#[test]
fn every_pass_translates_to_metal_and_hlsl() {
    let shaders = Shaders::embedded();
    for (file, entries, pieces) in passes() {
        let source = shaders.module(file, pieces);
        let module =
            naga::front::wgsl::parse_str(&source).unwrap_or_else(|e| panic!("{file}: {}", e.emit_to_string(&source)));
        let info = validate(&module, file);
        for entry in entries {
            let at = format!("{file}, {entry}");
            // any value will do for translation; 64 also suits the workgroup size
            let constants: naga::back::PipelineConstants =
                (module.overrides.iter()).map(|(_, o)| (o.name.clone().expect("named"), 64.0)).collect();
            let stage = Some((naga::ShaderStage::Compute, entry));
            let (fixed, fixed_info) = pipeline_constants::process_overrides(&module, &info, stage, &constants)
                .unwrap_or_else(|e| panic!("{at}: {e}"));

            let options = msl::Options { fake_missing_bindings: true, lang_version: (2, 1), ..Default::default() };
            let (text, _) = msl::write_string(&fixed, &fixed_info, &options, &Default::default())
                .unwrap_or_else(|e| panic!("{at} to Metal: {e}"));
            assert!(text.contains("kernel"), "{at}");

            let mut text = String::new();
            let options = hlsl::Options { fake_missing_bindings: true, ..Default::default() };
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
