#!/usr/bin/env python3
"""Run clang-tidy over the project's C++ sources, all cores at once, and remember what was clean.

    lint_cpp.py BUILD_DIR

BUILD_DIR holds compile_commands.json. Tests and benchmarks are left out: parsing GoogleTest costs more than all the
rest. A source is checked again when it, a project header that it includes, its command, or .clang-tidy has changed;
the hashes of clean sources are kept in BUILD_DIR/lint.json.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
INCLUDE_ROOTS = (ROOT / "src", ROOT / "include", ROOT / "apps" / "attune", ROOT / "python")
# One instruction set is enough: the code is the same for each, and parsing it for all of them takes six times as long.
TIDY_ARGUMENTS = ["--quiet", "--extra-arg=-DHWY_COMPILE_ONLY_STATIC", "--extra-arg=-Wno-unknown-warning-option"]


def sources(build: Path) -> dict[Path, str]:
    """{source: compile command} of what is checked."""
    entries = json.loads((build / "compile_commands.json").read_text())
    chosen = {}
    for entry in entries:
        path = Path(entry["file"])
        ours = path.is_relative_to(ROOT) and not path.is_relative_to(ROOT / ".venv")
        if ours and not path.stem.endswith(("_test", "_bench")):
            chosen[path] = entry["command"]
    return chosen


def project_includes(path: Path, text: str) -> list[Path]:
    """The project's headers that a file includes directly."""
    found = []
    for name in INCLUDE.findall(text):
        for base in (*INCLUDE_ROOTS, path.parent):
            if (base / name).is_file():
                found.append(base / name)
                break
    return found


def identity(source: Path, command: str, common: bytes, texts: dict[Path, str]) -> str:
    """A hash of all that the verdict on a source depends on, apart from system headers."""
    seen: set[Path] = set()
    waiting = [source]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        if path not in texts:
            texts[path] = path.read_text(encoding="utf-8")
        waiting += project_includes(path, texts[path])
    digest = hashlib.sha256(common)
    digest.update(command.encode())
    for path in sorted(seen):
        digest.update(str(path).encode() + b"\0" + texts[path].encode() + b"\0")
    return digest.hexdigest()


def tidy(build: Path, source: Path) -> tuple[Path, bool, str, float]:
    """(source, whether it is clean, what clang-tidy said, seconds)."""
    start = time.monotonic()
    command = ["clang-tidy", *TIDY_ARGUMENTS, "-p", str(build), str(source)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    output = result.stdout if result.returncode == 0 else result.stdout + result.stderr
    return source, result.returncode == 0, output.strip(), time.monotonic() - start


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    build = Path(sys.argv[1]).resolve()
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout
    common = version + (ROOT / ".clang-tidy").read_bytes() + shlex.join(TIDY_ARGUMENTS).encode()
    memory = build / "lint.json"
    clean = set(json.loads(memory.read_text())) if memory.exists() else set()

    texts: dict[Path, str] = {}
    hashes = {source: identity(source, command, common, texts) for source, command in sources(build).items()}
    waiting = [source for source, key in hashes.items() if key not in clean]
    kept = {key for key in hashes.values() if key in clean}
    failures: list[str] = []
    print(f"clang-tidy: {len(waiting)} of {len(hashes)} sources to check", flush=True)
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        jobs = [pool.submit(tidy, build, source) for source in waiting]
        for number, job in enumerate(concurrent.futures.as_completed(jobs), 1):
            source, is_clean, output, seconds = job.result()
            print(f"[{number}/{len(waiting)}] {source.relative_to(ROOT)} {seconds:.1f} s", flush=True)
            if is_clean:
                kept.add(hashes[source])
            else:
                failures.append(f"{source.relative_to(ROOT)}\n{output}")
    memory.write_text(json.dumps(sorted(kept)))
    # At the end, where the reader of a long log looks first.
    for failure in failures:
        print(f"\nclang-tidy failed: {failure}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
