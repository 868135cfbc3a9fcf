#!/usr/bin/env python3
"""Whole models on Attune and on onnxruntime, side by side.

    models.py [--cases resnet50,minilm] [--threads 2] [--rounds 5] [--seconds 0.5] [--options JSON] [--json FILE]

Each engine has a process of its own. In every round they run one after the other, each for a while, and whoever does
not run is stopped (SIGSTOP): a pool that spins cannot slow its neighbour. The ratio Attune / onnxruntime is taken
within a round, since a machine's speed drifts; the table gives the median over the rounds and the range. Below 1 Attune
is faster. `cpu` is the ratio of processor time, `start` of load and first run, `peak MiB` the memory of either.

`error` is the distance of Attune's outputs from onnxruntime's as the tests measure it; one above their tolerance, and
an engine that fails, make the exit code 1. --options are attributes of SessionOptions, for both engines:
'{"enable_cpu_mem_arena": false}'.
"""

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests" / "models"))
from accuracy import TOLERANCE, distance

CASES: dict[str, tuple[str, list[int]]] = {
    "article_cnn": ("article_cnn", [32, 200, 200, 1]),
    "article_cnn_1": ("article_cnn", [1, 200, 200, 1]),
    "mobilenet_v2": ("mobilenet_v2", [1, 3, 224, 224]),
    "resnet50": ("resnet50", [1, 3, 224, 224]),
    "squeezenet": ("squeezenet", [1, 3, 224, 224]),
    "vgg19": ("vgg19", [1, 3, 224, 224]),
    "ppocr_det": ("ppocr_det", [1, 3, 640, 640]),
    "ppocr_rec": ("ppocr_rec", [6, 3, 48, 320]),
    "ppocr_cls": ("ppocr_cls", [6, 3, 48, 192]),
    "minilm_1x128": ("minilm", [1, 128]),
    "minilm_32x32": ("minilm", [32, 32]),
    "densenet121": ("densenet121", [1, 3, 224, 224]),
    "inception_v2": ("inception_v2", [1, 3, 224, 224]),
    "shufflenet": ("shufflenet", [1, 3, 224, 224]),
    "detector": ("detector", [1, 3, 640, 640]),
    "unet": ("unet", [1, 3, 256, 256]),
    "squeeze_excite": ("squeeze_excite", [1, 3, 224, 224]),
    "vision_transformer": ("vision_transformer", [1, 3, 224, 224]),
    "dilated_segmenter": ("dilated_segmenter", [1, 3, 257, 257]),
    "speech_encoder": ("speech_encoder", [1, 80, 1000]),
    "text_recogniser": ("text_recogniser", [4, 3, 32, 160]),
}
ENGINES = ("attune", "onnxruntime")


class Worker:
    """An engine's process; it runs only while it is asked something."""

    def __init__(self, engine: str) -> None:
        command = [sys.executable, str(Path(__file__).with_name("engine.py")), engine]
        self.engine = engine
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()  # also when stopped
        self.process.communicate()

    def ask(self, do: str, **arguments: Any) -> dict[str, float]:
        """Raises RuntimeError with the engine's last words when it dies."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            words = self.process.stderr.read().strip().splitlines()
            raise RuntimeError(f"{self.engine}: {words[-1] if words else 'died without a word'}")
        self.process.send_signal(signal.SIGSTOP)
        return json.loads(answer)


def measure(case: str, threads: int, rounds: int, seconds: float, options: dict[str, Any]) -> dict[str, Any]:
    """Figures of each engine, the ratio of each round, the error."""
    model, shape = CASES[case]
    figures: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        workers = {engine: stack.enter_context(Worker(engine)) for engine in ENGINES}
        for engine, worker in workers.items():
            saved = str(folder / f"{engine}.npz")
            figures[engine] = worker.ask("load", model=model, shape=shape, threads=threads, options=options, save=saved)
        outputs, reference = (np.load(folder / f"{engine}.npz") for engine in ENGINES)
        error = max(distance(outputs[key], reference[key]) for key in reference.files)
        series: dict[str, list[dict[str, float]]] = {engine: [] for engine in ENGINES}
        for turn in range(rounds):
            # Who goes first alternates: the second finds the caches as the first left them.
            for engine in ENGINES if turn % 2 == 0 else ENGINES[::-1]:
                series[engine].append(workers[engine].ask("run", seconds=seconds))
        for engine, worker in workers.items():
            figures[engine].update(worker.ask("memory"))
            for key in ("median_s", "cpu_s"):
                figures[engine][key] = statistics.median(answer[key] for answer in series[engine])
    pairs = zip(*(series[engine] for engine in ENGINES), strict=True)
    ratios = [ours["median_s"] / theirs["median_s"] for ours, theirs in pairs]
    return {"figures": figures, "ratios": ratios, "ratio": statistics.median(ratios), "error": error}


COLUMNS = {"Attune ms": 10, "ORT ms": 9, "ratio": 7, "range": 12, "cpu": 7, "start": 7, "peak MiB": 16, "error": 9}


def format_row(case: str, result: dict[str, Any]) -> str:
    ours, theirs = (result["figures"][engine] for engine in ENGINES)
    start = (ours["load_s"] + ours["first_s"]) / (theirs["load_s"] + theirs["first_s"])
    return (
        f"{case:<15}{ours['median_s'] * 1e3:>10.2f}{theirs['median_s'] * 1e3:>9.2f}{result['ratio']:>7.2f}"
        f"{min(result['ratios']):>7.2f}-{max(result['ratios']):.2f}{ours['cpu_s'] / theirs['cpu_s']:>7.2f}{start:>7.2f}"
        f"{ours['peak_mib']:>8.0f}{theirs['peak_mib']:>8.0f}{result['error']:>9.0e}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES), help="some of " + ", ".join(CASES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="an engine's time in a round")
    parser.add_argument("--options", type=json.loads, default={}, metavar="JSON")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    args = parser.parse_args()
    cases = args.cases.split(",")
    if unknown := [case for case in cases if case not in CASES]:
        parser.error(f"unknown cases: {', '.join(unknown)}")

    results: dict[str, Any] = {}
    wrong = []
    print(f"{'case':<15}" + "".join(f"{name:>{width}}" for name, width in COLUMNS.items()))
    for case in cases:
        try:
            results[case] = measure(case, args.threads, args.rounds, args.seconds, args.options)
        except RuntimeError as failure:
            print(f"{case:<15}{failure}", flush=True)
            wrong.append(case)
            continue
        print(format_row(case, results[case]), flush=True)
        if results[case]["error"] > TOLERANCE:
            wrong.append(case)
    if results:
        mean = statistics.geometric_mean(result["ratio"] for result in results.values())
        print(f"geometric mean of the ratios: {mean:.3f}")
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    if wrong:
        sys.exit(f"failed or wrong: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
