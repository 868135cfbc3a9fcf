"""Attune: an ONNX inference engine for CPUs with onnxruntime's Python API.

import attune as ort

session = ort.InferenceSession("model.onnx")
outputs = session.run(None, {"input": array})
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

from . import _attune
from ._attune import (
    ModelMetadata,
    NodeArg,
    set_default_logger_callback,
    set_default_logger_severity,
    set_default_logger_verbosity,
)
from .devices import (
    OrtArenaCfg,
    OrtDevice,
    OrtDeviceVendorId,
    OrtMemoryInfo,
    create_and_register_allocator,
    create_and_register_allocator_v2,
)
from .enums import (
    ArenaExtendStrategy,
    ExecutionMode,
    ExecutionOrder,
    GraphOptimizationLevel,
    OrtAllocatorType,
    OrtDeviceMemoryType,
    OrtExecutionProviderDevicePolicy,
    OrtHardwareDeviceType,
    OrtMemoryInfoDeviceType,
    OrtMemType,
    OrtSparseFormat,
)
from .hardware import OrtEpAssignedNode, OrtEpAssignedSubgraph, OrtEpDevice, OrtHardwareDevice, get_ep_devices
from .io_binding import IOBinding
from .options import RunOptions, SessionOptions
from .ort_value import OrtValue, OrtValueVector, copy_tensors
from .providers import get_all_providers, get_available_providers, get_device
from .session import InferenceSession, SessionIOBinding
from .sparse import SparseTensor

if TYPE_CHECKING:
    from .adapters import AdapterFormat, LoraAdapter
    from .substitution import install_as_onnxruntime
    from .tuning import TunedCandidate, Tuning, tune

__version__ = _attune.__version__

__all__ = [
    "AdapterFormat",
    "ArenaExtendStrategy",
    "ExecutionMode",
    "ExecutionOrder",
    "GraphOptimizationLevel",
    "IOBinding",
    "InferenceSession",
    "LoraAdapter",
    "ModelMetadata",
    "NodeArg",
    "OrtAllocatorType",
    "OrtArenaCfg",
    "OrtDevice",
    "OrtDeviceMemoryType",
    "OrtDeviceVendorId",
    "OrtEpAssignedNode",
    "OrtEpAssignedSubgraph",
    "OrtEpDevice",
    "OrtExecutionProviderDevicePolicy",
    "OrtHardwareDevice",
    "OrtHardwareDeviceType",
    "OrtMemType",
    "OrtMemoryInfo",
    "OrtMemoryInfoDeviceType",
    "OrtSparseFormat",
    "OrtValue",
    "OrtValueVector",
    "RunOptions",
    "SessionIOBinding",
    "SessionOptions",
    "SparseTensor",
    "TunedCandidate",
    "Tuning",
    "copy_tensors",
    "create_and_register_allocator",
    "create_and_register_allocator_v2",
    "disable_telemetry_events",
    "enable_telemetry_events",
    "get_all_providers",
    "get_available_providers",
    "get_build_info",
    "get_device",
    "get_ep_devices",
    "get_version_string",
    "has_collective_ops",
    "install_as_onnxruntime",
    "preload_dlls",
    "register_execution_provider_library",
    "set_default_logger_callback",
    "set_default_logger_severity",
    "set_default_logger_verbosity",
    "set_global_thread_pool_sizes",
    "set_seed",
    "tune",
    "unregister_execution_provider_library",
]

# A program that only runs models waits for none of what these modules import.
_LATE = {
    "AdapterFormat": "adapters",
    "LoraAdapter": "adapters",
    "TunedCandidate": "tuning",
    "Tuning": "tuning",
    "install_as_onnxruntime": "substitution",
    "tune": "tuning",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_LATE[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE})


def get_version_string() -> str:
    """The version of Attune, such as "0.1.0"."""
    return __version__


def get_build_info() -> str:
    """What this build is, in one line."""
    return f"Attune Build Info: version={__version__}"


def set_seed(seed: int) -> None:
    """Accepted for compatibility: operators that draw random numbers take their seed from the model."""
    if not isinstance(seed, int):
        raise TypeError(f"set_seed takes an int, not {seed!r}")


def set_global_thread_pool_sizes(intra_op_num_threads: int = 0, inter_op_num_threads: int = 0) -> None:
    """Accepted for compatibility: sessions share one pool, of as many threads as the largest of them asks for."""


def disable_telemetry_events() -> None:
    """Accepted for compatibility: Attune has no telemetry."""


def enable_telemetry_events() -> None:
    """Accepted for compatibility: Attune has no telemetry."""


def has_collective_ops() -> bool:
    """False: Attune runs on one machine."""
    return False


def preload_dlls(cuda: bool = True, cudnn: bool = True, msvc: bool = True, directory: str | None = None) -> None:
    """Accepted for compatibility: Attune needs no other libraries."""


def register_execution_provider_library(name: str, path: "str | os.PathLike[str]") -> None:
    """Raises Fail: libraries of providers for onnxruntime need its C API."""
    raise _attune.Fail(
        f"[ONNXRuntimeError] : 1 : FAIL : Failed to load library {os.fspath(path)}: Attune has one provider, the CPU's."
    )


def unregister_execution_provider_library(name: str) -> None:
    """Raises Fail: none can be registered."""
    raise _attune.Fail(f"[ONNXRuntimeError] : 1 : FAIL : Execution provider library: {name} was not registered.")
