"""optimized_model_filepath: what is written runs on onnxruntime with the same results, at every level."""

from pathlib import Path

import attune
import numpy as np
import onnx
import onnxruntime
import pytest
import tiny
import zoo
from accuracy import TOLERANCE, distance

LEVELS = ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"]

SHAPES: dict[str, tuple[int, ...]] = {
    "article_cnn": (1, 200, 200, 1),
    "mobilenet_v2": (1, 3, 97, 131),
    "minilm": (2, 37),
    "ppocr_det": (1, 3, 96, 160),
    "ppocr_rec": (1, 3, 48, 101),
    "ppocr_cls": (1, 3, 48, 192),
}


def write(model: "str | bytes", target: Path, level: str) -> attune.InferenceSession:
    options = attune.SessionOptions()
    options.graph_optimization_level = getattr(attune.GraphOptimizationLevel, level)
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 4
    return attune.InferenceSession(model, options)


def reference(model: "str | Path") -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(model), options)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", SHAPES)
def test_onnxruntime_runs_what_is_written(name: str, level: str, tmp_path: Path) -> None:
    path = zoo.model_path(name)
    target = tmp_path / "optimized.onnx"
    ours = write(str(path), target, level)
    written = onnx.load(target)
    onnx.checker.check_model(written)
    assert {opset.domain for opset in written.opset_import} == {opset.domain for opset in onnx.load(path).opset_import}
    if level == "ORT_DISABLE_ALL":
        assert len(written.graph.node) == len(onnx.load(path).graph.node)
    feed = zoo.feed(name, SHAPES[name], 0)
    expected = reference(path).run(None, feed)
    results = ours.run(None, feed)
    for engine in (reference(target), attune.InferenceSession(target)):
        for result, wanted in zip(engine.run(None, feed), expected, strict=True):
            assert distance(result, wanted) <= TOLERANCE, engine
    for result, wanted in zip(results, expected, strict=True):
        assert distance(result, wanted) <= TOLERANCE
    if level == "ORT_ENABLE_ALL":  # the same operators come of it once more
        for result, wanted in zip(attune.InferenceSession(target).run(None, feed), results, strict=True):
            assert np.array_equal(result, wanted)


def test_outputs_keep_their_names(tmp_path: Path) -> None:
    """Two outputs that are one value, one that is an input, and one that is a constant."""
    model = tiny.model(
        """(float[N,3] X) => (float[N,3] A, float[N,3] B, float[N,3] C, float[3] D) {
        t = Relu(X)
        A = Identity(t)
        B = Relu(X)
        C = Identity(X)
        D = Add(W, W)
        }""",
        W=np.array([1, 2, 3], np.float32),
    )
    target = tmp_path / "optimized.onnx"
    write(model, target, "ORT_ENABLE_ALL")
    feed = {"X": np.array([[-1, 0, 2]], np.float32)}
    session = reference(target)
    assert [output.name for output in session.get_outputs()] == ["A", "B", "C", "D"]
    a, b, c, d = session.run(None, feed)
    assert a.tolist() == b.tolist() == [[0, 0, 2]]
    assert c.tolist() == [[-1, 0, 2]]
    assert d.tolist() == [2, 4, 6]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    target = tmp_path / "missing" / "optimized.onnx"
    with pytest.raises(Exception, match=r"optimized\.onnx"):
        write(tiny.matmul(), target, "ORT_ENABLE_ALL")
