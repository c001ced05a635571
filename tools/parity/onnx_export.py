"""Exports a small trained network of each kind as ONNX and runs it with onnxruntime on real films.

    python3 tools/parity/onnx_export.py EXE [--only TEXT] [--work DIR]

Needs onnx, onnxruntime, numpy, pillow and safetensors. Each network learns eight films of tests/data/sample by heart
(copied as PNG, so that both sides decode the same grey levels), a minute or a few each on two cores. Then
  checker    onnx.checker.check_model(full_check=True) passes
  engine     what onnxruntime gives against `mtpret run-model` on the same input: largest difference of probabilities, and
             of their logarithms relative to these, at most 1e-4; of features relative to the largest;
             of boxes the largest difference of a corner in pixels, at most 1e-2, beside it that of the scores
  run        the same against the predictions that the run itself wrote of its films, which it read, resized and
             normalised itself: probabilities; the share of a mask's pixels that differ, at most 1e-4; boxes as above
  bundle     the network exported from the run's bundle is the same file
Closes with 'N passed, M failed'; exit 1 if any failed.
"""
import argparse
import csv
import filecmp
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from PIL import Image
from safetensors.numpy import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "tests" / "data" / "sample"
FILMS = 8
CLOSE, PIXELS, SHARE = 1e-4, 1e-2, 1e-4
STRETCH = {"preset": "torchvision", "fit": "stretch", "proposals": "[2000,1000]"}
LETTERBOX = {"preset": "paddle", "fit": "letterbox", "proposals": "[1000,1000]"}
# Name for run-model, source, width and height, epochs, settings of its section.
NETWORKS = [
    ("resnet18", "classes", 160, 128, 3, {}),
    ("resnet18", "one logit", 96, 96, 3, {}),
    ("resnet18", "findings", 96, 128, 3, {}),
    ("resnet50", "classes", 96, 96, 2, {}),
    ("deeplabv3_resnet18", "masks", 128, 160, 10, {"preset": "torchvision", "output_stride": 16}),
    ("deeplabv3_resnet50", "masks", 96, 80, 4, {"preset": "paddle", "output_stride": 8}),
    ("fasterrcnn_resnet18_fpn", "boxes", 192, 224, 10, STRETCH),
    ("fasterrcnn_resnet50_fpn", "boxes", 160, 128, 5, STRETCH),
    ("fasterrcnn_resnet18_fpn", "boxes", 160, 128, 10, LETTERBOX),
]


def films(work):
    """Sources as `--set source` takes them, on PNG copies of real films."""
    classes, rows = work / "films", [["path", "pneumonia", "bacteria"]]
    for name in ("NORMAL", "PNEUMONIA"):
        (classes / name).mkdir(parents=True, exist_ok=True)
        for path in sorted((SAMPLE / "chest_xray" / "train" / name).iterdir())[:12]:
            Image.open(path).convert("L").save(classes / name / f"{path.stem}.png")
            rows.append([f"{name}/{path.stem}.png", int(name == "PNEUMONIA"), int("bacteria" in path.stem)])
    with open(work / "findings.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    limbs = work / "limbs"
    limbs.mkdir(exist_ok=True)
    coco = json.loads((SAMPLE / "fracatlas" / "fractures_train.json").read_text())
    broken = {a["image_id"] for a in coco["annotations"]}
    coco["images"] = [i for i in coco["images"] if i["id"] in broken][:24]
    kept = {i["id"] for i in coco["images"]}
    coco["annotations"] = [a for a in coco["annotations"] if a["image_id"] in kept]
    for image in coco["images"]:
        path = SAMPLE / "fracatlas" / "images" / image["file_name"]
        image["file_name"] = f"{path.stem}.png"
        Image.open(path).convert("L").save(limbs / image["file_name"])
    (limbs / "all.json").write_text(json.dumps(coco))
    limb = f'format="coco",root="{limbs}",annotations=["all.json"]'
    table = f'table="{work / "findings.csv"}",label_columns=["pneumonia","bacteria"]'
    return {
        "classes": f'{{name="classes",format="folder",root="{classes}"}}',
        "one logit": f'{{name="one logit",format="folder",root="{classes}"}}',
        "findings": f'{{name="findings",format="csv",root="{classes}",{table}}}',
        "masks": f'{{name="masks",shape="mask",{limb}}}',
        "boxes": f'{{name="boxes",{limb}}}',
    }


def call(exe, *words):
    done = subprocess.run([exe, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"mtpret {' '.join(map(str, words))}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def trained(exe, run, source, network):
    """Fine-tunes the network in the folder `run`, unless it is there."""
    name, kind, width, height, epochs, settings = network
    if (run / "weights.safetensors").exists():
        return
    section = {"masks": "segment", "boxes": "detect"}.get(kind, "data")
    sets = {"source": f"[{source}]", "task": kind, "epochs": epochs, "data.batch": 4, "log.every": 1000,
            f"{section}.width": width, f"{section}.height": height, f"{section}.batch": 4, "patience": 0}
    sets |= {f"{section}.{key}": value for key, value in settings.items()}
    if kind == "one logit":
        sets["classify.binary"] = "sigmoid"
    if kind == "boxes":
        sets |= {"optim.lr": 0.02, "optim.warmup_steps": 10, "detect.sampled": 64}
    depth = "resnet50" if "resnet50" in name else "resnet18"
    words = [word for pair in sets.items() for word in ("--set", "=".join(map(str, pair)))]
    call(exe, "finetune", f"finetune/{depth}", "--overfit", FILMS, "--run", run, *words)


def prepared(path, words):
    """A film as the metadata says: grey levels at the network's size, and how much of it the film fills."""
    width, height = int(words["width"]), int(words["height"])
    film = Image.open(path).convert("L").convert("F")
    extent = (width, height)
    if not words["resize"].startswith("stretch"):
        w, h = film.size
        extent = (width, max(h * width // w, 1)) if width * h <= height * w else (max(w * height // h, 1), height)
    input = np.zeros((height, width), np.float32)
    input[: extent[1], : extent[0]] = np.asarray(film.resize(extent, Image.Resampling.BILINEAR))
    return input, np.array(extent, np.float32), np.array(film.size, np.float64)


def predict(file, paths):
    """What onnxruntime gives of each film: {output: value}, and the films as they were prepared."""
    network = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    words = network.get_modelmeta().custom_metadata_map
    names = [output.name for output in network.get_outputs()]
    found, inputs = [], [prepared(path, words) for path in paths]
    for film, extent, _ in inputs:
        feed = {"image": film[None, None]}
        if "extent" in {i.name for i in network.get_inputs()}:
            feed["extent"] = extent
        found.append(dict(zip(names, network.run(None, feed))))
    if "boxes" not in names:  # all at once is the same
        all = network.run(None, {"image": np.stack([film for film, _, _ in inputs])[:, None]})
        for i, one in enumerate(found):
            for name, value in zip(names, all):
                assert np.abs(value[i].astype(float) - one[name][0]).max() < 1e-5, f"{name}: a batch differs from its films"
    return found, inputs, words


def run_model(exe, work, run, name, inputs, words, settings):
    """What the engine gives of the same input."""
    x = np.stack([film for film, _, _ in inputs])[:, None]
    x = ((x - np.float32(words["mean"])) / np.float32(words["std"])).repeat(3, 1)
    options = [w for key in ("preset", "output_stride") if key in settings for w in (f"--{key.replace('_', '-')}", settings[key])]

    def given(x):
        save_file({"x": np.ascontiguousarray(x)}, work / "x.safetensors")
        call(exe, "run-model", name, "--weights", run / "weights.safetensors", "--input", work / "x.safetensors", "-o", work / "y.safetensors", *options)
        return load_file(work / "y.safetensors")

    if not name.startswith("fasterrcnn"):
        return given(x)
    # The boxes of many films need more memory than some adapters bind at once.
    found = [given(x[i : i + 1]) for i in range(len(x))]
    return {f"{key.split('.')[0]}.{i}": value for i, one in enumerate(found) for key, value in one.items()}


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def softmax(x):
    powers = np.exp(x.astype(np.float64) - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def enlarged(x, size):
    """x [H, W] at `size` (width, height), by bilinear interpolation between pixels' centres."""
    def places(count, pixels):
        at = ((np.arange(count) + 0.5) * pixels / count - 0.5).clip(0, pixels - 1)
        low = np.floor(at).astype(int)
        return low, (low + 1).clip(max=pixels - 1), at - low
    (top, bottom, down), (left, right, along) = places(size[1], x.shape[0]), places(size[0], x.shape[1])
    mix = lambda row: x[row][:, left] + (x[row][:, right] - x[row][:, left]) * along
    return mix(top) + (mix(bottom) - mix(top)) * down[:, None]


def unlike(found, wanted):
    """(largest distance of a corner, of a score, how many there are) of boxes that must be the same; each of `wanted`
    is met with the nearest of its label, since those of nearly one score may change places."""
    (boxes, scores, labels), (of, likely, classes) = found, wanted
    if len(boxes) != len(of):
        return math.inf, math.inf, len(of)
    corner = score = 0.0
    left = list(range(len(boxes)))
    for box, p, c in zip(of, likely, classes):
        far = [np.abs(boxes[i] - box).max() + abs(scores[i] - p) + (1e9 if labels[i] != c else 0) for i in left]
        i = left.pop(int(np.argmin(far)))
        corner = max(corner, np.abs(boxes[i] - box).max() + (0 if labels[i] == c else math.inf))
        score = max(score, abs(scores[i] - p))
    return corner, score, len(of)


def from_engine(kind, found, y):
    """Difference from the engine's outputs, as words and as whether it is small."""
    if kind == "boxes":
        engine = [(y[f"boxes.{i}"], y[f"scores.{i}"], y[f"labels.{i}"] - 1) for i in range(len(found))]
        return boxes([(f["boxes"], f["scores"], f["labels"]) for f in found], engine)
    second = lambda: sigmoid(y["logits"])
    wanted = {"classes": lambda: softmax(y["logits"]), "one logit": lambda: np.concatenate([1 - second(), second()], 1), "findings": lambda: sigmoid(y["logits"]), "masks": lambda: sigmoid(y["out"])}[kind]()
    # onnxruntime's softmax has all its digits at every size, its sigmoid is right to 6e-8 however small it is.
    least = 1e-37 if kind == "classes" else 1e-3
    return number(max(apart(f["probabilities"][0], w, least) for f, w in zip(found, wanted)), CLOSE)


def apart(p, q, least):
    """Largest difference of probabilities, and of the logarithms of those above `least` relative to these: a network that
    is sure of all would hide faults behind 0 and 1."""
    p, seen = p.astype(np.float64), (p > least) & (q > least)
    logarithms = np.abs(np.log(p[seen]) - np.log(q[seen])) / np.abs(np.log(q[seen])).clip(1)
    return max(np.abs(p - q).max(), logarithms.max(initial=0.0))


def number(worst, limit):
    return f"{worst:.1e}", bool(worst <= limit)


def boxes(found, wanted):
    all = [unlike(*pair) for pair in zip(found, wanted)]
    corner, score = max(a for a, _, _ in all), max(s for _, s, _ in all)
    return f"{corner:.1e} px, {score:.1e}, {sum(n for _, _, n in all)} boxes", bool(corner <= PIXELS and score <= CLOSE)


def from_run(kind, run, found, inputs, films_of):
    """Difference from what the run wrote of its own films."""
    if kind == "boxes":
        results = json.loads((run / "predictions.json").read_text())
        engine = []
        for i in range(len(found)):
            own = [r for r in results if r["image_id"] == i]
            corners = np.array([[b[0], b[1], b[0] + b[2], b[1] + b[3]] for b in (r["bbox"] for r in own)]).reshape(-1, 4)
            engine.append((corners, np.array([r["score"] for r in own]), np.array([r["category_id"] - 1 for r in own])))
        scaled = [(f["boxes"] * np.tile(size / extent, 2), f["scores"], f["labels"]) for f, (_, extent, size) in zip(found, inputs)]
        return boxes(scaled, engine)
    if kind == "masks":
        wrong = all = 0
        for f, (_, _, size), path in zip(found, inputs, films_of):
            p = f["probabilities"][0, 0].astype(np.float64)
            assert (f["mask"][0, 0] == (p >= 0.5)).all(), "mask and probabilities disagree"
            mask = enlarged(np.log(p.clip(1e-30) / (1 - p).clip(1e-30)), size.astype(int)) >= 0
            own = np.asarray(Image.open(run / "masks" / f"{path.stem}.png")) > 0
            wrong, all = wrong + (mask != own).sum(), all + own.size
        return number(wrong / all, SHARE)
    rows = list(csv.reader(open(run / "predictions.csv")))[1:]
    return number(max(np.abs(f["probabilities"][0] - np.array(row[1:], float)).max() for f, row in zip(found, rows)), CLOSE)


def films_of(kind, run):
    """The films that a run predicted, in its order."""
    if kind == "boxes":
        return [Path(image["file_name"]) for image in json.loads((run / "targets.json").read_text())["images"]]
    if kind == "masks":
        return [run.parent / "limbs" / path.name for path in sorted((run / "masks").iterdir())]
    return [Path(row[0]) for row in list(csv.reader(open(run / "predictions.csv")))[1:]]


def finds_nothing(model, feed):
    """Whether a detector that takes everything for background gives empty lists."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    bias = next(i for i in model.graph.initializer if i.name == "roi_heads.box_predictor.cls_score.bias")
    values = onnx.numpy_helper.to_array(bias).copy()
    values[0] += 1000
    bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
    network = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    boxes, scores, labels = network.run(["boxes", "scores", "labels"], feed)
    return boxes.shape == (0, 4) and scores.shape == labels.shape == (0,)


def check_features(exe, work, run, name, paths, table):
    """The backbone alone, of a run and of a lone file of weights, on films of a size it never saw."""
    for path in (run, run / "weights.safetensors"):
        file = work / "features.onnx"
        call(exe, "export", path, "--features", "-o", file)
        onnx.checker.check_model(onnx.load(file), full_check=True)
        words = {p.key: p.value for p in onnx.load(file).metadata_props}
        inputs = [prepared(p, {**words, "width": 120, "height": 88, "resize": "stretch"}) for p in paths]
        network = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        features, map = network.run(["features", "map"], {"image": np.stack([f for f, _, _ in inputs])[:, None]})
        y = run_model(exe, work, run, name, inputs, words, {})["features.5"]
        worst = max(np.abs(map - y).max(), np.abs(features - y.mean((2, 3))).max()) / np.abs(y).max()
        what = "features" + ("" if path == run else " of a file")
        table.append([name, what, "88 x 120", f"{file.stat().st_size / 2**20:.0f}", "ok", *number(worst, CLOSE)[:1], "", "", worst <= CLOSE])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exe", type=Path, help="path of mtpret")
    parser.add_argument("--only", default="", metavar="TEXT", help="only networks whose name or kind holds it")
    parser.add_argument("--work", type=Path, default=ROOT / "target" / "onnx", metavar="DIR")
    given = parser.parse_args()
    exe, work = str(given.exe.resolve()), given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    sources, table = films(work), []
    for network in NETWORKS:
        name, kind, width, height, _, settings = network
        if given.only not in f"{name} {kind}":
            continue
        run = work / f"{name}-{kind}-{width}x{height}"
        print(f"{run.name} …", file=sys.stderr, flush=True)
        trained(exe, run, sources[kind], network)
        file, bundle = run.with_suffix(".onnx"), run.with_suffix(".mtpret")
        call(exe, "export", run, "-o", file)
        model = onnx.load(file)
        onnx.checker.check_model(model, full_check=True)
        paths = films_of(kind, run)
        found, inputs, words = predict(file, paths)
        assert words["notice"] == "not for diagnostic use" and json.loads(words["labels"]), words
        assert kind != "boxes" or any(len(f["boxes"]) for f in found), "no box was found: this would say nothing"
        if kind == "boxes":
            film, extent, _ = inputs[0]
            feed = {"image": film[None, None]} | ({"extent": extent} if "extent" in {i.name for i in model.graph.input} else {})
            assert finds_nothing(model, feed), "a film without anything on it"
        same = from_run(kind, run, found, inputs, paths)
        letterboxed = settings.get("fit") == "letterbox"
        engine = ("", True) if letterboxed else from_engine(kind, found, run_model(exe, work, run, name, inputs, words, settings))
        call(exe, "bundle", run, "-o", bundle)
        call(exe, "export", bundle, "-o", work / "bundle.onnx")
        bundled = filecmp.cmp(file, work / "bundle.onnx", shallow=False)
        size = f"{height} x {width}" + (", letterboxed" if letterboxed else "")
        good = engine[1] and same[1] and bundled
        table.append([name, kind, size, f"{file.stat().st_size / 2**20:.0f}", "ok", engine[0], same[0], "same" if bundled else "differs", good])
        if kind == "classes":
            check_features(exe, work, run, name, paths, table)
    print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}, {FILMS} real films each\n")
    print("| network | what | size | MiB | checker | engine | run | bundle | |\n|---|---|---|---|---|---|---|---|---|")
    for row in table:
        print("| " + " | ".join(map(str, [*row[:-1], "ok" if row[-1] else "FAIL"])) + " |")
    failed = sum(not row[-1] for row in table)
    print(f"{len(table) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not table else 0)


if __name__ == "__main__":
    main()
