"""com.microsoft: what onnxruntime's own optimizer makes of networks and its quantizer of layers."""

import numpy as np

from ..element_types import FLOAT
from ..graph import Graph, Value
from .images import window
from .quantized import BYTES, zero_point
from .recipe import recipe

DOMAIN = "com.microsoft"


def microsoft(*ops: str) -> list[str]:
    """The recipes' names: operators of ONNX itself may be called the same."""
    return [f"{DOMAIN}.{op}" for op in ops]


def weights(g: Graph, *shape: int) -> Value:
    return g.enter(g.numbers(FLOAT, shape), constant=0.9)


@recipe(*microsoft("Gelu", "QuickGelu"))
def gelu(g: Graph, op: str) -> None:
    """Of one operand."""
    x = g.operand(FLOAT, least=1, low=-20, high=20)
    attributes = {"alpha": g.uniform(1, 2)} if op.endswith("QuickGelu") else {}
    g.node(op.rpartition(".")[2], [x], cancels=1, domain=DOMAIN, **attributes)


@recipe(*microsoft("BiasGelu", "FastGelu"))
def bias_gelu(g: Graph, op: str) -> None:
    """With a bias."""
    x = g.operand(FLOAT, least=2, low=-20, high=20, fits=lambda v: v.array.size > 0)
    bias = weights(g, x.shape[-1]) if op.endswith("BiasGelu") or g.chance(0.5) else None
    g.node(op.rpartition(".")[2], [x, bias], cancels=20, domain=DOMAIN)


@recipe(*microsoft("FusedMatMul"))
def fused_matmul(g: Graph, op: str) -> None:
    """Either operand turned, and a factor."""
    rows, inner, columns = g.dim() or 1, g.dim() or 1, g.dim() or 1
    lead = g.shape(0, 2) if g.chance(0.5) else ()
    turns = g.within(0, 1), g.within(0, 1)
    a = g.operand(FLOAT, (*lead, *((inner, rows) if turns[0] else (rows, inner))), low=-20, high=20)
    b = g.operand(FLOAT, (*lead, *((columns, inner) if turns[1] else (inner, columns))), low=-20, high=20)
    alpha = g.uniform(0.1, 2)
    g.node("FusedMatMul", [a, b], cancels=50, domain=DOMAIN, alpha=alpha, transA=turns[0], transB=turns[1])


@recipe(*microsoft("FusedGemm"))
def fused_gemm(g: Graph, op: str) -> None:
    """A linear layer and its activation."""
    x = g.operand(FLOAT, least=2, most=2, low=-20, high=20, fits=lambda v: v.array.size > 0)
    wide = g.pick(1, 5, 8, 33)
    activation = g.pick("Relu", "Sigmoid", "Tanh")
    operands = [x, weights(g, wide, x.shape[1]), weights(g, wide)]
    g.node("FusedGemm", operands, cancels=50, domain=DOMAIN, transB=1, activation=activation)


@recipe(*microsoft("FusedConv"))
def fused_conv(g: Graph, op: str) -> None:
    """A convolution and its activation."""
    x = g.operand(FLOAT, (g.within(1, 2), g.pick(1, 3, 4, 8), g.within(3, 9), g.within(3, 9)), low=-20, high=20)
    attributes = window(g, x.shape[2:])
    outputs = g.pick(1, 4, 8, 17)
    operands = [x, weights(g, outputs, x.shape[1], *attributes["kernel_shape"]), weights(g, outputs)]
    g.node(
        "FusedConv", operands, cancels=100, domain=DOMAIN, activation=g.pick("Relu", "Sigmoid", "Tanh"), **attributes
    )


@recipe(*microsoft("SkipLayerNormalization", "SkipSimplifiedLayerNormalization"))
def skip_layer_normalization(g: Graph, op: str) -> None:
    """Of a sum of two, with scale and shift."""
    wide = g.pick(4, 8, 17, 64)
    shape = (g.within(1, 3), g.within(1, 5), wide)
    x, skip = (g.operand(FLOAT, shape, low=-20, high=20) for _ in range(2))
    scale = g.enter(g.numbers(FLOAT, (wide,), low=0.5, high=1.5), constant=0.9)
    shifts = [weights(g, wide)] if op.endswith(".SkipLayerNormalization") else []
    bias = weights(g, wide) if g.chance(0.5) else None
    operands = [x, skip, scale, *shifts, bias]
    g.node(op.rpartition(".")[2], operands, cancels=40, domain=DOMAIN, epsilon=1e-3)


@recipe(*microsoft("MultiHeadAttention"))
def multi_head_attention(g: Graph, op: str) -> None:
    """Query, key and value apart, with a bias or without, perhaps causal."""
    batch, length, other, heads, depth = g.within(1, 2), g.within(1, 6), g.within(1, 6), g.within(1, 3), g.pick(4, 8)
    is_causal = g.chance(0.3)
    other = length if is_causal else other
    wide = heads * depth
    query = g.operand(FLOAT, (batch, length, wide), low=-4, high=4)
    key, value = (g.operand(FLOAT, (batch, other, wide), low=-4, high=4) for _ in range(2))
    bias = g.enter(g.numbers(FLOAT, (3 * wide,), low=-1, high=1), constant=0.9) if g.chance(0.5) else None
    attributes = {"num_heads": heads} | ({"unidirectional": 1} if is_causal else {})
    g.node("MultiHeadAttention", [query, key, value, bias], cancels=5, domain=DOMAIN, **attributes)


@recipe(*microsoft("Attention"))
def attention(g: Graph, op: str) -> None:
    """One product for query, key and value."""
    batch, length, heads, depth = g.within(1, 2), g.within(1, 6), g.within(1, 3), g.pick(4, 8)
    wide = heads * depth
    inner = g.pick(wide, 5)
    x = g.operand(FLOAT, (batch, length, inner), low=-2, high=2)
    packed = g.enter(g.numbers(FLOAT, (inner, 3 * wide), low=-0.5, high=0.5), constant=0.9)
    bias = g.enter(g.numbers(FLOAT, (3 * wide,), low=-1, high=1), constant=0.9)
    attributes = {"num_heads": heads} | ({"unidirectional": 1} if g.chance(0.3) else {})
    g.node("Attention", [x, packed, bias], cancels=10, domain=DOMAIN, **attributes)


@recipe(*microsoft("RotaryEmbedding"))
def rotary_embedding(g: Graph, op: str) -> None:
    """Pairs next to each other, or halves."""
    batch, heads, length, depth = g.within(1, 2), g.within(1, 3), g.within(1, 5), g.pick(4, 8, 16)
    x = g.operand(FLOAT, (batch, heads, length, depth), low=-20, high=20)
    angles = g.rng.uniform(0, 6, (9, depth // 2)).astype(np.float32)
    places = g.rng.integers(0, 9, (batch, length))
    caches = [g.parameter(np.cos(angles)), g.parameter(np.sin(angles))]
    g.node(
        "RotaryEmbedding",
        [x, g.parameter(places, np.int64), *caches],
        cancels=30,
        domain=DOMAIN,
        interleaved=g.within(0, 1),
    )


@recipe(*microsoft("QLinearAdd", "QLinearMul"))
def quantized_pair(g: Graph, op: str) -> None:
    """Scales are powers of two, so that a half is a half in every engine. onnxruntime rounds after it has added the
    result's zero point, which moves halves unless it is even."""
    a = g.operand(g.pick(*BYTES), least=1)
    b = g.operand(a.dtype, g.broadcast(a.shape))
    steps = [g.parameter(2.0 ** np.float32(g.within(-5, -1)), np.float32) for _ in range(3)]
    zeros = [zero_point(g, a.dtype), zero_point(g, a.dtype), g.parameter(2 * g.within(-8, 8) % 64, a.dtype)]
    operands = [a, steps[0], zeros[0], b, steps[1], zeros[1], steps[2], zeros[2]]
    g.node(op.rpartition(".")[2], operands, kind="decides", domain=DOMAIN)


@recipe(*microsoft("QLinearConcat"))
def quantized_concat(g: Graph, op: str) -> None:
    """Tensors of scales of their own."""
    first = g.operand(g.pick(*BYTES), least=1)
    axis = g.within(0, first.rank - 1)
    step, zero = g.parameter(np.float32(0.25)), zero_point(g, first.dtype)
    operands: list[Value] = [step, zero]
    for k in range(g.within(1, 3)):
        shape = tuple(g.within(1, 4) if a == axis else dim for a, dim in enumerate(first.shape))
        part = first if k == 0 else g.operand(first.dtype, shape)
        scale = g.parameter(2.0 ** np.float32(g.within(-5, -1)), np.float32)
        operands += [part, scale, zero_point(g, first.dtype)]
    g.node("QLinearConcat", operands, kind="decides", domain=DOMAIN, axis=axis)
