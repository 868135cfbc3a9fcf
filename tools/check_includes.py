#!/usr/bin/env python3
"""Check that includes follow the flow of the data.

    check_includes.py [ROOT]

Prints one line for each include that breaks the tables below, and fails when there is one. Tests and benchmarks
(x_test.cpp, x_test.h, x_bench.cpp) may include any room: they put rooms together on purpose.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# A room may include itself and the rooms named here.
ROOMS: dict[str, set[str]] = {
    "base": set(),
    "kernels": {"base"},
    "tensor": {"base"},
    "graph": {"base", "tensor"},
    "onnx": {"base", "tensor", "graph"},
    "optimize": {"base", "tensor", "graph", "ops"},
    "ops": {"base", "tensor", "graph", "kernels"},
    "plan": {"base", "tensor", "graph", "kernels", "ops"},  # a layout has the width of the kernels' blocks
    "runtime": {"base", "tensor", "graph", "ops", "plan"},
    "session": {"base", "tensor", "graph", "onnx", "optimize", "ops", "plan", "runtime"},
    "tune": {"base", "session"},
}

# The public headers below the session: which room each counts as. Those not named here count as session.
PUBLIC_HEADERS: dict[str, str] = {
    "attune/error.h": "base",
    "attune/log.h": "base",
    "attune/tensor.h": "tensor",
}


@dataclass(frozen=True)
class Confined:
    """Headers from outside the project that only some rooms may include."""

    header: re.Pattern[str]
    rooms: set[str]
    what: str


CONFINED = [
    Confined(
        re.compile(
            r"(sys|linux|asm|arpa|netinet|net)/|(unistd|pthread|sched|fcntl|dlfcn|dirent|poll|spawn|signal|link)\.h$"
        ),
        {"base"},
        "an operating system's header",
    ),
    Confined(re.compile(r"hwy/"), {"base", "kernels"}, "vector code"),
    Confined(
        re.compile(r"\w+intrin\.h$|arm_neon\.h$|arm_sve\.h$|cpuid\.h$"),
        {"base", "kernels"},
        "an instruction set's header",
    ),
    Confined(re.compile(r"protozero/"), {"onnx"}, "the protobuf reader"),
]

EXEMPT = re.compile(r"_(test|bench)\.(cpp|h)$")
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')


def room_of_header(header: str) -> str | None:
    """The room that a header belongs to, None when it is not the project's."""
    first = header.split("/")[0]
    if first == "attune":
        return PUBLIC_HEADERS.get(header, "session")
    return first if first in ROOMS else None


def why_forbidden(room: str, header: str, quoted: bool) -> str | None:
    """What is wrong with an include in a room, None when nothing is."""
    if quoted and "/" not in header:
        return f'write "{room}/{header}", from the root of src'
    target = room_of_header(header)
    if target is not None:
        if target == room or target in ROOMS[room]:
            return None
        return f"{room}/ may not include {header}: {target} is not below it"
    for rule in CONFINED:
        if rule.header.match(header) and room not in rule.rooms:
            return f"{room}/ may not include {header}: {rule.what} belongs into {' or '.join(sorted(rule.rooms))}/"
    return None


def includes(path: Path) -> Iterator[tuple[int, str, bool]]:
    """(line, header, whether it stands in quotes) of each include."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if match := INCLUDE.match(line):
            yield number, match[1] or match[2], match[1] is not None


def check(root: Path) -> list[str]:
    """Every broken rule below root/src and root/include, as `file:line: text`."""
    found = []
    for path in sorted((root / "src").glob("*/**/*")):
        if path.suffix not in (".h", ".cpp") or EXEMPT.search(path.name):
            continue
        where = path.relative_to(root)
        room = where.parts[1]
        if room not in ROOMS:
            found.append(f"{where}:1: {room}/ is not in the table of rooms")
            continue
        for number, header, quoted in includes(path):
            if reason := why_forbidden(room, header, quoted):
                found.append(f"{where}:{number}: {reason}")
    for path in sorted((root / "include").glob("**/*.h")):
        for number, header, quoted in includes(path):
            private = room_of_header(header) is not None and not header.startswith("attune/")
            if private or (quoted and "/" not in header):
                where = path.relative_to(root)
                found.append(f"{where}:{number}: a public header may include public headers only, not {header}")
    return found


def main() -> int:
    found = check(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
