"""Real files of weights in, and ours out: `mtpret inspect`, `convert` and `run-model` against PyTorch.

    python3 tools/parity/weights.py EXE [--only TEXT] [--work DIR]

Needs torch 1.13 or newer, torchvision, numpy and safetensors. Saves torchvision's networks as people publish them
(bare, from DataParallel, MoCo, a segmentation framework, torchxrayvision, an nn.Sequential, in PyTorch's old
format, as f16 and bf16, as whole modules), then checks of each that

  inspect   says which networks it fits
  convert   gives a .safetensors and a .pth that torchvision's load_state_dict(strict=True) takes, the .pth by
            torch.load(weights_only=True), every tensor equal to the original bit for bit
  run-model gives the logits that PyTorch gives, of a stem over one channel too, to 1e-4 of their range

Closes with 'N passed, M failed'; exit 1 if any failed.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models.detection import fasterrcnn_resnet50_fpn
from torchvision.models.segmentation import deeplabv3_resnet50


def network(build, **options):
    """Random weights, and statistics that are not those of an untouched network."""
    torch.manual_seed(0)
    model = build(**options)
    for name, tensor in model.named_buffers():
        if name.endswith("running_mean"):
            tensor.normal_()
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif name.endswith("num_batches_tracked"):
            tensor.fill_(7)
    return model.eval()


def resnet(name, channels=3, classes=1000):
    model = getattr(torchvision.models, name)(num_classes=classes)
    if channels != 3:
        model.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
    return model


def prefixed(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


class Case:
    """A file, what it is, and the state dict that has to come out of it."""

    def __init__(self, name, saved, build, fits, options=(), wanted=None, save=torch.save):
        self.name, self.saved, self.build, self.fits = name, saved, build, fits
        self.options, self.wanted, self.save = list(options), wanted, save


def body(model):
    """A ResNet without its last layer, as a backbone's strict load wants it."""
    model.fc = nn.Identity()
    return model


def moco():
    """A checkpoint of facebookresearch/moco: two encoders with a projection head, a queue, an optimiser."""
    encoder = network(resnet, name="resnet50", classes=128)
    encoder.fc = nn.Sequential(nn.Linear(2048, 2048), nn.ReLU(), nn.Linear(2048, 128))
    state = prefixed("module.encoder_q.", encoder.state_dict())
    other = network(resnet, name="resnet50", classes=128).state_dict()
    state |= prefixed("module.encoder_k.", {name: -tensor.float() for name, tensor in other.items()})
    state |= {"module.queue": torch.randn(128, 64), "module.queue_ptr": torch.zeros(1, dtype=torch.long)}
    optimizer = torch.optim.SGD(encoder.parameters(), 0.03, momentum=0.9)
    sum(p.sum() for p in encoder.parameters()).backward()
    optimizer.step()
    saved = {"epoch": 200, "arch": "resnet50", "state_dict": state, "optimizer": optimizer.state_dict()}
    return saved, body(encoder).state_dict()


def cases():
    """One after the other, so that only one network is in memory."""
    no18 = {name: False for name in ("resnet18", "deeplabv3_resnet18", "fasterrcnn_resnet18_fpn")}
    no50 = {name.replace("18", "50"): False for name in no18}
    for_18, for_50 = ({name: "backbone" for name in no} for no in (no18, no50))
    fits18, fits50 = {**no50, **for_18, "resnet18": "whole"}, {**no18, **for_50, "resnet50": "whole"}

    r18, r50 = (lambda: network(resnet, name="resnet18")), (lambda: network(resnet, name="resnet50"))
    state18, state50 = r18().state_dict(), r50().state_dict()
    bare = lambda state: {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
    yield Case("torchvision_resnet18", state18, r18, fits18)
    yield Case("torchvision_resnet50", state50, r50, fits50)
    yield Case("dataparallel", prefixed("module.", state50), r50, fits50, wanted=state50)
    yield Case("lightning", {"state_dict": prefixed("model.", state18), "epoch": 3}, r18, fits18, wanted=state18)
    old = lambda saved, path: torch.save(saved, path, _use_new_zipfile_serialization=False)
    yield Case("legacy", state18, r18, fits18, save=old)
    yield Case("whole_module", r18(), r18, fits18, wanted=state18)
    for kind in (torch.float16, torch.bfloat16):
        half = {name: t.to(kind) if t.is_floating_point() else t for name, t in state18.items()}
        wanted = {name: t.float() if t.is_floating_point() else t for name, t in half.items()}
        yield Case(str(kind).removeprefix("torch."), half, r18, fits18, wanted=wanted)
    yield Case("safetensors", state18, r18, fits18, save=lambda saved, path: save_file(saved, path))

    body50 = lambda: body(r50())
    backbone = {**no18, **for_50}
    framework = {"meta": {"epoch": 1}, "state_dict": prefixed("backbone.", bare(state50))}
    framework["state_dict"]["decode_head.conv_seg.weight"] = torch.randn(2, 512, 1, 1)
    only = ["--backbone"]
    yield Case("framework_backbone", framework, body50, backbone, only, bare(state50))
    children = nn.Sequential(*list(r50().children())[:-1])
    numbered = prefixed("backbone.", children.state_dict()) | {"classifier.weight": torch.randn(165, 2048)}
    yield Case("numbered_children", numbered, body50, backbone, only, bare(state50))
    saved, wanted = moco()
    yield Case("moco", saved, body50, backbone, only, wanted)

    for aux in (False, True):
        build = lambda: network(deeplabv3_resnet50, weights=None, weights_backbone=None, aux_loss=aux)
        fits = {**backbone, "deeplabv3_resnet50": "whole"}
        yield Case(f"deeplabv3_resnet50{'_aux' * aux}", build().state_dict(), build, fits)
    build = lambda: network(fasterrcnn_resnet50_fpn, weights=None, weights_backbone=None)
    fits = {**backbone, "fasterrcnn_resnet50_fpn": "whole"}
    yield Case("fasterrcnn_resnet50_fpn", build().state_dict(), build, fits)

    xrv = lambda: network(resnet, name="resnet50", channels=1, classes=18)
    state = xrv().state_dict()
    yield Case("torchxrayvision", state, xrv, fits50)
    saved = prefixed("model.", state) | {"op_threshs": torch.rand(18)}
    yield Case("torchxrayvision_module", saved, xrv, fits50, wanted=state)


class Check:
    def __init__(self, program, folder):
        self.program, self.folder, self.passed, self.failed = program, folder, 0, 0

    def mtpret(self, *words):
        done = subprocess.run([self.program, *map(str, words)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr.strip()
        return done.stdout

    def hold(self, what, good):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        print(f"{'ok    ' if good else 'FAILED'}  {what}", flush=True)

    def run(self, case):
        path = self.folder / (case.name + (".safetensors" if case.name == "safetensors" else ".pth"))
        case.save(case.saved, path)
        found = json.loads(self.mtpret("inspect", path, "--json"))["fits"]
        word = {(True, True): "whole", (False, True): "backbone"}
        fits = {fit["model"]: word.get((fit["whole"], fit["backbone"]), False) for fit in found}
        self.hold(f"{case.name}: fits {[name for name in fits if fits[name]]}", fits == case.fits)
        wanted = case.wanted or case.saved
        for kind in ("safetensors", "pth"):
            out = self.folder / f"out.{kind}"
            self.mtpret("convert", path, out, *case.options)
            state = load_file(out) if kind == "safetensors" else torch.load(out, weights_only=True)
            self.same(f"{case.name}: convert to .{kind}", case, state, wanted)
        # Back again, from what the first conversion wrote.
        back = self.folder / "back.pth"
        self.mtpret("convert", self.folder / "out.safetensors", back)
        self.same(f"{case.name}: .safetensors to .pth", case, torch.load(back, weights_only=True), wanted)
        path.unlink()

    def same(self, what, case, state, wanted):
        model = case.build()
        model.load_state_dict(state, strict=True)
        equal = state.keys() == wanted.keys()
        equal = equal and all(state[n].dtype == t.dtype and torch.equal(state[n], t) for n, t in wanted.items())
        self.hold(f"{what}: {len(state)} tensors equal, strict load", equal)

    def logits(self):
        """Stems of one channel, as they are and as `convert --channels` rewrites them."""
        x = torch.rand(2, 1, 64, 64)
        given, out = self.folder / "x.safetensors", self.folder / "y.safetensors"
        save_file({"x": x}, given)
        one = network(resnet, name="resnet50", channels=1, classes=18)
        three = network(resnet, name="resnet50", classes=18)
        for model, film in ((one, x), (three, x.repeat(1, 3, 1, 1))):
            path = self.folder / "stem.pth"
            torch.save(model.state_dict(), path)
            with torch.no_grad():
                wanted = model(film)
            close = lambda y: ((y - wanted).abs().max() / wanted.abs().max()).item()
            self.mtpret("run-model", "resnet50", "--weights", path, "--input", given, "-o", out)
            channels = model.conv1.weight.shape[1]
            error = close(load_file(out)["logits"])
            self.hold(f"run-model, stem over {channels}: logits differ by {error:.1e} of their range", error < 1e-4)
            other = 4 - channels
            to = self.folder / "other.pth"
            self.mtpret("convert", path, to, "--channels", other)
            rewritten = resnet("resnet50", other, 18).eval()
            rewritten.load_state_dict(torch.load(to, weights_only=True), strict=True)
            with torch.no_grad():
                error = close(rewritten(x.repeat(1, other, 1, 1)))
            self.hold(f"stem over {channels} made one over {other}: PyTorch's logits differ by {error:.1e}", error < 1e-4)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("exe", help="the program, as target/release/mtpret")
    parser.add_argument("--only", default="", help="only cases whose name holds this")
    parser.add_argument("--work", help="folder for the files [default: a temporary one]")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        check = Check(args.exe, Path(args.work or temporary))
        for case in cases():
            if args.only in case.name:
                check.run(case)
        if args.only in "logits":
            check.logits()
    print(f"{check.passed} passed, {check.failed} failed")
    sys.exit(check.failed > 0 or check.passed == 0)


if __name__ == "__main__":
    main()
