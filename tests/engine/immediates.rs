//! Launch parameters where a backend has less room for immediates than 128 bytes: browsers have 64, and pass what is longer as
//! a uniform buffer.

use crate::shaders::{SHADERS, parsed};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use std::collections::BTreeMap;

/// Bytes of immediates that every browser has.
const BROWSERS: usize = 64;

/// The kernels that need more.
const BEYOND: [&str; 10] = [
    "conv2d/coop",
    "conv2d/plain",
    "conv2d/shared",
    "conv2d/subgroup",
    "conv2d/weight_coop",
    "conv2d/weight_plain",
    "conv2d/weight_shared",
    "conv2d/weight_subgroup",
    "conv2d/winograd/channels",
    "conv2d/winograd/columns",
];

#[test]
fn only_convolutions_have_more_parameters_than_browsers_have_immediates() {
    let sizes: BTreeMap<&str, usize> = SHADERS.iter().map(|s| (s.name, s.immediates)).collect();
    let beyond: Vec<_> =
        sizes.iter().filter(|(_, bytes)| **bytes > BROWSERS).map(|(name, _)| *name).collect();
    let expected: Vec<_> = BEYOND.iter().filter(|name| sizes.contains_key(*name)).collect();
    assert_eq!(beyond.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn every_kernel_takes_its_parameters_as_a_uniform_buffer_too() {
    let mut seen = 0;
    for shader in SHADERS.iter() {
        let uniform =
            shader.wgsl.replace("var<immediate> p", "@group(1) @binding(0) var<uniform> p");
        seen += usize::from(uniform != shader.wgsl);
        assert!(!uniform.contains("immediate>"), "{}: another immediate", shader.label);
        parsed(shader).expect("a valid shader");
        let module = naga::front::wgsl::parse_str(&uniform)
            .unwrap_or_else(|e| panic!("{}: {}", shader.label, e.emit_to_string(&uniform)));
        let valid = Validator::new(ValidationFlags::all(), Capabilities::all()).validate(&module);
        if let Err(e) = valid {
            panic!("{}: {}", shader.label, e.emit_to_string(&uniform));
        }
    }
    assert!(seen > SHADERS.len() / 2, "{seen} of {} have parameters", SHADERS.len());
}
