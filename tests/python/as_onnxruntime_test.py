"""Programs written for onnxruntime run on Attune unmodified."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

PROGRAM = """\
import sys

import numpy as np
import onnxruntime as ort
from onnxruntime import InferenceSession
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

session = InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
try:
    session.run(None, {"Q": np.ones((1, 3), np.float32), "X": np.ones((1, 3), np.float32)})
except InvalidArgument:
    print("refused")
print(type(session).__module__, ort.__version__, ort.get_version_string(), __name__, sys.argv[2:])
print(session.run(None, {"X": np.ones((1, 3), np.float32)})[0].tolist())
"""
EXPECTED = ["refused", "attune.session 1.32.0 1.32.0 __main__ ['--flag']", "[[9.0, 12.0]]"]


def python(*arguments: str, cwd: Path | None = None) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny.matmul())
    return str(path)


def test_a_script(model: str, tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    assert python("-m", "attune.as_onnxruntime", str(script), model, "--flag") == EXPECTED


def test_a_module(model: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    assert python("-m", "attune.as_onnxruntime", "-m", "program", model, "--flag", cwd=tmp_path) == EXPECTED


def test_a_script_finds_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text("import onnxruntime\nprint(onnxruntime.OrtValue.__module__)\n")
    (tmp_path / "program.py").write_text("import neighbour\n")
    assert python("-m", "attune.as_onnxruntime", str(tmp_path / "program.py")) == ["attune.ort_value"]


def test_the_rest_of_an_installed_onnxruntime_stays_importable() -> None:
    program = """
import attune
attune.install_as_onnxruntime()
attune.install_as_onnxruntime()
import importlib.util
import sys
import onnxruntime
import onnxruntime.quantization
import onnxruntime.tools.file_utils
from onnxruntime.capi import _pybind_state, build_and_package_info
from onnxruntime.datasets import get_example
from onnxruntime.transformers import optimizer
assert importlib.util.find_spec("onnxruntime") is not None
assert onnxruntime.InferenceSession is attune.InferenceSession
assert onnxruntime.quantization.calibrate.onnxruntime is onnxruntime
assert _pybind_state is attune.capi._pybind_state
assert _pybind_state.__spec__.name == "attune.capi._pybind_state"
assert onnxruntime.InferenceSession(get_example("mul_1.onnx")).get_inputs()[0].name == "X"
assert not any("onnxruntime_pybind11_state.cpython" in str(getattr(m, "__file__", "")) for m in sys.modules.values())
assert "SessionOptions" in dir(onnxruntime)
try:
    onnxruntime.no_such_name
except AttributeError as error:
    print("no_such_name" in str(error))
"""
    assert python("-c", program) == ["True"]


def test_too_late_is_said() -> None:
    program = """
import onnxruntime
import attune
try:
    attune.install_as_onnxruntime()
except RuntimeError as error:
    print(error)
"""
    assert python("-c", program) == ["onnxruntime was imported already: call install_as_onnxruntime before it is"]


def test_help() -> None:
    done = subprocess.run([sys.executable, "-m", "attune.as_onnxruntime", "-h"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "python -m attune.as_onnxruntime script.py" in done.stderr
