"""Attune knows of every value what the onnx package's shape inference knows."""

import onnx
import pytest
import shape_inference
import zoo

pytestmark = pytest.mark.skipif(not shape_inference.COMMAND.exists(), reason=f"{shape_inference.COMMAND} is not built")

# Beginnings of the names of the suite's models of whose values onnx claims more, and why Attune does not.
CLAIMS = {
    "test_col2im_": "a target of unknown length is taken for that of an image",
    "test_linear_attention_": "sizes of a Scan's state are not followed",
    "test_scan": "sizes of a Scan's state and scanned outputs are not followed",
    "test_optional_get_element_": "an optional does not keep the shape of what it may hold",
}


def test_the_backend_suite() -> None:
    lost = shape_inference.losses_of_all(shape_inference.suite_models())
    assert not {name: values for name, values in lost.items() if not name.startswith(tuple(CLAIMS))}


@pytest.mark.parametrize("name", ["minilm", "mobilenet_v2", *zoo.PP_OCR])
def test_models(name: str) -> None:
    assert not shape_inference.losses_of_all([(name, onnx.load(zoo.model_path(name)))])


def test_what_is_not_known_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> tiny (float[N,3] x) => (float[N,3] y) { y = Relu(x) }'
    )
    assert not shape_inference.losses_of_all([("tiny", model)])
    for shape, lost in ((["?4", 3], 1), (None, 1), (["N", 3], 0), (["N", 4], 1)):
        monkeypatch.setattr(shape_inference, "known_to_attune", lambda path, s=shape: {"y": ("tensor(float)", s)})
        assert len(shape_inference.losses_of_all([("tiny", model)])) == lost, shape
