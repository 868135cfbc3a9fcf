"""Operators over whole axes: reductions, softmax, normalizations."""

from typing import Any

import numpy as np

from ..element_types import FLOAT, FLOATS, is_float
from ..graph import Graph, UnusableError, Value
from .recipe import recipe

REDUCTIONS = (
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin"),
    *("ReduceProd", "ReduceSum", "ReduceSumSquare"),
)


@recipe(*REDUCTIONS)
def reduction(g: Graph, op: str) -> None:
    """Axes as an attribute, or since version 13 (ReduceSum) and 18 as an input; none, and then all or nothing."""
    # Wide integers overflow, or are summed as floats by one reference and cut off by another.
    low = {"ReduceLogSum": 0.1, "ReduceProd": -2, "ReduceLogSumExp": -20}.get(op, -1000)
    high = {"ReduceLogSum": 9, "ReduceProd": 2, "ReduceLogSumExp": 20}.get(op, 1000)
    x = g.operand(
        g.dtype(op, "T", FLOATS if op.startswith("ReduceLog") else None),
        least=0 if g.opset >= 13 else 1,
        low=low,
        high=high,
    )
    if op == "ReduceMean" and x.array.size == 0 and not is_float(x.dtype):
        return  # no integer is the mean of nothing
    as_input = g.opset >= (13 if op == "ReduceSum" else 18)
    attributes: dict[str, Any] = {"keepdims": g.within(0, 1)} if g.chance(0.7) else {}
    operands: list[Value | None] = [x]
    if x.rank and g.chance(0.8):
        axes = g.axes(x.rank) if g.opset >= 11 else [k % x.rank for k in g.axes(x.rank)]
        if as_input:
            operands.append(g.ints(axes))
        else:
            attributes["axes"] = axes
    elif as_input:
        operands.append(g.ints([]) if g.chance(0.3) else None)
        if g.chance(0.4):
            attributes["noop_with_empty_axes"] = g.within(0, 1)
    # A mean of integers is cut off, and a logarithm of them rounds.
    moves = op in ("ReduceMax", "ReduceMin") or not is_float(x.dtype)
    # A long sum that is taken one element after the other is off by the root of their number (a random walk).
    cancels = 0.0
    if op in ("ReduceMean", "ReduceSum") and not moves and x.array.size > 1024:
        total = float(np.sum(np.abs(x.array.astype(np.float64)))) * x.array.size**0.5 / 16
        cancels = total if op == "ReduceSum" else total / x.array.size
    g.node(op, operands, kind="moves" if moves else "computes", cancels=cancels, **attributes)


@recipe("Softmax", "LogSoftmax")
def softmax(g: Graph, op: str) -> None:
    """Before version 13 all dimensions from the axis on count as one."""
    x = g.operand(g.dtype(op, "T"), least=1, low=-60, high=60)
    axis = g.axis(x.rank) if g.opset >= 11 else g.within(0, x.rank - 1)
    attributes = {"axis": axis} if g.chance(0.8) or x.rank == 1 else {}
    g.node(op, [x], cancels=1 if op == "LogSoftmax" else 0, **attributes)


@recipe("LpNormalization")
def lp_normalization(g: Graph, op: str) -> None:
    """By the first or second norm."""
    x = g.operand(g.dtype(op, "T"), least=1, low=0.1, high=10)
    choices = {"axis": g.axis(x.rank), "p": g.within(1, 2)}
    g.node(op, [x], **{name: value for name, value in choices.items() if g.chance(0.7)})


def scale_like(g: Graph, dtype: np.dtype, shape: tuple[int, ...]) -> Value:
    """Numbers around 1."""
    return g.operand(dtype, shape, low=0.3, high=2)


@recipe("LayerNormalization")
def layer_normalization(g: Graph, op: str) -> None:
    """With or without bias, mean and deviation."""
    x = g.operand(g.dtype(op, "T"), least=1, fits=lambda v: v.array.size > 0, low=-50, high=50)
    axis = g.axis(x.rank)
    shape = x.shape[axis:]
    bias = g.operand(x.dtype, shape) if g.chance(0.7) else None
    attributes = {"axis": axis} if axis != -1 or g.chance(0.5) else {}
    epsilon = {"epsilon": g.pick(1e-5, 1e-3)}
    g.node(
        op, [x, scale_like(g, x.dtype, shape), bias], g.pick(1, 1, 1, 2, 3), precision=FLOAT, **attributes, **epsilon
    )


@recipe("RMSNormalization")
def rms_normalization(g: Graph, op: str) -> None:
    """Its scale may broadcast."""
    x = g.operand(g.dtype(op, "T"), least=1, fits=lambda v: v.array.size > 0)
    axis = g.axis(x.rank)
    scale = scale_like(g, x.dtype, x.shape[axis:])
    g.node(op, [x, scale], precision=FLOAT, axis=axis, epsilon=g.pick(1e-5, 1e-3))


@recipe("GroupNormalization")
def group_normalization(g: Graph, op: str) -> None:
    """A scale and a bias for each channel."""
    groups = g.within(1, 4)
    channels = groups * g.within(1, 4)
    x = g.operand(g.dtype(op, "T"), (g.within(1, 2), channels, *(g.within(1, 5) for _ in range(g.within(1, 3)))))
    scale, bias = scale_like(g, x.dtype, (channels,)), g.operand(x.dtype, (channels,))
    # The mean is taken off in float, and what that rounds is divided by the group's deviation.
    group = x.array.astype(np.float64).reshape(x.shape[0], groups, -1)
    cancels = 2 * float(np.max(np.abs(group).max(-1) / np.sqrt(group.var(-1) + 1e-3)))
    g.node(op, [x, scale, bias], precision=FLOAT, cancels=cancels, num_groups=groups, epsilon=1e-3)


@recipe("InstanceNormalization")
def instance_normalization(g: Graph, op: str) -> None:
    """Each image and channel alone."""
    # Of alike pixels nothing is left but the mean's rounding.
    x = g.fresh(
        g.dtype(op, "T"), (g.within(1, 3), g.within(1, 8), g.within(4, 8), *([g.within(1, 4)] * g.within(0, 2)))
    )
    channels = (x.shape[1],)
    g.node(op, [x, scale_like(g, x.dtype, channels), g.operand(x.dtype, channels)], epsilon=1e-3)


@recipe("BatchNormalization")
def batch_normalization(g: Graph, op: str) -> None:
    """As inference has it."""
    x = g.operand(g.dtype(op, "T"), least=2, fits=lambda v: v.array.size > 0)
    dtype = x.dtype
    low_high = {"low": 0.3, "high": 2}
    parts = [g.fresh(dtype, (x.shape[1],), **bounds) for bounds in (low_high, {}, {}, low_high)]
    attributes = {"epsilon": g.pick(1e-5, 1e-3)} if g.chance(0.7) else {}
    g.node(op, [x, *parts], **attributes)


@recipe("MeanVarianceNormalization")
def mean_variance_normalization(g: Graph, op: str) -> None:
    """Over the axes 0, 2 and 3 unless others are given."""
    axes = sorted(k % 4 for k in g.axes(4, 2)) if g.chance(0.6) else [0, 2, 3]
    # The square of the mean is taken off the mean of the squares: with few elements, alike, nothing is left of it.
    x = g.fresh(g.dtype(op, "T"), (3, g.within(1, 3), 4, 5))
    wide = x.array.astype(np.float64)
    variance = wide.var(tuple(axes), keepdims=True)
    if not variance.all():
        raise UnusableError("no variance")
    lost = (wide**2).mean(tuple(axes), keepdims=True) / variance * np.abs(wide - wide.mean(tuple(axes), keepdims=True))
    cancels = max(1.0, float(np.max(lost / np.sqrt(variance))))
    g.node(op, [x], cancels=cancels, **({"axes": axes} if axes != [0, 2, 3] else {}))


@recipe("LRN")
def local_response_normalization(g: Graph, op: str) -> None:
    """Over neighbouring channels."""
    x = g.operand(g.dtype(op, "T"), least=4, most=4)
    choices = {"alpha": g.uniform(1e-4, 1e-1), "beta": g.uniform(0.5, 1), "bias": g.uniform(1, 2)}
    g.node(op, [x], size=g.pick(1, 3, 5), **{name: value for name, value in choices.items() if g.chance(0.6)})


@recipe("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
def loss(g: Graph, op: str) -> None:
    """Reduced in one of three ways; one class may be ignored."""
    classes, rest = g.within(2, 6), tuple(g.within(1, 4) for _ in range(g.within(0, 2)))
    x = g.operand(g.dtype(op, "T"), (g.within(1, 4), classes, *rest), low=-20, high=20)
    target = g.parameter(g.rng.integers(0, classes, (x.shape[0], *rest)), g.dtype(op, "Tind"))
    weight = g.operand(x.dtype, (classes,), low=0.2, high=2) if g.chance(0.5) else None
    attributes: dict[str, Any] = {"reduction": g.pick("none", "sum", "mean")} if g.chance(0.8) else {}
    if g.chance(0.3):
        attributes["ignore_index"] = g.within(0, classes - 1)
        if np.all(target.array == attributes["ignore_index"]):
            return  # nothing to divide by
    outputs = g.within(1, 2) if op == "SoftmaxCrossEntropyLoss" else 1
    g.node(op, [x, target, weight], outputs, cancels=1, **attributes)
