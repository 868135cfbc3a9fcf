#!/usr/bin/env python3
"""Single operators on Attune and on onnxruntime, side by side: those that the whole models of models.py do without.

    operators.py [--cases gather,lstm] [--threads 2] [--rounds 5] [--seconds 0.2] [--json FILE]

A case is a name or the beginning of one. Measured as models.py does: interleaved rounds, the engine that does not run
stopped, the ratio Attune / onnxruntime taken within a round. Below 1 Attune is faster. `error` is the largest
difference of the outputs over the largest number in them; above 1e-4 the exit code is 1.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from models import ENGINES, Worker
from onnx import ValueInfoProto, helper, numpy_helper

TOLERANCE = 1e-4

RNG = np.random.default_rng(0)
Arrays = dict[str, np.ndarray]


def f(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def ints(high: int, *shape: int) -> np.ndarray:
    return RNG.integers(0, high, shape)


def model(
    op: str,
    inputs: Arrays,
    constants: Arrays,
    outputs: int = 1,
    domain: str = "",
    opset: int = 18,
    **attributes: Any,
) -> bytes:
    """One node. Inputs are fed and constants initializers, in this order; a name that begins with _ is left out."""
    names = ["" if name.startswith("_") else name for name in (*inputs, *constants)]
    results = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, names, results, domain=domain, **attributes)
    fed = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in inputs.items()
    ]
    kept = [numpy_helper.from_array(array, name) for name, array in constants.items() if not name.startswith("_")]
    graph = helper.make_graph([node], op, fed, [ValueInfoProto(name=name) for name in results], kept)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


Case = tuple[bytes, Arrays]


def case(op: str, inputs: Arrays, constants: Arrays | None = None, **more: Any) -> Case:
    return model(op, inputs, constants or {}, **more), inputs


def array(*values: float, dtype: Any = np.int64) -> np.ndarray:
    return np.array(values, dtype)


def boxes(count: int) -> np.ndarray:
    corner, size = RNG.random((1, count, 2)) * 600, RNG.random((1, count, 2)) * 80 + 10
    return np.concatenate([corner, corner + size], axis=2).astype(np.float32)


def non_max_suppression(count: int, classes: int) -> Case:
    limits = {"most": array(200), "overlap": np.float32([0.5]), "score": np.float32([0.3])}
    scores = RNG.random((1, classes, count)).astype(np.float32)
    return case("NonMaxSuppression", {"boxes": boxes(count), "scores": scores}, limits)


def resize(shape: tuple[int, ...], scales: tuple[float, ...], **attributes: Any) -> Case:
    constants = {"_roi": array(), "scales": array(*scales, dtype=np.float32)}
    return case("Resize", {"x": f(*shape)}, constants, **attributes)


def grid_sample(channels: int, size: int, mode: str) -> Case:
    grid = (RNG.random((1, size, size, 2)) * 2.2 - 1.1).astype(np.float32)
    return case("GridSample", {"x": f(1, channels, size, size), "grid": grid}, opset=16, mode=mode)


def recurrent(op: str, gates: int, length: int, batch: int, inputs: int, hidden: int) -> Case:
    scale = hidden**-0.5
    weights = {
        "w": f(1, gates * hidden, inputs) * np.float32(scale),
        "r": f(1, gates * hidden, hidden) * np.float32(scale),
        "b": f(1, 2 * gates * hidden),
    }
    return case(op, {"x": f(length, batch, inputs)}, weights, hidden_size=hidden)


def trees(count: int, depth: int, rows: int, features: int = 50, targets: int = 1) -> Case:
    """Complete trees of a regressor."""
    nodes = 2 ** (depth + 1) - 1
    first_leaf = 2**depth - 1
    place = np.tile(np.arange(nodes), count)
    tree = np.repeat(np.arange(count), nodes)
    is_leaf = place >= first_leaf
    leaf_nodes, leaf_trees = place[is_leaf], tree[is_leaf]
    attributes = {
        "n_targets": targets,
        "nodes_nodeids": place.tolist(),
        "nodes_treeids": tree.tolist(),
        "nodes_featureids": np.where(is_leaf, 0, ints(features, place.size)).tolist(),
        "nodes_values": np.where(is_leaf, 0, RNG.standard_normal(place.size) / 2).tolist(),
        "nodes_modes": np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_truenodeids": np.where(is_leaf, 0, 2 * place + 1).tolist(),
        "nodes_falsenodeids": np.where(is_leaf, 0, 2 * place + 2).tolist(),
        "target_nodeids": np.repeat(leaf_nodes, targets).tolist(),
        "target_treeids": np.repeat(leaf_trees, targets).tolist(),
        "target_ids": np.tile(np.arange(targets), leaf_nodes.size).tolist(),
        "target_weights": RNG.standard_normal(leaf_nodes.size * targets).tolist(),
    }
    return case("TreeEnsembleRegressor", {"x": f(rows, features)}, domain="ai.onnx.ml", **attributes)


LINEAR = {"mode": "linear"}
CASES: dict[str, Callable[[], Case]] = {
    "gather_rows": lambda: case("Gather", {"x": f(30000, 384), "i": ints(30000, 8, 128)}),
    "gather_columns": lambda: case("Gather", {"x": f(256, 4096), "i": ints(4096, 512)}, axis=1),
    "gather_nd": lambda: case("GatherND", {"x": f(64, 128, 64), "i": ints(64, 4096, 2)}),
    "gather_elements": lambda: case("GatherElements", {"x": f(512, 1024), "i": ints(1024, 512, 256)}, axis=1),
    "scatter_nd": lambda: case("ScatterND", {"x": f(4096, 64), "i": ints(4096, 1024, 1), "u": f(1024, 64)}),
    "scatter_elements": lambda: case(
        "ScatterElements", {"x": f(512, 1024), "i": np.argsort(f(512, 256), axis=1), "u": f(512, 256)}, axis=1
    ),
    "top_k_5_of_1000": lambda: case("TopK", {"x": f(64, 1000)}, {"k": array(5)}, outputs=2),
    "top_k_300_of_8400": lambda: case("TopK", {"x": f(1, 8400)}, {"k": array(300)}, outputs=2),
    "top_k_columns": lambda: case("TopK", {"x": f(8, 300, 64)}, {"k": array(20)}, outputs=2, axis=1),
    "nms_1000": lambda: non_max_suppression(1000, 1),
    "nms_8400x20": lambda: non_max_suppression(8400, 20),
    "resize_nearest_x2": lambda: resize(
        (1, 64, 80, 80), (1, 1, 2, 2), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
    ),
    "resize_linear_x2": lambda: resize((1, 64, 80, 80), (1, 1, 2, 2), **LINEAR),
    "resize_linear_aligned": lambda: resize(
        (1, 32, 60, 60), (1, 1, 3.3, 3.3), coordinate_transformation_mode="align_corners", **LINEAR
    ),
    "resize_linear_down": lambda: resize((1, 3, 1080, 1920), (1, 1, 0.25, 0.25), **LINEAR),
    "resize_cubic": lambda: resize((1, 16, 80, 80), (1, 1, 2, 2), mode="cubic"),
    "grid_sample_bilinear": lambda: grid_sample(32, 128, "bilinear"),
    "grid_sample_nearest": lambda: grid_sample(32, 128, "nearest"),
    "einsum_matmul": lambda: case("Einsum", {"a": f(8, 64, 128), "b": f(8, 128, 96)}, equation="bij,bjk->bik"),
    "einsum_attention": lambda: case(
        "Einsum", {"q": f(2, 128, 8, 64), "k": f(2, 128, 8, 64)}, equation="bqhd,bkhd->bhqk"
    ),
    "einsum_outer": lambda: case("Einsum", {"a": f(512), "b": f(1024)}, equation="i,j->ij"),
    "einsum_diagonal_sum": lambda: case("Einsum", {"a": f(64, 128, 256)}, equation="abc->ac"),
    "cum_sum_rows": lambda: case("CumSum", {"x": f(512, 1024)}, {"axis": np.array(1)}),
    "cum_sum_columns": lambda: case("CumSum", {"x": f(512, 1024)}, {"axis": np.array(0)}),
    "reduce_mean_last": lambda: case("ReduceMean", {"x": f(32, 128, 384)}, {"axes": array(-1)}),
    "reduce_mean_image": lambda: case("ReduceMean", {"x": f(8, 128, 56, 56)}, {"axes": array(2, 3)}),
    "reduce_sum_first": lambda: case("ReduceSum", {"x": f(512, 4096)}, {"axes": array(0)}),
    "reduce_max_middle": lambda: case("ReduceMax", {"x": f(32, 256, 256)}, {"axes": array(1)}),
    "reduce_sum_outer_inner": lambda: case("ReduceSum", {"x": f(64, 96, 128)}, {"axes": array(0, 2)}),
    "reduce_all": lambda: case("ReduceSum", {"x": f(4, 256, 1024)}),
    "reduce_l2": lambda: case("ReduceL2", {"x": f(1024, 512)}, {"axes": array(1)}),
    "reduce_log_sum_exp": lambda: case("ReduceLogSumExp", {"x": f(256, 1000)}, {"axes": array(1)}),
    "arg_max": lambda: case("ArgMax", {"x": f(256, 1000)}, axis=1),
    "arg_max_channels": lambda: case("ArgMax", {"x": f(1, 21, 256, 256)}, axis=1),
    "transpose_matrix": lambda: case("Transpose", {"x": f(1024, 1024)}, perm=[1, 0]),
    "transpose_to_last": lambda: case("Transpose", {"x": f(1, 64, 160, 160)}, perm=[0, 2, 3, 1]),
    "transpose_heads": lambda: case("Transpose", {"x": f(8, 128, 12, 64)}, perm=[0, 2, 1, 3]),
    "transpose_keys": lambda: case("Transpose", {"x": f(8, 128, 12, 64)}, perm=[0, 2, 3, 1]),
    "transpose_windows": lambda: case("Transpose", {"x": f(1, 8, 7, 8, 7, 96)}, perm=[0, 1, 3, 2, 4, 5]),
    "lstm_128": lambda: recurrent("LSTM", 4, 50, 1, 128, 128),
    "lstm_256x8": lambda: recurrent("LSTM", 4, 50, 8, 256, 256),
    "gru_128": lambda: recurrent("GRU", 3, 50, 1, 128, 128),
    "gru_256x8": lambda: recurrent("GRU", 3, 50, 8, 256, 256),
    "trees_6_rows_1": lambda: trees(100, 6, 1),
    "trees_6_rows_100": lambda: trees(100, 6, 100),
    "trees_6_rows_10000": lambda: trees(100, 6, 10000),
    "trees_10_rows_1": lambda: trees(100, 10, 1),
    "trees_10_rows_100": lambda: trees(100, 10, 100),
    "trees_10_rows_10000": lambda: trees(100, 10, 10000),
    "trees_8_targets_10": lambda: trees(100, 8, 1000, targets=10),
}


def distance(result: np.ndarray, wanted: np.ndarray) -> float:
    """The largest difference over the largest number."""
    if result.shape != wanted.shape or result.dtype != wanted.dtype:
        return np.inf
    return float(np.abs(result - wanted).max(initial=0) / max(np.abs(wanted).max(initial=0), 1e-30))


def measure(name: str, threads: int, rounds: int, seconds: float) -> dict[str, Any]:
    """The time of each engine, the ratio of each round, the error."""
    proto, feed = CASES[name]()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "model.onnx").write_bytes(proto)
        np.savez(folder / "feed.npz", **feed)
        files = {"path": str(folder / "model.onnx"), "feed": str(folder / "feed.npz")}
        workers = {engine: stack.enter_context(Worker(engine)) for engine in ENGINES}
        for engine, worker in workers.items():
            worker.ask("load_file", **files, threads=threads, options={}, save=str(folder / f"{engine}.npz"))
        outputs, reference = (np.load(folder / f"{engine}.npz") for engine in ENGINES)
        error = max(distance(outputs[key], reference[key]) for key in reference.files)
        series: dict[str, list[float]] = {engine: [] for engine in ENGINES}
        for turn in range(rounds):
            for engine in ENGINES if turn % 2 == 0 else ENGINES[::-1]:
                series[engine].append(workers[engine].ask("run", seconds=seconds)["median_s"])
    ours, theirs = (series[engine] for engine in ENGINES)
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return {
        "attune_s": statistics.median(ours),
        "onnxruntime_s": statistics.median(theirs),
        "ratios": ratios,
        "ratio": statistics.median(ratios),
        "error": error,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="", help="some of " + ", ".join(CASES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.2, help="an engine's time in a round")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    args = parser.parse_args()
    wanted = tuple(args.cases.split(","))
    results: dict[str, Any] = {}
    wrong = []
    print(f"{'case':<24}{'Attune us':>11}{'ORT us':>11}{'ratio':>7}{'range':>12}{'error':>9}")
    for name in [name for name in CASES if name.startswith(wanted)]:
        try:
            result = results[name] = measure(name, args.threads, args.rounds, args.seconds)
        except RuntimeError as failure:
            print(f"{name:<24}{failure}", flush=True)
            wrong.append(name)
            continue
        print(
            f"{name:<24}{result['attune_s'] * 1e6:>11.1f}{result['onnxruntime_s'] * 1e6:>11.1f}{result['ratio']:>7.2f}"
            f"{min(result['ratios']):>7.2f}-{max(result['ratios']):.2f}{result['error']:>9.0e}",
            flush=True,
        )
        if result["error"] > TOLERANCE:
            wrong.append(name)
    if results:
        mean = statistics.geometric_mean(result["ratio"] for result in results.values())
        print(f"geometric mean of the ratios: {mean:.3f}")
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    if wrong:
        sys.exit(f"failed or wrong: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
