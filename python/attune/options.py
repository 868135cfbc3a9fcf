"""Options of sessions and runs."""

import enum
import operator
import os
from typing import Any

from . import _attune


class GraphOptimizationLevel(enum.IntEnum):
    """How far the graph is rewritten before it runs."""

    ORT_DISABLE_ALL = 0
    ORT_ENABLE_BASIC = 1
    ORT_ENABLE_EXTENDED = 2
    ORT_ENABLE_LAYOUT = 3
    ORT_ENABLE_ALL = 99

    __str__ = enum.Enum.__str__


class ExecutionMode(enum.IntEnum):
    """Whether independent nodes may run at the same time."""

    ORT_SEQUENTIAL = 0
    ORT_PARALLEL = 1

    __str__ = enum.Enum.__str__


_ENUMS = {"graph_optimization_level": GraphOptimizationLevel, "execution_mode": ExecutionMode}


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
            if not hasattr(value, "__bool__") or isinstance(value, (list, dict, tuple, str)):
                raise TypeError(f"{name} takes a bool, not {value!r}")
            self._options.set_bool(name, bool(value))
        elif kind == "int":
            try:
                number = operator.index(value)
            except TypeError:
                raise TypeError(f"{name} takes an int, not {value!r}") from None
            self._options.set_int(name, number)
        else:
            if not isinstance(value, (str, os.PathLike)):
                raise TypeError(f"{name} takes a str, not {value!r}")
            self._options.set_str(name, os.fspath(value))

    return property(read, write, doc=row["help"])


class SessionOptions:
    """What a session does and costs; each attribute's docstring says what it is for.

    Setting an attribute that does not exist raises AttributeError and suggests the nearest one; a value of the wrong
    type raises TypeError, one out of range InvalidArgument.
    """

    __slots__ = ("_options",)

    def __init__(self) -> None:
        object.__setattr__(self, "_options", _attune.SessionOptions())

    def __setattr__(self, name: str, value: Any) -> None:
        if not hasattr(type(self), name):
            nearest = _attune.nearest_option(name)
            hint = f". Did you mean: '{nearest}'?" if nearest else ""
            raise AttributeError(f"'SessionOptions' object has no attribute '{name}'{hint}")
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        nearest = _attune.nearest_option(name)
        hint = f". Did you mean: '{nearest}'?" if nearest else ""
        raise AttributeError(f"'SessionOptions' object has no attribute '{name}'{hint}")

    def add_session_config_entry(self, key: str, value: str) -> None:
        """Sets an entry such as "session.intra_op.allow_spinning" to a text such as "0"."""
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"a configuration entry is two texts, not {key!r} and {value!r}")
        self._options.config_entries = {**self._options.config_entries, key: value}

    def get_session_config_entry(self, key: str) -> str:
        """The entry's text; RuntimeError when it was never set."""
        try:
            return self._options.config_entries[key]
        except KeyError:
            raise RuntimeError(f"SessionOptions does not have configuration with key: {key}") from None

    def add_free_dimension_override_by_name(self, name: str, size: int) -> None:
        """Fixes the symbolic dimension `name` of the model's inputs to `size`."""
        if not isinstance(name, str):
            raise TypeError(f"a dimension's name is a str, not {name!r}")
        try:
            size = operator.index(size)
        except TypeError:
            raise TypeError(f"a dimension's size is an int, not {size!r}") from None
        self._options.free_dimension_overrides = {**self._options.free_dimension_overrides, name: size}

    def __copy__(self) -> "SessionOptions":
        twin = SessionOptions()
        object.__setattr__(twin, "_options", _attune.SessionOptions(self._options))
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> "SessionOptions":
        return self.__copy__()


for _row in _attune.option_table():
    setattr(SessionOptions, _row["name"], _option(_row))


class RunOptions:
    """Options of one run, or of several.

    `terminate` ends the runs that were given these options, before their next node, with Fail; any thread may set it.
    The other attributes are accepted for compatibility.
    """

    __slots__ = (
        "_entries",
        "_terminate",
        "log_severity_level",
        "log_verbosity_level",
        "logid",
        "only_execute_path_to_fetches",
        "run_tag",
    )

    def __init__(self) -> None:
        self.log_severity_level = -1
        self.log_verbosity_level = 0
        self.logid = ""
        self.run_tag = ""
        self.only_execute_path_to_fetches = False
        self._terminate = _attune.TerminateFlag()
        self._entries: dict[str, str] = {}

    @property
    def terminate(self) -> bool:
        """True ends runs under way, and those that begin, until it is False again."""
        return self._terminate.value

    @terminate.setter
    def terminate(self, value: bool) -> None:
        self._terminate.value = value

    def add_run_config_entry(self, key: str, value: str) -> None:
        """Sets an entry such as "memory.enable_memory_arena_shrinkage" to a text."""
        self._entries[key] = value

    def get_run_config_entry(self, key: str) -> str:
        """The entry's text; RuntimeError when it was never set."""
        try:
            return self._entries[key]
        except KeyError:
            raise RuntimeError(f"RunOptions does not have configuration with key: {key}") from None
