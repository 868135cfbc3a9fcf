"""RNN, GRU and LSTM."""

import numpy as np

from ..element_types import FLOAT
from ..graph import Graph, Value
from .recipe import recipe

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


@recipe("RNN", "GRU", "LSTM")
def recurrent(g: Graph, op: str) -> None:
    """Either direction or both, with lengths of their own and states to begin with, or without."""
    direction = g.pick("forward", "reverse", "bidirectional")
    directions = 2 if direction == "bidirectional" else 1
    length, batch, features, hidden = g.within(1, 6), g.within(1, 4), g.within(1, 9), g.pick(1, 3, 8, 16, 17)
    gates = GATES[op] * hidden

    def weights(*shape: int) -> Value:
        return g.enter(g.numbers(FLOAT, (directions, *shape), low=-0.5, high=0.5), constant=0.8)

    x = g.operand(FLOAT, (length, batch, features), low=-4, high=4)
    inputs: list[Value | None] = [x, weights(gates, features), weights(gates, hidden)]
    inputs.append(weights(2 * gates) if g.chance(0.7) else None)
    lengths = g.rng.integers(1, length + 1, batch).astype(np.int32)
    inputs.append(g.parameter(lengths) if g.chance(0.3) else None)
    inputs += [
        g.operand(FLOAT, (directions, batch, hidden), low=-1, high=1) if g.chance(0.5) else None
        for _ in range(2 if op == "LSTM" else 1)
    ]
    if op == "LSTM" and g.chance(0.3):
        inputs.append(weights(3 * hidden))
    attributes = {"direction": direction, "hidden_size": hidden}
    if op == "GRU":
        attributes["linear_before_reset"] = g.within(0, 1)
    if op == "LSTM" and g.chance(0.1):
        attributes["input_forget"] = 1
    # A state goes through as many steps as there are, each with its rounding.
    g.node(op, inputs, 3 if op == "LSTM" else 2, cancels=1, **attributes)
