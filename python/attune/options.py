"""Options of sessions and runs."""

import difflib
import operator
import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import _attune
from .enums import ExecutionMode, ExecutionOrder, GraphOptimizationLevel
from .ort_value import OrtValue
from .providers import CPU, check_known

if TYPE_CHECKING:
    from .adapters import LoraAdapter

_ENUMS: dict[str, Any] = {"graph_optimization_level": GraphOptimizationLevel, "execution_mode": ExecutionMode}

# onnxruntime's bounds of configuration entries.
_LONGEST_KEY = 1024
_LONGEST_VALUE = 8192


def _option(row: dict[str, Any]) -> property:
    """The property that reads and writes one row of the table of options."""
    name, kind, choices = row["name"], row["type"], _ENUMS.get(row["name"])

    def read(self: "SessionOptions") -> Any:
        value = self._options.get(name)
        return choices(value) if choices else value

    def write(self: "SessionOptions", value: Any) -> None:
        if choices:
            if not isinstance(value, choices):
                raise TypeError(f"{name} takes a {choices.__name__}, not {value!r}")
            self._options.set_int(name, int(value))
        elif kind == "bool":
            self._options.set_bool(name, _bool(name, value))
        elif kind == "int":
            self._options.set_int(name, _int(name, value))
        else:
            if not isinstance(value, (str, os.PathLike)):
                raise TypeError(f"{name} takes a str, not {value!r}")
            self._options.set_str(name, os.fspath(value))

    return property(read, write, doc=row["help"])


def _bool(name: str, value: Any) -> bool:
    if not hasattr(value, "__bool__") or isinstance(value, (list, dict, tuple, str)):
        raise TypeError(f"{name} takes a bool, not {value!r}")
    return bool(value)


def _int(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} takes an int, not {value!r}") from None


def _entry(key: Any, value: Any) -> tuple[str, str]:
    """A configuration entry, checked."""
    if not isinstance(key, str) or not isinstance(value, str):
        raise TypeError(f"a configuration entry is two texts, not {key!r} and {value!r}")
    for what, text, longest in (("key", key, _LONGEST_KEY), ("value", value, _LONGEST_VALUE)):
        if len(text) > longest or (what == "key" and not text):
            raise RuntimeError(f"Config {what} is empty or longer than maximum length {longest}")
    return key, value


class _Attributes:
    """Refuses attributes that do not exist and suggests the nearest one."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        if not hasattr(type(self), name):
            raise self._unknown(name)
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        raise self._unknown(name)

    def _unknown(self, name: str) -> AttributeError:
        known = [own for own in dir(type(self)) if not own.startswith("_")]
        nearest = difflib.get_close_matches(name, known, 1, 0.7)
        hint = f". Did you mean: '{nearest[0]}'?" if nearest else ""
        return AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'{hint}")


class SessionOptions(_Attributes):
    """What a session does and costs; each attribute's docstring says what it is for.

    Setting an attribute that does not exist raises AttributeError and suggests the nearest one; a value of the wrong
    type raises TypeError, one out of range InvalidArgument.
    """

    __slots__ = ("_cancel", "_options", "_providers", "execution_order", "use_per_session_threads")

    _options: _attune.SessionOptions
    _cancel: _attune.Flag
    _providers: list[str]
    use_per_session_threads: bool
    execution_order: ExecutionOrder

    if TYPE_CHECKING:  # made from the table of options
        enable_cpu_mem_arena: bool
        enable_mem_pattern: bool
        enable_mem_reuse: bool
        enable_profiling: bool
        execution_mode: ExecutionMode
        graph_optimization_level: GraphOptimizationLevel
        inter_op_num_threads: int
        intra_op_num_threads: int
        log_severity_level: int
        log_verbosity_level: int
        logid: str
        optimized_model_filepath: str
        profile_file_prefix: str
        use_deterministic_compute: bool

    def __init__(self) -> None:
        self._options = _attune.SessionOptions()
        self._cancel = _attune.Flag()
        self._options.set_cancel(self._cancel)
        self._providers = []
        self.use_per_session_threads = True
        self.execution_order = ExecutionOrder.DEFAULT

    @classmethod
    def from_tuned(cls, file: "str | os.PathLike[str]") -> "SessionOptions":
        """The settings that `attune tune` recommends in its file, tuned.json.

        Warns of what differs from the measurement: engine, version, processor, CPUs, quota. A session made from these
        options logs a warning when its model is another. Raises NoSuchFile, or InvalidArgument for a file of another
        form.
        """
        tuned = cls()
        tuned._options, differences = _attune.tuned_options(os.fspath(file))
        tuned._options.set_cancel(tuned._cancel)
        for difference in differences:
            warnings.warn(difference, stacklevel=2)
        return tuned

    def add_session_config_entry(self, key: str, value: str) -> None:
        """Sets an entry such as "session.intra_op.allow_spinning" to a text such as "0"."""
        key, value = _entry(key, value)
        self._options.config_entries = {**self._options.config_entries, key: value}

    def get_session_config_entry(self, key: str) -> str:
        """The entry's text; RuntimeError when it was never set."""
        try:
            return self._options.config_entries[key]
        except KeyError:
            raise RuntimeError(f"SessionOptions does not have configuration with key: {key}") from None

    def add_free_dimension_override_by_name(self, name: str, size: int) -> None:
        """Fixes the symbolic dimension `name` of the model's inputs to `size`."""
        self._options.free_dimension_overrides = self._with_dimension(
            self._options.free_dimension_overrides, name, size
        )

    def add_free_dimension_override_by_denotation(self, denotation: str, size: int) -> None:
        """Fixes the inputs' dimensions that the model says to be a "DATA_BATCH", or another denotation, to `size`."""
        self._options.free_dimension_overrides_by_denotation = self._with_dimension(
            self._options.free_dimension_overrides_by_denotation, denotation, size
        )

    @staticmethod
    def _with_dimension(sizes: dict[str, int], name: str, size: int) -> dict[str, int]:
        if not isinstance(name, str):
            raise TypeError(f"a dimension's name is a str, not {name!r}")
        return {**sizes, name: _int("a dimension's size", size)}

    def add_initializer(self, name: str, ortvalue: OrtValue) -> None:
        """Puts a tensor in the place of the model's initializer `name`, of the same type and shape. Sessions share its
        memory, which must not be written as long as one of them lives."""
        if name in self._options.initializers:
            raise RuntimeError(f"An OrtValue for this name has already been added: {name}")
        self._options.initializers = {**self._options.initializers, name: _tensor(ortvalue)}

    def add_external_initializers(self, names: Sequence[str], ortvalues: Sequence[OrtValue]) -> None:
        """The same for initializers whose data lies outside of the model, which is then not read; each must exist."""
        if len(names) != len(ortvalues):
            raise RuntimeError(f"{len(names)} names of initializers, but {len(ortvalues)} tensors")
        tensors = {name: _tensor(value) for name, value in zip(names, ortvalues, strict=True)}
        self._options.external_initializers = {**self._options.external_initializers, **tensors}

    def add_external_initializers_from_files_in_memory(
        self, names: Sequence[str], buffers: Sequence[bytes], lengths: Sequence[int]
    ) -> None:
        """Gives the contents of files that hold initializers, by the names that the model has for them."""
        if not len(names) == len(buffers) == len(lengths):
            raise RuntimeError(f"{len(names)} names of files, {len(buffers)} buffers and {len(lengths)} lengths")
        files = {
            name: _attune.Tensor.from_bytes(bytes(memoryview(buffer)[:length]))
            for name, buffer, length in zip(names, buffers, lengths, strict=True)
        }
        self._options.external_files = {**self._options.external_files, **files}

    def set_load_cancellation_flag(self, value: bool) -> None:
        """True ends the making of sessions with these options, from any thread, with Fail."""
        self._cancel.value = _bool("set_load_cancellation_flag", value)

    def add_provider(self, name: str, options: dict[str, str]) -> None:
        """Accepts the CPU's provider."""
        check_known(name)
        self._providers.append(name)

    def add_provider_for_devices(self, devices: Sequence[Any], options: dict[str, str]) -> None:
        """Accepts the CPU's provider."""
        self._providers.extend(device.ep_name for device in devices)

    def has_providers(self) -> bool:
        """True once a provider was added."""
        return bool(self._providers)

    def set_provider_selection_policy(self, policy: Any) -> None:
        """Accepted for compatibility: there is one provider to select."""
        self._providers.append(CPU)

    def set_provider_selection_policy_delegate(self, delegate: Any) -> None:
        """Accepted for compatibility: there is one provider to select, and `delegate` is not asked."""
        self._providers.append(CPU)

    def register_custom_ops_library(self, path: "str | os.PathLike[str]") -> None:
        """Raises NotImplemented: libraries of operators for onnxruntime need its C API."""
        raise _attune.NotImplemented(
            "[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : "
            f"Custom operators are not supported: {os.fspath(path)} is written for onnxruntime's C API."
        )

    def __copy__(self) -> "SessionOptions":
        twin = SessionOptions()
        twin._options = _attune.SessionOptions(self._options)
        twin._cancel = self._cancel
        twin._providers = list(self._providers)
        twin.use_per_session_threads = self.use_per_session_threads
        twin.execution_order = self.execution_order
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> "SessionOptions":
        return self.__copy__()

    def __getstate__(self) -> dict[str, Any]:
        if self._options.initializers or self._options.external_initializers or self._options.external_files:
            raise TypeError("cannot pickle SessionOptions that share memory with the program: added initializers")
        return {
            "options": {name: self._options.get(name) for name in _TABLE},
            "config_entries": self._options.config_entries,
            "by_name": self._options.free_dimension_overrides,
            "by_denotation": self._options.free_dimension_overrides_by_denotation,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]
        for name, value in state["options"].items():
            setattr(self, name, _ENUMS[name](value) if name in _ENUMS else value)
        self._options.config_entries = state["config_entries"]
        self._options.free_dimension_overrides = state["by_name"]
        self._options.free_dimension_overrides_by_denotation = state["by_denotation"]


def _tensor(value: Any) -> _attune.Tensor:
    if not isinstance(value, OrtValue):
        raise TypeError(f"an initializer is an OrtValue, not {value!r}")
    return value._ortvalue_tensor()


_TABLE = {row["name"]: row for row in _attune.option_table()}
for _row in _TABLE.values():
    setattr(SessionOptions, _row["name"], _option(_row))


class RunOptions(_Attributes):
    """Options of one run, or of several.

    `terminate` ends the runs that were given these options with Fail, before their next node or in the midst of a long
    one; any thread may set it. The entry "attune.run.timeout_ms" does the same once a run has taken so long. `run_tag`,
    which is also called `logid`, names the run in log lines; `log_severity_level` and `log_verbosity_level` choose.
    """

    __slots__ = ("_adapters", "_options", "_terminate")

    _options: _attune.RunOptions
    _terminate: _attune.Flag
    _adapters: "list[LoraAdapter]"

    def __init__(self) -> None:
        self._options = _attune.RunOptions()
        self._terminate = _attune.Flag()
        self._options.set_terminate(self._terminate)
        self._adapters = []

    @property
    def terminate(self) -> bool:
        """True ends runs under way, and those that begin, until it is False again."""
        return self._terminate.value

    @terminate.setter
    def terminate(self, value: bool) -> None:
        self._terminate.value = _bool("terminate", value)

    @property
    def log_severity_level(self) -> int:
        """The least severe of the run's log lines that is written; -1 follows the session."""
        return self._options.log_severity_level

    @log_severity_level.setter
    def log_severity_level(self, value: int) -> None:
        self._options.log_severity_level = _int("log_severity_level", value)

    @property
    def log_verbosity_level(self) -> int:
        """Detail of verbose lines."""
        return self._options.log_verbosity_level

    @log_verbosity_level.setter
    def log_verbosity_level(self, value: int) -> None:
        self._options.log_verbosity_level = _int("log_verbosity_level", value)

    @property
    def run_tag(self) -> str:
        """Names the run in log lines."""
        return self._options.run_tag

    @run_tag.setter
    def run_tag(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError(f"run_tag takes a str, not {value!r}")
        self._options.run_tag = value

    logid = run_tag

    @property
    def only_execute_path_to_fetches(self) -> bool:
        """True runs only the nodes that the outputs asked for depend on; where a size depends on data (NonZero), all
        nodes before it run."""
        return self._options.only_execute_path_to_fetches

    @only_execute_path_to_fetches.setter
    def only_execute_path_to_fetches(self, value: bool) -> None:
        self._options.only_execute_path_to_fetches = _bool("only_execute_path_to_fetches", value)

    def add_run_config_entry(self, key: str, value: str) -> None:
        """Sets an entry such as "memory.enable_memory_arena_shrinkage" to a text."""
        key, value = _entry(key, value)
        self._options.config_entries = {**self._options.config_entries, key: value}

    def get_run_config_entry(self, key: str) -> str:
        """The entry's text; RuntimeError when it was never set."""
        try:
            return self._options.config_entries[key]
        except KeyError:
            raise RuntimeError(f"RunOptions does not have configuration with key: {key}") from None

    def add_active_adapter(self, adapter: "LoraAdapter") -> None:
        """Runs take the adapter's tensors for the inputs and overridable initializers of their names."""
        self._adapters.append(adapter)
