"""What sessions do beside `run`: feeding initializers, other ways to run, limits, pickling, options of the model."""

import json
import pickle
import re
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import attune
import numpy as np
import onnx
import pytest
import tiny
from attune.capi import onnxruntime_pybind11_state as state
from attune.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, ModelLoadCanceled
from onnx import TensorProto, helper, numpy_helper

ONES = np.ones((3, 2), np.float32)


def product(overridable: bool = True, **metadata: str) -> bytes:
    """Y = X * W with W = [2, 3], a batch of X that the model calls "n" and DATA_BATCH."""
    x = helper.make_tensor_value_info("X", TensorProto.FLOAT, ["n", 2])
    x.type.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
    y = helper.make_tensor_value_info("Y", TensorProto.FLOAT, ["n", 2])
    w = helper.make_tensor_value_info("W", TensorProto.FLOAT, [2])
    values = numpy_helper.from_array(np.array([2, 3], np.float32), "W")
    node = helper.make_node("Mul", ["X", "W"], ["Y"], name="product")
    graph = helper.make_graph([node], "product", [x, w] if overridable else [x], [y], [values])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata)
    return model.SerializeToString()


def value(array: Any) -> attune.OrtValue:
    return attune.OrtValue.ortvalue_from_numpy(np.asarray(array, np.float32))


def test_initializers_that_are_inputs_can_be_fed() -> None:
    session = attune.InferenceSession(product())
    assert [i.name for i in session.get_inputs()] == ["X"]
    assert [(i.name, i.shape, i.type) for i in session.get_overridable_initializers()] == [("W", [2], "tensor(float)")]
    np.testing.assert_array_equal(session.run(None, {"X": ONES})[0][0], [2, 3])
    np.testing.assert_array_equal(session.run(None, {"X": ONES, "W": np.array([5, 6], np.float32)})[0][0], [5, 6])
    np.testing.assert_array_equal(session.run(None, {"X": ONES, "W": [7, 8]})[0][0], [7, 8])
    np.testing.assert_array_equal(session.run(None, {"X": ONES})[0][0], [2, 3])
    with pytest.raises(InvalidArgument, match="Got invalid dimensions for input: W"):
        session.run(None, {"X": ONES, "W": np.zeros(3, np.float32)})


def test_given_initializers_take_the_models_place() -> None:
    options = attune.SessionOptions()
    options.add_initializer("W", value([5, 6]))
    options.add_initializer("of another model", value([1]))
    session = attune.InferenceSession(product(overridable=False), options)
    np.testing.assert_array_equal(session.run(None, {"X": ONES})[0][0], [5, 6])
    with pytest.raises(RuntimeError, match="already been added"):
        options.add_initializer("W", value([5, 6]))
    with pytest.raises(TypeError, match="an initializer is an OrtValue"):
        options.add_initializer("V", 3)  # type: ignore[arg-type]
    wrong = attune.SessionOptions()
    wrong.add_initializer("W", value([1, 2, 3]))
    with pytest.raises(InvalidArgument, match=r"'W' is a tensor\(float\) of shape \{3\}; the model has"):
        attune.InferenceSession(product(), wrong)


def external(folder: Path, written: bool) -> str:
    model = onnx.load_from_string(product(overridable=False))
    w = model.graph.initializer[0]
    if written:
        (folder / "w.bin").write_bytes(w.raw_data)
    w.ClearField("raw_data")
    w.data_location = TensorProto.EXTERNAL
    w.external_data.add(key="location", value="w.bin")
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return str(path)


def test_external_initializers_need_no_file(tmp_path: Path) -> None:
    path = external(tmp_path, written=False)
    options = attune.SessionOptions()
    options.add_external_initializers(["W"], [value([5, 6])])
    np.testing.assert_array_equal(attune.InferenceSession(path, options).run(None, {"X": ONES})[0][0], [5, 6])
    unknown = attune.SessionOptions()
    unknown.add_external_initializers(["W", "Q"], [value([5, 6]), value([5, 6])])
    with pytest.raises(Fail, match="Failed to find existing initializer with name Q"):
        attune.InferenceSession(path, unknown)


def test_files_of_initializers_may_be_in_memory(tmp_path: Path) -> None:
    content = np.array([8, 9], np.float32).tobytes()
    options = attune.SessionOptions()
    options.add_external_initializers_from_files_in_memory(["w.bin"], [content + b"more"], [len(content)])
    session = attune.InferenceSession(external(tmp_path, written=False), options)
    np.testing.assert_array_equal(session.run(None, {"X": ONES})[0][0], [8, 9])
    model = Path(tmp_path / "model.onnx").read_bytes()  # as bytes, too, which have no folder
    np.testing.assert_array_equal(attune.InferenceSession(model, options).run(None, {"X": ONES})[0][0], [8, 9])


def test_free_dimensions_by_name_and_denotation() -> None:
    options = attune.SessionOptions()
    options.add_free_dimension_override_by_denotation("DATA_BATCH", 3)
    assert attune.InferenceSession(product(), options).get_inputs()[0].shape == [3, 2]
    options.add_free_dimension_override_by_name("n", 4)
    session = attune.InferenceSession(product(), options)
    assert session.get_inputs()[0].shape == [4, 2]
    with pytest.raises(InvalidArgument, match="Got: 3 Expected: 4"):
        session.run(None, {"X": ONES})


def test_run_takes_ort_values() -> None:
    session = attune.InferenceSession(product())
    np.testing.assert_array_equal(session.run(None, {"X": value(ONES)})[0][0], [2, 3])
    results = session.run_with_ort_values(["Y"], {"X": value(ONES)})
    assert isinstance(results, attune.OrtValueVector)
    np.testing.assert_array_equal(results[0].numpy()[0], [2, 3])
    assert isinstance(session._sess.run_with_ort_values({"X": value(ONES)}, ["Y"], None), attune.OrtValueVector)
    fetches = attune.OrtValueVector()
    session.run_with_ortvaluevector(attune.RunOptions(), ["X"], [value(ONES)], ["Y"], fetches, [])
    np.testing.assert_array_equal(fetches[0].numpy()[0], [2, 3])


def run_async(session: attune.InferenceSession, names: list[str] | None, feed: dict[str, Any]) -> tuple[Any, ...]:
    got: list[tuple[Any, ...]] = []
    done = threading.Event()

    def callback(results: list[Any], data: Any, error: str) -> None:
        got.append((results, data, error, threading.current_thread()))
        done.set()

    session.run_async(names, feed, callback, "data")
    assert done.wait(30)
    return got[0]


def test_run_async_calls_back_from_another_thread() -> None:
    session = attune.InferenceSession(product())
    results, data, error, thread = run_async(session, ["Y"], {"X": ONES})
    np.testing.assert_array_equal(results[0][0], [2, 3])
    assert (data, error) == ("data", "")
    assert thread is not threading.current_thread()
    results, _, error, _ = run_async(session, ["Q"], {"X": ONES})
    assert (results, error) == ([], "Invalid output name:Q")
    with pytest.raises(ValueError, match="Required inputs"):
        session.run_async(["Y"], {}, lambda *_: None, None)


def test_a_run_ends_when_another_thread_says_so() -> None:
    session = attune.InferenceSession(tiny.long_run(400))
    options = attune.RunOptions()
    threading.Timer(0.02, lambda: setattr(options, "terminate", True)).start()
    start = time.monotonic()
    with pytest.raises(Fail, match="Exiting due to terminate flag being set to true"):
        session.run(None, {"t0": np.zeros((512, 512), np.float32)}, options)
    whole = session.run(None, {"t0": np.zeros((1, 512), np.float32)}, attune.RunOptions())
    assert whole[0].shape == (1, 512)
    assert time.monotonic() - start < 30


def test_a_run_ends_at_its_time_limit() -> None:
    session = attune.InferenceSession(tiny.long_run(400))
    options = attune.RunOptions()
    options.add_run_config_entry("attune.run.timeout_ms", "10")
    with pytest.raises(Fail, match="took longer than its time limit"):
        session.run(None, {"t0": np.zeros((512, 512), np.float32)}, options)
    options.add_run_config_entry("attune.run.timeout_ms", "60000")
    assert session.run(None, {"t0": np.zeros((1, 512), np.float32)}, options)[0].shape == (1, 512)
    options.add_run_config_entry("attune.run.timeout_ms", "soon")
    with pytest.raises(InvalidArgument, match=r"attune\.run\.timeout_ms is 'soon'"):
        session.run(None, {"t0": np.zeros((1, 512), np.float32)}, options)


def test_run_options_have_defaults_and_refuse_what_they_lack() -> None:
    options = attune.RunOptions()
    assert (options.log_severity_level, options.log_verbosity_level, options.logid) == (-1, 0, "")
    assert options.terminate is False
    assert options.only_execute_path_to_fetches is False
    options.run_tag = "tag"
    assert options.logid == "tag"
    with pytest.raises(AttributeError, match="Did you mean: 'terminate'"):
        options.terminated = True
    with pytest.raises(TypeError, match="terminate takes a bool"):
        options.terminate = "yes"  # type: ignore[assignment]
    with pytest.raises(TypeError, match="run_options takes a RunOptions"):
        attune.InferenceSession(product()).run(None, {"X": ONES}, 3)  # type: ignore[arg-type]


PARTS = """(float[N] x, int64[K] i) => (float[N] right, float[K] wrong, float[N] both) {
    half = Mul(x, x)
    right = Relu(half)
    picked = Gather(half, i)
    wrong = Neg(picked)
    sum = ReduceSum <keepdims = 0> (wrong)
    both = Add(right, sum)
}"""


@pytest.mark.parametrize("mode", list(attune.ExecutionMode))
def test_only_what_the_outputs_need_runs(mode: attune.ExecutionMode, tmp_path: Path) -> None:
    settings = attune.SessionOptions()
    settings.execution_mode = mode
    settings.intra_op_num_threads = 2
    settings.enable_profiling = True
    settings.profile_file_prefix = str(tmp_path / "trace")
    session = attune.InferenceSession(tiny.model(PARTS), settings)
    feed = {"x": np.array([-1, 2], np.float32), "i": np.array([5])}
    with pytest.raises(Fail, match="Gather node"):
        session.run(["right"], feed)
    only = attune.RunOptions()
    only.only_execute_path_to_fetches = True
    for _ in range(3):
        assert session.run(["right"], feed, only)[0].tolist() == [1, 4]
    binding = session.io_binding()
    binding.bind_cpu_input("x", feed["x"])
    binding.bind_cpu_input("i", feed["i"])
    binding.bind_output("right")
    session.run_with_iobinding(binding, only)
    assert binding.copy_outputs_to_cpu()[0].tolist() == [1, 4]
    with pytest.raises(Fail, match="Gather node"):
        session.run(["both"], feed, only)
    assert session.run(["both", "wrong"], {**feed, "i": np.array([1])}, only)[0].tolist() == [-3, 0]
    events = [json.loads(line.rstrip(",")) for line in Path(session.end_profiling()).read_text().splitlines()[1:-1]]
    counts = Counter(event["args"]["op_name"] for event in events if event["cat"] == "Node")
    assert counts["Neg"] == 1  # of seven runs only the last got so far


def test_where_sizes_depend_on_data_the_nodes_before_run() -> None:
    session = attune.InferenceSession(
        tiny.model(
            """(float[N] x, float[M] z) => (int64[K,L] places, float[M] other, float[N] twice) {
            found = NonZero(x)
            places = Transpose(found)
            other = Relu(z)
            twice = Add(x, x)
            }"""
        )
    )
    options = attune.RunOptions()
    options.only_execute_path_to_fetches = True
    feed = {"x": np.array([0, 3, 0, 4], np.float32), "z": np.array([-1, 1], np.float32)}
    expected = dict(zip(["places", "other", "twice"], session.run(None, feed), strict=True))
    for names in (["places"], ["other"], ["twice", "places"]):
        for name, result in zip(names, session.run(names, feed, options), strict=True):
            np.testing.assert_array_equal(result, expected[name])


def test_memory_is_given_back_when_a_run_asks_for_it() -> None:
    session = attune.InferenceSession(product())
    options = attune.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    np.testing.assert_array_equal(session.run(None, {"X": ONES}, options)[0][0], [2, 3])


def test_making_a_session_can_be_cancelled() -> None:
    options = attune.SessionOptions()
    options.set_load_cancellation_flag(True)
    with pytest.raises(ModelLoadCanceled):
        attune.InferenceSession(product(), options)
    options.set_load_cancellation_flag(False)
    attune.InferenceSession(product(), options)


def test_options_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    model = product(ort_config='{"session_options": {"intra_op_num_threads": 2, "inter_op_num_threads": 5}}')
    assert attune.InferenceSession(model).get_session_options().intra_op_num_threads == 0
    session = attune.InferenceSession(model, read_config_from_model=1)
    assert session.get_session_options().inter_op_num_threads == 5
    monkeypatch.setenv("ORT_LOAD_CONFIG_FROM_MODEL", "1")
    assert attune.InferenceSession(model).get_session_options().intra_op_num_threads == 2


def test_nodes_are_assigned_to_the_cpu() -> None:
    options = attune.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    (subgraph,) = attune.InferenceSession(product(), options).get_provider_graph_assignment_info()
    (node,) = subgraph.get_nodes()
    assert (subgraph.ep_name, node.domain, node.op_type, node.name) == ("CPUExecutionProvider", "", "Mul", "product")
    with pytest.raises(Fail, match='must be set to "1"'):
        attune.InferenceSession(product()).get_provider_graph_assignment_info()


def test_memory_and_devices_are_the_cpus() -> None:
    session = attune.InferenceSession(product())
    assert [info.name for info in session.get_input_memory_infos()] == ["Cpu"]
    assert [info.name for info in session.get_output_memory_infos()] == ["Cpu"]
    assert [device.ep_name for device in session.get_input_epdevices()] == ["CPUExecutionProvider"]
    assert session.get_tuning_results() == []


class Detector(attune.InferenceSession):
    """As insightface has it, with an attribute of its own."""

    def __init__(self, path: str, **kwargs: Any) -> None:
        super().__init__(path, **kwargs)
        self.scale = 3


class Explicit(attune.InferenceSession):
    """As insightface has it, whole."""

    def __init__(self, path: str, **kwargs: Any) -> None:
        super().__init__(path, **kwargs)
        self.path = path

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Explicit.__init__(self, state["path"])


@pytest.mark.parametrize("kind", [attune.InferenceSession, Detector, Explicit])
def test_sessions_made_from_paths_can_be_pickled(kind: type[attune.InferenceSession], tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(product())
    session = kind(str(path))
    if kind is not Explicit:
        options = attune.SessionOptions()
        options.intra_op_num_threads = 1
        session = kind(str(path), sess_options=options)
    twin = pickle.loads(pickle.dumps(session))
    assert type(twin) is kind
    np.testing.assert_array_equal(twin.run(None, {"X": ONES})[0][0], [2, 3])
    if kind is not Explicit:
        assert twin.get_session_options().intra_op_num_threads == 1
    if kind is Detector:
        assert twin.scale == 3


def test_sessions_made_from_bytes_can_be_pickled_when_they_keep_them() -> None:
    with pytest.raises(TypeError, match=r"attune\.keep_model_bytes"):
        pickle.dumps(attune.InferenceSession(product()))
    options = attune.SessionOptions()
    options.add_session_config_entry("attune.keep_model_bytes", "1")
    twin = pickle.loads(pickle.dumps(attune.InferenceSession(product(), options)))
    np.testing.assert_array_equal(twin.run(None, {"X": ONES})[0][0], [2, 3])


def test_options_that_share_memory_cannot_be_pickled() -> None:
    options = attune.SessionOptions()
    options.add_initializer("W", value([5, 6]))
    with pytest.raises(TypeError, match="added initializers"):
        pickle.dumps(options)


def test_custom_operators_are_refused_by_name() -> None:
    with pytest.raises(state.NotImplemented, match=r"Custom operators are not supported: ops\.so"):
        attune.SessionOptions().register_custom_ops_library("ops.so")


def test_configuration_entries_are_bounded() -> None:
    options = attune.SessionOptions()
    with pytest.raises(RuntimeError, match="Config key is empty or longer than maximum length 1024"):
        options.add_session_config_entry("", "x")
    with pytest.raises(RuntimeError, match="SessionOptions does not have configuration with key: k"):
        options.get_session_config_entry("k")
    with pytest.raises(RuntimeError, match="RunOptions does not have configuration with key: k"):
        attune.RunOptions().get_run_config_entry("k")


def test_adapters_feed_initializers(tmp_path: Path) -> None:
    path = tmp_path / "w.onnx_adapter"
    adapter = attune.AdapterFormat()
    adapter.set_adapter_version(3)
    adapter.set_model_version(4)
    bits = attune.OrtValue.ortvalue_from_numpy_with_onnx_type(np.array([1, 2, 3], np.uint16), 16)
    adapter.set_parameters({"W": value([5, 6]), "half": bits})
    adapter.export_adapter(path)

    again = attune.AdapterFormat.read_adapter(path)
    assert (again.get_adapter_version(), again.get_model_version(), again.get_format_version()) == (3, 4, 1)
    assert {n: (v.data_type(), v.shape()) for n, v in again.get_parameters().items()} == {
        "W": ("tensor(float)", [2]),
        "half": ("tensor(bfloat16)", [3]),
    }

    adapter.set_parameters({"W": value([5, 6])})
    adapter.export_adapter(path)
    lora = attune.LoraAdapter()
    lora.Load(path)
    options = attune.RunOptions()
    options.add_active_adapter(lora)
    session = attune.InferenceSession(product())
    np.testing.assert_array_equal(session.run(None, {"X": ONES}, options)[0][0], [5, 6])
    np.testing.assert_array_equal(session.run(None, {"X": ONES})[0][0], [2, 3])


def test_adapters_are_those_of_onnxruntime(tmp_path: Path) -> None:
    import onnxruntime

    path = str(tmp_path / "w.onnx_adapter")
    theirs = onnxruntime.AdapterFormat()
    theirs.set_model_version(7)
    array = np.arange(6, dtype=np.int64).reshape(2, 3)
    theirs.set_parameters({"a": onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(array, 7)})
    theirs.export_adapter(path)
    ours = attune.AdapterFormat.read_adapter(path)
    assert ours.get_model_version() == 7
    np.testing.assert_array_equal(ours.get_parameters()["a"].numpy(), array)

    ours.export_adapter(path)
    theirs = onnxruntime.AdapterFormat.read_adapter(path)  # its parameters do not outlive it
    np.testing.assert_array_equal(theirs.get_parameters()["a"].numpy(), array)


@pytest.mark.parametrize("length", range(0, 160, 7))
def test_damaged_adapters_are_refused(length: int, tmp_path: Path) -> None:
    path = tmp_path / "w.onnx_adapter"
    adapter = attune.AdapterFormat()
    adapter.set_parameters({"W": value([5, 6])})
    adapter.export_adapter(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: min(length, len(whole) - 1)])
    with pytest.raises(RuntimeError, match="is not an adapter that can be read"):
        attune.AdapterFormat.read_adapter(path)


def test_log_lines_go_to_a_callback(monkeypatch: pytest.MonkeyPatch) -> None:
    unraisable: list[BaseException] = []
    lines: list[tuple[int, str, str, str, str]] = []
    attune.set_default_logger_callback(lambda *line: lines.append(line), severity=1)
    try:
        options = attune.SessionOptions()
        options.logid = "mine"
        attune.InferenceSession(product(), options)
        assert lines
        for severity, category, logid, location, text in lines:
            assert (severity, category, logid) == (1, "attune", "mine")
            assert re.fullmatch(r"[\w.]+:\d+", location)
            assert text

        def fails(*_: Any) -> None:
            raise ValueError("a mistake in the callback")

        attune.set_default_logger_callback(fails, severity=1)
        monkeypatch.setattr("sys.unraisablehook", lambda failure: unraisable.append(failure.exc_value))
        attune.InferenceSession(product())
        assert "a mistake in the callback" in str(unraisable[0])
    finally:
        attune.set_default_logger_callback(None)
        attune.set_default_logger_severity(2)
    count = len(lines)
    attune.InferenceSession(product())
    assert len(lines) == count
    for wrong in (-1, 5):
        with pytest.raises(RuntimeError, match="Invalid logging severity"):
            attune.set_default_logger_callback(print, severity=wrong)
        with pytest.raises(RuntimeError, match="Invalid logging severity"):
            attune.set_default_logger_severity(wrong)
    with pytest.raises(RuntimeError, match="must be callable"):
        attune.set_default_logger_callback("not callable")  # type: ignore[arg-type]


def test_the_optimized_model_may_have_its_weights_beside_it(tmp_path: Path) -> None:
    options = attune.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "weights.bin")
    options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "8")
    attune.InferenceSession(product(overridable=False), options)
    assert (tmp_path / "weights.bin").stat().st_size == 8
    session = attune.InferenceSession(str(tmp_path / "optimized.onnx"))
    np.testing.assert_array_equal(session.run(None, {"X": ONES})[0][0], [2, 3])
