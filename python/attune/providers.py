"""Execution providers: onnxruntime's word for devices. Attune has one, the CPU."""

import warnings
from collections.abc import Sequence
from typing import Any

CPU = "CPUExecutionProvider"

# The providers that onnxruntime knows or knew, in its order of priority.
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


def check_known(name: str) -> None:
    """Raises RuntimeError for a provider that does not exist anywhere."""
    if name not in _ALL:
        raise RuntimeError(f"Unknown Provider Type: {name}")


def check_and_normalize_provider_args(
    providers: Sequence[Any] | None,
    provider_options: Sequence[Any] | None,
    available_provider_names: Sequence[str],
) -> tuple[list[str], list[dict[str, str]]]:
    """Names of providers and the options of each, as texts. Warns for one that is absent or named twice; raises
    ValueError for malformed arguments."""
    if providers is None:
        return [], []
    if isinstance(providers, str) or not isinstance(providers, Sequence):
        raise ValueError("'providers' should be a sequence.")
    pairs = [(provider, {}) if isinstance(provider, str) else provider for provider in providers]
    if provider_options is not None:
        if isinstance(provider_options, str) or not isinstance(provider_options, Sequence):
            raise ValueError("'provider_options' should be a sequence.")
        if len(providers) != len(provider_options):
            raise ValueError("'providers' and 'provider_options' should be the same length if both are given.")
        if not all(isinstance(provider, str) for provider in providers):
            raise ValueError("Only string values for 'providers' are supported if 'provider_options' is given.")
        if not all(isinstance(options, dict) for options in provider_options):
            raise ValueError("'provider_options' values must be dicts.")
        pairs = list(zip(providers, provider_options, strict=True))
    chosen: dict[str, dict[str, str]] = {}
    for pair in pairs:
        if not (
            isinstance(pair, (tuple, list))
            and len(pair) == 2
            and isinstance(pair[0], str)
            and isinstance(pair[1], dict)
        ):
            raise ValueError("'providers' values must be either strings or (string, dict) tuples.")
        name, options = pair
        if name not in available_provider_names:
            available = ", ".join(available_provider_names)
            _warn(f"Specified provider '{name}' is not in available provider names. Available providers: '{available}'")
        if name in chosen:
            _warn(f"Duplicate provider '{name}' encountered, ignoring.")
        else:
            chosen[name] = {str(key): str(value) for key, value in options.items()}
    return list(chosen), list(chosen.values())


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=5)


def check_providers(providers: Sequence[Any] | None, provider_options: Sequence[Any] | None) -> None:
    """Looks at what a caller asks for: the CPU it is. Warns for a provider that is absent, raises RuntimeError for one
    that does not exist and ValueError for malformed arguments."""
    for provider in providers or []:
        if isinstance(provider, str):
            check_known(provider)
        elif isinstance(provider, (tuple, list)) and provider and isinstance(provider[0], str):
            check_known(provider[0])
    check_and_normalize_provider_args(providers, provider_options, [CPU])
