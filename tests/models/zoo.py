"""The models that tests and benchmarks run: public topologies with seeded random weights, PP-OCR with its real ones.

`model_path(name)` writes a model at its first use, into build/models, and gives its path. Random weights are scaled so
that a signal keeps its variance over the depth of the network: an output that says nothing would hide every error.
"""

import functools
import hashlib
import importlib.util
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from architectures import (
    detector,
    dilated_segmenter,
    speech_encoder,
    squeeze_excite,
    text_recogniser,
    unet,
    vision_transformer,
)
from net import Net
from onnx import TensorProto, numpy_helper

FOLDER = Path(os.environ.get("ATTUNE_MODELS", Path(__file__).parents[2] / "build" / "models"))


def article_cnn() -> onnx.ModelProto:
    """Stands in for the model of the article that measures what an arena costs: 2 MB, images of 200x200x1, NHWC."""
    net = Net(11)
    x, channels = net("Transpose", "input_1", perm=[0, 3, 1, 2]), 1
    for stage, widths in enumerate([(32, 32, 64, 64), (64, 64, 128), (128, 128)]):
        if stage > 0:
            x = net("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
        for width in widths:
            x, channels = net.unit(x, channels, width, 3), width
    net("Softmax", net.classifier(x, channels, 10), axis=-1, output="predictions")
    return net.finish({"input_1": (TensorProto.FLOAT, ["N", 200, 200, 1])}, {"predictions": ["N", 10]})


def mobilenet_v2() -> onnx.ModelProto:
    """Sandler et al., MobileNetV2, table 2."""
    net = Net(12)
    x, channels = net.unit("input", 3, 32, 3, 2, act="Relu6"), 32
    table = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for expansion, width, repeats, first_stride in table:
        for stride in [first_stride] + [1] * (repeats - 1):
            wide = channels * expansion
            y = net.unit(x, channels, wide, 1, act="Relu6") if expansion > 1 else x
            y = net.unit(y, wide, wide, 3, stride, groups=wide, act="Relu6")
            y = net.unit(y, wide, width, 1, act="")
            x = net("Add", x, y) if stride == 1 and channels == width else y
            channels = width
    net.classifier(net.unit(x, channels, 1280, 1, act="Relu6"), 1280, 1000, output="output")
    return net.finish({"input": (TensorProto.FLOAT, ["N", 3, "H", "W"])}, {"output": ["N", 1000]})


def resnet50() -> onnx.ModelProto:
    """He et al., Deep Residual Learning, table 1; the stride is in the 3x3 convolution, as in torchvision."""
    net = Net(13)
    x = net("MaxPool", net.unit("input", 3, 64, 7, 2), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = 64
    for width, repeats in [(64, 3), (128, 4), (256, 6), (512, 3)]:
        for block in range(repeats):
            stride = 2 if block == 0 and width > 64 else 1
            y = net.unit(net.unit(x, channels, width, 1), width, width, 3, stride)
            y = net.unit(y, width, 4 * width, 1, act="")
            if block == 0:
                x = net.unit(x, channels, 4 * width, 1, stride, act="")
            x, channels = net("Relu", net("Add", y, x)), 4 * width
    net.classifier(x, channels, 1000, output="output")
    return net.finish({"input": (TensorProto.FLOAT, ["N", 3, "H", "W"])}, {"output": ["N", 1000]})


def bert(layers: int, width: int, heads: int, hidden: int, words: int, positions: int = 512) -> onnx.ModelProto:
    """An encoder as PyTorch's exporter wrote it: LayerNorm, GELU and attention in pieces, batch and length symbolic."""
    net = Net(14)

    def layer_norm(x: str) -> str:
        centered = net("Sub", x, net("ReduceMean", x, axes=[-1]))
        variance = net("ReduceMean", net("Pow", centered, np.float32(2)), axes=[-1])
        normal = net("Div", centered, net("Sqrt", net("Add", variance, np.float32(1e-12))))
        scale = (1 + net.normal(width, deviation=0.1)).astype(np.float32)
        return net("Add", net("Mul", normal, scale), net.normal(width, deviation=0.05))

    def gelu(x: str) -> str:
        y = net("Add", net("Erf", net("Div", x, np.float32(2**0.5))), np.float32(1))
        return net("Mul", net("Mul", x, y), np.float32(0.5))

    def split_heads(x: str, perm: list[int]) -> str:
        return net("Transpose", net("Reshape", x, np.array([0, -1, heads, width // heads])), perm=perm)

    first = np.array([0])
    length = net("Unsqueeze", net("Gather", net("Shape", "input_ids"), np.int64(1), axis=0), first)
    position = net("Slice", net.normal(positions, width, deviation=0.3), first, length, first)
    x = layer_norm(net("Add", net("Gather", net.normal(words, width, deviation=1), "input_ids"), position))
    seen = net("Unsqueeze", net("Cast", "attention_mask", to=TensorProto.FLOAT), np.array([1, 2]))
    mask = net("Mul", net("Sub", np.float32(1), seen), np.float32(-3.4e38))
    for _ in range(layers):
        q, k, v = (split_heads(net.linear(x, width, width), p) for p in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]))
        scores = net("Add", net("Div", net("MatMul", q, k), np.float32((width // heads) ** 0.5)), mask)
        y = net("Transpose", net("MatMul", net("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        x = layer_norm(net("Add", net.linear(net("Reshape", y, np.array([0, -1, width])), width, width), x))
        x = layer_norm(net("Add", net.linear(gelu(net.linear(x, width, hidden)), hidden, width), x))
    net("Identity", x, output="last_hidden_state")
    ids = (TensorProto.INT64, ["batch", "length"])
    return net.finish({"input_ids": ids, "attention_mask": ids}, {"last_hidden_state": ["batch", "length", width]})


def light(name: str, last_gain: float = 0.8) -> onnx.ModelProto:
    """A topology that the onnx package ships. Its weights, each made by ConstantOfShape and all alike, become random.

    `last_gain`, of the variance in the last layer before the softmax, is to make its logits' spread about 2, far from a
    one-hot answer.
    """
    model = onnx.load(_package("onnx") / "backend" / "test" / "data" / "light" / f"light_{name}.onnx")
    graph, rng = model.graph, np.random.default_rng(15)
    initializers = {i.name: i for i in graph.initializer}
    consumers = {value: (node, place) for node in graph.node for place, value in enumerate(node.input)}
    last = next(node for node in reversed(graph.node) if node.op_type in ("Conv", "Gemm"))
    constants = [node for node in graph.node if node.op_type == "ConstantOfShape"]
    for node in constants:
        shape = numpy_helper.to_array(initializers[node.input[0]])
        consumer, place = consumers[node.output[0]]
        while consumer.op_type == "Unsqueeze":
            consumer, place = consumers[consumer.output[0]]
        if consumer.op_type == "Mul" or (consumer.op_type == "BatchNormalization" and place in (1, 4)):
            weights = 1 + 0.2 * rng.random(shape, dtype=np.float32)  # factors and variances
        else:
            gain = 1 if len(shape) == 1 else (last_gain if consumer is last else 2)
            deviation = 0.02 if len(shape) == 1 else (gain / np.prod(shape[1:])) ** 0.5
            weights = rng.standard_normal(shape, dtype=np.float32) * np.float32(deviation)
        graph.initializer.append(numpy_helper.from_array(weights, node.output[0]))
        graph.node.remove(node)
    for name_of_shape in {node.input[0] for node in constants}:
        graph.initializer.remove(initializers[name_of_shape])
        for listed in [i for i in graph.input if i.name == name_of_shape]:
            graph.input.remove(listed)
    return model


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


MODELS: dict[str, Callable[[], onnx.ModelProto]] = {
    "article_cnn": article_cnn,
    "mobilenet_v2": mobilenet_v2,
    "resnet50": resnet50,
    "minilm": functools.partial(bert, 6, 384, 12, 1536, 30522),
    "squeezenet": functools.partial(light, "squeezenet"),
    "vgg19": functools.partial(light, "vgg19"),
    "densenet121": functools.partial(light, "densenet121"),
    "inception_v2": functools.partial(light, "inception_v2", last_gain=7e-3),
    "shufflenet": functools.partial(light, "shufflenet", last_gain=7e-12),
    "detector": detector,
    "unet": unet,
    "squeeze_excite": squeeze_excite,
    "vision_transformer": vision_transformer,
    "dilated_segmenter": dilated_segmenter,
    "speech_encoder": speech_encoder,
    "text_recogniser": text_recogniser,
}
PP_OCR = {
    "ppocr_det": "PP-OCRv6_det_small.onnx",
    "ppocr_rec": "PP-OCRv6_rec_small.onnx",
    "ppocr_cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
}


@functools.cache
def model_path(name: str) -> Path:
    """The file of a model of MODELS or PP_OCR, written at first use and again whenever its making has changed."""
    if name in PP_OCR:
        return _package("rapidocr") / "models" / PP_OCR[name]
    sources = [Path(__file__).with_name(f"{module}.py") for module in ("zoo", "net", "architectures")]
    edition = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    folder = FOLDER / edition
    path = folder / f"{name}.onnx"
    if not path.exists():
        for other in FOLDER.glob("*") if FOLDER.exists() else ():
            if other != folder:
                shutil.rmtree(other)
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        onnx.save(MODELS[name](), unfinished)
        unfinished.rename(path)
    return path


def picture(shape: tuple[int, ...], seed: int, channels_last: bool = False) -> np.ndarray:
    """Coarse patches under fine noise, so that even an average over the whole picture depends on what it shows."""
    rng = np.random.default_rng(seed)
    axes = (1, 2) if channels_last else (2, 3)
    coarse = rng.standard_normal([-(-n // 16) if axis in axes else n for axis, n in enumerate(shape)])
    for axis in axes:
        coarse = np.repeat(coarse, 16, axis).take(range(shape[axis]), axis)
    return (coarse + 0.2 * rng.standard_normal(shape)).astype(np.float32)


def page(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """White with dark lines of something like letters, from -1 to 1: a text detector finds text in it.

    On noise it finds none, and its probabilities are so small that onnxruntime's sigmoid is too coarse to compare with.
    """
    rng = np.random.default_rng(seed)
    images, _, height, width = shape
    result = np.ones(shape, np.float32)
    for image in range(images):
        for top in range(8, height - 24, 40):
            left, right = 12, width - rng.integers(12, width // 2)
            strokes = rng.random((6, (right - left) // 3)) < 0.5
            strokes[:, ::4] = False  # between letters
            ink = np.kron(strokes, np.ones((4, 3), bool))
            result[image, :, top : top + 24, left : left + ink.shape[1]][:, ink] = -0.9
    return result + rng.normal(0, 0.01, shape).astype(np.float32)


def feed(name: str, shape: tuple[int, ...], seed: int) -> dict[str, np.ndarray]:
    """An input of the model: pictures, pages, or words, the last few of each odd row masked."""
    if name == "minilm":
        mask = np.ones(shape, np.int64)
        mask[1::2, shape[1] - shape[1] // 4 :] = 0
        return {"input_ids": np.random.default_rng(seed).integers(0, 30522, shape), "attention_mask": mask}
    if name == "ppocr_det":
        return {"x": page(shape, seed)}
    if name == "speech_encoder":
        return {"input": np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)}
    inputs = {"article_cnn": "input_1", "shufflenet": "gpu_0/data_0", **dict.fromkeys(PP_OCR, "x")}
    inputs.update(dict.fromkeys(("squeezenet", "vgg19", "densenet121", "inception_v2"), "data_0"))
    return {inputs.get(name, "input"): picture(shape, seed, channels_last=name == "article_cnn")}
