"""Operators that put elements elsewhere: shapes, slices, pads, tiles."""

import math

import numpy as np
from onnx import numpy_helper

from ..element_types import FLOAT, FLOATS, STRING, onnx_type
from ..graph import Graph, UnusableError, Value
from .recipe import recipe


def any_operand(g: Graph, op: str, parameter: str, least: int = 0, most: int = 4) -> Value:
    """Of any type that the operator takes there."""
    return g.operand(g.dtype(op, parameter), least=least, most=most)


@recipe("Reshape")
def reshape(g: Graph, op: str) -> None:
    """To any shape of as many elements, with a -1 or a 0 at times."""
    x = any_operand(g, op, "data")
    left, shape = x.array.size, []
    while left > 1 and len(shape) < 4 and g.chance(0.8):
        shape.append(g.pick(*[d for d in range(1, left + 1) if left % d == 0]))
        left //= shape[-1]
    shape = [*shape, left] if left != 1 or not shape or g.chance(0.3) else shape
    if g.chance(0.5) and 0 not in shape:
        shape[g.within(0, len(shape) - 1)] = -1
    attributes = {}
    if 0 in shape and g.opset >= 14:
        attributes["allowzero"] = 1
    elif 0 in shape:
        raise UnusableError("0 copies a dimension")
    else:
        shape = [0 if k < x.rank and dim == x.shape[k] and g.chance(0.3) else dim for k, dim in enumerate(shape)]
    g.node(op, [x, g.ints(shape)], kind="moves", **attributes)


@recipe("Transpose")
def transpose(g: Graph, op: str) -> None:
    """In any order; reversed when it is not given."""
    x = any_operand(g, op, "data", most=5)
    perm = [int(k) for k in g.rng.permutation(x.rank)]
    g.node(op, [x], kind="moves", **({"perm": perm} if g.chance(0.85) else {}))


@recipe("Squeeze")
def squeeze(g: Graph, op: str) -> None:
    """Some or all dimensions of 1."""
    x = any_operand(g, op, "data")
    ones = [k - x.rank if g.opset >= 11 and g.chance(0.3) else k for k, dim in enumerate(x.shape) if dim == 1]
    axes = [k for k in ones if g.chance(0.7)]
    if not axes:
        g.node(op, [x], kind="moves")
    elif g.opset < 13:
        g.node(op, [x], kind="moves", axes=axes)
    else:
        g.node(op, [x, g.ints(axes)], kind="moves")


@recipe("Unsqueeze")
def unsqueeze(g: Graph, op: str) -> None:
    """One or two new dimensions."""
    x = any_operand(g, op, "data", most=3)
    rank = x.rank + g.within(1, 2)
    axes = [int(k) for k in g.rng.permutation(rank)[: rank - x.rank]]
    axes = [k - rank if g.opset >= 11 and g.chance(0.3) else k for k in (axes if g.opset >= 13 else sorted(axes))]
    if g.opset < 13:
        g.node(op, [x], kind="moves", axes=axes)
    else:
        g.node(op, [x, g.ints(axes)], kind="moves")


@recipe("Flatten")
def flatten(g: Graph, op: str) -> None:
    """Before an axis, which may be the rank itself."""
    x = any_operand(g, op, "input", least=1)
    axis = g.within(-x.rank if g.opset >= 11 else 0, x.rank)
    g.node(op, [x], kind="moves", **({"axis": axis} if g.chance(0.8) else {}))


@recipe("Concat")
def concat(g: Graph, op: str) -> None:
    """One to four operands that differ along the axis alone."""
    x = any_operand(g, op, "inputs", least=1)
    axis = g.axis(x.rank) if g.opset >= 11 else g.within(0, x.rank - 1)
    place = axis % x.rank
    operands = [x]
    for _ in range(g.within(0, 3)):
        others = [
            value
            for value in g.results[-6:]
            if value.dtype == x.dtype and value.rank == x.rank and _but(value, place) == _but(x, place)
        ]
        shape = (*x.shape[:place], g.pick(1, 2, 3, 8, 16, x.shape[place]), *x.shape[place + 1 :])
        operands.append(g.pick(*others) if others and g.chance(0.7) else g.fresh(x.dtype, shape))
    g.rng.shuffle(operands)
    g.node(op, operands, kind="moves", axis=axis)


def _but(value: Value, axis: int) -> tuple[int, ...]:
    return (*value.shape[:axis], *value.shape[axis + 1 :])


@recipe("Split")
def split(g: Graph, op: str) -> None:
    """Into given sizes, into equal ones, or into so many pieces."""
    x = any_operand(g, op, "input", least=1)
    axis = g.axis(x.rank) if g.opset >= 11 else g.within(0, x.rank - 1)
    extent = x.shape[axis]
    pieces = g.within(1, 4)
    if g.chance(0.6):
        cuts = sorted(g.within(0, extent) for _ in range(pieces - 1))
        sizes = [int(n) for n in np.diff([0, *cuts, extent])]
        if g.opset < 13:
            g.node(op, [x], pieces, kind="moves", axis=axis, split=sizes)
        else:
            g.node(op, [x, g.ints(sizes)], pieces, kind="moves", axis=axis)
    elif g.opset >= 18:
        if math.ceil(extent / pieces) * (pieces - 1) >= extent:
            return  # the last pieces would be empty: refused by some, and left open by ONNX
        g.node(op, [x], pieces, kind="moves", axis=axis, num_outputs=pieces)
    elif extent % pieces == 0:
        g.node(op, [x], pieces, kind="moves", axis=axis)


@recipe("Slice")
def slice_(g: Graph, op: str) -> None:
    """With negative places, steps and ends beyond the tensor."""
    x = any_operand(g, op, "data", least=1)
    axes = g.axes(x.rank) if g.opset >= 10 else [k % x.rank for k in g.axes(x.rank)]
    starts, ends, steps = [], [], []
    for axis in axes:
        extent = x.shape[axis]
        step = g.pick(1, 1, 1, 2, 3, -1, -2) if g.opset >= 10 else 1
        start, end = sorted((g.within(-1, extent + 1), g.within(0, extent + 2)))
        start, end = (start, end) if step > 0 else (end, start)
        starts.append(g.pick(start, start, start - extent, 0) if extent else start)
        ends.append(g.pick(end, end, end - extent, 2**31 if step > 0 else -(2**31)))
        steps.append(step)
    if g.opset < 10:
        g.node(op, [x], kind="moves", starts=starts, ends=ends, axes=axes)
        return
    dtype = g.pick(np.int64, np.int32) if max(map(abs, ends)) < 2**31 else np.int64
    with_axes = axes != list(range(len(axes))) or g.chance(0.7)
    with_steps = any(step != 1 for step in steps) or g.chance(0.5)
    given = (starts, ends, axes if with_axes else None, steps if with_steps else None)
    places = [None if values is None else g.parameter(values, dtype) for values in given]
    g.node(op, [x, *places], kind="moves")


@recipe("Expand")
def expand(g: Graph, op: str) -> None:
    """To a shape that either side may broadcast."""
    x = any_operand(g, op, "input")
    shape = [g.pick(1, 2, 3) if dim == 1 else g.pick(dim, 1) for dim in x.shape]
    lead = [g.pick(1, 2, 3) for _ in range(g.within(0, 2))] if x.array.size < 2000 else []
    g.node(op, [x, g.ints([*lead, *shape][g.within(0, len(shape)) if not lead else 0 :])], kind="moves")


@recipe("Tile")
def tile(g: Graph, op: str) -> None:
    """Each dimension so many times, zero included."""
    x = any_operand(g, op, "input", most=3)
    g.node(op, [x, g.ints([g.pick(1, 1, 2, 3, 0) if g.chance(0.9) else 1 for _ in x.shape])], kind="moves")


@recipe("Pad")
def pad(g: Graph, op: str) -> None:
    """All modes; negative pads crop."""
    x = any_operand(g, op, "data", least=1)
    modes = ["constant", "constant", "reflect", "edge"] + (["wrap"] if g.opset >= 19 else [])
    mode = g.pick(*modes)
    axes = g.axes(x.rank) if g.opset >= 18 and g.chance(0.4) else list(range(x.rank))
    low = -1 if mode == "constant" or g.chance(0.2) else 0
    pads = np.array([[g.within(low, 3) for _ in axes] for _ in range(2)])
    for k, axis in enumerate(axes):
        extent = x.shape[axis]
        if mode != "constant":
            pads[:, k] = np.minimum(pads[:, k], max(extent - 1, 0))
        if extent + pads[:, k].sum() < 0 or extent + min(pads[0, k], 0) + min(pads[1, k], 0) < (mode != "constant"):
            pads[:, k] = 0
    value = g.numbers(x.dtype, ())
    flat = [int(n) for n in pads.reshape(-1)]
    if g.opset < 11:
        attributes = {"value": float(np.float32(value))} if mode == "constant" and g.chance(0.5) else {}
        g.node(op, [x], kind="moves", mode=mode, pads=flat, **attributes)
        return
    fill = g.parameter(value, x.dtype) if mode == "constant" and g.chance(0.6) else None
    with_axes = axes != list(range(x.rank)) or (g.opset >= 18 and g.chance(0.2))
    places = g.parameter(axes, g.pick(np.int64, np.int32)) if with_axes else None
    g.node(op, [x, g.ints(flat), fill, places], kind="moves", mode=mode)


@recipe("DepthToSpace", "SpaceToDepth")
def blocks(g: Graph, op: str) -> None:
    """Channels to places, and back."""
    size = g.within(1, 3)
    n, c, h, w = g.within(1, 2), g.within(1, 3), g.within(1, 4), g.within(1, 4)
    attributes = {}
    if op == "DepthToSpace":
        c *= size * size
        attributes = {"mode": g.pick("DCR", "CRD")} if g.opset >= 11 and g.chance(0.6) else {}
    else:
        h, w = h * size, w * size
    g.node(op, [g.operand(g.dtype(op, "T"), (n, c, h, w))], kind="moves", blocksize=size, **attributes)


@recipe("Trilu")
def triangle(g: Graph, op: str) -> None:
    """Either triangle of each matrix."""
    x = any_operand(g, op, "input", least=2)
    k = g.parameter(np.int64(g.within(-4, 4))) if g.chance(0.6) else None
    g.node(op, [x, k], kind="moves", **({"upper": g.within(0, 1)} if g.chance(0.7) else {}))


@recipe("CenterCropPad")
def center_crop_pad(g: Graph, op: str) -> None:
    """Crops and pads."""
    x = any_operand(g, op, "input_data", least=1)
    axes = g.axes(x.rank) if g.chance(0.6) else list(range(x.rank))
    shape = g.parameter([g.within(1, 9) for _ in axes], g.dtype(op, "shape"))
    attributes = {"axes": axes} if axes != list(range(x.rank)) else {}
    g.node(op, [x, shape], kind="moves", **attributes)


@recipe("Shape", "Size")
def shape_of(g: Graph, op: str) -> None:
    """And a part of it, since version 15."""
    x = any_operand(g, op, "data")
    bounds = {"start": g.within(-5, 5), "end": g.within(-5, 5)} if op == "Shape" and g.opset >= 15 else {}
    g.node(op, [x], kind="moves", **{name: value for name, value in bounds.items() if g.chance(0.4)})


@recipe("ConstantOfShape")
def constant_of_shape(g: Graph, op: str) -> None:
    """Zero when no value is given."""
    shape = g.ints(g.shape())
    dtype = g.dtype(op, "T2", [*FLOATS[:3], *map(np.dtype, ("int64", "int32", "uint8", "bool"))])
    value = numpy_helper.from_array(g.numbers(dtype, (1,)))
    g.node(op, [shape], kind="moves", **({"value": value} if g.chance(0.8) else {}))


@recipe("Constant")
def constant(g: Graph, op: str) -> None:
    """In each of its forms."""
    forms = {"value": numpy_helper.from_array(g.numbers(g.dtype(op, "T"), g.shape()))}
    if g.opset >= 12:
        forms |= {
            "value_float": g.uniform(-3, 3),
            "value_floats": [g.uniform(-3, 3) for _ in range(3)],
            "value_int": g.within(-3, 3),
            "value_ints": [g.within(-3, 3) for _ in range(2)],
            "value_string": "word",
            "value_strings": ["a", "few", "words"],
        }
    name = g.pick(*forms)
    g.node(op, [], kind="moves", **{name: forms[name]})


@recipe("EyeLike")
def eye_like(g: Graph, op: str) -> None:
    """A diagonal of ones."""
    x = g.operand(g.dtype(op, "T1"), least=2, most=2)
    attributes = {"k": g.within(-3, 3), "dtype": onnx_type(g.dtype(op, "T2"))}
    g.node(op, [x], kind="moves", **{name: value for name, value in attributes.items() if g.chance(0.6)})


@recipe("Range")
def range_(g: Graph, op: str) -> None:
    """Up, down, and empty."""
    dtype = g.dtype(op, "T", list(map(np.dtype, ("float32", "float64", "int16", "int32", "int64"))))
    start, count, delta = g.within(-5, 5), g.within(0, 9), g.pick(-2, -1, 1, 2, 3)
    limits = [g.parameter(np.asarray(n, dtype)) for n in (start, start + count * delta, delta)]
    g.node(op, limits, kind="moves")


@recipe("ReverseSequence")
def reverse_sequence(g: Graph, op: str) -> None:
    """A part of each row, backwards."""
    x = any_operand(g, op, "input", least=2)
    time, batch = g.pick((0, 1), (1, 0))
    if 0 in x.shape[:2]:
        return
    lengths = g.parameter([g.within(1, x.shape[time]) for _ in range(x.shape[batch])], np.int64)
    g.node(op, [x, lengths], kind="moves", time_axis=time, batch_axis=batch)


@recipe("BitCast")
def bit_cast(g: Graph, op: str) -> None:
    """Between types of one width."""
    x = g.operand(g.dtype(op, "T1"), exact=True)
    if x.dtype == STRING:
        return
    target = g.dtype(op, "T2", list(map(np.dtype, ("int32", "uint32", "float32", "int64", "uint64", "int16"))))
    if target.itemsize == x.dtype.itemsize and target != FLOAT:
        g.node(op, [x], kind="decides", to=onnx_type(target))


@recipe("TensorScatter")
def tensor_scatter(g: Graph, op: str) -> None:
    """Rows of a cache replaced, in a circle at times."""
    batch, heads, long, short, deep = g.within(1, 3), g.within(1, 2), g.within(3, 8), g.within(1, 3), g.within(1, 4)
    dtype = g.dtype(op, "T")
    past, update = g.operand(dtype, (batch, heads, long, deep)), g.operand(dtype, (batch, heads, short, deep))
    mode = g.pick("linear", "circular")
    most = long - short if mode == "linear" else long - 1
    places = g.ints([g.within(0, most) for _ in range(batch)]) if g.chance(0.7) else None
    g.node(op, [past, update, places], kind="moves", mode=mode, **({"axis": 2} if g.chance(0.5) else {}))
