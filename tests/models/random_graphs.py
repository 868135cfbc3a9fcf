"""Random small networks: layers that the optimizer fuses, moves and shares memory between, put together at random."""

import math
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

Shape = tuple[int, ...]


class RandomGraph:
    """Grows a network from one image by up to `layers` layers; the same seed gives the same network."""

    def __init__(self, seed: int, layers: int = 14) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.initializers: list[TensorProto] = []
        self.image: Shape = (
            self.pick(1, 2, 3),
            self.pick(1, 3, 4, 8, 16, 17, 32),
            self.within(4, 13),
            self.within(4, 13),
        )
        self.values: list[tuple[str, Shape]] = [("x", self.image)]
        kinds = [name for name in dir(self) if name.startswith("add_")]
        for _ in range(self.within(3, layers)):
            recent = self.values[-4:]
            name, shape = recent[self.within(0, len(recent) - 1)]
            getattr(self, self.pick(*kinds))(name, shape)
            if math.prod(self.values[-1][1]) > 200_000:
                break

    def pick(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def within(self, least: int, most: int) -> int:
        return int(self.rng.integers(least, most + 1))

    def constant(self, array: Any) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weights(self, *shape: int) -> str:
        deviation = max(math.prod(shape[1:]), 1) ** -0.5
        return self.constant((self.rng.standard_normal(shape) * deviation).astype(np.float32))

    def node(self, op: str, inputs: list[str], shape: Any, **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        self.values.append((name, tuple(shape)))
        return name

    def add_convolution(self, x: str, shape: Shape) -> None:
        if len(shape) != 4:
            return
        size, stride, wide = self.pick(1, 3, 5), self.pick(1, 1, 2), self.pick(1, 4, 8, 16, 24, 33)
        depthwise = self.rng.random() < 0.35
        groups = shape[1] if depthwise else 2 if shape[1] % 2 == wide % 2 == 0 and self.rng.random() < 0.3 else 1
        wide = shape[1] if depthwise else wide
        pad, dilation = self.within(0, size // 2), self.pick(1, 1, 2)
        image = [(side + 2 * pad - dilation * (size - 1) - 1) // stride + 1 for side in shape[2:]]
        if min(image) < 1:
            return
        inputs = [x, self.weights(wide, shape[1] // groups, size, size)]
        inputs += [self.weights(wide)] if self.rng.random() < 0.7 else []
        window = {"pads": [pad] * 4, "strides": [stride] * 2, "dilations": [dilation] * 2}
        self.node("Conv", inputs, (shape[0], wide, *image), group=groups, **window)

    def add_transposed_convolution(self, x: str, shape: Shape) -> None:
        if len(shape) == 4:
            wide = self.pick(4, 8, 9)
            doubled = (shape[0], wide, 2 * shape[2], 2 * shape[3])
            self.node("ConvTranspose", [x, self.weights(shape[1], wide, 2, 2)], doubled, strides=[2, 2])

    def add_pool(self, x: str, shape: Shape) -> None:
        if len(shape) != 4:
            return
        size, stride, pad = self.pick(2, 3), self.pick(1, 2), self.within(0, 1)
        if min(shape[2:]) + 2 * pad < size:
            return
        image = [(side + 2 * pad - size) // stride + 1 for side in shape[2:]]
        window = {"kernel_shape": [size] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
        self.node(self.pick("MaxPool", "AveragePool"), [x], (*shape[:2], *image), **window)

    def add_global_pool(self, x: str, shape: Shape) -> None:
        if len(shape) == 4:
            self.node(self.pick("GlobalAveragePool", "GlobalMaxPool"), [x], (*shape[:2], 1, 1))

    def add_squeeze_and_excitation(self, x: str, shape: Shape) -> None:
        if len(shape) == 4:
            mean = self.node("GlobalAveragePool", [x], (*shape[:2], 1, 1))
            mixed = self.node("Conv", [mean, self.weights(shape[1], shape[1], 1, 1)], (*shape[:2], 1, 1))
            self.node("Mul", [x, self.node("HardSigmoid", [mixed], (*shape[:2], 1, 1))], shape)

    def add_batch_normalization(self, x: str, shape: Shape) -> None:
        if len(shape) == 4:
            statistics = (1 + 0.2 * self.rng.random((4, shape[1]))).astype(np.float32)
            self.node("BatchNormalization", [x, *map(self.constant, statistics)], shape)

    def add_resize(self, x: str, shape: Shape) -> None:
        if len(shape) == 4:
            mode = self.pick("nearest", "linear")
            attributes = {"mode": mode, "coordinate_transformation_mode": self.pick("asymmetric", "half_pixel")}
            if mode == "nearest":
                attributes["nearest_mode"] = "floor"
            scales = self.constant(np.float32([1, 1, 2, 2]))
            self.node("Resize", [x, "", scales], (*shape[:2], 2 * shape[2], 2 * shape[3]), **attributes)

    def add_activation(self, x: str, shape: Shape) -> None:
        self.node(self.pick("Relu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh"), [x], shape)

    def add_clip(self, x: str, shape: Shape) -> None:
        self.node("Clip", [x, self.constant(np.float32(0)), self.constant(np.float32(6))], shape)

    def add_silu(self, x: str, shape: Shape) -> None:
        self.node("Mul", [x, self.node("Sigmoid", [x], shape)], shape)

    def add_gelu(self, x: str, shape: Shape) -> None:
        scaled = self.node("Div", [x, self.constant(np.float32(2**0.5))], shape)
        shifted = self.node("Add", [self.node("Erf", [scaled], shape), self.constant(np.float32(1))], shape)
        self.node("Mul", [self.node("Mul", [x, shifted], shape), self.constant(np.float32(0.5))], shape)

    def add_sum_of_two(self, x: str, shape: Shape) -> None:
        alike = [name for name, other in self.values if other == shape]
        self.node(self.pick("Add", "Mul", "Sub"), [x, self.pick(*alike)], shape)

    def add_constant_operand(self, x: str, shape: Shape) -> None:
        dims = [dim if self.rng.random() < 0.5 else 1 for dim in shape][self.within(0, len(shape)) :]
        operand = self.constant((1 + self.rng.random(dims)).astype(np.float32))
        self.node(self.pick("Add", "Mul", "Div", "Sub"), self.pick([x, operand], [x, operand]), shape)

    def add_matrix_product(self, x: str, shape: Shape) -> None:
        if len(shape) >= 2:
            wide = self.pick(1, 5, 16, 33)
            product = self.node("MatMul", [x, self.constant(self.matrix(shape[-1], wide))], (*shape[:-1], wide))
            if self.rng.random() < 0.6:
                self.node("Add", [product, self.weights(wide)], (*shape[:-1], wide))

    def matrix(self, rows: int, columns: int) -> np.ndarray:
        return (self.rng.standard_normal((rows, columns)) * rows**-0.5).astype(np.float32)

    def add_layer_normalization(self, x: str, shape: Shape) -> None:
        if shape and shape[-1] >= 4:
            self.node("LayerNormalization", [x, self.weights(shape[-1]), self.weights(shape[-1])], shape, axis=-1)

    def add_softmax(self, x: str, shape: Shape) -> None:
        if shape:
            self.node("Softmax", [x], shape, axis=self.within(0, len(shape) - 1))

    def add_reduction(self, x: str, shape: Shape) -> None:
        if shape:
            axis, keep = self.within(0, len(shape) - 1), self.within(0, 1)
            rest = [1 if k == axis else dim for k, dim in enumerate(shape) if keep or k != axis]
            self.node(self.pick("ReduceMean", "ReduceMax", "ReduceL2"), [x], rest, axes=[axis], keepdims=keep)

    def add_transpose(self, x: str, shape: Shape) -> None:
        order = [int(k) for k in self.rng.permutation(len(shape))]
        self.node("Transpose", [x], [shape[k] for k in order], perm=order)

    def add_reshape(self, x: str, shape: Shape) -> None:
        total = math.prod(shape)
        rows = self.pick(*[d for d in range(1, total + 1) if total % d == 0])
        self.node("Reshape", [x, self.constant(np.array([rows, -1]))], (rows, total // rows))

    def add_unsqueeze(self, x: str, shape: Shape) -> None:
        if len(shape) < 5:
            axis = self.within(0, len(shape))
            self.node("Unsqueeze", [x, self.constant(np.array([axis]))], (*shape[:axis], 1, *shape[axis:]))

    def add_concatenation(self, x: str, shape: Shape) -> None:
        if shape:
            axis = self.within(0, len(shape) - 1)
            others = [
                (name, other)
                for name, other in self.values
                if len(other) == len(shape) and all(k == axis or other[k] == shape[k] for k in range(len(shape)))
            ]
            name, other = self.pick(*others)
            joined = (*shape[:axis], shape[axis] + other[axis], *shape[axis + 1 :])
            self.node("Concat", [x, name], joined, axis=axis)

    def add_slice(self, x: str, shape: Shape) -> None:
        axis = self.within(0, len(shape) - 1) if shape else 0
        if shape and shape[axis] > 1:
            start = self.within(0, shape[axis] - 2)
            end = self.within(start + 1, shape[axis])
            places = [self.constant(np.array([place])) for place in (start, end, axis)]
            self.node("Slice", [x, *places], (*shape[:axis], end - start, *shape[axis + 1 :]))

    def add_pad(self, x: str, shape: Shape) -> None:
        if shape:
            pads = self.rng.integers(0, 3, (2, len(shape)))
            self.node("Pad", [x, self.constant(pads.reshape(-1))], np.add(shape, pads.sum(axis=0)).tolist())

    def finish(self) -> tuple[ModelProto, dict[str, np.ndarray]]:
        """The model, all that nobody reads and a few more being its outputs, and a feed."""
        read = {name for node in self.nodes for name in node.input}
        outputs = [name for name, _ in self.values[1:] if name not in read or self.rng.random() < 0.1]
        dims = self.pick(["N", self.image[1], "H", "W"], list(self.image))
        graph = helper.make_graph(
            self.nodes,
            "random",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            self.initializers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return model, {"x": self.rng.standard_normal(self.image, dtype=np.float32)}
