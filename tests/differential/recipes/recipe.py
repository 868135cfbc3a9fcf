"""The table of recipes and how to enter one."""

from collections.abc import Callable
from dataclasses import dataclass

from onnx import defs

from ..graph import Graph

Make = Callable[[Graph, str], None]


@dataclass(frozen=True)
class Recipe:
    """Adds a node of operator `op` to a graph; or, when `op` is no operator, several that belong together."""

    op: str
    make: Make

    def is_for(self, opset: int) -> bool:
        """Whether the operator exists at the opset version."""
        return not defs.has(self.op) or (defs.has(self.op, opset) and not defs.get_schema(self.op, opset).deprecated)


RECIPES: dict[str, Recipe] = {}


def recipe(*ops: str) -> Callable[[Make], Make]:
    """Enters a function as the recipe of operators."""

    def enter(make: Make) -> Make:
        for op in ops:
            assert op not in RECIPES, op
            RECIPES[op] = Recipe(op, make)
        return make

    return enter
