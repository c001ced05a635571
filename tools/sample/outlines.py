"""Outlines the lungs on the chest films of tests/data/sample, by networks of this program.

    python3 tools/sample/outlines.py EXE SRC WORK [SAMPLE]

SRC holds `chest_xray/*/{NORMAL,PNEUMONIA}/*.jpeg` (Kermany) and `chest_xray_lungs/` with outlines that people drew on some
of these films (`lungs.csv`: film, mask). Two divisions of all patients into FOLDS parts are drawn. For each part of each
division a DeepLabV3 learns from people's outlines on films of the other parts (a tenth of their patients chooses the
epoch), and outlines the films of this part: so every film is outlined by two networks, neither of which saw any film of its
patient (films that SRC holds twice are of one patient). Kept is what both agree on: Dice AGREE or more between them, two lungs in both. The outline is the middle
between the two. No outline that people drew goes into SAMPLE: they are learnt from and measured against, here alone.

Writes `SAMPLE/chest_xray/lungs_{train,val,test}.json` (COCO: a polygon and a box for each lung, in pixels of the sample's
film) and `WORK/figures.json`, prints the figures. Runs that are there already are kept, so it can be stopped and called
again. Needs Pillow and NumPy. Some minutes for each of the 2 x FOLDS networks on two cores.
"""

import argparse
import csv
import hashlib
import json
import random
import shutil
import subprocess
from pathlib import Path

import numpy
from PIL import Image, ImageFilter

from sample import patient

FOLDS, DIVISIONS = 3, (1, 2)
AGREE = 0.95
SETTINGS = """task="lungs" segment.width=192 segment.height=192 segment.batch=8 segment.output_stride=16 optim.lr=0.02
optim.warmup_steps=20 epochs=8 patience=0 log.save_every=100""".split()
TOLERANCE = 0.5  # Pixels by which a polygon may leave the outline.
SPECK = 0.02  # Parts smaller than this share of the film's outline are specks.
REPLICATES = 1000


def part_of(division, name):
    """A number from 0 to 1 that follows from the name alone."""
    return int(hashlib.sha256(f"{division} {name}".encode()).hexdigest()[:12], 16) / 16**12


def fold(division, film):
    return int(part_of(division, patient(film.stem)) * FOLDS)


def gather(exe, drawn, films, folder):
    """The films that people outlined, with their masks, in one folder; and the table that says the part of each."""
    table = folder / "splits.csv"
    if not table.is_file():
        for name in ("images", "masks"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for stem, outline in drawn.items():
            shutil.copy(films[stem], folder / "images")
            shutil.copy(outline, folder / f"masks/{stem}.png")
        subprocess.run([exe, "data", "splits", folder, "-o", table], check=True)
    return list(csv.DictReader(open(table)))


def train(exe, rows, work, division, held_out):
    """The folder of the network that never saw the patients of one fold."""
    run, table = (work / f"division-{division}-fold-{held_out}{end}" for end in ("", ".csv"))
    if (run / "weights.safetensors").is_file():
        return run
    if (run / "config.resolved.toml").is_file():
        subprocess.run([exe, "finetune", "--resume", run], check=True)
        return run
    with open(table, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            film = Path(row["film"])
            learns = "val" if part_of(division, f"val {patient(film.stem)}") < 0.1 else "train"
            writer.writerow(row | {"part": "test" if fold(division, film) == held_out else learns})
    source = f"{{name='lungs',format='masks',root='{work}/films',images='images',masks=['masks/{{}}.png'],splits='{table}'}}"
    settings = [f"source=[{source}]", f"seed={division * 10 + held_out}", *SETTINGS]
    sets = [word for setting in settings for word in ("--set", setting)]
    subprocess.run([exe, "finetune", "finetune/resnet18", "--run", run, *sets], check=True)
    return run


def predict(exe, run, films, into):
    """Masks of the films, at their own size, as {stem: array}."""
    missing = [film for film in films if not (into / f"{film.stem}.png").is_file()]
    if missing:
        subprocess.run([exe, "predict", run, *missing, "--masks", into, "-o", into.with_suffix(".csv")], check=True)


def mask(path):
    with Image.open(path) as image:
        return numpy.asarray(image.convert("L")) > 127


def dice(a, b):
    return 2 * (a & b).sum() / max(1, a.sum() + b.sum())


def between(a, b):
    """The middle between two masks: where their mean, blurred by a fortieth of the width, is a half or more."""
    mean = Image.fromarray(((a.astype(float) + b) * 127.5).astype(numpy.uint8))
    return numpy.asarray(mean.filter(ImageFilter.GaussianBlur(a.shape[1] / 40))) > 127


def loops(grid):
    """Closed outlines of a mask as lists of corners, the inside at their right hand; holes run the other way round."""
    padded = numpy.pad(grid, 1)
    follow = {}
    for dy, dx, start, end in ((-1, 0, (0, 0), (1, 0)), (0, 1, (1, 0), (1, 1)), (1, 0, (1, 1), (0, 1)), (0, -1, (0, 1), (0, 0))):
        edge = padded & ~numpy.roll(padded, (-dy, -dx), (0, 1))
        for y, x in zip(*numpy.nonzero(edge)):
            corner = lambda at: (int(x) - 1 + at[0], int(y) - 1 + at[1])
            follow.setdefault(corner(start), []).append(corner(end))
    found = []
    while follow:
        at = first = next(iter(follow))
        loop, heading = [], None
        while True:
            loop.append(at)
            ends = follow[at]
            # Where two parts touch at a corner, turn right: each part keeps its own outline.
            right = lambda end: heading is not None and (end[0] - at[0], end[1] - at[1]) == (-heading[1], heading[0])
            end = next((e for e in ends if right(e)), ends[0])
            ends.remove(end)
            if not ends:
                del follow[at]
            heading, at = (end[0] - at[0], end[1] - at[1]), end
            if at == first:
                break
        found.append(loop)
    return found


def area(loop):
    """Twice the signed area inside a loop."""
    x, y = numpy.array(loop, float).T
    return float((x * numpy.roll(y, -1) - numpy.roll(x, -1) * y).sum())


def simplified(points, tolerance):
    """Douglas and Peucker's line through fewer of the points."""
    points = numpy.array(points, float)
    keep, todo = {0, len(points) - 1}, [(0, len(points) - 1)]
    while todo:
        a, b = todo.pop()
        if b - a < 2:
            continue
        along = points[b] - points[a]
        off = points[a + 1 : b] - points[a]
        length = numpy.hypot(*along)
        far = numpy.abs(along[0] * off[:, 1] - along[1] * off[:, 0]) / length if length else numpy.hypot(*off.T)
        if far.max() > tolerance:
            middle = a + 1 + int(far.argmax())
            keep.add(middle)
            todo += [(a, middle), (middle, b)]
    return points[sorted(keep)]


def lungs(grid):
    """The outer outlines of the parts that are no specks, from the left of the picture."""
    outer = [loop for loop in loops(grid) if area(loop) > 0]
    whole = sum(map(area, outer))
    return sorted((loop for loop in outer if area(loop) >= SPECK * whole), key=lambda loop: min(x for x, _ in loop))


def interval(figures, patients):
    """The mean of a figure over films and its 95 % interval, patients drawn anew."""
    groups = {}
    for figure, name in zip(figures, patients):
        groups.setdefault(name, []).append(figure)
    groups, draw, means = list(groups.values()), random.Random(1), []
    for _ in range(REPLICATES):
        drawn = [f for group in draw.choices(groups, k=len(groups)) for f in group]
        means.append(sum(drawn) / len(drawn))
    means.sort()
    return [sum(figures) / len(figures), means[int(0.025 * REPLICATES)], means[int(0.975 * REPLICATES) - 1]]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("exe")
    options.add_argument("src", type=Path)
    options.add_argument("work", type=Path)
    options.add_argument("sample", type=Path, nargs="?", default=Path(__file__).parents[2] / "tests/data/sample")
    options.add_argument("--only", metavar="D-F", action="append", help="train this network alone, for example 1-0")
    given = options.parse_args()
    src, work = given.src.resolve(), given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    drawn = {Path(row["film"]).stem: src / "chest_xray_lungs" / row["mask"]
             for row in csv.DictReader(open(src / "chest_xray_lungs/lungs.csv"))}
    films = {path.stem: path for path in sorted(src.glob("chest_xray/*/*/*.jpeg"))}
    shown = {path.stem: path for path in sorted(given.sample.glob("chest_xray/*/*/*.jpeg"))}

    rows, runs = gather(given.exe, drawn, films, work / "films"), {}
    for division in DIVISIONS:
        for held_out in range(FOLDS):
            if not given.only or f"{division}-{held_out}" in given.only:
                runs[division, held_out] = train(given.exe, rows, work, division, held_out)
    if given.only:
        return
    figures = {"folds": {}}
    for (division, held_out), run in runs.items():
        mine = [films[stem] for stem in shown if fold(division, films[stem]) == held_out]
        predict(given.exe, run, mine, work / f"masks-{division}")
        scores = json.loads((run / "scores.json").read_text())
        figures["folds"][f"division {division}, fold {held_out}"] = {
            "films": scores["images"], "dice": scores["dice"], "ci": scores["ci"]["dice"],
            "learnt_from": sum(row["part"] == "train" for row in csv.DictReader(open(work / f"{run.name}.csv"))),
        }

    parts = {part: {"images": [], "annotations": [], "categories": [{"id": 1, "name": "lung"}]} for part in ("train", "val", "test")}
    agreement, kept, dropped = {}, [], {"disagree": {}, "not two lungs": {}}
    for stem, path in shown.items():
        both = [mask(work / f"masks-{division}/{stem}.png") for division in DIVISIONS]
        agreement[stem] = dice(*both)
        label = path.parent.name
        middle = between(*both)
        outlines = lungs(middle)
        if agreement[stem] < AGREE or len(outlines) != 2 or any(len(lungs(one)) != 2 for one in both):
            why = "disagree" if agreement[stem] < AGREE else "not two lungs"
            dropped[why][label] = dropped[why].get(label, 0) + 1
            continue
        with Image.open(path) as film:
            size = film.size
        scale = numpy.array(size, float) / middle.shape[::-1]
        part = parts[path.parents[1].name]
        image = len(part["images"]) + 1
        part["images"].append({"id": image, "file_name": f"{path.parents[1].name}/{label}/{path.name}", "width": size[0], "height": size[1]})
        for loop in outlines:
            points = simplified([*loop, loop[0]] * scale, TOLERANCE)[:-1].round(1)
            (left, top), (right, bottom) = points.min(0), points.max(0)
            box = [round(float(v), 1) for v in (left, top, right - left, bottom - top)]
            part["annotations"].append({
                "id": len(part["annotations"]) + 1, "image_id": image, "category_id": 1,
                "bbox": box, "segmentation": [points.ravel().tolist()],
            })
        kept.append(stem)
    for part, coco in parts.items():
        (given.sample / f"chest_xray/lungs_{part}.json").write_text(json.dumps(coco, separators=(",", ":")) + "\n")

    def against_people(stems, outline):
        stems = [stem for stem in stems if stem in drawn]
        values = [dice(outline(stem), mask(drawn[stem])) for stem in stems]
        return {"films": len(stems), "dice": interval(values, [patient(stem) for stem in stems]), "worst": min(values)}

    middle = lambda stem: between(*(mask(work / f"masks-{division}/{stem}.png") for division in DIVISIONS))
    figures |= {
        "films": len(shown), "kept": len(kept), "dropped": dropped,
        "kept_by_part_and_class": {
            f"{part} {label}": sum(f"/{label}/" in i["file_name"] for i in coco["images"]) for part, coco in parts.items() for label in ("NORMAL", "PNEUMONIA")},
        "agreement": {"mean": float(numpy.mean(list(agreement.values()))), "median": float(numpy.median(list(agreement.values())))},
        "all_films_against_people": against_people(shown, middle),
        "kept_films_against_people": against_people(kept, middle),
    }
    (work / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
