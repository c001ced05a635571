//! Named tensors in one buffer.
//!
//! A model is structure; an arena is state. Weights, gradients, momentum, the L²-SP anchor and
//! MoCo's key encoder are five arenas of one layout, so that an update is a launch per group and a
//! checkpoint is one copy.

use super::{Array, Format, Philox, Tensor, bytes};
use crate::{
    Result,
    gpu::{ALIGNMENT, Gpu, Slice},
};
use rayon::prelude::*;
use std::{cell::RefCell, cmp::Reverse, ops::Range, rc::Rc};

/// Order of a tensor's axes here and in torchvision's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Convolution. Files: `[K, C, R, S]`; here `[R, S, C⌈4⌉, K]`.
    Conv,
    /// Linear layer. Files: `[O, I]`; here `[1, 1, I⌈4⌉, O]`.
    Linear,
    /// A linear layer on an image in one row. Files: `[O, C · pixels]`; here `[1, 1, pixels · C, O]`,
    /// C a multiple of 4.
    Image {
        /// Number of pixels: height times width.
        pixels: usize,
    },
    /// Vector `[C]`, in files and here.
    Vector,
}

/// Parameter group: tensors that an update treats alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group {
    /// The part of the network, by the number that [`Scope::part`] gave it.
    pub part: usize,
    /// Whether it holds biases and batch-norm parameters; else weights of convolutions and linear
    /// layers.
    pub vectors: bool,
}

/// The distribution of a tensor's first values.
#[derive(Clone, Copy, Debug)]
pub enum Init {
    /// Constant: the same value everywhere.
    Constant(f32),
    /// Uniform distribution in ±the bound.
    Uniform(f32),
    /// Normal distribution with this standard deviation.
    Normal(f32),
}

/// One named tensor of a layout.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Name of the tensor, torchvision's.
    pub name: String,
    /// Shape of the tensor in files.
    pub file_shape: Vec<usize>,
    /// Shape of the tensor here.
    pub shape: Vec<usize>,
    /// Order of its axes here and in files.
    pub order: Order,
    /// Parameter group that it belongs to.
    pub group: Group,
    /// Distribution of its first values.
    pub init: Init,
    /// Number of the tensor in order of declaration.
    declared: usize,
    offset: u64,
}

/// A tensor's number in its layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Param(usize);

/// Layout of an arena: names, shapes and places of all tensors of an arena, sorted by group.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    entries: Vec<Entry>,
    /// Place in `entries` by number of declaration.
    place: Vec<usize>,
    bytes: u64,
}

/// Scope in which a model declares its tensors: a prefix of their names and the part of the network they
/// belong to.
#[derive(Clone)]
pub struct Scope {
    prefix: String,
    part: usize,
    params: Rc<RefCell<Vec<Entry>>>,
    statistics: Rc<RefCell<Vec<Entry>>>,
}

impl Scope {
    /// The root of a new model.
    pub fn root() -> Self {
        Self { prefix: String::new(), part: 0, params: Rc::default(), statistics: Rc::default() }
    }
    /// The scope `name` below this one.
    pub fn at(&self, name: &str) -> Self {
        let prefix = format!("{}{name}.", self.prefix);
        Self { prefix, ..self.clone() }
    }
    /// The same scope, declaring tensors of the part of this number; 0 unless another is named.
    pub fn part(&self, part: usize) -> Self {
        Self { part, ..self.clone() }
    }
    /// Declares a parameter.
    pub fn param(&self, name: &str, order: Order, file_shape: &[usize], init: Init) -> Param {
        let group = Group { part: self.part, vectors: matches!(order, Order::Vector) };
        self.declare(&self.params, name, order, file_shape, group, init)
    }
    /// Declares a running statistic of `channels` values.
    pub fn statistic(&self, name: &str, channels: usize, value: f32) -> Param {
        let init = Init::Constant(value);
        let group = Group { part: self.part, vectors: true };
        self.declare(&self.statistics, name, Order::Vector, &[channels], group, init)
    }
    fn declare(
        &self,
        list: &RefCell<Vec<Entry>>,
        name: &str,
        order: Order,
        file_shape: &[usize],
        group: Group,
        init: Init,
    ) -> Param {
        let shape = match (order, file_shape) {
            (Order::Conv, &[k, c, r, s]) => vec![r, s, c.next_multiple_of(4), k],
            (Order::Linear, &[o, i]) => vec![1, 1, i.next_multiple_of(4), o],
            (Order::Image { pixels }, &[o, i]) if i.is_multiple_of(4 * pixels) => {
                vec![1, 1, i, o]
            }
            (Order::Vector, &[c]) => vec![c],
            _ => panic!("{}{name}: {order:?} of {file_shape:?}", self.prefix),
        };
        let mut list = list.borrow_mut();
        let declared = list.len();
        list.push(Entry {
            name: format!("{}{name}", self.prefix),
            file_shape: file_shape.to_vec(),
            shape,
            order,
            group,
            init,
            declared,
            offset: 0,
        });
        Param(declared)
    }
    /// The layouts of everything declared: parameters and running statistics.
    pub fn layouts(&self) -> (Rc<Layout>, Rc<Layout>) {
        let layout = |list: &RefCell<Vec<Entry>>| Rc::new(Layout::new(list.borrow().clone()));
        (layout(&self.params), layout(&self.statistics))
    }
}

impl Layout {
    fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by_key(|e| (e.group, e.declared));
        let mut place = vec![0; entries.len()];
        let mut offset = 0;
        for (at, entry) in entries.iter_mut().enumerate() {
            entry.offset = offset;
            offset += bytes(&entry.shape).next_multiple_of(ALIGNMENT);
            place[entry.declared] = at;
        }
        Self { entries, place, bytes: offset }
    }
    /// All entries, in the order in which they were declared (torchvision's order).
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.place.iter().map(|at| &self.entries[*at])
    }
    /// The entry of a parameter.
    pub fn entry(&self, param: Param) -> &Entry {
        &self.entries[self.place[param.0]]
    }
    /// Number of bytes of an arena of this layout.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
    /// Ranges of bytes of a group's tensors in an arena.
    pub fn places(&self, group: Group) -> Vec<Range<u64>> {
        let of_group = self.entries.iter().filter(|e| e.group == group);
        of_group.map(|e| e.offset..e.offset + bytes(&e.shape)).collect()
    }
    /// Every group that occurs, and its range of bytes in an arena.
    pub fn groups(&self) -> Vec<(Group, Range<u64>)> {
        let mut groups: Vec<(Group, Range<u64>)> = Vec::new();
        for e in &self.entries {
            let end = e.offset + bytes(&e.shape).next_multiple_of(ALIGNMENT);
            match groups.last_mut() {
                Some((group, range)) if *group == e.group => range.end = end,
                _ => groups.push((e.group, e.offset..end)),
            }
        }
        groups
    }
}

/// Buffer that holds the tensors of one layout.
#[derive(Clone, Debug)]
pub struct Arena {
    /// Names, shapes and places.
    pub layout: Rc<Layout>,
    /// The whole buffer.
    pub data: Slice,
}

impl Arena {
    /// Allocates an arena of zeros.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn zeros(gpu: &Gpu, layout: &Rc<Layout>) -> Result<Self> {
        Ok(Self { layout: layout.clone(), data: gpu.alloc(layout.bytes)? })
    }
    /// Draws first values from (seed, name), so that they depend on nothing else.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn init(gpu: &Gpu, layout: &Rc<Layout>, seed: u64) -> Result<Self> {
        let arena = Self::zeros(gpu, layout)?;
        arena.write(gpu, |entry| {
            // FNV-1a of the name gives each tensor its own stream.
            let stream = entry.name.bytes().fold(0xcbf2_9ce4_8422_2325, |h: u64, b| {
                (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
            });
            let mut random = Philox::new(seed, stream);
            let mut draw = || match entry.init {
                Init::Constant(v) => f64::from(v),
                Init::Uniform(bound) => (random.uniform() * 2.0 - 1.0) * f64::from(bound),
                Init::Normal(deviation) => random.normal() * f64::from(deviation),
            };
            (0..entry.file_shape.iter().product()).map(|_: usize| draw()).collect()
        });
        Ok(arena)
    }
    /// Copies the values to another buffer.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn duplicate(&self, gpu: &Gpu) -> Result<Self> {
        let copy = Self::zeros(gpu, &self.layout)?;
        gpu.copy(&self.data, &copy.data);
        Ok(copy)
    }
    /// A parameter's tensor.
    pub fn tensor(&self, param: Param) -> Tensor {
        let entry = self.layout.entry(param);
        let data = self.slice(entry.offset, bytes(&entry.shape));
        Tensor { shape: entry.shape.clone(), format: Format::F32, data }
    }
    /// A range of the buffer.
    pub fn slice(&self, offset: u64, bytes: u64) -> Slice {
        Slice { memory: self.data.memory.clone(), offset: self.data.offset + offset, bytes }
    }
    /// Sets every tensor to what `values` gives for it, in its file's order; several tensors at once.
    ///
    /// # Panics
    /// If `values` gives another number of values than the shape has.
    pub fn write(&self, gpu: &Gpu, values: impl Fn(&Entry) -> Vec<f64> + Sync) {
        let mut all = vec![0.0f32; self.layout.bytes as usize / 4];
        let (mut places, mut rest) = (Vec::new(), &mut all[..]);
        for entry in &self.layout.entries {
            let (place, after) =
                rest.split_at_mut(bytes(&entry.shape).next_multiple_of(ALIGNMENT) as usize / 4);
            places.push((entry, place));
            rest = after;
        }
        // The largest first, so that no thread begins one when the others are done.
        places.sort_by_key(|(_, place)| Reverse(place.len()));
        places.into_par_iter().with_max_len(1).for_each(|(entry, place)| {
            let file = values(entry);
            let expected: usize = entry.file_shape.iter().product();
            assert_eq!(file.len(), expected, "values of {:?}", entry.file_shape);
            let mut file = file.into_iter();
            entry.each_place(|at| place[at] = file.next().unwrap_or_default() as f32);
        });
        gpu.write(&self.data, bytemuck::cast_slice(&all));
    }
    /// Reads every tensor's values, in its file's order and shape.
    ///
    /// # Errors
    /// The device is lost.
    pub fn read(&self, gpu: &Gpu) -> Result<Vec<(Entry, Vec<f32>)>> {
        let all: Vec<f32> = bytemuck::pod_collect_to_vec(&gpu.read(&self.data)?);
        let of = |entry: &Entry| {
            let padded = &all[entry.offset as usize / 4..];
            let mut file = Vec::with_capacity(entry.file_shape.iter().product());
            entry.each_place(|at| file.push(padded[at]));
            (entry.clone(), file)
        };
        let entries: Vec<&Entry> = self.layout.entries().collect();
        Ok(entries.into_par_iter().with_max_len(1).map(of).collect())
    }
}

impl Entry {
    /// Gives `each` the place of every value here, counted from the tensor's beginning, in the
    /// order of its file.
    fn each_place(&self, mut each: impl FnMut(usize)) {
        let row = self.shape.last().map_or(1, |last| last.next_multiple_of(4));
        // How many values each of the file's axes has, and how far apart they lie here.
        let [o, i, j, k] = match self.order {
            Order::Conv => {
                let [o, i, h, w] = [0, 1, 2, 3].map(|axis| self.file_shape[axis]);
                let tap = self.shape[2] * row;
                [(o, 1), (i, row), (h, w * tap), (w, tap)]
            }
            Order::Linear => [(1, 0), (1, 0), (self.file_shape[0], 1), (self.file_shape[1], row)],
            Order::Image { pixels } => {
                let [o, i] = [self.file_shape[0], self.file_shape[1] / pixels];
                [(1, 0), (o, 1), (i, row), (pixels, i * row)]
            }
            Order::Vector => [(1, 0), (1, 0), (1, 0), (self.file_shape.iter().product(), 1)],
        };
        for at in 0..o.0 {
            let at = at * o.1;
            for inner in 0..i.0 {
                let at = at + inner * i.1;
                for inner in 0..j.0 {
                    let at = at + inner * j.1;
                    (0..k.0).for_each(|inner| each(at + inner * k.1));
                }
            }
        }
    }
}

/// State of a network: weights and running statistics.
#[derive(Clone, Debug)]
pub struct State {
    /// The parameters.
    pub weights: Arena,
    /// Batch norm's running means and variances.
    pub statistics: Arena,
    /// Scale of the losses of a network that trains in f16, and how that went (`ops::loss_scale`), `[4]`.
    pub loss_scale: Option<Tensor>,
}

/// First scale of losses. torch.amp starts at 2^16 and skips its first steps.
const LOSS_SCALE: f64 = 1024.0;

impl State {
    /// Draws first values of everything that `scope` has declared.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn init(gpu: &Gpu, scope: &Scope, seed: u64) -> Result<Self> {
        let (weights, statistics) = scope.layouts();
        Ok(Self {
            weights: Arena::init(gpu, &weights, seed)?,
            statistics: Arena::init(gpu, &statistics, seed)?,
            loss_scale: None,
        })
    }
    /// This state, to be trained in f16: its features and their gradients lie in memory as f16, and losses are
    /// scaled.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn in_half(self, gpu: &Gpu) -> Result<Self> {
        Ok(Self { loss_scale: Some(Self::scale(gpu)?), ..self })
    }
    /// Copies the weights and statistics to other buffers; the loss scale begins anew.
    ///
    /// # Errors
    /// Too little device memory.
    pub fn duplicate(&self, gpu: &Gpu) -> Result<Self> {
        Ok(Self {
            weights: self.weights.duplicate(gpu)?,
            statistics: self.statistics.duplicate(gpu)?,
            loss_scale: self.loss_scale.as_ref().map(|_| Self::scale(gpu)).transpose()?,
        })
    }
    fn scale(gpu: &Gpu) -> Result<Tensor> {
        Tensor::upload(gpu, &Array::new(&[4], vec![LOSS_SCALE, 0.0, 0.0, 0.0]))
    }
    /// Both arenas: weights and statistics.
    pub fn arenas(&self) -> [&Arena; 2] {
        [&self.weights, &self.statistics]
    }
    /// Copies the values to `other`, of the same layout.
    pub fn copy_to(&self, gpu: &Gpu, other: &Self) {
        for (from, to) in self.arenas().into_iter().zip(other.arenas()) {
            gpu.copy(&from.data, &to.data);
        }
    }
    /// Names and shapes of all tensors, as in files.
    pub fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        let entries = self.weights.layout.entries().chain(self.statistics.layout.entries());
        entries.map(|e| (e.name.clone(), e.file_shape.clone())).collect()
    }
}
