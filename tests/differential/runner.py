"""Runs a model on Attune in every way, and says what is not as the reference has it."""

from collections.abc import Mapping, Sequence
from typing import Any

import attune
import numpy as np
from onnx import ModelProto

from .graph import Value
from .rounding import difference

LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")
# The last ones run in the other mode, and must give the bits of the first with that level.
WAYS = (*((level, "ORT_SEQUENTIAL") for level in LEVELS), (LEVELS[0], "ORT_PARALLEL"), (LEVELS[-1], "ORT_PARALLEL"))


def run(model: bytes, feeds: dict[str, np.ndarray], level: str, mode: str, times: int) -> list[list[Any]]:
    """The outputs of so many runs of one session."""
    options = attune.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 2
    options.inter_op_num_threads = 2
    options.graph_optimization_level = getattr(attune.GraphOptimizationLevel, level)
    options.execution_mode = getattr(attune.ExecutionMode, mode)
    session = attune.InferenceSession(model, options)
    return [session.run(None, feeds) for _ in range(times)]


def bits(array: Any) -> Any:
    """What two equal results have in common."""
    array = np.asarray(array)
    return array.tolist() if array.dtype.kind in "OU" else array.tobytes()


def failure(
    model: ModelProto, values: Mapping[str, Value], ways: Sequence[tuple[str, str]] = WAYS
) -> tuple[tuple[str, str], str] | None:
    """The first way to run the model that goes wrong, and how; None when all is right."""
    feeds = {described.name: values[described.name].array for described in model.graph.input}
    wanted = [values[described.name] for described in model.graph.output]
    data = model.SerializeToString()
    seen: dict[str, list[Any]] = {}
    for level, mode in ways:
        try:
            first, second = run(data, feeds, level, mode, times=2)
        except Exception as error:
            return (level, mode), f"{type(error).__name__}: {str(error).strip()[:500]}"
        for value, result, again in zip(wanted, first, second, strict=True):
            wrong = difference(np.asarray(result), value.array, value.shaken, value.least)
            if wrong is not None:
                return (level, mode), f"{value.name}: {wrong}"
            if bits(result) != bits(again):
                return (level, mode), f"{value.name}: other bits in the second run"
        for value, result, other in zip(wanted, first, seen.setdefault(level, first), strict=True):
            if bits(result) != bits(other):
                return (level, mode), f"{value.name}: other bits in the other mode"
    return None
