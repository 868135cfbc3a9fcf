"""What a process sees: silence, a clean exit, a working child after a fork, the article's program."""

import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import tiny


def run_python(program: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a program in a fresh interpreter, in a folder that has the models."""
    (folder / "matmul.onnx").write_bytes(tiny.matmul())
    (folder / "cnn.onnx").write_bytes(tiny.convolutions())
    script = folder / "program.py"
    script.write_text(program)
    return subprocess.run(
        [sys.executable, *arguments, str(script)], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def assert_silent(done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("program", ["import attune", "import attune.capi.onnxruntime_pybind11_state"])
def test_an_import_is_silent(tmp_path: Path, program: str) -> None:
    assert_silent(run_python(program, tmp_path, "-W", "error", "-X", "dev"))


def test_an_import_starts_no_thread_and_loads_nothing_large(tmp_path: Path) -> None:
    program = """
import os, sys
import attune
assert len(os.listdir("/proc/self/task")) == 1 + int(os.environ.get("numpy_threads", 0)), os.listdir("/proc/self/task")
assert not {"torch", "onnx", "onnxruntime", "google.protobuf"} & set(sys.modules)
"""
    assert_silent(run_python("import os\nos.environ['OPENBLAS_NUM_THREADS'] = '1'\n" + program, tmp_path))


def test_the_default_is_silent_for_a_good_model(tmp_path: Path) -> None:
    program = """
import attune, numpy
session = attune.InferenceSession("cnn.onnx")
session.run(None, {"input_1": numpy.ones((2, 40, 40, 1), "f4")})
"""
    assert_silent(run_python(program, tmp_path))


def test_severity_4_silences_everything(tmp_path: Path) -> None:
    """Even a model that fails, a provider's absence aside, which is Python's warning."""
    program = """
import attune, numpy
attune.set_default_logger_severity(4)
options = attune.SessionOptions()
options.log_severity_level = 4
session = attune.InferenceSession("matmul.onnx", options)
for wrong in ({"X": numpy.ones((2, 4), "f4")}, {"X": numpy.ones(3)}, {}):
    try:
        session.run(None, wrong)
    except Exception:
        pass
try:
    attune.InferenceSession(b"junk", options)
except Exception:
    pass
"""
    assert_silent(run_python(program, tmp_path))


def test_severity_0_talks_to_stderr_alone(tmp_path: Path) -> None:
    program = """
import attune
options = attune.SessionOptions()
options.log_severity_level = 0
options.logid = "the-session"
attune.InferenceSession("cnn.onnx", options)
"""
    done = run_python(program, tmp_path)
    assert done.returncode == 0
    assert done.stdout == ""
    assert "the-session" in done.stderr


EXITS = {
    "session alive": "",
    "session in a cycle": "session.self = session",
    "session in a module": "import sys; sys.kept = session",
    "session in a class": "class Kept:\n    held = session",
    "output alive in a module": "import sys; sys.kept = result",
    "error alive in a module": """
import sys
try:
    session.run(None, {})
except ValueError as error:
    sys.kept = error
try:
    session.run(["?"], feed)
except Exception as error:
    sys.kept_too = error
""",
    "a daemon thread still running": """
import threading, time
def work():
    while True:
        session.run(None, feed)
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
""",
    "run at exit": "import atexit; atexit.register(lambda: session.run(None, feed))",
    "sys.exit in a thread": """
import threading
thread = threading.Thread(target=lambda: session.run(None, feed)); thread.start(); thread.join()
""",
}


@pytest.mark.parametrize("ending", EXITS)
def test_an_exit_is_clean(tmp_path: Path, ending: str) -> None:
    program = f"""
import attune, numpy
session = attune.InferenceSession("cnn.onnx")
feed = {{"input_1": numpy.ones((8, 40, 40, 1), "f4")}}
result = session.run(None, feed)
{EXITS[ending]}
"""
    assert_silent(run_python(program, tmp_path))


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_child_made_by_fork_runs(tmp_path: Path, threads: int) -> None:
    """onnxruntime hangs or crashes here; a pre-forking server must not."""
    program = f"""
import os, sys
import attune, numpy
options = attune.SessionOptions()
options.intra_op_num_threads = {threads}
options.log_severity_level = 3  # more threads than CPUs are worth a warning
session = attune.InferenceSession("cnn.onnx", options)
feed = {{"input_1": numpy.random.default_rng(0).standard_normal((8, 40, 40, 1), dtype="f4")}}
wanted = session.run(None, feed)[0]
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        right = all(numpy.array_equal(session.run(None, feed)[0], wanted) for _ in range(5))
        fresh = attune.InferenceSession("cnn.onnx", options)
        right = right and numpy.array_equal(fresh.run(None, feed)[0], wanted)
        sys.exit(0 if right else 1)
    children.append(child)
statuses = [os.waitpid(child, 0)[1] for child in children]
assert statuses == [0, 0, 0], statuses
assert numpy.array_equal(session.run(None, feed)[0], wanted)
"""
    assert_silent(run_python(program, tmp_path))


def test_multiprocessing_with_fork_runs(tmp_path: Path) -> None:
    program = """
import multiprocessing
import attune, numpy
session = attune.InferenceSession("cnn.onnx")

def work(seed):
    feed = {"input_1": numpy.random.default_rng(seed).standard_normal((2, 40, 40, 1), dtype="f4")}
    return session.run(None, feed)[0].tobytes()

if __name__ == "__main__":
    wanted = [work(seed) for seed in range(8)]
    with multiprocessing.get_context("fork").Pool(3) as pool:
        assert pool.map(work, range(8)) == wanted
"""
    assert_silent(run_python(program, tmp_path))


def test_a_fork_while_other_threads_run(tmp_path: Path) -> None:
    program = """
import os, threading
import attune, numpy
session = attune.InferenceSession("cnn.onnx")
feed = {"input_1": numpy.ones((4, 40, 40, 1), "f4")}
wanted = session.run(None, feed)[0]
stop = threading.Event()

def work():
    while not stop.is_set():
        session.run(None, feed)

workers = [threading.Thread(target=work) for _ in range(2)]
for worker in workers:
    worker.start()
for _ in range(10):
    child = os.fork()
    if child == 0:
        os._exit(0 if numpy.array_equal(session.run(None, feed)[0], wanted) else 1)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
for worker in workers:
    worker.join()
"""
    assert_silent(run_python(program, tmp_path))


# The measuring program of the article on ONNX Runtime's arena, as it stands there; the import alone is Attune's.
ARTICLE = """
import numpy as np
import attune as onnxruntime
from memory_profiler import profile

@profile
def main():
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = False
    session = onnxruntime.InferenceSession("cnn.onnx", options, providers=["CPUExecutionProvider"])
    data = np.random.rand(32, 40, 40, 1).astype(np.float32)
    result = session.run(["predictions"], {"input_1": data})[0]
    return result

if __name__ == "__main__":
    result = main()
    assert result.shape == (32, 4)
    assert np.allclose(result.sum(axis=1), 1, atol=1e-5)
"""


@pytest.mark.parametrize("arena", [True, False])
def test_the_program_of_the_article(tmp_path: Path, arena: bool) -> None:
    done = run_python(ARTICLE.replace("arena = False", f"arena = {arena}"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if "MiB" in line]
    assert any("onnxruntime.InferenceSession" in line for line in lines)
    assert any("session.run" in line for line in lines)


def test_bytes_of_a_model_are_held_once(tmp_path: Path) -> None:
    """A model of 64 MiB given as bytes: the session adds its packed weights, not a second copy of the file."""
    rows = 4096
    weights = onnx.TensorProto(name="W", data_type=onnx.TensorProto.FLOAT, dims=[rows, rows])
    weights.raw_data = bytes(4 * rows * rows)
    model = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17]> g (int64[N] x) => (float[N,{rows}] y) {{ y = Gather(W, x) }}'
    )
    model.graph.initializer.append(weights)
    (tmp_path / "large.onnx").write_bytes(model.SerializeToString())
    program = """
import attune, numpy

def resident():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

model = open("large.onnx", "rb").read()
attune.InferenceSession("matmul.onnx").run(None, {"X": numpy.ones((1, 3), "f4")})
before = resident()
session = attune.InferenceSession(model)
del model
session.run(None, {"x": numpy.array([5])})
assert resident() - before < 16, resident() - before
"""
    assert_silent(run_python(program, tmp_path))
