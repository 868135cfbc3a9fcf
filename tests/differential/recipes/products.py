"""Matrix products, attention, and what is made of them."""

from typing import Any

import numpy as np

from ..element_types import BOOL, is_float
from ..graph import Graph
from .recipe import recipe


@recipe("MatMul")
def matmul(g: Graph, op: str) -> None:
    """Vectors, matrices, and stacks of them that broadcast."""
    a = g.operand(g.dtype(op, "T"), least=1)
    depth = a.shape[-1]
    stack = a.shape[:-2] if g.chance(0.4) else tuple(dim if g.chance(0.5) else 1 for dim in a.shape[:-2])
    shape = g.pick((depth, g.dim()), (depth, g.dim()), (*stack, depth, g.dim()), (depth,))
    g.node(op, [a, g.operand(a.dtype, shape)], kind="computes" if is_float(a.dtype) else "moves")


@recipe("Gemm")
def gemm(g: Graph, op: str) -> None:
    """Either operand transposed, scaled, and a third added."""
    a = g.operand(g.dtype(op, "T"), least=2, most=2, low=-1000, high=1000)
    flip_a, flip_b = g.chance(0.3), g.chance(0.5)
    m, k = a.shape[::-1] if flip_a else a.shape
    n = g.dim()
    b = g.operand(a.dtype, (n, k) if flip_b else (k, n), low=-1000, high=1000)
    shape = g.pick((m, n), (n,), (1, n), (m, 1), (), (1,))
    c = g.operand(a.dtype, shape, low=-1000, high=1000) if g.opset < 11 or g.chance(0.7) else None
    attributes: dict[str, Any] = {"transA": 1} if flip_a else {}
    attributes |= {"transB": 1} if flip_b else {}
    if is_float(a.dtype):
        attributes |= {name: g.uniform(0.1, 2) for name in ("alpha", "beta") if g.chance(0.3)}
    g.node(op, [a, b, c], kind="computes" if is_float(a.dtype) else "moves", **attributes)


@recipe("Einsum")
def einsum(g: Graph, op: str) -> None:
    """Traces, products and sums."""
    equations = ("ij,jk->ik", "ij->ji", "bij,bjk->bik", "ij->", "ij->i", "i,i->", "bhid,bhjd->bhij", "ii->i", "i,j->ij")
    equation = g.pick(*equations, "...ij,...jk->...ik", "ij,jk,kl->il", "bij,jk", "ij,ij->ij")
    sizes: dict[str, int] = {letter: g.within(1, 6) for letter in "bhijkdl"}
    dtype = g.dtype(op, "T")
    terms = equation.split("->")[0].split(",")
    shapes = [
        (*((2,) if "..." in term else ()), *(sizes[letter] for letter in term if letter != ".")) for term in terms
    ]
    # A sum of wide integers overflows, and one reference stops at the largest.
    bounds = {} if is_float(dtype) else {"low": -100, "high": 100}
    operands = [g.operand(dtype, shape, **bounds) for shape in shapes]
    g.node(op, operands, kind="computes" if is_float(dtype) else "moves", equation=equation)


@recipe("Det")
def determinant(g: Graph, op: str) -> None:
    """Of stacks of small matrices."""
    size = g.within(1, 4)
    stack = tuple(g.within(1, 3) for _ in range(g.within(0, 2)))
    g.node(op, [g.operand(g.dtype(op, "T"), (*stack, size, size))])


@recipe("Attention")
def attention(g: Graph, op: str) -> None:
    """Grouped heads, masks, causal or not, in both layouts."""
    batch, heads = g.within(1, 2), g.pick(1, 2, 4)
    kv_heads = g.pick(*[n for n in (1, 2, 4) if heads % n == 0])
    q_length, kv_length, depth, v_depth = g.within(1, 6), g.within(1, 9), g.pick(2, 4, 8), g.pick(2, 4, 8)
    dtype = g.dtype(op, "T1")
    attributes: dict[str, Any] = {}
    if g.chance(0.5):
        shapes = [
            (batch, q_length, heads * depth),
            (batch, kv_length, kv_heads * depth),
            (batch, kv_length, kv_heads * v_depth),
        ]
        attributes |= {"q_num_heads": heads, "kv_num_heads": kv_heads}
    else:
        shapes = [
            (batch, heads, q_length, depth),
            (batch, kv_heads, kv_length, depth),
            (batch, kv_heads, kv_length, v_depth),
        ]
    operands = [g.operand(dtype, shape, low=-3, high=3) for shape in shapes]
    mask = None
    if g.chance(0.5):
        shape = g.pick((q_length, kv_length), (batch, 1, q_length, kv_length), (batch, heads, q_length, kv_length))
        if g.chance(0.5):
            kept = g.rng.random(shape) < 0.8
            kept[..., 0] = True
            mask = g.enter(kept.astype(BOOL))
        else:
            mask = g.operand(dtype, shape, low=-3, high=3)
    if g.chance(0.4) and mask is None:
        attributes["is_causal"] = 1
    attributes |= {name: g.uniform(0.1, 2) for name in ("scale",) if g.chance(0.3)}
    attributes |= {"softcap": g.uniform(1, 5)} if g.chance(0.2) else {}
    g.node(op, [*operands, mask], **attributes)


@recipe("RotaryEmbedding")
def rotary_embedding(g: Graph, op: str) -> None:
    """Halves or neighbours turned, of all or part of a head."""
    batch, heads, length, depth = g.within(1, 2), g.within(1, 3), g.within(1, 5), g.pick(4, 8)
    dtype = g.dtype(op, "T")
    part = g.pick(0, 4)
    attributes: dict[str, Any] = {"interleaved": g.within(0, 1), "rotary_embedding_dim": part}
    flat = g.chance(0.4)
    shape = (batch, length, heads * depth) if flat else (batch, heads, length, depth)
    attributes |= {"num_heads": heads} if flat else {}
    with_places = g.chance(0.6)
    half = (part or depth) // 2
    cache = (10, half) if with_places else (batch, length, half)
    places = g.parameter(g.rng.integers(0, 10, (batch, length)), np.int64) if with_places else None
    tables = [g.operand(dtype, cache, low=-1, high=1) for _ in range(2)]
    g.node(op, [g.operand(dtype, shape), *tables, places], **attributes)


@recipe("CausalConvWithState")
def causal_convolution(g: Graph, op: str) -> None:
    """Depthwise along time, with or without what came before."""
    batch, channels, length, size = g.within(1, 2), g.within(1, 5), g.within(1, 8), g.within(1, 4)
    dtype = g.dtype(op, "T")
    x, weights = g.operand(dtype, (batch, channels, length)), g.fresh(dtype, (channels, 1, size))
    bias = g.operand(dtype, (channels,)) if g.chance(0.5) else None
    state = g.operand(dtype, (batch, channels, size - 1)) if g.chance(0.5) else None
    attributes = {"activation": g.pick("none", "silu")} if g.chance(0.6) else {}
    g.node(op, [x, weights, bias, state], 2, **attributes)


@recipe("LinearAttention")
def linear_attention(g: Graph, op: str) -> None:
    """A recurrence over keys and values."""
    batch, heads, length, depth, v_depth = g.within(1, 2), g.within(1, 2), g.within(1, 5), g.pick(2, 4), g.pick(2, 4)
    dtype = g.dtype(op, "T")
    rule = g.pick("linear", "gated", "delta", "gated_delta")
    q, k = (g.operand(dtype, (batch, length, heads * depth), low=-1, high=1) for _ in range(2))
    v = g.operand(dtype, (batch, length, heads * v_depth), low=-1, high=1)
    gate = g.operand(dtype, (batch, length, heads * depth), low=-1, high=0) if "gated" in rule else None
    beta = g.operand(dtype, (batch, length, heads), low=0, high=1) if "delta" in rule else None
    numbers = {"q_num_heads": heads, "kv_num_heads": heads}
    g.node(op, [q, k, v, None, gate, beta], 2, update_rule=rule, **numbers)
