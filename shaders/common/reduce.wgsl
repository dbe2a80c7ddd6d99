// Sum over a workgroup by a tree of fixed shape: the same bits in every run. Every invocation has to call it.

override wg_size: u32 = 64u;

var<workgroup> scratch: array<f32, wg_size>;

fn workgroup_sum(local: u32, value: f32) -> f32 {
    scratch[local] = value;
    workgroupBarrier();
    for (var width = wg_size / 2u; width > 0u; width = width / 2u) {
        if local < width {
            scratch[local] = scratch[local] + scratch[local + width];
        }
        workgroupBarrier();
    }
    let total = scratch[0];
    workgroupBarrier();
    return total;
}
