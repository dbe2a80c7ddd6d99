// Sorts atoms into list order after new positions: `sorted` and the slot of every atom; after a new neighbor list
// (`new_list`) also the origin from which displacements are measured.
//
// group 0: slots: (atom, type) by slot | charges: q sqrt(k_e) by atom, (kJ mol^-1 nm)^1/2
// group 1: positions: fixed-point x, y, z, slot, by atom | sorted: fixed-point x, y, z, bits of q sqrt(k_e) |
//          origin: positions, by atom
// twin: none, it only moves data

override n_slots: u32;
override new_list: bool;

const PADDING: u32 = 0xffffffffu;

@group(0) @binding(0) var<storage, read> slots: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read> charges: array<f32>;
@group(1) @binding(0) var<storage, read_write> positions: array<vec4<i32>>;
@group(1) @binding(1) var<storage, read_write> sorted: array<vec4<i32>>;
@group(1) @binding(2) var<storage, read_write> origin: array<vec4<i32>>;

@compute @workgroup_size(wg_size)
fn pack(@builtin(global_invocation_id) id: vec3<u32>) {
    let slot = id.x;
    if slot >= n_slots {
        return;
    }
    let atom = slots[slot].x;
    if atom == PADDING {
        sorted[slot] = vec4<i32>(0);
        return;
    }
    let position = vec4<i32>(positions[atom].xyz, i32(slot));
    positions[atom] = position;
    if new_list {
        origin[atom] = position;
    }
    sorted[slot] = vec4<i32>(position.xyz, bitcast<i32>(charges[atom]));
}
