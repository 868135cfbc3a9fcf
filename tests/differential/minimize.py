"""Makes a failing graph small: nodes are cut away as long as it fails."""

from onnx import ModelProto, helper, printer

from .element_types import onnx_type
from .graph import Graph, Value, make_model
from .reference import read_names
from .runner import failure

Way = tuple[str, str]


def _model(graph: Graph, kept: list[int], outputs: list[str], is_fixed: bool) -> ModelProto:
    """The kept nodes; what other nodes gave them, and what was an input, is an input of known shape."""
    nodes = [graph.nodes[k] for k in kept]
    made = {name for node in nodes for name in node.output if name}
    read = [name for node in nodes for name in read_names(node) if name and name not in made]
    held = [name for name in graph.initializers if name in read]
    fed = [name for name in dict.fromkeys(read) if name not in held]
    inputs = [
        helper.make_tensor_value_info(
            name, onnx_type(graph.values[name].dtype), graph.values[name].shape if is_fixed else None
        )
        for name in fed
    ]
    return make_model(nodes, graph.values, inputs, held, [name for name in outputs if name in made], graph.opset)


def minimize(graph: Graph, model: ModelProto, way: Way) -> tuple[ModelProto, str]:
    """A smaller model that fails in the same way to run, and how it fails; the model itself if none does."""
    ways = [way] if way[1] == "ORT_SEQUENTIAL" else [(way[0], "ORT_SEQUENTIAL"), way]
    best, why = model, ""

    def fails(kept: list[int], outputs: list[str], is_fixed: bool) -> bool:
        nonlocal best, why
        candidate = _model(graph, kept, outputs, is_fixed)
        if not candidate.graph.output:
            return False
        found = failure(candidate, graph.values, ways)
        if found is None or found[0] != way:
            return False
        best, why = candidate, found[1]
        return True

    kept = list(range(len(graph.nodes)))
    outputs = [output.name for output in model.graph.output]
    is_fixed = next((choice for choice in (True, False) if fails(kept, outputs, choice)), None)
    if is_fixed is None:
        return model, "only with the symbols among the dimensions of its inputs"
    # One output will do; then the last of the nodes whose loss the failure survives, and so on to the first.
    for name in outputs:
        if fails(kept, [name], is_fixed):
            outputs = [name]
            break
    changed = True
    while changed:
        changed = False
        for k in reversed(kept):
            rest = [other for other in kept if other != k]
            ends = _ends(graph, rest, outputs)
            if rest and fails(rest, ends, is_fixed):
                kept, outputs, changed = rest, ends, True
    return best, why


def _ends(graph: Graph, kept: list[int], outputs: list[str]) -> list[str]:
    """What the kept nodes make and no other reads, and those of `outputs` that are left."""
    made = [name for k in kept for name in graph.nodes[k].output if name]
    read = {name for k in kept for name in read_names(graph.nodes[k])}
    return [name for name in made if name not in read or name in outputs]


def describe(model: ModelProto, values: dict[str, Value]) -> str:
    """The model in ONNX's text form, and what it is fed."""
    fed = [f"{described.name} = {values[described.name].array!r}" for described in model.graph.input]
    return printer.to_text(model) + "\n" + "\n".join(fed)
