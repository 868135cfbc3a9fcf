"""The profile: a file that Chrome's tracing page and Perfetto open, with a row for each node."""

import json
import re
import threading
from pathlib import Path
from typing import Any

import attune
import numpy as np
import onnxruntime
import pytest
import tiny

FEED = {"input_1": np.ones((2, 40, 40, 1), np.float32)}


@pytest.fixture
def options(tmp_path: Path) -> attune.SessionOptions:
    options = attune.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "trace")
    return options


def events_of(path: str) -> list[dict[str, Any]]:
    return json.loads(Path(path).read_text())


def test_each_run_has_an_event_for_each_node(options: attune.SessionOptions) -> None:
    options.graph_optimization_level = attune.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = attune.InferenceSession(tiny.convolutions(), options)
    for _ in range(3):
        session.run(None, FEED)
    events = events_of(session.end_profiling())
    for event in events:
        assert {"cat", "pid", "tid", "dur", "ts", "ph", "name", "args"} <= set(event)
        assert event["dur"] >= 0
    assert [e["name"] for e in events if e["cat"] == "Session" and e["name"] == "model_run"] == ["model_run"] * 3
    assert any(e["name"].startswith("model_loading") for e in events)
    assert any(e["name"] == "session_initialization" for e in events)
    nodes = [e for e in events if e["cat"] == "Node" and e["name"].endswith("_kernel_time")]
    operators = [e["args"]["op_name"] for e in nodes]
    for operator, count in {"Conv": 2, "Relu": 2, "MaxPool": 1, "Gemm": 1, "Softmax": 1}.items():
        assert operators.count(operator) == 3 * count, operator
    wanted = {"op_name", "provider", "node_index", "input_type_shape", "output_type_shape", "thread_scheduling_stats"}
    assert all(wanted <= set(e["args"]) for e in nodes)
    softmax = next(e for e in nodes if e["args"]["op_name"] == "Softmax")
    assert softmax["args"]["output_type_shape"] == [{"float": [2, 4]}]


def test_events_are_onnxruntimes(options: attune.SessionOptions, tmp_path: Path) -> None:
    """The same fields in the same order, and in the arguments of nodes at least what does not depend on its arena."""
    theirs = onnxruntime.SessionOptions()
    theirs.enable_profiling = True
    theirs.profile_file_prefix = str(tmp_path / "reference")
    theirs.intra_op_num_threads = options.intra_op_num_threads = 2
    traces = []
    for engine, settings in ((attune, options), (onnxruntime, theirs)):
        session = engine.InferenceSession(tiny.convolutions(), settings)
        session.run(None, FEED)
        traces.append(Path(session.end_profiling()).read_text())
    ours, reference = (json.loads(text) for text in traces)
    for text in traces:  # onnxruntime's own test reads the lines
        lines = text.splitlines()
        assert lines[0] == "["
        assert lines[-1] == "]"
        for line in lines[1:-1]:
            assert all(tag in line for tag in ("pid", "dur", "ts", "ph", "X", "name", "args"))
    fields = list(reference[0])
    assert all(list(event) == fields for event in ours)
    assert all(type(event[key]) is type(reference[0][key]) for event in ours for key in fields)
    session_events = {e["name"] for e in reference if e["cat"] == "Session"}
    assert {e["name"] for e in ours if e["cat"] == "Session"} == session_events

    def first_node(events: list[dict[str, Any]]) -> dict[str, Any]:
        return next(e["args"] for e in events if e["cat"] == "Node" and e["args"]["op_name"].endswith("Conv"))

    a, b = first_node(ours), first_node(reference)
    assert {key for key in b if not key.startswith("mem_")} == set(a)
    assert all(type(a[key]) is type(b[key]) for key in a)
    main = "main_thread"
    assert set(a["thread_scheduling_stats"]) == set(b["thread_scheduling_stats"])
    assert list(a["thread_scheduling_stats"][main]) == list(b["thread_scheduling_stats"][main])


def test_every_thread_is_seen(options: attune.SessionOptions) -> None:
    """Helpers have events of their own, which readers of node events do not count."""
    options.intra_op_num_threads = 2
    options.log_severity_level = 4
    session = attune.InferenceSession(tiny.long_run(repeats=4), options)
    for _ in range(3):
        session.run(None, {"t0": np.ones((512, 512), np.float32)})
    events = events_of(session.end_profiling())
    nodes = {(e["args"]["node_index"], e["tid"]): e for e in events if e["cat"] == "Node"}
    helpers = [e for e in events if e["cat"] == "Thread"]
    assert {e["tid"] for e in nodes.values()} == {threading.get_native_id()}
    # Another worker of the process's pool may help in each run.
    assert len({e["tid"] for e in helpers} | {threading.get_native_id()}) >= 2
    assert all(e["name"].endswith("_worker") and int(e["args"]["num_run"]) > 0 for e in helpers)


def test_the_parallel_executor_is_seen(options: attune.SessionOptions) -> None:
    options.execution_mode = attune.ExecutionMode.ORT_PARALLEL
    options.inter_op_num_threads = 2
    options.log_severity_level = 4
    session = attune.InferenceSession(tiny.convolutions(), options)
    session.run(None, FEED)
    names = [event["name"] for event in events_of(session.end_profiling())]
    assert "ParallelExecutor::Execute" in names
    assert "SequentialExecutor::Execute" not in names


def test_nodes_fit_into_their_run(options: attune.SessionOptions) -> None:
    session = attune.InferenceSession(tiny.convolutions(), options)
    session.run(None, FEED)
    events = events_of(session.end_profiling())
    run = next(e for e in events if e["name"] == "model_run")
    nodes = [e for e in events if e["cat"] == "Node"]
    assert nodes
    for node in nodes:
        assert node["ts"] >= run["ts"]
        assert node["ts"] + node["dur"] <= run["ts"] + run["dur"]
    assert sum(node["dur"] for node in nodes) <= run["dur"]


def test_the_name_of_the_file(options: attune.SessionOptions, tmp_path: Path) -> None:
    session = attune.InferenceSession(tiny.matmul(), options)
    assert session.get_profiling_start_time_ns() > 0
    name = session.end_profiling()
    assert re.fullmatch(r"trace_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(_\d+)?\.json", Path(name).name)
    assert Path(name).parent == tmp_path
    assert session.end_profiling() == ""
    session.run(None, {"X": np.ones((1, 3), np.float32)})
    assert [path.name for path in tmp_path.iterdir()] == [Path(name).name]


def test_without_profiling_there_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    session = attune.InferenceSession(tiny.matmul())
    session.run(None, {"X": np.ones((1, 3), np.float32)})
    assert session.end_profiling() == ""
    assert session.get_profiling_start_time_ns() == 0
    assert list(tmp_path.iterdir()) == []


def test_a_session_that_is_dropped_finishes_its_file(options: attune.SessionOptions, tmp_path: Path) -> None:
    session = attune.InferenceSession(tiny.matmul(), options)
    session.run(None, {"X": np.ones((1, 3), np.float32)})
    del session
    (path,) = tmp_path.iterdir()
    assert any(e["cat"] == "Node" for e in events_of(str(path)))


def test_profiling_changes_no_result(options: attune.SessionOptions) -> None:
    session = attune.InferenceSession(tiny.convolutions(), options)
    plain = attune.InferenceSession(tiny.convolutions())
    assert np.array_equal(session.run(None, FEED)[0], plain.run(None, FEED)[0])
    session.end_profiling()
