"""Models small enough to be written down, as bytes."""

import numpy as np
import onnx
from onnx import numpy_helper


def model(graph: str, opset: int = 17, **initializers: np.ndarray) -> bytes:
    """A model from ONNX's text form: `(float[N] X) => (float[N] Y) { Y = Relu(X) }`."""
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> tiny {graph}')
    for name, array in initializers.items():
        proto.graph.initializer.append(numpy_helper.from_array(array, name))
    return proto.SerializeToString()


def identity(kind: str) -> bytes:
    """Gives back its one input `x`, of a type such as "float[N,3]", as `y`."""
    return model(f"({kind} x) => ({kind} y) {{ y = Identity(x) }}")


def matmul() -> bytes:
    """X (N,3) times a constant (3,2)."""
    weights = np.arange(1, 7, dtype=np.float32).reshape(3, 2)
    return model("(float[N,3] X) => (float[N,2] Y) { Y = MatMul(X, W) }", W=weights)


def long_run(repeats: int = 60, size: int = 512) -> bytes:
    """A chain of matrix products that takes a good part of a second for a square input of `size` rows."""
    weights = (np.random.default_rng(0).standard_normal((size, size)) * size**-0.5).astype(np.float32)
    chain = "\n".join(f"t{k + 1} = MatMul(t{k}, W)" for k in range(repeats))
    return model(f"(float[N,{size}] t0) => (float[N,{size}] t{repeats}) {{ {chain} }}", W=weights)


def branches(count: int, depth: int, size: int) -> bytes:
    """Chains of matrix products that begin with x (size,size) and end in one sum."""
    rng = np.random.default_rng(0)
    body, weights = [], {}
    for b in range(count):
        weights[f"w{b}"] = (rng.standard_normal((size, size)) * size**-0.5).astype(np.float32)
        body += [f"x{b}_{d + 1} = MatMul({f'x{b}_{d}' if d else 'x'}, w{b})" for d in range(depth)]
    ends = ", ".join(f"x{b}_{depth}" for b in range(count))
    kind = f"float[{size},{size}]"
    return model(f"({kind} x) => ({kind} y) {{ {chr(10).join(body)} y = Sum({ends}) }}", **weights)


def convolutions() -> bytes:
    """A small image classifier in the way of the article: input_1 (N,40,40,1), predictions (N,4)."""
    rng = np.random.default_rng(1)
    weights = {
        "W1": rng.standard_normal((16, 1, 3, 3)),
        "B1": rng.standard_normal(16),
        "W2": rng.standard_normal((32, 16, 3, 3)) / 12,
        "B2": rng.standard_normal(32),
        "W3": rng.standard_normal((32, 4)) / 4,
        "B3": rng.standard_normal(4),
    }
    return model(
        """(float[N,40,40,1] input_1) => (float[N,4] predictions) {
        x = Transpose <perm = [0, 3, 1, 2]> (input_1)
        a = Conv <pads = [1, 1, 1, 1]> (x, W1, B1)
        b = Relu(a)
        c = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (b)
        d = Conv <pads = [1, 1, 1, 1]> (c, W2, B2)
        e = Relu(d)
        f = GlobalAveragePool(e)
        g = Flatten(f)
        h = Gemm(g, W3, B3)
        predictions = Softmax(h)
        }""",
        **{name: array.astype(np.float32) for name, array in weights.items()},
    )
