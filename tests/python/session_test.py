"""InferenceSession: what it takes, what it tells of the model, what it gives back."""

import gc
import os
import warnings
from pathlib import Path
from typing import Any

import attune
import numpy as np
import onnx
import onnxruntime
import pytest
import tiny
from onnx import helper

X = np.arange(6, dtype=np.float32).reshape(2, 3)
Y = X @ np.arange(1, 7, dtype=np.float32).reshape(3, 2)


@pytest.fixture
def session() -> attune.InferenceSession:
    return attune.InferenceSession(tiny.matmul())


class Located:
    """A path that is no str."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


def test_a_model_comes_from_a_path_or_from_bytes(tmp_path: Path) -> None:
    path = tmp_path / "模型.onnx"
    path.write_bytes(tiny.matmul())
    for model in (str(path), path, Located(path), tiny.matmul()):
        assert np.array_equal(attune.InferenceSession(model).run(None, {"X": X})[0], Y)
    assert np.array_equal(attune.InferenceSession(str(path), None).run(None, {"X": X})[0], Y)
    assert np.array_equal(attune.InferenceSession(path_or_bytes=path, sess_options=None).run(None, {"X": X})[0], Y)


@pytest.mark.parametrize("model", [None, 3, bytearray(tiny.matmul()), memoryview(tiny.matmul())])
def test_anything_else_is_a_type_error_as_in_onnxruntime(model: Any) -> None:
    for interface in (attune, onnxruntime):
        with pytest.raises(TypeError, match=r"^Unable to load from type '<class"):
            interface.InferenceSession(model)


def test_the_file_may_go_while_the_session_stays(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny.matmul())
    session = attune.InferenceSession(path)
    path.unlink()
    assert np.array_equal(session.run(None, {"X": X})[0], Y)


def test_wrong_options_are_a_type_error() -> None:
    for interface in (attune, onnxruntime):
        with pytest.raises(TypeError):
            interface.InferenceSession(tiny.matmul(), 3)


def test_inputs_and_outputs_are_described_as_in_onnxruntime() -> None:
    kinds = "(float[N,3] a, int64[] b, bool[2] c, float16[M,?] d, string[N] e, double[N] f, uint8[N] g)"
    names = "abcdefg"
    body = "\n".join(f"{name}2 = Identity({name})" for name in names)
    outputs = ", ".join(f"{kind}2" for kind in kinds.strip("()").split(", "))
    model = tiny.model(f"{kinds} => ({outputs}) {{ {body} }}")
    ours = attune.InferenceSession(model)
    reference = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for mine, theirs in ((ours.get_inputs(), reference.get_inputs()), (ours.get_outputs(), reference.get_outputs())):
        assert [(v.name, v.type, v.shape) for v in mine] == [(v.name, v.type, v.shape) for v in theirs]
    assert ours.get_overridable_initializers() == []


def test_what_the_model_says_of_itself() -> None:
    model = onnx.load_from_string(tiny.matmul())
    model.producer_name, model.domain, model.model_version = "press", "org.example", 7
    model.doc_string, model.graph.doc_string = "about", "about the graph"
    helper.set_model_props(model, {"character": "a\nb\n中", "empty": ""})
    ours = attune.InferenceSession(model.SerializeToString()).get_modelmeta()
    reference = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    ).get_modelmeta()
    for name in ("producer_name", "graph_name", "graph_description", "domain", "description", "version"):
        assert getattr(ours, name) == getattr(reference, name), name
    assert ours.custom_metadata_map == reference.custom_metadata_map


def test_the_module_says_what_onnxruntime_says() -> None:
    assert attune.get_device() == onnxruntime.get_device()
    assert "CPUExecutionProvider" in attune.get_available_providers()
    assert set(onnxruntime.get_all_providers()) <= set(attune.get_all_providers())
    assert attune.get_version_string() == attune.__version__
    attune.set_seed(1)
    attune.disable_telemetry_events()
    attune.enable_telemetry_events()


@pytest.mark.parametrize(
    "providers",
    [
        None,
        [],
        ["CPUExecutionProvider"],
        [("CPUExecutionProvider", {"arena_extend_strategy": "kSameAsRequested"})],
    ],
)
def test_the_cpu_is_the_provider(providers: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        session = attune.InferenceSession(tiny.matmul(), providers=providers)
        session.set_providers(["CPUExecutionProvider"])
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert session.get_provider_options() == {"CPUExecutionProvider": {}}


def test_an_absent_provider_warns_and_the_cpu_does_the_work() -> None:
    wanted = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    with pytest.warns(UserWarning, match="Specified provider 'CUDAExecutionProvider' is not in available") as caught:
        session = attune.InferenceSession(tiny.matmul(), providers=wanted)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert session.get_providers() == ["CPUExecutionProvider"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"providers": ["Foo"]}, RuntimeError),
        ({"providers": [1]}, ValueError),
        ({"providers": [("CPUExecutionProvider",)]}, ValueError),
        ({"providers": [("CPUExecutionProvider", "x")]}, ValueError),
        ({"providers": ["CPUExecutionProvider"], "provider_options": [{}, {}]}, ValueError),
    ],
)
def test_malformed_providers_are_refused(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        attune.InferenceSession(tiny.matmul(), **arguments)


def test_outputs_are_chosen_by_name() -> None:
    model = tiny.model("(float[N] x) => (float[N] a, float[N] b) { a = Neg(x)\n b = Add(x, x) }")
    session = attune.InferenceSession(model)
    feed = {"x": np.float32([1, 2])}
    everything = [[-1, -2], [2, 4]]
    assert [o.tolist() for o in session.run(None, feed)] == everything
    assert [o.tolist() for o in session.run([], feed)] == everything
    assert [o.tolist() for o in session.run(["b", "a"], feed)] == everything[::-1]
    assert [o.tolist() for o in session.run(("b",), feed)] == everything[1:]
    assert [o.tolist() for o in session.run(["b", "b"], feed)] == [everything[1]] * 2
    with pytest.raises(TypeError):
        session.run("ab", feed)


@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(X),
        np.repeat(X, 2, axis=1)[:, ::2],
        X[::-1][::-1],
        X.astype(">f4"),
        np.broadcast_to(np.float32([0, 1, 2]), (2, 3)),
        X.tolist(),
        [row.tolist() for row in X],
        [*X],
    ],
    ids=[
        "Fortran order",
        "strided",
        "negative strides",
        "big-endian",
        "read-only, broadcast",
        "lists",
        "rows",
        "arrays",
    ],
)
def test_any_array_of_the_right_type_will_do(session: attune.InferenceSession, array: Any) -> None:
    wanted = np.asarray(array, dtype=np.float32) @ np.arange(1, 7, dtype=np.float32).reshape(3, 2)
    assert np.array_equal(session.run(None, {"X": array})[0], wanted)


def test_an_array_at_an_odd_address() -> None:
    memory = np.zeros(X.nbytes + 1, np.uint8)
    array = memory[1:].view(np.float32).reshape(X.shape)
    array[...] = X
    assert not array.flags.aligned
    assert np.array_equal(attune.InferenceSession(tiny.matmul()).run(None, {"X": array})[0], Y)


@pytest.mark.parametrize("value", [np.array(16000), np.array(16000, dtype=np.int64), 16000])
def test_a_scalar_without_dimensions(value: Any) -> None:
    result = attune.InferenceSession(tiny.identity("int64[]")).run(None, {"x": value})[0]
    assert isinstance(result, np.ndarray)
    assert (result.shape, result.dtype, int(result)) == ((), np.int64, 16000)


@pytest.mark.parametrize("rows", [0, 1])
def test_empty_arrays(session: attune.InferenceSession, rows: int) -> None:
    result = session.run(None, {"X": X[:rows]})[0]
    assert result.shape == (rows, 2)
    assert np.array_equal(result, Y[:rows])


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("bool", np.bool_),
        ("int8", np.int8),
        ("int16", np.int16),
        ("int32", np.int32),
        ("int64", np.int64),
        ("uint8", np.uint8),
        ("uint16", np.uint16),
        ("uint32", np.uint32),
        ("uint64", np.uint64),
        ("float16", np.float16),
        ("float", np.float32),
        ("double", np.float64),
    ],
)
def test_every_element_type_passes_unchanged(kind: str, dtype: Any) -> None:
    raw = np.random.default_rng(3).integers(0, 256, 96 * np.dtype(dtype).itemsize, dtype=np.uint8)
    array = (raw & 1).astype(np.bool_) if kind == "bool" else raw.view(dtype)
    result = attune.InferenceSession(tiny.identity(f"{kind}[A,B]")).run(None, {"x": array.reshape(8, 12)})[0]
    assert result.dtype == dtype
    assert result.shape == (8, 12)
    assert result.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "texts",
    [
        np.array([["a", "数据"], ["", "c" * 100]]),
        np.array([["a", "数据"], ["", "c" * 100]], dtype=object),
        [["a", "数据"], ["", "c" * 100]],
    ],
    ids=["str array", "object array", "lists"],
)
def test_strings(texts: Any) -> None:
    result = attune.InferenceSession(tiny.identity("string[A,B]")).run(None, {"x": texts})[0]
    assert result.dtype == object
    assert result.tolist() == [["a", "数据"], ["", "c" * 100]]


def test_outputs_are_fresh_writable_and_owned_by_the_caller(session: attune.InferenceSession) -> None:
    first = session.run(None, {"X": X})[0]
    assert first.flags.writeable
    assert first.flags.c_contiguous
    assert first.ctypes.data % 64 == 0
    first[...] = -1
    second = session.run(None, {"X": X})[0]
    assert np.array_equal(second, Y)
    assert not np.shares_memory(first, second)
    assert (first == -1).all()


@pytest.mark.parametrize(
    "graph",
    [
        "(float[N] x) => (float[N] y) { y = Identity(x) }",
        "(float[N] x) => (float[A,B] y) <int64[2] s = {2, -1}> { y = Reshape(x, s) }",
        "(float[N] x) => (float[N] y) { a = Identity(x)\n y = Identity(a) }",
        "(float[N] x) => (float[N] y, float[N] z) { y = Identity(x)\n z = Identity(x) }",
        "(float[N] x) => (float[N] y, float[N] z) { y = Neg(x)\n z = Identity(y) }",
        "(float[N] x) => (float[N] y) { y = Dropout(x) }",
        "(float[N] x) => (float[2] y) <float[2] w = {1, 2}> { y = Identity(w) }",
    ],
)
def test_outputs_alias_neither_inputs_nor_weights_nor_each_other(graph: str) -> None:
    session = attune.InferenceSession(tiny.model(graph))
    x = np.arange(4, dtype=np.float32)
    results = session.run(None, {"x": x})
    wanted = [result.copy() for result in results]
    for result in results:
        assert not np.shares_memory(result, x)
        result += 1
    assert np.array_equal(x, np.arange(4))
    for result, before in zip(results, wanted, strict=True):
        assert np.array_equal(result, before + 1)
    for result, before in zip(session.run(None, {"x": x}), wanted, strict=True):
        assert np.array_equal(result, before)


@pytest.mark.parametrize(
    ("graph", "shape"),
    [
        ("(float[2,3,4] x) => (float[2,12] y) <int64[2] s = {2, 12}> { t = Relu(x)\n y = Reshape(t, s) }", (2, 12)),
        (
            "(float[2,3,4] x) => (float[2,1,3,4] y) <int64[1] s = {1}> { t = Relu(x)\n y = Unsqueeze(t, s) }",
            (2, 1, 3, 4),
        ),
        ("(float[2,3,4] x) => (float[2,12] y) { t = Transpose <perm = [0, 2, 1]> (x)\n y = Flatten(t) }", (2, 12)),
        ("(float[2,3,4] x) => (float[A,B] y) { t = Relu(x)\n u = Flatten(t)\n y = Neg(u) }", (2, 12)),
        ("(float[2,3,4] x) => (float[A,B] y, float[2,3,4] t) { t = Relu(x)\n y = Flatten(t) }", (2, 12)),
    ],
)
def test_an_output_that_is_a_view_has_its_own_shape(graph: str, shape: tuple[int, ...]) -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    model = tiny.model(graph)
    ours = attune.InferenceSession(model).run(None, {"x": x})
    reference = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    assert ours[0].shape == shape
    assert all(np.array_equal(a, b) for a, b in zip(ours, reference, strict=True))


def test_an_input_that_is_an_output() -> None:
    session = attune.InferenceSession(tiny.model("(float[N] x) => (float[N] x, float[N] y) { y = Neg(x) }"))
    x = np.float32([1, 2])
    same, negative = session.run(None, {"x": x})
    same[0] = 9
    assert x.tolist() == [1, 2]
    assert negative.tolist() == [-1, -2]


def test_outputs_outlive_the_session() -> None:
    session = attune.InferenceSession(tiny.convolutions())
    image = np.random.default_rng(0).standard_normal((2, 40, 40, 1), dtype=np.float32)
    result = session.run(None, {"input_1": image})[0]
    copied = result.copy()
    del session
    gc.collect()
    noise = [np.full(result.shape, k, np.float32) for k in range(100)]
    assert np.array_equal(result, copied)
    assert len(noise) == 100


def test_inputs_are_not_written_to() -> None:
    """Relu may overwrite its operand, never the caller's array; a read-only array proves it by not faulting."""
    session = attune.InferenceSession(tiny.model("(float[N] x) => (float[N] y) { a = Relu(x)\n y = Exp(a) }"))
    x = np.float32([-1, 0, 1])
    x.flags.writeable = False
    assert np.allclose(session.run(None, {"x": x})[0], [1, 1, np.e])
    assert x.tolist() == [-1, 0, 1]


def test_memory_of_inputs_and_outputs_is_given_back() -> None:
    session = attune.InferenceSession(tiny.identity("float[N]"))
    x = np.ones(1 << 20, np.float32)

    def resident() -> int:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    for _ in range(5):
        session.run(None, {"x": x})
    before = resident()
    for _ in range(100):
        session.run(None, {"x": x})
    assert resident() - before < 32 << 20, "400 MiB passed through"


def test_a_session_can_be_subclassed(tmp_path: Path) -> None:
    class Wrapped(attune.InferenceSession):
        def __init__(self, path: Path, **options: Any) -> None:
            super().__init__(path, **options)
            self.path = path

    path = tmp_path / "model.onnx"
    path.write_bytes(tiny.matmul())
    session = Wrapped(path, providers=["CPUExecutionProvider"])
    assert isinstance(session, attune.InferenceSession)
    assert np.array_equal(session.run(None, {"X": X})[0], Y)


@pytest.mark.parametrize(
    "residual",
    [
        "c = Conv <group = 8, pads = [2, 2, 2, 2]> (a, D)",
        "c = Conv <pads = [1, 1, 1, 1]> (a, F)",
        "c = Conv(a, P)",
        "c = MatMul(a, M)",
    ],
    ids=["depthwise", "3x3", "1x1", "matrix product"],
)
def test_a_sum_of_a_value_and_what_is_computed_from_it(residual: str) -> None:
    """The sum is fused and may overwrite its last operand, but not while the convolution still reads that."""
    rng = np.random.default_rng(4)
    shapes = {"D": (8, 1, 5, 5), "F": (8, 8, 3, 3), "P": (8, 8, 1, 1), "M": (12, 12)}
    weights = {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}
    model = tiny.model(
        f"(float[N,8,H,12] x) => (float[N,8,H,12] y) {{ a = Tanh(x)\n {residual}\n y = Add(a, c) }}", **weights
    )
    feed = {"x": rng.standard_normal((2, 8, 9, 12), dtype=np.float32)}
    ours = attune.InferenceSession(model).run(None, feed)[0]
    reference = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, feed)[0]
    assert np.allclose(ours, reference, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 40, 40, 1), (7, 40, 40, 1)])
def test_a_small_network_agrees_with_onnxruntime(shape: tuple[int, ...]) -> None:
    feed = {"input_1": np.random.default_rng(2).standard_normal(shape, dtype=np.float32)}
    ours = attune.InferenceSession(tiny.convolutions()).run(None, feed)[0]
    reference = onnxruntime.InferenceSession(tiny.convolutions(), providers=["CPUExecutionProvider"])
    assert np.allclose(ours, reference.run(None, feed)[0], atol=1e-6)
