"""Random networks on Attune at every level and in both modes, and on onnxruntime: the same answers."""

from typing import Any

import attune
import numpy as np
import onnxruntime
import pytest
from random_graphs import RandomGraph

LEVELS = ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"]


def run(interface: Any, model: bytes, feed: dict[str, np.ndarray], level: str, mode: str, times: int = 1) -> list[Any]:
    options = interface.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 2
    options.inter_op_num_threads = 2
    options.graph_optimization_level = getattr(interface.GraphOptimizationLevel, level)
    options.execution_mode = getattr(interface.ExecutionMode, mode)
    session = interface.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return [session.run(None, feed) for _ in range(times)]


def close(result: np.ndarray, wanted: np.ndarray) -> bool:
    scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=1)
    return result.shape == wanted.shape and np.allclose(result, wanted, rtol=2e-3, atol=2e-4 * scale, equal_nan=True)


@pytest.mark.parametrize("block", range(10))
def test_random_graphs_agree_with_onnxruntime(block: int) -> None:
    compared = 0
    for seed in range(40 * block, 40 * (block + 1)):
        graph, feed = RandomGraph(seed).finish()
        if not graph.graph.output:
            continue
        model = graph.SerializeToString()
        (wanted,) = run(onnxruntime, model, feed, "ORT_DISABLE_ALL", "ORT_SEQUENTIAL")
        names = [output.name for output in graph.graph.output]
        for level in LEVELS:
            first, second = run(attune, model, feed, level, "ORT_SEQUENTIAL", times=2)
            for name, result, again, reference in zip(names, first, second, wanted, strict=True):
                assert close(result, reference), (seed, level, name)
                assert result.tobytes() == again.tobytes(), (seed, level, name, "second run")
        (parallel,) = run(attune, model, feed, "ORT_ENABLE_ALL", "ORT_PARALLEL")
        for name, result, reference in zip(names, parallel, first, strict=True):
            assert result.tobytes() == reference.tobytes(), (seed, name, "parallel")
        compared += 1
    assert compared >= 30
