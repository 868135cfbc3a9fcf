"""The options that say how threads are used, seen by what the threads do."""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import attune
import numpy as np
import pytest
import sanitizer
import tiny
from attune.capi.onnxruntime_pybind11_state import InvalidArgument

HEAD = """
import os, sys, threading, time
import attune, numpy

def workers():
    names = {}
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/comm") as file:
                name = file.read().strip()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if name.startswith("attune-"):
            names[int(task)] = name
    return names

def cpu_ns(task):
    with open(f"/proc/self/task/{task}/schedstat") as file:
        return int(file.read().split()[0])

def make(path="long.onnx", entries={}, **settings):
    options = attune.SessionOptions()
    for name, value in settings.items():
        setattr(options, name, value)
    for key, value in entries.items():
        options.add_session_config_entry(key, value)
    return attune.InferenceSession(path, options)

PARALLEL = attune.ExecutionMode.ORT_PARALLEL
feed = {"t0": numpy.ones((512, 512), "f4")}
"""


def run_program(folder: Path, program: str, **environment: str) -> str:
    """Runs a program behind HEAD in a fresh interpreter; what it wrote to stderr."""
    (folder / "long.onnx").write_bytes(tiny.long_run(repeats=12))
    (folder / "matmul.onnx").write_bytes(tiny.matmul())
    (folder / "wide.onnx").write_bytes(tiny.branches(8, 4, 128))
    done = subprocess.run(
        [sys.executable, "-c", HEAD + program],
        cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return done.stderr


def container(root: Path, version: int, quota: str) -> Path:
    """The files by which a container with a CPU quota is known, and eight cores."""
    group = root / "sys/fs/cgroup"
    (root / "proc/self").mkdir(parents=True)
    group.mkdir(parents=True)
    if version == 2:
        (root / "proc/self/cgroup").write_text("0::/\n")
        (root / "proc/self/mountinfo").write_text("30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
        (group / "cpu.max").write_text(f"{quota} 100000\n")
    else:
        (root / "proc/self/cgroup").write_text("4:cpu,cpuacct:/docker/1\n")
        (root / "proc/self/mountinfo").write_text("32 31 0:29 /docker/1 /sys/fs/cgroup ro - cgroup cgroup rw,cpu\n")
        (group / "cpu.cfs_quota_us").write_text(quota)
        (group / "cpu.cfs_period_us").write_text("100000")
    return root


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="every default is one thread here")
@pytest.mark.parametrize(("version", "quota", "helpers"), [(1, "100000", 0), (2, "50000", 0), (2, "max", 1)])
def test_a_quota_decides_the_default(tmp_path: Path, version: int, quota: str, helpers: int) -> None:
    root = container(tmp_path / "root", version, quota)
    program = """
for mode in (attune.ExecutionMode.ORT_SEQUENTIAL, PARALLEL):
    session = make("wide.onnx", execution_mode=mode)
    for _ in range(3):
        session.run(None, {"x": numpy.ones((128, 128), "f4")})
"""
    check = f"assert {'not workers()' if helpers == 0 else 'workers()'}, workers()\n"
    assert run_program(tmp_path, program + check, ATTUNE_SYSTEM_ROOT=str(root)) == ""


@pytest.mark.parametrize("option", ["intra_op_num_threads", "inter_op_num_threads"])
def test_more_threads_than_the_quota_are_obeyed_with_one_warning(tmp_path: Path, option: str) -> None:
    program = f"""
session = make(execution_mode=PARALLEL, intra_op_num_threads=1, inter_op_num_threads=1, {option}=4)
""".replace(f"{option}=1, ", "")
    check = """
for _ in range(3):
    session.run(None, feed)
assert len(workers()) == 3, workers()
"""
    root = container(tmp_path / "root", 2, "100000")
    written = run_program(tmp_path, program + check, ATTUNE_SYSTEM_ROOT=str(root))
    lines = [line for line in written.splitlines() if "CPUs" in line]
    assert len(lines) == 1
    assert f"{option} is 4, but this process may use 1 CPUs" in lines[0]


def test_eight_threads_work_when_eight_are_asked_for(tmp_path: Path) -> None:
    program = """
session = make(intra_op_num_threads=8, log_severity_level=3)
before = {task: cpu_ns(task) for task in workers()}
deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    session.run(None, feed)
    worked = [task for task in workers() if cpu_ns(task) - before.get(task, 0) > 1_000_000]
    if len(worked) == 7:  # and the caller
        break
assert len(worked) == 7, worked
assert len(workers()) == 7
"""
    assert run_program(tmp_path, program) == ""


def test_sessions_share_one_pool(tmp_path: Path) -> None:
    program = """
sessions = [make(intra_op_num_threads=3, log_severity_level=3) for _ in range(5)]
for session in sessions:
    session.run(None, feed)
assert len(workers()) == 2, workers()
"""
    assert run_program(tmp_path, program) == ""


def test_affinities_are_obeyed(tmp_path: Path) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    program = f"""
session = make(entries={{"session.intra_op_thread_affinities": "{cpus[-1] + 1};{cpus[0] + 1}-{cpus[0] + 1}"}},
               intra_op_num_threads=3, log_severity_level=3)
session.run(None, feed)
where = sorted(sorted(os.sched_getaffinity(task)) for task in workers())
assert where == sorted([[{cpus[-1]}], [{cpus[0]}]]), where
assert sorted(os.sched_getaffinity(0)) == {cpus}
alive = len(workers())
del session
deadline = time.monotonic() + 10
while workers() and time.monotonic() < deadline:
    time.sleep(0.001)
assert alive == 2 and not workers(), "the threads of such a session end with it"
"""
    assert run_program(tmp_path, program) == ""


def test_processors_that_are_not_there_are_one_warning(tmp_path: Path) -> None:
    program = """
session = make(entries={"session.intra_op_thread_affinities": "60000;60000,60001"}, intra_op_num_threads=3)
session.run(None, feed)
"""
    lines = [line for line in run_program(tmp_path, program).splitlines() if "affinities" in line]
    assert len(lines) == 1
    assert lines[0].endswith("may not use, and does without them: 60000, 60001")


def test_wrong_affinities_are_named() -> None:
    wrong = {"x": "'x' is not the number", "0": "numbered from 1", "1;2": "the processors of 2 threads"}
    for text, message in wrong.items():
        options = attune.SessionOptions()
        options.intra_op_num_threads = 2
        options.add_session_config_entry("session.intra_op_thread_affinities", text)
        with pytest.raises(InvalidArgument, match=message):
            attune.InferenceSession(tiny.matmul(), options)


@pytest.mark.parametrize("mode", ["ORT_SEQUENTIAL", "ORT_PARALLEL"])
def test_nothing_runs_after_a_run(tmp_path: Path, mode: str) -> None:
    """Less than 1 ms of CPU in the second after; the thread that sleeps takes some of it."""
    program = f"""
session = make("wide.onnx", execution_mode=attune.ExecutionMode.{mode}, intra_op_num_threads=4,
               inter_op_num_threads=4, log_severity_level=3)
used = []
while len(used) < 3 and min(used, default=1_000_000) >= 1_000_000:  # a busy machine lets workers wait for their CPU
    for _ in range(20):
        session.run(None, {{"x": numpy.ones((128, 128), "f4")}})
    time.sleep(0.002)
    before = time.process_time_ns()
    time.sleep(1)
    used.append(time.process_time_ns() - before)
assert min(used) < 1_000_000, used
"""
    assert run_program(tmp_path, program) == ""


@sanitizer.measures_time
@pytest.mark.parametrize(("mode", "key"), [("ORT_SEQUENTIAL", "intra"), ("ORT_PARALLEL", "inter")])
def test_spinning_is_what_the_keys_say(tmp_path: Path, mode: str, key: str) -> None:
    """Threads that may not spin fall asleep whenever they find nothing, which the system counts."""
    program = f"""
def times_asleep(spin):
    session = make("wide.onnx", entries={{"session.{key}_op.allow_spinning": spin}}, log_severity_level=3,
                   execution_mode=attune.ExecutionMode.{mode}, intra_op_num_threads={2 if key == "intra" else 1},
                   inter_op_num_threads=2)
    x = {{"x": numpy.ones((128, 128), "f4")}}
    counts = []
    for _ in range(2):
        for _ in range(150):
            session.run(None, x)
        words = [open(f"/proc/self/task/{{task}}/status").read().split() for task in workers()]
        counts.append(sum(int(w[w.index("voluntary_ctxt_switches:") + 1]) for w in words))
    return counts[1] - counts[0]

turns = [(times_asleep("0"), times_asleep("1")) for _ in range(5)]
quiet, spinning = map(sum, zip(*turns))
assert quiet > spinning, turns
"""
    assert run_program(tmp_path, program) == ""


def test_other_python_threads_run_while_a_session_is_made() -> None:
    weights = np.random.default_rng(0).standard_normal((1024, 1024)).astype(np.float32)
    body = "\n".join(f"t{k + 1} = MatMul(t{k}, w{k})" for k in range(8))
    names = [f"w{k}" for k in range(8)]
    model = tiny.model(f"(float[N,1024] t0) => (float[N,1024] t8) {{ {body} }}", **dict.fromkeys(names, weights))
    steps: list[float] = []
    finished = threading.Event()

    def count() -> None:
        while not finished.is_set():
            time.sleep(0.0005)
            steps.append(time.perf_counter())

    counter = threading.Thread(target=count)
    counter.start()
    seen = 0
    for _ in range(50):
        start = time.perf_counter()
        attune.InferenceSession(model)
        end = time.perf_counter()
        # Half a millisecond at either edge may be the wrapper's own.
        seen += sum(start + 0.001 < step < end - 0.001 for step in steps)
        steps.clear()
        if seen >= 5:
            break
    finished.set()
    counter.join()
    assert seen >= 5


def test_a_daemon_thread_runs_branches_at_exit(tmp_path: Path) -> None:
    program = """
session = make("wide.onnx", execution_mode=PARALLEL, intra_op_num_threads=2, inter_op_num_threads=3,
               log_severity_level=3)

def work():
    while True:
        session.run(None, {"x": numpy.ones((128, 128), "f4")})

for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
"""
    assert run_program(tmp_path, program) == ""


def test_a_child_of_fork_runs_branches_while_other_threads_run(tmp_path: Path) -> None:
    program = """
session = make("wide.onnx", execution_mode=PARALLEL, intra_op_num_threads=2, inter_op_num_threads=3,
               log_severity_level=3)
x = {"x": numpy.ones((128, 128), "f4")}
wanted = session.run(None, x)[0]
stop = threading.Event()

def work():
    while not stop.is_set():
        session.run(None, x)

threads = [threading.Thread(target=work, daemon=True) for _ in range(2)]
for thread in threads:
    thread.start()
for _ in range(10):
    if (child := os.fork()) == 0:
        right = all(numpy.array_equal(session.run(None, x)[0], wanted) for _ in range(3))
        os._exit(0 if right and len(os.listdir("/proc/self/task")) == 3 else 1)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
for thread in threads:
    thread.join()
"""
    assert run_program(tmp_path, program) == ""


# --- ORT_PARALLEL ---


def make_session(model: bytes, mode: str, **settings: Any) -> attune.InferenceSession:
    options = attune.SessionOptions()
    options.log_severity_level = 3
    options.execution_mode = getattr(attune.ExecutionMode, mode)
    for name, value in settings.items():
        setattr(options, name, value)
    return attune.InferenceSession(model, options)


def median_ratio(first: attune.InferenceSession, second: attune.InferenceSession, feed: dict[str, np.ndarray]) -> float:
    """Of the time of two sessions, run in turns; the best of each turn, since the machine does other things, too."""

    def best_time(session: attune.InferenceSession) -> float:
        times = []
        for _ in range(10):
            start = time.perf_counter()
            session.run(None, feed)
            times.append(time.perf_counter() - start)
        return min(times)

    return statistics.median(best_time(first) / best_time(second) for _ in range(15))


@pytest.mark.parametrize("settings", [{}, {"intra_op_num_threads": 1, "inter_op_num_threads": 3}])
def test_branches_give_the_same_bits(settings: dict[str, int]) -> None:
    feed = {"x": np.random.default_rng(1).standard_normal((128, 128)).astype(np.float32)}
    model = tiny.branches(5, 3, 128)
    wanted = make_session(model, "ORT_SEQUENTIAL", intra_op_num_threads=1).run(None, feed)[0]
    session = make_session(model, "ORT_PARALLEL", **settings)
    assert all(np.array_equal(session.run(None, feed)[0], wanted) for _ in range(30))


def test_branches_run_in_several_threads(tmp_path: Path) -> None:
    """The trace says so; without branches everything stays in one thread."""
    for count in (6, 1):
        prefix = str(tmp_path / f"trace{count}")
        session = make_session(
            tiny.branches(count, 4, 256), "ORT_PARALLEL", inter_op_num_threads=2, enable_profiling=True,
            profile_file_prefix=prefix,
        )  # fmt: skip
        feed = {"x": np.ones((256, 256), np.float32)}
        for _ in range(20):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text())
        threads = {event["tid"] for event in events if event["cat"] == "Node"}
        assert len(threads) > 1 if count > 1 else threads == {threading.get_native_id()}


def test_a_chain_costs_no_more_in_parallel() -> None:
    chain = "\n".join(f"t{k + 1} = {'Neg' if k % 2 else 'Sigmoid'}(t{k})" for k in range(300))
    model = tiny.model(f"(float[16] t0) => (float[16] t300) {{ {chain} }}")
    feed = {"t0": np.ones(16, np.float32)}
    ratio = median_ratio(make_session(model, "ORT_PARALLEL"), make_session(model, "ORT_SEQUENTIAL"), feed)
    assert ratio < 1.15, "measured quietly it is below 1.05"
