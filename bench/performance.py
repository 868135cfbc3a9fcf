#!/usr/bin/env python3
"""Writes the table of docs/performance.md: what whole models take on this machine, and the share of its peak.

    performance.py [--cases resnet50,minilm_1x128] [--threads 2] [--rounds 5] [--seconds 0.5] [--print]

Attune and onnxruntime are measured side by side as by models.py. The share is the model's floating-point operations, as
`attune inspect` counts them after optimization (a convolution by its direct sum, so Winograd may exceed 100 %), over
what the threads can do in the time at best, which `attune profile` measures. The table replaces the one between the
marks in the page; --print writes it to the terminal instead. Run it on a quiet machine.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import models

sys.path.append(str(Path(__file__).parents[1] / "tests" / "models"))
import zoo

ROOT = Path(__file__).parents[1]
COMMAND = ROOT / "build" / "attune"
PAGE = ROOT / "docs" / "performance.md"
MARKS = ("<!-- table -->", "<!-- end of table -->")


def cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return "an unnamed CPU"


def shape_flags(model: str, shape: list[int]) -> list[str]:
    feed = zoo.feed(model, tuple(shape), seed=1)
    flags = []
    for name, array in feed.items():
        flags += ["--shape", f"{name}={'x'.join(map(str, array.shape))}"]
    return flags


def count_flops(model: str, shape: list[int]) -> float:
    command = [COMMAND, "inspect", "--json", zoo.model_path(model), *shape_flags(model, shape)]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return report["plan"]["flops"]


def measure_machine(threads: int) -> dict[str, float]:
    """What the page of `attune profile` says of the machine: {"gflops", "gbs", "target", "threads"}."""
    model, shape = models.CASES["ppocr_cls"]
    with tempfile.TemporaryDirectory() as folder:
        command = [COMMAND, "profile", zoo.model_path(model), *shape_flags(model, shape), "--runs", "1"]
        command += ["--intra-op-num-threads", str(threads)]
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
        (page,) = Path(folder).glob("*.html")
        found = re.search(r'"machine":(\{[^}]*\})', page.read_text())
    if found is None:
        sys.exit("the page of `attune profile` does not name the machine's peak")
    return json.loads(found[1])


def make_table(cases: list[str], threads: int, rounds: int, seconds: float) -> str:
    machine = measure_machine(threads)
    lines = [
        f"{cpu_name()}, {machine['target']}, {threads} thread{'s' if threads > 1 else ''}: "
        f"{machine['gflops']:.0f} GFLOP/s of multiply-adds, {machine['gbs']:.0f} GB/s of reads.",
        "",
        "| case | Attune ms | onnxruntime ms | ratio | GFLOP a run | GFLOP/s | share of the peak |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for case in cases:
        try:
            result = models.measure(case, threads, rounds, seconds, {})
        except RuntimeError as failure:
            sys.exit(f"{case}: {failure}")
        ours, theirs = (result["figures"][engine]["median_s"] for engine in models.ENGINES)
        gflop = count_flops(*models.CASES[case]) * 1e-9
        lines.append(
            f"| {case} | {ours * 1e3:.2f} | {theirs * 1e3:.2f} | {result['ratio']:.2f} | {gflop:.2f} "
            f"| {gflop / ours:.0f} | {gflop / ours / machine['gflops']:.0%} |"
        )
        print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(models.CASES), help="some of " + ", ".join(models.CASES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="an engine's time in a round")
    parser.add_argument("--print", action="store_true", help="to the terminal, not into the page")
    args = parser.parse_args()
    cases = args.cases.split(",")
    if unknown := [case for case in cases if case not in models.CASES]:
        parser.error(f"unknown cases: {', '.join(unknown)}")

    table = make_table(cases, args.threads, args.rounds, args.seconds)
    if args.print:
        print(table)
        return
    page = PAGE.read_text()
    before, _, rest = page.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    PAGE.write_text(f"{before}{MARKS[0]}\n{table}\n{MARKS[1]}{after}")


if __name__ == "__main__":
    main()
