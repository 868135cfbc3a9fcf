"""Families of networks that people deploy, small but in their own proportions: what a detector, a segmenter, a vision
transformer, a recogniser or a speech encoder asks of an engine that the classifiers of zoo.py do not."""

import numpy as np
import onnx
from net import Net
from onnx import TensorProto

IMAGES = {"input": (TensorProto.FLOAT, ["N", 3, "H", "W"])}


def _gelu(net: Net, x: str) -> str:
    y = net("Add", net("Erf", net("Div", x, np.float32(2**0.5))), np.float32(1))
    return net("Mul", net("Mul", x, y), np.float32(0.5))


def _layer_norm(net: Net, x: str, width: int) -> str:
    scale = (1 + net.normal(width, deviation=0.1)).astype(np.float32)
    return net("LayerNormalization", x, scale, net.normal(width, deviation=0.05), axis=-1, epsilon=1e-6)


def _self_attention(net: Net, x: str, width: int, heads: int) -> str:
    """As timm and torch.nn.MultiheadAttention are exported: one product for q, k and v, cut apart afterwards."""
    qkv = net("Reshape", net.linear(x, width, 3 * width), np.array([0, -1, 3, heads, width // heads]))
    qkv = net("Transpose", qkv, perm=[2, 0, 3, 1, 4])
    q, k, v = (net("Gather", qkv, np.int64(i), axis=0) for i in range(3))
    q = net("Mul", q, np.float32((width // heads) ** -0.5))
    scores = net("Softmax", net("MatMul", q, net("Transpose", k, perm=[0, 1, 3, 2])), axis=-1)
    y = net("Transpose", net("MatMul", scores, v), perm=[0, 2, 1, 3])
    return net.linear(net("Reshape", y, np.array([0, -1, width])), width, width)


def _encoder_layer(net: Net, x: str, width: int, heads: int) -> str:
    x = net("Add", x, _self_attention(net, _layer_norm(net, x, width), width, heads))
    y = _gelu(net, net.linear(_layer_norm(net, x, width), width, 4 * width))
    return net("Add", x, net.linear(y, 4 * width, width))


def detector() -> onnx.ModelProto:
    """A one-stage detector in the manner of YOLOv8n: SiLU, split and concatenated bottlenecks, pooled context, two
    scales joined by nearest Resize, a head whose boxes are an expectation over bins."""
    net = Net(21)

    def block(x: str, cin: int, cout: int, repeats: int, shortcut: bool = True) -> str:
        half = cout // 2
        parts = net.split(net.unit(x, cin, cout, 1, act="SiLU"), 2, axis=1)
        for _ in range(repeats):
            y = net.unit(net.unit(parts[-1], half, half, 3, act="SiLU"), half, half, 3, act="SiLU")
            parts.append(net("Add", parts[-1], y) if shortcut else y)
        return net.unit(net("Concat", *parts, axis=1), half * (2 + repeats), cout, 1, act="SiLU")

    x = net.unit(net.unit("input", 3, 16, 3, 2, act="SiLU"), 16, 32, 3, 2, act="SiLU")
    x = net.unit(block(x, 32, 32, 1), 32, 64, 3, 2, act="SiLU")
    fine = block(x, 64, 64, 2)
    middle = block(net.unit(fine, 64, 128, 3, 2, act="SiLU"), 128, 128, 2)
    x = block(net.unit(middle, 128, 256, 3, 2, act="SiLU"), 256, 256, 1)
    pooled = [net.unit(x, 256, 128, 1, act="SiLU")]
    for _ in range(3):
        pooled.append(net("MaxPool", pooled[-1], kernel_shape=[5, 5], strides=[1, 1], pads=[2] * 4))
    coarse = net.unit(net("Concat", *pooled, axis=1), 512, 256, 1, act="SiLU")

    def upsample(x: str) -> str:
        scales = np.array([1, 1, 2, 2], np.float32)
        return net(
            "Resize", x, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
        )

    middle = block(net("Concat", upsample(coarse), middle, axis=1), 384, 128, 1, shortcut=False)
    fine = block(net("Concat", upsample(middle), fine, axis=1), 192, 64, 1, shortcut=False)
    heads = []
    for feature, channels in ((fine, 64), (middle, 128), (coarse, 256)):
        boxes = net.unit(net.unit(feature, channels, 64, 3, act="SiLU"), 64, 64, 3, act="SiLU")
        classes = net.unit(net.unit(feature, channels, 80, 3, act="SiLU"), 80, 80, 3, act="SiLU")
        both = net("Concat", net.conv(boxes, 64, 64, 1), net.conv(classes, 80, 80, 1), axis=1)
        heads.append(net("Reshape", both, np.array([0, 144, -1])))
    boxes, classes = net.split(net("Concat", *heads, axis=2), [64, 80], axis=1)
    bins = net("Transpose", net("Reshape", boxes, np.array([0, 4, 16, -1])), perm=[0, 2, 1, 3])
    weights = np.arange(16, dtype=np.float32).reshape(1, 16, 1, 1)
    distances = net("Reshape", net("Conv", net("Softmax", bins, axis=1), weights), np.array([0, 4, -1]))
    net("Concat", distances, net("Sigmoid", classes), axis=1, output="output")
    return net.finish(IMAGES, {"output": ["N", 84, "boxes"]})


def unet() -> onnx.ModelProto:
    """Ronneberger et al., U-Net, with a quarter of the channels: upsampling by ConvTranspose, skips by Concat."""
    net = Net(22)
    x, channels, skips = "input", 3, []
    for width in (16, 32, 64, 128):
        x = net.unit(net.unit(x, channels, width, 3), width, width, 3)
        skips.append((x, width))
        x, channels = net("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), width
    x, channels = net.unit(net.unit(x, 128, 256, 3), 256, 256, 3), 256
    for skip, width in reversed(skips):
        kernel = net.normal(channels, width, 2, 2, deviation=channels**-0.5)
        x = net("ConvTranspose", x, kernel, net.normal(width, deviation=0.02), kernel_shape=[2, 2], strides=[2, 2])
        x = net.unit(net.unit(net("Concat", skip, x, axis=1), 2 * width, width, 3), width, width, 3)
        channels = width
    net("Sigmoid", net.conv(x, 16, 1, 1), output="output")
    return net.finish(IMAGES, {"output": ["N", 1, "H", "W"]})


def squeeze_excite() -> onnx.ModelProto:
    """Inverted bottlenecks with squeeze-and-excitation in the manner of EfficientNet-B0 (SiLU) and, in the second half,
    MobileNetV3 (HardSwish and HardSigmoid), kernels of 3 and 5."""
    net = Net(23)
    x, channels = net.unit("input", 3, 32, 3, 2, act="SiLU"), 32
    table = [
        (1, 16, 1, 1, 3),
        (6, 24, 2, 2, 3),
        (6, 40, 2, 2, 5),
        (6, 80, 3, 2, 3),
        (6, 112, 2, 1, 5),
        (6, 192, 2, 2, 5),
    ]
    for stage, (expansion, width, repeats, first_stride, size) in enumerate(table):
        act, gate = ("SiLU", "Sigmoid") if stage < 3 else ("HardSwish", "HardSigmoid")
        for stride in [first_stride] + [1] * (repeats - 1):
            wide, squeezed = channels * expansion, max(channels // 4, 8)
            y = net.unit(x, channels, wide, 1, act=act) if expansion > 1 else x
            y = net.unit(y, wide, wide, size, stride, groups=wide, act=act)
            squeeze = net("Relu", net.conv(net("GlobalAveragePool", y), wide, squeezed, 1))
            y = net("Mul", y, net(gate, net.conv(squeeze, squeezed, wide, 1)))
            y = net.unit(y, wide, width, 1, act="")
            x = net("Add", x, y) if stride == 1 and channels == width else y
            channels = width
    net.classifier(net.unit(x, channels, 640, 1, act="HardSwish"), 640, 100, output="output")
    return net.finish(IMAGES, {"output": ["N", 100]})


def vision_transformer() -> onnx.ModelProto:
    """Dosovitskiy et al., ViT: patches of 16, a class token, pre-norm layers; the width of ViT-Tiny, six layers."""
    net = Net(24)
    width, heads = 192, 3
    patches = net("Conv", "input", net.normal(width, 3, 16, 16, deviation=768**-0.5), strides=[16, 16])
    x = net("Transpose", net("Reshape", patches, np.array([0, width, -1])), perm=[0, 2, 1])
    shape = net("Concat", net("Shape", "input", end=1), np.array([1, width]), axis=0)
    token = net("Expand", net.normal(1, 1, width, deviation=0.5), shape)
    x = net("Add", net("Concat", token, x, axis=1), net.normal(1, 197, width, deviation=0.3))
    for _ in range(6):
        x = _encoder_layer(net, x, width, heads)
    token = net("Gather", _layer_norm(net, x, width), np.int64(0), axis=1)
    weights = net.normal(width, 1000, deviation=width**-0.5)
    net("Gemm", token, weights, net.normal(1000, deviation=0.1), output="output")
    return net.finish({"input": (TensorProto.FLOAT, ["N", 3, 224, 224])}, {"output": ["N", 1000]})


def dilated_segmenter() -> onnx.ModelProto:
    """Chen et al., DeepLabv3: residual blocks whose last stages dilate instead of striding, context at several rates
    and from the whole picture, bilinear Resize back to the input's size."""
    net = Net(25)
    x = net("MaxPool", net.unit("input", 3, 32, 7, 2), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = 32
    for width, repeats, stride, dilation in [(32, 2, 1, 1), (64, 2, 2, 1), (128, 2, 1, 2), (256, 2, 1, 4)]:
        for block in range(repeats):
            s = stride if block == 0 else 1
            y = net.unit(x, channels, width, 3, s, dilation=1 if s == 2 else dilation)
            y = net.unit(y, width, width, 3, act="", dilation=dilation)
            if channels != width:
                x = net.unit(x, channels, width, 1, s, act="")
            x, channels = net("Relu", net("Add", y, x)), width
    parts = [net.unit(x, 256, 64, 1), *(net.unit(x, 256, 64, 3, dilation=rate) for rate in (6, 12, 18))]
    spatial = net("Shape", x, start=2)
    pooled = net.unit(net("GlobalAveragePool", x), 256, 64, 1)
    sizes = net("Concat", net("Shape", pooled, end=2), spatial, axis=0)
    linear = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    parts.append(net("Resize", pooled, "", "", sizes, **linear))
    x = net.conv(net.unit(net("Concat", *parts, axis=1), 320, 64, 1), 64, 21, 1)
    sizes = net("Concat", net("Shape", x, end=2), net("Shape", "input", start=2), axis=0)
    net("Softmax", net("Resize", x, "", "", sizes, **linear), axis=1, output="output")
    return net.finish(IMAGES, {"output": ["N", 21, "H", "W"]})


def speech_encoder() -> onnx.ModelProto:
    """The encoder of Radford et al., Whisper, at the width of its smallest model: two convolutions along time over 80
    mel bands, four pre-norm layers."""
    net = Net(26)
    width = 384
    x = _gelu(
        net,
        net(
            "Conv",
            "input",
            net.normal(width, 80, 3, deviation=240**-0.5),
            net.normal(width, deviation=0.02),
            pads=[1, 1],
        ),
    )
    kernel = net.normal(width, width, 3, deviation=(3 * width) ** -0.5)
    x = _gelu(net, net("Conv", x, kernel, net.normal(width, deviation=0.02), strides=[2], pads=[1, 1]))
    x = net("Transpose", x, perm=[0, 2, 1])
    length = net("Shape", x, start=1, end=2)
    zero = np.array([0])
    x = net("Add", x, net("Slice", net.normal(1500, width, deviation=0.3), zero, length, zero))
    for _ in range(4):
        x = _encoder_layer(net, x, width, 6)
    net("Identity", _layer_norm(net, x, width), output="output")
    return net.finish({"input": (TensorProto.FLOAT, ["N", 80, "T"])}, {"output": ["N", "frames", width]})


def text_recogniser() -> onnx.ModelProto:
    """Shi et al., CRNN: convolutions that shrink a line of text to one row, then bidirectional GRU and LSTM on it."""
    net = Net(27)
    x, channels = "input", 3
    for width, pool in [(32, [2, 2]), (64, [2, 2]), (128, [2, 1]), (128, [2, 1])]:
        x = net.unit(net.unit(x, channels, width, 3), width, width, 3)
        x, channels = net("MaxPool", x, kernel_shape=pool, strides=pool), width
    x = net.unit(x, 128, 128, 3)
    x = net("Squeeze", net("AveragePool", x, kernel_shape=[2, 1]), np.array([2]))
    x = net("Transpose", x, perm=[2, 0, 1])
    hidden = 96
    for cell, gates in (("GRU", 3), ("LSTM", 4)):
        fan_in = channels if cell == "GRU" else 2 * hidden
        weights = net.normal(2, gates * hidden, fan_in, deviation=fan_in**-0.5)
        recurrence = net.normal(2, gates * hidden, hidden, deviation=hidden**-0.5)
        bias = net.normal(2, 2 * gates * hidden, deviation=0.1)
        more = {"linear_before_reset": 1} if cell == "GRU" else {}
        x = net(cell, x, weights, recurrence, bias, hidden_size=hidden, direction="bidirectional", **more)
        x = net("Reshape", net("Transpose", x, perm=[0, 2, 1, 3]), np.array([0, 0, -1]))
    net("Softmax", net("Mul", net.linear(x, 2 * hidden, 97), np.float32(4)), axis=-1, output="output")
    return net.finish({"input": (TensorProto.FLOAT, ["N", 3, 32, "W"])}, {"output": ["T", "N", 97]})
