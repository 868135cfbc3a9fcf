"""Many threads at once: sessions are shared, Python's lock is free, and the bits do not depend on any of it."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attune
import numpy as np
import pytest
import tiny
from attune.capi.onnxruntime_pybind11_state import Fail


def images(seed: int, count: int = 2) -> dict[str, np.ndarray]:
    return {"input_1": np.random.default_rng(seed).standard_normal((count, 40, 40, 1), dtype=np.float32)}


def make_session(model: bytes, **settings: Any) -> attune.InferenceSession:
    options = attune.SessionOptions()
    for name, value in settings.items():
        setattr(options, name, value)
    return attune.InferenceSession(model, options)


def test_one_session_runs_in_eight_threads() -> None:
    session = attune.InferenceSession(tiny.convolutions())
    feeds = [images(seed, count=1 + seed % 5) for seed in range(40)]
    wanted = [session.run(None, feed)[0] for feed in feeds]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            results = list(pool.map(lambda feed: session.run(None, feed)[0], feeds))
            assert all(np.array_equal(a, b) for a, b in zip(results, wanted, strict=True))


def test_sessions_are_made_and_dropped_in_eight_threads() -> None:
    feed = images(0)
    wanted = attune.InferenceSession(tiny.convolutions()).run(None, feed)[0]

    def make_and_run(k: int) -> bool:
        session = make_session(tiny.convolutions(), intra_op_num_threads=1 + k % 4, enable_cpu_mem_arena=k % 2 == 0)
        return np.array_equal(session.run(None, feed)[0], wanted)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(make_and_run, range(64)))


def test_other_python_threads_run_during_a_run() -> None:
    """The counting thread gets on while a run of some hundred milliseconds is under way."""
    session = attune.InferenceSession(tiny.long_run())
    feed = {"t0": np.ones((512, 512), np.float32)}
    session.run(None, feed)
    running, finished = threading.Event(), threading.Event()
    steps = 0

    def count() -> None:
        nonlocal steps
        running.wait()
        while not finished.is_set():
            time.sleep(0.001)
            steps += 1

    counter = threading.Thread(target=count)
    counter.start()
    running.set()
    start = time.perf_counter()
    session.run(None, feed)
    elapsed = time.perf_counter() - start
    seen = steps
    finished.set()
    counter.join()
    assert elapsed > 0.02, "too short to tell"
    assert seen >= 3


def test_the_number_of_threads_does_not_change_a_bit() -> None:
    feed = images(1, count=3)
    results = [
        make_session(tiny.convolutions(), intra_op_num_threads=threads).run(None, feed)[0] for threads in range(5)
    ]
    assert all(np.array_equal(result, results[0]) for result in results)


def test_a_run_is_ended_by_another_thread() -> None:
    session, options = attune.InferenceSession(tiny.long_run(repeats=400)), attune.RunOptions()
    feed = {"t0": np.ones((512, 512), np.float32)}
    timer = threading.Timer(0.05, lambda: setattr(options, "terminate", True))
    start = time.perf_counter()
    timer.start()
    with pytest.raises(Fail, match="Exiting due to terminate flag"):
        while time.perf_counter() - start < 30:
            session.run(None, feed, options)
    assert time.perf_counter() - start < 15
    assert options.terminate is True
    other = attune.RunOptions()
    assert other.terminate is False
    assert session.run(None, {"t0": feed["t0"][:1]}, other)[0].shape == (1, 512)


def test_a_run_after_a_failed_one_in_every_thread() -> None:
    session = attune.InferenceSession(tiny.matmul())
    good = np.ones((2, 3), np.float32)

    def work(k: int) -> bool:
        try:
            session.run(None, {"X": np.ones((2, 4), np.float32)})
        except Exception as error:
            return "Got: 4" in str(error) and session.run(None, {"X": good})[0].tolist() == [[9, 12], [9, 12]]
        return False

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(100)))
