#!/usr/bin/env python3
"""Whether the verdicts of `attune tune` can be trusted on this machine, with real engines.

    tuner.py equal [--engine attune] [--cases mobilenet_v2] [--runs 20] [--budget 30] [--load]
    tuner.py check [--engine onnxruntime] [--cases mobilenet_v2,resnet50] [--pairs 30] [--budget 60]

`equal`: whole runs in which every setting is the default under another name, so whoever is recommended has won by
chance; the exit code is 1 when that happens in more than one run of twenty. The tuner believes that it measures an
onnxruntime: the module that its worker finds by this name is the engine, without the session's options. With --load
another process keeps a core busy, for a second on and a second off.

`check`: tunes, then runs the recommended setting and the default in pairs of fresh processes, in turns as to who goes
first. The exit code is 1 when a recommendation is slower than the default by more than the interval it states: the
median of the pairs' ratios is above both 1 and the interval's upper end.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests" / "models"))
import zoo
from models import CASES

ROOT = Path(__file__).parents[1]
COMMAND = ROOT / "build" / "attune"
WORKER = ROOT / "apps" / "attune" / "onnxruntime_worker.py"

# A module that takes the place of onnxruntime in a worker: ENGINE, which may be onnxruntime itself. With DEAF its
# sessions don't hear of options.
STAND_IN = """
import importlib, os, sys
sys.path.remove(os.path.dirname(__file__))
own_name = sys.modules.pop("onnxruntime")
engine = importlib.import_module(os.environ["ENGINE"])
sys.modules["onnxruntime"] = engine
if os.environ["DEAF"] == "1":
    hearing = engine.InferenceSession
    engine.InferenceSession = lambda path, options=None, **more: hearing(path, **more)
"""

BUSY = "import time\nwhile True:\n    end = time.time() + 1\n    while time.time() < end: pass\n    time.sleep(1)"


def write_stand_in(folder: Path) -> None:
    (folder / "stand_in").mkdir()
    (folder / "stand_in" / "onnxruntime.py").write_text(STAND_IN)


def environment(folder: Path, engine: str, deaf: bool) -> dict[str, str]:
    """In which a worker imports `engine` by the name of onnxruntime."""
    paths = [str(folder / "stand_in"), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "ENGINE": engine, "DEAF": str(int(deaf))}


def tune(case: str, engine: str, budget: float, folder: Path, env: dict[str, str] | None = None) -> dict[str, Any]:
    """What tuned.json says. With `env` the engine is what that puts in onnxruntime's place."""
    model, shape = CASES[case]
    inputs, output = folder / f"{case}.npz", folder / f"{case}.json"
    np.savez(inputs, **zoo.feed(model, tuple(shape), seed=1))
    measured = "onnxruntime" if env else engine
    command = [COMMAND, "tune", zoo.model_path(model), "--input", inputs, "--output", output]
    command += ["--budget", str(budget), "--engine", measured, "--python", sys.executable]
    subprocess.run(
        command,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return json.loads(output.read_text())


def name_changes(verdict: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in verdict["changes"].items()) or "the default"


def find_winners_among_equals(case: str, engine: str, runs: int, budget: float) -> int:
    """How many of the runs recommended something."""
    winners = 0
    for run in range(runs):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            write_stand_in(folder)
            data = tune(case, engine, budget, folder, environment(folder, engine, deaf=True))
        winners += bool(data["verdict"]["changes"])
        trials, seconds = data["trials"], data["used_seconds"]
        print(
            f"{case} {run + 1}/{runs}: {name_changes(data['verdict'])}, {trials} processes, {seconds:.0f} s", flush=True
        )
    return winners


def time_fresh_process(case: str, settings: dict[str, Any], folder: Path, env: dict[str, str]) -> float:
    """Median milliseconds of an inference."""
    model, shape = CASES[case]
    feeds = folder / "feeds.npz"
    if not feeds.exists():
        np.savez(feeds, **{f"0/{name}": array for name, array in zoo.feed(model, tuple(shape), seed=1).items()})
    requests = [
        {"command": "prepare", "model": str(zoo.model_path(model)), "feeds": str(feeds)},
        {"command": "load", "settings": settings},
        {"command": "measure", "warmup": 3, "passes": 15},
    ]
    worker = subprocess.run(
        [sys.executable, "-c", WORKER.read_text()],
        input="".join(json.dumps(request) + "\n" for request in requests),
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(worker.stdout.splitlines()[-1])
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return statistics.median(answer["pass_ms"])


def check_recommendation(case: str, engine: str, pairs: int, budget: float) -> bool:
    """Whether it holds in new processes."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_stand_in(folder)
        verdict = tune(case, engine, budget, folder)["verdict"]
        if not verdict["changes"]:
            print(f"{case}: the default is kept", flush=True)
            return True
        env = environment(folder, engine, deaf=False)
        sides = {"chosen": verdict["settings"], "default": {}}
        ratios = []
        for pair in range(pairs):
            order = sorted(sides, reverse=pair % 2 == 1)
            times = {side: time_fresh_process(case, sides[side], folder, env) for side in order}
            ratios.append(times["chosen"] / times["default"])
    low, middle, high = (verdict["ratios"]["latency"][key] for key in ("low", "ratio", "high"))
    ratio = statistics.median(ratios)
    holds = ratio <= max(1.0, high)
    print(
        f"{case}: {name_changes(verdict)}; stated {middle:.3f} ({low:.3f} .. {high:.3f}), "
        f"{pairs} new pairs {ratio:.3f}: {'holds' if holds else 'DOES NOT HOLD'}",
        flush=True,
    )
    return holds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["equal", "check"])
    parser.add_argument("--engine", choices=["attune", "onnxruntime"], default="attune")
    parser.add_argument("--cases", default="mobilenet_v2", help=", ".join(CASES))
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--budget", type=float, default=60, help="seconds of a run of the tuner")
    parser.add_argument("--load", action="store_true", help="with another process on a core")
    args = parser.parse_args()

    cases = args.cases.split(",")
    if args.what == "check":
        held = [check_recommendation(case, args.engine, args.pairs, args.budget) for case in cases]
        return int(not all(held))
    with ExitStack() as stack:
        if args.load:
            busy = stack.enter_context(subprocess.Popen([sys.executable, "-c", BUSY]))
            stack.callback(busy.kill)
        winners = sum(find_winners_among_equals(case, args.engine, args.runs, args.budget) for case in cases)
    print(f"{winners} of {args.runs * len(cases)} runs among equals claim a winner")
    return int(winners * 20 > args.runs * len(cases))


if __name__ == "__main__":
    sys.exit(main())
