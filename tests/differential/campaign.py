"""Many random graphs, one after another.

python -m differential.campaign [--seed 0] [--count 10000] [--jobs 1] [--only Recipe]

Each failing graph is printed with its seed, made as small as it gets; `--count 1 --seed SEED` makes it again. They run
in processes of their own, so that a crash is a failure of its graph alone. The status is 1 when a graph failed.
"""

import argparse
import multiprocessing
import os
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from onnx import NodeProto, defs

from .generator import random_graph
from .minimize import describe, minimize
from .recipes import RECIPES
from .reference import VERSIONS
from .runner import failure

PATIENCE = 60.0  # seconds for one graph


@dataclass
class Outcome:
    """What became of one seed."""

    seed: int
    failure: str | None = None
    operators: list[str] = field(default_factory=list)
    ways: Counter[str] = field(default_factory=Counter)
    unusable: dict[str, str] = field(default_factory=dict)


def version_of(node: NodeProto, opset: int) -> str:
    """The operator, and the version of the operator set that its form is from."""
    if node.domain == "com.microsoft":  # which has one
        return f"{node.domain}.{node.op_type}-1"
    schema = defs.get_schema(node.op_type, VERSIONS.get(node.domain, opset), node.domain)
    return f"{node.domain}{'.' if node.domain else ''}{node.op_type}-{schema.since_version}"


def try_seed(seed: int, only: str | None = None, shrink: bool = True) -> Outcome:
    """Makes the graph of the seed, runs it, and makes it small if it fails."""
    graph = random_graph(seed, only)
    operators = [version_of(node, graph.opset) for node in graph.nodes]
    outcome = Outcome(seed, None, operators, graph.ways, graph.unusable)
    if not graph.nodes:
        return outcome
    model = graph.model()
    found = failure(model, graph.values)
    if found is not None:
        way, why = found
        small, smaller_why = minimize(graph, model, way) if shrink else (model, "")
        lines = [f"seed {seed}: {' '.join(way)}: {why}", smaller_why, describe(small, graph.values)]
        outcome.failure = "\n".join(line for line in lines if line)
    return outcome


def _work(seeds: Connection, outcomes: Connection, only: str | None) -> None:
    while (seed := seeds.recv()) is not None:
        try:
            outcome = try_seed(seed, only)
        except Exception:  # a recipe's own mistake
            outcome = Outcome(seed, f"seed {seed}: {traceback.format_exc()}")
        outcomes.send(outcome)


class Worker:
    """A process that tries seeds, one at a time; it is replaced when it dies or hangs."""

    def __init__(self, only: str | None) -> None:
        self.only = only
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        theirs, self.seeds = context.Pipe(duplex=False)
        self.outcomes, ours = context.Pipe(duplex=False)
        self.process = context.Process(target=_work, args=(theirs, ours, self.only), daemon=True)
        self.process.start()
        ours.close()
        self.seed: int | None = None

    def begin(self, seed: int) -> None:
        """Starts on a seed."""
        self.seed, self.since = seed, time.monotonic()
        self.seeds.send(seed)

    def finished(self) -> Outcome | None:
        """The outcome of the seed when there is one, be it that the process died of it."""
        assert self.seed is not None
        try:
            if self.outcomes.poll(0.02):
                outcome: Outcome = self.outcomes.recv()
                return outcome
        except EOFError:
            self.process.join()
            outcome = Outcome(self.seed, f"seed {self.seed}: the process died with status {self.process.exitcode}")
            self._start()
            return outcome
        if time.monotonic() - self.since > PATIENCE:
            self.process.kill()
            outcome = Outcome(self.seed, f"seed {self.seed}: not done in {PATIENCE:.0f} s")
            self._start()
            return outcome
        return None

    def end(self) -> None:
        """Lets the process go."""
        self.seeds.send(None)
        self.process.join(5)


def campaign(first: int, count: int, jobs: int, only: str | None) -> tuple[int, Counter[str], Counter[str]]:
    """Tries the seeds from `first` on; gives the number of failures, and how often operators and references served."""
    waiting = iter(range(first, first + count))
    operators: Counter[str] = Counter()
    ways: Counter[str] = Counter()
    failures = done = 0
    busy = []
    for worker, seed in zip([Worker(only) for _ in range(min(jobs, count))], waiting, strict=False):
        worker.begin(seed)
        busy.append(worker)
    while busy:
        for worker in list(busy):
            outcome = worker.finished()
            if outcome is None:
                continue
            done += 1
            operators.update(outcome.operators)
            ways.update(outcome.ways)
            if outcome.failure:
                failures += 1
                print(f"{outcome.failure}\n", flush=True)
            if done % 1000 == 0:
                print(f"{done} graphs, {failures} failed", flush=True)
            seed = next(waiting, None)
            if seed is None:
                worker.end()
                busy.remove(worker)
            else:
                worker.begin(seed)
    return failures, operators, ways


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", choices=sorted(RECIPES), metavar="RECIPE")
    arguments = parser.parse_args()
    failures, operators, ways = campaign(arguments.seed, arguments.count, arguments.jobs, arguments.only)
    names = {name.rpartition("-")[0] for name in operators}
    nodes = sum(operators.values())
    print(f"{arguments.count} graphs, {nodes} nodes of {len(names)} operators in {len(operators)} versions")
    print("computed by " + ", ".join(f"{way}: {number}" for way, number in ways.most_common()))
    print(f"{failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
