"""The worker for onnxruntime: loads and runs a model on request, and tells times and memory.

`attune compare`, `tune` and `memory` start it as `python -c <this text>`. src/tune/worker_trial.h describes the
requests.
"""

import gc
import json
import os
import sys
import threading
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


EXTEND_STRATEGIES = {"kNextPowerOfTwo": 0, "kSameAsRequested": 1}


def share_arena(options, strategy):
    """An arena that grows in this way; on the CPU only one that sessions share can be told how."""
    memory_info = rt.OrtMemoryInfo("Cpu", rt.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, rt.OrtMemType.DEFAULT)
    configuration = rt.OrtArenaCfg({"arena_extend_strategy": EXTEND_STRATEGIES[strategy]})
    rt.create_and_register_allocator(memory_info, configuration)
    options.add_session_config_entry("session.use_env_allocators", "1")


def make_options(settings):
    """SessionOptions from names and values: a name with a dot is a configuration entry, a choice goes by its name."""
    options = rt.SessionOptions()
    options.log_severity_level = 3  # more threads than CPUs is what a trial tries, not a mistake
    choices = {"execution_mode": rt.ExecutionMode, "graph_optimization_level": rt.GraphOptimizationLevel}
    for name, value in settings.items():
        if name == "free_dimension_overrides":
            for dimension, size in value.items():
                options.add_free_dimension_override_by_name(dimension, size)
        elif name == "arena_extend_strategy":
            share_arena(options, value)
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


def make_schedule(weights, sets):
    """The sets of a pass: each as often as its weight says and as evenly spread as that can be.

    The set that is furthest behind its share comes next.
    """
    weights = (list(weights) + [1] * sets)[:sets]
    schedule, behind = [], [0] * sets
    for _ in range(sum(weights)):
        behind = [late + weight for late, weight in zip(behind, weights, strict=True)]
        following = behind.index(max(behind))
        behind[following] -= sum(weights)
        schedule.append(following)
    return schedule


class Times:
    """What one caller has measured, in milliseconds."""

    def __init__(self, sets):
        self.passes, self.sets, self.failure = [], [[] for _ in range(sets)], None


class Worker:
    def __init__(self):
        self.model, self.sets, self.schedule, self.session = None, [], [], None

    def prepare(self, request):
        self.model = request["model"]
        sets = {}
        with np.load(request["feeds"]) as arrays:
            for key in arrays.files:
                index, _, name = key.partition("/")
                sets.setdefault(int(index), {})[name] = arrays[key]
        self.sets = [sets[index] for index in sorted(sets)] or [{}]
        self.schedule = make_schedule(request.get("weights", []), len(self.sets))
        return {"version": rt.__version__}

    def load(self, request):
        before = thread_count()
        options = make_options(request["settings"])
        start = time.perf_counter()
        self.session = rt.InferenceSession(self.model, options, providers=["CPUExecutionProvider"])
        load_ms = (time.perf_counter() - start) * 1e3
        return {"load_ms": load_ms, "threads": thread_count() - before + 1}

    def run_passes(self, passes, offset, times):
        """Callers start at different places of the schedule: what they run at the same time is a mix, too."""
        schedule = self.schedule[offset:] + self.schedule[:offset]
        try:
            session = self.loaded()
            for _ in range(passes):
                begin = time.perf_counter()
                for index in schedule:
                    start = time.perf_counter()
                    session.run(None, self.sets[index])
                    times.sets[index].append((time.perf_counter() - start) * 1e3)
                times.passes.append((time.perf_counter() - begin) * 1e3)
        except Exception as error:
            times.failure = error

    def run_callers(self, passes, callers):
        times = [Times(len(self.sets)) for _ in range(callers)]
        offsets = [caller * len(self.schedule) // callers for caller in range(callers)]
        threads = [
            threading.Thread(target=self.run_passes, args=(passes, offset, mine))
            for offset, mine in zip(offsets[1:], times[1:], strict=True)
        ]
        for thread in threads:
            thread.start()
        self.run_passes(passes, 0, times[0])
        for thread in threads:
            thread.join()
        for caller in times:
            if caller.failure is not None:
                raise caller.failure
        return times

    def measure(self, request):
        callers = request.get("callers", 1)
        if request.get("warmup", 0):
            self.run_callers(request["warmup"], callers)
        start, cpu = time.perf_counter(), time.process_time()
        times = self.run_callers(request["passes"], callers)
        return {
            "wall_ms": (time.perf_counter() - start) * 1e3,
            "cpu_ms": (time.process_time() - cpu) * 1e3,
            "pass_ms": [ms for caller in times for ms in caller.passes],
            "set_ms": [[ms for caller in times for ms in caller.sets[k]] for k in range(len(self.sets))],
        }

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
