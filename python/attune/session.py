"""Sessions: a model made ready to run."""

import copy
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from . import _attune
from .devices import CPU_MEMORY, OrtMemoryInfo
from .element_types import DTYPE_OF_TYPE
from .hardware import OrtEpAssignedSubgraph, OrtEpDevice, get_ep_devices
from .io_binding import IOBinding
from .options import RunOptions, SessionOptions
from .ort_value import OrtValue, OrtValueVector
from .providers import CPU, check_providers

_KEEP_BYTES = "attune.keep_model_bytes"
_READ_CONFIG = "attune.read_config_from_model"


class InferenceSession:
    """A model, optimized and compiled for this machine's CPU.

    `run` may be called from many threads at once; it and the making of a session leave Python's lock to others.
    A session can be pickled when it was made from a path, which is read again, or from bytes with the configuration
    entry "attune.keep_model_bytes" set to "1": a session does not keep its model's bytes otherwise.
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

        `read_config_from_model=1`, or ORT_LOAD_CONFIG_FROM_MODEL=1 in the environment, takes options that the model
        carries. Raises NoSuchFile, InvalidProtobuf, InvalidGraph, NotImplemented or Fail, all of
        attune.capi.onnxruntime_pybind11_state, when the model cannot be run.
        """
        check_providers(providers, provider_options)
        if not isinstance(sess_options, (SessionOptions, type(None))):
            raise TypeError(f"sess_options takes a SessionOptions, not {sess_options!r}")
        self._sess_options = copy.copy(sess_options) if sess_options is not None else SessionOptions()
        if int(kwargs.get("read_config_from_model", os.environ.get("ORT_LOAD_CONFIG_FROM_MODEL") == "1")) == 1:
            self._sess_options.add_session_config_entry(_READ_CONFIG, "1")
        options = self._sess_options._options
        self._model_path: str | None = None
        self._model_bytes: bytes | None = None
        if isinstance(path_or_bytes, (str, os.PathLike)):
            self._model_path = os.fspath(path_or_bytes)
        elif isinstance(path_or_bytes, bytes):
            if options.config_entries.get(_KEEP_BYTES) == "1":
                self._model_bytes = path_or_bytes
        else:
            raise TypeError(f"Unable to load from type '{type(path_or_bytes)}'")
        self._native = self._make(path_or_bytes)
        self._inputs = self._native.inputs()
        self._required = [value.name for value in self._inputs if not value.type.startswith("optional")]
        initializers = self._native.overridable_initializers()
        self._sequences = {
            value.name: DTYPE_OF_TYPE.get(value.type[value.type.index("tensor(") :].rstrip(")") + ")")
            for value in self._inputs
            if value.is_sequence and "map(" not in value.type
        }
        self._dtypes = {value.name: DTYPE_OF_TYPE.get(value.type) for value in [*self._inputs, *initializers]}

    def _make(self, model: "str | bytes | os.PathLike[str]") -> _attune.Session:
        options = self._sess_options._options
        try:
            if isinstance(model, bytes):
                return _attune.session_from_bytes(model, options)
            return _attune.session_from_path(os.fspath(model), options)
        except _attune.Fail:
            if not self._sess_options._cancel.value:
                raise
            raise _attune.ModelLoadCanceled(
                "[ONNXRuntimeError] : 12 : MODEL_LOAD_CANCELED : Session initialization canceled due to user request."
            ) from None

    def run(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, Any],
        run_options: RunOptions | None = None,
    ) -> list[Any]:
        """Computes the named outputs, all of them for None or an empty list, from arrays or OrtValues by input name.

        The arrays of the result are the caller's own. Raises ValueError when an input is missing, InvalidArgument when
        a name, type or shape does not fit the model, Fail naming the node when one fails.
        """
        names, feed, options = self._arguments(output_names, input_feed, run_options)
        return self._native.run(names, feed, options)

    def run_with_ort_values(
        self,
        output_names: Sequence[str] | None,
        input_dict_ort_values: Mapping[str, OrtValue],
        run_options: RunOptions | None = None,
    ) -> OrtValueVector:
        """The same from and to OrtValues."""
        names, feed, options = self._arguments(output_names, input_dict_ort_values, run_options)
        names = names or [value.name for value in self._native.outputs()]
        tensors = self._native.run_into(feed, names, [None] * len(names), options)
        return OrtValueVector(map(OrtValue, tensors))

    def run_with_ortvaluevector(
        self,
        run_options: RunOptions | None,
        feed_names: Sequence[str],
        feeds: Sequence[OrtValue],
        fetch_names: Sequence[str],
        fetches: OrtValueVector,
        fetch_devices: Sequence[Any],
    ) -> None:
        """The same from a list of OrtValues to another one, to which the results are appended."""
        fetches.extend(self.run_with_ort_values(fetch_names, dict(zip(feed_names, feeds, strict=True)), run_options))

    def run_async(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, Any],
        callback: Callable[[list[Any], Any, str], Any],
        user_data: Any,
        run_options: RunOptions | None = None,
    ) -> None:
        """Runs in another thread, which then calls callback(results, user_data, error): the error is an empty text, or
        says what failed and the results are empty. What the callback raises goes to threading.excepthook."""
        names, feed, options = self._arguments(output_names, input_feed, run_options)

        def compute() -> None:
            results: list[Any] = []
            error = ""
            try:
                results = self._native.run(names, feed, options)
            except Exception as failure:
                error = _text_of(failure)
            callback(results, user_data, error)

        threading.Thread(target=compute, name="attune-run-async", daemon=True).start()

    def io_binding(self) -> IOBinding:
        """Tensors to bind to this session's inputs and outputs."""
        return IOBinding(self)

    def run_with_iobinding(self, iobinding: IOBinding, run_options: RunOptions | None = None) -> None:
        """Runs on what is bound. Raises RuntimeError when it fails."""
        if iobinding._session is not self:
            raise ValueError("IOBinding must be used with the session that created it.")
        try:
            iobinding._run(self._native, run_options)
        except _attune.ERRORS as failure:
            raise RuntimeError(f"Error in execution: {_text_of(failure)}") from failure

    def create_ortvalue_from_shape_and_type(
        self, shape: Sequence[int], element_type: Any, device_type: str, device_id: int = 0, vendor_id: int = -1
    ) -> OrtValue:
        """An OrtValue in memory of its own."""
        return OrtValue.ortvalue_from_shape_and_type(shape, element_type, device_type, device_id, vendor_id)

    def _arguments(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any], run_options: RunOptions | None
    ) -> "tuple[list[str] | None, dict[str, Any], _attune.RunOptions | None]":
        if not isinstance(run_options, (RunOptions, type(None))):
            raise TypeError(f"run(): run_options takes a RunOptions, not {run_options!r}")
        for adapter in run_options._adapters if run_options is not None else []:
            input_feed = {**adapter.get_parameters(), **input_feed}
        missing = [name for name in self._required if name not in input_feed]
        if missing:
            raise ValueError(f"Required inputs ({missing}) are missing from input feed ({list(input_feed)}).")
        if isinstance(output_names, str):
            raise TypeError("run(): output_names takes a sequence of names, not one str")
        feed = {name: self._as_tensor(name, value) for name, value in input_feed.items()}
        options = run_options._options if run_options is not None else None
        return (list(output_names) if output_names else None), feed, options

    def _as_tensor(self, name: str, value: Any) -> Any:
        """Lists and numbers take the element type that the model wants; arrays keep theirs. For a sequence that is said
        of each array of the list."""
        if isinstance(value, OrtValue):
            return value._ortvalue_tensor()
        if name in self._sequences and isinstance(value, (list, tuple)):
            return [
                np.asarray(item, dtype=None if isinstance(item, np.ndarray) else self._sequences[name])
                for item in value
            ]
        if isinstance(value, (list, tuple, int, float)):
            return np.asarray(value, dtype=self._dtypes.get(name))
        return value

    def get_inputs(self) -> list[_attune.NodeArg]:
        """The model's inputs."""
        return list(self._inputs)

    def get_outputs(self) -> list[_attune.NodeArg]:
        """The model's outputs."""
        return self._native.outputs()

    def get_overridable_initializers(self) -> list[_attune.NodeArg]:
        """Initializers that the model lists as inputs: a run may feed them."""
        return self._native.overridable_initializers()

    def get_input_memory_infos(self) -> list[OrtMemoryInfo]:
        """Where each input is: in the CPU's memory."""
        return [CPU_MEMORY for _ in self._inputs]

    def get_output_memory_infos(self) -> list[OrtMemoryInfo]:
        """Where each output is: in the CPU's memory."""
        return [CPU_MEMORY for _ in self.get_outputs()]

    def get_input_epdevices(self) -> list[OrtEpDevice]:
        """The device that reads each input: the CPU."""
        return [get_ep_devices()[0] for _ in self._inputs]

    def get_provider_graph_assignment_info(self) -> list[OrtEpAssignedSubgraph]:
        """The model's nodes, each assigned to the CPU. Raises Fail unless the configuration entry
        "session.record_ep_graph_assignment_info" is "1"."""
        return [OrtEpAssignedSubgraph(CPU, node) for node in self._native.assigned_nodes()]

    def get_modelmeta(self) -> _attune.ModelMetadata:
        """What the model says of itself."""
        return self._native.model()

    def get_session_options(self) -> SessionOptions:
        """A copy of the session's options, with those that the model carries where they were asked for."""
        options = copy.copy(self._sess_options)
        options._options = self._native.options()
        return options

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

    def disable_fallback(self) -> None:
        """Accepted for compatibility: there is one provider."""

    def enable_fallback(self) -> None:
        """Accepted for compatibility: there is one provider."""

    def get_tuning_results(self) -> list[dict[str, Any]]:
        """An empty list: no provider tunes itself in this way. See `attune tune`."""
        return []

    def set_tuning_results(self, results: list[dict[str, Any]], *, error_on_invalid: bool = False) -> None:
        """Accepts results of no provider; with `error_on_invalid`, RuntimeError for others."""
        if error_on_invalid and results:
            raise RuntimeError(f"Cannot find execution provider {results[0].get('ep')}")

    def set_ep_dynamic_options(self, options: dict[str, str]) -> None:
        """Accepted for compatibility: the CPU's provider has no such options."""

    def release_captured_graph(self, graph_annotation_id: int = 0) -> None:
        """Accepted for compatibility: nothing is captured."""

    def end_profiling(self) -> str:
        """Ends the profile and returns its file name; "" when profiling is off or already ended."""
        return self._native.end_profiling()

    def get_profiling_start_time_ns(self) -> int:
        """When the profile began, in nanoseconds since 1970; 0 when profiling is off."""
        return self._native.profiling_start_time_ns()

    @property
    def _sess(self) -> "InnerSession":
        return InnerSession(self)

    def __getstate__(self) -> dict[str, Any]:
        if self._model_path is None and self._model_bytes is None:
            raise TypeError(
                "cannot pickle an InferenceSession made from bytes, which it does not keep: set the session's "
                f'configuration entry "{_KEEP_BYTES}" to "1", or make it from a path'
            )
        kept = {name: value for name, value in self.__dict__.items() if name not in _MADE_ANEW}
        return {"model": self._model_path or self._model_bytes, "options": self._sess_options, "kept": kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        InferenceSession.__init__(self, state["model"], state["options"])
        self.__dict__.update(state["kept"])


# Attributes that `__init__` sets; a subclass's own are pickled as they are.
_MADE_ANEW = {
    "_dtypes",
    "_inputs",
    "_model_bytes",
    "_model_path",
    "_native",
    "_required",
    "_sequences",
    "_sess_options",
}


def _text_of(failure: Exception) -> str:
    """The message without "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : "."""
    text = str(failure)
    return text.split(" : ", 3)[-1] if text.startswith("[ONNXRuntimeError]") else text


class InnerSession:
    """The object that onnxruntime's InferenceSession wraps, for programs that reach for it: a session's functions with
    their arguments in its order."""

    def __init__(self, session: InferenceSession) -> None:
        self._session = session
        self.inputs_meta = session.get_inputs()
        self.outputs_meta = session.get_outputs()
        self.overridable_initializers = session.get_overridable_initializers()
        self.model_meta = session.get_modelmeta()
        self.session_options = session.get_session_options()

    def run(self, output_names: Sequence[str], input_feed: Mapping[str, Any], run_options: Any = None) -> list[Any]:
        """See InferenceSession.run."""
        return self._session.run(output_names, input_feed, run_options)

    def run_with_ort_values(
        self, input_feed: Mapping[str, OrtValue], output_names: Sequence[str], run_options: RunOptions | None = None
    ) -> OrtValueVector:
        """See InferenceSession.run_with_ort_values."""
        return self._session.run_with_ort_values(output_names, input_feed, run_options)

    def run_with_iobinding(self, io_binding: IOBinding, run_options: RunOptions | None = None) -> None:
        """See InferenceSession.run_with_iobinding."""
        self._session.run_with_iobinding(io_binding, run_options)

    def end_profiling(self) -> str:
        """See InferenceSession.end_profiling."""
        return self._session.end_profiling()

    def get_providers(self) -> list[str]:
        """See InferenceSession.get_providers."""
        return self._session.get_providers()


class SessionIOBinding(IOBinding):
    """The object that onnxruntime's IOBinding wraps: made from an inner session, and bound with devices as objects."""

    def __init__(self, session: "InnerSession | InferenceSession") -> None:
        super().__init__(session._session if isinstance(session, InnerSession) else session)

    def bind_input(self, name: str, *arguments: Any) -> None:
        """Binds an input to (array), or to (device, element type, shape, address)."""
        if len(arguments) == 1:
            self.bind_cpu_input(name, arguments[0])
        else:
            device, element_type, shape, address = arguments
            super().bind_input(name, device, 0, element_type, shape, address)

    def bind_output(self, name: str, device: Any = "cpu", *memory: Any) -> None:
        """Asks for an output on a device, in the memory of (element type, shape, address) if they are given."""
        element_type, shape, address = memory or (None, None, None)
        super().bind_output(name, device, 0, element_type, shape, address)
