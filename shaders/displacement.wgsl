// Largest distances an atom moved since the batch began and since the positions of the neighbor list; run once, after the last
// step of a batch.
//
// group 0: cell | start: positions when the batch began | origin: those that the list was built from | positions: fixed-point
//          x, y, z, slot
// group 1: status
// twin: src/forces/reference/mod.rs (max_displacement of a chunk); src/cell.rs, Cell::minimum_image

override n_atoms: u32;

@group(0) @binding(0) var<uniform> cell: CellUniform;
@group(0) @binding(1) var<storage, read> start: array<vec4<i32>>;
@group(0) @binding(2) var<storage, read> origin: array<vec4<i32>>;
@group(0) @binding(3) var<storage, read> positions: array<vec4<i32>>;
@group(1) @binding(0) var<storage, read_write> status: Status;

@compute @workgroup_size(wg_size)
fn displacement_since_start(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= n_atoms {
        return;
    }
    let d = displacement(start[id.x].xyz, positions[id.x].xyz, cell);
    atomicMax(&status.in_chunk_sq, bitcast<u32>(dot(d, d)));
    let l = displacement(origin[id.x].xyz, positions[id.x].xyz, cell);
    atomicMax(&status.since_list_sq, bitcast<u32>(dot(l, l)));
}
