"""SessionOptions and RunOptions: onnxruntime's attributes, defaults and refusals."""

import copy
from typing import Any

import attune
import onnxruntime
import pytest
import tiny
from attune.capi.onnxruntime_pybind11_state import InvalidArgument

INTERFACES = [attune, onnxruntime]
OPTIONS = [
    "enable_cpu_mem_arena",
    "enable_mem_pattern",
    "enable_mem_reuse",
    "enable_profiling",
    "execution_mode",
    "graph_optimization_level",
    "inter_op_num_threads",
    "intra_op_num_threads",
    "log_severity_level",
    "log_verbosity_level",
    "logid",
    "optimized_model_filepath",
    "profile_file_prefix",
    "use_deterministic_compute",
]


@pytest.mark.parametrize("name", OPTIONS)
def test_defaults_are_those_of_onnxruntime(name: str) -> None:
    ours, reference = getattr(attune.SessionOptions(), name), getattr(onnxruntime.SessionOptions(), name)
    if hasattr(reference, "value"):
        assert ours.name == reference.name
        assert ours.value == reference.value
    else:
        assert ours == reference
        assert type(ours) is type(reference)


@pytest.mark.parametrize("enumeration", ["GraphOptimizationLevel", "ExecutionMode"])
def test_enumerations_are_those_of_onnxruntime(enumeration: str) -> None:
    ours, reference = getattr(attune, enumeration), getattr(onnxruntime, enumeration)
    assert {m.name: m.value for m in ours} == {n: m.value for n, m in reference.__members__.items()}


def test_every_option_explains_itself() -> None:
    for name in OPTIONS:
        assert len(getattr(attune.SessionOptions, name).__doc__) > 20, name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("enable_cpu_mem_arena", False),
        ("enable_mem_pattern", False),
        ("enable_mem_reuse", False),
        ("intra_op_num_threads", 3),
        ("inter_op_num_threads", 2),
        ("log_severity_level", 4),
        ("log_severity_level", -1),
        ("log_verbosity_level", 2),
        ("logid", "worker"),
        ("profile_file_prefix", "trace"),
        ("use_deterministic_compute", True),
        ("execution_mode", attune.ExecutionMode.ORT_PARALLEL),
        ("graph_optimization_level", attune.GraphOptimizationLevel.ORT_DISABLE_ALL),
    ],
)
def test_what_is_set_is_kept_and_reaches_the_session(name: str, value: Any) -> None:
    options = attune.SessionOptions()
    setattr(options, name, value)
    assert getattr(options, name) == value
    session = attune.InferenceSession(tiny.matmul(), options)
    assert getattr(session.get_session_options(), name) == value


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("enable_cpu_mem_area", "enable_cpu_mem_arena"),
        ("enable_mem_patern", "enable_mem_pattern"),
        ("intra_op_num_thread", "intra_op_num_threads"),
        ("intra_op_threads", "intra_op_num_threads"),
        ("graph_optimisation_level", "graph_optimization_level"),
    ],
)
def test_an_unknown_attribute_suggests_the_nearest(wrong: str, right: str) -> None:
    options = attune.SessionOptions()
    with pytest.raises(AttributeError, match=f"'{wrong}'.*Did you mean: '{right}'"):
        setattr(options, wrong, 1)
    with pytest.raises(AttributeError, match=f"'{wrong}'.*Did you mean: '{right}'"):
        getattr(options, wrong)


def test_an_attribute_like_none_suggests_nothing() -> None:
    with pytest.raises(AttributeError, match=r"'colour'$"):
        attune.SessionOptions().colour = "blue"


@pytest.mark.parametrize("interface", INTERFACES)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("intra_op_num_threads", 2.5),
        ("intra_op_num_threads", "2"),
        ("intra_op_num_threads", None),
        ("log_severity_level", None),
        ("graph_optimization_level", 99),
        ("execution_mode", 1),
        ("enable_cpu_mem_arena", "no"),
        ("enable_cpu_mem_arena", []),
        ("profile_file_prefix", 3),
        ("logid", None),
        ("optimized_model_filepath", 3),
    ],
)
def test_a_value_of_the_wrong_type_is_a_type_error(interface: Any, name: str, value: Any) -> None:
    options = interface.SessionOptions()
    before = getattr(options, name)
    with pytest.raises(TypeError):
        setattr(options, name, value)
    assert getattr(options, name) == before


@pytest.mark.parametrize("interface", INTERFACES)
@pytest.mark.parametrize("value", [1, 0, None, 0.5])
def test_what_python_takes_for_a_truth_value_is_accepted(interface: Any, value: Any) -> None:
    options = interface.SessionOptions()
    options.enable_mem_pattern = value
    assert options.enable_mem_pattern is bool(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("intra_op_num_threads", -1),
        ("intra_op_num_threads", 1025),
        ("inter_op_num_threads", -1),
        ("intra_op_num_threads", 2**40),
        ("log_severity_level", 5),
        ("log_severity_level", -2),
        ("log_verbosity_level", -1),
    ],
)
def test_a_value_out_of_range_is_an_invalid_argument(name: str, value: int) -> None:
    """onnxruntime accepts some of these and fails, or starts a thousand threads, when the session is made."""
    with pytest.raises(InvalidArgument, match=f"'{name}'.*{value} is not between"):
        setattr(attune.SessionOptions(), name, value)


@pytest.mark.parametrize("interface", INTERFACES)
def test_configuration_entries(interface: Any) -> None:
    options = interface.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("somebody.elses.key", "kept")
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.get_session_config_entry("somebody.elses.key") == "kept"
    with pytest.raises(RuntimeError, match=r"^SessionOptions does not have configuration with key: k$") as raised:
        options.get_session_config_entry("k")
    assert raised.type is RuntimeError
    with pytest.raises(TypeError):
        options.add_session_config_entry("key", 1)
    interface.InferenceSession(tiny.matmul(), options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("interface", INTERFACES)
def test_unknown_attributes_of_run_options(interface: Any) -> None:
    with pytest.raises(AttributeError):
        interface.RunOptions().terminated = True


@pytest.mark.parametrize("interface", INTERFACES)
def test_free_dimensions_can_be_fixed(interface: Any) -> None:
    options = interface.SessionOptions()
    options.add_free_dimension_override_by_name("N", 5)
    session = interface.InferenceSession(tiny.matmul(), options, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == [5, 3]


def test_copies_are_independent() -> None:
    options = attune.SessionOptions()
    options.intra_op_num_threads = 2
    options.add_session_config_entry("a", "1")
    session = attune.InferenceSession(tiny.matmul(), options)
    for twin in (copy.copy(options), copy.deepcopy(options), session.get_session_options()):
        assert twin.intra_op_num_threads == 2
        assert twin.get_session_config_entry("a") == "1"
        twin.intra_op_num_threads = 1
        twin.add_session_config_entry("a", "2")
    assert options.intra_op_num_threads == 2
    assert options.get_session_config_entry("a") == "1"
    assert session.get_session_options().intra_op_num_threads == 2


@pytest.mark.parametrize("interface", INTERFACES)
def test_run_options(interface: Any) -> None:
    options = interface.RunOptions()
    assert options.log_severity_level == -1
    assert options.log_verbosity_level == 0
    options.log_severity_level = 4
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    assert options.get_run_config_entry("memory.enable_memory_arena_shrinkage") == "cpu:0"
    with pytest.raises(RuntimeError, match=r"^RunOptions does not have configuration with key: k$"):
        options.get_run_config_entry("k")


def test_arena_shrinkage_is_harmless_without_an_arena() -> None:
    """onnxruntime raises here: a service that switches the arena off would have to change each run too."""
    options, run_options = attune.SessionOptions(), attune.RunOptions()
    options.enable_cpu_mem_arena = False
    run_options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    session = attune.InferenceSession(tiny.matmul(), options)
    assert session.run(None, {"X": [[1, 2, 3]]}, run_options)[0].tolist() == [[22, 28]]
