"""Quantization and integer products."""

from typing import Any

import numpy as np

from ..element_types import FLOAT, HALVES
from ..graph import Graph, Value
from .images import window
from .recipe import recipe

INT8, UINT8, INT32 = np.dtype("int8"), np.dtype("uint8"), np.dtype("int32")
BYTES = (INT8, UINT8)


def scale(g: Graph, shape: tuple[int, ...] = (), dtype: np.dtype = FLOAT) -> Value:
    """A power of two or any number; a constant, as in models."""
    numbers = g.rng.uniform(0.01, 0.2, shape) if g.chance(0.5) else 2.0 ** g.rng.integers(-6, 0, shape)
    return g.parameter(numbers, dtype)


def zero_point(g: Graph, dtype: np.dtype, shape: tuple[int, ...] = ()) -> Value:
    """Any for bytes, zero for wider integers."""
    return g.parameter(g.numbers(dtype, shape, low=-20, high=20) if dtype in BYTES else np.zeros(shape), dtype)


def axis_of_parameters(g: Graph, x: Value) -> tuple[tuple[int, ...], dict[str, Any]]:
    """One scale for all, or since version 13 one for each place of an axis: its shape and the attributes."""
    if g.opset < 13 or x.rank < 1 or g.chance(0.5):
        return (), {}
    axis = g.axis(x.rank)
    return (x.shape[axis],), {"axis": axis}


@recipe("QuantizeLinear")
def quantize_linear(g: Graph, op: str) -> None:
    """Rounds to even; what is beyond the type becomes its limit."""
    x = g.operand(g.dtype(op, "x", [FLOAT, INT32, HALVES[0]]), exact=True, low=-6e4, high=6e4)
    shape, attributes = axis_of_parameters(g, x)
    target = g.dtype(op, "y_zero_point", [*BYTES, np.dtype("int16"), np.dtype("uint16")])
    # Powers of two: no quotient is rounded, so none is near a half by rounding.
    steps = g.parameter(2.0 ** g.rng.integers(-6, 0, shape), x.dtype if x.dtype in HALVES else FLOAT)
    zero = zero_point(g, target, shape) if target != UINT8 or g.chance(0.6) else None
    g.node(op, [x, steps, zero], kind="decides", **attributes)


@recipe("DequantizeLinear")
def dequantize_linear(g: Graph, op: str) -> None:
    """From any integer."""
    x = g.operand(g.dtype(op, "x", [*BYTES, INT32, np.dtype("int16"), np.dtype("uint16")]))
    shape, attributes = axis_of_parameters(g, x)
    zero = zero_point(g, x.dtype, shape) if x.dtype != INT32 and g.chance(0.6) else None
    g.node(op, [x, scale(g, shape), zero], **attributes)


@recipe("DynamicQuantizeLinear")
def dynamic_quantize_linear(g: Graph, op: str) -> None:
    """Its scale comes from the data: what is a power of two there, has no halves."""
    numbers = g.rng.integers(-127, 128, g.shape(1, 3)).astype(np.float32)
    if numbers.size:
        numbers.reshape(-1)[0] = g.pick(255, 128)
        numbers = np.maximum(numbers, numbers.reshape(-1)[0] - 255)
    g.node(op, [g.enter(numbers)], 3, kind="decides")


@recipe("MatMulInteger")
def matmul_integer(g: Graph, op: str) -> None:
    """Zero points for all, rows or columns."""
    a = g.operand(g.dtype(op, "A"), least=2, most=3)
    b = g.operand(g.dtype(op, "B"), (a.shape[-1], g.dim()))
    za = zero_point(g, a.dtype) if g.chance(0.6) else None
    zb = zero_point(g, b.dtype, g.pick((), (b.shape[1],))) if g.chance(0.6) else None
    g.node(op, [a, b, za, zb], kind="moves")


@recipe("ConvInteger")
def convolution_integer(g: Graph, op: str) -> None:
    """Zero points of the image and the weights."""
    x = g.operand(UINT8, (g.within(1, 2), g.within(1, 8), g.within(3, 7), g.within(3, 7)))
    attributes = window(g, x.shape[2:])
    weights = g.fresh(g.dtype(op, "w"), (g.within(1, 5), x.shape[1], *attributes["kernel_shape"]))
    zx = zero_point(g, x.dtype) if g.chance(0.7) else None
    zw = zero_point(g, weights.dtype) if g.chance(0.5) and zx is not None else None
    g.node(op, [x, weights, zx, zw], kind="moves", **attributes)


@recipe("QLinearMatMul")
def quantized_matmul(g: Graph, op: str) -> None:
    """Scales are powers of two, so that a half is a half in every engine."""
    a = g.operand(g.dtype(op, "T1", BYTES), least=2, most=3)
    b = g.operand(g.dtype(op, "T2", BYTES), (a.shape[-1], g.dim()))
    steps = [g.parameter(2.0 ** np.float32(g.within(low, low + 3)), np.float32) for low in (-6, -6, -3)]
    target = a.dtype
    zeros = [zero_point(g, dtype) for dtype in (a.dtype, b.dtype, target)]
    g.node(op, [a, steps[0], zeros[0], b, steps[1], zeros[1], steps[2], zeros[2]], kind="decides")


@recipe("QLinearConv")
def quantized_convolution(g: Graph, op: str) -> None:
    """A scale for all output channels or for each."""
    x = g.operand(g.dtype(op, "T1"), (g.within(1, 2), g.pick(1, 3, 4, 8), g.within(3, 7), g.within(3, 7)))
    attributes = window(g, x.shape[2:])
    outputs = g.pick(1, 4, 8)
    dtype = x.dtype if x.dtype == INT8 else g.dtype(op, "T2")
    weights = g.enter(g.numbers(dtype, (outputs, x.shape[1], *attributes["kernel_shape"])), constant=1)
    shape = g.pick((), (outputs,))
    zero_of_weights = g.parameter(np.zeros(shape), dtype) if dtype == INT8 else zero_point(g, dtype)
    steps = [
        g.parameter(2.0 ** g.rng.integers(low, low + 3, size).astype(np.float32), np.float32)
        for low, size in ((-6, ()), (-6, shape), (-3, ()))
    ]
    bias = g.enter(g.numbers(INT32, (outputs,), low=-500, high=500), constant=1) if g.chance(0.5) else None
    zeros = [zero_point(g, x.dtype), zero_of_weights, zero_point(g, x.dtype)]
    operands = [x, steps[0], zeros[0], weights, steps[1], zeros[1], steps[2], zeros[2], bias]
    g.node(op, operands, kind="decides", **attributes)
