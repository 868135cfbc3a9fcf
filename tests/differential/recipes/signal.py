"""Fourier transforms and windows."""

from typing import Any

import numpy as np

from ..element_types import DOUBLE, FLOAT, onnx_type
from ..graph import Graph, Value
from .recipe import recipe


@recipe("BlackmanWindow", "HammingWindow", "HannWindow")
def window_function(g: Graph, op: str) -> None:
    """Periodic or symmetric."""
    size = g.parameter(np.asarray(g.within(2, 20)), g.dtype(op, "T1"))
    attributes: dict[str, Any] = {"periodic": g.within(0, 1)} if g.chance(0.7) else {}
    attributes |= {"output_datatype": onnx_type(g.pick(FLOAT, DOUBLE))} if g.chance(0.4) else {}
    g.node(op, [size], precision=FLOAT, cancels=1, **attributes)


@recipe("MelWeightMatrix")
def mel_weight_matrix(g: Graph, op: str) -> None:
    """Triangles over frequencies."""
    whole, real = g.dtype(op, "T1"), g.dtype(op, "T2", [FLOAT])
    numbers = [g.parameter(np.asarray(n), whole) for n in (g.within(2, 8), g.pick(16, 32), g.pick(8000, 8192))]
    g.node(op, [*numbers, g.parameter(np.asarray(0.0), real), g.parameter(np.asarray(4000.0), real)])


def largest(x: Value) -> float:
    """The size of the numbers that a transform adds up, and of which nothing may be left."""
    return 4 * float(np.max(np.abs(x.array), initial=0))


@recipe("DFT")
def fourier_transform(g: Graph, op: str) -> None:
    """Real or complex, one-sided, inverse, of any axis and length."""
    inverse = g.chance(0.3)
    real = not inverse and g.chance(0.5)
    x = g.operand(
        g.dtype(op, "T1", [FLOAT, DOUBLE]), (g.within(1, 2), g.within(1, 8), g.within(1, 6), 1 if real else 2)
    )
    axis = g.pick(1, 2, -2)
    length = g.parameter(np.asarray(g.within(1, 10)), np.int64) if g.chance(0.3) else None
    attributes: dict[str, Any] = {"inverse": 1} if inverse else {}
    attributes |= {"onesided": 1} if real and g.chance(0.5) else {}
    if g.opset >= 20:
        g.node(op, [x, length, g.parameter(np.asarray(axis), np.int64)], cancels=largest(x), **attributes)
    else:
        g.node(op, [x, length], axis=axis % 4, cancels=largest(x), **attributes)


@recipe("STFT")
def short_time_fourier_transform(g: Graph, op: str) -> None:
    """Frames of a signal, with a window or without."""
    long, frame = g.within(16, 40), g.pick(4, 8, 16)
    dtype = g.dtype(op, "T1", [FLOAT, DOUBLE])
    signal = g.operand(dtype, (g.within(1, 2), long, 1))
    step = g.parameter(np.asarray(g.within(1, frame)), np.int64)
    window = g.operand(dtype, (frame,)) if g.chance(0.6) else None
    length = g.parameter(np.asarray(frame), np.int64) if window is None or g.chance(0.5) else None
    g.node(
        op,
        [signal, step, window, length],
        cancels=largest(signal),
        **({"onesided": g.within(0, 1)} if g.chance(0.6) else {}),
    )
