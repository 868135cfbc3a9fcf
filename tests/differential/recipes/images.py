"""Operators over images: convolutions, pools, resizing, sampling."""

import math
from typing import Any

import numpy as np

from ..element_types import FLOAT, STRING, is_float
from ..graph import Graph, UnusableError, Value
from .recipe import recipe


def image(g: Graph, dtype: np.dtype, ranks: tuple[int, ...] = (3, 4, 4, 4, 4, 5), least: int = 1) -> Value:
    """A result that is an image already, or a new one; not empty."""
    rank = g.pick(*ranks)
    while True:
        sides = [g.within(least, {3: 20, 4: 9, 5: 5}[rank]) for _ in range(rank - 2)]
        shape = (g.within(1, 3), g.pick(1, 2, 3, 4, 8, 9, 16, 17, 32), *sides)
        if math.prod(shape) <= 8192:
            break
    bounds = (None, None) if is_float(dtype) else (-100, 100)
    recent = [
        value
        for value in g.results[-6:]
        if value.dtype == dtype
        and value.rank in ranks
        and value.array.size
        and min(value.shape[2:]) >= least
        and value.is_between(-1000, 1000)
    ]
    return g.pick(*recent) if recent and g.chance(g.reuse) else g.fresh(dtype, shape, *bounds)


def window(g: Graph, sides: tuple[int, ...], dilates: bool = True, ceil: bool = False) -> dict[str, Any]:
    """kernel_shape, strides, pads and dilations that fit into the image; some left out."""
    kernel, strides, dilations, begin, end = [], [], [], [], []
    padding = g.chance(0.5)
    for side in sides:
        size = min(g.pick(1, 2, 3, 3, 3, 5), side)
        dilation = g.pick(1, 1, 2) if dilates and (size - 1) * 2 < side else 1
        kernel.append(size)
        dilations.append(dilation)
        strides.append(g.pick(1, 1, 2, 3))
        begin.append(g.within(0, size - 1) if padding else 0)
        end.append(g.within(0, size - 1) if padding else 0)
    attributes: dict[str, Any] = {"kernel_shape": kernel}
    if any(s != 1 for s in strides) or g.chance(0.3):
        attributes["strides"] = strides
    if any(d != 1 for d in dilations) or (dilates and g.chance(0.3)):
        attributes["dilations"] = dilations
    if padding:
        attributes["pads"] = begin + end
    elif g.chance(0.3):
        # With a stride longer than the kernel SAME asks for negative pads, which onnxruntime refuses.
        same = ("SAME_UPPER", "SAME_LOWER") if all(s <= k for s, k in zip(strides, kernel, strict=True)) else ()
        attributes["auto_pad"] = g.pick(*same, "VALID", "NOTSET")
    if ceil and g.chance(0.3):
        attributes["ceil_mode"] = 1
    return attributes


@recipe("Conv")
def convolution(g: Graph, op: str) -> None:
    """Grouped, depthwise, dilated, padded in every way."""
    x = image(g, g.dtype(op, "T"))
    channels = x.shape[1]
    groups = g.pick(*[d for d in (1, 1, 2, 4, channels) if channels % d == 0])
    attributes = window(g, x.shape[2:])
    outputs = groups * g.pick(*((1, 2) if groups > 4 else (1, 3, 8, 16)))
    shape = (outputs, channels // groups, *attributes["kernel_shape"])
    weights = g.enter(g.numbers(x.dtype, shape), constant=0.8)
    bias = g.enter(g.numbers(x.dtype, (outputs,)), constant=0.8) if g.chance(0.6) else None
    if g.chance(0.3):
        del attributes["kernel_shape"]
    g.node(op, [x, weights, bias], **attributes, **({"group": groups} if groups != 1 or g.chance(0.3) else {}))


@recipe("ConvTranspose")
def transposed_convolution(g: Graph, op: str) -> None:
    """With output padding or an output shape at times."""
    x = image(g, g.dtype(op, "T"), ranks=(3, 4, 4, 4))
    channels = x.shape[1]
    groups = g.pick(*[d for d in (1, 1, 2) if channels % d == 0])
    attributes = window(g, tuple(max(side, 3) for side in x.shape[2:]))
    kernel, strides = attributes["kernel_shape"], attributes.get("strides", [1] * (x.rank - 2))
    if g.chance(0.3) and "auto_pad" not in attributes and max(strides) > 1:
        attributes["output_padding"] = [g.within(0, stride - 1) for stride in strides]
    weights = g.enter(g.numbers(x.dtype, (channels, g.pick(1, 2, 8), *kernel)), constant=0.8)
    bias = g.operand(x.dtype, (weights.shape[1] * groups,)) if g.chance(0.5) else None
    g.node(op, [x, weights, bias], **attributes, **({"group": groups} if groups != 1 else {}))


@recipe("MaxPool")
def max_pool(g: Graph, op: str) -> None:
    """With indices at times."""
    dtype = g.dtype(op, "T")
    with_indices = g.opset >= 8 and g.chance(0.3)
    x = image(g, dtype)
    attributes = window(g, x.shape[2:], dilates=g.opset >= 10, ceil=g.opset >= 10)
    if with_indices and g.opset >= 8 and g.chance(0.4):
        attributes["storage_order"] = g.within(0, 1)
    with_indices = with_indices and x.is_exact
    g.node(op, [x], 2 if with_indices else 1, kind="decides" if with_indices else "moves", **attributes)


@recipe("AveragePool")
def average_pool(g: Graph, op: str) -> None:
    """Padding counts or does not."""
    x = image(g, g.dtype(op, "T"))
    attributes = window(g, x.shape[2:], dilates=g.opset >= 19, ceil=g.opset >= 10)
    g.node(op, [x], **attributes, **({"count_include_pad": g.within(0, 1)} if g.chance(0.6) else {}))


@recipe("LpPool")
def lp_pool(g: Graph, op: str) -> None:
    """Of the first, second or third norm."""
    x = image(g, g.dtype(op, "T"))
    attributes = window(g, x.shape[2:], dilates=g.opset >= 18, ceil=g.opset >= 18)
    g.node(op, [x], **attributes, **({"p": g.within(1, 3)} if g.chance(0.7) else {}))


@recipe("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def global_pool(g: Graph, op: str) -> None:
    """Over all places."""
    x = image(g, g.dtype(op, "T"))
    attributes = {"p": g.within(1, 3)} if op == "GlobalLpPool" and g.chance(0.5) else {}
    g.node(op, [x], kind="moves" if op == "GlobalMaxPool" else "computes", **attributes)


@recipe("MaxUnpool")
def max_unpool(g: Graph, op: str) -> None:
    """Back to the places that MaxPool took the elements from."""
    x = g.operand(
        g.dtype(op, "T1"), (g.within(1, 2), g.within(1, 3), 2 * g.within(1, 4), 2 * g.within(1, 4)), exact=True
    )
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    if x.dtype != FLOAT:
        return
    pooled = g.node("MaxPool", [x], 2, kind="decides", **pool)
    g.node(op, pooled, kind="moves", **pool)


@recipe("Resize")
def resize(g: Graph, op: str) -> None:
    """Modes, coordinate transformations, scales and sizes."""
    dtype = g.dtype(op, "T1" if g.opset >= 11 else "T")
    x = image(g, dtype, ranks=(4, 4, 4, 3))
    mode = g.pick(
        "nearest", "nearest", "linear", *(("cubic",) if g.opset >= 11 and x.rank == 4 and is_float(dtype) else ())
    )
    factors = [1.0, 1.0, *(g.pick(1.0, 2.0, 0.5, 3.0, 1.5, 0.6) for _ in x.shape[2:])]
    if min(math.floor(side * factor) for side, factor in zip(x.shape, factors, strict=True)) < 1:
        raise UnusableError("empty")
    if not is_float(dtype) and mode != "nearest":
        return  # where a half is rounded to is each engine's own
    kind = "moves" if mode == "nearest" else "computes"
    largest = 0 if kind == "moves" else float(np.max(np.abs(x.array), initial=0))  # of which weighted sums are made
    scales = g.parameter(factors, np.float32)
    if g.opset < 11:
        g.node(op, [x, scales], kind=kind, mode=mode)
        return
    attributes: dict[str, Any] = {"mode": mode}
    transformations = ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]
    transformations += ["half_pixel_symmetric"] if g.opset >= 19 else []
    attributes["coordinate_transformation_mode"] = g.pick(*transformations)
    if mode == "nearest":
        attributes["nearest_mode"] = g.pick("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    if mode == "cubic":
        attributes |= {"cubic_coeff_a": g.pick(-0.75, -0.5), "exclude_outside": g.within(0, 1)}
    if g.opset >= 18 and mode != "nearest" and g.chance(0.3):
        attributes["antialias"] = 1
    roi = g.parameter([], np.float32) if g.opset < 13 else None
    if g.chance(0.5):
        empty = g.parameter([], np.float32) if g.opset < 13 else None
        sizes = [*x.shape[:2], *(g.within(1, 2 * side + 1) for side in x.shape[2:])]
        g.node(op, [x, roi, empty, g.ints(sizes)], kind=kind, precision=FLOAT, cancels=largest, **attributes)
    else:
        g.node(op, [x, roi, scales], kind=kind, precision=FLOAT, cancels=largest, **attributes)


@recipe("Upsample")
def upsample(g: Graph, op: str) -> None:
    """What was before Resize."""
    dtype = g.dtype(op, "T")
    if dtype == STRING:
        return
    x = image(g, dtype, ranks=(4,))
    factors = [1.0, 1.0, *(g.pick(1.0, 2.0, 3.0) for _ in x.shape[2:])]
    mode = g.pick("nearest", "linear") if is_float(x.dtype) else "nearest"
    kind = "moves" if mode == "nearest" else "computes"
    if g.opset < 9:
        g.node(op, [x], kind=kind, mode=mode, scales=factors)
    else:
        g.node(op, [x, g.parameter(factors, np.float32)], kind=kind, mode=mode)


@recipe("GridSample")
def grid_sample(g: Graph, op: str) -> None:
    """Samples at given places, some of them outside."""
    volume = g.opset >= 20 and g.chance(0.2)
    x = image(g, g.dtype(op, "T1"), ranks=(5,) if volume else (4,))
    if not is_float(x.dtype):
        return
    modes = ("bilinear", "nearest", "bicubic") if g.opset < 20 else ("linear", "nearest", "cubic")
    mode = g.pick(*modes[: 2 if volume else 3])
    places = (x.shape[0], *(g.within(1, 5) for _ in x.shape[2:]), x.rank - 2)
    grid = g.enter(g.numbers(g.dtype(op, "T2", [x.dtype]), places, low=-1.2, high=1.2), is_parameter=mode == "nearest")
    attributes = {
        "padding_mode": g.pick("zeros", "border", "reflection"),
        "align_corners": g.within(0, 1),
        "mode": mode,
    }
    g.node(op, [x, grid], kind="moves" if mode == "nearest" else "computes", **attributes)


@recipe("AffineGrid")
def affine_grid(g: Graph, op: str) -> None:
    """In two or three dimensions."""
    dims, batch = g.within(2, 3), g.within(1, 2)
    theta = g.operand(g.dtype(op, "T1"), (batch, dims, dims + 1))
    size = g.ints([batch, g.within(1, 3), *(g.within(1, 5) for _ in range(dims))])
    g.node(op, [theta, size], precision=FLOAT, **({"align_corners": g.within(0, 1)} if g.chance(0.7) else {}))


@recipe("RoiAlign")
def roi_align(g: Graph, op: str) -> None:
    """Regions of an image, averaged or the largest taken."""
    x = image(g, g.dtype(op, "T1"), ranks=(4,), least=2)
    count = g.within(1, 3)
    corners = g.rng.uniform(0, max(x.shape[2:]) - 1, (count, 2))
    boxes = np.concatenate([corners, corners + g.rng.uniform(0.5, 4, (count, 2))], 1).astype(x.dtype)
    batches = g.parameter(g.rng.integers(0, x.shape[0], count), np.int64)
    attributes: dict[str, Any] = {"output_height": g.within(1, 3), "output_width": g.within(1, 3)}
    attributes |= {"sampling_ratio": g.within(1, 3), "spatial_scale": g.pick(0.5, 1.0)}
    attributes |= {"mode": "avg"} if g.chance(0.5) else {}
    if g.opset >= 16 and g.chance(0.6):
        attributes["coordinate_transformation_mode"] = g.pick("half_pixel", "output_half_pixel")
    g.node(op, [x, g.enter(boxes), batches], **attributes)


@recipe("MaxRoiPool")
def max_roi_pool(g: Graph, op: str) -> None:
    """Regions that may lie outside."""
    x = image(g, g.dtype(op, "T"), ranks=(4,), least=2)
    count = g.within(1, 3)
    corners = g.rng.integers(-2, 8, (count, 2))
    boxes = [g.rng.integers(0, x.shape[0], (count, 1)), corners, corners + g.rng.integers(0, 6, (count, 2))]
    rois = g.enter(np.concatenate(boxes, 1).astype(x.dtype), is_parameter=True)
    scale = {"spatial_scale": g.pick(0.5, 1.0, 0.25)} if g.chance(0.6) else {}
    g.node(op, [x, rois], kind="moves", pooled_shape=[g.within(1, 3), g.within(1, 3)], **scale)


@recipe("Col2Im")
def col2im(g: Graph, op: str) -> None:
    """Blocks added up to an image."""
    sides, block = (g.within(3, 6), g.within(3, 6)), (g.within(1, 3), g.within(1, 3))
    strides, pads = [g.within(1, 2) for _ in range(2)], [g.within(0, 1) for _ in range(4)]
    counts = [(sides[k] + pads[k] + pads[k + 2] - block[k]) // strides[k] + 1 for k in range(2)]
    x = g.operand(g.dtype(op, "T"), (g.within(1, 2), g.within(1, 3) * math.prod(block), math.prod(counts)))
    if is_float(x.dtype):
        g.node(op, [x, g.ints(sides), g.ints(block)], strides=strides, pads=pads)


@recipe("DeformConv")
def deformable_convolution(g: Graph, op: str) -> None:
    """A convolution whose taps move."""
    x = image(g, g.dtype(op, "T"), ranks=(4,), least=3)
    size, outputs = 2, g.within(1, 4)
    places = tuple(side - size + 1 for side in x.shape[2:])
    weights = g.fresh(x.dtype, (outputs, x.shape[1], size, size))
    offset = g.operand(x.dtype, (x.shape[0], 2 * size * size, *places), low=-1.5, high=1.5)
    bias = g.operand(x.dtype, (outputs,)) if g.chance(0.5) else None
    mask = g.operand(x.dtype, (x.shape[0], size * size, *places)) if g.chance(0.5) else None
    g.node(op, [x, weights, offset, bias, mask], kernel_shape=[size, size])
