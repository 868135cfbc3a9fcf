"""Where the references are known to be wrong, and why. Nothing else may differ.

A node is computed by onnxruntime unless ONNXRUNTIME_WRONG names it, and else by the onnx package's evaluator unless
ONNX_WRONG names it; a node that both name, or MISSING, belongs to no graph. Each entry says for which nodes it holds,
and why.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from .element_types import DOUBLE, FLOAT, STRING

Arrays = Sequence[np.ndarray | None]


@dataclass(frozen=True)
class Known:
    """Nodes of some operators that meet a condition on node, opset and operands."""

    ops: tuple[str, ...]
    reason: str
    applies: Callable[[NodeProto, int, Arrays], bool] = lambda node, opset, arrays: True


def attribute(node: NodeProto, name: str, default: Any) -> Any:
    """An attribute's value; texts as str."""
    for held in node.attribute:
        if held.name == name:
            value = helper.get_attribute_value(held)
            return value.decode() if isinstance(value, bytes) else value
    return default


def _is_double(node: NodeProto, opset: int, arrays: Arrays) -> bool:
    return any(array is not None and array.dtype == DOUBLE for array in arrays)


def _dilates(node: NodeProto) -> bool:
    return any(int(d) != 1 for d in attribute(node, "dilations", []))


def _pads_to_the_same_size(node: NodeProto) -> bool:
    return str(attribute(node, "auto_pad", "NOTSET")).startswith("SAME")


CUBIC = ("cubic", "bicubic")  # as versions name it

ONNXRUNTIME_WRONG = [
    Known(
        ("AveragePool", "LpPool", "MaxPool"),
        "with auto_pad SAME it pads for the kernel as if it were not dilated",
        lambda node, opset, arrays: _pads_to_the_same_size(node) and _dilates(node),
    ),
    Known(
        ("AffineGrid",),
        "with align_corners it divides by a side less one even where the side is 1; ONNX's text takes 0 there",
        lambda node, opset, arrays: bool(attribute(node, "align_corners", 0)),
    ),
    Known(
        ("Dropout",),
        "before version 12 its mask says of all elements that they were dropped",
        lambda node, opset, arrays: opset < 12,
    ),
    Known(
        ("Gather",),
        "copies the first text of each slice alone",
        lambda node, opset, arrays: arrays[0] is not None and arrays[0].dtype == STRING,
    ),
    Known(
        ("GridSample",),
        "takes other border pixels for a cubic sample than ONNX's text and its evaluator",
        lambda node, opset, arrays: (
            "cubic" in attribute(node, "mode", "") and attribute(node, "padding_mode", "") == "border"
        ),
    ),
    Known(("DFT", "STFT"), "its twiddle factors of double are rounded to float", _is_double),
    Known(
        ("MatMulInteger", "QLinearMatMul"),
        "leaves its result uninitialized where the inner dimension is 0",
        lambda node, opset, arrays: arrays[0] is not None and arrays[0].shape[-1] == 0,
    ),
    Known(
        ("Shrink",),
        "computes in float whatever the type",
        lambda node, opset, arrays: arrays[0] is not None and arrays[0].dtype != FLOAT,
    ),
    Known(("StringSplit",), "strips white space behind the last piece, and finds no piece in an empty text"),
]

ONNX_WRONG = [
    Known(
        ("Hardmax", "LogSoftmax", "Softmax"),
        "goes along one axis, and along the last by default, whatever the version",
        lambda node, opset, arrays: opset < 13,
    ),
    Known(
        ("AveragePool", "LpPool", "MaxPool"),
        "with auto_pad SAME it pads for the kernel as if it were not dilated",
        lambda node, opset, arrays: _pads_to_the_same_size(node) and _dilates(node),
    ),
    Known(
        ("AveragePool", "LpPool", "MaxPool"),
        "where the last window reaches beyond the image it counts other pixels, and pads on the other side",
        lambda node, opset, arrays: bool(attribute(node, "ceil_mode", 0)),
    ),
    Known(
        ("MaxPool",),
        "without strides it takes the padding as a pair for each axis",
        lambda node, opset, arrays: len({int(pad) for pad in attribute(node, "pads", [])}) > 1,
    ),
    Known(
        ("ConvTranspose",),
        "with auto_pad SAME its result has another size than onnxruntime's and ONNX's text",
        lambda node, opset, arrays: _pads_to_the_same_size(node),
    ),
    Known(("Erf",), "computes in float", _is_double),
    Known(
        ("GlobalMaxPool",),
        "reduces from the third dimension of a 4-dimensional tensor on, whatever the rank",
        lambda node, opset, arrays: arrays[0] is not None and arrays[0].ndim != 4,
    ),
    Known(("LRN",), "goes over as many channels as there are images"),
    Known(
        ("AveragePool",),
        "without padding it makes room for the kernel as if it were not dilated",
        lambda node, opset, arrays: attribute(node, "auto_pad", "NOTSET") == "VALID" and _dilates(node),
    ),
    Known(
        ("ConvTranspose",),
        "takes the first bias for every group",
        lambda node, opset, arrays: int(attribute(node, "group", 1)) > 1 and len(arrays) > 2 and arrays[2] is not None,
    ),
    Known(
        ("Resize",),
        "with pytorch_half_pixel it does not take the first pixel where one is left, if it smooths",
        lambda node, opset, arrays: (
            attribute(node, "coordinate_transformation_mode", "") == "pytorch_half_pixel"
            and bool(attribute(node, "antialias", 0))
        ),
    ),
    Known(
        ("GridSample",),
        "has the weights of cubic interpolation in float",
        lambda node, opset, arrays: _is_double(node, opset, arrays) and attribute(node, "mode", "") in CUBIC,
    ),
    Known(
        ("Pad",),
        "fills text with the number 0",
        lambda node, opset, arrays: arrays[0] is not None and arrays[0].dtype.kind in "OU",
    ),
    Known(("QLinearConv", "QLinearMatMul"), "rounds after it added the zero point, which moves the halves"),
    Known(
        ("QuantizeLinear",),
        "divides integers by the scale cast to an integer",
        lambda node, opset, arrays: arrays[0] is not None and arrays[0].dtype.kind == "i",
    ),
    Known(
        ("Resize",),
        "takes the output's side to be input * scale, not rounded down; onnxruntime and Attune the side that there is",
        lambda node, opset, arrays: attribute(node, "coordinate_transformation_mode", "") == "align_corners",
    ),
    Known(
        ("Resize", "Upsample"),
        "computes places in double, where other ones fall on a half than in onnxruntime's float",
        lambda node, opset, arrays: attribute(node, "mode", "nearest") == "nearest",
    ),
    Known(
        ("Unique",),
        "sorts, asked or not",
        lambda node, opset, arrays: attribute(node, "sorted", 1) == 0,
    ),
    Known(
        ("CenterCropPad", "Trilu"),
        "fills texts with the number 0",
        lambda node, opset, arrays: arrays[0] is not None and arrays[0].dtype == STRING,
    ),
    Known(("TfIdfVectorizer",), "looks a weight up by the place in the output, not by that in the pool"),
]


# What Attune does not do yet.
MISSING = [Known(("Attention",), "double is not supported", _is_double)]


def wrong(known: list[Known], node: NodeProto, opset: int, arrays: Arrays) -> bool:
    """Whether one of the entries names the node."""
    return any(node.op_type in entry.ops and entry.applies(node, opset, arrays) for entry in known)
