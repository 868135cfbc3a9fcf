"""RNN, GRU and LSTM with every attribute, against onnxruntime; the same bits whatever the threads and the batch."""

from typing import Any

import attune
import numpy as np
import onnxruntime
import pytest
from attune.capi import onnxruntime_pybind11_state as errors
from onnx import TensorProto, helper, numpy_helper

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
OUTPUTS = {"RNN": ["Y", "Y_h"], "GRU": ["Y", "Y_h"], "LSTM": ["Y", "Y_h", "Y_c"]}
DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}
ALL_ACTIVATIONS = [
    "Sigmoid", "Tanh", "Relu", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu",
    "Softsign", "Softplus",
]  # fmt: skip


def layer(
    op: str,
    sizes: tuple[int, int, int, int],
    seed: int = 0,
    *,
    direction: str = "forward",
    lengths: list[int] | None = None,
    bias: bool = True,
    initial: bool = True,
    peepholes: bool = False,
    constant: bool = True,
    opset: int = 14,
    dtype: Any = np.float32,
    **attributes: Any,
) -> tuple[bytes, dict[str, np.ndarray]]:
    """A model of one layer and what to feed it; `sizes` are times, batch, features, units."""
    times, batch, features, units = sizes
    rng = np.random.default_rng(seed)
    count, wide = DIRECTIONS[direction], GATES[op] * units

    # Larger weights make a chaotic system, in which the last bit decides.
    scale = min(0.6, units**-0.5)

    def uniform(*shape: int) -> np.ndarray:
        return rng.uniform(-scale, scale, shape).astype(dtype)

    first = attributes.get("layout", 0)
    state = (batch, count, units) if first else (count, batch, units)
    weights = {"W": uniform(count, wide, features), "R": uniform(count, wide, units)}
    if bias:
        weights["B"] = uniform(count, 2 * wide)
    feed = {"X": uniform(batch, times, features) if first else uniform(times, batch, features)}
    if lengths is not None:
        feed["sequence_lens"] = np.array(lengths, np.int32)
    if initial:
        feed["initial_h"] = uniform(*state)
        if op == "LSTM":
            feed["initial_c"] = uniform(*state)
    if peepholes:
        weights["P"] = uniform(count, 3 * units)
    if not constant:
        feed |= weights
        weights = {}
    names = ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"]
    present = {**feed, **weights}
    inputs = [name if name in present else "" for name in names[: 8 if op == "LSTM" else 6]]
    node = helper.make_node(op, inputs, OUTPUTS[op], hidden_size=units, direction=direction, **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in feed.items()],
        [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), None) for k in OUTPUTS[op]],
        [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return model.SerializeToString(), feed


def run(interface: Any, model: bytes, feed: dict[str, np.ndarray], threads: int = 1) -> list[np.ndarray]:
    options = interface.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    session = interface.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, feed)


def check(model: bytes, feed: dict[str, np.ndarray]) -> None:
    wanted = run(onnxruntime, model, feed)
    for threads in (1, 2):
        for result, reference in zip(run(attune, model, feed, threads), wanted, strict=True):
            np.testing.assert_allclose(result, reference, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("op", GATES)
def test_sizes(op: str, direction: str) -> None:
    for seed, sizes in enumerate([(1, 1, 1, 1), (5, 3, 4, 7), (2, 17, 3, 16), (40, 2, 8, 33), (3, 35, 5, 48)]):
        for bias in (True, False):
            check(*layer(op, sizes, seed, direction=direction, bias=bias, initial=seed % 2 == 0))


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("op", GATES)
def test_lengths(op: str, direction: str) -> None:
    check(*layer(op, (6, 4, 3, 5), direction=direction, lengths=[6, 1, 4, 3]))
    check(*layer(op, (6, 20, 3, 5), direction=direction, lengths=[1 + i % 6 for i in range(20)], initial=False))


@pytest.mark.parametrize("op", GATES)
def test_an_empty_sequence(op: str) -> None:
    model, feed = layer(op, (4, 3, 3, 5), lengths=[4, 0, 2])
    results = run(attune, model, feed)
    assert not results[0][:, :, 1].any()
    assert not results[1][:, 1].any()
    assert results[1][:, [0, 2]].all()


@pytest.mark.parametrize("op", GATES)
def test_weights_that_are_fed(op: str) -> None:
    check(*layer(op, (5, 3, 4, 7), direction="bidirectional", constant=False))


@pytest.mark.parametrize("op", GATES)
def test_a_long_sequence_in_pieces(op: str) -> None:
    check(*layer(op, (700, 3, 8, 64), direction="bidirectional"))


@pytest.mark.parametrize("op", GATES)
def test_the_batch_first(op: str) -> None:
    """onnxruntime does not have this layout: it must be the other one, transposed."""
    for sizes in [(5, 3, 4, 7), (400, 3, 8, 80)]:
        model, feed = layer(op, sizes, direction="bidirectional")
        other, _ = layer(op, sizes, direction="bidirectional", layout=1)
        swapped = {name: np.ascontiguousarray(value.swapaxes(0, 1)) for name, value in feed.items()}
        plain, turned = run(attune, model, feed), run(attune, other, swapped)
        assert plain[0].transpose(2, 0, 1, 3).tobytes() == np.ascontiguousarray(turned[0]).tobytes()
        for one, two in zip(plain[1:], turned[1:], strict=True):
            assert one.swapaxes(0, 1).tobytes() == np.ascontiguousarray(two).tobytes()


@pytest.mark.parametrize("name", ALL_ACTIVATIONS)
@pytest.mark.parametrize("op", GATES)
def test_activations(op: str, name: str) -> None:
    count = {"RNN": 1, "GRU": 2, "LSTM": 3}[op]
    alphas = {
        "Affine": 0.4,
        "LeakyRelu": 0.1,
        "ThresholdedRelu": 0.2,
        "ScaledTanh": 0.9,
        "HardSigmoid": 0.3,
        "Elu": 0.5,
    }
    betas = {"Affine": 0.1, "ScaledTanh": 0.8, "HardSigmoid": 0.4}
    attributes: dict[str, Any] = {"activations": [name] * count}
    if name in alphas:
        attributes["activation_alpha"] = [alphas[name]] * count
    if name in betas:
        attributes["activation_beta"] = [betas[name]] * count
    check(*layer(op, (3, 2, 4, 9), **attributes))


def test_clipping() -> None:
    for op in GATES:
        check(*layer(op, (4, 2, 3, 9), clip=0.2))


def test_linear_before_reset() -> None:
    for direction in DIRECTIONS:
        for bias in (True, False):
            check(*layer("GRU", (6, 3, 4, 9), direction=direction, bias=bias, linear_before_reset=1))
    check(*layer("GRU", (6, 3, 4, 9), lengths=[2, 6, 1], linear_before_reset=1))


def test_peepholes_and_coupled_gates() -> None:
    for direction in DIRECTIONS:
        check(*layer("LSTM", (6, 3, 4, 9), direction=direction, peepholes=True))
        check(*layer("LSTM", (6, 3, 4, 9), direction=direction, input_forget=1))


@pytest.mark.parametrize("op", GATES)
def test_half_precision(op: str) -> None:
    model, feed = layer(op, (4, 2, 3, 9), dtype=np.float16)
    single, wide = layer(op, (4, 2, 3, 9))
    results = run(attune, model, feed)
    for result, reference in zip(results, run(attune, single, wide), strict=True):
        assert result.dtype == np.float16
        np.testing.assert_allclose(result.astype(np.float32), reference, atol=4e-3)


DOUBLE_CASES: list[dict[str, Any]] = [
    {},
    {"direction": "reverse", "bias": False, "initial": False},
    {"direction": "bidirectional", "lengths": [5, 0, 2]},
    {"direction": "bidirectional", "layout": 1},
    {"clip": 0.2, "constant": False},
    {"linear_before_reset": 1, "lengths": [1, 4, 5]},
    {"peepholes": True, "direction": "bidirectional"},
    {"input_forget": 1},
    *({"activations": name} for name in ALL_ACTIVATIONS),
]


@pytest.mark.parametrize("case", DOUBLE_CASES, ids=str)
@pytest.mark.parametrize("op", GATES)
def test_double(op: str, case: dict[str, Any]) -> None:
    """onnxruntime has no such layers: they must be float's, but for rounding."""
    case = dict(case)
    if (op != "GRU" and "linear_before_reset" in case) or (op != "LSTM" and {"peepholes", "input_forget"} & set(case)):
        return
    if "activations" in case:
        count = {"RNN": 1, "GRU": 2, "LSTM": 3}[op]
        more = {"activation_alpha": [0.4] * count, "activation_beta": [0.3] * count}
        case |= {"activations": [case["activations"]] * count, **more}
    single, feed = layer(op, (5, 3, 4, 9), **case)
    double, wide = layer(op, (5, 3, 4, 9), dtype=np.float64, **case)
    results = run(attune, double, wide)
    for result, reference in zip(results, run(attune, single, feed), strict=True):
        assert result.dtype == np.float64
        np.testing.assert_allclose(result, reference, rtol=1e-5, atol=2e-6)
    for result, other in zip(results, run(attune, double, wide, 3), strict=True):
        assert result.tobytes() == other.tobytes()


@pytest.mark.parametrize("attributes", [{}, {"linear_before_reset": 1}])
@pytest.mark.parametrize("op", GATES)
def test_the_same_bits(op: str, attributes: dict[str, int]) -> None:
    """For any number of threads, and for samples alone or in a batch."""
    if attributes and op != "GRU":
        return
    sizes = (30, 40, 12, 65)
    model, feed = layer(op, sizes, direction="bidirectional", **attributes)
    results = run(attune, model, feed)
    for threads in (2, 3):
        for result, other in zip(results, run(attune, model, feed, threads), strict=True):
            assert result.tobytes() == other.tobytes()
    alone, _ = layer(op, (30, 1, 12, 65), direction="bidirectional", constant=False, **attributes)
    fed, weights = layer(op, sizes, direction="bidirectional", constant=False, **attributes)
    assert run(attune, fed, weights)[0].tobytes() == run(attune, fed, weights, 2)[0].tobytes()
    for sample in (0, 17, 39):
        one = {
            name: value if name in ("W", "R", "B") else np.ascontiguousarray(value[:, sample : sample + 1])
            for name, value in weights.items()
        }
        batch = run(attune, fed, weights)
        assert (
            run(attune, alone, one)[0].tobytes() == np.ascontiguousarray(batch[0][:, :, sample : sample + 1]).tobytes()
        )


def test_errors_name_what_is_wrong() -> None:
    model, feed = layer("LSTM", (4, 2, 3, 5), lengths=[4, 9])
    with pytest.raises(errors.Fail, match="sequence_lens has 9 for sequences of 4"):
        run(attune, model, feed)
    for attributes, text in [
        ({"activations": ["Sigmoid", "Tanh", "Sinh"]}, "Unknown activation 'Sinh'"),
        ({"activations": ["Sigmoid"]}, "1 activations instead of 3"),
        ({"direction": "sideways"}, "'sideways' is unknown"),
    ]:
        direction = attributes.pop("direction", "forward")
        model, _ = layer("LSTM", (4, 2, 3, 5), **attributes)
        if direction == "sideways":
            model = model.replace(b"forward", b"sidewys").replace(b"sidewys", b"sidewys")
            text = "'sidewys' is unknown"
        with pytest.raises(Exception, match=text):
            attune.InferenceSession(model)
    wrong = helper.make_model(
        helper.make_graph(
            [helper.make_node("RNN", ["X", "W", "R"], ["Y"], hidden_size=5)],
            "g",
            [
                helper.make_tensor_value_info("X", TensorProto.FLOAT, [4, 2, 3]),
                helper.make_tensor_value_info("W", TensorProto.FLOAT, [1, 5, 4]),
                helper.make_tensor_value_info("R", TensorProto.FLOAT, [1, 5, 5]),
            ],
            [helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)],
        ),
        opset_imports=[helper.make_opsetid("", 14)],
    )
    with pytest.raises(Exception, match="W has the shape"):
        attune.InferenceSession(wrong.SerializeToString())
