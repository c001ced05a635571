//! Tensors on the host, in f64, which references compute with; and counter-based random numbers.

/// A tensor on the host in f64, contiguous, not padded.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Shape of the tensor.
    pub shape: Vec<usize>,
    /// Values of the tensor, the last axis fastest.
    pub data: Vec<f64>,
}

impl Array {
    /// An array of these values.
    ///
    /// # Panics
    /// If their number is not that of the shape.
    pub fn new(shape: &[usize], data: Vec<f64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "values of {shape:?}");
        Self { shape: shape.to_vec(), data }
    }
    /// An array of zeros.
    pub fn zeros(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), data: vec![0.0; shape.iter().product()] }
    }
    /// An array of uniform numbers in (−1, 1) that f32 holds exactly, from a Philox stream.
    pub fn random(shape: &[usize], seed: u64) -> Self {
        let mut random = Philox::new(seed, 0);
        let data = (0..shape.iter().product()).map(|_| random.uniform() * 2.0 - 1.0).collect();
        Self { shape: shape.to_vec(), data }
    }
    /// Maps every value through `f`.
    pub fn map(mut self, f: impl Fn(f64) -> f64) -> Self {
        self.data.iter_mut().for_each(|v| *v = f(*v));
        self
    }
    /// The values in f32 with the last axis padded with zeros to a multiple of four.
    pub fn padded(&self) -> Vec<f32> {
        let last = self.shape.last().copied().unwrap_or(1).max(1);
        let mut out = Vec::with_capacity(self.data.len() / last * last.next_multiple_of(4));
        for row in self.data.chunks(last) {
            out.extend(row.iter().map(|v| *v as f32));
            out.resize(out.len().next_multiple_of(4), 0.0);
        }
        out
    }
    /// The array of padded values: the inverse of [`Array::padded`].
    ///
    /// # Panics
    /// If the length is not the shape's padded length.
    pub fn from_padded(shape: &[usize], padded: &[f32]) -> Self {
        let last = shape.last().copied().unwrap_or(1).max(1);
        let rows = padded.chunks(last.next_multiple_of(4));
        let data = rows.flat_map(|row| row[..last].iter().map(|v| f64::from(*v))).collect();
        Self::new(shape, data)
    }
    /// This array with the axes in another order: axis `i` of the result is axis `order[i]` of
    /// this.
    pub fn permuted(&self, order: &[usize]) -> Self {
        let mut strides = vec![1; self.shape.len()];
        for axis in (1..self.shape.len()).rev() {
            strides[axis - 1] = strides[axis] * self.shape[axis];
        }
        let shape: Vec<usize> = order.iter().map(|a| self.shape[*a]).collect();
        let steps: Vec<usize> = order.iter().map(|a| strides[*a]).collect();
        // The last axis goes by one step, so that only its beginnings are counted out.
        let outer = shape.len().saturating_sub(1);
        let last = [shape.last(), steps.last()].map(|v| v.copied().unwrap_or(1));
        let mut index = vec![0; outer];
        let mut data = Vec::with_capacity(self.data.len());
        while data.len() < self.data.len() {
            let first: usize = index.iter().zip(&steps).map(|(i, step)| i * step).sum();
            data.extend((0..last[0]).map(|i| self.data[first + i * last[1]]));
            for axis in (0..outer).rev() {
                index[axis] += 1;
                if index[axis] < shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        Self { shape, data }
    }
    /// This array with `axis` lengthened to `length` by zeros, or cut to it.
    pub fn resized(&self, axis: usize, length: usize) -> Self {
        let inner: usize = self.shape[axis + 1..].iter().product();
        let (old, new) = (self.shape[axis] * inner, length * inner);
        let mut data = Vec::with_capacity(self.data.len() / old.max(1) * new);
        for block in self.data.chunks(old.max(1)) {
            data.extend_from_slice(&block[..old.min(new)]);
            data.resize(data.len() + new.saturating_sub(old), 0.0);
        }
        let mut shape = self.shape.clone();
        shape[axis] = length;
        Self { shape, data }
    }
}

/// Philox4x32-10: random numbers as a pure function of (key, counter), the same as
/// `shaders/shared/philox.wgsl` draws. Salmon et al. 2011, "Parallel random numbers: as easy as
/// 1, 2, 3".
pub struct Philox {
    key: [u32; 2],
    stream: u64,
    block: u64,
    drawn: Vec<u32>,
}

impl Philox {
    /// The random numbers of `seed`'s stream number `stream`.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32], stream, block: 0, drawn: Vec::new() }
    }
    /// The four random words of one counter.
    pub fn block(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
        let ([mut k0, mut k1], mut c) = (key, counter);
        for _ in 0..10 {
            let a = u64::from(c[0]) * 0xD251_1F53;
            let b = u64::from(c[2]) * 0xCD9E_8D57;
            c = [(b >> 32) as u32 ^ c[1] ^ k0, b as u32, (a >> 32) as u32 ^ c[3] ^ k1, a as u32];
            k0 = k0.wrapping_add(0x9E37_79B9);
            k1 = k1.wrapping_add(0xBB67_AE85);
        }
        c
    }
    /// The next 32 random bits.
    pub fn word(&mut self) -> u32 {
        if self.drawn.is_empty() {
            let (b, s) = (self.block, self.stream);
            let counter = [b as u32, (b >> 32) as u32, s as u32, (s >> 32) as u32];
            self.drawn.extend(Self::block(self.key, counter).iter().rev());
            self.block += 1;
        }
        self.drawn.pop().expect("a block has four words")
    }
    /// The next number in [0, 1): the upper 24 bits of a word, so that f32 holds it exactly.
    pub fn uniform(&mut self) -> f64 {
        f64::from(self.word() >> 8) / f64::from(1u32 << 24)
    }
    /// The next whole number in [0, n), without bias worth naming for small n.
    pub fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.word()) * n as u64) >> 32) as usize
    }
    /// The next number of the standard normal distribution (Box–Muller).
    pub fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
    /// A random permutation of `0..n` (Fisher–Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}
