"""Element types: onnx.TensorProto.DataType's numbers and NumPy's names."""

from typing import Any

import numpy as np

# ONNX's number and name of each type, with NumPy's where NumPy has it.
_TYPES = [
    (1, "float", "float32"),
    (2, "uint8", "uint8"),
    (3, "int8", "int8"),
    (4, "uint16", "uint16"),
    (5, "int16", "int16"),
    (6, "int32", "int32"),
    (7, "int64", "int64"),
    (8, "string", "object"),
    (9, "bool", "bool"),
    (10, "float16", "float16"),
    (11, "double", "float64"),
    (12, "uint32", "uint32"),
    (13, "uint64", "uint64"),
    (14, "complex64", "complex64"),
    (15, "complex128", "complex128"),
]

DTYPE_OF_TYPE = {f"tensor({name})": dtype for _, name, dtype in _TYPES}
_NUMBER_OF_DTYPE = {np.dtype(dtype): number for number, _, dtype in _TYPES}


def onnx_number(element_type: Any) -> int:
    """The number of an element type given as NumPy gives types, or as that number (onnx.TensorProto.BFLOAT16)."""
    if isinstance(element_type, int):
        return element_type
    dtype = np.dtype(element_type)
    if dtype.kind in "US":
        return 8
    number = _NUMBER_OF_DTYPE.get(dtype)
    if number is None:
        raise RuntimeError(f"ONNX has no element type for NumPy's {dtype}.")
    return number
