"""Writes tests/fixtures/models/: what PyTorch makes of ResNets and DeepLabs whose weights a formula
gives, so that the Rust tests compare whole models without Python and without stored weights.

    python3 tools/parity/model_fixtures.py [--out DIR] [--only TEXT]     # torch, torchvision, numpy, safetensors; 15 minutes

With --only, cases in DIR whose name does not hold TEXT stay as they are.

The formula. For a name s (UTF-8) and a flat index i in torch's layout, row-major (OIHW, NCHW):

    fnv1a64(s):     h = 0xcbf29ce484222325; for each byte b: h = (h xor b) * 0x100000001b3
    splitmix64(z):  z += 0x9e3779b97f4a7c15; z = (z xor z>>30) * 0xbf58476d1ce4e5b9;
                    z = (z xor z>>27) * 0x94d049bb133111eb; z = z xor z>>31
    bits(s, i) = splitmix64(fnv1a64(s) + i)                    all of it wraps at 64 bits
    u(s, i) = (bits(s, i) >> 11) / 2^53                        float64 in [0, 1)

    conv and linear weights   (2u - 1) * sqrt(6 / fan_in)      fan_in = I*R*S, or I
    batch norm weight, running_var                 0.5 + u
    batch norm bias, running_mean, linear bias     (2u - 1) * 0.1
    x, x.t, view1.t           (2u - 1) * 2                     view2.t = view1.t mirrored along W
    queue[128, K]             (2u - 1), each column divided by its L2 norm
    target of an index        bits("target", n) mod classes
    target of labels          b = bits("target", i): NaN if b mod 5 = 0, else (b >> 8) mod 2
    target of a mask          bits("target", i) mod 2          float [N, 1, H, W]
    probe of a gradient       2u - 1 from the name "probe." + parameter name, float64

each computed in float64 and rounded to float32 (probes are not). Step t of a trace uses the names
"x.t", "target.t", "view1.t".

What is stored. `cases.json`: {"formula": {name: first four u}, "cases": [...]}; a case has

    name, kind (eval | cam | train | steps), model, classes, x (shape), target (index | labels | mask),
    stride (output stride of a DeepLab), class (the one that a CAM explains)
    eval    tensors: {name: {stride, shape, range}}   range = largest - smallest value of the whole
    train   loss {f64, f32_error (relative)}; gradients: {parameter: {norm, probe, f32_error, stride}}
            probe = sum of gradient * probe; f32_error = relative L2 of PyTorch float32, whole tensor
    steps   task, settings (keys of --set), queue, losses {f64: [...], f32: [[...], ...]}

`<name>.safetensors` holds the tensors of a case in float32, rounded from float64: outputs and
features under their names, running statistics under theirs, gradients as grad.<parameter>. Of a
tensor with a stride s only the elements 0, s, 2s, ... of the flat tensor are kept.

The truth is float64. float32 is the worst of twelve runs (three for traces) from weights moved by one
unit in the last place at most; it tells how far float32 can be expected to go.
"""
import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

import reference as pytorch

KEPT = {"features": 4096, "grad": 256}  # elements kept of a feature map, of a gradient
ROUNDINGS = {"train": 12, "steps": 3}  # float32 runs from weights moved by rounding


def bits(name, count):
    """bits(name, i) for i below count."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    z = np.arange(count, dtype=np.uint64) + np.uint64(h) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def unit(name, shape):
    """u(name, i) as a float64 tensor."""
    values = (bits(name, int(np.prod(shape))) >> np.uint64(11)).astype(np.float64) / 2.0**53
    return torch.from_numpy(values.reshape(shape))


def signed(name, shape):
    return 2 * unit(name, shape) - 1


def formula_state(model):
    """The formula's weights and running statistics under the model's names, float32."""
    state = model.state_dict()
    norms = {k.removesuffix(".running_mean") for k in state if k.endswith(".running_mean")}
    for name, tensor in state.items():
        owner, _, role = name.rpartition(".")
        if role == "num_batches_tracked":
            continue
        if role == "running_var" or (owner in norms and role == "weight"):
            value = 0.5 + unit(name, tensor.shape)
        elif tensor.dim() == 1:
            value = signed(name, tensor.shape) * 0.1
        else:
            value = signed(name, tensor.shape) * np.sqrt(6 / tensor[0].numel())
        state[name] = value.float()
    return state


def image(name, shape):
    return (signed(name, shape) * 2).float()


def network(case):
    """The model of a case, with torchvision's names."""
    if case["model"].startswith("deeplab"):
        stride = case["stride"]
        return pytorch.deeplab(case["model"], case["classes"], stride, (12, 24, 36) if stride == 8 else (6, 12, 18))
    return pytorch.resnet(case["model"], case["classes"])


def target_of(case, name):
    kind, (n, _, h, w), classes = case["target"], case["x"], case["classes"]
    if kind == "index":
        return torch.from_numpy((bits(name, n) % np.uint64(classes)).astype(np.int64))
    if kind == "mask":
        return torch.from_numpy((bits(name, n * h * w) % np.uint64(2)).astype(np.float32).reshape(n, 1, h, w))
    b = bits(name, n * classes)
    labels = np.where(b % np.uint64(5) == 0, np.nan, ((b >> np.uint64(8)) % np.uint64(2)).astype(np.float32))
    return torch.from_numpy(labels.astype(np.float32).reshape(n, classes))


def strided(tensor, most):
    """(kept elements as float32, stride): no divisor in common with the size, so that all channels,
    rows and columns are met."""
    flat = tensor.detach().reshape(-1)
    stride = -(-len(flat) // most)
    while math.gcd(stride, len(flat)) > 1:
        stride += 1
    return flat[::stride].float().clone(), stride


def float64_and_float32(model, state, roundings):
    """The model in float64, then in float32 from weights moved by rounding."""
    yield pytorch.in_dtype(model, state, torch.float64)
    for seed in range(roundings):
        yield pytorch.in_dtype(model, pytorch.moved_by_rounding(state, seed), torch.float32)


def eval_case(case):
    model = network(case)
    found = pytorch.evaluate(pytorch.in_dtype(model, formula_state(model), torch.float64), image("x", case["x"]).double())
    tensors, case["tensors"] = {}, {}
    for name, tensor in sorted(found.items()):
        tensors[name], stride = strided(tensor, KEPT["features"])
        case["tensors"][name] = {"stride": stride, "shape": list(tensor.shape), "range": float(tensor.max() - tensor.min())}
    return tensors


def cam_case(case):
    """Grad-CAM at layer4 of the class, and the same at the film's size."""
    model = pytorch.in_dtype(network(case), formula_state(network(case)), torch.float64).eval()
    found = {}
    model.layer4.register_forward_hook(lambda _module, _input, output: found.__setitem__("c5", output))
    x = image("x", case["x"]).double()
    gradient, = torch.autograd.grad(model(x)[0, case["class"]], found["c5"])
    cam = torch.relu((gradient.mean((2, 3), keepdim=True) * found["c5"]).sum(1, keepdim=True)).detach()
    enlarged = torch.nn.functional.interpolate(cam, x.shape[2:], mode="bilinear", align_corners=False)
    return {"cam": cam[0, 0].float(), "enlarged": enlarged[0, 0].float()}


def train_case(case):
    model, target = network(case), target_of(case, "target")
    runs = [pytorch.train_once(m, image("x", case["x"]).to(next(m.parameters()).dtype), target)
            for m in float64_and_float32(model, formula_state(model), ROUNDINGS["train"])]
    (loss, running, gradients), singles = runs[0], runs[1:]
    case["loss"] = {"f64": loss, "f32_error": max(abs(s[0] - loss) / loss for s in singles)}
    tensors, case["gradients"] = {k: v.float() for k, v in running.items()}, {}
    for name, gradient in gradients.items():
        tensors[f"grad.{name}"], stride = strided(gradient, KEPT["grad"])
        case["gradients"][name] = {
            "norm": float(gradient.norm()),
            "probe": float((gradient * signed(f"probe.{name}", gradient.shape)).sum()),
            "f32_error": max(pytorch.relative_l2(s[2][name], gradient) for s in singles),
            "stride": stride,
        }
    return tensors


def steps_case(case, steps):
    moco = case["task"] == "moco"
    model = pytorch.encoder(case["model"]) if moco else network(case)
    tensors = {}
    for t in range(steps):
        if moco:
            tensors[f"view1.{t}"] = image(f"view1.{t}", case["x"])
            tensors[f"view2.{t}"] = tensors[f"view1.{t}"].flip(3)
        else:
            tensors[f"x.{t}"] = image(f"x.{t}", case["x"])
            tensors[f"target.{t}"] = target_of(case, f"target.{t}")
    if moco:
        queue = signed("queue", case["queue"])
        tensors["queue"] = (queue / queue.norm(dim=0)).float()
    curves = [pytorch.train_steps(m, case["task"], tensors, case["settings"], steps)
              for m in float64_and_float32(model, formula_state(model), ROUNDINGS["steps"])]
    case["losses"] = {"f64": curves[0], "f32": curves[1:]}
    return {}


DECAY = {"optim.lr": 0.001, "optim.momentum": 0.9, "optim.weight_decay": 1e-4}
L2SP = {"optim.lr": 0.001, "optim.momentum": 0.9, "optim.weight_decay": 0.0, "l2sp.alpha": 0.1, "l2sp.beta": 0.01}
MOCO = {"optim.lr": 0.001, "optim.momentum": 0.9, "optim.weight_decay": 1e-4,
        "moco.temperature": 0.2, "moco.momentum": 0.5, "moco.bn_splits": 4}  # 0.5: what EMA does, and when, shows
CASES = [
    dict(name="resnet18_eval", kind="eval", model="resnet18", classes=5, x=[2, 3, 48, 40]),
    dict(name="resnet50_eval", kind="eval", model="resnet50", classes=5, x=[2, 3, 48, 40]),
    dict(name="resnet18_cam", kind="cam", model="resnet18", classes=5, x=[1, 3, 96, 128], **{"class": 3}),
    dict(name="resnet18_train", kind="train", model="resnet18", classes=5, target="index", x=[4, 3, 33, 47]),
    dict(name="resnet18_labels", kind="train", model="resnet18", classes=6, target="labels", x=[5, 3, 40, 32]),
    dict(name="resnet50_train", kind="train", model="resnet50", classes=5, target="index", x=[4, 3, 33, 47]),
    dict(name="classify", kind="steps", model="resnet18", task="classify", classes=5, target="index", x=[8, 3, 48, 48], settings=DECAY),
    dict(name="classify_l2sp", kind="steps", model="resnet18", task="classify", classes=6, target="labels", x=[8, 3, 48, 48], settings=L2SP),
    dict(name="moco", kind="steps", model="resnet18", task="moco", x=[16, 3, 48, 48], queue=[128, 64], settings=MOCO),
    dict(name="deeplabv3_resnet18_eval", kind="eval", model="deeplabv3_resnet18", classes=3, stride=16, x=[1, 3, 65, 49]),
    dict(name="deeplabv3_resnet50_eval", kind="eval", model="deeplabv3_resnet50", classes=2, stride=8, x=[1, 3, 48, 40]),
    dict(name="deeplabv3_resnet18_train", kind="train", model="deeplabv3_resnet18", classes=1, stride=8, target="mask", x=[4, 3, 48, 40]),
    dict(name="segment", kind="steps", model="deeplabv3_resnet18", task="segment", classes=1, stride=16, target="mask", x=[8, 3, 48, 48], settings=DECAY),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[2] / "tests/fixtures/models")
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases whose name holds it")
    given = parser.parse_args()
    out = given.out
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # the same order of sums each time; and on a busy machine two are slower
    kept = json.loads((out / "cases.json").read_text())["cases"] if given.only else []
    kept = {case["name"]: case for case in kept}
    for number, case in enumerate(CASES):
        if given.only not in case["name"] and case["name"] in kept:
            CASES[number] = kept[case["name"]]
            continue
        tensors = {"eval": eval_case, "cam": cam_case, "train": train_case, "steps": lambda c: steps_case(c, 10)}[case["kind"]](case)
        if tensors:
            path = out / f"{case['name']}.safetensors"
            save_file(tensors, path)
            path.chmod(0o644)
        print(case["name"], flush=True)
    formula = {name: unit(name, [4]).tolist() for name in ("conv1.weight", "x", "probe.fc.bias")}
    (out / "cases.json").write_text(json.dumps({"formula": formula, "cases": CASES}, indent=1) + "\n")
    size = sum(f.stat().st_size for f in out.iterdir())
    print(f"{len(CASES)} cases, {size / 2**20:.2f} MiB in {out}")


if __name__ == "__main__":
    main()
