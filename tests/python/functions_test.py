"""Model-local functions and sparse initializers, which the loader replaces by what they stand for."""

from typing import Any

import attune
import numpy as np
import onnx
import onnxruntime
import pytest
from attune.capi import onnxruntime_pybind11_state as errors
from onnx import TensorProto, helper, numpy_helper, parser

HEAD = '<ir_version: 8, opset_import: ["" : 17, "local" : 1]>\n'
F32 = np.float32


def session(interface: Any, model: bytes) -> Any:
    options = interface.SessionOptions()
    options.log_severity_level = 4
    return interface.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def parse(text: str) -> bytes:
    return parser.parse_model(HEAD + text).SerializeToString()


def check(model: bytes, feed: dict[str, Any]) -> None:
    wanted = session(onnxruntime, model).run(None, feed)
    for result, expected in zip(session(attune, model).run(None, feed), wanted, strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-6)


X = np.linspace(-2, 2, 12, dtype=F32).reshape(3, 4)


def test_functions_that_call_functions() -> None:
    check(
        parse("""
        g (float[N, 4] x) => (float[N, 4] y, float[N, 4] z) {
            a = local.scaled<factor = 3.0>(x)
            b = local.scaled(a)
            y = local.twice(b)
            z = local.twice(x)
        }
        <domain: "local", opset_import: ["" : 17]>
        scaled <factor: float = 0.5> (x) => (y) {
            f = Constant<value_float: float = @factor>()
            y = Mul(x, f)
        }
        <domain: "local", opset_import: ["" : 17, "local" : 1]>
        twice (x) => (y) {
            t = local.scaled<factor = 2.0>(x)
            y = Add(t, x)
        }"""),
        {"x": X},
    )


def test_inputs_and_outputs_that_a_call_leaves_out() -> None:
    model = parse("""
    g (float[N, 4] x) => (float[N, 4] y) <float one = {1.0}> {
        y = local.f(x, , one)
    }
    <domain: "local", opset_import: ["" : 17]>
    f (x, low, high) => (y, z) {
        y = Clip(x, low, high)
        z = Neg(y)
    }""")
    np.testing.assert_array_equal(session(attune, model).run(None, {"x": X})[0], np.minimum(X, 1))


def test_an_attribute_that_a_call_leaves_out_is_the_operators_own() -> None:
    check(
        parse("""
        g (float[N, 4] x) => (float[N, 4] y, float[N, 4] z) {
            y = local.f(x)
            z = local.f<slope = 0.5>(x)
        }
        <domain: "local", opset_import: ["" : 17]>
        f <slope> (x) => (y) {
            y = LeakyRelu<alpha: float = @slope>(x)
        }"""),
        {"x": X},
    )


def test_subgraphs_inside_of_functions() -> None:
    check(
        parse("""
        g (bool c, float[N, 4] x) => (float[N, 4] y) {
            a = local.choose<alpha = 0.25>(c, x)
            n = Not(c)
            y = local.choose<alpha = 0.5>(n, a)
        }
        <domain: "local", opset_import: ["" : 17]>
        choose <alpha> (c, x) => (y) {
            y = If(c) <
                then_branch = yes () => (u) { u = LeakyRelu<alpha: float = @alpha>(x) },
                else_branch = no () => (v) { v = Neg(x) }
            >
        }"""),
        {"c": np.array(True), "x": X},
    )


def test_a_function_that_calls_itself() -> None:
    with pytest.raises(errors.InvalidGraph, match="nest deeper than 32 levels"):
        session(
            attune,
            parse("""
            g (float[N] x) => (float[N] y) { y = local.f(x) }
            <domain: "local", opset_import: ["" : 17, "local" : 1]>
            f (x) => (y) { t = local.f(x)  y = Neg(t) }"""),
        )


def test_functions_that_multiply_meet_a_limit() -> None:
    functions = "".join(
        f"""
        <domain: "local", opset_import: ["" : 17, "local" : 1]>
        f{level} (x) => (y) {{ {
            " ".join(f"t{k} = local.f{level + 1}({'x' if k == 0 else f't{k - 1}'})" for k in range(10))
        } y = Neg(t9) }}"""
        for level in range(8)
    )
    last = """
        <domain: "local", opset_import: ["" : 17]>
        f8 (x) => (y) { y = Neg(x) }"""
    with pytest.raises(errors.InvalidGraph, match="more than 1000000 nodes"):
        session(attune, parse("g (float[N] x) => (float[N] y) { y = local.f0(x) }" + functions + last))


def sparse_model(indices: np.ndarray, values: np.ndarray, dims: list[int]) -> bytes:
    sparse = helper.make_sparse_tensor(numpy_helper.from_array(values, "w"), numpy_helper.from_array(indices), dims)
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, 4])],
    )
    graph.sparse_initializer.append(sparse)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


@pytest.mark.parametrize("indices", [np.array([1, 6, 11]), np.array([[0, 1], [1, 2], [2, 3]])])
def test_sparse_initializers(indices: np.ndarray) -> None:
    check(sparse_model(indices, np.array([2, 3, 4], F32), [3, 4]), {"x": X})


@pytest.mark.parametrize(
    ("indices", "dims", "error"),
    [
        (np.array([1, 6, 12]), [3, 4], "the index 12 is outside"),
        (np.array([1, 6, 5]), [3, 4], "not in ascending order"),
        (np.array([[0, 1], [1, 4], [2, 3]]), [3, 4], "the index 4 is outside"),
        (np.array([1, 6]), [3, 4], "its indices are not"),
        (np.array([1, 6, 11]), [1 << 40, 4], "too large"),
    ],
)
def test_wrong_sparse_initializers(indices: np.ndarray, dims: list[int], error: str) -> None:
    with pytest.raises(errors.InvalidArgument, match=error):
        session(attune, sparse_model(indices, np.array([2, 3, 4], F32), dims))


def test_a_constant_node_with_a_sparse_value() -> None:
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(np.array([5, 7], F32), "v"), numpy_helper.from_array(np.array([0, 3])), [4]
    )
    graph = helper.make_graph(
        [helper.make_node("Constant", [], ["w"], sparse_value=sparse), helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, 4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert onnx.checker.check_model(model) is None
    (y,) = session(attune, model.SerializeToString()).run(None, {"x": X})
    np.testing.assert_array_equal(y, X + np.array([5, 0, 0, 7], F32))
