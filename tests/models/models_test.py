"""Whole models on Attune and on onnxruntime: the same answers at every optimization level."""

from typing import Any

import attune
import numpy as np
import onnx
import onnxruntime
import pytest
import zoo
from accuracy import TOLERANCE, distance
from onnx import numpy_helper

LEVELS = ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"]

# The inputs of each model: small, since eight sessions run them all, but with odd sizes and a batch among them.
SHAPES: dict[str, list[tuple[int, ...]]] = {
    "article_cnn": [(1, 200, 200, 1), (3, 200, 200, 1)],
    "mobilenet_v2": [(1, 3, 97, 131), (3, 3, 64, 64)],
    "resnet50": [(1, 3, 97, 131), (3, 3, 64, 64)],
    "squeezenet": [(1, 3, 224, 224)],
    "minilm": [(1, 37), (5, 12)],
    "ppocr_det": [(1, 3, 96, 160), (2, 3, 224, 96)],
    "ppocr_rec": [(1, 3, 48, 320), (3, 3, 48, 101)],
    "ppocr_cls": [(1, 3, 48, 192), (3, 3, 48, 192)],
    "densenet121": [(1, 3, 224, 224)],
    "inception_v2": [(1, 3, 224, 224)],
    "shufflenet": [(1, 3, 224, 224)],
    "detector": [(1, 3, 160, 192), (2, 3, 96, 128)],
    "unet": [(1, 3, 96, 128), (3, 3, 48, 80)],
    "squeeze_excite": [(1, 3, 97, 131), (3, 3, 64, 64)],
    "vision_transformer": [(1, 3, 224, 224), (3, 3, 224, 224)],
    "dilated_segmenter": [(1, 3, 97, 131), (2, 3, 65, 64)],
    "speech_encoder": [(1, 80, 101), (2, 80, 64)],
}


def make_session(engine: Any, model: Any, level: str = "ORT_ENABLE_ALL") -> Any:
    options = engine.SessionOptions()
    options.graph_optimization_level = getattr(engine.GraphOptimizationLevel, level)
    options.intra_op_num_threads = 2
    options.log_severity_level = 4
    return engine.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def compare(name: str, shapes: list[tuple[int, ...]], level: str) -> None:
    path = zoo.model_path(name)
    ours, reference = make_session(attune, path, level), make_session(onnxruntime, str(path), level)
    for seed, shape in enumerate(shapes):
        feed = zoo.feed(name, shape, seed)
        results = ours.run(None, feed)
        expected = reference.run(None, feed)
        assert len(results) == len(expected)
        for result, wanted in zip(results, expected, strict=True):
            assert np.ptp(wanted) > 0, "an output that says nothing"
            assert distance(result, wanted) <= TOLERANCE, (shape, level)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", SHAPES)
def test_agrees_with_onnxruntime(name: str, level: str) -> None:
    compare(name, SHAPES[name], level)


def test_vgg19_agrees_with_onnxruntime() -> None:
    """144 million weights: once is enough."""
    compare("vgg19", [(1, 3, 224, 224)], "ORT_ENABLE_ALL")


def swap_output_channels(weights: np.ndarray) -> np.ndarray:
    return weights[[1, 0, *range(2, len(weights))]]


def drop_a_tap(weights: np.ndarray) -> np.ndarray:
    changed = weights.copy()
    changed[len(weights) // 2, :, 0, 0] = 0
    return changed


def negate_an_output_channel(weights: np.ndarray) -> np.ndarray:
    changed = weights.copy()
    changed[-1] *= -1
    return changed


@pytest.mark.parametrize("change", [swap_output_channels, drop_a_tap, negate_an_output_channel])
@pytest.mark.parametrize("layer", [0, 1, -1], ids=["first layer", "second layer", "last layer"])
@pytest.mark.parametrize("name", ["article_cnn", "mobilenet_v2", "squeezenet"])
def test_the_measure_sees_a_small_change_of_weights(name: str, layer: int, change: Any) -> None:
    """The proof that the comparisons above can fail.

    A convolution of the model given to Attune alone is changed the way a defect of a kernel would change it, and the
    distance leaves the tolerance.
    """
    model = onnx.load(zoo.model_path(name))
    initializers = {initializer.name: initializer for initializer in model.graph.initializer}
    kernels = [
        initializers[node.input[1]]
        for node in model.graph.node
        if node.op_type == "Conv" and initializers[node.input[1]].dims[2] > 1
    ]
    weights = numpy_helper.to_array(kernels[layer])
    kernels[layer].CopyFrom(numpy_helper.from_array(change(weights), kernels[layer].name))
    assert not np.array_equal(numpy_helper.to_array(kernels[layer]), weights)

    feed = zoo.feed(name, SHAPES[name][0], 0)
    mutant = make_session(attune, model.SerializeToString()).run(None, feed)[0]
    expected = make_session(onnxruntime, str(zoo.model_path(name))).run(None, feed)[0]
    assert distance(mutant, expected) > TOLERANCE


def test_the_measure_sees_one_wrong_channel_among_a_thousand() -> None:
    reference = np.random.default_rng(0).standard_normal((1, 1000, 8, 8)).astype(np.float32)
    wrong = reference.copy()
    wrong[0, 500] = np.roll(wrong[0, 500], 1)
    assert distance(wrong, reference) > 0.1
    assert distance(reference + np.float32(1e-6), reference) < 1e-5
    assert distance(reference[:, :999], reference) == float("inf")
    assert distance(np.where(reference > 3, np.nan, reference), reference) == float("inf")
