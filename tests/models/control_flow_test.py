"""If, Loop and Scan in whole models, against onnxruntime, at every level and as the optimized model is written."""

import threading
import time
from pathlib import Path
from typing import Any

import attune
import numpy as np
import onnx
import onnxruntime
import pytest
from attune.capi import onnxruntime_pybind11_state as errors
from onnx import parser

LEVELS = ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_ALL"]
HEAD = '<ir_version: 8, opset_import: ["" : 17]>\n'

F32 = np.float32


def parse(text: str) -> bytes:
    return parser.parse_model(HEAD + text).SerializeToString()


def session(interface: Any, model: "bytes | str", level: str = "ORT_ENABLE_ALL", **options: Any) -> Any:
    chosen = interface.SessionOptions()
    chosen.log_severity_level = 4
    chosen.graph_optimization_level = getattr(interface.GraphOptimizationLevel, level)
    for name, value in options.items():
        setattr(chosen, name, value)
    return interface.InferenceSession(model, chosen, providers=["CPUExecutionProvider"])


def check(model: bytes, *feeds: dict[str, Any], tmp_path: Path | None = None) -> list[Any]:
    """The same results as onnxruntime's for each of the feeds, one after another in the same sessions."""
    reference = session(onnxruntime, model, "ORT_DISABLE_ALL")
    wanted = [reference.run(None, feed) for feed in feeds]

    def compare(results: list[Any], references: list[Any], what: str) -> None:
        for result, expected in zip(results, references, strict=True):
            assert result.dtype == expected.dtype, what
            assert result.shape == expected.shape, what
            if result.dtype.kind == "f":
                np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6, err_msg=what)
            else:
                np.testing.assert_array_equal(result, expected, err_msg=what)

    for level in LEVELS:
        ours = session(attune, model, level)
        parallel = session(attune, model, level, execution_mode=attune.ExecutionMode.ORT_PARALLEL)
        for feed, expected in zip(feeds, wanted, strict=True):
            for engine in (ours, parallel, ours):
                compare(engine.run(None, feed), expected, level)
        if tmp_path is None:
            continue
        target = str(tmp_path / f"{level}.onnx")
        session(attune, model, level, optimized_model_filepath=target)
        onnx.checker.check_model(onnx.load(target), full_check=True)
        for interface in (onnxruntime, attune):
            again = session(interface, target)
            for feed, expected in zip(feeds, wanted, strict=True):
                compare(again.run(None, feed), expected, f"{level}, written, {interface.__name__}")
    return wanted


def test_if_with_captured_values_and_branches_of_different_shapes(tmp_path: Path) -> None:
    model = parse("""
    g (bool c, float[N, 4] x) => (float[M, K] y, float[N, 4] z) <float[4] w = {1.0, 2.0, 3.0, 4.0}> {
        a = Mul(x, w)
        y, z = If(c) <
            then_branch = yes () => (float[p, 4] u, float[p, 4] v) { u = Add(a, x)  v = Relu(a) },
            else_branch = no () => (float[q, r] s, float[q, 4] t) { s = Transpose(a)  t = Identity(x) }
        >
    }""")
    x = np.random.default_rng(0).standard_normal((3, 4), F32)
    check(model, *({"c": np.array(c), "x": x} for c in (True, False)), {"c": np.array(True), "x": x[:1]},
          tmp_path=tmp_path)  # fmt: skip


def test_branches_that_give_what_they_read(tmp_path: Path) -> None:
    model = parse("""
    g (bool c, float[N] x, float[N] y) => (float[N] z) {
        r = If(c) <
            then_branch = yes () => (float[N] u) { u = Identity(x) },
            else_branch = no () => (float[N] v) { v = Identity(y) }
        >
        z = Add(r, r)
    }""")
    x, y = np.arange(5, dtype=F32), -np.arange(5, dtype=F32)
    check(model, *({"c": np.array(c), "x": x, "y": y} for c in (True, False)), tmp_path=tmp_path)


def test_ifs_inside_of_ifs(tmp_path: Path) -> None:
    model = parse("""
    g (bool a, bool b, float[N] x) => (float[N] y) <float two = {2.0}> {
        t = Mul(x, two)
        y = If(a) <
            then_branch = yes () => (float[N] u) {
                s = Add(t, x)
                u = If(b) <
                    then_branch = yy () => (float[N] uu) { uu = Mul(s, t) },
                    else_branch = yn () => (float[N] un) { un = Sub(s, two) }
                >
            },
            else_branch = no () => (float[N] v) { v = Neg(x) }
        >
    }""")
    x = np.linspace(-1, 1, 7, dtype=F32)
    feeds = [{"a": np.array(a), "b": np.array(b), "x": x} for a in (True, False) for b in (True, False)]
    check(model, *feeds, tmp_path=tmp_path)


def test_a_known_condition_leaves_its_branch(tmp_path: Path) -> None:
    model = parse("""
    g (float[N, 3] x) => (float[M] y) <int64 two = {2}, int64[1] axis = {0}> {
        shape = Shape(x)
        rank = Size(shape)
        c = Equal(rank, two)
        y = If(c) <
            then_branch = yes () => (float[M] u) { u = ReduceMax<axes = [0], keepdims = 0>(x) },
            else_branch = no () => (float[M] v) { v = Squeeze(x, axis) }
        >
    }""")
    check(model, {"x": np.random.default_rng(0).standard_normal((5, 3), F32)}, tmp_path=tmp_path)
    target = tmp_path / "known.onnx"
    session(attune, model, optimized_model_filepath=str(target))
    assert [node.op_type for node in onnx.load(target).graph.node] == ["ReduceMax"]


LOOP = """
g (int64 m, bool c, float[N] x, float limit) => (float[N] y, float[T, N] all, int64[T] at) {
    one = Constant<value = float {1.0}>()
    step = Abs(x)
    y, all, at = Loop(m, c, x) <body = b (int64 i, bool go, float[N] state)
        => (bool more, float[N] next, float[N] seen, int64 number) {
        grown = Add(state, step)
        next = Mul(grown, one)
        seen = Identity(next)
        largest = ReduceMax<keepdims = 0>(next)
        more = Less(largest, limit)
        number = Identity(i)
    }>
}"""


@pytest.mark.parametrize("limit", [1e9, 10.0, 0.5])
def test_loop_with_scan_outputs(limit: float, tmp_path: Path) -> None:
    x = np.array([1.0, -0.5, 0.25], F32)
    feeds = [{"m": np.array(m), "c": np.array(c), "x": x, "limit": np.array(limit, F32)}
             for m, c in [(7, True), (1, True), (100, True)]]  # fmt: skip
    check(parse(LOOP), *feeds, tmp_path=tmp_path)


@pytest.mark.parametrize(("m", "c"), [(0, True), (5, False), (-3, True)])
def test_a_loop_that_does_not_run(m: int, c: bool) -> None:
    x = np.array([1.0, -0.5], F32)
    check(parse(LOOP.replace("float[N]", "float[2]").replace("[T, N]", "[T, 2]")),
          {"m": np.array(m), "c": np.array(c), "x": x, "limit": np.array(9, F32)})  # fmt: skip


def test_states_that_grow() -> None:
    model = parse("""
    g (int64 m, float[N] x) => (float[M] y, int64[T] lengths) {
        y, lengths = Loop(m, , x) <body = b (int64 i, bool go, float[K] state)
            => (bool more, float[L] next, int64 length) {
            more = Identity(go)
            next = Concat<axis = 0>(state, x)
            length = Size(next)
        }>
    }""")
    x = np.arange(3, dtype=F32)
    check(model, *({"m": np.array(m), "x": x} for m in (1, 2, 9, 0)), {"m": np.array(3), "x": x[:1]})


def test_a_loop_without_trip_count_whose_end_depends_on_data() -> None:
    model = parse("""
    g (bool c, int64 n) => (int64 steps, int64[T] path) {
        zero = Constant<value = int64 {0}>()
        one = Constant<value = int64 {1}>()
        two = Constant<value = int64 {2}>()
        three = Constant<value = int64 {3}>()
        last, steps, path = Loop(, c, n, zero) <body = collatz (int64 i, bool go, int64 k, int64 count)
            => (bool more, int64 next, int64 counted, int64 seen) {
            rest = Mod(k, two)
            odd = Equal(rest, one)
            next = If(odd) <
                then_branch = up () => (int64 u) { t = Mul(k, three)  u = Add(t, one) },
                else_branch = down () => (int64 d) { d = Div(k, two) }
            >
            counted = Add(count, one)
            seen = Identity(next)
            more = Greater(next, one)
        }>
    }""")
    wanted = check(model, *({"c": np.array(True), "n": np.array(n)} for n in (27, 6, 97)))
    assert wanted[0][0] == 111


def test_a_body_whose_sizes_depend_on_data() -> None:
    model = parse("""
    g (int64 m, float[N] x) => (float s, int64[T] counts) <float zero = {0.0}, float tenth = {0.1}> {
        s, counts = Loop(m, , zero) <body = b (int64 i, bool go, float sum)
            => (bool more, float next, int64 count) {
            more = Identity(go)
            f = Cast<to = 1>(i)
            threshold = Mul(f, tenth)
            mask = Greater(x, threshold)
            picked = Compress(x, mask)
            count = Size(picked)
            part = ReduceSum<keepdims = 0>(picked)
            next = Add(sum, part)
        }>
    }""")
    x = np.random.default_rng(1).uniform(0, 1, 50).astype(F32)
    check(model, {"m": np.array(12), "x": x}, {"m": np.array(3), "x": x[:7]})


def test_loops_inside_of_loops(tmp_path: Path) -> None:
    model = parse("""
    g (int64 m, int64 n, float[K] x) => (float[K] y, float[A, B, K] all) <float half = {0.5}> {
        y, all = Loop(m, , x) <body = outer (int64 i, bool go, float[K] a)
            => (bool more, float[K] b, float[B, K] rows) {
            more = Identity(go)
            scaled = Mul(a, half)
            b, rows = Loop(n, , scaled) <body = inner (int64 j, bool going, float[K] p)
                => (bool on, float[K] q, float[K] row) {
                on = Identity(going)
                t = Add(p, x)
                q = Add(t, scaled)
                row = Sub(q, a)
            }>
        }>
    }""")
    x = np.array([1.0, -2.0, 0.5], F32)
    check(model, *({"m": np.array(m), "n": np.array(n), "x": x} for m, n in [(3, 4), (1, 1), (5, 2)]),
          tmp_path=tmp_path)  # fmt: skip


def test_weights_of_the_outer_graph_in_a_body(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    model = onnx.load_from_string(parse("""
    g (int64 m, float[2, 16] x) => (float[2, 16] y) <float[16, 16] w = {}> {
        y = Loop(m, , x) <body = b (int64 i, bool go, float[2, 16] state) => (bool more, float[2, 16] next) {
            more = Identity(go)
            p = MatMul(state, w)
            next = Tanh(p)
        }>
    }""".replace("= {}", "= {" + ", ".join(f"{v:.6f}" for v in rng.standard_normal(256)) + "}")))  # fmt: skip
    check(model.SerializeToString(), {"m": np.array(6), "x": rng.standard_normal((2, 16), F32)}, tmp_path=tmp_path)


def test_scan_along_axes_and_backwards(tmp_path: Path) -> None:
    model = parse("""
    g (float[B] start, float[B, T] x, float[T, C] y) => (float[B] last, float[B, T] sums, float[T, C] twice) {
        last, sums, twice = Scan<
            num_scan_inputs = 2, scan_input_axes = [1, 0], scan_input_directions = [0, 1],
            scan_output_axes = [1, 0], scan_output_directions = [0, 1],
            body = b (float[B] state, float[B] xs, float[C] ys) => (float[B] next, float[B] sum, float[C] two) {
                next = Add(state, xs)
                sum = Identity(next)
                largest = ReduceMax<keepdims = 1>(xs)
                two = Add(ys, largest)
            }
        >(start, x, y)
    }""")
    rng = np.random.default_rng(2)
    feeds = [{"start": rng.standard_normal(b, F32), "x": rng.standard_normal((b, t), F32),
              "y": rng.standard_normal((t, 5), F32)} for b, t in [(3, 4), (1, 1), (2, 33)]]  # fmt: skip
    check(model, *feeds, tmp_path=tmp_path)


def test_strings_go_round(tmp_path: Path) -> None:
    model = parse("""
    g (int64 m, string[N] x) => (string[N] y, string[T, N] all) {
        y, all = Loop(m, , x) <body = b (int64 i, bool go, string[N] s) => (bool more, string[N] t, string[N] u) {
            more = Identity(go)
            t = Identity(s)
            u = Identity(s)
        }>
    }""")
    (results,) = [session(attune, model).run(None, {"m": np.array(3), "x": np.array(["a", "bcd"], object)})]
    assert results[0].tolist() == ["a", "bcd"]
    assert results[1].tolist() == [["a", "bcd"]] * 3


ENDLESS = parse("""
g (float[N] x) => (float[N] y) <bool yes = {1}> {
    y = Loop(, yes, x) <body = b (int64 i, bool go, float[N] s) => (bool more, float[N] t) {
        more = Identity(go)
        t = Identity(s)
    }>
}""")


def test_an_endless_loop_meets_the_time_limit() -> None:
    options = attune.RunOptions()
    options.add_run_config_entry("attune.run.timeout_ms", "50")
    start = time.monotonic()
    with pytest.raises(errors.Fail, match="time limit"):
        session(attune, ENDLESS).run(None, {"x": np.zeros(4, F32)}, options)
    assert time.monotonic() - start < 5


def test_an_endless_loop_can_be_ended() -> None:
    options = attune.RunOptions()
    timer = threading.Timer(0.05, lambda: setattr(options, "terminate", True))
    timer.start()
    with pytest.raises(errors.Fail, match="terminate flag"):
        session(attune, ENDLESS).run(None, {"x": np.zeros(4, F32)}, options)
    timer.join()


def nested(depth: int) -> bytes:
    graph = "() => (float[N] y0) { y0 = Neg(x) }"
    for level in range(1, depth):
        graph = (f"() => (float[N] y{level}) {{ y{level} = If(c) <then_branch = a{level} {graph}, "
                 f"else_branch = b{level} () => (float[N] z{level}) {{ z{level} = Identity(x) }}> }}")  # fmt: skip
    body = graph.removeprefix("() => ")
    result, _, rest = body.partition(" ")
    rest = body[body.index("{") :]
    del result
    # Python's own protobuf refuses to read what is so deep.
    done, error, model = parser.C.parse_model(f"{HEAD}g (bool c, float[N] x) => (float[N] y{depth - 1}) {rest}")
    assert done, error
    return model


def test_deep_subgraphs_meet_a_limit() -> None:
    x = np.arange(3, dtype=F32)
    (y,) = session(attune, nested(30)).run(None, {"c": np.array(True), "x": x})
    np.testing.assert_array_equal(y, -x)
    with pytest.raises(errors.InvalidGraph, match="nest deeper than 32 levels"):
        session(attune, nested(40))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("y = If(c) <then_branch = a () => (float[N] u) { u = Neg(x) }>", "else_branch"),
        (
            "y = If(c) <then_branch = a () => (float[N] u) { u = Neg(x) }, "
            "else_branch = b (float[N] p) => (float[N] v) { v = Neg(p) }>",
            "A branch has inputs",
        ),
        (
            "y = If(c) <then_branch = a () => (float[N] u) { u = Neg(x) }, "
            "else_branch = b () => (int64[N] v) { v = Cast<to = 7>(x) }>",
            "then=tensor",
        ),
        ("y = Loop(, c, x) <body = b (int64 i) => (bool m, float[N] s) { m = Identity(c) s = Neg(x) }>", "1 inputs"),
        (
            "y = Scan<num_scan_inputs = 3, body = b (float s) => (float t) { t = Neg(s) }>(x)",
            "3 scan inputs do not fit",
        ),
        (
            "y = Scan<num_scan_inputs = 0, body = b (float s) => (float t) { t = Neg(s) }>(x)",
            "0 scan inputs do not fit",
        ),
        (
            "y = Scan<num_scan_inputs = 4294967297, body = b (float s) => (float t) { t = Neg(s) }>(x)",
            "4294967297 scan inputs do not fit",
        ),
        (
            "y = If(c) <then_branch = a () => (float[N] u) { u = Neg(nowhere) }, "
            "else_branch = b () => (float[N] v) { v = Neg(x) }>",
            "'nowhere' is not a graph input",
        ),
    ],
)
def test_wrong_subgraphs_are_refused(text: str, error: str) -> None:
    with pytest.raises((errors.InvalidGraph, errors.Fail, errors.InvalidArgument), match=error):
        session(attune, parse(f"g (bool c, float[N] x) => (float[N] y) {{ {text} }}"))


def test_a_failure_inside_names_both_nodes() -> None:
    model = parse("""
    g (int64 m, float[N] x, int64 k) => (float[M] y) {
        y = Loop(m, , x) <body = b (int64 i, bool go, float[A] s) => (bool more, float t) {
            more = Identity(go)
            t = Gather<axis = 0>(s, k)
        }>
    }""")
    with pytest.raises(errors.Fail, match=r"Loop node(.|\n)*Gather node"):
        session(attune, model).run(None, {"m": np.array(2), "x": np.zeros(3, F32), "k": np.array(9)})


def test_many_iterations_are_bound_once() -> None:
    """A thousand iterations of one shape cost microseconds each, not the binding of a plan."""
    model = parse("""
    g (int64 m, float[N] x) => (float[N] y) {
        y = Loop(m, , x) <body = b (int64 i, bool go, float[N] s) => (bool more, float[N] t) {
            more = Identity(go)
            a = Add(s, x)
            t = Tanh(a)
        }>
    }""")
    ours, x = session(attune, model), np.full(8, 0.01, F32)
    ours.run(None, {"m": np.array(10), "x": x})
    start = time.monotonic()
    ours.run(None, {"m": np.array(100_000), "x": x})
    assert time.monotonic() - start < 10
