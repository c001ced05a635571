"""Holds a run's events for TensorBoard against its metrics.jsonl, as `tensorboard` and `tbparse` read them.

    python3 tools/parity/tensorboard.py target/release/mtpret [RUN]

Without RUN a tiny one is trained first, killed twice and resumed. Needs Python with pip; what it reads with goes
into a virtual environment in the folder of temporary files. Exit 1 if a number is missing, doubled or another.
"""
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import venv
from pathlib import Path

# This file has the name of the package that it reads with.
sys.path = [path for path in sys.path if Path(path).resolve() != Path(__file__).resolve().parent]

CLOCKS = ("step", "steps", "epoch")


def environment():
    """Starts this file again in an environment that has both readers."""
    home = Path(tempfile.gettempdir()) / "mtpret-tensorboard"
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    if Path(sys.prefix) == home:
        return python
    if not python.exists():
        venv.create(home, with_pip=True)
    # TensorBoard 2 imports pkg_resources, which newer setuptools lack.
    wanted = ["tensorboard==2.21.0", "tbparse==0.0.9", "setuptools<81"]
    subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    sys.exit(subprocess.run([python, *sys.argv]).returncode)


def train(program, run):
    """A tiny run, killed before its first checkpoint, and again behind its first validation, which it tells of twice."""
    sample = Path(__file__).resolve().parents[2] / "tests/data/sample/chest_xray/train"
    films = run.parent / "films"
    for folder in sample.iterdir():
        (films / folder.name).mkdir(parents=True)
        for film in sorted(folder.iterdir())[:12]:
            shutil.copy(film, films / folder.name)
    source = f'[{{name="pneumonia",format="folder",root={json.dumps(str(films))}}}]'
    settings = [f"source={source}", "task=pneumonia", "epochs=2", "data.width=32", "data.height=32"]
    settings += ["data.batch=4", "log.every=1", "log.save_every=3"]
    command = [program, "finetune", "finetune/resnet18", "--run", run]
    command += [word for setting in settings for word in ("--set", setting)]
    resume = [program, "finetune", "--resume", run]
    for command, last in [(command, " 2/"), (resume, " 5/")]:
        running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in running.stderr:
            if last in line:
                running.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
                break
        running.communicate()
    subprocess.run(resume, check=True, stderr=subprocess.DEVNULL)


def numbers(tag, value, into, step):
    for key, below in value.items():
        if isinstance(below, dict):
            numbers(f"{tag}/{key}", below, into, step)
        elif isinstance(below, (int, float)) and not isinstance(below, bool) and key not in CLOCKS:
            into[f"{tag}/{key}", step] = below


def told(run):
    """What metrics.jsonl says, by tag and step."""
    numbers_of = {}
    for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        line = json.loads(line)
        step = next((line[key] for key in CLOCKS if key in line), 0)
        known = len(numbers_of)
        here = {}
        numbers(line["stage"], line, here, step)
        numbers_of.update(here)
        assert len(numbers_of) == known + len(here), f"metrics.jsonl tells twice of step {step}: {line}"
    return numbers_of


def by_tbparse(run):
    from tbparse import SummaryReader

    frame = SummaryReader(str(run)).scalars
    # A step that a killed process told of comes again in the file of the one that went on.
    frame = frame.drop_duplicates(["tag", "step"], keep="last")
    return {(row.tag, row.step): row.value for row in frame.itertuples()}


def by_accumulator(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(run), size_guidance={"scalars": 0}).Reload()
    found = {}
    for tag in reader.Tags()["scalars"]:
        for event in reader.Scalars(tag):
            assert (tag, event.step) not in found, f"{tag} has step {event.step} twice"
            found[tag, event.step] = event.value
    return found


def by_server(run):
    """What the program `tensorboard` serves to its page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", ".", "--port", str(port), "--host", "127.0.0.1"]
    command += ["--samples_per_plugin", "scalars=1000000"]
    server = subprocess.Popen(command, cwd=run, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    at = f"http://127.0.0.1:{port}/data/plugin/scalars/"

    def ask(what):
        with urllib.request.urlopen(at + what, timeout=10) as answer:
            return json.load(answer)

    try:
        tags = {}
        for _ in range(120):
            try:
                tags = ask("tags")
            except (urllib.error.URLError, OSError):
                pass
            if tags:
                break
            time.sleep(0.5)
        time.sleep(3)  # It serves what it has read so far.
        found = {}
        for run_name, of_run in ask("tags").items():
            for tag in of_run:
                query = urllib.parse.urlencode({"run": run_name, "tag": tag})
                for _, step, value in ask(f"scalars?{query}"):
                    assert (tag, step) not in found, f"{tag} has step {step} twice"
                    found[tag, step] = value
        return found
    finally:
        server.terminate()
        server.wait()


def compare(name, found, expected):
    missing, more = expected.keys() - found.keys(), found.keys() - expected.keys()
    # Events hold numbers of 32 bits. What a machine did, not what was learnt, differs when a step comes again.
    other = [k for k in expected.keys() & found.keys() if not math.isclose(found[k], expected[k], rel_tol=1e-6, abs_tol=1e-30)]
    print(f"{name}: {len(found)} numbers of {len({tag for tag, _ in found})} tags; "
          f"{len(missing)} missing, {len(more)} more, {len(other)} other")
    for key in sorted(missing)[:3] + sorted(more)[:3] + sorted(other)[:3]:
        print(f"  {key}: expected {expected.get(key)}, found {found.get(key)}")
    return not (missing or more or other)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    environment()
    program = str(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        run = Path(sys.argv[2]) if len(sys.argv) == 3 else Path(folder) / "run"
        if len(sys.argv) == 2:
            train(program, run)
        expected = told(run)
        files = sorted(path.name for path in run.glob("events.out.tfevents.*"))
        print(f"{run}: {len(expected)} numbers in metrics.jsonl, {len(files)} files of events")
        good = [
            compare("tbparse", by_tbparse(run), expected),
            compare("TensorBoard's EventAccumulator", by_accumulator(run), expected),
            compare("tensorboard", by_server(run), expected),
        ]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
