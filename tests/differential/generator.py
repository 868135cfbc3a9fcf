"""A random graph from a seed."""

import warnings

from .graph import NEWEST_OPSET, OLDEST_OPSET, Graph
from .recipes import RECIPES
from .reference import UnusableError

MOST_NODES = 12
# Of what networks consist: the optimizer fuses it, the planner chooses layouts for it and shares its memory.
NETWORK = (
    *(
        "Add",
        "AveragePool",
        "BatchNormalization",
        "Clip",
        "Concat",
        "Conv",
        "ConvTranspose",
        "Gemm",
        "GlobalAveragePool",
    ),
    *("HardSigmoid", "HardSwish", "LayerNormalization", "LeakyRelu", "MatMul", "MaxPool", "Mul", "Pad", "ReduceMean"),
    *("Relu", "Reshape", "Resize", "Sigmoid", "Slice", "Softmax", "Split", "Squeeze", "Sub", "Tanh", "Transpose"),
    *("Unsqueeze", "GELU in pieces", "attention in pieces", "convolution, normalized and activated", "gate of itself"),
    *("layer normalization in pieces", "linear layer", "reshape by shape arithmetic", "squeeze and excitation"),
    *("the same twice", "there and back"),
)


def random_graph(seed: int, only: str | None = None) -> Graph:
    """The graph of that seed: recipes one after another, drawn at random.

    Every fourth is a network, of which more recipes are convolutions and the like; with `only`, that recipe alone.
    """
    graph = Graph(seed)
    while only and not RECIPES[only].is_for(graph.opset):
        graph.opset = graph.within(OLDEST_OPSET, NEWEST_OPSET)
    graph.is_network = only is None and graph.chance(0.25)
    names = [only] if only else NETWORK if graph.is_network else RECIPES
    fit = [RECIPES[name] for name in names if RECIPES[name].is_for(graph.opset)]
    wanted = graph.within(1, 2 * MOST_NODES if graph.is_network else MOST_NODES)
    for _ in range(3 * MOST_NODES):
        if len(graph.nodes) >= wanted:
            break
        recipe = graph.pick(*fit)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                recipe.make(graph, recipe.op)
            except UnusableError as reason:
                graph.unusable[recipe.op] = str(reason)
    return graph
