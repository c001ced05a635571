"""Times `mtpret bench loader` and torchvision's DataLoader on the same files in turns, and prints images a second of both.

    python benches/peers/loader.py [--rounds 5] [--workers 2] [--films FOLDER]

Run it with a Python that has torch, torchvision and Pillow. Films of FOLDER (else the sample's) are brought to 1024 × 1024 and
given grain, so that they compress as films of that size do, and kept as JPEG, PNG of 8 and PNG of 16 bits. Both then read,
decode to grey, resize with antialiasing and put together batches of 8, with as many threads as workers: the files are in the
system's memory, nothing is cached decoded. torchvision is measured by the faster of its two ways for each kind of file: Pillow
with torchvision's transforms, or `torchvision.io` with tensors. It has none for 16 bits but Pillow's decoder.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy
import torch
import torchvision
from PIL import Image
from torchvision.io import ImageReadMode, read_image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SIDE, FILMS, BATCH, SECONDS = 1024, 16, 8, 1.5
SIZES = [[224, 224], [800, 500]]


def make(folder, films):
    """Films as JPEG, PNG of 8 and of 16 bits, a folder each."""
    grain = numpy.random.default_rng(1)
    for kind in ["JPEG", "PNG, 8 bit", "PNG, 16 bit"]:
        (folder / kind).mkdir()
    for number, path in enumerate(films):
        film = Image.open(path).convert("L").resize((SIDE, SIDE), Image.BICUBIC)
        greys = numpy.clip(numpy.asarray(film, numpy.float64) + grain.normal(0, 0.55, (SIDE, SIDE)), 0, 255)
        eight = Image.fromarray(numpy.rint(greys).astype(numpy.uint8))
        eight.save(folder / "JPEG" / f"{number}.jpg", quality=90)
        eight.save(folder / "PNG, 8 bit" / f"{number}.png")
        Image.fromarray(numpy.rint(greys * 257).astype(numpy.uint16)).save(folder / "PNG, 16 bit" / f"{number}.png")


def by_pillow(path, size):
    film = Image.open(path)
    if film.mode.startswith("I"):
        words = torch.from_numpy(numpy.asarray(film).astype(numpy.float32))[None]
        return F.resize(words, size, InterpolationMode.BILINEAR, antialias=True).round().to(torch.int32)
    return F.pil_to_tensor(F.resize(film.convert("L"), size, InterpolationMode.BILINEAR))


def by_tensors(path, size):
    return F.resize(read_image(path, ImageReadMode.GRAY), size, InterpolationMode.BILINEAR, antialias=True)


class Films(torch.utils.data.Dataset):
    """Films without end, which a pass over them would start workers anew for."""

    def __init__(self, folder, size, read):
        self.paths, self.size, self.read = sorted(map(str, folder.iterdir())), size, read

    def __len__(self):
        return 1 << 20

    def __getitem__(self, at):
        return self.read(self.paths[at % len(self.paths)], self.size)


def torchvision_rate(folder, size, read, workers):
    loader = iter(torch.utils.data.DataLoader(Films(folder, size, read), BATCH, num_workers=workers))
    # What was made ready before the clock runs would count for nothing.
    for _ in range(2 * workers + 1):
        next(loader)
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < SECONDS:
        count += len(next(loader))
    return count / (time.perf_counter() - begun)


def mtpret_rates(folder, workers):
    """Images a second at each size."""
    done = subprocess.run([ROOT / "target" / "release" / "mtpret", "bench", "loader", folder, "--json"], check=True,
                          stdout=subprocess.PIPE, text=True)
    rows = json.loads(done.stdout)["loader"]
    return [next(r["images_per_second"] for r in row["rates"] if r["threads"] == workers) for row in rows]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--films", type=pathlib.Path, default=ROOT / "tests/data/sample/chest_xray/test/NORMAL")
    arguments = parser.parse_args()
    films = sorted(path for path in arguments.films.iterdir() if path.is_file())[:FILMS]
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}, {os.cpu_count()} cores, "
          f"{arguments.workers} workers or threads, median (least–most) of {arguments.rounds} rounds in turns, img/s")
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        make(scratch, films)
        for kind in sorted(scratch.iterdir()):
            ways = [by_pillow] if kind.name.endswith("16 bit") else [by_pillow, by_tensors]
            ours, theirs = [[] for _ in SIZES], [[] for _ in SIZES]
            for _ in range(arguments.rounds):
                for at, rate in enumerate(mtpret_rates(kind, arguments.workers)):
                    ours[at].append(rate)
                for at, (width, height) in enumerate(SIZES):
                    rates = [torchvision_rate(kind, [height, width], way, arguments.workers) for way in ways]
                    theirs[at].append(max(rates))
            for (width, height), a, b in zip(SIZES, ours, theirs):
                ratios = sorted(x / y for x, y in zip(a, b))
                shown = [f"{statistics.median(r):.0f} ({min(r):.0f}–{max(r):.0f})" for r in (a, b)]
                print(f"{kind.name}, {width} × {height}: mtpret {shown[0]}, torchvision {shown[1]}, "
                      f"{statistics.median(ratios):.2f} × ({ratios[0]:.2f}–{ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
