"""Compares `mtpret run-model` and `mtpret run-steps` with PyTorch on random weights and images.

    python3 tools/parity/parity.py EXE [--models resnet18,resnet50,deeplabv3_resnet18,…] [--work DIR] [--only TEXT]
    python3 tools/parity/parity.py --self-test      # PyTorch float32 plays the part of EXE

Needs torch, torchvision, numpy and safetensors (Debian: python3-torch python3-torchvision, and
safetensors from pip); with libopenblas0 installed, float64 is three times faster. What PyTorch gives
is kept in the work folder (default target/parity, about 1 GB) and not computed again until the part
of this file that makes weights and images, reference.py or detection.py changes; a first run takes some 15 minutes.

The truth is PyTorch float64. Limits:
  outputs, features        1e-4 of the range of the float64 tensor
  losses                   1e-4, relative
  running statistics       1e-4 of the largest value of the tensor
  gradients, weight moves  relative L2 per tensor, 3 x PyTorch float32's own, at least 1e-3
  first 3 losses of a run  1e-4, or 3 x PyTorch float32's own, relative
  the curve of 50 steps    largest distance from float64's, 3 x PyTorch float32's own
  detections               each has one of its label in the other list, IoU 0.99, score within 1e-3
A detector learns from samples that PyTorch has drawn; it detects on real films where the environment
variable MTPRET_DATA names a folder with TBX11K, else on random images.
PyTorch float32's own is the worst of several runs, each from weights moved by at most one unit in the
last place: a ReLU or max pool whose input lies within rounding of a kink may turn either way, and one
run alone tells little. For the same reason a gradient beyond its limit is computed again from weights so
moved, at most twice, and the line says so: a fault stays. Closes with 'N passed, M failed'; exit 1 if any failed.
"""
import argparse
import copy
import hashlib
import json
import math
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import detection
import reference as pytorch

HERE = Path(__file__).resolve().parent
ROUNDINGS = 12  # float32 runs whose worst is PyTorch float32's own: a ReLU turns in few of them
AGAIN = 2  # tries with moved weights where a gradient is beyond its limit: a fault stays, a ReLU that turned does not
WHOLE_RUNS = 3  # of these go on for all steps
STEPS, EARLY = 50, 3
LOSS = 1e-4


class Report:
    """Prints one line per check and counts."""

    passed = failed = 0

    def check(self, what, figure, limit, remark=""):
        """Passes where `figure` is a number not above `limit`."""
        self.say(figure <= limit, what, f"{figure:.2e} (limit {limit:.2e}){remark}")

    def worst(self, what, figures):
        """One check over many tensors {name: (figure, limit)}; names the worst, and all that fail."""
        if not figures:
            return self.say(False, what, "nothing to compare")
        name = max(figures, key=lambda n: math.inf if math.isnan(figures[n][0]) else figures[n][0] / figures[n][1])
        self.check(f"{what}, {len(figures)} tensors, worst {name}", *figures[name])
        for other, (figure, limit) in figures.items():
            if other != name and not figure <= limit:
                print(f"     {other}: {figure:.2e} (limit {limit:.2e})")

    def say(self, good, what, found):
        self.passed += good
        self.failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {what}: {found}", flush=True)


def of_range(got, want):
    """Largest difference over the range of `want`; NaN where the shapes differ."""
    if got is None or got.shape != want.shape:
        return math.nan
    return float((got.double() - want).abs().max() / (want.max() - want.min()).clamp_min(1e-30))


def of_largest(got, want):
    """Largest difference over the largest value of `want`; NaN where the shapes differ."""
    if got is None or got.shape != want.shape:
        return math.nan
    return float((got.double() - want).abs().max() / want.abs().max().clamp_min(1e-30))


def distance(got, want):
    """Largest distance of two curves."""
    return max(abs(g - w) for g, w in zip(got, want)) if len(got) == len(want) else math.nan


def relative(got, want):
    return abs(got - want) / abs(want)


# --- weights, images, targets -------------------------------------------------------------------


def weights(model, seed):
    """torchvision's random weights; batch norm's affine part and statistics off their 1 and 0."""
    random = torch.Generator().manual_seed(seed)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    for name, tensor in state.items():
        u = torch.rand(tensor.shape, generator=random)
        if name.endswith("running_var") or (tensor.dim() == 1 and name.endswith("weight")):
            # The last scale of a bottleneck is small, as in trained networks; else, at random weights,
            # each block adds so much that a ResNet-50 turns rounding into per cents of its gradient.
            tensor.copy_((0.2 if name.endswith("bn3.weight") else 1.0) * (0.5 + u))
        elif tensor.dim() == 1:
            tensor.copy_(0.4 * u - 0.2)
    return state


def images(shape, seed, labels=None):
    """Smooth random images with some noise; of one label, one pattern."""
    random = torch.Generator().manual_seed(seed)
    field = torch.randn(shape[0], shape[1], 5, 4, generator=random)
    if labels is not None:
        patterns = torch.randn(16, shape[1], 5, 4, generator=torch.Generator().manual_seed(1))
        field = field + patterns[labels]
    smooth = torch.nn.functional.interpolate(field, shape[2:], mode="bilinear", align_corners=False)
    return smooth + 0.3 * torch.randn(shape, generator=random)


def class_targets(n, classes, seed):
    return torch.randint(classes, (n,), generator=torch.Generator().manual_seed(seed))


def label_targets(n, classes, seed):
    """0, 1 or, for one in five, NaN."""
    random = torch.Generator().manual_seed(seed)
    target = torch.randint(2, (n, classes), generator=random).float()
    target[torch.rand(n, classes, generator=random) < 0.2] = math.nan
    return target


def masks(shape, classes, seed):
    """Images and what they show: float masks [N, 1, H, W] of one class, or int64 [N, H, W], one pixel in
    twenty without a class. Where a class is, its pattern is added to the image."""
    n, channels, *size = shape
    random = torch.Generator().manual_seed(seed)
    field = torch.randn(n, max(classes, 2), 4, 5, generator=random)
    field = torch.nn.functional.interpolate(field, size, mode="bilinear", align_corners=False)
    of_pixel = field.argmax(1)
    colours = torch.randn(max(classes, 2), channels, generator=torch.Generator().manual_seed(1))
    x = images(shape, seed + 1) + colours[of_pixel].movedim(3, 1)
    if classes == 1:
        return x, of_pixel[:, None].float()
    of_pixel[torch.rand(of_pixel.shape, generator=random) < 0.05] = -100
    return x, of_pixel


def batches(task, classes, steps, n, size):
    """The tensors of a run-steps file."""
    tensors = {}
    for t in range(steps):
        shape = (n, 3, *size)
        if task == "moco":
            base = images(shape, 100 + t)
            random = torch.Generator().manual_seed(200 + t)
            for view in ("view1", "view2"):
                tensors[f"{view}.{t}"] = base + 0.3 * torch.randn(shape, generator=random)
            tensors[f"view2.{t}"] = tensors[f"view2.{t}"].flip(3).contiguous()
        elif task == "classify":
            tensors[f"target.{t}"] = class_targets(n, classes, 300 + t)
            tensors[f"x.{t}"] = images(shape, 100 + t, tensors[f"target.{t}"])
        elif task == "segment":
            tensors[f"x.{t}"], tensors[f"target.{t}"] = masks(shape, classes, 300 + 2 * t)
        else:
            tensors[f"target.{t}"] = label_targets(n, classes, 300 + t)
            tensors[f"x.{t}"] = images(shape, 100 + t)
    if task == "moco":
        queue = torch.randn(128, 64, generator=torch.Generator().manual_seed(2))
        tensors["queue"] = torch.nn.functional.normalize(queue, dim=0)
    return tensors


def detect_inputs(name, classes, frozen, shape, seed, most=24):
    """A detector, its weights, and a run-model file: images, true boxes and samples that PyTorch draws."""
    torch.manual_seed(0)
    model = detection.model(name, classes, frozen)
    state = weights(model, 2)
    x, tensors = images(shape, seed), detection.boxes(shape[0], shape[2:], classes, seed)
    single = pytorch.in_dtype(model, state, torch.float32)
    drawn = detection.given_samples(single, pytorch.repeated(x, torch.float32), detection.targets_of(tensors, shape[0]), most)
    return model, state, {"x": x, **tensors, **drawn}


def detect_batches(name, classes, n, size, steps):
    """The tensors of a run-steps file."""
    tensors = {}
    for t in range(steps):
        _, _, batch = detect_inputs(name, classes, True, (n, 3, *size), 100 + t)
        for key, value in batch.items():
            kind, _, image = key.rpartition(".")
            tensors[f"{kind}.{t}.{image}" if kind else f"x.{t}"] = value
    return tensors


# --- the engine under test ----------------------------------------------------------------------


class Engine:
    """The command line of mtpret; tensors go and come as safetensors in `folder`."""

    def __init__(self, command, folder):
        self.command, self.folder = command, folder

    def run(self, *words):
        """Runs; returns (exit code, stderr)."""
        done = subprocess.run([*self.command, *map(str, words)], capture_output=True, text=True)
        return done.returncode, done.stderr.strip()

    def write(self, tensors, name):
        path = self.folder / name
        if path.suffix == ".pth":
            torch.save(tensors, path)
        else:
            save_file({k: v.contiguous() for k, v in tensors.items()}, path)
        return path

    def model(self, name, classes, state, inputs, *words, suffix=".safetensors"):
        """The tensors that run-model gives, or None after printing what it said."""
        w, x, y = self.write(state, "W" + suffix), self.write(inputs, "X.safetensors"), self.folder / "Y.safetensors"
        y.unlink(missing_ok=True)
        code, said = self.run("run-model", name, "--classes", classes, "--weights", w, "--input", x, "-o", y, *words)
        if code == 0 and y.exists():
            return load_file(y)
        print(f"     run-model {name} {' '.join(map(str, words))}: exit {code}: {said[-300:]}")
        return {}

    def steps(self, name, state, tensors, task, settings, *more, save=False):
        """(the steps of the trace, the weights saved), or nothing after printing what was said."""
        w, b = self.write(state, "W.safetensors"), self.write(tensors, "B.safetensors")
        trace, out = self.folder / "trace.json", self.folder / "out.safetensors"
        for old in (trace, out):
            old.unlink(missing_ok=True)
        words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        code, said = self.run("run-steps", name, "--weights", w, "--batches", b, "--task", task, "-o", trace,
                              *words, *more, *(["--save-weights", out] if save else []))
        if code == 0 and trace.exists() and (out.exists() or not save):
            return json.loads(trace.read_text())["steps"], load_file(out) if save else {}
        print(f"     run-steps {name} --task {task}: exit {code}: {said[-300:]}")
        return [], {}


# --- what PyTorch gives, kept on disk ------------------------------------------------------------


class Kept:
    """Results in files named after what was asked and the scripts that give weights, images and results."""

    def __init__(self, folder):
        self.folder = folder
        inputs = (HERE / "parity.py").read_text().split("# --- ")[1]
        scripts = inputs + "".join((HERE / f).read_text() for f in ("reference.py", "detection.py")) + torch.__version__
        self.scripts = hashlib.sha256(scripts.encode()).hexdigest()

    def get(self, key, compute):
        name = hashlib.sha256((self.scripts + repr((key, STEPS, EARLY, ROUNDINGS, WHOLE_RUNS))).encode()).hexdigest()[:16]
        path = self.folder / f"{name}.pt"
        if not path.exists():
            torch.save(compute(), path.with_suffix(".part"))
            path.with_suffix(".part").rename(path)
        return torch.load(path)


def float64_and_float32(model, state):
    """The model in float64, then in float32 from weights moved by rounding."""
    yield pytorch.in_dtype(model, state, torch.float64)
    for seed in range(ROUNDINGS):
        yield pytorch.in_dtype(model, pytorch.moved_by_rounding(state, seed), torch.float32)


def training_pass(model, state, x, target):
    """loss, running statistics and gradients in float64, and float32's worst error of each gradient."""
    first, own = None, {}
    for copy in float64_and_float32(model, state):
        dtype = next(copy.parameters()).dtype
        loss, running, gradients = pytorch.train_once(copy, pytorch.repeated(x, dtype), target)
        if first is None:
            first = loss, running, gradients
        else:
            own = {k: max(own.get(k, 0.0), pytorch.relative_l2(g, first[2][k])) for k, g in gradients.items()}
    return *first, own


def detector_pass(model, state, inputs):
    """As training_pass, with the four losses by name."""
    target, x = (inputs, ""), inputs["x"]
    with torch.no_grad():
        exact = pytorch.in_dtype(model, state, torch.float64).train()
        losses = {k: float(v) for k, v in detection.losses(exact, pytorch.repeated(x, torch.float64), *target).items()}
    _, running, gradients, own = training_pass(model, state, x, target)
    return losses, running, gradients, own


def detections(name, films):
    """Weights of a detector that finds something in films, and what it finds in float64."""
    torch.manual_seed(0)
    model = detection.model(name, 3)
    model.load_state_dict(weights(model, 1))
    state = {k: v.clone() for k, v in detection.scaled(model, films["x"][:2]).state_dict().items()}
    return state, detection.evaluate(pytorch.in_dtype(model, state, torch.float64), films["x"].double())


def training_run(model, state, task, tensors, settings, steps):
    """Float64's curve, float32's curves (some of EARLY steps only), float64's parameters' moves and
    statistics after EARLY steps, and float32's worst errors of both."""
    curves, first, own = [], None, {}
    for run, copy in enumerate(float64_and_float32(model, state)):
        start = {k: v.detach().clone() for k, v in copy.state_dict().items()}
        early = {}

        def after(step):
            if step == EARLY - 1:
                early.update(moves(copy.state_dict(), start))

        curves.append(pytorch.train_steps(copy, task, tensors, settings, steps if run <= WHOLE_RUNS else EARLY, after))
        if first is None:
            first = early
        else:
            for name, move in early.items():
                compare = of_largest if ".running_" in name else pytorch.relative_l2
                own[name] = max(own.get(name, 0.0), compare(move, first[name]))
    return curves[0], curves[1:], {k: v.float() for k, v in first.items()}, own


def moves(state, start):
    """By how much each parameter moved; running statistics as they are."""
    return {
        k: v.detach().clone() if ".running_" in k else v.detach() - start[k].to(v.dtype)
        for k, v in state.items()
        if v.is_floating_point()
    }


# --- the checks ---------------------------------------------------------------------------------

MODELS = ("resnet18", "resnet50", "deeplabv3_resnet18", "deeplabv3_resnet50",
          "fasterrcnn_resnet18_fpn", "fasterrcnn_resnet50_fpn")
EVAL = [  # weights, x
    (".safetensors", (1, 3, 64, 64)),
    (".pth", (3, 3, 65, 49)),
    (".safetensors", (2, 1, 33, 47)),
]
TRAIN = [("cross-entropy", 5, (4, 3, 65, 49)), ("masked BCE", 7, (6, 1, 48, 40))]
# Small rates and 48 x 48 images: with 32 x 32, layer4 is one pixel, its batch statistics run over 8
# values, and float32 leaves float64 within three steps, so that nothing could be told from the curve.
DECAY = {"optim.lr": 0.001, "optim.momentum": 0.9, "optim.weight_decay": 1e-4}
L2SP = {"optim.lr": 0.001, "optim.momentum": 0.9, "optim.weight_decay": 0.0, "l2sp.alpha": 0.1, "l2sp.beta": 0.01}
MOCO = {"optim.lr": 0.001, "optim.momentum": 0.9, "optim.weight_decay": 1e-4,
        "moco.temperature": 0.2, "moco.momentum": 0.5, "moco.bn_splits": 4}  # 0.5: what EMA does, and when, shows
SIZE = (48, 48)
RUNS = [  # what, models, kind of batch, classes, batch, settings
    ("classify, weight decay", ("resnet18",), "classify", 5, 8, DECAY),
    ("classify, small rate", ("resnet50",), "classify", 5, 8, {**DECAY, "optim.lr": 0.0003}),
    ("classify, masked BCE, L2-SP", ("resnet18",), "labels", 7, 8, L2SP),
    ("moco, bn_splits 4", ("resnet18",), "moco", 0, 16, MOCO),
    ("segment, Dice, stride 16", ("deeplabv3_resnet18",), "segment", 1, 8, DECAY),
    ("segment, cross-entropy, stride 8, L2-SP", ("deeplabv3_resnet18",), "segment", 3, 8, L2SP),
    ("detect, batch norm frozen, L2-SP", ("fasterrcnn_resnet18_fpn",), "detect", 3, 2, {**L2SP, "optim.weight_decay": 1e-4}),
]
# Output stride, rates, classes, shape of x, auxiliary head, file of weights.
DETECT_SIDE = 128
DETECT_TRAIN = {  # batch norm, classes, x; the second image has no boxes
    "fasterrcnn_resnet18_fpn": [("frozen", 3, (3, 3, 96, 128)), ("train", 5, (2, 1, 97, 118))],
    "fasterrcnn_resnet50_fpn": [("frozen", 3, (2, 3, 64, 96))],
}
DEEPLAB_EVAL = {
    "deeplabv3_resnet18": [
        (8, (12, 24, 36), 3, (1, 3, 65, 49), False, ".safetensors"),
        (16, (6, 12, 18), 1, (2, 3, 64, 96), False, ".pth"),
        (32, (6, 12, 18), 2, (2, 1, 96, 64), True, ".safetensors"),
    ],
    "deeplabv3_resnet50": [
        (8, (12, 24, 36), 21, (1, 3, 64, 80), True, ".pth"),
        (16, (6, 12, 18), 1, (2, 3, 65, 64), False, ".safetensors"),
    ],
}
DEEPLAB_TRAIN = {
    "deeplabv3_resnet18": [
        (16, (6, 12, 18), 1, (6, 3, 64, 64), False),
        (8, (12, 24, 36), 3, (4, 1, 65, 49), True),
    ],
    "deeplabv3_resnet50": [
        (8, (12, 24, 36), 3, (4, 3, 48, 48), True),
        (16, (6, 12, 18), 1, (4, 3, 64, 64), False),
    ],
}


def check_eval(report, engine, name):
    model = pytorch.resnet(name, 5)
    state = weights(model, 1)
    for suffix, shape in EVAL:
        x = images(shape, 11)
        want = pytorch.evaluate(pytorch.in_dtype(model, state, torch.float64), pytorch.repeated(x, torch.float64))
        got = engine.model(name, 5, state, {"x": x}, suffix=suffix)
        for key in sorted(want):
            report.check(f"{name} eval {'x'.join(map(str, shape))} {suffix} {key}", of_range(got.get(key), want[key]), 1e-4)


def check_train(report, engine, kept, name):
    for loss_name, classes, shape in TRAIN:
        torch.manual_seed(0)
        model = pytorch.resnet(name, classes)
        state = weights(model, 2)
        target = (class_targets if loss_name == "cross-entropy" else label_targets)(shape[0], classes, 3)
        x = images(shape, 12)
        loss, running, gradients, own = kept.get(
            ("train", name, classes, shape), lambda: training_pass(model, state, x, target))
        inputs = {"x": x, "target": target}
        run = lambda state: engine.model(name, classes, state, inputs, "--mode", "train", "--grad")
        got = run(state)
        what = f"{name} train {'x'.join(map(str, shape))} {loss_name}"
        found = got.get("losses.class")
        report.check(f"{what} loss", relative(float(found), loss) if found is not None else math.nan, LOSS)
        check_pass(report, what, run, state, got, running, gradients, own)


def check_pass(report, what, run, state, got, running, gradients, own):
    """What a training pass leaves beside its loss; `run` makes it from weights, and made `got` from `state`."""
    report.worst(f"{what} running statistics", {k: (of_largest(got.get(k), v), 1e-4) for k, v in running.items()})

    def errors(got):
        return {k: (error_of(got.get(f"grad.{k}"), g), max(1e-3, 3 * own[k])) for k, g in gradients.items()}

    found = errors(got)
    for seed in range(1, AGAIN + 1):
        if all(figure <= limit for figure, limit in found.values()):
            break
        found, what = errors(run(pytorch.moved_by_rounding(state, seed))), f"{what}, weights moved by rounding ({seed}),"
    report.worst(f"{what} gradients", found)


def deeplab_words(stride, rates):
    return "--output-stride", stride, "--rates", ",".join(map(str, rates))


def as_paddle(model, stride):
    """A DeepLab changed into what PaddleSeg's configuration builds: all taps of a dilated block alike, those
    of the last layer 1, 2 and 4 times as far; the pyramid straight to the logits."""
    for of_layer, layer, grid in ((16, model.backbone.layer3, (1,) * 6), (32, model.backbone.layer4, (1, 2, 4))):
        for block, factor in zip(layer, grid):
            for conv in (m for m in block.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (3, 3)):
                if of_layer > stride:
                    conv.padding = conv.dilation = (of_layer // stride * factor,) * 2
    for number in "123":
        del model.classifier._modules[number]
    return model


def check_deeplab_paddle(report, engine, name):
    for stride, rates in ((8, (12, 24, 36)), (16, (6, 12, 18))):
        torch.manual_seed(0)
        model = as_paddle(pytorch.deeplab(name, 2, stride, rates), stride)
        state, x = weights(model, 1), images((1, 3, 80, 64), 11)
        want = pytorch.evaluate(pytorch.in_dtype(model, state, torch.float64), x.double())
        got = engine.model(name, 2, state, {"x": x}, "--preset", "paddle", "--output-stride", stride)
        report.check(f"{name} eval as PaddleSeg stride {stride} out", of_range(got.get("out"), want["out"]), 1e-4)


def check_deeplab_eval(report, engine, name):
    for stride, rates, classes, shape, aux, suffix in DEEPLAB_EVAL[name]:
        torch.manual_seed(0)
        model = pytorch.deeplab(name, classes, stride, rates, aux)
        state, x = weights(model, 1), images(shape, 11)
        want = pytorch.evaluate(pytorch.in_dtype(model, state, torch.float64), pytorch.repeated(x, torch.float64))
        got = engine.model(name, classes, state, {"x": x}, *deeplab_words(stride, rates), suffix=suffix)
        for key in sorted(want):
            what = f"{name} eval {'x'.join(map(str, shape))} stride {stride} {suffix} {key}"
            report.check(what, of_range(got.get(key), want[key]), 1e-4)


def check_deeplab_train(report, engine, kept, name):
    for stride, rates, classes, shape, aux in DEEPLAB_TRAIN[name]:
        torch.manual_seed(0)
        model = pytorch.deeplab(name, classes, stride, rates, aux)
        state, (x, target) = weights(model, 2), masks(shape, classes, 12)
        loss, running, gradients, own = kept.get(
            ("train", name, stride, classes, shape, aux), lambda: training_pass(model, state, x, target))
        inputs = {"x": x, "target": target}
        run = lambda state: engine.model(name, classes, state, inputs, "--mode", "train", "--grad",
                                         *deeplab_words(stride, rates))
        got = run(state)
        found = [float(v) for k, v in got.items() if k in ("losses.mask", "losses.aux")]
        what = f"{name} train {'x'.join(map(str, shape))} stride {stride} {'cross-entropy' if classes > 1 else 'Dice'}"
        report.check(f"{what} loss", relative(sum(found), loss) if len(found) == 1 + aux else math.nan, LOSS)
        check_pass(report, what, run, state, got, running, gradients, own)


def check_detect_eval(report, engine, kept, name):
    films = detection.films(8, DETECT_SIDE)
    what = f"{name} eval of {'real films' if films else 'random images, for want of MTPRET_DATA,'}"
    if films is None:
        films = {"x": images((8, 3, DETECT_SIDE, DETECT_SIDE), 11), **detection.boxes(8, (DETECT_SIDE, DETECT_SIDE), 3, 11)}
    state, want = kept.get(("detections", what, DETECT_SIDE), lambda: detections(name, films))
    # Two images at a time: the features of their proposals are many.
    got = {}
    for first in range(0, 8, 2):
        part = engine.model(name, 3, state, {"x": films["x"][first : first + 2]})
        got.update({f"{k[:-2]}.{first + int(k[-1])}": v for k, v in part.items()})
    if len(got) < 3 * 8:
        return report.say(False, what, f"{len(got)} tensors (want {3 * 8})")
    lone, total = detection.unmatched(got, want, 8)
    report.say(lone == 0 and total > 0, what, f"{lone} of {total} detections of both lists without a counterpart (limit 0)")


def check_detect_train(report, engine, kept, name):
    for norm, classes, shape in DETECT_TRAIN[name]:
        model, state, inputs = detect_inputs(name, classes, norm == "frozen", shape, 12)
        key = ("train", name, norm, classes, shape)
        losses, running, gradients, own = kept.get(key, lambda: detector_pass(model, state, inputs))
        run = lambda state: engine.model(name, classes, state, inputs, "--mode", "train", "--grad", "--det-bn", norm)
        got = run(state)
        what = f"{name} train {'x'.join(map(str, shape))} batch norm {norm}"
        for loss, wanted in losses.items():
            found = got.get(f"losses.{loss}")
            report.check(f"{what} loss {loss}", relative(float(found), wanted) if found is not None else math.nan, LOSS)
        check_pass(report, what, run, state, got, running, gradients, own)


def error_of(got, want):
    return pytorch.relative_l2(got, want) if got is not None and got.shape == want.shape else math.nan


def check_steps(report, engine, kept, name, only):
    for title, models, kind, classes, n, settings in RUNS:
        what, length = f"{name} {title}", 6 if kind == "detect" else STEPS
        if name not in models or only not in what:
            continue
        torch.manual_seed(0)
        moco, more, size = kind == "moco", (), SIZE
        if kind == "segment":
            stride = 16 if "stride 16" in title else 8
            rates = (6, 12, 18) if stride == 16 else (12, 24, 36)
            model, more = pytorch.deeplab(name, classes, stride, rates), deeplab_words(stride, rates)
        elif kind == "detect":
            model, more, size = detection.model(name, classes, True), ("--det-bn", "frozen"), (64, 64)
        else:
            model = pytorch.encoder(name) if moco else pytorch.resnet(name, classes)
        state, task = weights(model, 4), kind if kind in ("moco", "segment", "detect") else "classify"
        if kind == "detect":
            key = ("detect batches", name, classes, n, size, length)
            tensors = kept.get(key, lambda: detect_batches(name, classes, n, size, length))
        else:
            tensors = batches(kind, classes, length, n, size)
        truth, own_curves, early, own = kept.get(
            ("steps", what, n, size, tuple(settings.items())), lambda: training_run(model, state, task, tensors, settings, length))

        steps, _ = engine.steps(name, state, tensors, task, settings, *more)
        entries = [(s.get("step"), s.get("lr"), s.get("grad_norm")) for s in steps]
        sound = all(i == t and abs(lr - settings["optim.lr"]) < 1e-9 and norm > 0 for t, (i, lr, norm) in enumerate(entries)
                    if None not in (i, lr, norm)) and all(None not in e for e in entries)
        report.say(sound and len(steps) == length, f"{what} trace", f"{len(steps)} steps with step, lr, grad_norm (want {length})")
        named = "mask" if kind == "segment" else "class"
        curve = [s["loss"] if task in ("moco", "detect") else s.get("losses", {}).get(named, math.nan) for s in steps]
        for t in range(EARLY):
            limit = max(LOSS, 3 * max(relative(c[t], truth[t]) for c in own_curves))
            report.check(f"{what} loss {t}", relative(curve[t], truth[t]) if t < len(curve) else math.nan, limit)
        float32 = max(distance(c, truth) for c in own_curves if len(c) == length)
        report.check(f"{what} curve", distance(curve, truth), max(3 * float32, LOSS * max(truth)),
                     f" PyTorch float32's own {float32:.2e}; loss {truth[0]:.3f} to {truth[-1]:.3f}")

        step_of = lambda key: int(next(part for part in key.split(".") if part.isdigit()))
        first = {k: v for k, v in tensors.items() if k == "queue" or step_of(k) < EARLY}
        _, saved = engine.steps(name, state, first, task, settings, *more, save=True)
        check_saved(report, what, model, saved, state, early, own)


def check_saved(report, what, model, saved, state, early, own):
    """The weights after EARLY steps: they load strictly, and moved as PyTorch's did."""
    try:
        model.load_state_dict(saved, strict=True)
    except RuntimeError as error:
        return report.say(False, f"{what} strict load of the saved weights", str(error)[:300])
    report.say(True, f"{what} strict load of the saved weights", f"{len(saved)} tensors")
    moved = moves(saved, state)
    report.worst(f"{what} weights' moves after {EARLY} steps", {
        k: (error_of(moved.get(k), v), max(1e-3, 3 * own[k])) for k, v in early.items() if ".running_" not in k})
    report.worst(f"{what} running statistics after {EARLY} steps", {
        k: (of_largest(moved.get(k), v), max(1e-4, 3 * own[k])) for k, v in early.items() if ".running_" in k})


def check_refusals(report, engine, name):
    """What cannot be run ends in one line that names the fault, and the right exit code."""
    if name.startswith("fasterrcnn"):
        model, at = detection.model(name, 5), "backbone.body."
    elif name.startswith("deeplab"):
        model, at = pytorch.deeplab(name, 5), "backbone."
    else:
        model, at = pytorch.resnet(name, 5), ""
    state, lost = weights(model, 1), f"{at}layer2.0.conv2.weight"
    w, x = engine.write(state, "W.safetensors"), engine.write({"x": images((1, 3, 32, 32), 1)}, "X.safetensors")
    empty = engine.write({"y": torch.zeros(1)}, "empty.safetensors")
    missing = {k: v for k, v in state.items() if k != lost}
    lacking = engine.write(missing, "lacking.safetensors")
    wrong = engine.write({**missing, lost: torch.zeros(3, 3)}, "wrong.safetensors")
    for what, words, allowed, named in (
        ("no x in the input", (name, "--weights", w, "--input", empty), (2,), "x"),
        ("an unknown model", ("resnet19", "--weights", w, "--input", x), (2,), "resnet19"),
        ("a missing tensor", (name, "--weights", lacking, "--input", x), (1, 2), lost),
        ("a misshapen tensor", (name, "--weights", wrong, "--input", x), (1, 2), lost),
    ):
        code, said = engine.run("run-model", *words, "--classes", 5, "-o", engine.folder / "none.safetensors")
        good = code in allowed and named in said and "panicked" not in said
        report.say(good, f"{name} refuses {what}", f"exit {code} (want {' or '.join(map(str, allowed))}), '{said[-160:]}'")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exe", nargs="?", help="path of mtpret")
    parser.add_argument("--self-test", action="store_true", help="let PyTorch float32 play the part of mtpret")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--work", type=Path, default=HERE.parents[1] / "target" / "parity", metavar="DIR")
    parser.add_argument("--only", default="", metavar="TEXT", help="only parts whose name holds it: eval, train, refuses, classify, moco, segment, detect …")
    given = parser.parse_args()
    if (given.exe is None) != given.self_test:
        parser.error("give either EXE or --self-test")
    given.work.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(HERE / "parity.py"), "--play"] if given.self_test else [str(Path(given.exe).resolve())]
    engine, kept, report = Engine(command, given.work), Kept(given.work), Report()
    torch.manual_seed(0)
    for name in given.models.split(","):
        deeplab, detector = name.startswith("deeplab"), name.startswith("fasterrcnn")
        if given.only in f"{name} eval":
            if detector:
                check_detect_eval(report, engine, kept, name)
            else:
                for check in (check_deeplab_eval, check_deeplab_paddle) if deeplab else (check_eval,):
                    check(report, engine, name)
        if given.only in f"{name} train":
            check = check_detect_train if detector else check_deeplab_train if deeplab else check_train
            check(report, engine, kept, name)
        check_steps(report, engine, kept, name, given.only)
        if given.only in f"{name} refuses":
            check_refusals(report, engine, name)
    print(f"{report.passed} passed, {report.failed} failed")
    sys.exit(1 if report.failed or not report.passed else 0)


# --- the self-test's engine ---------------------------------------------------------------------


def play(words):
    """run-model and run-steps in PyTorch float32, from weights moved by rounding once more."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("name")
    for flag in ("--weights", "--input", "--batches", "--task", "--save-weights", "-o"):
        parser.add_argument(flag)
    parser.add_argument("--classes", type=int)
    parser.add_argument("--output-stride", type=int, default=8)
    parser.add_argument("--rates")
    parser.add_argument("--preset", default="torchvision")
    parser.add_argument("--det-bn", default="train")
    parser.add_argument("--mode", default="eval")
    parser.add_argument("--grad", action="store_true")
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args(words)
    deeplab, detector = given.name.startswith("deeplabv3_"), given.name.startswith("fasterrcnn_")
    if given.name not in MODELS:
        refuse(f"model: expected one of {', '.join(MODELS)}, found {given.name}")
    state = torch.load(given.weights) if given.weights.endswith(".pth") else load_file(given.weights)
    state = pytorch.moved_by_rounding(state, 77)
    moco = given.task == "moco"
    if detector:
        classes = given.classes or len(state["roi_heads.box_predictor.cls_score.bias"])
        model = detection.model(given.name, classes, given.det_bn == "frozen")
    elif deeplab:
        classes = given.classes or len(state["classifier.4.bias"])
        rates = given.rates or ("12,24,36" if given.output_stride == 8 else "6,12,18")
        rates = tuple(map(int, rates.split(",")))
        model = pytorch.deeplab(given.name, classes, given.output_stride, rates, "aux_classifier.4.bias" in state)
        if given.preset == "paddle":
            as_paddle(model, given.output_stride)
    else:
        model = pytorch.encoder(given.name) if moco else pytorch.resnet(given.name, given.classes or len(state["fc.bias"]))
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        refuse(str(error))
    if given.command == "run-steps":
        tensors = load_file(given.batches)
        settings = {k: float(v) for k, v in (pair.split("=") for pair in given.set)}
        steps = len({k for k in tensors if k.split(".")[0] in ("x", "view1")})
        losses = pytorch.train_steps(model, given.task, tensors, settings, steps)
        entries = [{"step": t, "loss": v, "losses": {"mask" if deeplab else "class": v}, "lr": settings["optim.lr"], "grad_norm": 1.0}
                   for t, v in enumerate(losses)]
        Path(given.o).write_text(json.dumps({"steps": entries}))
        if given.save_weights:
            save_file(model.state_dict(), given.save_weights)
        return
    tensors = load_file(given.input)
    if "x" not in tensors:
        refuse("x: expected a tensor, found none")
    x = pytorch.repeated(tensors["x"], torch.float32)
    if given.mode == "eval":
        found = detection.evaluate(model, x) if detector else pytorch.evaluate(model, x)
    elif detector:
        with torch.no_grad():
            losses = detection.losses(copy.deepcopy(model).train(), x, tensors)
        _, found, gradients = pytorch.train_once(model, x, (tensors, ""))
        found.update({f"losses.{k}": v for k, v in losses.items()})
        found.update({f"grad.{k}": g for k, g in gradients.items() if given.grad})
    else:
        loss, found, gradients = pytorch.train_once(model, x, tensors["target"])
        # The whole loss stands for its parts.
        found["losses.mask" if deeplab else "losses.class"] = torch.tensor(loss)
        if "aux_classifier.4.bias" in state:
            found["losses.aux"] = torch.tensor(0.0)
        found.update({f"grad.{k}": g for k, g in gradients.items() if given.grad})
    save_file({k: v.contiguous() for k, v in found.items()}, given.o)


def refuse(problem):
    print(problem, file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    torch.set_num_threads(1)  # the same order of sums each time; and on a busy machine two are slower
    play(sys.argv[2:]) if sys.argv[1:2] == ["--play"] else main()
