"""The installed package: examples/cpp builds against it with find_package(attune) or pkg-config, and runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import attune
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

ROOT = Path(__file__).resolve().parents[2]
# The build that the Python module belongs to.
BUILD = Path(attune.__file__).parents[2]


def build_setting(name: str) -> str:
    """A variable of the build's CMake cache; "" when it has none of that name."""
    for line in (BUILD / "CMakeCache.txt").read_text().splitlines():
        key, _, value = line.partition("=")
        if key.partition(":")[0] == name:
            return value
    return ""


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=300)


def must_run(*command: object) -> None:
    result = run(*command)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the build is installed."""
    if not (BUILD / "CMakeCache.txt").exists():
        pytest.skip("the Python module does not come from a build tree")
    if build_setting("ATTUNE_SANITIZE"):
        pytest.skip("a library built with sanitizers needs them in its users too")
    where = tmp_path_factory.mktemp("installed")
    must_run("cmake", "--install", BUILD, "--prefix", where)
    return where


@pytest.fixture(scope="module")
def example(prefix: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's executable."""
    folder = tmp_path_factory.mktemp("example")
    must_run(
        "cmake",
        *("-S", ROOT / "examples" / "cpp", "-B", folder, "-G", "Ninja"),
        f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DCMAKE_CXX_COMPILER={build_setting('CMAKE_CXX_COMPILER')}",
        f"-DCMAKE_CXX_COMPILER_LAUNCHER={build_setting('CCACHE').removesuffix('CCACHE-NOTFOUND')}",
    )
    must_run("cmake", "--build", folder)
    return folder / "run_model"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """probabilities = Softmax(x W), whose mean over 4 classes is 1/4 whatever is fed."""
    weights = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "weights"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["probabilities"], axis=-1),
        ],
        "classifier",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 4])],
        [onnx.numpy_helper.from_array(weights, "weights")],
    )
    path = tmp_path / "classifier.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_the_example_runs_a_model(example: Path, model: Path) -> None:
    result = run(example, model, 1)
    assert result.returncode == 0, result.stderr
    assert "input  x: tensor(float) [batch, 3]\n" in result.stdout
    assert "output probabilities: tensor(float) [batch, 4]\n" in result.stdout
    assert "ran on up to 1 threads\n" in result.stdout
    assert "probabilities = tensor(float){1,4} min 0." in result.stdout
    assert "mean 0.250000" in result.stdout


def test_the_example_reports_errors(example: Path, tmp_path: Path) -> None:
    missing = run(example, tmp_path / "missing.onnx")
    assert missing.returncode == 1
    assert missing.stderr.startswith("NO_SUCHFILE: ")
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"not a model")
    assert run(example, damaged).stderr.startswith("INVALID_PROTOBUF: ")
    assert run(example, damaged, -1).stderr.startswith("INVALID_ARGUMENT: ")


@pytest.mark.skipif(shutil.which("pkg-config") is None, reason="pkg-config is not installed")
def test_pkg_config_tells_how_to_build(prefix: Path, tmp_path: Path, model: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(prefix, moved, symlinks=True)
    (file,) = moved.rglob("attune.pc")
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "attune"],
        env=os.environ | {"PKG_CONFIG_PATH": str(file.parent)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert any(flag.startswith("-I") and Path(flag[2:]).resolve() == moved / "include" for flag in flags)
    source = ROOT / "examples" / "cpp" / "run_model.cpp"
    must_run(build_setting("CMAKE_CXX_COMPILER"), "-std=c++20", source, "-o", tmp_path / "run_model", *flags)
    result = run(tmp_path / "run_model", model, 1)
    assert result.returncode == 0, result.stderr
    assert "mean 0.250000" in result.stdout


def test_only_public_headers_are_installed(prefix: Path) -> None:
    installed = {path.relative_to(prefix / "include") for path in (prefix / "include").rglob("*") if path.is_file()}
    public = {path.relative_to(ROOT / "include") for path in (ROOT / "include").rglob("*.h")}
    assert installed == public
