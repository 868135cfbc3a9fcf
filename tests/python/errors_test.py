"""What goes wrong goes wrong as in onnxruntime: the same exception classes, the same texts where programs read them."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attune
import numpy as np
import onnxruntime
import pytest
import tiny
from attune.capi import onnxruntime_pybind11_state as ours
from onnxruntime.capi import onnxruntime_pybind11_state as reference

CLASSES = [
    "Fail",
    "InvalidArgument",
    "NoSuchFile",
    "NoModel",
    "EngineError",
    "RuntimeException",
    "InvalidProtobuf",
    "ModelLoaded",
    "NotImplemented",
    "InvalidGraph",
    "EPFail",
]
X = np.ones((2, 3), np.float32)


@pytest.mark.parametrize("name", CLASSES)
def test_the_classes_of_exceptions(name: str) -> None:
    assert getattr(ours, name).__bases__ == getattr(reference, name).__bases__ == (Exception,)
    assert getattr(ours, name).__name__ == name
    error = pickle.loads(pickle.dumps(getattr(ours, name)("text")))  # raised through a process pool
    assert type(error) is getattr(ours, name)


def raised_by(action: Callable[..., Any], *arguments: Any) -> tuple[str, str]:
    """The class and the text of what the call raises."""
    with pytest.raises(Exception) as raised:
        action(*arguments)
    return raised.type.__name__, str(raised.value)


def make_session(interface: Any, model: Any) -> Any:
    options = interface.SessionOptions()
    options.log_severity_level = 4
    return interface.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def errors_of_run(model: bytes, names: list[str] | None, feed: dict[Any, Any]) -> list[tuple[str, str]]:
    """What a run raises on Attune and on onnxruntime."""
    return [raised_by(make_session(interface, model).run, names, feed) for interface in (attune, onnxruntime)]


def errors_of_loading(model: Any) -> list[tuple[str, str]]:
    return [raised_by(make_session, interface, model) for interface in (attune, onnxruntime)]


FEEDS: dict[str, tuple[list[str] | None, dict[Any, Any]]] = {
    "no input": (None, {}),
    "wrong name alone": (None, {"Q": X}),
    "wrong name too": (None, {"X": X, "Q": X}),
    "double": (None, {"X": X.astype(np.float64)}),
    "float16": (None, {"X": X.astype(np.float16)}),
    "int32": (None, {"X": X.astype(np.int32)}),
    "bool": (None, {"X": X.astype(np.bool_)}),
    "text": (None, {"X": X.astype(str)}),
    "rank too low": (None, {"X": X[0]}),
    "rank too high": (None, {"X": X[None]}),
    "no dimensions": (None, {"X": np.array(1, np.float32)}),
    "wrong size": (None, {"X": np.ones((2, 4), np.float32)}),
    "wrong output": (["Z"], {"X": X}),
    "one wrong output of two": (["Y", "Z"], {"X": X}),
    "a number for a name": (None, {1: X}),
}


@pytest.mark.parametrize("case", FEEDS)
def test_a_bad_feed_fails_with_the_words_of_onnxruntime(case: str) -> None:
    mine, theirs = errors_of_run(tiny.matmul(), *FEEDS[case])
    assert mine == theirs


def test_all_the_wrong_dimensions_are_listed() -> None:
    model = tiny.model("(float[2,N,4] X) => (float[2,N,4] Y) { Y = Relu(X) }")
    feed = {"X": np.ones((3, 5, 6), np.float32)}
    mine, theirs = errors_of_run(model, None, feed)
    assert mine == theirs
    assert "index: 0 Got: 3 Expected: 2\n index: 2 Got: 6 Expected: 4" in mine[1]


def test_several_missing_inputs_are_listed() -> None:
    model = tiny.model("(float[N] a, float[N] b, float[N] c) => (float[N] y) { y = Sum(a, b, c) }")
    mine, theirs = errors_of_run(model, None, {"b": X[0]})
    assert mine == theirs
    assert mine == ("ValueError", "Required inputs (['a', 'c']) are missing from input feed (['b']).")


def test_the_session_works_after_every_bad_feed() -> None:
    session = make_session(attune, tiny.matmul())
    for names, feed in FEEDS.values():
        raised_by(session.run, names, feed)
        assert session.run(None, {"X": X})[0].tolist() == [[9, 12], [9, 12]]


@pytest.mark.parametrize("value", [None, {}, [[1, 2, 3], [1]], np.array(["2020-01-01"], "M8[s]"), 3j, object()])
def test_what_is_no_tensor_is_refused(value: Any) -> None:
    session = make_session(attune, tiny.matmul())
    with pytest.raises((ours.InvalidArgument, ValueError, TypeError)):
        session.run(None, {"X": value})


def test_files_that_are_no_models(tmp_path: Path) -> None:
    empty, junk = tmp_path / "empty.onnx", tmp_path / "junk.onnx"
    empty.write_bytes(b"")
    junk.write_bytes(b"not a model at all")
    for model in (b"", str(tmp_path / "missing.onnx"), str(junk), b"not a model at all"):
        mine, theirs = errors_of_loading(model)
        assert mine == theirs
    # The words differ, the classes do not.
    for model in (str(tmp_path), str(empty)):
        mine, theirs = errors_of_loading(model)
        assert mine[0] == theirs[0]
    pickle_of_a_list = pickle.dumps(list(range(100)))
    png = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    for model in (pickle_of_a_list, png, b"PK\x03\x04" + bytes(100), b"\x00" * 100, b"\xff" * 100):
        with pytest.raises((ours.InvalidProtobuf, ours.InvalidArgument, ours.InvalidGraph, ours.Fail)):
            make_session(attune, model)


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny.matmul())
    path.chmod(0)
    with pytest.raises((ours.Fail, ours.NoSuchFile)):
        make_session(attune, path)


@pytest.mark.parametrize(
    ("graph", "error", "words"),
    [
        ("(float[N] X) => (float[N] Y) { Y = Frobnicate(X) }", "InvalidGraph", "Frobnicate"),
        ("(float[N] X) => (float[N] Y) { Y = Relu(Q) }", "InvalidArgument", "'Q'"),
        ("(float[N] X) => (float[N] Y) { Y = Relu(X, X) }", "InvalidGraph", "Relu.*input size 2 not in range"),
        ("(int64[N] X) => (int64[N] Y) { Y = Sigmoid(X) }", "InvalidGraph", r"tensor\(int64\).*Sigmoid"),
        ("(float[2,3] X, float[4,5] Z) => (float[2,5] Y) { Y = MatMul(X, Z) }", "Fail", "MatMul.*ShapeInference"),
    ],
    ids=["unknown operator", "unknown value", "too many inputs", "wrong type", "wrong shapes"],
)
def test_an_invalid_graph_has_the_class_of_onnxruntime(graph: str, error: str, words: str) -> None:
    for interface in (attune, onnxruntime):
        with pytest.raises(Exception, match=words) as raised:
            make_session(interface, tiny.model(graph))
        assert raised.type.__name__ == error


@pytest.mark.parametrize(
    "graph",
    [
        "(float[N] X) => (float[N] Y) { A = Add(X, B)\n B = Relu(A)\n Y = Relu(B) }",
        "(float[N] X) => (float[N] Y) { Y = Relu(X)\n Y = Neg(X) }",
        "(float[N] X) => (float[N] Y) { Z = Relu(X) }",
    ],
    ids=["cycle", "two definitions", "no definition of the output"],
)
def test_a_graph_that_cannot_be_ordered_is_refused(graph: str) -> None:
    with pytest.raises((ours.InvalidGraph, ours.Fail)):
        make_session(attune, tiny.model(graph))


def test_an_opset_from_the_future_is_refused() -> None:
    with pytest.raises(ours.Fail, match="99"):
        make_session(attune, tiny.model("(float[N] X) => (float[N] Y) { Y = Relu(X) }", opset=99))


@pytest.mark.parametrize(
    ("graph", "feed", "node"),
    [
        (
            "(float[a,b] X, float[c,d] Z) => (float[a,d] Y) { [mm] Y = MatMul(X, Z) }",
            {"X": X, "Z": X},
            "MatMul node. Name:'mm'",
        ),
        (
            "(float[a,b] X, float[c,d] Z) => (float[e,f] Y) { [sum] Y = Add(X, Z) }",
            {"X": X, "Z": np.ones((5, 3), np.float32)},
            "Add node. Name:'sum'",
        ),
        (
            "(float[a,b] X, int64[k] S) => (float[e,f] Y) { [shape] Y = Reshape(X, S) }",
            {"X": X, "S": np.array([5, 5])},
            "Reshape node. Name:'shape'",
        ),
        (
            "(float[a,b] X, int64[k] I) => (float[k,b] Y) { [pick] Y = Gather(X, I) }",
            {"X": X, "I": np.array([2])},
            "Gather node. Name:'pick'",
        ),
    ],
)
def test_a_failing_node_is_named(graph: str, feed: dict[str, np.ndarray], node: str) -> None:
    words = f"Non-zero status code returned while running {node} Status Message: "
    (name, text), (_, reference_text) = errors_of_run(tiny.model(graph), None, feed)
    assert name == "Fail"
    assert text.startswith(f"[ONNXRuntimeError] : 1 : FAIL : {words}")
    # onnxruntime gives some kernels' failures another code.
    assert words in reference_text


@pytest.mark.parametrize("dims", [[1 << 20, 1 << 20], [1 << 40, 1 << 40], [1 << 62, 4], [-1, 4], [2**63 - 1]])
def test_more_memory_than_there_is(dims: list[int]) -> None:
    model = tiny.model("(int64[k] S) => (float Y) { Y = ConstantOfShape(S) }")
    session = make_session(attune, model)
    with pytest.raises(ours.Fail, match="ConstantOfShape"):
        session.run(None, {"S": np.array(dims)})
    assert session.run(None, {"S": np.array([2])})[0].tolist() == [0, 0]


def test_more_memory_for_activations_than_there_is() -> None:
    model = tiny.model(
        """(float[N,1] a, float[1,M] b) => (float[] y) {
        outer = Mul(a, b)
        twice = Add(outer, a)
        y = ReduceSum <keepdims = 0> (twice)
        }"""
    )
    session = make_session(attune, model)
    side = 1 << 21
    with pytest.raises((ours.Fail, ours.RuntimeException), match=r"(?i)alloc|memory"):
        session.run(None, {"a": np.ones((side, 1), np.float32), "b": np.ones((1, side), np.float32)})
    result = session.run(None, {"a": np.ones((2, 1), np.float32), "b": np.ones((1, 3), np.float32)})[0]
    assert result == 12


def test_terminate_ends_a_run() -> None:
    for interface in (attune, onnxruntime):
        session, options = make_session(interface, tiny.matmul()), interface.RunOptions()
        options.terminate = True
        with pytest.raises(Exception, match="Exiting due to terminate flag being set to true") as raised:
            session.run(None, {"X": X}, options)
        assert raised.type.__name__ == "Fail"
        options.terminate = False
        assert session.run(None, {"X": X}, options)[0].shape == (2, 2)
