"""Attune: an ONNX inference engine for CPUs with onnxruntime's Python API.

import attune as ort

session = ort.InferenceSession("model.onnx")
outputs = session.run(None, {"input": array})
"""

from . import _attune
from ._attune import ModelMetadata, NodeArg, set_default_logger_severity, set_default_logger_verbosity
from .options import ExecutionMode, GraphOptimizationLevel, RunOptions, SessionOptions
from .providers import get_all_providers, get_available_providers, get_device
from .session import InferenceSession

__version__ = _attune.__version__

__all__ = [
    "ExecutionMode",
    "GraphOptimizationLevel",
    "InferenceSession",
    "ModelMetadata",
    "NodeArg",
    "RunOptions",
    "SessionOptions",
    "disable_telemetry_events",
    "enable_telemetry_events",
    "get_all_providers",
    "get_available_providers",
    "get_build_info",
    "get_device",
    "get_version_string",
    "set_default_logger_severity",
    "set_default_logger_verbosity",
    "set_seed",
]


def get_version_string() -> str:
    """The version of Attune, such as "0.1.0"."""
    return __version__


def get_build_info() -> str:
    """What this build is, in one line."""
    return f"Attune {__version__}"


def set_seed(seed: int) -> None:
    """Accepted for compatibility: operators that draw random numbers take their seed from the model."""


def disable_telemetry_events() -> None:
    """Accepted for compatibility: Attune has no telemetry."""


def enable_telemetry_events() -> None:
    """Accepted for compatibility: Attune has no telemetry."""
