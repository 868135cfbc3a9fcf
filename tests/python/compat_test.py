"""COMPAT's inventory: what programs written for onnxruntime reach for is there."""

from typing import Any

import attune
import attune.capi._pybind_state
import attune.capi.onnxruntime_inference_collection as collection
import attune.capi.onnxruntime_pybind11_state as state
import onnxruntime
import onnxruntime.capi.onnxruntime_pybind11_state as reference_state
import pytest
import tiny

# What onnxruntime has for things that Attune is not: compilers for other devices, packages of variants, streams.
ELSEWHERE = {
    "InferenceSession",
    "ModelCompiler",
    "ModelPackage",
    "ModelPackageComponentContext",
    "ModelPackageContext",
    "ModelPackageOptions",
    "ModelPackageWriteMode",
    "OrtCompileApiFlags",
    "OrtCompiledModelCompatibility",
    "OrtDeviceEpIncompatibilityReason",
    "OrtEpContextData",
    "OrtEpContextDataBuffer",
    "OrtExternalInitializerInfo",
    "OrtSyncStream",
    "SessionObjectInitializer",
}
# Their attributes that have no meaning on a CPU.
ATTRIBUTES_ELSEWHERE = {
    "OrtEpDevice": {"create_sync_stream"},
    "SessionOptions": {"set_ep_context_data_read_func", "clear_ep_context_data_read_func"},
}


def public(thing: Any) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


def classes(module: Any) -> list[str]:
    return sorted(name for name in public(module) - ELSEWHERE if isinstance(getattr(module, name), type))


def example(name: str) -> Any:
    """An object, for classes whose attributes are their objects', or the class."""
    device = attune.get_ep_devices()[0]
    options = attune.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    subgraph = attune.InferenceSession(tiny.matmul(), options).get_provider_graph_assignment_info()[0]
    examples = {
        "OrtArenaCfg": attune.OrtArenaCfg({}),
        "OrtEpAssignedNode": subgraph.get_nodes()[0],
        "OrtEpAssignedSubgraph": subgraph,
        "OrtEpDevice": device,
        "OrtHardwareDevice": device.device,
        "OrtMemoryInfo": device.memory_info(),
    }
    return examples.get(name, getattr(attune, name))


@pytest.mark.parametrize("name", classes(onnxruntime))
def test_every_class_has_the_attributes_of_onnxruntimes(name: str) -> None:
    ours = example(name)
    wanted = public(getattr(onnxruntime, name)) - ATTRIBUTES_ELSEWHERE.get(name, set())
    if hasattr(ours, "__members__"):
        ours = next(iter(ours))
    assert not [attribute for attribute in wanted if not hasattr(ours, attribute)]


@pytest.mark.parametrize("name", classes(reference_state))
def test_the_native_module_has_onnxruntimes_classes(name: str) -> None:
    assert hasattr(state, name)


def test_the_inference_session_has_the_attributes_of_onnxruntimes() -> None:
    assert not public(onnxruntime.InferenceSession) - public(attune.InferenceSession)


def test_the_modules_functions_are_onnxruntimes() -> None:
    functions = {name for name in public(onnxruntime) if callable(getattr(onnxruntime, name))}
    assert not functions - public(attune) - ELSEWHERE - {"print_debug_info"}


def test_exceptions_are_plain_and_where_programs_catch_them() -> None:
    names = [name for name in classes(reference_state) if issubclass(getattr(reference_state, name), Exception)]
    assert len(names) == 15
    for name in names:
        assert issubclass(getattr(state, name), Exception)
        assert not issubclass(getattr(state, name), RuntimeError)
        assert getattr(attune.capi._pybind_state, name) is getattr(state, name)


def test_inner_modules_have_the_public_classes() -> None:
    assert collection.InferenceSession is attune.InferenceSession
    assert state.OrtValue is attune.OrtValue
    assert attune.capi._pybind_state.SessionOptions is attune.SessionOptions


@pytest.mark.parametrize("name", [n for n in classes(onnxruntime) if hasattr(getattr(onnxruntime, n), "__members__")])
def test_enumerations_have_onnxruntimes_members(name: str) -> None:
    ours, reference = getattr(attune, name).__members__, getattr(onnxruntime, name).__members__
    assert {n: int(m) for n, m in ours.items()} == {n: int(m) for n, m in reference.items()}
