//! First convolution of a network over three channels, or one: of a grey film, which has three equal channels, both
//! can be the same function.

use crate::weights::checkpoint::HostTensor;

/// Whether a tensor is the weight of a ResNet's first convolution, over one channel or three.
pub fn is(name: &str, shape: &[usize]) -> bool {
    let first = name == "conv1.weight" || name.ends_with(".conv1.weight");
    first && matches!(shape, [_, 1 | 3, _, _])
}

/// Converts the weights to `[K, C, R, S]` over `channels` channels, 1 or 3, for films whose channels are
/// equal.
///
/// ```text
/// three from one:  w[k,c] = w[k] / 3, so that their sum is w[k] and weight decay treats the channels alike
/// one from three:  w[k] = Σ c  w[k,c]
/// ```
/// A tensor without four axes of floats stays as it is.
pub fn over(channels: usize, stem: HostTensor) -> HostTensor {
    let (&[k, c, r, s], Some(data)) = (&stem.shape[..], stem.as_f32()) else { return stem };
    let filters = data.chunks(c * r * s);
    let data: Vec<f32> = match (c, channels) {
        (1, 3) => filters.flat_map(|w| [w; 3].concat()).map(|w| w / 3.0).collect(),
        (3, 1) => filters.flat_map(|w| summed(w, r * s)).collect(),
        _ => return stem,
    };
    HostTensor::f32([k, channels, r, s], data)
}

/// The sum over the three channels of a filter, each of so many taps.
fn summed(filter: &[f32], taps: usize) -> Vec<f32> {
    let channel = |tap: usize| (0..3).map(|c| f64::from(filter[c * taps + tap])).sum::<f64>();
    (0..taps).map(|tap| channel(tap) as f32).collect()
}
