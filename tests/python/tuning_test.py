"""What tuning gives a Python program: SessionOptions.from_tuned."""

import json
import warnings
from pathlib import Path
from typing import Any

import attune
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tuned import make_tuned


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """y = x W for x of [batch, 16]."""
    weights = onnx.numpy_helper.from_array(np.eye(16, 8, dtype="f4"), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 8])],
        [weights],
    )
    path = tmp_path / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def save(folder: Path, **changes: Any) -> Path:
    path = folder / "made_up.json"
    path.write_text(json.dumps(make_tuned(**changes)))
    return path


def test_from_tuned_sets_what_was_recommended(tmp_path: Path) -> None:
    with pytest.warns(UserWarning) as caught:
        options = attune.SessionOptions.from_tuned(save(tmp_path))
    assert options.enable_cpu_mem_arena is False
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    texts = " ".join(str(warning.message) for warning in caught)
    assert "measured on onnxruntime 1.32.0, not on Attune" in texts
    assert "with a quota of 1.5 CPUs" in texts
    assert all(warning.filename == __file__ for warning in caught)
    options.set_load_cancellation_flag(False)


def test_from_tuned_refuses_other_files(tmp_path: Path) -> None:
    from attune.capi.onnxruntime_pybind11_state import InvalidArgument, NoSuchFile

    other = tmp_path / "other.json"
    other.write_text("[]")
    with pytest.raises(InvalidArgument, match=r"other\.json"):
        attune.SessionOptions.from_tuned(other)
    with pytest.raises(NoSuchFile, match=r"missing\.json"):
        attune.SessionOptions.from_tuned(tmp_path / "missing.json")


def test_a_session_notices_another_model(tmp_path: Path, model: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = attune.SessionOptions.from_tuned(save(tmp_path))
    lines: list[str] = []
    attune.set_default_logger_callback(lambda severity, category, logid, place, text: lines.append(text))
    try:
        attune.InferenceSession(model, options)
        attune.InferenceSession(model.read_bytes(), options)
    finally:
        attune.set_default_logger_callback(None)
    assert [line for line in lines if "tuned for another model" in line] == [lines[0]] * 2
