// Not all threads of a subgroup reach the sum.
@group(0) @binding(0) var<storage, read_write> values: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if values[id.x] > 7.0 {
        values[id.x] = subgroupAdd(values[id.x]);
    }
}
