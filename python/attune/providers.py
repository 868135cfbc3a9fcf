"""Execution providers: onnxruntime's word for devices. Attune has one, the CPU."""

import warnings
from collections.abc import Sequence
from typing import Any

CPU = "CPUExecutionProvider"

# The providers that onnxruntime knows, in its order of priority.
_ALL = [
    "NvTensorRTRTXExecutionProvider",
    "TensorrtExecutionProvider",
    "CUDAExecutionProvider",
    "MIGraphXExecutionProvider",
    "ROCMExecutionProvider",
    "OpenVINOExecutionProvider",
    "DnnlExecutionProvider",
    "VitisAIExecutionProvider",
    "QNNExecutionProvider",
    "NnapiExecutionProvider",
    "VSINPUExecutionProvider",
    "JsExecutionProvider",
    "CoreMLExecutionProvider",
    "ArmNNExecutionProvider",
    "ACLExecutionProvider",
    "DmlExecutionProvider",
    "RknpuExecutionProvider",
    "WebNNExecutionProvider",
    "WebGpuExecutionProvider",
    "XnnpackExecutionProvider",
    "CANNExecutionProvider",
    "AzureExecutionProvider",
    CPU,
]


def get_all_providers() -> list[str]:
    """Every provider that onnxruntime knows."""
    return list(_ALL)


def get_available_providers() -> list[str]:
    """The providers that a session may use: the CPU."""
    return [CPU]


def get_device() -> str:
    """ "CPU"."""
    return "CPU"


def check_providers(providers: Sequence[Any] | None, provider_options: Sequence[Any] | None) -> None:
    """Looks at what a caller asks for: the CPU it is. Warns for a provider that is absent, raises RuntimeError for one
    that does not exist and ValueError for malformed arguments."""
    names = []
    for provider in providers or []:
        if isinstance(provider, str):
            names.append(provider)
        elif isinstance(provider, (tuple, list)) and len(provider) == 2 and isinstance(provider[0], str):
            if not isinstance(provider[1], dict):
                raise ValueError("'providers' tuples must be of form (str, dict).")
            names.append(provider[0])
        else:
            raise ValueError("'providers' values must be either strings or (string, dict) tuples.")
    if provider_options is not None and len(provider_options) != len(names):
        raise ValueError("'providers' and 'provider_options' should be the same length if both are given.")
    for name in names:
        if name not in _ALL:
            raise RuntimeError(f"Unknown Provider Type: {name}")
        if name != CPU:
            warnings.warn(
                f"Specified provider '{name}' is not in available provider names. Available providers: '{CPU}'",
                UserWarning,
                stacklevel=3,
            )
