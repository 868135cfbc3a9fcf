"""One engine with one model in a process of its own, driven by models.py and operators.py: a line of JSON for each
command and answer.

    {"do": "load", "model": name, "shape": [...], "threads": n, "options": {...}, "save": "outputs.npz"}
    {"do": "load_file", "path": "model.onnx", "feed": "inputs.npz", ...}
    {"do": "run", "seconds": s}
    {"do": "memory"}

Times are in seconds; memory is in MiB above what the process held with the engine imported and nothing loaded.
"""

import importlib
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests" / "models"))
import zoo


def status(key: str) -> float:
    """A figure of /proc/self/status, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(key + ":"))


class Engine:
    """A module with onnxruntime's Python API."""

    def __init__(self, module: str) -> None:
        self.api = importlib.import_module(module)
        self.before = status("VmRSS")

    def load(self, model: str, shape: list[int], **more: Any) -> dict[str, float]:
        path = str(zoo.model_path(model))
        return self.open(path, zoo.feed(model, tuple(shape), seed=1), **more)

    def load_file(self, path: str, feed: str, **more: Any) -> dict[str, float]:
        with np.load(feed) as arrays:
            return self.open(path, dict(arrays), **more)

    def open(
        self, path: str, feed: dict[str, np.ndarray], threads: int, options: dict[str, Any], save: str
    ) -> dict[str, float]:
        settings = self.api.SessionOptions()
        settings.intra_op_num_threads, settings.log_severity_level = threads, 3
        for name, value in options.items():
            current = getattr(settings, name)
            setattr(settings, name, getattr(type(current), value) if isinstance(value, str) else value)
        self.feed = feed
        start = time.perf_counter()
        self.session = self.api.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
        loaded = time.perf_counter()
        outputs = self.session.run(None, self.feed)
        first = time.perf_counter() - loaded
        np.savez(save, *outputs)
        return {"load_s": loaded - start, "first_s": first}

    def run(self, seconds: float) -> dict[str, float]:
        """At least three runs."""
        times: list[float] = []
        begin, cpu = time.perf_counter(), time.process_time()
        while len(times) < 3 or time.perf_counter() - begin < seconds:
            start = time.perf_counter()
            self.session.run(None, self.feed)
            times.append(time.perf_counter() - start)
        return {"median_s": statistics.median(times), "cpu_s": (time.process_time() - cpu) / len(times)}

    def memory(self) -> dict[str, float]:
        return {"held_mib": status("VmRSS") - self.before, "peak_mib": status("VmHWM") - self.before}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an engine prints must not come between the answers
    engine = Engine(sys.argv[1])
    for line in sys.stdin:
        command = json.loads(line)
        answer = getattr(engine, command.pop("do"))(**command)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
