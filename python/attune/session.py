"""Sessions: a model made ready to run."""

import copy
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import _attune
from .options import RunOptions, SessionOptions
from .providers import CPU, check_providers

# NumPy's names of the element types of inputs.
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(string)": "object",
    **{f"tensor({name})": name for name in ("bool", "float16")},
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


class InferenceSession:
    """A model, optimized and compiled for this machine's CPU.

    `run` may be called from many threads at once; it and the making of a session leave Python's lock to others.
    """

    def __init__(
        self,
        path_or_bytes: "str | bytes | os.PathLike[str]",
        sess_options: SessionOptions | None = None,
        providers: Sequence[Any] | None = None,
        provider_options: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Loads a model from a file or from its bytes.

        Raises NoSuchFile, InvalidProtobuf, InvalidGraph, NotImplemented or Fail, all of
        attune.capi.onnxruntime_pybind11_state, when the model cannot be run.
        """
        check_providers(providers, provider_options)
        if not isinstance(sess_options, (SessionOptions, type(None))):
            raise TypeError(f"sess_options takes a SessionOptions, not {sess_options!r}")
        self._sess_options = copy.copy(sess_options) if sess_options is not None else SessionOptions()
        options = self._sess_options._options
        if isinstance(path_or_bytes, (str, os.PathLike)):
            self._model_path = os.fspath(path_or_bytes)
            self._sess = _attune.session_from_path(self._model_path, options)
        elif isinstance(path_or_bytes, bytes):
            self._model_path = None
            self._sess = _attune.session_from_bytes(path_or_bytes, options)
        else:
            raise TypeError(f"Unable to load from type '{type(path_or_bytes)}'")
        self._inputs = self._sess.inputs()
        self._required = [value.name for value in self._inputs]
        self._dtypes = {value.name: _DTYPES.get(value.type) for value in self._inputs}

    def run(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, Any],
        run_options: RunOptions | None = None,
    ) -> list[np.ndarray]:
        """Computes the named outputs, all of them for None or an empty list, from arrays by input name.

        The arrays of the result are the caller's own. Raises ValueError when an input is missing, InvalidArgument when
        a name, type or shape does not fit the model, Fail naming the node when one fails.
        """
        missing = [name for name in self._required if name not in input_feed]
        if missing:
            raise ValueError(f"Required inputs ({missing}) are missing from input feed ({list(input_feed)}).")
        if isinstance(output_names, str):
            raise TypeError("run(): output_names takes a sequence of names, not one str")
        feed = {name: self._as_array(name, value) for name, value in input_feed.items()}
        terminate = run_options._terminate if run_options is not None else None
        return self._sess.run(list(output_names) if output_names else None, feed, terminate)

    def _as_array(self, name: str, value: Any) -> Any:
        """Lists and numbers take the element type that the model wants; arrays keep theirs."""
        if isinstance(value, (list, tuple, int, float)):
            return np.asarray(value, dtype=self._dtypes.get(name))
        return value

    def get_inputs(self) -> list[_attune.NodeArg]:
        """The model's inputs."""
        return list(self._inputs)

    def get_outputs(self) -> list[_attune.NodeArg]:
        """The model's outputs."""
        return self._sess.outputs()

    def get_overridable_initializers(self) -> list[_attune.NodeArg]:
        """Initializers that the model lists as inputs."""
        return self._sess.overridable_initializers()

    def get_modelmeta(self) -> _attune.ModelMetadata:
        """What the model says of itself."""
        return self._sess.model()

    def get_session_options(self) -> SessionOptions:
        """A copy of the session's options."""
        return copy.copy(self._sess_options)

    def get_providers(self) -> list[str]:
        """The CPU's provider."""
        return [CPU]

    def get_provider_options(self) -> dict[str, dict[str, str]]:
        """No provider has options."""
        return {CPU: {}}

    def set_providers(
        self, providers: Sequence[Any] | None = None, provider_options: Sequence[Any] | None = None
    ) -> None:
        """Checks the arguments; the provider stays the CPU."""
        check_providers(providers, provider_options)

    def end_profiling(self) -> str:
        """Ends the profile and returns its file name; "" when profiling is off or already ended."""
        return self._sess.end_profiling()

    def get_profiling_start_time_ns(self) -> int:
        """When the profile began, in nanoseconds since 1970; 0 when profiling is off."""
        return self._sess.profiling_start_time_ns()
