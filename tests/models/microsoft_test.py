"""Operators of com.microsoft on Attune, run as they are and spelled out, and on onnxruntime: the same answers."""

from dataclasses import dataclass, field
from typing import Any

import attune
import numpy as np
import onnxruntime
import pytest
from onnx import ValueInfoProto, helper
from onnx.helper import np_dtype_to_tensor_dtype

RNG = np.random.default_rng(7)
LEVELS = ["ORT_DISABLE_ALL", "ORT_ENABLE_ALL"]


@dataclass
class Case:
    """One node. None stands for an optional input that is left out; `weights` are initializers."""

    op: str
    inputs: list[np.ndarray | None]
    attributes: dict[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ("y",)  # an empty name for an output that nobody wants
    weights: tuple[int, ...] = ()
    tolerance: float = 2e-5
    steps: int = 0  # how far quantized results may be apart

    def model(self) -> bytes:
        names = ["" if value is None else f"x{i}" for i, value in enumerate(self.inputs)]
        node = helper.make_node(self.op, names, list(self.outputs), domain="com.microsoft", **self.attributes)
        fed, kept = [], []
        for i, value in enumerate(self.inputs):
            if value is None:
                continue
            kind = np_dtype_to_tensor_dtype(value.dtype)
            if i in self.weights:
                kept.append(helper.make_tensor(names[i], kind, value.shape, value.tobytes(), raw=True))
            else:
                fed.append(helper.make_tensor_value_info(names[i], kind, value.shape))
        results = [ValueInfoProto(name=name) for name in self.outputs if name]
        graph = helper.make_graph([node], "case", fed, results, kept)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()

    def run(self, engine: Any, level: str) -> list[np.ndarray]:
        options = engine.SessionOptions()
        options.graph_optimization_level = getattr(engine.GraphOptimizationLevel, level)
        options.log_severity_level = 4
        session = engine.InferenceSession(self.model(), options, providers=["CPUExecutionProvider"])
        feed = {f"x{i}": v for i, v in enumerate(self.inputs) if v is not None and i not in self.weights}
        return session.run(None, feed)

    def check(self) -> None:
        wanted = self.run(onnxruntime, "ORT_DISABLE_ALL")
        for level in LEVELS:
            for result, expected in zip(self.run(attune, level), wanted, strict=True):
                assert result.dtype == expected.dtype
                assert result.shape == expected.shape
                if expected.dtype in (np.uint8, np.int8):
                    assert np.abs(result.astype(int) - expected.astype(int)).max(initial=0) <= self.steps, level
                else:
                    scale = np.abs(expected.astype(np.float32)).max(initial=1)
                    np.testing.assert_allclose(result, expected, rtol=0, atol=self.tolerance * scale, err_msg=level)


def f(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def half(*shape: int) -> np.ndarray:
    return f(*shape).astype(np.float16)


def u8(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape).astype(np.uint8)


def i8(*shape: int) -> np.ndarray:
    return RNG.integers(-128, 128, shape).astype(np.int8)


def scalar(value: float, dtype: Any = np.float32) -> np.ndarray:
    return np.array(value, dtype)


ACTIVATIONS = {
    "gelu": Case("Gelu", [f(3, 7, 33)]),
    "quick_gelu": Case("QuickGelu", [f(3, 33)]),
    "quick_gelu_alpha": Case("QuickGelu", [f(40)], {"alpha": 1.3}),
    "bias_gelu": Case("BiasGelu", [f(2, 5, 24), f(24)]),
    "fast_gelu": Case("FastGelu", [f(2, 5, 24)]),
    "fast_gelu_bias": Case("FastGelu", [f(2, 5, 24), f(24)]),
}

CONVOLUTION = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
PRODUCTS = {
    "matmul": Case("FusedMatMul", [f(2, 5, 7), f(2, 7, 3)], {"alpha": 0.5}),
    "matmul_trans_b": Case("FusedMatMul", [f(5, 7), f(3, 7)], {"transB": 1}),
    "matmul_trans_ab": Case("FusedMatMul", [f(2, 3, 7, 5), f(3, 9, 7)], {"transA": 1, "transB": 1, "alpha": -2.0}),
    "matmul_weights": Case("FusedMatMul", [f(4, 5, 7), f(7, 20)], {"alpha": 3.0}, weights=(1,)),
    "matmul_batch_a": Case("FusedMatMul", [f(5, 2, 3, 7), f(2, 3, 7, 4)], {"transBatchA": 1}),
    "matmul_batch_ab": Case(
        "FusedMatMul", [f(7, 2, 5), f(9, 2, 7)], {"transBatchA": 1, "transBatchB": 1, "transA": 1, "transB": 1}
    ),
    "gemm": Case("FusedGemm", [f(5, 7), f(7, 3), f(3)], {"alpha": 0.5, "beta": 2.0, "activation": "Relu"}),
    "gemm_leaky": Case(
        "FusedGemm", [f(7, 5), f(3, 7)], {"transA": 1, "transB": 1, "activation": "LeakyRelu", "activation_alpha": 0.3}
    ),
    "conv": Case("FusedConv", [f(2, 4, 9, 9), f(6, 4, 3, 3), f(6)], {"activation": "Relu", **CONVOLUTION}),
    "conv_sum": Case(
        "FusedConv",
        [f(1, 4, 9, 9), f(6, 4, 3, 3), f(6), f(1, 6, 9, 9)],
        {"activation": "HardSigmoid", "activation_params": [0.3, 0.4], **CONVOLUTION},
        weights=(1, 2),
    ),
    "conv_clip": Case(
        "FusedConv", [f(1, 4, 9), f(6, 4, 3)], {"activation": "Clip", "activation_params": [-0.5, 1.0]}, weights=(1,)
    ),
    "conv_tanh": Case("FusedConv", [f(1, 4, 9, 9), f(6, 4, 3, 3)], {"activation": "Tanh"}, weights=(1,)),
}

NORMALIZATIONS = {
    "skip": Case("SkipLayerNormalization", [f(2, 5, 24), f(2, 5, 24), f(24), f(24)], {"epsilon": 1e-5}),
    "skip_bias_sum": Case(
        "SkipLayerNormalization", [f(2, 5, 24), f(2, 5, 24), f(24), f(24), f(24)], outputs=("y", "", "", "sum")
    ),
    "skip_broadcast": Case("SkipLayerNormalization", [f(2, 5, 24), f(5, 24), f(24)]),
    "skip_half": Case("SkipLayerNormalization", [half(2, 5, 24), half(2, 5, 24), half(24), half(24)], tolerance=2e-3),
    "simplified": Case("SkipSimplifiedLayerNormalization", [f(2, 5, 24), f(2, 5, 24), f(24)], {"epsilon": 1e-6}),
    "simplified_bias_sum": Case(
        "SkipSimplifiedLayerNormalization", [f(2, 5, 24), f(2, 5, 24), f(24), f(24)], outputs=("y", "", "", "sum")
    ),
}


def embed(*, segments: bool = True, mask: bool = False, positions: bool = False, outputs: tuple[str, ...]) -> Case:
    ids = RNG.integers(0, 50, (3, 6)).astype(np.int32)
    return Case(
        "EmbedLayerNormalization",
        [
            ids,
            RNG.integers(0, 2, (3, 6)).astype(np.int32) if segments else None,
            f(50, 16),
            f(12, 16),
            f(2, 16) if segments else None,
            f(16),
            f(16),
            (np.arange(6) < np.array([[6], [4], [1]])).astype(np.int32) if mask else None,
            RNG.integers(0, 12, (3, 6)).astype(np.int32) if positions else None,
        ],
        {"epsilon": 1e-6},
        outputs,
    )


EMBEDDINGS = {
    "plain": embed(outputs=("y", "mask")),
    "no_segments": embed(segments=False, outputs=("y", "mask")),
    "mask": embed(mask=True, outputs=("y", "mask")),
    "positions_sum": embed(positions=True, outputs=("y", "mask", "sum")),
}


def attention(inputs: list[np.ndarray | None], *, present: bool = False, **attributes: Any) -> Case:
    head = [f(2, 5, 24), f(24, 96), f(96)]
    outputs = ("y", "present") if present else ("y",)
    return Case("Attention", head + inputs, {"num_heads": 4, **attributes}, outputs, weights=(1, 2))


def ones(*counts: int, total: int = 5) -> np.ndarray:
    return (np.arange(total) < np.array(counts)[:, None]).astype(np.int32)


ATTENTIONS = {
    "plain": attention([]),
    "causal": attention([], unidirectional=1),
    "scale": attention([], scale=0.7),
    "mask": attention([ones(5, 3)]),
    "mask_filter": attention([ones(5, 3)], mask_filter_value=-3.0),
    "mask_ends": attention([np.array([5, 2], np.int32)]),
    "mask_of_queries": attention([RNG.integers(0, 2, (2, 5, 5)).astype(np.int32)]),
    "mask_causal": attention([ones(5, 3)], unidirectional=1),
    "present": attention([], present=True, unidirectional=1),
    "past": attention([None, f(2, 2, 4, 3, 8)], present=True, unidirectional=1),
    "past_mask": attention([ones(8, 6, total=8), f(2, 2, 4, 3, 8)], present=True),
    "bias": attention([None, None, f(1, 4, 5, 5)]),
    "sizes": Case(
        "Attention",
        [f(2, 5, 24), f(24, 80), f(80)],
        {"num_heads": 4, "qkv_hidden_sizes": [32, 32, 16]},
        weights=(1, 2),
    ),
}


def heads(inputs: list[np.ndarray | None], *, keys: int = 5, outputs: tuple[str, ...] = ("y",), **more: Any) -> Case:
    return Case(
        "MultiHeadAttention", [f(2, 5, 24), f(2, keys, 24), f(2, keys, 24), *inputs], {"num_heads": 4, **more}, outputs
    )


MULTI_HEADS = {
    "plain": heads([]),
    "cross": heads([], keys=9),
    "bias": heads([f(72)], keys=9),
    "mask": heads([None, ones(7, 9, total=9)], keys=9),
    "mask_ends": heads([None, np.array([4, 9], np.int32)], keys=9),
    "scores_bias": heads([None, None, f(2, 4, 5, 9)], keys=9),
    "mask_and_scores_bias": heads([None, ones(7, 9, total=9), f(1, 4, 5, 9)], keys=9),
    "causal": heads([], unidirectional=1),
    "past": heads([f(72), None, None, f(2, 4, 3, 6), f(2, 4, 3, 6)], outputs=("y", "key", "value")),
    "values_of_other_size": Case(
        "MultiHeadAttention", [f(2, 5, 24), f(2, 9, 24), f(2, 9, 40), f(88)], {"num_heads": 4}
    ),
    "made_keys": Case("MultiHeadAttention", [f(2, 5, 24), f(2, 4, 9, 6), f(2, 4, 9, 6)], {"num_heads": 4}),
}

ROTARY = {
    "plain": Case("RotaryEmbedding", [f(2, 5, 24), np.arange(10).reshape(2, 5), f(12, 4), f(12, 4)], {"num_heads": 3}),
    "offset": Case("RotaryEmbedding", [f(2, 3, 5, 8), np.array([2]), f(12, 4), f(12, 4)], {"interleaved": 1}),
}


def bits(count: int, k: int, n: int, block: int, *, zeros: str = "", bias: bool = False, rows: int = 3) -> Case:
    blocks = -(-k // block)
    inputs: list[np.ndarray | None] = [f(rows, k), u8(n, blocks, block * count // 8), f(n * blocks) / 10]
    if zeros == "packed":
        inputs.append(u8(n * -(-blocks * count // 8)))
    elif zeros == "float":
        inputs.append(RNG.integers(0, 16, n * blocks).astype(np.float32))
    elif bias:
        inputs.append(None)
    if bias:
        inputs += [None, f(n)]
    attributes = {"K": k, "N": n, "block_size": block, "bits": count}
    return Case("MatMulNBits", inputs, attributes, weights=(1, 2, 3))


N_BITS = {
    "four": bits(4, 64, 24, 32),
    "four_zeros": bits(4, 96, 24, 32, zeros="packed"),
    "four_float_zeros": bits(4, 64, 24, 16, zeros="float"),
    "four_tail": bits(4, 72, 7, 32, zeros="packed", rows=1),
    "four_bias": bits(4, 64, 33, 64, bias=True),
    "eight": bits(8, 64, 24, 32),
    "eight_zeros": bits(8, 128, 20, 32, zeros="packed", rows=17),
}


def unary(op: str, x: np.ndarray, y_scale: float, *, zeros: bool = True, steps: int = 1, **attributes: Any) -> Case:
    zero = 3 if x.dtype == np.int8 else 120
    inputs = [x, scalar(0.05), scalar(zero, x.dtype), scalar(y_scale), scalar(zero + 4, x.dtype)]
    if not zeros:
        inputs[2] = inputs[4] = None
    return Case(op, inputs, attributes, steps=steps)


def binary(op: str, a: np.ndarray, b: np.ndarray, y_scale: float) -> Case:
    kind = a.dtype
    inputs = [a, scalar(0.05), scalar(3, kind), b, scalar(0.02), scalar(7, kind), scalar(y_scale), scalar(100, kind)]
    return Case(op, inputs, steps=1)


QUANTIZED = {
    "add": binary("QLinearAdd", u8(3, 40), u8(3, 40), 0.06),
    "add_signed": binary("QLinearAdd", i8(3, 40), i8(40), 0.06),
    "mul": binary("QLinearMul", u8(3, 40), u8(3, 1), 0.08),
    "mul_signed": binary("QLinearMul", i8(2, 3, 40), i8(3, 40), 0.08),
    "sigmoid": unary("QLinearSigmoid", u8(3, 50), 0.004),
    "sigmoid_signed": unary("QLinearSigmoid", i8(3, 50), 0.004),
    "leaky_relu": unary("QLinearLeakyRelu", i8(3, 50), 0.05, alpha=0.2),
    "leaky_relu_no_zeros": unary("QLinearLeakyRelu", u8(3, 50), 0.05, zeros=False),
    "softmax": unary("QLinearSoftmax", u8(3, 50), 0.003, opset=13, axis=-1),
    "softmax_signed": unary("QLinearSoftmax", i8(3, 4, 5), 0.003, opset=13, axis=1),
    "average": unary(
        "QLinearAveragePool", u8(2, 3, 9, 9), 0.05, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]
    ),
    "average_signed": unary("QLinearAveragePool", i8(2, 3, 9, 9), 0.05, kernel_shape=[2, 2], count_include_pad=1),
    "average_last": unary("QLinearAveragePool", u8(2, 9, 9, 3), 0.05, kernel_shape=[3, 3], channels_last=1),
    "global_average": unary("QLinearGlobalAveragePool", u8(2, 3, 9, 9), 0.01),
    "global_average_last": unary("QLinearGlobalAveragePool", i8(2, 9, 9, 3), 0.01, channels_last=1),
    "concat": Case(
        "QLinearConcat",
        [
            scalar(0.05),
            scalar(9, np.uint8),
            *(u8(2, 3), scalar(0.05), scalar(9, np.uint8)),
            *(u8(2, 5), scalar(0.02), scalar(100, np.uint8)),
        ],
        {"axis": 1},
        steps=1,
    ),
    "gemm": Case(
        "QGemm",
        [
            *(u8(5, 20), scalar(0.02), scalar(110, np.uint8)),
            *(i8(20, 7), scalar(0.03), scalar(3, np.int8)),
            RNG.integers(-1000, 1000, 7).astype(np.int32),
            *(scalar(0.1), scalar(128, np.uint8)),
        ],
        {"alpha": 0.8},
        steps=1,
        weights=(3, 6),
    ),
    "gemm_float": Case(
        "QGemm",
        [
            *(u8(20, 5), scalar(0.02), scalar(110, np.uint8)),
            *(u8(7, 20), np.full(7, 0.03, np.float32), np.full(7, 99, np.uint8)),
        ],
        {"transA": 1, "transB": 1},
    ),
    "dynamic": Case("DynamicQuantizeMatMul", [f(4, 20), u8(20, 7), scalar(0.02), scalar(120, np.uint8), f(7)]),
    "dynamic_columns": Case(
        "DynamicQuantizeMatMul", [f(2, 4, 20), i8(20, 7), np.abs(f(7)) / 50, i8(7)], weights=(1, 2, 3)
    ),
    "integer_to_float": Case(
        "MatMulIntegerToFloat",
        [u8(4, 20), i8(20, 7), scalar(0.02), np.abs(f(7)) / 50, scalar(120, np.uint8), i8(7), f(7)],
    ),
}

CASES = {
    f"{group}/{name}": case
    for group, cases in {
        "activations": ACTIVATIONS,
        "products": PRODUCTS,
        "normalizations": NORMALIZATIONS,
        "embeddings": EMBEDDINGS,
        "attention": ATTENTIONS,
        "multi_head_attention": MULTI_HEADS,
        "rotary": ROTARY,
        "n_bits": N_BITS,
        "quantized": QUANTIZED,
    }.items()
    for name, case in cases.items()
}


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_onnxruntime(name: str) -> None:
    CASES[name].check()
