"""Writes a network node by node, with seeded random weights."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Net:
    """A graph under construction. `net(op, *inputs, **attributes)` appends a node and returns its output's name;
    inputs are such names, or arrays, which become initializers."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def __call__(self, op: str, *inputs: "str | np.ndarray", output: str | None = None, **attributes: Any) -> str:
        names = [value if isinstance(value, str) else self._initializer(value) for value in inputs]
        result = output or f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, names, [result], name=f"node_{result}", **attributes))
        return result

    def _initializer(self, array: np.ndarray) -> str:
        name = f"weight_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def normal(self, *shape: int, deviation: float) -> np.ndarray:
        return self.rng.standard_normal(shape, dtype=np.float32) * np.float32(deviation)

    def linear(self, x: str, fan_in: int, fan_out: int) -> str:
        product = self("MatMul", x, self.normal(fan_in, fan_out, deviation=fan_in**-0.5))
        return self("Add", product, self.normal(fan_out, deviation=0.02))

    def conv(self, x: str, cin: int, cout: int, size: int) -> str:
        """A convolution with a bias and nothing behind it."""
        weights = self.normal(cout, cin, size, size, deviation=(cin * size * size) ** -0.5)
        return self("Conv", x, weights, self.normal(cout, deviation=0.02), pads=[size // 2] * 4)

    def split(self, x: str, parts: "int | list[int]", axis: int) -> list[str]:
        """Into so many equal parts, or into parts of these sizes."""
        count = parts if isinstance(parts, int) else len(parts)
        results = [f"split_{len(self.nodes)}_{i}" for i in range(count)]
        inputs = [x] if isinstance(parts, int) else [x, self._initializer(np.array(parts))]
        self.nodes.append(helper.make_node("Split", inputs, results, name=f"node_{results[0]}", axis=axis))
        return results

    def classifier(self, x: str, fan_in: int, classes: int, output: str | None = None) -> str:
        flat = self("Flatten", self("GlobalAveragePool", x))
        weights = self.normal(fan_in, classes, deviation=fan_in**-0.5)
        return self("Gemm", flat, weights, self.normal(classes, deviation=0.1), output=output)

    def unit(
        self,
        x: str,
        cin: int,
        cout: int,
        size: int,
        stride: int = 1,
        groups: int = 1,
        act: str = "Relu",
        dilation: int = 1,
    ) -> str:
        """Conv, BatchNormalization and an activation: Relu, Relu6 (as Clip), SiLU (as Mul of a Sigmoid), HardSwish or
        none ("")."""
        fan_in = cin // groups * size * size
        gain = {"Relu": 2.0, "Relu6": 2.2, "SiLU": 3.2, "HardSwish": 3.0, "": 1.0}[act]
        weights = self.normal(cout, cin // groups, size, size, deviation=(gain / fan_in) ** 0.5)
        window = {"kernel_shape": [size] * 2, "strides": [stride] * 2, "dilations": [dilation] * 2}
        window["pads"] = [size // 2 * dilation] * 4
        y = self("Conv", x, weights, self.normal(cout, deviation=0.02), group=groups, **window)
        scale, variance = (1 + self.rng.uniform(-0.1, 0.1, (2, cout))).astype(np.float32)
        y = self("BatchNormalization", y, scale, *self.normal(2, cout, deviation=0.02), variance, epsilon=1e-5)
        if act == "Relu6":
            return self("Clip", y, np.float32(0), np.float32(6))
        if act == "SiLU":
            return self("Mul", y, self("Sigmoid", y))
        return self(act, y) if act else y

    def finish(self, inputs: dict[str, tuple[int, list[Any]]], outputs: dict[str, list[Any]]) -> onnx.ModelProto:
        """The checked model; a text among an input's dimensions is a symbol."""
        graph = helper.make_graph(
            self.nodes,
            "zoo",
            [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
            self.initializers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        return model
