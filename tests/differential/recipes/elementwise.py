"""Operators that compute each element from those at the same place."""

from typing import Any

import numpy as np

from ..element_types import BOOL, FLOAT, FLOATS, STRING, is_float, onnx_type
from ..graph import Graph, Value
from .recipe import recipe

# Where a function is defined, or within which its result does not overflow or depend on an operand's last bits.
DOMAINS: dict[str, tuple[float, float]] = {
    "Acos": (-0.9, 0.9),
    "Acosh": (1.1, 50),
    "Asin": (-0.9, 0.9),
    "Atanh": (-0.9, 0.9),
    "Cos": (-30, 30),
    "Cosh": (-5, 5),
    "Exp": (-20, 10),
    "Log": (0.01, 1000),
    "Reciprocal": (0.1, 50),
    "Sin": (-30, 30),
    "Sinh": (-5, 5),
    "Sqrt": (0, 1000),
    "Tan": (-1.2, 1.2),
}

KINDS = {
    **dict.fromkeys(("Abs", "Neg", "Not", "BitwiseNot", "Identity"), "moves"),
    **dict.fromkeys(
        ("Ceil", "Floor", "IsInf", "IsNaN", "Round", "Shrink", "Sign", "ThresholdedRelu"),
        "decides",
    ),
}


def attributes_of_function(g: Graph, op: str) -> dict[str, Any]:
    """Attributes, some of them left out."""
    choices: dict[str, Any] = {}
    if op in ("Celu", "Elu", "LeakyRelu", "Swish", "ThresholdedRelu"):
        choices = {"alpha": g.uniform(0.05, 2)}
    elif op == "Selu":
        choices = {"alpha": g.uniform(0.5, 2), "gamma": g.uniform(0.5, 2)}
    elif op == "HardSigmoid":
        choices = {"alpha": g.uniform(0.05, 0.5), "beta": g.uniform(0, 1)}
    elif op == "Gelu":
        choices = {"approximate": g.pick("none", "tanh")}
    elif op == "Shrink":
        choices = {"bias": g.uniform(-1, 1), "lambd": g.uniform(0.1, 1)}
    elif op == "IsInf":
        choices = {"detect_negative": g.within(0, 1), "detect_positive": g.within(0, 1)}
    return {name: value for name, value in choices.items() if g.chance(0.6)}


FUNCTIONS = (
    *("Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Ceil", "Celu", "Cos", "Cosh", "Elu"),
    *("Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN", "LeakyRelu", "Log"),
    *("Mish", "Neg", "Not", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh"),
    *("Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu"),
)


@recipe(*FUNCTIONS)
def function(g: Graph, op: str) -> None:
    """One operand."""
    low, high = DOMAINS.get(op, (None, None))
    kind = KINDS.get(op, "computes")
    parameter = {"IsInf": "T1", "IsNaN": "T1", "Identity": "input"}.get(op, "T")
    dtype = g.dtype(op, parameter, FLOATS if op in ("Erf", "Shrink") else None)  # of integers they say little
    x = g.operand(dtype, low=low, high=high, exact=kind == "decides")
    if op in ("IsInf", "IsNaN", "Abs", "Relu", "Ceil") and is_float(dtype) and g.chance(0.5):
        special = x.array.copy()
        places = g.rng.random(special.shape) < 0.2
        special[places] = g.rng.choice([np.inf, -np.inf, np.nan, -0.0], int(places.sum()))
        x = g.enter(special)
    if op == "Relu":
        kind = "moves"
    # ONNX writes the constants of some functions in float, and so reads them whoever expands a function.
    precision = FLOAT if op in ("Gelu", "HardSwish", "Celu", "Erf", "Mish", "Selu") else None
    # onnxruntime's sigmoid is 0 from where it is a rounding of 1, and it takes exp(x) - 1 for small x as well. Little
    # is left of Gelu's x / 2 + x / 2 * erf(...) where x is far below zero.
    cancels = {"Sigmoid": 1, "Swish": 1, "Celu": 2, "Elu": 2, "Selu": 4}.get(op, 0)
    if op == "Gelu":
        cancels = float(np.max(np.abs(x.array), initial=0)) / 2
    g.node(op, [x], kind=kind, precision=precision, cancels=cancels, **attributes_of_function(g, op))


def pair(g: Graph, op: str, parameters: tuple[str, str], low: float | None = None, exact: bool = False) -> list[Value]:
    """Two operands that broadcast, in any order; the second one's elements are `low` at least."""
    one = g.operand(g.dtype(op, parameters[0]), low=None, exact=exact)
    dtype = one.dtype if parameters[0] == parameters[1] else g.dtype(op, parameters[1])
    return [one, g.operand(dtype, g.broadcast(one.shape), low=low, exact=exact)]


@recipe("Add", "Sub", "Mul")
def arithmetic(g: Graph, op: str) -> None:
    """Sums, differences, products."""
    operands = pair(g, op, ("T", "T"))
    if g.chance(0.5):
        operands.reverse()
    g.node(op, operands)


@recipe("Div")
def quotient(g: Graph, op: str) -> None:
    """Divisors are positive, and far enough from zero; or negative ones for integers."""
    one, other = pair(g, op, ("T", "T"), low=0.2)
    if other.dtype.kind == "i":
        nonzero = np.where(other.array == 0, 3, other.array).astype(other.dtype)
        other = g.enter(np.where(g.rng.random(other.shape) < 0.3, -np.abs(nonzero) | 1, nonzero).astype(other.dtype))
    g.node(op, [one, other], kind="computes" if is_float(one.dtype) else "moves")


@recipe("Pow")
def power(g: Graph, op: str) -> None:
    """Of positive numbers to small exponents, of any type each."""
    dtype = g.dtype(op, "T")
    other = dtype if g.opset < 12 else g.dtype(op, "T1")
    floating = is_float(dtype)
    base = g.operand(dtype, low=0.2 if floating else 1, high=4)
    exponent = g.operand(other, g.broadcast(base.shape), low=-2 if floating else 0, high=3)
    if g.chance(0.4):
        exponent = g.enter(np.asarray(g.pick(0, 1, 2, 3, 0.5 if is_float(other) else 1), other), constant=0.9)
    g.node(op, [base, exponent], kind="computes" if floating else "decides")


@recipe("Mod")
def remainder(g: Graph, op: str) -> None:
    """With the divisor's sign, or fmod's."""
    dtype = g.dtype(op, "T")
    one = g.operand(dtype, exact=True)
    divisors = np.abs(g.numbers(dtype, g.broadcast(one.shape), low=1, high=9))
    if dtype.kind != "u" and g.chance(0.4):
        divisors = divisors * np.asarray(-1, dtype)
    fmod = 1 if is_float(dtype) else g.within(0, 1)
    g.node(op, [one, g.enter(divisors.astype(dtype))], kind="decides", **({"fmod": fmod} if fmod else {}))


@recipe("And", "Or", "Xor", "BitwiseAnd", "BitwiseOr", "BitwiseXor")
def bits(g: Graph, op: str) -> None:
    """Logic."""
    g.node(op, pair(g, op, ("T", "T")), kind="moves")


@recipe("BitShift")
def shift(g: Graph, op: str) -> None:
    """By less than the width of the type."""
    dtype = g.dtype(op, "T")
    x = g.operand(dtype)
    amount = g.operand(dtype, g.broadcast(x.shape), low=0, high=dtype.itemsize * 8 - 1)
    g.node(op, [x, amount], kind="moves", direction=g.pick("LEFT", "RIGHT"))


@recipe("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
def comparison(g: Graph, op: str) -> None:
    """Of numbers that are often equal."""
    one, other = pair(g, op, ("T", "T"), exact=True)
    if one.dtype not in (BOOL, STRING) and g.chance(0.5):
        one = g.enter(np.round(g.numbers(one.dtype, one.shape)).astype(one.dtype))
        other = g.enter(np.round(g.numbers(one.dtype, other.shape)).astype(one.dtype))
    g.node(op, [one, other], kind="decides")


@recipe("PRelu")
def parametric_relu(g: Graph, op: str) -> None:
    """The slope broadcasts in one direction."""
    x = g.operand(g.dtype(op, "T"))
    dims = tuple(dim if g.chance(0.6) else 1 for dim in x.shape)
    g.node(op, [x, g.operand(x.dtype, dims[g.within(0, len(dims)) :])])


@recipe("Max", "Min", "Sum", "Mean")
def of_several(g: Graph, op: str) -> None:
    """One to four operands."""
    first = g.operand(g.dtype(op, "T"))
    rest = [g.operand(first.dtype, g.broadcast(first.shape)) for _ in range(g.within(0, 3))]
    shapes = [value.shape for value in (first, *rest)]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        rest = [g.operand(first.dtype, first.shape) for _ in rest]
    g.node(op, [first, *rest], kind="moves" if op in ("Max", "Min") else "computes")


@recipe("Where")
def choice(g: Graph, op: str) -> None:
    """Three operands that broadcast."""
    x, y = pair(g, op, ("T", "T"))
    shape = np.broadcast_shapes(x.shape, y.shape)
    condition = g.operand(BOOL, tuple(dim if g.chance(0.7) else 1 for dim in shape)[g.within(0, 1) :])
    g.node(op, [condition, x, y], kind="moves")


@recipe("Clip")
def clip(g: Graph, op: str) -> None:
    """Either limit may be left out; before version 11 they are attributes."""
    dtype = g.dtype(op, "T")
    x = g.operand(dtype)
    low, high = sorted(g.numbers(dtype, (2,), low=0 if dtype.kind == "u" else -2, high=6))
    if g.opset < 11:
        limits = {name: float(np.float32(v)) for name, v in (("min", low), ("max", high)) if g.chance(0.7)}
        g.node(op, [x], kind="moves", **limits)
    else:
        values = [g.parameter(limit, dtype) if g.chance(0.7) else None for limit in (low, high)]
        g.node(op, [x, *values], kind="moves")


@recipe("Cast", "CastLike")
def cast(g: Graph, op: str) -> None:
    """Between any two types, of numbers that both can hold."""
    source, target = g.dtype(op, "T1"), g.dtype(op, "T2")
    if source == STRING:
        words = ["0", "1", "3", "7"] + (["1.5", "-2.25", "1e3", "-7"] if is_float(target) else [])
        x = g.enter(np.array(words, dtype=object)[g.rng.integers(len(words), size=g.shape())])
    else:
        low = 0 if target.kind == "u" else None
        narrow = not is_float(target) and target not in (BOOL, STRING) and source != BOOL
        x = g.operand(
            source, low=low if not narrow else max(low or -100, -100), high=100 if narrow else None, exact=True
        )
    if target == STRING and is_float(source):
        return  # the text of a number is each engine's own
    attributes = {"to": onnx_type(target)} if op == "Cast" else {}
    operands = [x] if op == "Cast" else [x, g.operand(target)]
    computes = is_float(target) and (is_float(source) or source.kind in "iu")
    g.node(op, operands, kind="computes" if computes else "decides", **attributes)


@recipe("Dropout")
def dropout(g: Graph, op: str) -> None:
    """As inference has it: its operand."""
    x = g.operand(g.dtype(op, "T"))
    attributes = {"ratio": g.uniform(0, 0.9)} if g.opset < 12 and g.chance(0.5) else {}
    ratio = [g.parameter(np.float32(0.3))] if g.opset >= 12 and g.chance(0.5) else []
    with_mask = g.opset >= 10 and g.chance(0.4)
    g.node(op, [x, *ratio], 2 if with_mask else 1, kind="moves", **attributes)


@recipe("SwiGLU")
def swi_glu(g: Graph, op: str) -> None:
    """A gate and a value of one shape."""
    gate = g.operand(g.dtype(op, "T"))
    attributes = {"alpha": g.uniform(0.5, 2)} if g.chance(0.5) else {}
    g.node(op, [gate, g.operand(gate.dtype, gate.shape)], **attributes)
