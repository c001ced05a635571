"""ONNX's own node tests on `mtpret run-op`: does each op mean what the standard says it means?

    python3 tools/parity/onnx_nodes.py EXE [--table FILE.md] [--only TEXT]

Needs onnx==1.22.0, the last version with these tests on disk, numpy and safetensors (pip). Takes every
case of float32 with tensors of at most four axes whose operator our ops can express. What an adapter
below does itself is to arrange numbers: it moves axes, gives images of one line a height of 1, fills a border
where ONNX pads its sides unequally, crops, broadcasts, repeats an op for each slice, and turns
attributes into ours. Every sum, product, comparison and interpolation of a result is the engine's. Of inputs four things
are computed here: corners of boxes that are given by their centres, which boxes reach NonMaxSuppression's score threshold,
the sum of the weights of a weighted loss's rows, and the share of a new running variance, as ONNX keeps the biased one.
A case that would need more is skipped with its reason. Tolerances are ONNX's: relative 1e-3, absolute 1e-7.

Prints a table by operator, then every skipped case with its reason, then what lies beyond this list. Exit
code 1 if a case fails, or if fewer than FLOOR pass, so that an empty run is no success.
"""
import argparse
import collections
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors.numpy import load_file, save_file

# As many as pass with onnx 1.22.0.
FLOOR = 222
LOWEST = np.finfo(np.float32).min


class Skip(Exception):
    """Why a case cannot be expressed."""


class Engine:
    """`mtpret run-op` as a function, and the ops that it was asked for."""

    def __init__(self, program):
        self.program, self.folder, self.asked = program, tempfile.TemporaryDirectory(), []

    def __call__(self, op, attributes=None, **tensors):
        self.asked.append(op)
        case, out = (Path(self.folder.name, name) for name in ("case.safetensors", "out.safetensors"))
        tensors = {name: np.array(tensor, order="C") for name, tensor in tensors.items()}
        save_file(tensors, case, metadata={"op": op, "attrs": json.dumps(attributes or {})})
        done = subprocess.run([self.program, "run-op", case, "-o", out], capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(done.stderr.strip())
        return load_file(out)


class Case:
    """One operator with its inputs (None where left out), attributes and wanted outputs."""

    def __init__(self, folder):
        graph = onnx.load(folder / "model.onnx").graph
        self.name, self.graph = folder.name.removeprefix("test_"), graph
        self.op = graph.node[0].op_type if len(graph.node) == 1 else None

    def read(self, folder):
        node = self.graph.node[0]
        self.attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        given = self.tensors(folder, "input", self.graph.input)
        wanted = self.tensors(folder, "output", self.graph.output)
        self.inputs = [given.get(name) for name in node.input]
        self.wanted = [wanted[name] for name in node.output if name]
        self.places = [i for i, name in enumerate(node.output) if name]

    def tensors(self, folder, kind, values):
        found = {}
        for i, value in enumerate(values):
            tensor = onnx.TensorProto()
            tensor.ParseFromString((folder / f"test_data_set_0/{kind}_{i}.pb").read_bytes())
            found[value.name] = numpy_helper.to_array(tensor)
        return found

    def fits(self):
        """Floats are float32, and no tensor has more than four axes."""
        kinds = {TENSOR.FLOAT, TENSOR.INT32, TENSOR.INT64, TENSOR.BOOL}
        for i, value in enumerate([*self.graph.input, *self.graph.output]):
            tensor = value.type.tensor_type
            first = i == 0 and tensor.elem_type != TENSOR.FLOAT
            if first or tensor.elem_type not in kinds or len(tensor.shape.dim) > 4:
                return False
        return True

    def input(self, i, default=None):
        given = self.inputs[i] if i < len(self.inputs) else None
        return default if given is None else given

    def get(self, name, default=None):
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value


TENSOR = onnx.TensorProto
ADAPTERS = {}


def adapter(*operators):
    def keep(function):
        ADAPTERS.update({operator: function for operator in operators})
        return function

    return keep


# Windows.


def pair(values, line=1):
    """Two numbers, height and width, where ONNX gives one for an image of one line."""
    return [line, *values] if len(values) == 1 else list(values)


def image(x):
    """[N, C, H, W], of an image of one line with a height of 1."""
    if x.ndim not in (3, 4):
        raise Skip(f"an image of {x.ndim} axes")
    return x if x.ndim == 4 else x[:, :, None, :]


class Window:
    """Kernel, stride, dilation and pads (before and after) of an operator, as pairs."""

    def __init__(self, case, size, kernel):
        axes = len(kernel)
        ones = [1] * axes
        self.kernel = pair(kernel)
        self.stride = pair(case.get("strides", ones))
        self.dilation = pair(case.get("dilations", ones))
        self.reach = [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation)]
        pads = case.get("pads", [0] * 2 * axes)
        self.before, self.after = pair(pads[:axes], 0), pair(pads[axes:], 0)
        auto = case.get("auto_pad", "NOTSET")
        if auto.startswith("SAME"):
            self.same(auto, size)
        self.up = case.get("ceil_mode", 0)

    def same(self, auto, size):
        """Pads that give one output for each stride begun."""
        needed = [max(0, (math.ceil(n / s) - 1) * s + r - n) for n, s, r in zip(size, self.stride, self.reach)]
        little, much = [n // 2 for n in needed], [n - n // 2 for n in needed]
        self.before, self.after = (little, much) if auto == "SAME_UPPER" else (much, little)

    def symmetric(self):
        return list(self.before) == list(self.after)

    def filled(self, x, value):
        """x with its border filled with `value`."""
        return np.pad(x, [(0, 0), (0, 0), *zip(self.before, self.after)], constant_values=value)

    def reach_beyond(self, size):
        """Pixels that the last window of a rounded-up number reaches beyond the pads."""
        beyond = [0, 0]
        for i in range(2):
            room = size[i] + self.before[i] + self.after[i] - self.reach[i]
            outputs = math.ceil(room / self.stride[i]) + 1
            if (outputs - 1) * self.stride[i] >= size[i] + self.before[i]:
                outputs -= 1
            beyond[i] = max(0, (outputs - 1) * self.stride[i] - room)
        return beyond if self.up else [0, 0]


def grouped(case, function, x, w):
    """`function` of each group's channels and kernels, side by side."""
    groups = case.get("group", 1)
    if groups > 1 and case.input(2) is not None:
        raise Skip("groups with a bias")
    parts = zip(np.split(x, groups, 1), np.split(w, groups, 0))
    return np.concatenate([function(*part) for part in parts], 1)


@adapter("Conv")
def conv(engine, case):
    x, w = image(case.input(0)), image(case.input(1))
    window = Window(case, x.shape[2:], case.input(1).shape[2:])
    padding = window.before
    if not window.symmetric():
        x, padding = window.filled(x, 0), [0, 0]
    attributes = {"stride": window.stride, "dilation": window.dilation, "padding": padding}
    bias = {} if case.input(2) is None else {"b": case.input(2)}

    def run(x, w):
        return engine("conv2d", attributes, x=x, w=w, **bias)["y"]

    return [grouped(case, run, x, w).reshape(case.wanted[0].shape)]


@adapter("ConvTranspose")
def conv_transpose(engine, case):
    """The gradient that a convolution's input has of its output."""
    x, w = image(case.input(0)), image(case.input(1))
    if case.input(2) is not None:
        raise Skip("a gradient has no bias")
    size, wanted = x.shape[2:], image(case.wanted[0]).shape[2:]
    window = Window(case, size, case.input(1).shape[2:])
    more = pair(case.get("output_padding", [0] * (case.input(0).ndim - 2)), 0)
    whole = [s * (n - 1) + r + o for s, n, r, o in zip(window.stride, size, window.reach, more)]
    if case.get("output_shape") or case.get("auto_pad", "NOTSET").startswith("SAME"):
        if any(w > n for w, n in zip(wanted, whole)):
            raise Skip("an output larger than the windows reach")
        cut = [n - w for n, w in zip(whole, wanted)]
        lower = case.get("auto_pad", "NOTSET") == "SAME_UPPER"
        window.before = [c // 2 if lower else c - c // 2 for c in cut]
    zeros = np.zeros((x.shape[0], w.shape[1], *whole), np.float32)
    attributes = {"stride": window.stride, "dilation": window.dilation}
    dx = grouped(case, lambda x, w: engine("conv2d", attributes, x=zeros, w=w, dy=x)["dx"], x, w)
    (top, left), (h, width) = window.before, wanted
    return [dx[:, :, top : top + h, left : left + width].reshape(case.wanted[0].shape)]


@adapter("MaxPool")
def max_pool(engine, case):
    if len(case.wanted) > 1:
        raise Skip("gives indices too")
    x = image(case.input(0))
    window = Window(case, x.shape[2:], case.get("kernel_shape"))
    if window.dilation != [1, 1]:
        raise Skip("dilation")
    beyond, padding = window.reach_beyond(x.shape[2:]), window.before
    if beyond != [0, 0] or not window.symmetric() or any(p > k // 2 for p, k in zip(padding, window.kernel)):
        window.after = [a + b for a, b in zip(window.after, beyond)]
        x, padding = window.filled(x, LOWEST), [0, 0]
    attributes = {"kernel": window.kernel, "stride": window.stride, "padding": padding}
    return [engine("max_pool2d", attributes, x=x)["y"].reshape(case.wanted[0].shape)]


@adapter("AveragePool")
def average_pool(engine, case):
    """A convolution of each plane with a constant kernel."""
    x = image(case.input(0))
    window = Window(case, x.shape[2:], case.get("kernel_shape"))
    if window.reach_beyond(x.shape[2:]) != [0, 0]:
        raise Skip("ceil_mode: windows of the border are divided by fewer pixels")
    if any([*window.before, *window.after]) and not case.get("count_include_pad", 0):
        raise Skip("count_include_pad 0: windows of the border are divided by fewer pixels")
    planes = window.filled(x.reshape(-1, 1, *x.shape[2:]), 0)
    w = np.full((1, 1, *window.kernel), 1 / math.prod(window.kernel), np.float32)
    y = engine("conv2d", {"stride": window.stride, "dilation": window.dilation}, x=planes, w=w)["y"]
    return [y.reshape(case.wanted[0].shape)]


@adapter("GlobalAveragePool")
def global_average_pool(engine, case):
    return [engine("global_avg_pool", x=image(case.input(0)))["y"].reshape(case.wanted[0].shape)]


@adapter("GlobalMaxPool")
def global_max_pool(engine, case):
    x = image(case.input(0))
    return [engine("max_pool2d", {"kernel": x.shape[2:]}, x=x)["y"].reshape(case.wanted[0].shape)]


# Norms.


@adapter("BatchNormalization")
def batch_normalization(engine, case):
    x, weight, bias, mean, variance = case.inputs
    planes = x.reshape(*x.shape[:2], -1, 1)
    eps, kept = case.get("epsilon", 1e-5), case.get("momentum", 0.9)

    def run(**attributes):
        given = {"weight": weight, "bias": bias, "running_mean": mean, "running_var": variance}
        return engine("batch_norm", {"eps": eps, **attributes}, x=planes, **given)

    if not case.get("training_mode", 0):
        return [run(training=False)["y"].reshape(x.shape)]
    out = run(training=True, momentum=1 - kept)
    # ONNX keeps the biased variance, we the unbiased, n / (n − 1) of it: of that a smaller share goes in.
    n = x.size // x.shape[1]
    share = (1 - kept) * (n - 1) / n
    variance = variance * np.float32(kept / (1 - share))
    var = run(training=True, momentum=share)["running_var"]
    return [out["y"].reshape(x.shape), out["running_mean"], var]


@adapter("InstanceNormalization")
def instance_normalization(engine, case):
    """Batch norm whose channels are the planes of all images."""
    x, weight, bias = case.inputs
    n, c = x.shape[:2]
    weight, bias, zeros = np.tile(weight, n), np.tile(bias, n), np.zeros(n * c, np.float32)
    given = {"weight": weight, "bias": bias, "running_mean": zeros, "running_var": zeros + 1}
    attributes = {"training": True, "eps": case.get("epsilon", 1e-5)}
    return [engine("batch_norm", attributes, x=x.reshape(1, n * c, -1, 1), **given)["y"].reshape(x.shape)]


@adapter("MeanVarianceNormalization")
def mean_variance_normalization(engine, case):
    x, axes = case.input(0), case.get("axes", [0, 2, 3])
    if list(axes) != [0, 2, 3]:
        raise Skip(f"axes {axes}")
    zeros = np.zeros(x.shape[1], np.float32)
    given = {"weight": zeros + 1, "bias": zeros, "running_mean": zeros, "running_var": zeros + 1}
    return [engine("batch_norm", {"training": True, "eps": 1e-9}, x=x, **given)["y"]]


@adapter("LpNormalization")
def lp_normalization(engine, case):
    if case.get("p", 2) != 2:
        raise Skip(f"p = {case.get('p')}")
    return [along(case.input(0), case.get("axis", -1), lambda rows: engine("l2_normalize", x=rows)["y"])]


# Rows.


def along(x, axis, function):
    """`function` of the rows of x along `axis`, [R, L] → [R, L']."""
    moved = np.moveaxis(x, axis, -1)
    rows = function(moved.reshape(-1, moved.shape[-1]))
    return np.moveaxis(rows.reshape(*moved.shape[:-1], rows.shape[-1]), -1, axis)


def scaled(engine, x, by):
    return x if by == 1 else engine("scale", x=x, s=np.array([by], np.float32))["y"]


@adapter("Softmax")
def softmax(engine, case):
    return [along(case.input(0), case.get("axis", -1), lambda rows: engine("softmax", x=rows)["y"])]


@adapter("TopK")
def top_k(engine, case):
    x, k = case.input(0), int(case.input(1).item())
    sign = 1 if case.get("largest", 1) else -1
    found = {}

    def run(name):
        def of(rows):
            found.update(found or engine("top_k", {"k": k}, x=scaled(engine, rows, sign)))
            return found[name]

        return along(x, case.get("axis", -1), of)

    values, indices = run("values"), run("indices")
    return [scaled(engine, values, sign), indices]


@adapter("ArgMax", "ArgMin")
def arg_max(engine, case):
    x, axis = case.input(0), case.get("axis", 0)
    sign, last = (1 if case.op == "ArgMax" else -1), case.get("select_last_index", 0)

    def of(rows):
        rows = rows[:, ::-1] if last else rows
        first = engine("top_k", {"k": 1}, x=scaled(engine, rows, sign))["indices"]
        return rows.shape[1] - 1 - first if last else first

    return [along(x, axis, of).reshape(case.wanted[0].shape)]


def reduced(case, function):
    """`function` of the rows that the reduced axes make, [R, L] → [R]."""
    x, axes = case.input(0), case.input(1, case.get("axes"))
    if axes is None or len(axes) == 0:
        if case.get("noop_with_empty_axes", 0):
            raise Skip("no axis: nothing is computed")
        axes = range(x.ndim)
    axes = [int(axis) % x.ndim for axis in axes]
    if x.size == 0:
        raise Skip("a tensor without numbers")
    left = [axis for axis in range(x.ndim) if axis not in axes]
    rows = x.transpose(left + axes).reshape(math.prod(x.shape[axis] for axis in left), -1)
    return [function(rows).reshape(case.wanted[0].shape)]


@adapter("ReduceMean")
def reduce_mean(engine, case):
    return reduced(case, lambda rows: engine("global_avg_pool", x=rows[:, None, :, None])["y"])


@adapter("ReduceMax", "ReduceMin")
def reduce_max(engine, case):
    sign = 1 if case.op == "ReduceMax" else -1

    def of(rows):
        x = scaled(engine, rows, sign)[:, None, :, None]
        return scaled(engine, engine("max_pool2d", {"kernel": x.shape[2:]}, x=x)["y"], sign)

    return reduced(case, of)


@adapter("ReduceSum")
def reduce_sum(engine, case):
    """A linear layer of ones."""
    return reduced(case, lambda rows: engine("linear", x=rows, w=np.ones((1, rows.shape[1]), np.float32))["y"])


# Sums and products.


def added(engine, a, b):
    shape = np.broadcast_shapes(a.shape, b.shape)
    return engine("add", a=np.broadcast_to(a, shape), b=np.broadcast_to(b, shape))["y"]


@adapter("Relu")
def relu(engine, case):
    return [engine("relu", x=case.input(0))["y"]]


@adapter("Add", "Sum", "Mean")
def add(engine, case):
    total, *others = case.inputs
    for other in others:
        total = added(engine, total, other)
    return [scaled(engine, total, 1 / len(case.inputs) if case.op == "Mean" else 1)]


@adapter("Sub")
def sub(engine, case):
    return [added(engine, case.input(0), scaled(engine, case.input(1), -1))]


@adapter("Neg")
def neg(engine, case):
    return [scaled(engine, case.input(0), -1)]


@adapter("Gemm")
def gemm(engine, case):
    a, b, c = case.input(0), case.input(1), case.input(2)
    a, b = (a.T if case.get("transA", 0) else a), (b if case.get("transB", 0) else b.T)
    y = scaled(engine, engine("linear", x=a, w=b)["y"], case.get("alpha", 1.0))
    return [y if c is None else added(engine, y, scaled(engine, c, case.get("beta", 1.0)))]


@adapter("MatMul")
def mat_mul(engine, case):
    a, b = case.inputs
    a = a[None] if a.ndim == 1 else a
    b = b[:, None] if b.ndim == 1 else b
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a = np.broadcast_to(a, (*batch, *a.shape[-2:])).reshape(-1, *a.shape[-2:])
    b = np.broadcast_to(b, (*batch, *b.shape[-2:])).reshape(-1, *b.shape[-2:])
    y = [engine("linear", x=one, w=other.T)["y"] for one, other in zip(a, b)]
    return [np.stack(y).reshape(case.wanted[0].shape)]


# Places.


@adapter("Concat")
def concat(engine, case):
    axis = case.get("axis") % case.input(0).ndim

    def channels(x):
        return x.reshape(math.prod(x.shape[:axis]), x.shape[axis], -1, 1)

    images = {f"x{i}": channels(x) for i, x in enumerate(case.inputs)}
    return [engine("concat", **images)["y"].reshape(case.wanted[0].shape)]


@adapter("Gather")
def gather(engine, case):
    x, indices, axis = case.input(0), case.input(1), case.get("axis", 0)
    moved = np.moveaxis(x, axis, 0)
    rows = moved.reshape(1, moved.shape[0], -1)
    places = (indices.reshape(1, -1) % moved.shape[0]).astype(np.int64)
    y = engine("gather", x=rows, indices=places)["y"].reshape(*indices.shape, *moved.shape[1:])
    from_axes = range(indices.ndim)
    return [np.moveaxis(y, from_axes, [axis + i for i in from_axes])]


@adapter("GatherElements")
def gather_elements(engine, case):
    x, indices, axis = case.input(0), case.input(1), case.get("axis", 0)
    places = np.moveaxis(indices % x.shape[axis], axis, -1).astype(np.int64)
    if places.shape[:-1] != np.moveaxis(x, axis, -1).shape[:-1]:
        raise Skip("indices of fewer rows than x")
    places = places.reshape(-1, places.shape[-1])
    return [along(x, axis, lambda rows: engine("gather", x=rows, indices=places)["y"])]


class Grid:
    """Where ONNX's Resize reads along an axis."""

    def __init__(self, case, pixels, outputs, scale):
        mode = case.get("coordinate_transformation_mode", "half_pixel")
        p = np.arange(outputs)
        match mode:
            case "half_pixel":
                self.at = (p + 0.5) / scale - 0.5
            case "half_pixel_symmetric":
                middle = pixels / 2 * (1 - outputs / (scale * pixels))
                self.at = middle + (p + 0.5) / scale - 0.5
            case "pytorch_half_pixel":
                self.at = (p + 0.5) / scale - 0.5 if outputs > 1 else np.zeros(1)
            case "align_corners":
                # The reference divides by the length that the scale gives, whole or not.
                self.at = p * (pixels - 1) / (pixels * scale - 1)
            case "asymmetric":
                self.at = p / scale
            case _:
                raise Skip(mode)

    def nearest(self, rule):
        match rule:
            case "floor":
                at = np.floor(self.at)
            case "ceil":
                at = np.ceil(self.at)
            case "round_prefer_floor":
                at = np.ceil(self.at - 0.5)
            case "round_prefer_ceil":
                at = np.floor(self.at + 0.5)
        return at


def resized_size(case, x):
    """Sizes and scales of the four axes, from what the operator gives."""
    axes = [axis % x.ndim for axis in case.get("axes", range(x.ndim))]
    last = len(case.inputs) - 1
    sizes = case.input(3) if case.op == "Resize" else None
    scales = case.input(2 if case.op == "Resize" else last)
    out, by = list(x.shape), [1.0] * x.ndim
    policy = case.get("keep_aspect_ratio_policy", "stretch")
    if sizes is None:
        for axis, scale in zip(axes, scales):
            out[axis], by[axis] = math.floor(x.shape[axis] * scale), float(scale)
        return out, by
    ratios = [size / x.shape[axis] for axis, size in zip(axes, sizes)]
    if policy != "stretch":
        one = min(ratios) if policy == "not_larger" else max(ratios)
        ratios = [one] * len(axes)
        sizes = [math.floor(one * x.shape[axis] + 0.5) for axis in axes]
    for axis, size, ratio in zip(axes, sizes, ratios):
        out[axis], by[axis] = int(size), ratio
    return out, by


@adapter("Resize", "Upsample")
def resize(engine, case):
    x, mode = case.input(0), case.get("mode", "nearest")
    if mode == "cubic":
        raise Skip("cubic")
    if x.ndim != 4:
        raise Skip(f"{x.ndim} axes")
    size, scale = resized_size(case, x)
    if size[:2] != list(x.shape[:2]):
        raise Skip("the first two axes are resized")
    if case.get("antialias", 0) and any(s < 1 for s in scale):
        raise Skip("antialiasing")
    if case.op == "Upsample":
        case.attributes |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    grids = [Grid(case, x.shape[a], size[a], scale[a]) for a in (2, 3)]
    if mode == "nearest":
        rule = case.get("nearest_mode", "round_prefer_floor")
        for axis, grid in zip((2, 3), grids):
            pixels, outputs = x.shape[axis], size[axis]
            ours = np.arange(outputs) * pixels // outputs
            if not np.array_equal(np.clip(grid.nearest(rule), 0, pixels - 1), ours):
                raise Skip("reads other pixels than floor(p·H/P), the engine's rule")
        return [engine("resize", {"size": size[2:], "mode": "nearest"}, x=x)["y"]]
    corners = case.get("coordinate_transformation_mode", "half_pixel") == "align_corners"
    for axis, grid in zip((2, 3), grids):
        pixels, outputs, p = x.shape[axis], size[axis], np.arange(size[axis])
        ours = p * (pixels - 1) / max(1, outputs - 1) if corners else (p + 0.5) * pixels / outputs - 0.5
        inside = [np.clip(at, 0, pixels - 1) for at in (grid.at, ours)]
        if not np.allclose(*inside, atol=1e-6):
            raise Skip("reads at other places than the engine's, which follow from the sizes alone")
    attributes = {"size": size[2:], "mode": "bilinear", "align_corners": corners}
    return [engine("resize", attributes, x=x)["y"]]


# Boxes.


@adapter("RoiAlign")
def roi_align(engine, case):
    x, rois, images = case.inputs
    if case.get("mode", "avg") != "avg":
        raise Skip("the greatest sample of a bin, not the mean")
    attributes = {
        "output_size": [case.get("output_height", 1), case.get("output_width", 1)],
        "spatial_scale": case.get("spatial_scale", 1.0),
        "sampling_ratio": case.get("sampling_ratio", 0),
        "aligned": case.get("coordinate_transformation_mode", "half_pixel") == "half_pixel",
    }
    rois = np.concatenate([images[:, None].astype(np.float32), rois], 1)
    return [engine("roi_align", attributes, x=x, rois=rois)["y"]]


def corners(boxes, centred):
    """x1 y1 x2 y2 of boxes given by centre and size, or by any two corners y x."""
    if centred:
        middle, half = boxes[:, :2], boxes[:, 2:] / 2
        return np.concatenate([middle - half, middle + half], 1)
    y, x = np.sort(boxes[:, [0, 2]], 1), np.sort(boxes[:, [1, 3]], 1)
    return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], 1)


@adapter("NonMaxSuppression")
def non_max_suppression(engine, case):
    boxes, scores = case.input(0), case.input(1)
    most, overlap, least = (case.input(i) for i in (2, 3, 4))
    most = 0 if most is None else int(most.item())
    attributes = {"iou_threshold": 0.0 if overlap is None else float(overlap.item())}
    found = []
    for n, of_image in enumerate(scores):
        for c, of_class in enumerate(of_image):
            candidates = np.arange(len(of_class))
            if least is not None:
                candidates = candidates[of_class > least.item()]
            if most == 0 or len(candidates) == 0:
                continue
            given = corners(boxes[n], case.get("center_point_box", 0))[candidates]
            keep = engine("nms", attributes, boxes=given, scores=of_class[candidates])["keep"]
            found += [[n, c, i] for i in candidates[keep[:most]]]
    return [np.array(found, np.int64).reshape(-1, 3)]


# Losses, dropout, optimisers.


@adapter("SoftmaxCrossEntropyLoss")
def softmax_cross_entropy_loss(engine, case):
    """The engine's loss is a mean over rows; of other reductions, and of weighted classes, it is asked row by row."""
    x, target, weights = case.input(0), case.input(1), case.input(2)
    if len(case.wanted) > 1:
        raise Skip("gives the logarithms of all probabilities too")
    rows = np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])
    target = target.reshape(-1).astype(np.int64)
    reduction, ignored = case.get("reduction", "mean"), case.get("ignore_index")
    if reduction == "mean" and weights is None:
        attributes = {} if ignored is None else {"ignore_index": ignored}
        return [engine("cross_entropy", attributes, logits=rows, target=target)["loss"].reshape(())]
    counted = np.ones(len(target), np.float32) if weights is None else weights[target % len(weights)]
    counted = np.where(target == ignored, np.float32(0), counted)
    each = np.zeros((1, len(target)), np.float32)
    for i in np.flatnonzero(counted):
        loss = engine("cross_entropy", logits=rows[i : i + 1], target=target[i : i + 1])["loss"]
        each[0, i] = scaled(engine, loss, counted[i]).item()
    if reduction == "none":
        return [each.reshape(case.wanted[0].shape)]
    total = engine("linear", x=each, w=np.ones_like(each))["y"].reshape(())
    return [scaled(engine, total, 1 / counted.sum() if reduction == "mean" else 1)]


@adapter("NegativeLogLikelihoodLoss")
def negative_log_likelihood_loss(engine, case):
    raise Skip("takes logarithms of probabilities; the engine's loss takes logits and has their softmax in it")


@adapter("LogSoftmax")
def log_softmax(engine, case):
    raise Skip("the engine has logarithms of a softmax only inside its losses")


@adapter("Dropout")
def dropout(engine, case):
    ratio, training = case.input(1, np.array(0.5)), case.input(2, np.array(False))
    if training.item() and ratio.item() > 0:
        raise Skip("numpy's random numbers")
    out = engine("dropout", {"p": 0.0}, x=case.input(0))
    return [out["y"], out["mask"].astype(bool)][: len(case.wanted)]


@adapter("Momentum")
def momentum(engine, case):
    if case.get("mode") != "standard":
        raise Skip(f"{case.get('mode')} momentum")
    rate, step, *rest = case.inputs
    if step.item() > 0 and case.get("beta") != 1:
        raise Skip("a weight of the gradient")
    tensors = len(rest) // 3
    attributes = {"lr": rate.item(), "momentum": case.get("alpha"), "weight_decay": case.get("norm_coefficient")}
    moved = [
        engine("sgd", attributes, w=rest[i], g=rest[tensors + i], v=rest[2 * tensors + i]) for i in range(tensors)
    ]
    return [out["w"] for out in moved] + [out["v"] for out in moved]


def same(found, wanted):
    """Shapes, and numbers within ONNX's own tolerance."""
    assert len(found) == len(wanted), f"{len(found)} outputs, expected {len(wanted)}"
    for got, want in zip(found, wanted):
        assert got.shape == want.shape, f"shape {got.shape}, expected {want.shape}"
        np.testing.assert_allclose(got.astype(want.dtype), want, rtol=1e-3, atol=1e-7)


class Tally:
    """What became of the cases of one operator."""

    def __init__(self):
        self.asked, self.passed, self.skipped, self.failed = set(), [], [], []

    def row(self, operator):
        ops = " ".join(f"`{op}`" for op in sorted(self.asked)) or "–"
        reasons = collections.Counter(reason for _, reason in self.skipped)
        reasons = "; ".join(f"{reason} ({n})" for reason, n in reasons.most_common())
        counts = f"{len(self.passed)} | {len(self.skipped)} | {len(self.failed)}"
        return f"| {operator} | {ops} | {counts} | {reasons} |"


def table(tallies, beyond, others):
    """The page in Markdown."""
    lines = [
        "# ONNX's own node tests",
        "",
        f"`python3 tools/parity/onnx_nodes.py target/release/mtpret`, onnx {onnx.__version__}: its cases of float32 with tensors",
        "of at most four axes, on `mtpret run-op`. Which of our ops computed an operator's cases is in the second column;",
        "what an adapter does itself is to arrange numbers (see the head of the tool). Tolerances are ONNX's own.",
        "",
        "| ONNX operator | by | passed | skipped | failed | why skipped |",
        "|---|---|---|---|---|---|",
    ]
    lines += [tallies[operator].row(operator) for operator in sorted(tallies)]
    passed, skipped, failed = (sum(len(getattr(t, kind)) for t in tallies.values()) for kind in KINDS)
    lines += [f"| **all {len(tallies)}** | | **{passed}** | **{skipped}** | **{failed}** | |", ""]
    lines += ["Every skipped case:", ""]
    lines += [f"- `{name}`: {reason}" for t in tallies.values() for name, reason in sorted(t.skipped)]
    lines += ["", f"Not counted: {sum(beyond.values())} cases of these operators that are not float32 or have more"]
    lines += ["than four axes (" + ", ".join(f"{op} {n}" for op, n in sorted(beyond.items())) + ");"]
    lines += [f"{sum(others.values())} cases of {len(others)} operators that no op of ours expresses, and those of"]
    lines += ["several operators, most of which repeat a case above in smaller pieces."]
    return "\n".join(lines) + "\n"


KINDS = ["passed", "skipped", "failed"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("exe", help="the program, as target/release/mtpret")
    parser.add_argument("--table", type=Path, help="write the table there, as Markdown")
    parser.add_argument("--only", default="", help="only cases whose name holds this")
    args = parser.parse_args()
    nodes = Path(onnx.__file__).parent / "backend/test/data/node"
    tallies, beyond, others = collections.defaultdict(Tally), collections.Counter(), collections.Counter()
    engine = Engine(args.exe)
    for folder in sorted(nodes.glob("test_*")):
        case = Case(folder)
        if case.op is None or args.only not in case.name:
            continue
        if case.op not in ADAPTERS:
            others[case.op] += 1
        elif not case.fits():
            beyond[case.op] += 1
        else:
            attempt(engine, case, folder, tallies[case.op])
    text = table(tallies, beyond, others)
    if args.table:
        args.table.write_text(text)
    print(text, end="")
    passed, skipped, failed = (sum(len(getattr(t, kind)) for t in tallies.values()) for kind in KINDS)
    floor = 1 if args.only else FLOOR
    print(f"\n{passed} passed, {skipped} skipped, {failed} failed; at least {floor} must pass")
    sys.exit(failed > 0 or passed < floor)


def attempt(engine, case, folder, tally):
    """Runs a case and keeps what became of it."""
    case.read(folder)
    engine.asked = []
    try:
        same(ADAPTERS[case.op](engine, case), case.wanted)
    except Skip as reason:
        tally.skipped.append((case.name, str(reason)))
    except AssertionError as fault:
        tally.failed.append(case.name)
        print(f"{case.name}: {str(fault).strip()}", file=sys.stderr)
    else:
        tally.passed.append(case.name)
        tally.asked.update(engine.asked)


if __name__ == "__main__":
    main()
