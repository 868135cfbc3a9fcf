"""The worker for onnxruntime: loads and runs a model on request, and tells times and memory.

`attune compare`, `tune` and `memory` start it as `python -c <this text>`. src/tune/worker_trial.h describes the
requests.
"""

import gc
import json
import os
import sys
import time
from pathlib import Path

ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # whatever a library prints goes to stderr, never between the answers

import numpy as np  # noqa: E402
import onnxruntime as rt  # noqa: E402


def memory():
    """Resident and peak bytes; the next peak is counted from now."""
    figures = {}
    with Path("/proc/self/status").open() as lines:
        for line in lines:
            key, _, value = line.partition(":")
            if key in ("VmRSS", "VmHWM"):
                figures["resident" if key == "VmRSS" else "peak"] = int(value.split()[0]) * 1024
    Path("/proc/self/clear_refs").write_text("5")
    return figures


def thread_count():
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def make_options(settings):
    """SessionOptions from names and values: a name with a dot is a configuration entry, a choice goes by its name."""
    options = rt.SessionOptions()
    options.log_severity_level = 3  # more threads than CPUs is what a trial tries, not a mistake
    choices = {"execution_mode": rt.ExecutionMode, "graph_optimization_level": rt.GraphOptimizationLevel}
    for name, value in settings.items():
        if name == "free_dimension_overrides":
            for dimension, size in value.items():
                options.add_free_dimension_override_by_name(dimension, size)
        elif "." in name:
            options.add_session_config_entry(name, str(value))
        elif not hasattr(options, name):
            raise ValueError(f"onnxruntime {rt.__version__} has no session option '{name}'.")
        else:
            setattr(options, name, getattr(choices[name], value) if name in choices else value)
    return options


def missing_operators(operators):
    """Indices of those without a kernel of the CPU provider, among them functions that are expanded beforehand."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    since = {}
    for schema in state.get_all_operator_schema():
        since.setdefault((schema.domain, schema.name), []).append(schema.since_version)
    kernels = {}
    for kernel in state.get_all_opkernel_def():
        if kernel.provider == "CPUExecutionProvider":
            kernels.setdefault((kernel.domain, kernel.op_name), []).append(kernel.version_range)

    def is_known(domain, name, version):
        versions = [v for v in since.get((domain, name), []) if v <= version]
        ranges = kernels.get((domain, name), [])
        return bool(versions) and any(first <= max(versions) <= last for first, last in ranges)

    return [index for index, operator in enumerate(operators) if not is_known(*operator)]


class Worker:
    def __init__(self):
        self.model, self.sets, self.session = None, [], None

    def prepare(self, request):
        self.model = request["model"]
        sets = {}
        with np.load(request["feeds"]) as arrays:
            for key in arrays.files:
                index, _, name = key.partition("/")
                sets.setdefault(int(index), {})[name] = arrays[key]
        self.sets = [sets[index] for index in sorted(sets)] or [{}]
        return {"version": rt.__version__}

    def load(self, request):
        before = thread_count()
        options = make_options(request["settings"])
        start = time.perf_counter()
        self.session = rt.InferenceSession(self.model, options, providers=["CPUExecutionProvider"])
        load_ms = (time.perf_counter() - start) * 1e3
        return {"load_ms": load_ms, "threads": thread_count() - before + 1}

    def measure(self, request):
        session = self.loaded()
        pass_ms, cpu = [], time.process_time()
        for _ in range(request["passes"]):
            start = time.perf_counter()
            for feeds in self.sets:
                session.run(None, feeds)
            pass_ms.append((time.perf_counter() - start) * 1e3)
        return {"pass_ms": pass_ms, "cpu_ms": (time.process_time() - cpu) * 1e3}

    def idle(self, request):
        cpu = time.process_time()
        time.sleep(request["seconds"])
        return {"cpu_ms": (time.process_time() - cpu) * 1e3}

    def outputs(self, request):
        session, arrays = self.loaded(), {}
        for index, feeds in enumerate(self.sets):
            for output, value in zip(session.get_outputs(), session.run(None, feeds), strict=True):
                array = np.asarray(value)
                arrays[f"{index}/{output.name}"] = array.astype("U") if array.dtype == object else array
        np.savez(request["file"], **arrays)
        return {}

    def operators(self, request):
        return {"missing": missing_operators(request["operators"])}

    def close(self, _):
        self.session = None
        gc.collect()
        return {}

    def loaded(self):
        if self.session is None:
            raise RuntimeError("The worker has no session: load one first.")
        return self.session

    def answer(self, line):
        try:
            request = json.loads(line)
            command = request["command"]
            if command not in ("prepare", "load", "measure", "idle", "outputs", "operators", "close"):
                raise ValueError(f"The worker has no command '{command}'.")
            reply = getattr(self, command)(request)
            reply["memory"] = memory()
            return reply
        except Exception as error:
            return {"error": str(error) or type(error).__name__}


def main():
    worker = Worker()
    for line in sys.stdin:
        print(json.dumps(worker.answer(line)), file=ANSWERS, flush=True)


main()
