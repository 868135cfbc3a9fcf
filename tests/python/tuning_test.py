"""What tuning gives a Python program: SessionOptions.from_tuned, attune.tune and its result."""

import io
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import attune
import numpy as np
import onnx
import pytest
from attune.command import find_program
from onnx import TensorProto, helper
from tuned import make_tuned

needs_command = pytest.mark.skipif(find_program() is None, reason="this build has no command")


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


@needs_command
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_result_tells_itself(lang: str, tmp_path: Path) -> None:
    tuning = attune.Tuning.load(save(tmp_path), lang)
    assert tuning.settings == {"enable_cpu_mem_arena": False, "session.intra_op.allow_spinning": "0"}
    assert tuning.changes == tuning.settings
    assert ("建议使用" if lang == "zh" else "Use enable_cpu_mem_arena=false") in tuning.verdict
    assert len(tuning.noise) == 5
    assert "import onnxruntime" in tuning.snippets["Python · onnxruntime"]
    first, *others = tuning.candidates
    assert first.changes == {} and first.latency_ms > 0 and first.low < 1 < first.high
    failed = next(one for one in others if one.outcome == "failed")
    assert failed.latency_ms is None and failed.ratio is None and "exit code 1" in failed.reason
    shown = tuning._repr_html_()
    assert tuning.verdict in shown and "srcdoc=" in shown and "<script" not in shown
    assert tuning.verdict in repr(tuning)
    assert tuning.report(tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    again = attune.Tuning.load(tuning.save(tmp_path / "again.json"))
    assert again.data == tuning.data
    with pytest.warns(UserWarning):
        assert tuning.to_session_options().enable_cpu_mem_arena is False


@needs_command
def test_tune_measures_a_model(model: Path, tmp_path: Path) -> None:
    options = attune.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    tuning = attune.tune(model, inputs={"x": np.ones((4, 16), "f4")}, budget=4, options=options)
    assert tuning.data["default_settings"] == {"intra_op_num_threads": 1, "session.set_denormal_as_zero": "1"}
    assert len(tuning.candidates) > 3
    assert tuning.verdict.endswith(".")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # measured here: nothing differs
        session = attune.InferenceSession(model, tuning.to_session_options())
    assert session.run(None, {"x": np.ones((2, 16), "f4")})[0].shape == (2, 8)


class NotebookStream(io.StringIO):
    """What sys.stderr is in Jupyter, as far as its type tells."""

    __module__ = "ipykernel.iostream"


@needs_command
def test_a_notebook_sees_how_far_it_is(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = NotebookStream()
    monkeypatch.setattr(sys, "stderr", stream)
    attune.tune(model, inputs={"x": np.ones((4, 16), "f4")}, budget=2)
    drawn = stream.getvalue().split("\r\x1b[K")
    assert len(drawn) > 5
    assert all(line.startswith("[") and " % " in line for line in drawn[1:-1]), drawn
    assert drawn[-1] == ""  # wiped at the end
    with pytest.raises(ValueError, match=r"^.*--budget"):
        attune.tune(model, budget=-1)


@needs_command
def test_tune_raises_what_the_command_says(tmp_path: Path) -> None:
    from attune.capi.onnxruntime_pybind11_state import Fail

    with pytest.raises(Fail, match="missing"):
        attune.tune(tmp_path / "missing.onnx", budget=1)
    with pytest.raises(ValueError, match="--budget"):
        attune.tune(tmp_path / "missing.onnx", budget=-1)
