"""Files cut short, scribbled on or lying about their data: an error each time, never a crash or a wild read."""

import random
from pathlib import Path
from typing import Any

import attune
import numpy as np
import onnx
import onnxruntime
import pytest
import tiny
from attune.capi import onnxruntime_pybind11_state as errors
from onnx import TensorProto, helper, numpy_helper

ATTUNE_ERRORS = (
    errors.Fail,
    errors.InvalidArgument,
    errors.InvalidGraph,
    errors.InvalidProtobuf,
    errors.NoSuchFile,
    errors.NotImplemented,
    errors.RuntimeException,
)
MODEL = tiny.convolutions()
FEED = {"input_1": np.random.default_rng(0).standard_normal((1, 40, 40, 1), dtype=np.float32)}


def survives(model: bytes) -> bool:
    """Whether the model loads and runs; a failure must be one of Attune's errors."""
    try:
        session = attune.InferenceSession(model)
        session.run(None, FEED)
    except (*ATTUNE_ERRORS, ValueError):
        return False
    return True


def test_a_model_cut_short_at_any_byte() -> None:
    # The weights are one long stretch of bytes; cutting within it differs only at its ends.
    cuts = [cut for cut in range(len(MODEL)) if cut < 700 or cut % 97 == 0 or cut > len(MODEL) - 700]
    assert survives(MODEL)
    assert sum(survives(MODEL[:cut]) for cut in cuts) < len(cuts) // 20


@pytest.mark.parametrize("seed", range(6))
def test_a_model_scribbled_on(seed: int) -> None:
    rng = random.Random(seed)
    outcomes = []
    for _ in range(150):
        model = bytearray(MODEL)
        for _ in range(rng.choice([1, 1, 2, 8])):
            # Half of the scribbles go where the structure is, at either end of the weights.
            place = rng.randrange(len(model)) if rng.random() < 0.5 else rng.randrange(-700, 700)
            model[place] = rng.choice([rng.randrange(256), 0, 1, 0x7F, 0x80, 0xFF])
        outcomes.append(survives(bytes(model)))
    assert True in outcomes, "a weight may change"
    assert False in outcomes, "the structure may not"


@pytest.mark.parametrize("seed", range(3))
def test_bytes_without_sense(seed: int) -> None:
    rng = random.Random(seed)
    for length in (1, 2, 10, 100, 1000, 10000):
        assert not survives(rng.randbytes(length))


def proto(*nodes: onnx.NodeProto, initializers: Any = (), inputs: Any = (), outputs: Any = ()) -> onnx.ModelProto:
    graph = helper.make_graph(list(nodes), "g", list(inputs), list(outputs), list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def add_weight(weight: onnx.TensorProto) -> onnx.ModelProto:
    """y = x + weight."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy")
    return proto(helper.make_node("Add", ["x", "w"], ["y"]), initializers=[weight], inputs=[x], outputs=[y])


@pytest.mark.parametrize(
    ("dims", "elements"),
    [
        ([4], 3),
        ([4], 5),
        ([-1], 3),
        ([2, -2], 4),
        ([1 << 62, 4], 4),
        ([1 << 32, 1 << 32], 4),
        ([1 << 63 - 1], 4),
        ([3] * 40, 3),
        ([0, 1 << 62], 4),
    ],
)
@pytest.mark.parametrize("raw", [True, False])
def test_a_weight_whose_shape_is_not_that_of_its_data(dims: list[int], elements: int, raw: bool) -> None:
    weight = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims)
    if raw:
        weight.raw_data = np.ones(elements, np.float32).tobytes()
    else:
        weight.float_data.extend([1.0] * elements)
    with pytest.raises(ATTUNE_ERRORS):
        attune.InferenceSession(add_weight(weight).SerializeToString())


@pytest.mark.parametrize("data_type", [0, 23, 99, 1000, TensorProto.COMPLEX64, TensorProto.STRING, TensorProto.INT4])
def test_a_weight_of_another_type(data_type: int) -> None:
    weight = onnx.TensorProto(name="w", data_type=data_type, dims=[4], raw_data=bytes(16))
    with pytest.raises(ATTUNE_ERRORS):
        attune.InferenceSession(add_weight(weight).SerializeToString())


@pytest.mark.parametrize(
    "attributes",
    [
        {"strides": [0, 0]},
        {"strides": [-1, 1]},
        {"strides": [1]},
        {"pads": [-5, 0, 0, 0]},
        {"pads": [1 << 62, 0, 1 << 62, 0]},
        {"pads": [1, 1]},
        {"dilations": [0, 1]},
        {"dilations": [1 << 40, 1]},
        {"group": 0},
        {"group": -1},
        {"group": 3},
        {"kernel_shape": [5, 5]},
        {"kernel_shape": [3, 3, 3]},
        {"auto_pad": "NONSENSE"},
    ],
    ids=str,
)
def test_a_convolution_with_impossible_attributes(attributes: dict[str, Any]) -> None:
    weight = numpy_helper.from_array(np.ones((4, 2, 3, 3), np.float32), "w")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, "H", "W"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    node = helper.make_node("Conv", ["x", "w"], ["y"], **attributes)
    model = proto(node, initializers=[weight], inputs=[x], outputs=[y])
    with pytest.raises(ATTUNE_ERRORS):
        attune.InferenceSession(model.SerializeToString()).run(None, {"x": np.ones((1, 2, 8, 8), np.float32)})


@pytest.mark.parametrize("shape", [(1, 2, 2, 8), (1, 3, 8, 8), (1, 2, 8), (1, 2, 8, 8, 8)])
def test_a_convolution_of_an_impossible_image(shape: tuple[int, ...]) -> None:
    """What onnxruntime computes, Attune computes; what onnxruntime refuses, Attune refuses."""
    weight = numpy_helper.from_array(np.ones((4, 2, 3, 3), np.float32), "w")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy")
    model = proto(helper.make_node("Conv", ["x", "w"], ["y"]), initializers=[weight], inputs=[x], outputs=[y])
    outcomes: list[Any] = []
    for interface in (attune, onnxruntime):
        session = interface.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        try:
            outcomes.append(session.run(None, {"x": np.ones(shape, np.float32)})[0].shape)
        except Exception:
            outcomes.append(None)
    assert outcomes[0] == outcomes[1]


class TestExternalData:
    """Weights in a file beside the model."""

    WEIGHT = np.arange(8, dtype=np.float32)

    def write(self, folder: Path, location: str, offset: int | None = 0, length: int | None = 32) -> Path:
        weight = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[8])
        weight.data_location = TensorProto.EXTERNAL
        entries = {"location": location, "offset": offset, "length": length}
        for key, value in entries.items():
            if value is not None:
                weight.external_data.add(key=key, value=str(value))
        path = folder / "model.onnx"
        path.write_bytes(add_weight(weight).SerializeToString())
        return path

    def run(self, path: Path) -> list[float]:
        return attune.InferenceSession(path).run(None, {"x": np.zeros(8, np.float32)})[0].tolist()

    @pytest.mark.parametrize("location", ["weights.bin", "./weights.bin", "deeper/weights.bin"])
    def test_in_the_folder(self, tmp_path: Path, location: str) -> None:
        (tmp_path / "deeper").mkdir()
        (tmp_path / location).write_bytes(self.WEIGHT.tobytes())
        assert self.run(self.write(tmp_path, location)) == self.WEIGHT.tolist()
        assert self.run(self.write(tmp_path, location, None, None)) == self.WEIGHT.tolist()

    def test_behind_other_data(self, tmp_path: Path) -> None:
        (tmp_path / "weights.bin").write_bytes(bytes(4097) + self.WEIGHT.tobytes() + bytes(3))
        assert self.run(self.write(tmp_path, "weights.bin", 4097)) == self.WEIGHT.tolist()

    @pytest.mark.parametrize("location", ["../weights.bin", "deeper/../../weights.bin", "ABSOLUTE", "link.bin", ""])
    def test_never_outside_the_folder(self, tmp_path: Path, location: str) -> None:
        """A model must not read the machine's files; a link out of the folder is a way out too."""
        outside, folder = tmp_path / "weights.bin", tmp_path / "model"
        outside.write_bytes(self.WEIGHT.tobytes())
        (folder / "deeper").mkdir(parents=True)
        (folder / "link.bin").symlink_to(outside)
        with pytest.raises(ATTUNE_ERRORS):
            attune.InferenceSession(self.write(folder, str(outside) if location == "ABSOLUTE" else location))

    @pytest.mark.parametrize(
        ("offset", "length"),
        [(0, 31), (0, 33), (1, 32), (32, 0), (-1, 32), (0, -32), (1 << 63, 32), (1 << 62, 32), ("x", 32), (0, "")],
    )
    def test_a_wrong_place_in_the_file(self, tmp_path: Path, offset: Any, length: Any) -> None:
        (tmp_path / "weights.bin").write_bytes(self.WEIGHT.tobytes())
        with pytest.raises(ATTUNE_ERRORS):
            attune.InferenceSession(self.write(tmp_path, "weights.bin", offset, length))

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ATTUNE_ERRORS, match=r"weights\.bin"):
            attune.InferenceSession(self.write(tmp_path, "weights.bin"))

    def test_a_model_given_as_bytes_has_no_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As with onnxruntime its data is looked for in the working folder, or nowhere; it must not crash."""
        monkeypatch.chdir(tmp_path)
        model = self.write(tmp_path, "weights.bin").read_bytes()
        with pytest.raises(ATTUNE_ERRORS):
            attune.InferenceSession(model)
