"""Writes tests/data/sample: small, patient-disjoint parts of Kermany and FracAtlas.

    python3 tools/sample/sample.py SRC OUT

SRC holds `chest_xray/*/{NORMAL,PNEUMONIA}/*.jpeg` (Kermany, any splits) and
`FracAtlas/{images/{Fractured,Non_fractured}/*.jpg,Annotations/COCO JSON/*.json}`. Films are turned as EXIF says, made grey, reduced
to SIDE pixels on the long side and saved as JPEG; films that the sources hold twice are taken once.
Needs Pillow and NumPy. The same SRC gives the same OUT, but for the outlines of the lungs, which `tools/sample/outlines.py` draws next
(`chest_xray/lungs_*.json`) and whose figures stand below.
"""

import csv
import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

import numpy
from PIL import Image, ImageOps

SIDE = 160
QUALITY = 85
LIMIT = 5_500_000
TWIN = 0.985  # Correlation of two 24 x 24 reductions from which on they are the same film.
SHARES = {"test": 0.25, "val": 0.15}  # The rest is train.

LICENSES = f"""# Sources and licences of the sample

Every film was turned as its EXIF tag says, made grey, reduced to {SIDE} pixels on the long side and
saved as JPEG of quality {QUALITY}; a part of the films was chosen, balanced by class, freed of films that
occur twice and divided anew by patient (`tools/sample/sample.py`). Figures reached on them compare with no
published ones, and nothing here is for clinical use.

## chest_xray

- Source: Large Dataset of Labeled Optical Coherence Tomography (OCT) and Chest X-Ray Images,
  Mendeley Data, <https://doi.org/10.17632/rscbjbr9sj>
- Authors: Daniel Kermany, Kang Zhang, Michael Goldbaum
- Licence: CC BY 4.0, <https://creativecommons.org/licenses/by/4.0/>
- Changes: as above; file names as published

## chest_xray/lungs_train.json, lungs_val.json, lungs_test.json

- What they are: an outline and a box of each lung on 665 of the 698 films of `chest_xray`, **drawn by networks of this program, not by
  people** (`tools/sample/outlines.py` says how, and makes them again): DeepLabV3 on ResNet-18 at 192 pixels. Every film was outlined by two
  networks, of two divisions of the patients into three parts, neither of which saw a film of its patient; the outline is the middle
  between the two. Left out are 31 films on which they disagree (Dice below .95 between them) and 2 on which they do not find two lungs:
  4.7 %, of which all but one show pneumonia
- How good they are: Dice .942 (.940 to .944, 95 % over patients) against people's outlines of the 531 films that have them and were kept, the
  worst .748; .939 (.937 to .942) of all 553, kept or not. Nothing measures those of the other 134. As on people's outlines
  of these films, the part of a lung that lies behind the heart counts as lung
- Learnt from: outlines of 554 films of the same source by V7 Labs (CC BY 4.0), of which none is here
- Licence: CC BY 4.0, as what they were made from

## fracatlas

- Source: FracAtlas, figshare, <https://doi.org/10.6084/m9.figshare.22363012>; described in
  FracAtlas: A Dataset for Fracture Classification, Localization and Segmentation of Musculoskeletal
  Radiographs, Scientific Data 10, 521 (2023), <https://doi.org/10.1038/s41597-023-02432-4>
- Authors: Iftekharul Abedeen, Md. Ashiqur Rahman, Fatema Zohra Prottyasha, Tasnim Ahmed,
  Tareque Mohmud Chowdhury, Swakkhar Shatabda
- Licence: CC BY 4.0, <https://creativecommons.org/licenses/by/4.0/>
- Changes: as above; the labels are the folders of the source, and each film counts as a patient, for
  the source names none; boxes and outlines are reduced as their films are
"""


def patient(stem):
    """As src/pipeline/data/dataset/patient.rs."""
    found = re.match(r"person\d+|.*?IM-\d+", stem)
    return found.group() if found else stem


def order(text):
    return hashlib.sha256(text.encode()).hexdigest()


def divide(films):
    """(class, path) pairs -> {split: pairs}; whole patients, each class by its share."""
    groups = {}
    for label, path in films:
        groups.setdefault(patient(path.stem), []).append((label, path))
    wanted = {}
    for label in {label for label, _ in films}:
        count = sum(l == label for l, _ in films)
        wanted[label] = {split: round(count * share) for split, share in SHARES.items()}
    parts = {"train": [], "val": [], "test": []}
    for name in sorted(groups, key=order):
        left = wanted[groups[name][0][0]]
        split = next((s for s in SHARES if left[s] >= len(groups[name])), "train")
        if split != "train":
            left[split] -= len(groups[name])
        parts[split] += groups[name]
    return parts


def opened(path):
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("L")


def without_twins(films):
    """The films that resemble none before them."""
    kept, seen = [], []
    for label, path in films:
        small = numpy.asarray(opened(path).resize((24, 24), Image.BILINEAR), float).ravel()
        small = (small - small.mean()) / (small.std() * small.size**0.5)
        if not seen or (numpy.stack(seen) @ small).max() < TWIN:
            kept.append((label, path))
            seen.append(small)
        else:
            print(f"left out as a twin: {path.name}")
    return kept


def balanced(films):
    """As many films of every class, chosen by a hash of the name."""
    labels = sorted({label for label, _ in films})
    ranked = {l: sorted((p for k, p in films if k == l), key=lambda p: order(p.name)) for l in labels}
    count = min(map(len, ranked.values()))
    return [(label, path) for label in labels for path in ranked[label][:count]]


def write(source, target):
    film = opened(source)
    film.thumbnail((SIDE, SIDE), Image.BILINEAR)
    target.parent.mkdir(parents=True, exist_ok=True)
    film.save(target, "JPEG", quality=QUALITY, optimize=True)


def annotated(source, films, parts):
    """{split: COCO} of the boxes and outlines, reduced as their films are; `parts` {stem: split}."""
    published = json.loads(next(source.glob("FracAtlas/Annotations/COCO JSON/*.json")).read_text())
    sizes = {i["id"]: (Path(i["file_name"]).stem, i["width"], i["height"]) for i in published["images"]}
    whole = {split: {"images": [], "annotations": [], "categories": []} for split in parts.values()}
    places = {}
    for number, stem in enumerate(sorted(parts), 1):
        with Image.open(films / f"{stem}.jpg") as film:
            width, height = film.size
        places[stem] = (number, width, height)
        entry = {"id": number, "file_name": f"{stem}.jpg", "width": width, "height": height}
        whole[parts[stem]]["images"].append(entry)
    for part in whole.values():
        part["categories"] = [{"id": 1, "name": "fracture"}]
    for found in published["annotations"]:
        stem, published_width, published_height = sizes[found["image_id"]]
        if stem not in parts:
            continue
        number, width, height = places[stem]
        scale = [width / published_width, height / published_height]
        scaled = lambda numbers: [round(v * scale[i % 2], 1) for i, v in enumerate(numbers)]
        annotations = whole[parts[stem]]["annotations"]
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": 1,
                "bbox": scaled(found["bbox"]),
                "segmentation": [scaled(outline) for outline in found["segmentation"]],
            }
        )
    return whole


def main():
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    for films in ("chest_xray/train", "chest_xray/val", "chest_xray/test", "fracatlas"):
        shutil.rmtree(out / films, ignore_errors=True)

    films = [(p.parent.name, p) for p in sorted(source.glob("chest_xray/*/*/*.jpeg"))]
    for split, part in divide(balanced(without_twins(films))).items():
        for label, path in part:
            write(path, out / "chest_xray" / split / label / path.name)

    films = [(p.parent.name, p) for p in sorted(source.glob("FracAtlas/images/*/*.jpg"))]
    rows = []
    for split, part in divide(balanced(without_twins(films))).items():
        for label, path in part:
            write(path, out / "fracatlas/images" / path.name)
            rows.append((f"images/{path.name}", label, path.stem, split))
    with open(out / "fracatlas/manifest.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(
            [("path", "label", "patient", "split"), *sorted(rows)]
        )
    parts = {stem: split for _, _, stem, split in rows}
    for split, coco in annotated(source, out / "fracatlas/images", parts).items():
        text = json.dumps(coco, separators=(",", ":"))
        (out / f"fracatlas/fractures_{split}.json").write_text(text + "\n")
    (out / "LICENSES.md").write_text(LICENSES)

    size = sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    print(f"{size} bytes")
    if size > LIMIT:
        sys.exit(f"expected at most {LIMIT} bytes, found {size}; lower SIDE or QUALITY")


if __name__ == "__main__":
    main()
