"""Times a training step of mtpret, of Burn's wgpu backend and of PyTorch on the CPU in turns, and prints the ratios.

    python benches/peers/run.py [--rounds 3] [--peers burn,torch] [DEPTH:BATCH:SIZE ...]

Run it with a Python that has torch and torchvision, or leave torch out. Burn is built first (half an hour on two cores), in
its own target folder (CARGO_TARGET_DIR, else benches/peers/burn/target), so that nothing of it is in mtpret's tree. All run
on the adapter that each finds first; a step is forward, cross-entropy, backward and SGD with momentum, f32.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def output(command, **more):
    """The last line of a program's standard output, as JSON."""
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **more)
    return json.loads(done.stdout.strip().splitlines()[-1])


def build(folder, target):
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=folder, check=True,
                   env={**os.environ, "CARGO_TARGET_DIR": str(target)})
    return target / "release"


def programs(peers):
    """For each engine, images a second of one run at (depth, batch, size)."""
    ours = build(ROOT, ROOT / "target") / "mtpret"

    def mtpret(depth, batch, size):
        command = [ours, "bench", "step", "--model", f"resnet{depth}", "--batch", str(batch), "--size", str(size), "--json"]
        return output(command)["step"]["images_per_second"]

    all_of = {"mtpret": mtpret}
    if "burn" in peers:
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE / "burn" / "target"))
        burn = build(HERE / "burn", target) / "burn-step"
        # Its steps take seconds on software Vulkan.
        all_of["burn"] = lambda *shape: output([burn, *map(str, shape), "5"], stderr=subprocess.DEVNULL)["img_per_s"]
    if "torch" in peers:
        all_of["torch"] = lambda *shape: output(
            [sys.executable, HERE / "torch" / "step.py", f"resnet{shape[0]}", str(shape[1]), f"{shape[2]}x{shape[2]}", "7"]
        )["img_per_s"]["f32"]
    return all_of


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default="burn,torch")
    parser.add_argument("shapes", nargs="*", default=["18:8:64"], help="DEPTH:BATCH:SIZE")
    arguments = parser.parse_args()
    engines = programs(arguments.peers.split(","))
    for text in arguments.shapes:
        shape = tuple(map(int, text.split(":")))
        speeds = {name: [] for name in engines}
        for _ in range(arguments.rounds):
            for name, run in engines.items():
                speeds[name].append(run(*shape))
        print(f"ResNet-{shape[0]}, batch {shape[1]}, {shape[2]} x {shape[2]}")
        for name, all_speeds in speeds.items():
            median = statistics.median(all_speeds)
            # Each round is a pair of neighbours in time, so that what else ran counts for both.
            ratios = [a / b for a, b in zip(speeds["mtpret"], all_speeds)]
            against = "" if name == "mtpret" else (
                f"   mtpret is {statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})")
            print(f"  {name:7} {median:8.2f} img/s{against}", flush=True)


if __name__ == "__main__":
    main()
