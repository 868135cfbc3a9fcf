#!/usr/bin/env python3
"""What the executor itself costs and gains, on graphs of small nodes, beside onnxruntime in one process.

    executor.py [--nodes 1000] [--rounds 15]

`us/node`: the time that a chain of tiny nodes takes per node, less a chain of three, so that calling `run` does not
count; on one thread. `parallel`: how many times faster ORT_PARALLEL is than ORT_SEQUENTIAL, both with default threads,
on that chain and on eight branches. Engines and modes take turns, each for twenty runs in a session of its own that
ends with its turn, because onnxruntime's threads spin behind a run and would slow whoever comes next. The best time of
all turns counts: what else the machine does slows two threads more than one.
"""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import attune
import numpy as np
import onnxruntime

sys.path.append(str(Path(__file__).parents[1] / "tests" / "python"))
import tiny

ENGINES = (attune, onnxruntime)
Run = Callable[[], Any]


def chain(nodes: int) -> bytes:
    """Add, Neg, Relu and again on 16 elements, which no optimizer makes one node."""
    kinds = ("Add(t{}, c)", "Neg(t{})", "Relu(t{})")
    body = "\n".join(f"t{k + 1} = {kinds[k % 3].format(k)}" for k in range(nodes))
    return tiny.model(f"(float[16] t0, float[16] c) => (float[16] t{nodes}) {{ {body} }}")


def make_run(engine: Any, model: bytes, parallel: bool, threads: int) -> Run:
    options = engine.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.graph_optimization_level = engine.GraphOptimizationLevel.ORT_DISABLE_ALL
    if parallel:
        options.execution_mode = engine.ExecutionMode.ORT_PARALLEL
    session = engine.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {value.name: np.ones(value.shape, np.float32) for value in session.get_inputs()}
    return lambda: session.run(None, feed)


def best_time(make: Callable[[], Run]) -> float:
    run = make()
    run()
    times = []
    for _ in range(20):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(makers: list[Callable[[], Run]], rounds: int) -> list[float]:
    """The best time of each of `makers`."""
    turns = [[best_time(make) for make in makers] for _ in range(rounds)]
    return [min(column) for column in zip(*turns, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000, help="of the chain")
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()

    chains = [chain(3), chain(3 + args.nodes)]
    times = measure([partial(make_run, engine, model, False, 1) for engine in ENGINES for model in chains], args.rounds)
    ours, theirs = ((times[k + 1] - times[k]) / args.nodes * 1e6 for k in (0, 2))
    print(f"{'':<40}{'Attune':>10}{'onnxruntime':>13}")
    print(f"{f'chain of {args.nodes} nodes, us/node':<40}{ours:>10.3f}{theirs:>13.3f}   ratio {ours / theirs:.2f}")

    graphs = {"chain": chains[1]}
    graphs |= {f"8 branches of 6 x MatMul {size}": tiny.branches(8, 6, size) for size in (32, 64, 128)}
    for name, model in graphs.items():
        times = measure([partial(make_run, e, model, mode, 0) for e in ENGINES for mode in (False, True)], args.rounds)
        print(f"{f'{name}, parallel':<40}{times[0] / times[1]:>10.2f}{times[2] / times[3]:>13.2f}")


if __name__ == "__main__":
    main()
