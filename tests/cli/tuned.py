"""A result of `attune tune` as its file has it, made up: something in every part that a report shows."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

OBJECTIVES = ("latency", "p95", "p99", "throughput", "memory", "peak", "cpu")
MIB = 1 << 20
# What each change does to time, CPU time, memory held and at the peak.
TRUTH: dict[tuple[str, Any], tuple[float, float, float, float]] = {
    ("intra_op_num_threads", 1): (1.62, 0.83, 0.99, 0.98),
    ("intra_op_num_threads", 4): (1.09, 1.31, 1.01, 1.02),
    ("enable_cpu_mem_arena", False): (1.04, 1.05, 0.31, 0.47),
    ("session.intra_op.allow_spinning", "0"): (0.93, 0.78, 1.0, 1.0),
    ("execution_mode", "ORT_PARALLEL"): (1.02, 1.04, 1.1, 1.12),
    ("graph_optimization_level", "ORT_ENABLE_EXTENDED"): (1.31, 1.3, 0.9, 0.93),
    ("graph_optimization_level", "ORT_DISABLE_ALL"): (2.6, 2.5, 1.1, 1.2),
    ("session.set_denormal_as_zero", "1"): (0.998, 1.0, 1.0, 1.0),
}
DEFAULT = {"time": 61.0, "cpu": 118.0, "held": 705 * MIB, "peak": 1411 * MIB}


class Machine:
    """Draws what processes would measure."""

    def __init__(self, seed: int, speed: float) -> None:
        self.random = random.Random(seed)
        self.speed = speed

    def trial(self, changes: dict[str, Any], callers: int = 1) -> dict[str, Any]:
        factors = [1.0, 1.0, 1.0, 1.0]
        for change in changes.items():
            factors = [a * b for a, b in zip(factors, TRUTH[change], strict=True)]
        time = DEFAULT["time"] * self.speed * factors[0] * self.random.gauss(1, 0.008)
        times = sorted(time * (1 + self.random.expovariate(1 / 0.03)) for _ in range(200))
        quantiles = [times[min(199, 10 * k)] for k in range(21)]
        return {
            "load_ms": 84.0 * self.random.gauss(1, 0.05),
            "threads": changes.get("intra_op_num_threads", 2),
            "run_ms": {
                "count": 200,
                "mean": sum(times) / 200,
                "median": times[100],
                "p95": times[190],
                "p99": times[198],
                "quantiles": quantiles,
            },
            "latency_ms": times[100],
            "period_ms": times[100] / min(callers, 1.3),
            "cpu_ms": DEFAULT["cpu"] * self.speed * factors[1] * self.random.gauss(1, 0.01),
            "held_bytes": DEFAULT["held"] * factors[2],
            "peak_bytes": DEFAULT["peak"] * factors[3],
        }

    def pair(self, phase: str, at: float, changes: dict[str, Any], callers: int = 1) -> dict[str, Any]:
        candidate, reference = self.trial(changes, callers), self.trial({})

        def ratio(read: Any) -> float:
            return read(candidate) / read(reference)

        ratios = {
            "latency": ratio(lambda t: t["latency_ms"]),
            "p95": ratio(lambda t: t["run_ms"]["p95"]),
            "p99": ratio(lambda t: t["run_ms"]["p99"]),
            "throughput": ratio(lambda t: t["period_ms"]),
            "memory": ratio(lambda t: t["held_bytes"]),
            "peak": ratio(lambda t: t["peak_bytes"]),
            "cpu": ratio(lambda t: t["cpu_ms"]),
        }
        return {
            "phase": phase,
            "at_seconds": at,
            "rounds": 8,
            "candidate": candidate,
            "reference": reference,
            "ratios": ratios,
        }


def estimates(pairs: list[dict[str, Any]], method: str = "student-t") -> dict[str, Any]:
    found = {}
    for name in OBJECTIVES:
        logs = [math.log(pair["ratios"][name]) for pair in pairs]
        mean = sum(logs) / len(logs)
        spread = 2.2 * math.sqrt(sum((x - mean) ** 2 for x in logs) / max(1, len(logs) - 1) / len(logs)) + 0.002
        found[name] = {
            "ratio": math.exp(mean),
            "low": math.exp(mean - spread),
            "high": math.exp(mean + spread),
            "pairs": len(pairs),
            "method": method,
        }
    return found


def timeline(has_arena: bool) -> dict[str, Any]:
    """Loading, four runs, closing; without the arena memory goes back after each run."""
    events, samples, now = [], [], 0.0

    def reach(mib: float, milliseconds: float, steps: int = 12) -> None:
        nonlocal now
        start = samples[-1]["bytes"] / MIB if samples else 0.0
        for k in range(1, steps + 1):
            now += milliseconds / steps
            samples.append({"at_ms": now, "bytes": (start + (mib - start) * k / steps) * MIB})

    events.append({"name": "load", "at_ms": now})
    reach(9, 84)
    for run in range(1, 5):
        events.append({"name": f"run {run}", "at_ms": now})
        reach(1411 if has_arena else 660, 500 if run == 1 else 200)
        reach(1411 if has_arena else 40 + 12 * run, 300)
    events.append({"name": "close", "at_ms": now})
    reach(22, 60)
    reach(22, 200)
    return {
        "settings": {} if has_arena else {"enable_cpu_mem_arena": False},
        "contrast": {"enable_cpu_mem_arena": has_arena},
        "events": events,
        "samples": samples,
    }


def effect(*terms: tuple[str, Any], ratio: float, active: bool) -> dict[str, Any]:
    return {
        "terms": [{"option": name, "settings": {name: value}} for name, value in terms],
        "ratio": {"ratio": ratio, "low": ratio * 0.992, "high": ratio * 1.008, "pairs": 9, "method": "regression"},
        "is_active": active,
        "aliases": [["a", "b"]] if len(terms) > 1 else [],
    }


def make_tuned(
    *,
    seed: int = 1,
    speed: float = 1.0,
    engine: str = "onnxruntime",
    cpu: str = "Intel(R) Xeon(R) Processor",
    created: str = "2026-11-30T13:20:00Z",
    **changes: Any,
) -> dict[str, Any]:
    """The whole result; `changes` replace members of the file."""
    machine = Machine(seed, speed)
    now = itertools.count(1)
    candidates: list[dict[str, Any]] = []

    def add(phase: str, settings: dict[str, Any], pairs: int, outcome: str = "measured", callers: int = 1) -> int:
        measured = [machine.pair(phase, float(next(now)), settings, callers) for _ in range(pairs)]
        candidates.append(
            {
                "settings": settings,
                "changes": settings,
                "callers": callers,
                "outcome": outcome,
                "reason": "",
                "pairs": measured,
                "ratios": estimates(measured) if len(measured) > 1 else {},
            }
        )
        return len(candidates) - 1

    add("baseline", {}, 6)
    for name, value in TRUTH:
        add("levels", {name: value}, 4)
    levels = [
        ("enable_cpu_mem_arena", False),
        ("session.intra_op.allow_spinning", "0"),
        ("session.set_denormal_as_zero", "1"),
    ]
    for chosen in itertools.product((False, True), repeat=3):
        settings = dict(level for level, is_on in zip(levels, chosen, strict=True) if is_on)
        if len(settings) > 1:
            add("design", settings, 2, "dropped" if chosen[2] else "measured")
    add("levels", {}, 3, callers=2)
    broken = add("levels", {}, 0, "failed")
    candidates[broken]["settings"] = candidates[broken]["changes"] = {"session.intra_op_thread_affinities": "9"}
    candidates[broken]["reason"] = "The worker of onnxruntime ended: exit code 1 <b>"
    winner = next(k for k, c in enumerate(candidates) if c["changes"] == dict(levels[:2]))
    confirmed = [machine.pair("confirm", 60.0 + k, dict(levels[:2])) for k in range(8)]
    points = sorted(
        (
            {
                "candidate": k,
                "ratio": c["ratios"]["latency"]["ratio"],
                "held_bytes": c["pairs"][0]["candidate"]["held_bytes"],
                "peak_bytes": c["pairs"][0]["candidate"]["peak_bytes"],
            }
            for k, c in enumerate(candidates)
            if c["ratios"] and c["callers"] == 1
        ),
        key=lambda point: point["ratio"],
    )
    front: list[dict[str, Any]] = []
    for point in points:
        if not front or point["held_bytes"] < front[-1]["held_bytes"] * 0.98:
            front.append(point)

    def thread_point(threads: int, candidate: int) -> dict[str, Any]:
        trial = candidates[candidate]["pairs"][0]["candidate"]
        ratio = candidates[candidate]["ratios"]["latency"] if candidate else {}
        figures = {name: trial[name] for name in ("latency_ms", "period_ms", "cpu_ms")}
        return {"threads": threads, "candidate": candidate, **figures, "ratio": ratio}

    result = {
        "schema": 1,
        "created": created,
        "fingerprint": {
            "model": {"path": "models/article_cnn.onnx", "xxh3_128": "00ff" * 8, "bytes": 2123456},
            "engine": {"name": engine, "version": "1.32.0" if engine == "onnxruntime" else "0.1.0"},
            "machine": {
                "cpu": cpu,
                "cpus": 2,
                "usable_cpus": 2,
                "physical_cores": 2,
                "quota_cpus": 1.5,
                "memory_bytes": 8 << 30,
            },
        },
        "load": {
            "sets": [
                {
                    "inputs": [{"name": "input_1", "type": "float", "shape": [32, 200, 200, 1]}],
                    "weight": 3,
                    "source": "random",
                },
                {
                    "inputs": [{"name": "input_1", "type": "float", "shape": [1, 200, 200, 1]}],
                    "weight": 1,
                    "source": "one.npz",
                },
            ],
            "callers": 1,
        },
        "objective": "latency",
        "limits": {"peak_bytes": 2e9, "p99_ms": 200.0, "cpus": 2.0},
        "confidence": 0.95,
        "least_gain": 0.02,
        "budget_seconds": 90,
        "used_seconds": 87.4,
        "trials": 74,
        "is_interrupted": False,
        "stopped_by": "",
        "default_settings": {},
        "reference": machine.trial({}),
        "candidates": candidates,
        "noise": {
            "run_variation": 0.031,
            "process_variation": 0.012,
            "itself": {"ratio": 1.002, "low": 0.994, "high": 1.011, "pairs": 6, "method": "student-t"},
            "other_cpus": 0.41,
            "stolen_share": 0.021,
            "throttled_share": 0.052,
            "least_gain": 0.017,
            "findings": ["variation", "other_load", "stolen", "throttled"],
        },
        "design": {
            "name": "2^(5-1), resolution V",
            "runs": 16,
            "resolution": 5,
            "noise": 0.009,
            "effects": [
                effect(("intra_op_num_threads", 1), ratio=1.6, active=True),
                effect(("session.intra_op.allow_spinning", "0"), ratio=0.94, active=True),
                effect(("enable_cpu_mem_arena", False), ratio=1.035, active=True),
                effect(("session.set_denormal_as_zero", "1"), ratio=0.999, active=False),
                effect(("intra_op_num_threads", 1), ("session.intra_op.allow_spinning", "0"), ratio=1.045, active=True),
                effect(("enable_cpu_mem_arena", False), ("execution_mode", "ORT_PARALLEL"), ratio=1.004, active=False),
            ],
        },
        "threads": [thread_point(1, 1), thread_point(2, 0), thread_point(4, 2)],
        "memory": [timeline(True), timeline(False)],
        "pareto": front,
        "confirmations": [
            {
                "candidate": winner,
                "pairs": confirmed,
                "ratios": estimates(confirmed, "signed-rank"),
                "is_passed": True,
                "reason": "",
            }
        ],
        "verdict": {
            "kind": "better",
            "reason": "less_memory",
            "candidate": winner,
            "settings": dict(levels[:2]),
            "changes": dict(levels[:2]),
            "callers": 1,
            "ratios": estimates(confirmed, "signed-rank"),
        },
    }
    return result | changes
