// Do shuffles of distance 1, 2, 4 move values between invocations of a workgroup as its local indices say?
//
// group 1: answers: 1 for every invocation whose three partners are the right ones
// twin: none; run once when a device is opened

@group(1) @binding(0) var<storage, read_write> answers: array<u32>;

@compute @workgroup_size(64)
fn probe(@builtin(local_invocation_index) local: u32) {
    var right = 1u;
//#if SUBGROUPS
    if subgroupShuffleXor(local, 1u) != (local ^ 1u) {
        right = 0u;
    }
    if subgroupShuffleXor(local, 2u) != (local ^ 2u) {
        right = 0u;
    }
    if subgroupShuffleXor(local, 4u) != (local ^ 4u) {
        right = 0u;
    }
//#else
    right = 0u;
//#end
    answers[local] = right;
}
