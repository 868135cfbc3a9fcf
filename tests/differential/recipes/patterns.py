"""Several nodes that belong together: what exporters write, and what the optimizer looks for."""

import numpy as np

from ..element_types import FLOAT, FLOATS
from ..graph import Graph, Value
from .images import image, window
from .recipe import recipe


def fixed(g: Graph, number: float, dtype: np.dtype) -> Value:
    """A constant of rank 0."""
    return g.enter(np.asarray(number, dtype), constant=1, is_parameter=True)


def floating(g: Graph) -> np.dtype:
    """Mostly float."""
    return FLOAT if g.chance(0.8) else g.pick(*FLOATS)


@recipe("convolution, normalized and activated")
def convolution_unit(g: Graph, op: str) -> None:
    """Conv, BatchNormalization, an activation; perhaps a sum with what came before."""
    x = image(g, FLOAT, ranks=(4,))
    attributes = window(g, x.shape[2:])
    outputs = g.pick(x.shape[1], 8, 16)
    weights = g.enter(g.numbers(FLOAT, (outputs, x.shape[1], *attributes["kernel_shape"])), constant=0.9)
    (y,) = g.node("Conv", [x, weights], **attributes)
    if g.chance(0.7):
        parts = [g.enter(g.numbers(FLOAT, (outputs,), low=0.5, high=1.5), constant=0.9) for _ in range(4)]
        (y,) = g.node("BatchNormalization", [y, *parts])
    if y.shape == x.shape and g.chance(0.5):
        (y,) = g.node("Add", g.pick([x, y], [y, x]))
    activation = g.pick("Relu", "Sigmoid", "HardSigmoid", "Tanh", "LeakyRelu", "")
    if activation:
        g.node(activation, [y], kind="moves" if activation == "Relu" else "computes", cancels=1)


@recipe("squeeze and excitation")
def squeeze_and_excitation(g: Graph, op: str) -> None:
    """An image scaled by what its mean says."""
    x = image(g, FLOAT, ranks=(4,))
    (mean,) = g.node("GlobalAveragePool", [x])
    weights = g.enter(g.numbers(FLOAT, (x.shape[1], x.shape[1], 1, 1)), constant=0.9)
    (mixed,) = g.node("Conv", [mean, weights])
    (gate,) = g.node(g.pick("HardSigmoid", "Sigmoid"), [mixed], cancels=1)
    g.node("Mul", [x, gate])


@recipe("gate of itself")
def gate(g: Graph, op: str) -> None:
    """SiLU and HardSwish in pieces."""
    x = g.operand(floating(g), low=-30, high=30)
    (inner,) = g.node(g.pick("Sigmoid", "HardSigmoid", "Tanh"), [x], cancels=1)
    g.node("Mul", g.pick([x, inner], [inner, x]))


@recipe("GELU in pieces")
def gelu(g: Graph, op: str) -> None:
    """By erf."""
    x = g.operand(floating(g), low=-30, high=30)
    dtype = x.dtype
    (scaled,) = g.node("Div", [x, fixed(g, 2**0.5, dtype)])
    (inner,) = g.node("Erf", [scaled]) if g.opset >= 9 else g.node("Tanh", [scaled])
    (shifted,) = g.node("Add", [inner, fixed(g, 1, dtype)])
    (product,) = g.node("Mul", [x, shifted])
    g.node("Mul", [product, fixed(g, 0.5, dtype)])


@recipe("layer normalization in pieces")
def layer_normalization(g: Graph, op: str) -> None:
    """As PyTorch exported it before version 17."""
    if g.opset >= 18:
        return
    x = g.operand(FLOAT, least=2, low=-30, high=30, fits=lambda v: v.array.size > 0 and v.shape[-1] > 1)
    (mean,) = g.node("ReduceMean", [x], axes=[-1] if g.opset >= 11 else [x.rank - 1])
    (centered,) = g.node("Sub", [x, mean])
    (squared,) = g.node("Pow", [centered, fixed(g, 2, FLOAT)])
    (variance,) = g.node("ReduceMean", [squared], axes=[-1] if g.opset >= 11 else [x.rank - 1])
    (safe,) = g.node("Add", [variance, fixed(g, 1e-3, FLOAT)])
    (deviation,) = g.node("Sqrt", [safe])
    (normal,) = g.node("Div", [centered, deviation])
    (scaled,) = g.node("Mul", [normal, g.enter(g.numbers(FLOAT, x.shape[-1:]), constant=0.9)])
    g.node("Add", [scaled, g.enter(g.numbers(FLOAT, x.shape[-1:]), constant=0.9)])


@recipe("linear layer")
def linear(g: Graph, op: str) -> None:
    """MatMul, a bias, perhaps an activation."""
    x = g.operand(floating(g), least=2, fits=lambda v: v.array.size > 0)
    wide = g.pick(1, 5, 8, 16, 33)
    weights = g.enter(g.numbers(x.dtype, (x.shape[-1], wide)), constant=0.9)
    (y,) = g.node("MatMul", [x, weights])
    (y,) = g.node("Add", g.pick([y, b := g.enter(g.numbers(x.dtype, (wide,)), constant=0.9)], [b, y]))
    if g.chance(0.5):
        g.node("Relu", [y], kind="moves") if g.opset >= 14 or x.dtype == FLOAT else g.node("Tanh", [y])


@recipe("attention in pieces")
def attention(g: Graph, op: str) -> None:
    """Softmax of a product, and its product with the values."""
    batch, heads, length, other, depth = g.within(1, 2), g.within(1, 3), g.within(1, 7), g.within(1, 7), g.pick(4, 8)
    q = g.operand(FLOAT, (batch, heads, length, depth), low=-5, high=5)
    k = g.operand(FLOAT, (batch, heads, other, depth), low=-5, high=5)
    v = g.operand(FLOAT, (batch, heads, other, depth), low=-5, high=5)
    (turned,) = g.node("Transpose", [k], kind="moves", perm=[0, 1, 3, 2])
    (scores,) = g.node("MatMul", [q, turned])
    scale = fixed(g, depth**-0.5, FLOAT)
    (scores,) = (
        g.node("Mul", [scores, scale]) if g.chance(0.5) else g.node("Div", [scores, fixed(g, depth**0.5, FLOAT)])
    )
    if g.chance(0.5):
        mask = np.where(g.rng.random((batch, 1, 1, other)) < 0.7, 0, -1000).astype(np.float32)
        (scores,) = g.node("Add", [scores, g.enter(mask)])
    (weights,) = g.node("Softmax", [scores], axis=-1 if g.opset >= 11 else 3)
    (mixed,) = g.node("MatMul", [weights, v])
    (turned,) = g.node("Transpose", [mixed], kind="moves", perm=[0, 2, 1, 3])
    g.node("Reshape", [turned, g.ints([0, 0, heads * depth])], kind="moves")


@recipe("reshape by shape arithmetic")
def reshape_by_shape(g: Graph, op: str) -> None:
    """A shape that the graph computes from another."""
    x = g.operand(floating(g), least=2, fits=lambda v: v.array.size > 0)
    (shape,) = g.node("Shape", [x], kind="moves")
    first = g.enter(np.array([0], np.int64), constant=1)
    (batch,) = g.node("Gather", [shape, first], kind="moves", axis=0)
    (target,) = g.node("Concat", [batch, g.enter(np.array([-1], np.int64), constant=1)], kind="moves", axis=0)
    (flat,) = g.node("Reshape", [x, target], kind="moves")
    if g.chance(0.5):
        g.node("Reshape", [flat, shape], kind="moves")


@recipe("there and back")
def there_and_back(g: Graph, op: str) -> None:
    """Two Transposes with something element-wise between them."""
    x = g.operand(FLOAT, least=2)
    perm = [int(k) for k in g.rng.permutation(x.rank)]
    (turned,) = g.node("Transpose", [x], kind="moves", perm=perm)
    (changed,) = g.node(g.pick("Relu", "Abs", "Neg"), [turned], kind="moves")
    g.node("Transpose", [changed], kind="moves", perm=[int(k) for k in np.argsort(perm)])


@recipe("quantized and back")
def quantize_and_back(g: Graph, op: str) -> None:
    """QuantizeLinear and DequantizeLinear around a layer."""
    if g.opset < 10:
        return
    x = g.operand(FLOAT, exact=True, least=1)
    step, zero = g.parameter(np.float32(0.0625)), g.parameter(np.uint8(g.within(0, 255)))
    (quantized,) = g.node("QuantizeLinear", [x, step, zero], kind="decides")
    if g.chance(0.5):
        (quantized,) = g.node("Identity", [quantized], kind="moves")
    g.node("DequantizeLinear", [quantized, step, zero])


@recipe("the same twice")
def the_same_twice(g: Graph, op: str) -> None:
    """Two equal nodes, and one that uses both."""
    x = g.operand(FLOAT, low=-10, high=10)
    name = g.pick("Sigmoid", "Tanh", "Softplus")
    (one,) = g.node(name, [x], cancels=1)
    (other,) = g.node(name, [x], cancels=1)
    g.node(g.pick("Add", "Sub", "Mul"), [one, other])
