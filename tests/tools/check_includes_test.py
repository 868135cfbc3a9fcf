"""The include-direction check finds what breaks the flow and lets pass what follows it."""

import graphlib
from pathlib import Path

import check_includes
import pytest


def write(root: Path, name: str, *lines: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("base", "#include <unistd.h>"),
        ("base", '#include "base/error.h"'),
        ("kernels", '#include "hwy/highway.h"'),
        ("kernels", '#include "attune/error.h"'),
        ("ops", '#include "kernels/gemm.h"'),
        ("ops", "#include <algorithm>"),
        ("plan", '  #  include "ops/op_def.h"'),
        ("session", '#include "onnx/reader.h"'),
        ("session", '#include "attune/session.h"'),
        ("onnx", "#include <protozero/pbf_reader.hpp>"),
        ("tune", '#include "attune/session.h"'),
    ],
)
def test_passes_what_follows_the_flow(tmp_path: Path, room: str, line: str) -> None:
    write(tmp_path, f"src/{room}/thing.cpp", line)
    assert check_includes.check(tmp_path) == []


@pytest.mark.parametrize(
    ("room", "line", "reason"),
    [
        ("base", '#include "tensor/tensor.h"', "tensor is not below it"),
        ("kernels", '#include "graph/node.h"', "graph is not below it"),
        ("kernels", '#include "tensor/tensor.h"', "tensor is not below it"),
        ("ops", '#include "plan/plan.h"', "plan is not below it"),
        ("ops", '#include "attune/session.h"', "session is not below it"),
        ("ops", "#include <hwy/highway.h>", "vector code belongs into base or kernels/"),
        ("ops", "#include <immintrin.h>", "an instruction set's header belongs into base or kernels/"),
        ("runtime", "#include <sys/mman.h>", "an operating system's header belongs into base/"),
        ("runtime", "#include <pthread.h>", "an operating system's header belongs into base/"),
        ("graph", "#include <protozero/pbf_reader.hpp>", "the protobuf reader belongs into onnx/"),
        ("graph", '#include "node.h"', 'write "graph/node.h"'),
    ],
)
def test_finds_what_breaks_it(tmp_path: Path, room: str, line: str, reason: str) -> None:
    write(tmp_path, f"src/{room}/deeper/thing.h", "#include <vector>", line)
    (found,) = check_includes.check(tmp_path)
    assert found.startswith(f"src/{room}/deeper/thing.h:2: ")
    assert reason in found


def test_tests_may_put_rooms_together(tmp_path: Path) -> None:
    for name in ("gemm_test.cpp", "gemm_bench.cpp", "op_test.h"):
        write(tmp_path, f"src/kernels/{name}", '#include "session/session.h"', "#include <unistd.h>")
    assert check_includes.check(tmp_path) == []


def test_an_unknown_room_is_found(tmp_path: Path) -> None:
    write(tmp_path, "src/utils/strings.h", "#include <string>")
    assert check_includes.check(tmp_path) == ["src/utils/strings.h:1: utils/ is not in the table of rooms"]


def test_a_public_header_includes_public_headers_only(tmp_path: Path) -> None:
    write(
        tmp_path,
        "include/attune/session.h",
        '#include "attune/error.h"',
        "#include <memory>",
        '#include "graph/node.h"',
    )
    (found,) = check_includes.check(tmp_path)
    assert found.startswith("include/attune/session.h:3: ")


def test_rooms_have_no_cycle() -> None:
    assert set(graphlib.TopologicalSorter(check_includes.ROOMS).static_order()) == set(check_includes.ROOMS)


def test_the_project_itself_passes() -> None:
    assert check_includes.check(Path(__file__).parents[2]) == []
