"""A random graph while it grows: its values, known to the last element, and ways to choose operands."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, helper, numpy_helper

from . import reference, rounding
from .element_types import BOOL, FLOAT, STRING, allowed, is_float, onnx_type
from .reference import UnusableError

Shape = tuple[int, ...]
MOST_ELEMENTS = 20_000
# Before version 7 onnxruntime promises nothing.
OLDEST_OPSET, NEWEST_OPSET = 7, 28


@dataclass(eq=False)
class Value:
    """A tensor of the graph. `shaken` is what it may as well be, and `least` how far its own operator's rounding may
    move it: see rounding.py."""

    name: str
    array: np.ndarray
    shaken: list[np.ndarray] = field(default_factory=list)
    least: np.ndarray | float = 0
    is_parameter: bool = False

    @property
    def shape(self) -> Shape:
        return self.array.shape

    @property
    def rank(self) -> int:
        return self.array.ndim

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype

    @property
    def is_exact(self) -> bool:
        return rounding.is_exact(self.array, self.shaken)

    @property
    def is_finite(self) -> bool:
        return not is_float(self.dtype) or bool(np.all(np.isfinite(self.array)))

    def is_between(self, low: float | None, high: float | None) -> bool:
        """Whether all elements are, however they were rounded; NaN is not."""
        if low is None and high is None:
            return True
        wide = self.array.astype(np.float64)
        slack = 0 if self.is_exact else rounding.tolerance(self.array, self.shaken, self.least)
        above = wide - slack >= (-np.inf if low is None else low)
        below = wide + slack <= (np.inf if high is None else high)
        return bool(np.all(above & below))


class Graph:
    """Grows by node(); whatever it is asked for is decided by the seed alone."""

    def __init__(self, seed: int, opset: int | None = None) -> None:
        self.rng = np.random.default_rng(seed)
        self.opset = opset if opset is not None else self.within(OLDEST_OPSET, NEWEST_OPSET)
        self.is_network = False  # floats, and long chains
        self.nodes: list[NodeProto] = []
        self.values: dict[str, Value] = {}
        self.inputs: list[str] = []
        self.initializers: list[str] = []
        self.results: list[Value] = []  # what nodes gave, in order
        self.ways: Counter[str] = Counter()
        self.unusable: dict[str, str] = {}  # recipes that gave nothing, and why

    # Choices.

    def pick(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def within(self, least: int, most: int) -> int:
        return int(self.rng.integers(least, most + 1))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def uniform(self, low: float, high: float) -> float:
        """A float that ONNX's attributes hold exactly."""
        return float(np.float32(self.rng.uniform(low, high)))

    def axis(self, rank: int) -> int:
        """An axis of a tensor of that rank, half of the time counted from the end."""
        place = self.within(0, rank - 1)
        return place - rank if self.chance(0.4) else place

    def axes(self, rank: int, least: int = 1) -> list[int]:
        """Different axes in any order."""
        chosen = self.rng.permutation(rank)[: self.within(least, rank)]
        return [int(k) - rank if self.chance(0.3) else int(k) for k in chosen]

    def dtype(self, op: str, parameter: str, only: Sequence[np.dtype] | None = None) -> np.dtype:
        """One of the types that ONNX allows there (and of `only`), often float."""
        types = [t for t in allowed(op, parameter, self.opset) if only is None or t in only]
        if not types:
            raise UnusableError(f"no type for {parameter} of {op}")
        return FLOAT if FLOAT in types and self.chance(0.97 if self.is_network else 0.5) else self.pick(*types)

    def dim(self) -> int:
        return self.pick(1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 32, 33) if self.chance(0.96) else 0

    def shape(self, least: int = 0, most: int = 4) -> Shape:
        """A random shape with a rank from `least` to `most`."""
        while True:
            shape = tuple(self.dim() for _ in range(self.within(least, most)))
            if math.prod(shape) <= 4096:
                return shape

    # Operands.

    @property
    def reuse(self) -> float:
        """How often an operand is a result when one fits."""
        return 0.95 if self.is_network else 0.8

    def numbers(
        self, dtype: np.dtype, shape: Sequence[int], low: float | None = None, high: float | None = None
    ) -> Any:
        """Random elements between the bounds; without bounds of moderate size, now and then extreme ones."""
        shape = tuple(shape)
        if dtype == STRING:
            words = np.array(["", "a", "B", "straße", "an owl", "Ünï", "1.5", "-2"], dtype=object)
            return np.asarray(words[self.rng.integers(len(words), size=shape)], STRING)
        if dtype == BOOL:
            return np.asarray(self.rng.random(shape) < 0.5)
        if is_float(dtype):
            if low is None and high is None:
                spread = self.pick(0.1, 1, 1, 3)
                return np.asarray(self.rng.standard_normal(shape) * spread).astype(dtype)
            bottom, top = low if low is not None else high - 10, high if high is not None else low + 10
            return np.asarray(self.rng.uniform(bottom, top, shape).astype(dtype).clip(bottom, top), dtype)
        limits = np.iinfo(dtype)
        wide = self.chance(0.1) and low is None and high is None
        bottom = limits.min if wide else max(limits.min, -9 if low is None else math.ceil(low))
        top = limits.max if wide else min(limits.max, max(bottom, 9 if high is None else math.floor(high)))
        return self.rng.integers(bottom, top, shape, dtype=dtype, endpoint=True)

    def enter(self, array: Any, constant: float = 0.4, is_parameter: bool = False) -> Value:
        """A new value of the graph from outside: with probability `constant` an initializer, else an input."""
        array = np.asarray(array)
        is_constant = self.chance(constant)
        names = self.initializers if is_constant else self.inputs
        value = Value(
            f"{'c' if is_constant else 'x'}{len(names)}", array, [array] * rounding.SAMPLES, is_parameter=is_parameter
        )
        names.append(value.name)
        self.values[value.name] = value
        return value

    def parameter(self, array: Any, dtype: Any = None) -> Value:
        """A value that says what to do (axes, a shape, scales): mostly an initializer."""
        return self.enter(np.asarray(array, dtype), constant=0.8, is_parameter=True)

    def ints(self, numbers: Sequence[int]) -> Value:
        return self.parameter(np.array(numbers, np.int64))

    def fresh(
        self, dtype: np.dtype, shape: Sequence[int], low: float | None = None, high: float | None = None
    ) -> Value:
        """A new operand."""
        return self.enter(self.numbers(dtype, shape, low, high))

    def operand(
        self,
        dtype: np.dtype,
        shape: Shape | None = None,
        *,
        least: int = 0,
        most: int = 4,
        low: float | None = None,
        high: float | None = None,
        exact: bool = False,
        fits: Callable[[Value], bool] = lambda value: True,
    ) -> Value:
        """An operand of the type: a recent result that meets the conditions, or else a new value.

        Without a `shape` any whose rank is from `least` to `most` will do. `exact` asks for one that rounding has not
        reached and whose numbers are finite, for operators that jump.
        """
        if self.chance(self.reuse):
            alike = [
                value
                for value in self.results[-6:]
                if value.dtype == dtype
                and (value.shape == shape if shape is not None else least <= value.rank <= most)
                and value.is_between(low, high)
                and (not exact or (value.is_exact and value.is_finite))
                and fits(value)
            ]
            if alike:
                return self.pick(*alike)
        while True:
            value = self.fresh(dtype, self.shape(least, most) if shape is None else shape, low, high)
            if fits(value):
                return value

    def broadcast(self, shape: Shape) -> Shape:
        """A shape that goes together with `shape`."""
        if self.chance(0.4):
            return shape
        is_small = math.prod(shape) < 500
        dims = [dim if self.chance(0.6) else 1 for dim in shape]
        dims = [
            self.dim() if is_small and dim == 1 and self.chance(0.2) else kept
            for dim, kept in zip(shape, dims, strict=True)
        ]
        if is_small and self.chance(0.15) and len(dims) < 5:
            return (self.pick(1, 2, 3), *dims)
        return tuple(dims[self.within(0, len(dims)) :])

    # Nodes.

    def node(
        self,
        op: str,
        inputs: Sequence[Value | None],
        outputs: int = 1,
        *,
        kind: str = "computes",
        precision: np.dtype | None = None,
        cancels: float = 0,
        domain: str = "",
        **attributes: Any,
    ) -> list[Value]:
        """Appends a node and gives its outputs; UnusableError, and nothing is appended, when no reference computes it.
        Subgraphs among the attributes may read values of the graph by their names.

        `kind` is "computes" for arithmetic, whose rounding is an engine's own; "moves" for what gives elements on as
        they are; "decides" for what jumps: it wants operands that rounding has not reached. `precision` is that of
        the arithmetic where it is lower than the operands' type; `cancels` the size of numbers whose difference the
        result is, with their rounding.
        """
        inputs = list(inputs)
        while inputs and inputs[-1] is None:
            inputs.pop()
        names = [f"v{len(self.results) + k}" for k in range(outputs)]
        node = helper.make_node(op, [value.name if value else "" for value in inputs], names, domain=domain)
        for name, value in attributes.items():
            kind_of_list = AttributeProto.INTS if value == [] else None
            node.attribute.append(helper.make_attribute(name, value, attr_type=kind_of_list))
        inputs += [self.values[name] for name in reference.captured_names(node)]
        if kind == "decides" and not all(value is None or value.is_exact for value in inputs):
            raise UnusableError(f"{op} would decide on rounded numbers")
        arrays = [value.array if value else None for value in inputs]
        results, compute, way = reference.evaluate(node, self.opset, arrays)
        if any(result.size > MOST_ELEMENTS for result in results):
            raise UnusableError("large")
        shaken = self._shaken(inputs, results, compute, kind == "computes", precision, cancels)

        def least(result: np.ndarray) -> np.ndarray | float:
            if kind != "computes" or not is_float(result.dtype):
                return 0
            return rounding.step(result.dtype, precision) * np.maximum(np.abs(result.astype(np.float64)), cancels)

        made = [
            Value(name, result, [sample[k] for sample in shaken], least(result))
            for k, (name, result) in enumerate(zip(names, results, strict=True))
        ]
        self.ways[way] += 1
        self.nodes.append(node)
        self.results += made
        self.values |= {value.name: value for value in made}
        return made

    def _shaken(
        self,
        inputs: list[Value | None],
        results: list[np.ndarray],
        compute: reference.Compute,
        rounds: bool,
        precision: np.dtype | None,
        cancels: float,
    ) -> list[list[np.ndarray]]:
        rounds = rounds and any(is_float(result.dtype) for result in results)
        if not rounds and all(value is None or value.is_exact for value in inputs):
            return [results] * rounding.SAMPLES
        rng = np.random.default_rng(len(self.results))
        samples = []
        for k in range(rounding.SAMPLES):
            operands = [None if value is None else value.shaken[k] for value in inputs]
            if rounds:
                operands = [
                    array if array is None or value is None or value.is_parameter else rounding.shake(array, rng, 1)
                    for value, array in zip(inputs, operands, strict=True)
                ]
            outputs = compute(operands)
            if any(one.shape != other.shape for one, other in zip(outputs, results, strict=True)):
                raise UnusableError("the shape depends on rounding")
            if rounds:
                outputs = [rounding.shake(output, rng, precision=precision, cancels=cancels) for output in outputs]
            samples.append(outputs)
        return samples

    # The whole.

    def model(self) -> ModelProto:
        """The graph as a model: what nobody reads, and a few results more, are its outputs."""
        read = {name for node in self.nodes for name in reference.read_names(node)}
        outputs = [value.name for value in self.results if value.name not in read or self.chance(0.1)]
        names: dict[int, str] = {}
        described = [self._describe(name, names) for name in self.inputs if name in read]
        return make_model(self.nodes, self.values, described, self.initializers, outputs, self.opset)

    def _describe(self, name: str, names: dict[int, str]) -> Any:
        """An input's type, and its shape as models have it: known, with symbols, or not at all."""
        array = self.values[name].array
        if self.chance(0.08):
            return helper.make_tensor_value_info(name, onnx_type(array.dtype), None)
        dims: list[Any] = list(array.shape)
        if self.chance(0.5):
            shared = self.chance(0.5)
            for k, dim in enumerate(dims):
                if self.chance(0.6):
                    dims[k] = names.setdefault(dim, f"n{dim}") if shared else self.pick(f"{name}_{k}", None)
        return helper.make_tensor_value_info(name, onnx_type(array.dtype), dims)


def make_model(
    nodes: list[NodeProto],
    values: dict[str, Value],
    inputs: list[Any],
    initializers: list[str],
    outputs: list[str],
    opset: int,
) -> ModelProto:
    """A model of the nodes; the initializers that they read are those of `initializers`."""
    read = {name for node in nodes for name in reference.read_names(node)}
    graph = helper.make_graph(
        nodes,
        "random",
        inputs,
        [helper.make_tensor_value_info(name, onnx_type(values[name].dtype), None) for name in outputs],
        [numpy_helper.from_array(values[name].array, name) for name in initializers if name in read],
    )
    return helper.make_model(graph, opset_imports=reference.opset_imports(nodes, opset), ir_version=10)
