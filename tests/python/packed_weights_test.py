"""Sessions that map their packed weights: nothing is packed, the bits are the same, and processes share the memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import attune
import numpy as np
import onnx
import pytest
from attune.command import find_program
from onnx import TensorProto, helper, numpy_helper

# Holds a session and waits for its input to end. Its answer: bytes that are its alone, and a few bits of the result.
HOLDER = """
import re, sys
import attune, numpy

def private_bytes():
    text = open("/proc/self/smaps_rollup").read()
    return 1024 * sum(int(n) for n in re.findall(r"^Private_(?:Clean|Dirty): +(\\d+)", text, re.M))

def proportional_bytes():
    return 1024 * int(re.search(r"^Pss: +(\\d+)", open("/proc/self/smaps_rollup").read(), re.M)[1])

before = private_bytes()
session = attune.InferenceSession("model.onnx")
y = session.run(None, {"x": numpy.ones((2, 1024), "f4")})[0]
print(private_bytes() - before, y.tobytes().hex()[:64], flush=True)
sys.stdin.readline()
print(proportional_bytes(), flush=True)
"""

WIDTH = 1024
LAYERS = 6
WEIGHTS = LAYERS * WIDTH * WIDTH * 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of 24 MiB of weights and, beside it, the file of them packed."""
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array((rng.standard_normal((WIDTH, WIDTH)) / 32).astype("f4"), f"w{k}") for k in range(LAYERS)
    ]
    nodes = [helper.make_node("MatMul", [f"t{k}" if k else "x", f"w{k}"], [f"t{k + 1}"]) for k in range(LAYERS)]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", WIDTH])],
        [helper.make_tensor_value_info(f"t{LAYERS}", TensorProto.FLOAT, ["batch", WIDTH])],
        weights,
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "model.onnx"
    )
    program = find_program()
    assert program is not None
    subprocess.run([program, "pack", "model.onnx"], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def hold(folder: Path, packed: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        cwd=folder,
        env=os.environ | {"ATTUNE_PACKED_WEIGHTS": packed},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line_of(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def proportional(process: subprocess.Popen[str]) -> int:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    bytes_held = int(line_of(process)[0])
    process.stdin.close()
    assert process.wait(60) == 0
    return bytes_held


def test_a_session_packs_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = attune.SessionOptions()
    options.log_severity_level = 1
    options.add_session_config_entry("attune.packed_weights", str(folder / "model.onnx.packed"))
    mapped = attune.InferenceSession(folder / "model.onnx", options)
    assert "Mapped 24.0 MiB of packed weights from" in capfd.readouterr().err
    plain = attune.InferenceSession(folder / "model.onnx")
    feed = {"x": np.random.default_rng(1).standard_normal((3, WIDTH)).astype("f4")}
    assert mapped.run(None, feed)[0].tobytes() == plain.run(None, feed)[0].tobytes()


def test_processes_share_the_pages(folder: Path) -> None:
    plain = hold(folder, "")
    private, bits = line_of(plain)
    assert int(private) > WEIGHTS * 0.9
    alone = proportional(plain)

    first, second = (hold(folder, "model.onnx.packed") for _ in range(2))
    for process in (first, second):
        answer = line_of(process)
        assert answer[1] == bits
    # Each is charged for half of the packed weights, and neither has any of them, or of the model's, to itself.
    shared = proportional(first)
    assert shared < alone - 0.4 * WEIGHTS
    proportional(second)


def test_the_models_own_weights_are_not_read(folder: Path) -> None:
    """A process that maps the packed weights holds nothing of the model's file but its ends."""
    program = """
import re
import attune, numpy
session = attune.InferenceSession("model.onnx")
session.run(None, {"x": numpy.ones((2, 1024), "f4")})
smaps = open("/proc/self/smaps").read()
print(sum(int(n) for n in re.findall(r"model\\.onnx\\n(?:\\w+: .*\\n)*?Rss: +(\\d+)", smaps)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=os.environ | {"ATTUNE_PACKED_WEIGHTS": "model.onnx.packed"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) * 1024 < WEIGHTS / 20
