"""Maps and sequences of maps through feeds and outputs: dictionaries, and lists of them."""

from typing import Any

import attune
import numpy as np
import onnx
import pytest
from attune.capi import onnxruntime_pybind11_state as errors
from onnx import TensorProto, helper


def ml_model(node: onnx.NodeProto, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> bytes:
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    graph = helper.make_graph([node], "maps", inputs, outputs)
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def map_type(key: int, value: int) -> onnx.TypeProto:
    return helper.make_map_type_proto(key, helper.make_tensor_type_proto(value, []))


def zip_map(**labels: Any) -> bytes:
    key = TensorProto.INT64 if "classlabels_int64s" in labels else TensorProto.STRING
    sequence = helper.make_sequence_type_proto(map_type(key, TensorProto.FLOAT))
    return ml_model(
        helper.make_node("ZipMap", ["x"], ["z"], domain="ai.onnx.ml", **labels),
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])],
        [helper.make_value_info("z", sequence)],
    )


def vectorizer(key: int, value: int, **vocabulary: Any) -> bytes:
    return ml_model(
        helper.make_node("DictVectorizer", ["x"], ["y"], domain="ai.onnx.ml", **vocabulary),
        [helper.make_value_info("x", map_type(key, value))],
        [helper.make_tensor_value_info("y", value, [1, 2])],
    )


def test_scores_become_dictionaries() -> None:
    x = np.array([[1, 0, 3], [44, 23, 11]], np.float32)
    session = attune.InferenceSession(zip_map(classlabels_strings=["b", "a", "c"]))
    assert session.get_outputs()[0].type == "seq(map(string,tensor(float)))"
    assert session.get_outputs()[0].shape == []
    (rows,) = session.run(None, {"x": x})
    assert rows == [{"a": 0.0, "b": 1.0, "c": 3.0}, {"a": 23.0, "b": 44.0, "c": 11.0}]
    assert [list(row) for row in rows] == [["a", "b", "c"]] * 2
    (rows,) = attune.InferenceSession(zip_map(classlabels_int64s=[10, 20, 30])).run(None, {"x": x[:1]})
    assert rows == [{10: 1.0, 20: 0.0, 30: 3.0}]
    assert session.run(None, {"x": x[:0]}) == [[]]


def test_maps_as_ort_values() -> None:
    session = attune.InferenceSession(zip_map(classlabels_int64s=[10, 20, 30]))
    x = attune.OrtValue.ortvalue_from_numpy(np.ones((1, 3), np.float32))
    (value,) = session.run_with_ort_values(["z"], {"x": x})
    assert value.data_type() == "seq(map(int64,tensor(float)))"
    assert (value.is_tensor(), value.is_tensor_sequence(), value.has_value()) == (False, False, True)
    assert value.to_list()[0].data_type() == "map(int64,tensor(float))"
    assert not value.to_list()[0].is_tensor()
    for container in (value, value.to_list()[0]):
        with pytest.raises(RuntimeError, match="Only OrtValues that are Tensors"):
            container.numpy()


@pytest.mark.parametrize("key", [int, np.int32, np.int64])
@pytest.mark.parametrize("value", [int, float, np.float32, np.float64])
def test_numbers_of_numpy_are_numbers(key: type, value: type) -> None:
    session = attune.InferenceSession(vectorizer(TensorProto.INT64, TensorProto.FLOAT, int64_vocabulary=[7, 5]))
    assert session.get_inputs()[0].type == "map(int64,tensor(float))"
    assert session.run(None, {"x": {key(5): value(2), key(6): value(3)}})[0].tolist() == [[0.0, 2.0]]


def test_values_of_each_type() -> None:
    names = {"string_vocabulary": ["b", "a"]}
    for value_type, value, missing in (
        (TensorProto.DOUBLE, 1e300, 0.0),
        (TensorProto.INT64, 2**62, 0),
    ):
        session = attune.InferenceSession(vectorizer(TensorProto.STRING, value_type, **names))
        assert session.run(None, {"x": {"a": value}})[0].tolist() == [[missing, value]]
    session = attune.InferenceSession(vectorizer(TensorProto.INT64, TensorProto.STRING, int64_vocabulary=[1, 2]))
    assert session.run(None, {"x": {2: "two"}})[0].tolist() == [["", "two"]]


def test_what_is_no_such_map_is_refused() -> None:
    session = attune.InferenceSession(vectorizer(TensorProto.INT64, TensorProto.FLOAT, int64_vocabulary=[7, 5]))
    with pytest.raises(RuntimeError, match="Unexpected key type  <class 'str'>, it cannot be linked to C type int64_t"):
        session.run(None, {"x": {"a": 1.0}})
    with pytest.raises(RuntimeError, match="Unexpected value type  <class 'str'>, it cannot be linked to C type float"):
        session.run(None, {"x": {1: "a"}})
    with pytest.raises(errors.InvalidArgument, match=r"'x' is a map: it takes a dict, not <class 'numpy\.ndarray'>"):
        session.run(None, {"x": np.zeros(2, np.float32)})
    tensor = attune.OrtValue.ortvalue_from_numpy(np.zeros(2, np.float32))
    expected = r"Actual: \(tensor\(float\)\) , expected: \(map\(int64,tensor\(float\)\)\)"
    with pytest.raises(errors.InvalidArgument, match=expected):
        session.run(None, {"x": tensor})
    with pytest.raises(errors.InvalidGraph, match=r"Type 'map\(int64,tensor\(bool\)\)' of input parameter \(x\)"):
        attune.InferenceSession(vectorizer(TensorProto.INT64, TensorProto.BOOL, int64_vocabulary=[7, 5]))
    with pytest.raises(errors.NotImplemented, match="Input 'x' is a container of another kind"):
        attune.InferenceSession(vectorizer(TensorProto.INT32, TensorProto.FLOAT, int64_vocabulary=[7, 5]))
