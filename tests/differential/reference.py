"""What one node gives, by onnxruntime, or where it cannot run the node, by the onnx package.

Ways are tried in this order, and the first that works is kept for the node:
  onnxruntime           the node as it is
  onnxruntime, fixed    the node with its operands as initializers: some kernels insist on constants
  onnxruntime, wide     float16 and bfloat16 computed in float, and rounded once at the end
  onnx                  the onnx package's reference evaluator
  onnx, wide            the same in float
known_differences.py leaves out those that get a node wrong.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import onnxruntime
from onnx import (
    AttributeProto,
    ModelProto,
    NodeProto,
    OperatorSetIdProto,
    ValueInfoProto,
    helper,
    numpy_helper,
    shape_inference,
)
from onnx.reference import ReferenceEvaluator

from . import known_differences
from .element_types import FLOAT, HALVES, numpy_type, onnx_type

Arrays = Sequence[np.ndarray | None]
Compute = Callable[[Arrays], list[np.ndarray]]
# The versions of other domains than ONNX's own.
VERSIONS = {"ai.onnx.ml": 3, "com.microsoft": 1}


class UnusableError(Exception):
    """No reference computes the node."""


def captured_names(node: NodeProto) -> list[str]:
    """What the node's subgraphs read of the graph around it, in order."""
    captured: dict[str, None] = {}
    for attribute in node.attribute:
        if attribute.type != AttributeProto.GRAPH:
            continue
        own = {value.name for value in (*attribute.g.input, *attribute.g.initializer)}
        for inner in attribute.g.node:
            captured |= dict.fromkeys(name for name in read_names(inner) if name and name not in own)
            own.update(inner.output)
        captured |= dict.fromkeys(value.name for value in attribute.g.output if value.name not in own)
    return list(captured)


def read_names(node: NodeProto) -> list[str]:
    """The node's inputs, "" for those that are left out, and what its subgraphs read."""
    return [*node.input, *captured_names(node)]


def opset_imports(nodes: Iterable[NodeProto], opset: int) -> list[OperatorSetIdProto]:
    """The versions of the nodes' domains."""
    domains = dict.fromkeys(["", *(node.domain for node in nodes)])
    return [helper.make_opsetid(domain, VERSIONS.get(domain, opset)) for domain in domains]


def single_node_model(node: NodeProto, opset: int, inputs: Arrays, constant: bool = False) -> ModelProto:
    """The node as a model, each operand an input or, when `constant`, an initializer; outputs without types."""
    operands = _feeds(node, inputs)
    feeds = [helper.make_tensor_value_info(name, onnx_type(a.dtype), a.shape) for name, a in operands.items()]
    held = [numpy_helper.from_array(array, name) for name, array in operands.items()] if constant else []
    outputs = [ValueInfoProto(name=name) for name in node.output if name]
    graph = helper.make_graph([node], "node", [] if constant else feeds, outputs, held)
    return helper.make_model(graph, opset_imports=opset_imports([node], opset), ir_version=10)


def _feeds(node: NodeProto, inputs: Arrays) -> dict[str, np.ndarray]:
    return {name: array for name, array in zip(read_names(node), inputs, strict=True) if array is not None}


def _onnxruntime(node: NodeProto, opset: int, inputs: Arrays, constant: bool = False) -> Compute:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL

    def session(operands: Arrays) -> onnxruntime.InferenceSession:
        model = single_node_model(node, opset, operands, constant).SerializeToString()
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    if constant:
        return lambda operands: session(operands).run(None, {})
    made = session(inputs)
    return lambda operands: made.run(None, _feeds(node, operands))


def _onnx(node: NodeProto, opset: int, inputs: Arrays) -> Compute:
    evaluator = ReferenceEvaluator(single_node_model(node, opset, inputs))

    def compute(operands: Arrays) -> list[np.ndarray]:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return [np.asarray(result) for result in evaluator.run(None, _feeds(node, operands))]

    return compute


def _types_of_outputs(node: NodeProto, opset: int, inputs: Arrays) -> list[np.dtype | None]:
    """The element types that the onnx package infers; where it does not, the half among the operands, or None."""
    model = shape_inference.infer_shapes(single_node_model(node, opset, inputs))
    numbers = [output.type.tensor_type.elem_type for output in model.graph.output]
    half = next((array.dtype for array in inputs if array is not None and array.dtype in HALVES), None)
    return [numpy_type(number) if number else half for number in numbers]


def _wide(engine: Callable[[NodeProto, int, Arrays], Compute]) -> Callable[[NodeProto, int, Arrays], Compute]:
    """The engine, given floats for halves."""

    def widen(inputs: Arrays) -> list[np.ndarray | None]:
        return [a.astype(FLOAT) if a is not None and a.dtype in HALVES else a for a in inputs]

    def make(node: NodeProto, opset: int, inputs: Arrays) -> Compute:
        if not any(array is not None and array.dtype in HALVES for array in inputs):
            raise UnusableError("no half")
        compute = engine(node, opset, widen(inputs))
        return lambda operands: compute(widen(operands))

    return make


def _ways(node: NodeProto, opset: int, inputs: Arrays) -> Iterator[tuple[str, Callable[[], Compute]]]:
    if known_differences.wrong(known_differences.MISSING, node, opset, inputs):
        return
    foreign = any(array is not None and array.dtype == HALVES[1] for array in inputs)  # NumPy has no bfloat16
    if not known_differences.wrong(known_differences.ONNXRUNTIME_WRONG, node, opset, inputs):
        if not foreign:
            yield "onnxruntime", lambda: _onnxruntime(node, opset, inputs)
            yield "onnxruntime, fixed", lambda: _onnxruntime(node, opset, inputs, constant=True)
        yield "onnxruntime, wide", lambda: _wide(_onnxruntime)(node, opset, inputs)
    if not known_differences.wrong(known_differences.ONNX_WRONG, node, opset, inputs):
        yield "onnx, wide", lambda: _wide(_onnx)(node, opset, inputs)
        yield "onnx", lambda: _onnx(node, opset, inputs)


def evaluate(node: NodeProto, opset: int, inputs: Arrays) -> tuple[list[np.ndarray], Compute, str]:
    """The node's outputs, a function that computes them for other values of the same shapes, and which way that is.

    Throws UnusableError when none of the ways works.
    """
    types = _types_of_outputs(node, opset, inputs)
    failures = []

    def attempt(name: str, make: Callable[[], Compute]) -> tuple[list[np.ndarray], Compute, str] | None:
        try:
            compute = _typed(make(), types)
            return compute(inputs), compute, name
        except Exception as error:  # every engine has its own ways to refuse
            failures.append(f"{name}: {str(error).strip()[:200] or type(error).__name__}")
            return None

    found = next((result for way in _ways(node, opset, inputs) if (result := attempt(*way))), None)
    if found is None:
        raise UnusableError("\n".join(failures) or "no reference is right")
    return found


def _typed(compute: Compute, types: list[np.dtype | None]) -> Compute:
    def run(operands: Arrays) -> list[np.ndarray]:
        with np.errstate(all="ignore"):
            return [np.asarray(r, r_type) for r, r_type in zip(compute(operands), types, strict=True)]

    return run
