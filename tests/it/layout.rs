//! Structs shared by host and shaders: names, offsets and sizes as naga computes them from the WGSL.

use hexaqua::forces::gpu::layout::{
    BondedTerm, CellUniform, ExternalUniform, PlacedAtom, SiteTerm, StatusWords, StepUniform,
};
use hexaqua::forces::gpu::shader::{Pieces, Shaders};
use std::mem::offset_of;

/// (field, offset) and size of a struct in a WGSL module.
fn wgsl_struct(source: &str, name: &str) -> (Vec<(String, usize)>, usize) {
    let module = naga::front::wgsl::parse_str(source).unwrap_or_else(|e| panic!("{}", e.emit_to_string(source)));
    let (_, ty) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(name)).expect("the struct exists");
    let naga::TypeInner::Struct { members, span } = &ty.inner else { panic!("{name} is no struct") };
    let fields = members.iter().map(|m| (m.name.clone().expect("named"), m.offset as usize)).collect();
    (fields, *span as usize)
}

macro_rules! check {
    ($source:expr, $wgsl:literal, $rust:ident { $($field:ident),* $(,)? }) => {{
        let (fields, size) = wgsl_struct($source, $wgsl);
        let host = vec![$((stringify!($field).to_string(), offset_of!($rust, $field))),*];
        assert_eq!(fields, host, $wgsl);
        assert_eq!(size, size_of::<$rust>(), $wgsl);
    }};
}

#[test]
fn structs_agree_with_the_shaders() {
    let source = Shaders::embedded().module("update", Pieces::default());
    check!(&source, "CellUniform", CellUniform { step_a, step_b, step_c, turn_x, turn_y, turn_z });
    check!(
        &source,
        "StepUniform",
        StepUniform {
            dt,
            velocity_scale,
            decay,
            noise,
            seed_low,
            seed_high,
            step_low,
            step_high,
            flags,
            csvr_decay,
            csvr_gain,
            csvr_cross,
        }
    );
    check!(&Shaders::embedded().module("bonded", Pieces::default()), "BondedTerm", BondedTerm { atoms, a, b });
    check!(&Shaders::embedded().module("virtual_sites", Pieces::default()), "SiteTerm", SiteTerm { atoms, weights });
    let external = Shaders::embedded().module("external", Pieces::default());
    check!(
        &external,
        "ExternalUniform",
        ExternalUniform { field, slab, moment, charge, height, charge_unit, n_walls, n_types, walls }
    );
    check!(&external, "Placed", PlacedAtom { charge, height, origin, kind, atom, first_shape, end_shape });
    check!(
        &source,
        "Status",
        StatusWords { first_bad, since_list_sq, in_chunk_sq, mesh_overflow, velocity_scale, kinetic, force_overflow }
    );
}

#[test]
fn a_moved_field_is_noticed() {
    let source = Shaders::embedded().module("update", Pieces::default());
    let swapped = source.replace("    decay: f32,\n    noise: f32,", "    noise: f32,\n    decay: f32,");
    assert_ne!(source, swapped);
    assert_ne!(wgsl_struct(&source, "StepUniform"), wgsl_struct(&swapped, "StepUniform"));
}
