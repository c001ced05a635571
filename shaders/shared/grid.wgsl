// One thread per element, 256 a workgroup; grids beyond 65 535 workgroups fold into y.
fn element(id: vec3u, groups: vec3u) -> u32 {
    return id.x + id.y * groups.x * 256u;
}

fn group_of(group: vec3u, groups: vec3u) -> u32 {
    return group.x + group.y * groups.x;
}
