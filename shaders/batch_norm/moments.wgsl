// Moments of rows of four channels: their mean, Σ (x − mean)² and how many they are.
struct Moments { mean: vec4f, squares: vec4f, count: f32 }

// The moments of all rows of both (Chan et al. 1983): with d the difference of the means,
//   mean ← mean + d · k / (n + k),   squares ← squares of both + d² · n·k / (n + k).
fn merged(a: Moments, b: Moments) -> Moments {
    let n = a.count;
    let k = b.count;
    let d = b.mean - a.mean;
    return Moments(
        a.mean + d * (k / (n + k)),
        a.squares + (b.squares + d * d * (n * k / (n + k))),
        n + k,
    );
}
