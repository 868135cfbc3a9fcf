"""Nodes with subgraphs. What these compute is exact, so that it is the same in every engine."""

from collections.abc import Sequence

import numpy as np
from onnx import GraphProto, NodeProto, helper

from ..element_types import BOOL, FLOAT, onnx_type
from ..graph import Graph, Value
from .recipe import recipe

INT64 = np.dtype("int64")
SINGLE, DOUBLE = ("Abs", "Neg", "Identity", "Relu"), ("Add", "Sub", "Mul")
EXACT_FLOAT = ("Max", "Min")


class Body:
    """A subgraph while it grows. Its names are its own; those of the graph around it may be read."""

    def __init__(self, g: Graph, label: str) -> None:
        self.g = g
        self.prefix = f"b{len(g.nodes)}{label}_"
        self.nodes: list[NodeProto] = []

    def name(self, label: str) -> str:
        return self.prefix + label

    def add(self, op: str, inputs: Sequence[str], **attributes: object) -> str:
        """Appends a node and gives the name of its result."""
        result = self.name(f"v{len(self.nodes)}")
        self.nodes.append(helper.make_node(op, inputs, [result], **attributes))
        return result

    def mix(self, names: Sequence[str], dtype: np.dtype) -> str:
        """A few exact operations on values of one type and shape."""
        names = list(names)
        for _ in range(self.g.within(1, 4)):
            if len(names) > 1 and self.g.chance(0.5):
                op = self.g.pick(*(DOUBLE if dtype == INT64 else EXACT_FLOAT))
                names.append(self.add(op, [self.g.pick(*names), self.g.pick(*names)]))
            else:
                names.append(self.add(self.g.pick(*SINGLE[: 4 if dtype == FLOAT else 3]), [self.g.pick(*names)]))
        return names[-1]

    def graph(
        self, inputs: Sequence[tuple[str, np.dtype, object]], outputs: Sequence[tuple[str, np.dtype]]
    ) -> GraphProto:
        """The subgraph; an input's shape may be None."""
        results = []
        for k, (name, dtype) in enumerate(outputs):
            # A name of its own: an input or a value of the graph around may not be an output as it is.
            own = self.name(f"out{k}")
            self.nodes.append(helper.make_node("Identity", [name], [own]))
            results.append(helper.make_tensor_value_info(own, onnx_type(dtype), None))
        described = [helper.make_tensor_value_info(name, onnx_type(dtype), shape) for name, dtype, shape in inputs]
        return helper.make_graph(self.nodes, self.prefix.rstrip("_"), described, results)


def element_type(g: Graph) -> np.dtype:
    """Before version 8 Max and Min did not broadcast, which these operands of one shape do not need."""
    return FLOAT if g.chance(0.5) else INT64


def partner(g: Graph, x: Value) -> Value:
    return g.operand(x.dtype, x.shape)


@recipe("If")
def choose(g: Graph, op: str) -> None:
    """Branches that read what is around them, one of them perhaps with an If of its own."""
    x = g.operand(element_type(g))
    y = partner(g, x)
    condition = g.operand(BOOL, (), exact=True)
    branches = {}
    for branch in ("then_branch", "else_branch"):
        body = Body(g, branch[0])
        result = body.mix([x.name, y.name], x.dtype)
        if g.chance(0.2):
            inner = {}
            for nested in ("then_branch", "else_branch"):
                deeper = Body(g, branch[0] + nested[0])
                inner[nested] = deeper.graph([], [(deeper.mix([result, x.name], x.dtype), x.dtype)])
            result = body.add("If", [condition.name], **inner)
        branches[branch] = body.graph([], [(result, x.dtype), (g.pick(x, y).name, x.dtype)])
    g.node(op, [condition], 2, kind="moves", **branches)


@recipe("Loop")
def loop(g: Graph, op: str) -> None:
    """A state, perhaps a condition that ends it early, and scanned outputs; it runs once at least."""
    x = g.operand(element_type(g))
    around = partner(g, x)
    body = Body(g, "l")
    iteration, go, state = (body.name(label) for label in ("i", "go", "s"))
    step = body.add("Cast", [iteration], to=onnx_type(x.dtype))
    moved = body.add("Expand", [step, body.add("Shape", [state])]) if g.opset >= 8 else around.name
    next_state = body.mix([state, moved, around.name], x.dtype)
    scanned = body.mix([state, next_state], x.dtype)
    ends_early = g.opset >= 9 and g.chance(0.4)
    limit = g.enter(np.array(g.within(0, 3), np.int64), constant=0.8, is_parameter=True) if ends_early else None
    goes_on = body.add("Less", [iteration, limit.name]) if limit else body.add("Identity", [go])
    shape = list(x.shape) if g.chance(0.5) else None
    graph = body.graph(
        [(iteration, INT64, []), (go, BOOL, []), (state, x.dtype, shape)],
        [(goes_on, BOOL), (next_state, x.dtype), (scanned, x.dtype)],
    )
    trips = g.parameter(np.array(g.within(1, 5), np.int64))
    condition = g.parameter(np.array(True)) if g.chance(0.5) else None
    g.node(op, [trips, condition, x], 2, kind="moves", body=graph)


@recipe("Scan")
def scan(g: Graph, op: str) -> None:
    """Sequences along any axis in either direction, one state."""
    if g.opset < 9:
        return  # version 8 scans each sample of a batch by itself
    dtype = element_type(g)
    sequence = g.operand(dtype, least=1, fits=lambda value: 0 not in value.shape)
    axis = g.within(0, sequence.rank - 1)
    slice_shape = tuple(dim for k, dim in enumerate(sequence.shape) if k != axis)
    state = g.operand(dtype, slice_shape)
    around = g.operand(dtype, slice_shape)
    body = Body(g, "s")
    held, item = body.name("s"), body.name("x")
    next_state = body.mix([held, item, around.name], dtype)
    out = body.mix([held, item], dtype)
    shape = list(slice_shape) if g.chance(0.5) else None
    graph = body.graph([(held, dtype, shape), (item, dtype, shape)], [(next_state, dtype), (out, dtype)])
    attributes = {"scan_input_axes": [axis]}
    if g.chance(0.5):
        attributes |= {"scan_input_directions": [g.within(0, 1)], "scan_output_directions": [g.within(0, 1)]}
    if g.chance(0.5):
        attributes["scan_output_axes"] = [g.within(0, len(slice_shape))]
    g.node(op, [state, sequence], 2, kind="moves", num_scan_inputs=1, body=graph, **attributes)
