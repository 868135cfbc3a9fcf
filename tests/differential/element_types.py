"""Element types: ONNX's names, NumPy's, and what the arithmetic of each rounds to."""

import ml_dtypes
import numpy as np
from onnx import TensorProto, defs, helper

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOAT16, FLOAT, DOUBLE = (np.dtype(name) for name in ("float16", "float32", "float64"))
BOOL, STRING = np.dtype(bool), np.dtype(object)
INTEGERS = tuple(np.dtype(f"{sign}int{bits}") for bits in (8, 16, 32, 64) for sign in ("", "u"))
HALVES = (FLOAT16, BFLOAT16)
FLOATS = (FLOAT, DOUBLE, *HALVES)

_NAMES = {
    "tensor(float)": FLOAT,
    "tensor(double)": DOUBLE,
    "tensor(float16)": FLOAT16,
    "tensor(bfloat16)": BFLOAT16,
    "tensor(bool)": BOOL,
    "tensor(string)": STRING,
    **{f"tensor({dtype})": dtype for dtype in INTEGERS},
}

# Half the distance between 1 and the next number: what one rounding may cost, relatively.
ROUNDING = {FLOAT: 2.0**-24, DOUBLE: 2.0**-53, FLOAT16: 2.0**-11, BFLOAT16: 2.0**-8}


def is_float(dtype: np.dtype) -> bool:
    """Whether arithmetic in the type rounds."""
    return dtype in ROUNDING


def onnx_type(dtype: np.dtype) -> int:
    """ONNX's number of an element type."""
    return TensorProto.STRING if dtype == STRING else int(helper.np_dtype_to_tensor_dtype(dtype))


def numpy_type(number: int) -> np.dtype:
    """NumPy's type for ONNX's number of an element type."""
    return STRING if number == TensorProto.STRING else np.dtype(helper.tensor_dtype_to_np_dtype(number))


def allowed(op: str, parameter: str, opset: int, domain: str = "") -> tuple[np.dtype, ...]:
    """The element types that ONNX allows for an input or output, or a type constraint, of an operator."""
    schema = defs.get_schema(op, opset, domain)
    for described in (*schema.inputs, *schema.outputs):
        if described.name == parameter or described.type_str == parameter:
            return tuple(_NAMES[name] for name in sorted(described.types) if name in _NAMES)
    raise KeyError(f"{op} has no parameter {parameter}")
