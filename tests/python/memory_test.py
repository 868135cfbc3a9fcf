"""What a session holds after runs, what a run takes at its peak, and what happens when there is no more.

Each case is a process of its own, whose memory the kernel counts.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sanitizer
import tiny

PRELUDE = """
import gc, resource, sys
import attune, numpy
from attune.capi.onnxruntime_pybind11_state import RuntimeException

def status(key):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024

def image(*shape):
    return numpy.random.default_rng(1).standard_normal(shape, dtype="f4")

def make(**entries):
    options = attune.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 4
    for name, value in entries.items():
        if name == "limit":
            options.add_session_config_entry("session.max_activation_mib", str(value))
        else:
            setattr(options, name, value)
    session = attune.InferenceSession("images.onnx", options)
    session.run(None, {"x": image(1, 3, 32, 32)})
    return session
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images (N,3,H,W) to wide maps, to one vector each; 64 + 64 MiB of them for an image of 1024 x 1024."""
    rng = np.random.default_rng(1)
    weights = {
        "A": rng.standard_normal((16, 3, 3, 3)) / 5,
        "B": rng.standard_normal((16, 16, 3, 3)) / 12,
        "C": rng.standard_normal((16, 16, 3, 3)) / 12,
    }
    (tmp_path / "images.onnx").write_bytes(
        tiny.model(
            """(float[N,3,H,W] x) => (float[N,16,1,1] y) {
            a = Conv <pads = [1, 1, 1, 1]> (x, A)
            b = Relu(a)
            c = Conv <pads = [1, 1, 1, 1]> (b, B)
            d = Sigmoid(c)
            e = Conv <pads = [1, 1, 1, 1]> (d, C)
            f = Add(e, b)
            y = GlobalAveragePool(f)
            }""",
            **{name: array.astype(np.float32) for name, array in weights.items()},
        )
    )
    return tmp_path


def run_program(folder: Path, program: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + program],
        cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize("size", [512, 1024])
def test_without_the_arena_a_run_leaves_nothing(folder: Path, size: int) -> None:
    run_program(folder, f"""
session = make(enable_cpu_mem_arena=False)
feed = {{"x": image(1, 3, {size}, {size})}}
before = status("VmRSS")
for _ in range(3):
    session.run(None, feed)
    assert status("VmRSS") - before <= 2, status("VmRSS") - before
""")  # fmt: skip


def test_with_the_arena_the_second_run_of_a_shape_is_the_last_to_grow(folder: Path) -> None:
    run_program(
        folder,
        """
session = make()
feed = {"x": image(1, 3, 700, 500)}
for _ in range(2):
    session.run(None, feed)
before = status("VmRSS")
assert before > 30  # it does keep its region
for _ in range(20):
    session.run(None, feed)
assert status("VmRSS") - before <= 0.25, status("VmRSS") - before
""",
    )


@sanitizer.measures_memory
@pytest.mark.parametrize("arena", [True, False])
def test_a_thousand_shapes_hold_no_more_than_the_largest(folder: Path, arena: bool) -> None:
    program = f"""
import random
rng = random.Random(5)
shapes = [(rng.randrange(1, 5), 3, rng.randrange(20, 200), rng.randrange(20, 200)) for _ in range(1000)]
memory = image(4 * 3 * 200 * 200)  # of all feeds: what NumPy's own would leave in the heap must not count

session = make(enable_cpu_mem_arena={arena})
before = status("VmRSS")
for _ in range(3):
    session.run(None, {{"x": memory.reshape(4, 3, 200, 200)}})
one = status("VmRSS") - before
most = 0
for shape in shapes:
    session.run(None, {{"x": memory[: numpy.prod(shape)].reshape(shape)}})
    most = max(most, status("VmRSS") - before)
assert most <= one + 2, (most, one)
"""
    run_program(folder, program)


def test_a_limit_is_what_the_kernel_counts(folder: Path) -> None:
    """Odd shapes, batches among them, under three limits and none: the same bits, and no more pages than allowed."""
    run_program(
        folder,
        """
feeds = [{"x": image(*shape)} for shape in ((7, 3, 201, 133), (1, 3, 333, 97), (31, 3, 65, 130))]
free = make()
wanted = [free.run(None, feed)[0] for feed in feeds]
del free
gc.collect()

def peak_of(session, feed):
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = status("VmRSS")
    result = session.run(None, feed)[0]
    return status("VmHWM") - before, result

for limit in (3, 6, 12):
    session = make(limit=limit, enable_cpu_mem_arena=False)
    refused = 0
    for feed, right in zip(feeds, wanted):
        try:
            peak, result = peak_of(session, feed)
        except RuntimeException as error:
            assert f"session.max_activation_mib allows {limit}.0" in str(error), error
            assert "The largest tensor is '" in str(error), error
            refused += 1
            continue
        assert peak <= limit + 1, (limit, peak)
        assert numpy.array_equal(result, right)
    assert refused <= (2 if limit < 6 else 0), (limit, refused)
""",
    )


SHORTAGE = """
small, large = {"x": image(1, 3, 64, 64)}, {"x": image(1, 3, 1024, 1024)}
session = make(enable_cpu_mem_arena=ARENA)
wanted = session.run(None, small)[0]
LIMIT
for _ in range(3):
    try:
        session.run(None, large)
    except RuntimeException as error:
        text = str(error)
        assert "Failed to allocate memory for requested buffer of size" in text, text
        assert "The largest tensor is '" in text and "of shape {1,16,1024,1024}, 64.0 MiB." in text, text
    else:
        raise AssertionError("it had enough memory")
    assert numpy.array_equal(session.run(None, small)[0], wanted)
"""


@pytest.mark.parametrize("arena", [True, False])
def test_a_shortage_of_address_space_is_an_error(folder: Path, arena: bool) -> None:
    limit = """
size = int(status("VmSize") + 100) << 20
resource.setrlimit(resource.RLIMIT_AS, (size, size))
"""
    run_program(folder, SHORTAGE.replace("ARENA", str(arena)).replace("LIMIT", limit))


@pytest.mark.parametrize("arena", [True, False])
def test_the_limit_of_a_container_is_known_in_advance(folder: Path, arena: bool) -> None:
    root = folder / "root"
    (root / "proc/self").mkdir(parents=True)
    (root / "sys/fs/cgroup").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("0::/\n")
    (root / "proc/self/mountinfo").write_text("30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    (root / "sys/fs/cgroup/memory.max").write_text(f"{100 << 20}\n")
    program = SHORTAGE.replace("ARENA", str(arena)).replace("LIMIT", "")
    run_program(folder, program, ATTUNE_SYSTEM_ROOT=str(root))
