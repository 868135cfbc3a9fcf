"""Operators that read or write where indices say, sort, and choose."""

import math

import numpy as np

from ..element_types import BOOL, FLOAT, STRING, is_float
from ..graph import Graph, Value
from .recipe import recipe


def indices(g: Graph, shape: tuple[int, ...], extent: int, op: str, parameter: str = "Tind") -> Value:
    """Indices into `extent` elements, negative ones since version 11."""
    numbers = g.rng.integers(0, max(extent, 1), shape)
    if g.opset >= 11:
        numbers = np.where(g.rng.random(shape) < 0.3, numbers - extent, numbers)
    return g.parameter(numbers, g.dtype(op, parameter))


@recipe("Gather")
def gather(g: Graph, op: str) -> None:
    """Along an axis, by indices of any rank."""
    x = g.operand(g.dtype(op, "data"), least=1, fits=lambda v: v.array.size > 0)
    axis = g.axis(x.rank)
    where = indices(g, g.pick((), (1,), (3,), (2, 2), (0,)), x.shape[axis], op)
    g.node(op, [x, where], kind="moves", **({"axis": axis} if axis % x.rank != 0 or g.chance(0.7) else {}))


@recipe("GatherElements")
def gather_elements(g: Graph, op: str) -> None:
    """One index for each element of the result."""
    x = g.operand(g.dtype(op, "data"), least=1, fits=lambda v: v.array.size > 0)
    axis = g.axis(x.rank)
    shape = [g.within(1, dim) for dim in x.shape]
    shape[axis] = g.within(1, 5)
    g.node(op, [x, indices(g, tuple(shape), x.shape[axis], op)], kind="moves", axis=axis)


@recipe("GatherND")
def gather_nd(g: Graph, op: str) -> None:
    """Index tuples, within a batch since version 12."""
    x = g.operand(g.dtype(op, "data"), least=1, fits=lambda v: v.array.size > 0)
    batch = g.within(0, x.rank - 1) if g.opset >= 12 and g.chance(0.4) else 0
    depth = g.within(1, x.rank - batch)
    tuples = (*x.shape[:batch], *(g.within(1, 3) for _ in range(g.within(0, 2))))
    columns = [g.rng.integers(-dim if g.opset >= 11 else 0, dim, tuples) for dim in x.shape[batch : batch + depth]]
    where = g.parameter(np.stack(columns, -1), np.int64)
    g.node(op, [x, where], kind="moves", **({"batch_dims": batch} if batch else {}))


def reductions(g: Graph) -> list[str]:
    """What ScatterElements and ScatterND do with elements that are there."""
    return ["none", *(["add", "mul"] if g.opset >= 16 else []), *(["max", "min"] if g.opset >= 18 else [])]


@recipe("ScatterElements", "Scatter")
def scatter_elements(g: Graph, op: str) -> None:
    """Indices repeat only where something is reduced: else ONNX does not say who wins."""
    x = g.operand(g.dtype(op, "data"), least=1, fits=lambda v: v.array.size > 0)
    axis = g.axis(x.rank) if g.opset >= 11 else g.within(0, x.rank - 1)
    reduction = g.pick(*reductions(g)) if op == "ScatterElements" and x.dtype not in (BOOL, STRING) else "none"
    shape = [g.within(1, dim) for dim in x.shape]
    if reduction == "none":
        order = np.argsort(g.rng.random(x.shape), axis=axis)
        where = np.take(order, range(shape[axis]), axis=axis)[tuple(slice(0, n) for n in shape)]
    else:
        shape[axis] = g.within(1, 6)
        where = g.rng.integers(0, x.shape[axis], shape)
    if g.opset >= 11:
        where = np.where(g.rng.random(where.shape) < 0.3, where - x.shape[axis], where)
    updates = g.operand(x.dtype, tuple(shape))
    attributes = {"reduction": reduction} if reduction != "none" else {}
    kind = "computes" if reduction in ("add", "mul") else "moves"
    g.node(op, [x, g.parameter(where, g.dtype(op, "Tind")), updates], kind=kind, axis=axis, **attributes)


@recipe("ScatterND")
def scatter_nd(g: Graph, op: str) -> None:
    """Index tuples, all different where nothing is reduced."""
    x = g.operand(g.dtype(op, "data"), least=1, fits=lambda v: v.array.size > 0)
    depth = g.within(1, x.rank)
    cells = math.prod(x.shape[:depth])
    reduction = g.pick(*reductions(g)) if x.dtype not in (BOOL, STRING) else "none"
    count = g.within(0, min(cells, 5))
    chosen = g.rng.permutation(cells)[:count] if reduction == "none" else g.rng.integers(0, cells, count)
    where = np.stack(np.unravel_index(chosen, x.shape[:depth]), -1)
    if g.opset >= 13:
        where = np.where(g.rng.random(where.shape) < 0.2, where - np.array(x.shape[:depth]), where)
    updates = g.operand(x.dtype, (count, *x.shape[depth:]))
    attributes = {"reduction": reduction} if reduction != "none" else {}
    kind = "computes" if reduction in ("add", "mul") else "moves"
    g.node(op, [x, g.parameter(where, np.int64), updates], kind=kind, **attributes)


@recipe("Compress")
def compress(g: Graph, op: str) -> None:
    """Chosen slices, or chosen elements of the whole."""
    x = g.operand(g.dtype(op, "input"), least=1)
    axis = g.axis(x.rank) if g.opset >= 11 else g.within(0, x.rank - 1)
    flat = g.chance(0.4)
    extent = x.array.size if flat else x.shape[axis]
    condition = g.operand(BOOL, (g.within(0, extent),))
    g.node(op, [x, condition], kind="moves", **({} if flat else {"axis": axis}))


@recipe("NonZero")
def non_zero(g: Graph, op: str) -> None:
    """The places of what is not zero."""
    x = g.operand(g.dtype(op, "X"), exact=True, least=1)
    if x.dtype == STRING:
        return  # an empty text is no zero, says nobody
    if x.dtype != BOOL and g.chance(0.6):
        x = g.enter(np.where(g.rng.random(x.shape) < 0.5, x.array, np.zeros((), x.dtype)).astype(x.dtype))
    g.node(op, [x], kind="decides")


@recipe("Unique")
def unique(g: Graph, op: str) -> None:
    """Of all elements, or of slices along an axis."""
    x = g.operand(g.dtype(op, "X"), exact=True, least=1, fits=lambda v: v.array.size > 0)
    if is_float(x.dtype):
        x = g.enter(np.round(x.array))
    attributes = {"sorted": g.within(0, 1)} if g.chance(0.7) else {}
    if g.chance(0.4):
        attributes["axis"] = g.axis(x.rank)
    g.node(op, [x], g.within(1, 4), kind="decides", **attributes)


@recipe("OneHot")
def one_hot(g: Graph, op: str) -> None:
    """Indices beyond the depth are all off."""
    depth = g.within(1, 6)
    numbers = g.rng.integers(-depth, depth + 1, g.shape(0, 2))
    where = g.parameter(numbers, g.dtype(op, "T1", [np.dtype("int64"), np.dtype("int32"), FLOAT]))
    dtype = g.dtype(op, "T3")
    values = g.parameter(g.numbers(dtype, (2,)))
    deep = g.parameter(np.asarray(depth), g.dtype(op, "T2", [np.dtype("int64"), FLOAT]))
    attributes = {"axis": g.within(-where.rank - 1, where.rank)} if g.chance(0.6) else {}
    g.node(op, [where, deep, values], **attributes)  # off + (on - off) in the onnx package


@recipe("TopK")
def top_k(g: Graph, op: str) -> None:
    """The largest or smallest; before version 11 the largest."""
    x = g.operand(g.dtype(op, "T"), exact=True, least=1)
    axis = g.axis(x.rank) if g.opset >= 11 else g.within(0, x.rank - 1)
    k = g.within(0, x.shape[axis]) if g.opset >= 10 else g.within(1, max(x.shape[axis], 1))
    attributes = {"axis": axis}
    if g.opset < 10:
        g.node(op, [x], 2, kind="decides", k=k, **attributes)
        return
    if g.opset >= 11 and g.chance(0.6):
        attributes["largest"] = g.within(0, 1)
    g.node(op, [x, g.ints([k])], 2, kind="decides", **attributes)


@recipe("ArgMax", "ArgMin")
def arg_extreme(g: Graph, op: str) -> None:
    """Ties go to the first, or the last."""
    x = g.operand(g.dtype(op, "T"), exact=True, least=1, fits=lambda v: v.array.size > 0)
    if is_float(x.dtype) and g.chance(0.4):
        x = g.enter(np.round(x.array))
    choices = {"axis": g.axis(x.rank) if g.opset >= 11 else g.within(0, x.rank - 1), "keepdims": g.within(0, 1)}
    if g.opset >= 12:
        choices["select_last_index"] = g.within(0, 1)
    g.node(op, [x], kind="decides", **{name: value for name, value in choices.items() if g.chance(0.7)})


@recipe("Hardmax")
def hardmax(g: Graph, op: str) -> None:
    """One for the first of the largest."""
    x = g.operand(g.dtype(op, "T"), exact=True, least=1)
    axis = g.axis(x.rank) if g.opset >= 11 else g.within(0, x.rank - 1)
    g.node(op, [x], kind="decides", **({"axis": axis} if g.chance(0.7) else {}))


@recipe("CumSum", "CumProd")
def cumulative(g: Graph, op: str) -> None:
    """Along an axis, forward or backward, without the element itself at times."""
    x = g.operand(g.dtype(op, "x"), least=1, low=None)
    choices = {"exclusive": g.within(0, 1), "reverse": g.within(0, 1)}
    axis = g.parameter(np.asarray(g.axis(x.rank)), g.dtype(op, "T2"))
    g.node(op, [x, axis], **{name: value for name, value in choices.items() if g.chance(0.6)})


@recipe("NonMaxSuppression")
def non_max_suppression(g: Graph, op: str) -> None:
    """Boxes of both forms."""
    batches, classes, boxes = g.within(1, 2), g.within(1, 3), g.within(1, 12)
    corner = g.rng.integers(0, 20, (batches, boxes, 2))
    size = g.rng.integers(1, 12, (batches, boxes, 2))
    form = g.within(0, 1)
    parts = [corner + size / 2, size] if form else [corner, corner + size]
    places = g.enter(np.concatenate(parts, -1).astype(np.float32))
    scores = g.enter(g.rng.random((batches, classes, boxes)).astype(np.float32))
    limits = [
        g.parameter([g.within(0, 5)], np.int64),
        g.parameter([g.uniform(0.1, 0.9)], np.float32),
        g.parameter([g.uniform(0, 0.8)], np.float32),
    ]
    attributes = {"center_point_box": form} if form or g.chance(0.3) else {}
    g.node(op, [places, scores, *limits[: g.pick(1, 2, 3)]], kind="decides", **attributes)
