// Micro-benchmarks: a dispatch that does nothing worth mentioning, and atomic additions to one word or to random ones.
//
// group 1: words: counters
// override mask: the table has mask + 1 words, a power of two; 0 sends every addition to the same word
// twin: none, it computes nothing

override mask: u32 = 0u;

// Additions per invocation.
const ADDITIONS: u32 = 64u;

@group(1) @binding(0) var<storage, read_write> words: array<atomic<i32>>;

@compute @workgroup_size(wg_size)
fn touch(@builtin(local_invocation_index) local: u32) {
    if local == 0u {
        atomicAdd(&words[0], 1);
    }
}

@compute @workgroup_size(wg_size)
fn add(@builtin(global_invocation_id) id: vec3<u32>) {
    var state = id.x * 747796405u + 2891336453u;
    for (var k = 0u; k < ADDITIONS; k = k + 1u) {
        state = state * 1664525u + 1013904223u;
        atomicAdd(&words[(state >> 12u) & mask], 1);
    }
}
