"""What is wrong in a model or its input, made of the onnx package's node tests: one thing wrong at a time.

An operator refuses it with an error that names the node, or takes it and runs; it never crashes, and what ONNX's table
of operators forbids (types, counts of inputs, kinds of attributes) it must refuse.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import attune
import backend_suite
import numpy as np
from onnx import AttributeProto, ModelProto, TensorProto, defs, helper

NAME = "the_node"
FAR = 2**40


@dataclass
class Wrong:
    """A model with something wrong in it, and what to feed."""

    what: str
    model: ModelProto
    feeds: dict[str, Any]
    must_fail: bool = False


def cases() -> dict[str, list[tuple[ModelProto, dict[str, Any]]]]:
    """Of each operator the models that consist of it alone, with their inputs, as far as Attune passes them."""
    passing = backend_suite.checked_in()
    found: dict[str, list[tuple[ModelProto, dict[str, Any]]]] = {}
    for case in backend_suite.cases():
        if case.model is None or case.name not in passing or len(case.model.graph.node) != 1:
            continue
        if not case.data_sets or case.model.functions:
            continue
        # What is fed in the place of an optional or a sequence is refused by the input's name, before any node runs.
        # OptionalHasElement without an input would take the one that is added as too many.
        is_fed_tensors = all(described.type.HasField("tensor_type") for described in case.model.graph.input)
        if not is_fed_tensors or case.model.graph.node[0].op_type == "OptionalHasElement":
            continue
        described_inputs = zip(case.data_sets[0][0], case.model.graph.input, strict=True)
        values = [backend_suite.as_numpy(value, described) for value, described in described_inputs]
        if not all(isinstance(value, np.ndarray) for value in values):
            continue
        model = ModelProto()
        model.CopyFrom(case.model)
        model.graph.node[0].name = NAME
        for described in (*model.graph.input, *model.graph.output):
            described.type.tensor_type.ClearField("shape")
        feeds = {described.name: value for described, value in zip(model.graph.input, values, strict=True)}
        node = model.graph.node[0]
        found.setdefault(f"{node.domain}.{node.op_type}".lstrip("."), []).append((model, feeds))
    return found


def _copy(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def _schema(model: ModelProto) -> defs.OpSchema:
    node = model.graph.node[0]
    version = next(opset.version for opset in model.opset_import if opset.domain == node.domain)
    return defs.get_schema(node.op_type, version, node.domain)


def _parameters(schema: defs.OpSchema, count: int) -> list[defs.OpSchema.FormalParameter]:
    """The parameter of each of so many inputs; the last may be variadic."""
    return [schema.inputs[min(k, len(schema.inputs) - 1)] for k in range(count)]


def wrong_types(model: ModelProto, feeds: dict[str, Any]) -> Iterator[Wrong]:
    """Each input in turn of a type that ONNX forbids there."""
    node = model.graph.node[0]
    for k, parameter in enumerate(_parameters(_schema(model), len(node.input))):
        kinds = ("float", "int64", "bool", "string", "uint16", "double", "complex64")
        forbidden = next((kind for kind in kinds if f"tensor({kind})" not in parameter.types), None)
        if not node.input[k] or forbidden is None:
            continue
        changed = _copy(model)
        described = next(value for value in changed.graph.input if value.name == node.input[k])
        described.type.tensor_type.elem_type = {
            "float": TensorProto.FLOAT,
            "int64": TensorProto.INT64,
            "bool": TensorProto.BOOL,
            "string": TensorProto.STRING,
            "uint16": TensorProto.UINT16,
            "double": TensorProto.DOUBLE,
            "complex64": TensorProto.COMPLEX64,
        }[forbidden]
        yield Wrong(f"input {k} of {forbidden}", changed, feeds, must_fail=True)


def wrong_counts(model: ModelProto, feeds: dict[str, Any]) -> Iterator[Wrong]:
    """One required input less, and one more than there may be."""
    schema = _schema(model)
    node = model.graph.node[0]
    if schema.min_input > 0 and len(node.input) >= schema.min_input:
        changed = _copy(model)
        del changed.graph.node[0].input[schema.min_input - 1 :]
        yield Wrong("too few inputs", changed, feeds, must_fail=True)
    if schema.max_input < 100 and node.input:
        changed = _copy(model)
        more = schema.max_input + 1 - len(node.input)
        changed.graph.node[0].input.extend([node.input[0]] * more)
        yield Wrong("too many inputs", changed, feeds, must_fail=True)


def wrong_attributes(model: ModelProto, feeds: dict[str, Any]) -> Iterator[Wrong]:
    """Each attribute in turn of another kind, and with numbers that are far from any tensor's."""
    for k, attribute in enumerate(model.graph.node[0].attribute):
        changed = _copy(model)
        other: Any = "text" if attribute.type != AttributeProto.STRING else 3
        changed.graph.node[0].attribute[k].CopyFrom(helper.make_attribute(attribute.name, other))
        yield Wrong(f"attribute {attribute.name} = {other!r}", changed, feeds, must_fail=True)
        values: list[Any] = []
        if attribute.type == AttributeProto.INT:
            values = [FAR, -FAR, -1, 0]
        elif attribute.type == AttributeProto.INTS:
            numbers = list(attribute.ints)
            values = [[FAR] * len(numbers), [-1] * len(numbers), [0] * len(numbers), [*numbers, 1], numbers[:-1]]
        elif attribute.type == AttributeProto.FLOAT:
            values = [float("nan"), float("inf"), -1.0, 0.0]
        elif attribute.type == AttributeProto.STRING:
            values = ["no such mode"]
        for value in values:
            changed = _copy(model)
            made = helper.make_attribute(attribute.name, value, attr_type=attribute.type)
            changed.graph.node[0].attribute[k].CopyFrom(made)
            yield Wrong(f"attribute {attribute.name} = {value!r}", changed, feeds)


def wrong_values(model: ModelProto, feeds: dict[str, Any]) -> Iterator[Wrong]:
    """Each input in turn with another rank or number of elements, or with integers far outside of any tensor."""
    for name, value in feeds.items():
        shapes = {"of one axis more": value[None], "of no axes": np.asarray(value.reshape(-1)[:1].sum(), value.dtype)}
        if value.dtype == object or value.size == 0:
            shapes.pop("of no axes")
        if value.ndim:
            shapes["of one axis less"] = value[0] if value.shape[0] else value.reshape((*value.shape[1:], 0))[..., 0:0]
            shapes["without elements"] = value[:0]
            shapes["twice as long"] = np.concatenate([value, value])
        if value.dtype in (np.int64, np.int32):
            far = FAR if value.dtype == np.int64 else 2**20
            shapes |= {f"of {number}": np.full_like(value, number) for number in (far, -far, -1)}
        for what, changed in shapes.items():
            yield Wrong(f"input {name} {what}", model, feeds | {name: changed})


def everything_wrong(model: ModelProto, feeds: dict[str, Any]) -> Iterator[Wrong]:
    """All of the above."""
    for make in (wrong_types, wrong_counts, wrong_attributes, wrong_values):
        yield from make(model, feeds)


def complaint(wrong: Wrong) -> str | None:
    """What is the matter with how Attune takes it; None when it is as it should be."""
    options = attune.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = attune.InferenceSession(wrong.model.SerializeToString(), options)
        names = {described.name for described in session.get_inputs()}
        session.run(None, {name: value for name, value in wrong.feeds.items() if name in names})
    except Exception as error:
        text = str(error)
        op_type = wrong.model.graph.node[0].op_type
        if NAME in text or op_type in text:
            return None
        return f"{wrong.what}: the error does not name the node: {text[:200]}"
    return f"{wrong.what}: no error" if wrong.must_fail else None


def complaints(operator: list[tuple[ModelProto, dict[str, Any]]]) -> list[str]:
    """The complaints about an operator, over all of its cases."""
    onnx_cases = operator[:6]  # the rest differs in attributes that were changed here
    found = (complaint(wrong) for model, feeds in onnx_cases for wrong in everything_wrong(model, feeds))
    return [text for text in found if text is not None]
