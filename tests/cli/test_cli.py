"""The command `attune` from outside: every subcommand on a small model, and what it says of bad input."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parents[2]
ATTUNE = Path(os.environ.get("ATTUNE_BIN", ROOT / "build" / "attune")).resolve()

pytestmark = pytest.mark.skipif(not ATTUNE.exists(), reason=f"{ATTUNE} is not built")


def attune(*arguments: object, cwd: Path | None = None, code: int = 0, env: dict[str, str] | None = None) -> str:
    """Standard output of a command that must end with `code`, in this environment with `env` in addition."""
    result = subprocess.run(
        [str(ATTUNE), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=cwd,
        check=False,
        env=os.environ | (env or {}),
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout


def error_of(*arguments: object, cwd: Path | None = None, code: int = 1) -> str:
    """The one line that a failing command writes to standard error."""
    result = subprocess.run(
        [str(ATTUNE), *map(str, arguments)], capture_output=True, text=True, timeout=300, cwd=cwd, check=False
    )
    assert result.returncode == code, result.stdout + result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("attune: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """y = relu(x W + b) for x of [batch, 16], and its sum."""
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.standard_normal((16, 8)).astype("f4"), "w"),
        numpy_helper.from_array(rng.standard_normal(8).astype("f4"), "b"),
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"], name="product"),
        helper.make_node("Add", ["product", "b"], ["sum"], name="bias"),
        helper.make_node("Relu", ["sum"], ["y"], name="relu"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 8])],
        weights,
    )
    path = tmp_path_factory.mktemp("model") / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def expected(model: Path, x: np.ndarray) -> np.ndarray:
    weights = {w.name: numpy_helper.to_array(w) for w in onnx.load(model).graph.initializer}
    return np.maximum(x @ weights["w"] + weights["b"], 0)


@pytest.mark.parametrize("suffix", ["npy", "npz", "deflated"])
def test_run_computes_from_files(model: Path, tmp_path: Path, suffix: str) -> None:
    x = np.random.default_rng(1).standard_normal((3, 16)).astype("f4")
    if suffix == "npy":
        np.save(tmp_path / "x.npy", np.asfortranarray(x))
        given = f"x={tmp_path / 'x.npy'}"
    else:
        given = str(tmp_path / "x.npz")
        (np.savez if suffix == "npz" else np.savez_compressed)(given, x=x)
    out = attune("run", model, "--input", given, "--output", tmp_path / "out.npz")
    assert "3x16" in out
    assert "3x8" in out
    with np.load(tmp_path / "out.npz") as saved:
        np.testing.assert_allclose(saved["y"], expected(model, x), rtol=1e-5, atol=1e-5)
    attune("run", model, "--input", given, "--output", tmp_path / "folder")
    np.testing.assert_allclose(np.load(tmp_path / "folder" / "y.npy"), expected(model, x), rtol=1e-5, atol=1e-5)


def test_run_makes_the_same_random_input_each_time(model: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        attune("run", model, "--shape", "x=5x16", "--output", tmp_path / f"{name}.npz", "--runs", 2)
    with np.load(tmp_path / "a.npz") as a, np.load(tmp_path / "b.npz") as b:
        assert a["y"].shape == (5, 8)
        np.testing.assert_array_equal(a["y"], b["y"])


def test_inspect_shows_the_model_and_its_plan(model: Path) -> None:
    out = attune("inspect", model, "--dim", "batch=4")
    for text in ("batchx16", "4x16", "MatMul", "Region:", "Packed weights:", "FLOPs"):
        assert text in out
    assert all(len(line) <= 100 for line in out.splitlines() if str(model) not in line)
    report = json.loads(attune("inspect", model, "--dim", "batch=4", "--json"))
    assert report["inputs"] == [{"name": "x", "type": "tensor(float)", "shape": ["batch", 16]}]
    assert report["shapes"] == {"x": [4, 16]}
    assert report["operators"]["MatMul"]["model"] == 1
    assert report["plan"]["parameters"] == 16 * 8 + 8
    assert report["plan"]["flops"] >= 2 * 4 * 16 * 8


def test_bench_measures(model: Path) -> None:
    report = json.loads(attune("bench", model, "--seconds", 0.2, "--concurrency", 2, "--warmup", 1, "--json"))
    latency = report["latency_ms"]
    order = [latency[key] for key in ("min", "p50", "p90", "p95", "p99", "max")]
    assert order == sorted(order)
    assert order[0] > 0
    assert report["runs"] > 1
    assert report["runs_per_second"] > 0
    assert report["memory"]["peak_bytes"] >= report["memory"]["held_bytes"] > 0
    out = attune("bench", model, "--seconds", 0.1, "--intra-op-num-threads", 1)
    assert "intra_op_num_threads=1, 1 threads a run" in out
    assert "p99" in out


def test_memory_shows_each_step_for_each_setting(model: Path) -> None:
    out = attune("memory", model, "--runs", 2, "--shape", "x=1000x16")
    assert "enable_cpu_mem_arena = true" in out
    assert "enable_cpu_mem_arena = false" in out
    assert out.count("run 2") == 2
    report = json.loads(attune("memory", model, "--arena", "off", "--runs", 1, "--json"))
    assert [step["step"] for step in report[0]["steps"]] == [
        "inputs ready",
        "make the session",
        "run 1",
        "close the session",
    ]
    assert all(step["peak_bytes"] >= step["resident_bytes"] > 0 for step in report[0]["steps"])


def test_profile_lists_nodes_and_keeps_the_trace(model: Path, tmp_path: Path) -> None:
    out = attune("profile", model, "--runs", 3, "--shape", "x=64x16", cwd=tmp_path)
    assert "product" in out
    assert "GFLOP/s" in out
    (trace,) = tmp_path.glob("*.json")
    assert trace.name in out
    assert any(event["name"] == "model_run" for event in json.loads(trace.read_text()))
    page = trace.with_suffix(".html")
    assert page.name in out
    html = page.read_text()
    data = json.loads(html.split("const data = ", 1)[1].split(";\n", 1)[0])
    assert len(data["runs"]) == 3
    assert data["runs"][0]["events"]
    assert data["nodes"][0]["flops"] >= 2 * 64 * 16 * 8
    assert data["machine"]["gflops"] > 0
    assert data["machine"]["gbs"] > 0
    assert "src=" not in html.split("<body>", 1)[1].split("<script>", 1)[0]
    assert "<link" not in html


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no Chromium")
def test_a_browser_draws_the_page(model: Path, tmp_path: Path) -> None:
    attune("profile", model, "--runs", 2, "--shape", "x=64x16", cwd=tmp_path)
    (page,) = tmp_path.glob("*.html")
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert '<h1 id="title" title=' in done.stdout
    assert "measured on" in done.stdout.split('id="legend"')[1]  # what the script writes last
    assert '<td class="text ">FusedMatMul</td>' in done.stdout


def test_profile_without_a_page(model: Path, tmp_path: Path) -> None:
    out = attune("profile", model, "--runs", 1, "--no-page", cwd=tmp_path)
    assert ".html" not in out
    assert not list(tmp_path.glob("*.html"))


def test_inspect_passes_shows_what_each_level_did(model: Path) -> None:
    out = attune("inspect", model, "--passes")
    for text in ("ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL", "fold_constants"):
        assert text in out
    assert "Add node. Name:'bias' became FusedMatMul" in out
    assert "At ORT_ENABLE_ALL, 3 nodes became 1." in out
    assert max(map(len, out.splitlines())) <= 110
    report = json.loads(
        attune("inspect", model, "--passes", "--json", "--graph-optimization-level", "ORT_ENABLE_BASIC")
    )
    assert report["level"] == "ORT_ENABLE_BASIC"
    assert report["nodes_before"] == report["nodes_after"] == 3
    assert {p["level"] for p in report["passes"] if p["runs"] > 0} == {"ORT_ENABLE_BASIC"}
    full = json.loads(attune("inspect", model, "--passes", "--json"))
    fused = next(p for p in full["passes"] if p["pass"] == "fuse_matmul")
    assert fused["changes"] == len(fused["changed"]) >= 2


def test_inspect_shapes_shows_what_is_known_of_each_value(model: Path) -> None:
    out = attune("inspect", model, "--shapes")
    assert "batchx16" in out and "batchx8" in out
    report = json.loads(attune("inspect", model, "--shapes", "--json"))
    assert report["values"][0] == {"name": "x", "type": "tensor(float)", "shape": ["batch", 16]}
    assert report["values"][-1] == {"name": "y", "type": "tensor(float)", "shape": ["batch", 8]}


def read_tuned(path: Path) -> dict[str, Any]:
    tuned = json.loads(path.read_text())
    assert tuned["schema"] == 1
    assert 0 <= tuned["verdict"]["candidate"] < len(tuned["candidates"])
    return tuned


def test_tune_reports_and_saves(model: Path, tmp_path: Path) -> None:
    x = np.random.default_rng(1).standard_normal((32, 16)).astype("f4")
    np.savez(tmp_path / "a.npz", x=x)
    np.savez(tmp_path / "b.npz", x=x[:8])
    start = time.monotonic()
    out = attune(
        "tune", model, "--budget", 12, "--input", tmp_path / "a.npz", "--input", tmp_path / "b.npz", cwd=tmp_path
    )
    assert time.monotonic() - start < 12 + 8
    for text in (
        "the default again",
        "enable_cpu_mem_arena=false",
        "95 % interval",
        "attune::InferenceSession session(",
    ):
        assert text in out
    assert max(map(len, out.splitlines())) <= 110
    tuned = read_tuned(tmp_path / "tuned.json")
    assert tuned["fingerprint"]["model"]["bytes"] == model.stat().st_size
    assert len(tuned["fingerprint"]["model"]["xxh3_128"]) == 32
    assert tuned["fingerprint"]["engine"]["name"] == "attune"
    assert [load_set["inputs"][0]["shape"] for load_set in tuned["load"]["sets"]] == [[32, 16], [8, 16]]
    default, *others = tuned["candidates"]
    assert default["changes"] == {}
    assert default["pairs"][0]["phase"] == "baseline"
    assert default["pairs"][0]["reference"]["run_ms"]["count"] > 1
    assert len(default["pairs"][0]["reference"]["run_ms"]["quantiles"]) == 21
    assert {"enable_cpu_mem_arena": False} in [found["changes"] for found in others]
    assert all(found["outcome"] in ("measured", "dropped", "not_measured") for found in others), others
    assert tuned["used_seconds"] < 14
    assert not (tmp_path / "tuned.json.part").exists()
    assert "Chart" in (tmp_path / "tuned.html").read_text()


def test_tune_takes_a_mix_of_shapes_and_a_goal(model: Path, tmp_path: Path) -> None:
    arguments = ("--shape", "x=4x16@3", "--shape", "x=64x16", "--objective", "throughput", "--max-peak", "1GiB")
    out = attune("tune", model, "--budget", 5, *arguments, "--max-p99", "10s", "--json", cwd=tmp_path)
    tuned = json.loads(out)
    assert tuned == read_tuned(tmp_path / "tuned.json")
    assert [(s["weight"], s["inputs"][0]["shape"]) for s in tuned["load"]["sets"]] == [(3, [4, 16]), (1, [64, 16])]
    assert tuned["limits"] == {"peak_bytes": 1 << 30, "p99_ms": 10_000, "cpus": 0}
    assert tuned["objective"] == "throughput"
    assert any(found["callers"] > 1 for found in tuned["candidates"])
    reference = tuned["candidates"][0]["pairs"][0]["reference"]
    assert reference["run_ms"]["count"] % 4 == 0  # whole passes of 3 + 1


def test_tune_refuses_what_makes_no_sense(model: Path, tmp_path: Path) -> None:
    assert "from 1 to 1000" in error_of("tune", model, "--shape", "x=4x16@0")
    np.savez(tmp_path / "a.npz", x=np.ones((4, 16), "f4"))
    mix = ("--shape", "x=4x16", "--shape", "x=8x16")
    assert "give one of them" in error_of("tune", model, *mix, "--input", tmp_path / "a.npz")
    assert "nothing to resume" in error_of("tune", model, "--resume", "--output", tmp_path / "none.json")


def test_tune_with_a_limit_that_the_default_breaks(model: Path, tmp_path: Path) -> None:
    out = attune("tune", model, "--budget", 4, "--max-peak", "1KiB", cwd=tmp_path)
    assert "Nothing that was tried keeps the limits" in out
    tuned = read_tuned(tmp_path / "tuned.json")
    assert tuned["verdict"]["kind"] == "none_within"
    assert "beyond_limit" in [found["outcome"] for found in tuned["candidates"]]


def test_tune_keeps_what_it_knows_when_interrupted_and_resumes(model: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [str(ATTUNE), "tune", str(model), "--budget", "15", "--output", str(tmp_path / "t.json")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(temporary)},
        start_new_session=True,
        # A test run in the background of a shell is told to ignore Ctrl-C, which its children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    part = tmp_path / "t.json.part"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and (not part.exists() or part.read_text().count("\n") < 8):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 130, out + error
    assert error == "attune: Interrupted.\n"
    assert list(temporary.glob("attune_*")) == []
    assert "the search was interrupted" in out
    assert "--resume" in out
    tuned = read_tuned(tmp_path / "t.json")
    assert tuned["is_interrupted"]
    measured = sum(len(found["pairs"]) for found in tuned["candidates"])
    assert measured >= 4
    known = part.read_text().splitlines()

    start = time.monotonic()
    attune("tune", model, "--budget", 15, "--output", tmp_path / "t.json", "--resume")
    assert time.monotonic() - start < 15 + 8
    whole = read_tuned(tmp_path / "t.json")
    assert not whole["is_interrupted"]
    assert not part.exists()
    # What the first run measured is part of the second one's result.
    first = json.loads(known[1])["value"]["facts"]["reference"]["run_ms"]
    assert whole["candidates"][0]["pairs"][0]["reference"]["run_ms"] == first


def test_tune_refuses_to_resume_another_run(model: Path, tmp_path: Path) -> None:
    head = {"journal": 1, "identity": {"fingerprint": {}, "load": {}, "default": {}}}
    (tmp_path / "t.json.part").write_text(json.dumps(head) + "\n")
    message = error_of("tune", model, "--resume", "--output", tmp_path / "t.json")
    assert "it is of another run: /fingerprint" in message


@pytest.mark.parametrize("output", [".", "missing/tuned.json"])
def test_tune_measures_nothing_that_it_cannot_save(model: Path, tmp_path: Path, output: str) -> None:
    message = error_of("tune", model, "--output", tmp_path / output)
    assert "--output names a file in a folder that exists" in message
    assert not Path(f"{tmp_path / output}.part").exists()


def test_tune_on_a_full_disk_shows_what_it_found(model: Path, tmp_path: Path) -> None:
    process = subprocess.run(
        [str(ATTUNE), "tune", str(model), "--budget", "3", "--output", "/dev/full"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
    )
    Path("/dev/full.part").unlink(missing_ok=True)
    assert process.returncode == 1
    assert "Keep the default" in process.stdout
    assert "'/dev/full' cannot be written: No space left on device" in process.stderr


def kill_workers(parent: int) -> int:
    """Kills the children of a process; how many."""
    killed = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            os.kill(int(status.parent.name), signal.SIGKILL)
            killed += 1
    return killed


def test_tune_goes_on_when_a_worker_is_killed(model: Path, tmp_path: Path) -> None:
    command = [str(ATTUNE), "tune", str(model), "--budget", "8", "--output", str(tmp_path / "t.json")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    part = tmp_path / "t.json.part"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not part.exists() or part.read_text().count("\n") < 5):
        time.sleep(0.05)
    assert kill_workers(process.pid) >= 1
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, out + error
    tuned = read_tuned(tmp_path / "t.json")
    assert sum(len(found["pairs"]) for found in tuned["candidates"]) > 6


def test_tune_on_one_core(model: Path, tmp_path: Path) -> None:
    out = subprocess.run(
        ["taskset", "-c", "0", str(ATTUNE), "tune", str(model), "--budget", "5"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        cwd=tmp_path,
    ).stdout
    assert "intra_op_num_threads=2" in out
    tuned = read_tuned(tmp_path / "tuned.json")
    assert tuned["fingerprint"]["machine"]["usable_cpus"] == 1
    assert {"intra_op_num_threads": 4} not in [found["changes"] for found in tuned["candidates"]]


def test_tune_says_what_to_do_without_onnxruntime(model: Path, tmp_path: Path) -> None:
    message = error_of("tune", model, "--engine", "onnxruntime", "--python", "/bin/true", cwd=tmp_path)
    assert "pip install onnxruntime" in error_of("tune", model, "--engine", "onnxruntime", "--python", "/bin/false")
    assert message.startswith("attune: ")
    assert list(tmp_path.iterdir()) == []


def test_tune_python_snippet_is_python(model: Path, tmp_path: Path) -> None:
    out = attune(
        "tune", model, "--budget", 1, "--no-enable-cpu-mem-arena", "--output", tmp_path / "t.json", cwd=tmp_path
    )
    snippet = out.split("Python · attune\n")[1].split("C++ · attune\n")[0]
    compile(snippet, "snippet", "exec")
    assert "options.enable_cpu_mem_arena = False" in snippet
    assert read_tuned(tmp_path / "t.json")["default_settings"] == {"enable_cpu_mem_arena": False}


WORKER_SCRIPT = ROOT / "apps" / "attune" / "onnxruntime_worker.py"
WORKERS = {"attune": [str(ATTUNE), "worker"], "onnxruntime": [sys.executable, "-c", WORKER_SCRIPT.read_text()]}


@pytest.mark.parametrize("engine", WORKERS)
def test_workers_answer_line_by_line(engine: str, model: Path, tmp_path: Path) -> None:
    """The protocol of src/tune/worker_trial.h: the same requests to every engine's worker."""
    x = np.ones((2, 16), "f4")
    np.savez(tmp_path / "feeds.npz", **{"0/x": x, "1/x": x[:1]})
    requests = [
        {"command": "measure", "passes": 1},
        {"command": "prepare", "model": str(model), "feeds": str(tmp_path / "feeds.npz")},
        {"command": "load", "settings": {"no_such_option": 1}},
        {
            "command": "load",
            "settings": {
                "intra_op_num_threads": 1,
                "enable_cpu_mem_arena": False,
                "graph_optimization_level": "ORT_ENABLE_BASIC",
                "session.intra_op.allow_spinning": "0",
                "free_dimension_overrides": {"other": 2},
            },
        },
        {"command": "measure", "passes": 3},
        {"command": "idle", "seconds": 0.01},
        {"command": "outputs", "file": str(tmp_path / "out.npz")},
        {"command": "operators", "operators": [["", "Foo", 17], ["", "Relu", 17], ["no.such.domain", "Relu", 1]]},
        {"command": "close"},
        {"command": "dance"},
        "nonsense",
    ]
    result = subprocess.run(
        WORKERS[engine],
        input="".join(json.dumps(request) + "\n" for request in requests),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(answers) == len(requests)
    failed = [index for index, answer in enumerate(answers) if "error" in answer]
    assert failed == [0, 2, 9, 10], answers
    assert "no_such_option" in answers[2]["error"]
    assert all(
        answer["memory"]["peak"] >= answer["memory"]["resident"] > 0 for answer in answers if "error" not in answer
    )
    assert answers[1]["version"]
    assert answers[3]["threads"] == 1
    assert len(answers[4]["pass_ms"]) == 3
    assert answers[4]["cpu_ms"] > 0
    assert answers[5]["cpu_ms"] >= 0
    assert answers[7]["missing"] == [0, 2]
    with np.load(tmp_path / "out.npz") as saved:
        np.testing.assert_allclose(saved["0/y"], expected(model, x), rtol=1e-4)
        assert saved["1/y"].shape == (1, 8)


@pytest.mark.parametrize("engine", WORKERS)
def test_workers_make_a_load(engine: str, model: Path, tmp_path: Path) -> None:
    """Sets come up as often as their weights say, evenly, for each of several callers."""
    x = np.ones((2, 16), "f4")
    np.savez(tmp_path / "feeds.npz", **{"0/x": x, "1/x": x[:1]})
    requests = [
        {"command": "prepare", "model": str(model), "feeds": str(tmp_path / "feeds.npz"), "weights": [3, 1]},
        {"command": "load", "settings": {}},
        {"command": "measure", "passes": 2, "callers": 3, "warmup": 1},
    ]
    result = subprocess.run(
        WORKERS[engine],
        input="".join(json.dumps(request) + "\n" for request in requests),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    measured = json.loads(result.stdout.splitlines()[-1])
    assert [len(times) for times in measured["set_ms"]] == [2 * 3 * 3, 2 * 3 * 1]
    assert len(measured["pass_ms"]) == 2 * 3
    assert measured["wall_ms"] >= max(measured["pass_ms"])
    assert measured["cpu_ms"] > 0


def test_memory_measures_onnxruntime(model: Path) -> None:
    arguments = ("memory", model, "--arena", "off", "--runs", 1, "--engine", "onnxruntime", "--python", sys.executable)
    (experiment,) = json.loads(attune(*arguments, "--json"))
    assert [step["step"] for step in experiment["steps"]][2] == "run 1"
    assert experiment["steps"][0]["resident_bytes"] > 20 << 20  # a Python with NumPy


def test_tune_measures_onnxruntime(model: Path, tmp_path: Path) -> None:
    arguments = ("--budget", 5, "--engine", "onnxruntime", "--python", sys.executable, "--intra-op-num-threads", 1)
    out = attune("tune", model, *arguments, cwd=tmp_path)
    assert re.search(r"Engine: +onnxruntime 1", out)
    assert "session = onnxruntime.InferenceSession(" in out
    assert "C++" not in out
    tuned = read_tuned(tmp_path / "tuned.json")
    assert tuned["fingerprint"]["engine"]["name"] == "onnxruntime"
    assert tuned["fingerprint"]["engine"]["version"]
    settings = [found["changes"] for found in tuned["candidates"]]
    assert {"enable_mem_pattern": False} in settings
    assert {"arena_extend_strategy": "kSameAsRequested", "enable_cpu_mem_arena": True} in settings


def test_compare_measures_both_engines(model: Path, tmp_path: Path) -> None:
    arguments = (model, "--pairs", 2, "--seconds", 0.05, "--shape", "x=64x16", "--python", sys.executable)
    report = json.loads(attune("compare", *arguments, "--json"))
    assert report["attune"]["version"]
    assert report["onnxruntime"]["version"]
    assert set(report["metrics"]) == {"time_ms", "p95_ms", "cpu_ms", "start_ms", "peak_bytes", "held_bytes"}
    for metric in report["metrics"].values():
        assert len(metric["attune"]) == len(metric["onnxruntime"]) == len(metric["ratios"]) == 2
        assert metric["ratio"]["low"] <= metric["ratio"]["median"] <= metric["ratio"]["high"]
    assert all(value > 0 for value in report["metrics"]["time_ms"]["onnxruntime"])
    (output,) = report["outputs"]
    assert (output["name"], output["shape"], output["agrees"]) == ("y", [64, 8], True)
    assert output["max"] < 1e-4
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    out = attune("compare", *arguments, env={"TMPDIR": str(temporary)})
    for text in ("Time of a run, p95 (ms)", "Memory held (MiB)", "CPU in the second after", "x float 64x16", "ratio"):
        assert text in out
    assert any(sentence in out for sentence in ("is faster on this", "is slower on this", "about equally fast"))
    assert list(temporary.glob("attune_*")) == []


def test_compare_names_operators_that_an_engine_lacks(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Inverse", ["x"], ["y"], domain="com.microsoft")],
        "contributed",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 2])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    path = tmp_path / "contributed.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    out = attune("compare", path, "--python", sys.executable)
    assert "Operators that Attune lacks:\n  com.microsoft.Inverse (opset 1)\n" in out
    assert "Stay with onnxruntime" in out


def test_compare_says_what_it_needs(model: Path, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o700)
    error = error_of("compare", model, "--python", python)
    assert f"No onnxruntime: {python} has none" in error
    assert "-m pip install onnxruntime" in error
    assert "--python PATH" in error


@pytest.mark.parametrize("command", ["run", "inspect", "bench", "memory", "profile", "compare", "tune"])
def test_bad_models_are_one_line(command: str, tmp_path: Path) -> None:
    missing = tmp_path / "missing.onnx"
    assert "doesn't exist" in error_of(command, missing, cwd=tmp_path)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"this is no model" * 10)
    assert "broken.onnx" in error_of(command, broken, cwd=tmp_path)


def test_bad_inputs_are_one_line(model: Path, tmp_path: Path) -> None:
    assert "Invalid rank for input: x" in error_of("run", model, "--shape", "x=1x2x3")
    assert "Got: 17 Expected: 16" in error_of("run", model, "--shape", "x=1x17")
    assert "no input 'z'; it has: x" in error_of("bench", model, "--shape", "z=1")
    assert "is not a shape" in error_of("run", model, "--shape", "x=1xtwo")
    assert "does not exist" in error_of("run", model, "--input", f"x={tmp_path / 'none.npy'}")
    (tmp_path / "text.npy").write_text("text")
    assert "not a NumPy array" in error_of("run", model, "--input", f"x={tmp_path / 'text.npy'}")
    np.save(tmp_path / "double.npy", np.zeros((1, 16)))
    assert "tensor(double)" in error_of("run", model, "--input", f"x={tmp_path / 'double.npy'}")
    np.savez(tmp_path / "other.npz", other=np.zeros(1))
    assert "no input 'other'" in error_of("run", model, "--input", tmp_path / "other.npz")


def test_bad_use_is_one_line_and_exit_code_2(model: Path) -> None:
    error_of(code=2)
    error_of("walk", code=2)
    error_of("run", code=2)
    assert "--no-such-flag" in error_of("run", model, "--no-such-flag", code=2)
    assert "is not between 0 and 1024" in error_of("run", model, "--intra-op-num-threads", 5000, code=2)
    error_of("memory", model, "--arena", "maybe", code=2)


@pytest.mark.parametrize("command", ["run", "inspect", "bench", "memory", "profile", "compare", "tune"])
def test_help_has_examples(command: str) -> None:
    out = attune(command, "--help")
    assert f"attune {command} model.onnx" in out
    assert "--intra-op-num-threads" in out


def test_pack_writes_a_file_that_sessions_map(model: Path, tmp_path: Path) -> None:
    copy = shutil.copy(model, tmp_path / "small.onnx")
    written = attune("pack", copy)
    assert re.search(r"^Packed 0\.0 MiB of weights in [\d.]+ ms\nSaved in .*small\.onnx\.packed\n$", written)
    packed = tmp_path / "elsewhere.packed"
    assert f"Saved in {packed}\n" in attune("pack", copy, "-o", packed)
    assert packed.stat().st_mode & 0o777 == 0o600
    entry = f"attune.packed_weights={packed}"
    plan = json.loads(attune("inspect", copy, "--dim", "batch=1", "--config", entry, "--json"))["plan"]
    assert plan["mapped_weight_bytes"] == plan["packed_weight_bytes"] > 0
    assert " mapped), other constants" in attune("inspect", copy, "--dim", "batch=1", "--config", entry)
    plain, mapped = tmp_path / "plain.npz", tmp_path / "mapped.npz"
    attune("run", copy, "--output", plain)
    attune("run", copy, "--output", mapped, "--config", entry)
    assert np.load(plain)["y"].tobytes() == np.load(mapped)["y"].tobytes()


def test_pack_says_what_is_wrong(model: Path, tmp_path: Path) -> None:
    assert "cannot be written: No such file" in error_of("pack", model, "-o", tmp_path / "missing" / "file")
    assert "File doesn't exist" in error_of("pack", tmp_path / "missing.onnx")
    assert "Examples:" in attune("pack", "--help")
