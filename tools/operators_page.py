#!/usr/bin/env python3
"""Write docs/operators.md from what `attune operators --json` says and the heads of the operators' source files.

Usage: operators_page.py [--check]. With --check nothing is written; it fails when the page is not what it would write.
ATTUNE_BIN names another program than build/attune.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "operators.md"

HEAD = """\
# Operators

What models may be made of. This page is written by `tools/operators_page.py` from each operator's `OpDef`;
`attune operators` says the same.

Versions are those of the operator set that a model states; older forms of an operator's attributes and inputs are
understood. Types are those of the first input, or else of the first output: float16 and bfloat16 are computed in float.
What is missing is said at the top of an operator's file.
"""
TITLES = {
    "ai.onnx": ("ai.onnx", "https://onnx.ai/onnx/operators/"),
    "ai.onnx.ml": ("ai.onnx.ml", "https://onnx.ai/onnx/operators/index.html#ai-onnx-ml"),
    "com.microsoft": (
        "com.microsoft",
        "https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md",
    ),
}
# Sets of types by a shorter name.
SETS = (
    ("2- and 4-bit types", ("int2", "uint2", "int4", "uint4", "float4e2m1")),
    ("8-bit floats", ("float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "float8e8m0")),
    ("complex", ("complex64", "complex128")),
    ("integers", ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")),
    ("floats", ("float", "double", "float16", "bfloat16")),
)
GAP = re.compile(r"\bGaps?:\s+(.+?\.)(?=\s|$)", re.DOTALL)


def listed() -> list[dict[str, Any]]:
    program = os.environ.get("ATTUNE_BIN", str(ROOT / "build" / "attune"))
    done = subprocess.run([program, "operators", "--json"], check=True, capture_output=True, text=True)
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def sources() -> dict[str, Path]:
    """The file of each function that defines an operator."""
    found = {}
    for path in sorted((ROOT / "src" / "ops").glob("*.cpp")):
        text = path.read_text(encoding="utf-8")
        for function in re.findall(r"^\[\[gnu::cold\]\] const OpDef& (\w+)\(\)", text, re.MULTILINE):
            found[function] = path
    return found


def gap_of(path: Path) -> str:
    """What the comment at the top of a file says is missing."""
    lines = path.read_text(encoding="utf-8").split("\n")
    head = [line.lstrip("/ ") for line in lines[: next(i for i, line in enumerate(lines) if line[:2] != "//")]]
    match = GAP.search("\n".join(head))
    return " ".join(match[1].rstrip(".").split()) if match else ""


def names_operator(text: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", text) is not None


def types_of(types: list[str]) -> str:
    left, words = list(types), []
    for name, members in SETS:
        if set(members) <= set(left):
            left = [kind for kind in left if kind not in members]
            words.append(name)
    return ", ".join(left + words[::-1])


def page() -> str:
    files = sources()
    text = HEAD
    for domain, group in groupby(listed(), key=lambda row: row["domain"]):
        title, link = TITLES[domain]
        rows = list(group)
        text += f"\n## [{title}]({link}): {len({row['name'] for row in rows})}\n\n"
        text += "| Operator | Versions | Types | Missing |\n|---|---|---|---|\n"
        for row in rows:
            path = files[row["function"]]
            gap = gap_of(path)
            relatives = {other["name"] for other in rows if files[other["function"]] == path}
            # A gap that names operators is theirs alone.
            if any(names_operator(gap, name) for name in relatives) and not names_operator(gap, row["name"]):
                gap = ""
            name = f"[{row['name']}](../{path.relative_to(ROOT)})"
            text += f"| {name} | {row['versions']} | {types_of(row['types'])} | {gap} |\n"
    return text


def main() -> int:
    if sys.argv[1:] not in ([], ["--check"]):
        print(__doc__)
        return 2
    wanted = page()
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == wanted:
        return 0
    if sys.argv[1:] == ["--check"]:
        print(f"{PAGE.name} is out of date: run tools/operators_page.py")
        return 1
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
