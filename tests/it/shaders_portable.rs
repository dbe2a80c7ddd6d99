//! Every pass, in every combination of pieces, validates with naga and translates to Metal and HLSL without a device.
//!
//! The capabilities allowed are none beyond core WGSL (shuffles, for variants that have a sibling without); storage buffers per pass and workgroup memory stay within the
//! WebGPU defaults, with the sizes that a backend chooses: workgroup memory of the transforms depends on the mesh.

use hexaqua::forces::gpu::fft::{MeshPlans, TransformPlan};
use hexaqua::forces::gpu::pass::WORKGROUP;
use hexaqua::forces::gpu::shader::{Pieces, Shaders};
use naga::back::{hlsl, msl, pipeline_constants};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use std::borrow::Cow;

/// Workgroup memory that every device has, and what a backend asks for at most, bytes.
const PORTABLE: u32 = 16 * 1024;
const DESKTOP: u32 = 48 * 1024;

/// One module.
struct Variant {
    file: &'static str,
    entries: Vec<&'static str>,
    forms: Option<[&'static str; 2]>,
    defines: Vec<&'static str>,
    /// `override` names and values; those that are missing have a default, or any value will do.
    constants: Vec<(&'static str, f64)>,
    /// Workgroup memory it may use, bytes.
    room: u32,
}

/// Meshes from the smallest to the largest: planes that fill the portable memory exactly, more than fill it, and fill that
/// of a desktop; lines of the longest length along every axis, and of every radix.
const MESHES: [[usize; 3]; 12] = [
    [16; 3],
    [20, 18, 21],
    [27; 3],
    [32; 3],
    [36, 32, 40],
    [54; 3],
    [84; 3],
    [128; 3],
    [256; 3],
    [256, 16, 16],
    [16, 256, 243],
    [252, 245, 16],
];

impl Variant {
    fn of(file: &'static str) -> Self {
        let constants = Vec::new();
        Variant { file, entries: vec![file], forms: None, defines: Vec::new(), constants, room: PORTABLE }
    }

    fn of_transform(plan: &TransformPlan, room: u32) -> Self {
        Variant { defines: plan.defines.clone(), constants: plan.constants.clone(), room, ..Variant::of("fft") }
    }

    /// The value of an `override`: what a backend sets, the size of a workgroup where it sets none, or any.
    fn value(&self, name: &str) -> f64 {
        let set = self.constants.iter().find(|(known, _)| *known == name);
        match (set, name) {
            (Some((_, value)), _) => *value,
            (None, "wg_size") => f64::from(WORKGROUP),
            _ => 64.0,
        }
    }

    fn source(&self, shaders: &Shaders) -> String {
        let [vdw, coulomb] = self.forms.map_or([None; 2], |forms| forms.map(Some));
        shaders.module(self.file, Pieces { vdw, coulomb, defines: &self.defines })
    }

    fn name(&self) -> String {
        format!("{} {:?} {:?}", self.file, self.defines, self.constants)
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
                    entries: vec![file],
                    forms,
                    defines: beside.iter().chain(more).copied().collect(),
                    ..Variant::of(file)
                };
                all.push(variant("nb_full", &[]));
                for table in [&[][..], &["NEAR_TABLE"]] {
                    for kind in [&[][..], &["WIDE"], &["SUBGROUPS"], &["SUBGROUPS", "WIDE"]] {
                        all.push(variant("nb_half", &[kind, table].concat()));
                    }
                }
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
                all.push(Variant { entries, defines: defines.clone(), ..Variant::of(file) });
            }
        }
        all.push(Variant { defines: sums.to_vec(), ..Variant::of("bonded") });
        for electrodes in [&[][..], &["ELECTRODES"]] {
            let (entries, defines) = (vec!["external_forces"], [sums, electrodes].concat());
            all.push(Variant { entries, defines, ..Variant::of("external") });
        }
    }
    for room in [PORTABLE, DESKTOP] {
        for grid in MESHES {
            let plans = MeshPlans::new(grid, 3.47, room).expect("every length has a plan");
            all.extend(plans.all().map(|plan| Variant::of_transform(plan, room)));
        }
    }
    for (entry, part) in
        [("electrode_potential", "POTENTIAL"), ("electrode_drive", "DRIVE"), ("electrode_charge", "CHARGE")]
    {
        for long_range in ["MESH", "EWALD"] {
            all.push(Variant { entries: vec![entry], defines: vec![part, long_range], ..Variant::of("electrode") });
        }
    }
    all.push(Variant { defines: vec!["POTENTIAL"], ..Variant::of("ewald_structure") });
    all.push(Variant { entries: vec!["dipole"], defines: vec!["DIPOLE"], ..Variant::of("external") });
    all.push(Variant { defines: vec!["SUBGROUPS"], ..Variant::of("probe") });
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
        all.push(Variant { entries, ..Variant::of(file) });
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

impl Variant {
    /// The module with its overrides resolved for one entry point.
    fn fix<'a>(
        &self,
        module: &'a naga::Module,
        info: &'a ModuleInfo,
        entry: &str,
    ) -> (Cow<'a, naga::Module>, Cow<'a, ModuleInfo>) {
        let constants: naga::back::PipelineConstants = (module.overrides.iter())
            .map(|(_, o)| o.name.clone().expect("named"))
            .map(|name| (name.clone(), self.value(&name)))
            .collect();
        let stage = Some((naga::ShaderStage::Compute, entry));
        pipeline_constants::process_overrides(module, info, stage, &constants)
            .unwrap_or_else(|e| panic!("{}, {entry}: {e}", self.name()))
    }
}

/// The variables that an entry point touches.
fn used_variables<'a>(
    module: &'a naga::Module,
    info: &'a ModuleInfo,
    entry: &str,
) -> impl Iterator<Item = &'a naga::GlobalVariable> {
    let index = module.entry_points.iter().position(|e| e.name == entry).expect("the entry point exists");
    let uses = info.get_entry_point(index);
    module.global_variables.iter().filter(|(handle, _)| !uses[*handle].is_empty()).map(|(_, variable)| variable)
}

/// Bytes of workgroup memory of an entry point.
fn workgroup_memory(module: &naga::Module, info: &ModuleInfo, entry: &str) -> u32 {
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).unwrap_or_else(|e| panic!("{entry}: {e}"));
    used_variables(module, info, entry)
        .filter(|v| v.space == naga::AddressSpace::WorkGroup)
        // variables start at multiples of 16 bytes at most
        .map(|v| layouter[v.ty].size.next_multiple_of(16))
        .sum()
}

/// Workgroup memory of a transform, bytes.
fn memory_of(plan: &TransformPlan) -> u32 {
    let variant = Variant::of_transform(plan, PORTABLE);
    let module = naga::front::wgsl::parse_str(&variant.source(&Shaders::embedded())).expect("parses");
    let info = validate(&module, "fft", false);
    let (fixed, fixed_info) = variant.fix(&module, &info, "fft");
    workgroup_memory(&fixed, &fixed_info, "fft")
}

/// The sizes that the test above sees are real: one plane fills the portable memory to the last byte, and what suits a
/// desktop is too large for it.
#[test]
fn workgroup_memory_depends_on_the_mesh_and_can_be_too_large() {
    let largest = |grid, room| {
        let plans = MeshPlans::new(grid, 3.47, room).expect("every length has a plan");
        plans.all().map(memory_of).max().expect("some")
    };
    assert_eq!(largest([32; 3], PORTABLE), PORTABLE);
    assert_eq!(largest([54; 3], DESKTOP), 2 * 54 * 54 * 8);
    assert!(largest([54; 3], DESKTOP) > PORTABLE && largest([54; 3], PORTABLE) <= PORTABLE);
    let small = largest([16; 3], PORTABLE);
    assert!(small < PORTABLE / 2, "{small}");
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
            let (fixed, fixed_info) = variant.fix(&module, &info, entry);

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

            let is_storage = |space| matches!(space, naga::AddressSpace::Storage { .. });
            let storage = used_variables(&fixed, &fixed_info, entry).filter(|v| is_storage(v.space)).count();
            assert!(storage <= 8, "{at} binds {storage} storage buffers");
            let (shared, room) = (workgroup_memory(&fixed, &fixed_info, entry), variant.room);
            assert!(shared <= room, "{at} uses {shared} of {room} bytes of workgroup memory");
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
