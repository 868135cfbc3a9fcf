"""Adapters: files of tensors that take the place of a model's overridable initializers (LoRA).

The format is onnxruntime's: a FlatBuffer, identified as "TORT", with the tables

    Parameter { name: string; dims: [int64]; data_type: int32; raw_data: [uint8] }
    Adapter { format_version: int; adapter_version: int; model_version: int; parameters: [Parameter] }

A table begins with its distance to a vtable of 16-bit offsets, one for each field, 0 for an absent one; strings,
vectors and tables are referred to by their distance from the reference. See https://flatbuffers.dev/internals.
"""

import os
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from . import _attune
from .ort_value import OrtValue

_IDENTIFIER = b"TORT"
_FORMAT_VERSION = 1


class _Reader:
    """Tables of a FlatBuffer. Whatever the bytes, reading ends in a value or in struct.error."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def number(self, form: str, place: int) -> int:
        if place < 0:
            raise struct.error(f"offset {place}")
        value: int = struct.unpack_from("<" + form, self.data, place)[0]
        return value

    def field(self, table: int, index: int) -> int:
        """Where the field is; 0 when it is absent."""
        vtable = table - self.number("i", table)
        slot = 4 + 2 * index
        offset = self.number("H", vtable + slot) if slot < self.number("H", vtable) else 0
        return table + offset if offset else 0

    def int_field(self, table: int, index: int) -> int:
        place = self.field(table, index)
        return self.number("i", place) if place else 0

    def vector_field(self, table: int, index: int) -> tuple[int, int]:
        """Where the elements begin, and how many they are."""
        place = self.field(table, index)
        if not place:
            return 0, 0
        start = place + self.number("I", place)
        return start + 4, self.number("I", start)

    def bytes_field(self, table: int, index: int) -> bytes:
        start, count = self.vector_field(table, index)
        if start + count > len(self.data):
            raise struct.error(f"{count} bytes at {start}")
        return self.data[start : start + count]

    def tables(self, table: int, index: int) -> list[int]:
        start, count = self.vector_field(table, index)
        places = (start + 4 * i for i in range(count))
        return [place + self.number("I", place) for place in places]


class _Writer:
    """A FlatBuffer written front to back: references to what follows are filled in when it is written."""

    def __init__(self) -> None:
        self.data = bytearray()

    def align(self, size: int, ahead: int = 0) -> None:
        self.data.extend(bytes(-(len(self.data) + ahead) % size))

    def reference(self) -> int:
        self.data.extend(bytes(4))
        return len(self.data) - 4

    def refer(self, reference: int) -> None:
        """To what comes next."""
        struct.pack_into("<I", self.data, reference, len(self.data) - reference)

    def table(self, reference: int, ints: list[int], references: int) -> list[int]:
        """A table whose fields are 32-bit, first `ints`, then so many references, which are returned."""
        fields = len(ints) + references
        self.align(4, ahead=4 + 2 * fields)
        self.data.extend(struct.pack(f"<{2 + fields}H", 4 + 2 * fields, 4 + 4 * fields, *range(4, 4 + 4 * fields, 4)))
        self.refer(reference)
        self.data.extend(struct.pack(f"<i{len(ints)}i", 4 + 2 * fields, *ints))
        return [self.reference() for _ in range(references)]

    def vector(self, reference: int, elements: bytes, count: int, alignment: int) -> None:
        self.align(alignment, ahead=4)
        self.refer(reference)
        self.data.extend(struct.pack("<I", count))
        self.data.extend(elements)


class AdapterFormat:
    """An adapter's tensors and versions, to write to a file or read from one."""

    def __init__(self) -> None:
        self.format_version = _FORMAT_VERSION
        self.adapter_version = 0
        self.model_version = 0
        self.parameters: dict[str, OrtValue] = {}

    @staticmethod
    def read_adapter(file_path: "str | os.PathLike[str]") -> "AdapterFormat":
        """Reads a file; RuntimeError when it is no adapter."""
        data = Path(file_path).read_bytes()
        try:
            if data[4:8] != _IDENTIFIER:
                raise ValueError("it does not begin as one")
            return AdapterFormat._read(_Reader(data))
        except (struct.error, ValueError, MemoryError, _attune.InvalidArgument, _attune.NotImplemented) as error:
            raise RuntimeError(f"{os.fspath(file_path)} is not an adapter that can be read: {error}") from error

    @staticmethod
    def _read(reader: _Reader) -> "AdapterFormat":
        adapter = AdapterFormat()
        root = reader.number("I", 0)
        adapter.format_version = reader.int_field(root, 0)
        if adapter.format_version != _FORMAT_VERSION:
            raise ValueError(f"its format is {adapter.format_version}, not {_FORMAT_VERSION}")
        adapter.adapter_version = reader.int_field(root, 1)
        adapter.model_version = reader.int_field(root, 2)
        for table in reader.tables(root, 3):
            name = reader.bytes_field(table, 0).decode()
            start, rank = reader.vector_field(table, 1)
            dims = [reader.number("q", start + 8 * i) for i in range(rank)]
            value = OrtValue.ortvalue_from_shape_and_type(dims, reader.int_field(table, 2))
            elements = np.frombuffer(reader.bytes_field(table, 3), np.uint8)
            if elements.size != value.tensor_size_in_bytes():
                raise ValueError(f"parameter '{name}' has {elements.size} bytes for {value.data_type()} {dims}")
            value._ortvalue_tensor().bytes()[:] = elements
            adapter.parameters[name] = value
        return adapter

    def export_adapter(self, file_path: "str | os.PathLike[str]") -> None:
        """Writes a file that onnxruntime reads, too."""
        writer = _Writer()
        root = writer.reference()
        writer.data.extend(_IDENTIFIER)
        (parameters,) = writer.table(root, [self.format_version, self.adapter_version, self.model_version], 1)
        writer.refer(parameters)
        writer.data.extend(struct.pack("<I", len(self.parameters)))
        references = [writer.reference() for _ in self.parameters]
        for reference, (name, value) in zip(references, self.parameters.items(), strict=True):
            self._write_parameter(writer, reference, name, value)
        Path(file_path).write_bytes(writer.data)

    @staticmethod
    def _write_parameter(writer: _Writer, reference: int, name: str, value: OrtValue) -> None:
        if value.data_type() == "tensor(string)":
            raise RuntimeError(f"Parameter '{name}' is of type STRING, which an adapter cannot hold.")
        # The fields in an order of their own, so that the vtable is written here: three references and a number.
        writer.align(4, ahead=12)
        writer.data.extend(struct.pack("<6H", 12, 20, 4, 8, 12, 16))
        writer.refer(reference)
        writer.data.extend(struct.pack("<i", 12))
        name_at, dims_at = writer.reference(), writer.reference()
        writer.data.extend(struct.pack("<i", value.element_type()))
        data_at = writer.reference()
        text = name.encode()
        writer.vector(name_at, text + b"\0", len(text), 4)
        shape = value.shape()
        writer.vector(dims_at, struct.pack(f"<{len(shape)}q", *shape), len(shape), 8)
        elements = value._ortvalue_tensor().bytes().tobytes()
        writer.vector(data_at, elements, len(elements), 8)

    def get_format_version(self) -> int:
        """The version of the file's format."""
        return self.format_version

    def set_adapter_version(self, adapter_version: int) -> None:
        """The adapter's own version."""
        self.adapter_version = adapter_version

    def get_adapter_version(self) -> int:
        """The adapter's own version."""
        return self.adapter_version

    def set_model_version(self, model_version: int) -> None:
        """The version of the model that it is for."""
        self.model_version = model_version

    def get_model_version(self) -> int:
        """The version of the model that it is for."""
        return self.model_version

    def set_parameters(self, params: Mapping[str, OrtValue]) -> None:
        """The tensors by the names of the inputs that they are for."""
        self.parameters = dict(params)

    def get_parameters(self) -> dict[str, OrtValue]:
        """The tensors by the names of the inputs that they are for."""
        return dict(self.parameters)


class LoraAdapter:
    """An adapter for RunOptions.add_active_adapter."""

    def __init__(self) -> None:
        self._parameters: dict[str, OrtValue] = {}

    def Load(self, file_path: "str | os.PathLike[str]") -> None:
        """Reads a file; RuntimeError when it is no adapter."""
        self._parameters = AdapterFormat.read_adapter(file_path).get_parameters()

    def get_parameters(self) -> dict[str, OrtValue]:
        """The tensors by the names of the inputs that they are for."""
        return self._parameters
