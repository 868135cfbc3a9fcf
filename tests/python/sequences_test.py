"""Sequences and optionals through feeds and outputs: lists of arrays, and None."""

from typing import Any

import attune
import numpy as np
import onnxruntime
import pytest
from attune.capi import onnxruntime_pybind11_state as errors
from onnx import TensorProto, helper, parser

HEAD = '<ir_version: 8, opset_import: ["" : 17]>\n'


def session(interface: Any, model: bytes) -> Any:
    options = interface.SessionOptions()
    options.log_severity_level = 4
    return interface.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def parse(text: str) -> bytes:
    return parser.parse_model(HEAD + text).SerializeToString()


SEQUENCES = parse("""
g (seq(float[]) s, float[N] x, int64 at) => (seq(float[]) grown, float[M] one, int64 length, float[K] joined) {
    grown = SequenceInsert(s, x, at)
    one = SequenceAt(grown, at)
    length = SequenceLength(grown)
    joined = ConcatFromSequence<axis = 0>(grown)
}""")


def same(results: list[Any], wanted: list[Any]) -> None:
    for result, expected in zip(results, wanted, strict=True):
        assert isinstance(result, list) == isinstance(expected, list)
        if isinstance(expected, list):
            same(result, expected)
        else:
            assert result.dtype == expected.dtype
            np.testing.assert_array_equal(result, expected)


def feed(count: int, at: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(count)
    return {
        "s": [rng.standard_normal(size, np.float32) for size in range(1, count + 1)],
        "x": rng.standard_normal(3, np.float32),
        "at": np.array(at),
    }


@pytest.mark.parametrize("at", [0, 2, -1])
def test_lists_in_and_out(at: int) -> None:
    ours, reference = session(attune, SEQUENCES), session(onnxruntime, SEQUENCES)
    for count in (3, 2, 5, 3):
        same(ours.run(None, feed(count, at)), reference.run(None, feed(count, at)))


def test_an_empty_list() -> None:
    results = session(attune, SEQUENCES).run(None, {**feed(0), "s": []})
    assert len(results[0]) == 1
    assert results[2] == 1


def test_types_are_named_as_onnxruntime_names_them() -> None:
    ours, reference = session(attune, SEQUENCES), session(onnxruntime, SEQUENCES)
    assert [value.type for value in ours.get_inputs()] == [value.type for value in reference.get_inputs()]
    assert [value.type for value in ours.get_outputs()] == [value.type for value in reference.get_outputs()]


def test_results_own_their_memory() -> None:
    given = feed(2)
    result = session(attune, SEQUENCES).run(["grown"], given)[0]
    before = [array.copy() for array in result]
    for array in given["s"]:
        array[:] = 9
    same(result, before)


def test_wrong_sequences() -> None:
    ours = session(attune, SEQUENCES)
    with pytest.raises(errors.InvalidArgument, match="takes a list of arrays"):
        ours.run(None, {**feed(2), "s": np.zeros((2, 3), np.float32)})
    with pytest.raises(errors.InvalidArgument, match=r"seq\(tensor\(int64\)\)"):
        ours.run(None, {**feed(2), "s": [np.zeros(2, np.int64)]})
    with pytest.raises(errors.Fail, match=r"Invalid sequence index \(7\)"):
        ours.run(None, feed(2, 7))


def test_sequences_of_strings() -> None:
    model = parse("""
    g (string[N] x) => (seq(string[]) pieces, string[M] again) {
        pieces = SplitToSequence<axis = 0>(x)
        again = ConcatFromSequence<axis = 0>(pieces)
    }""")
    pieces, again = session(attune, model).run(None, {"x": np.array(["a", "bc", ""], object)})
    assert [piece.tolist() for piece in pieces] == [["a"], ["bc"], [""]]
    assert again.tolist() == ["a", "bc", ""]


def test_a_loop_that_collects() -> None:
    model = parse("""
    g (int64 m, float[N] x) => (seq(float[]) all, float[K] joined) {
        none = SequenceEmpty()
        all = Loop(m, , none) <body = b (int64 i, bool go, seq(float[]) s) => (bool more, seq(float[]) t) {
            more = Identity(go)
            f = Cast<to = 1>(i)
            y = Mul(x, f)
            t = SequenceInsert(s, y)
        }>
        joined = ConcatFromSequence<axis = 0>(all)
    }""")
    x = np.array([1, 2], np.float32)
    ours, reference = session(attune, model), session(onnxruntime, model)
    for m in (1, 4):
        same(ours.run(None, {"m": np.array(m), "x": x}), reference.run(None, {"m": np.array(m), "x": x}))


def test_sequences_as_values() -> None:
    ours = session(attune, SEQUENCES)
    given = feed(2)
    values = {
        "s": attune.OrtValue.ortvalue_from_sequence(map(attune.OrtValue.ortvalue_from_numpy, given["s"])),
        "x": attune.OrtValue.ortvalue_from_numpy(given["x"]),
        "at": attune.OrtValue.ortvalue_from_numpy(given["at"]),
    }
    assert values["s"].is_tensor_sequence()
    assert not values["s"].is_tensor()
    assert values["s"].data_type() == "seq(tensor(float))"
    grown = ours.run_with_ort_values(["grown"], values)[0]
    assert grown.is_tensor_sequence()
    same([value.numpy() for value in grown.to_list()], ours.run(["grown"], given)[0])


def optional_model() -> bytes:
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, ["N"])
    optional = helper.make_optional_type_proto(tensor)
    branch = [
        helper.make_graph(
            [helper.make_node("OptionalGetElement", ["x"], ["u"])],
            "yes",
            [],
            [helper.make_tensor_value_info("u", TensorProto.FLOAT, ["M"])],
        ),
        helper.make_graph(
            [helper.make_node("Identity", ["fallback"], ["v"])],
            "no",
            [],
            [helper.make_tensor_value_info("v", TensorProto.FLOAT, ["K"])],
        ),
    ]
    graph = helper.make_graph(
        [
            helper.make_node("OptionalHasElement", ["x"], ["has"]),
            helper.make_node("If", ["has"], ["y"], then_branch=branch[0], else_branch=branch[1]),
            helper.make_node("Identity", ["x"], ["same"]),
            helper.make_node("Optional", [], ["nothing"], type=tensor),
        ],
        "g",
        [helper.make_value_info("x", optional), helper.make_tensor_value_info("fallback", TensorProto.FLOAT, [2])],
        [
            helper.make_tensor_value_info("has", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["L"]),
            helper.make_value_info("same", optional),
            helper.make_value_info("nothing", optional),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8).SerializeToString()


def test_optionals() -> None:
    ours = session(attune, optional_model())
    x, fallback = np.array([1, 2, 3], np.float32), np.array([7, 8], np.float32)
    has, y, again, nothing = ours.run(None, {"x": x, "fallback": fallback})
    assert has.item() is True
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(again, x)
    assert nothing is None
    for empty in ({"x": None}, {}):
        has, y, again, nothing = ours.run(None, {**empty, "fallback": fallback})
        assert has.item() is False
        np.testing.assert_array_equal(y, fallback)
        assert again is None
        assert nothing is None
    assert not ours.run_with_ort_values(["nothing"], {"fallback": attune.OrtValue.ortvalue_from_numpy(fallback)})[
        0
    ].has_value()
