"""The same bits from every way to run a model: threads, arena, batch, and a second run."""

from typing import Any

import attune
import numpy as np
import pytest
import zoo

MODELS: dict[str, tuple[int, ...]] = {
    "article_cnn": (3, 200, 200, 1),
    "mobilenet_v2": (3, 3, 75, 91),
    "resnet50": (3, 3, 64, 64),
    "minilm": (3, 33),
    "ppocr_det": (2, 3, 96, 160),
    "ppocr_rec": (3, 3, 48, 101),
    "ppocr_cls": (3, 3, 48, 192),
}


def make_session(name: str, **settings: Any) -> attune.InferenceSession:
    options = attune.SessionOptions()
    for option, value in settings.items():
        setattr(options, option, value)
    return attune.InferenceSession(zoo.model_path(name), options)


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_threads_and_arena_do_not_change_a_bit(name: str) -> None:
    feed = zoo.feed(name, MODELS[name], 7)
    wanted = make_session(name, intra_op_num_threads=1).run(None, feed)
    for threads in (2, 3, 4):
        session = make_session(name, intra_op_num_threads=threads, enable_cpu_mem_arena=threads != 3)
        assert same(session.run(None, feed), wanted), threads
        assert same(session.run(None, feed), wanted), f"second run, {threads}"


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_gives_the_bits_of_single_runs(name: str) -> None:
    session = make_session(name, intra_op_num_threads=2)
    feed = zoo.feed(name, MODELS[name], 8)
    together = session.run(None, feed)
    for k in range(MODELS[name][0]):
        alone = session.run(None, {key: value[k : k + 1] for key, value in feed.items()})
        assert same(alone, [output[k : k + 1] for output in together]), k


def test_the_shapes_between_do_not_matter() -> None:
    """One session sees many sizes; the first one again gives the first one's bits."""
    session = make_session("mobilenet_v2")
    feed = zoo.feed("mobilenet_v2", (1, 3, 64, 96), 9)
    wanted = session.run(None, feed)
    for side in range(32, 160, 11):
        session.run(None, zoo.feed("mobilenet_v2", (1, 3, side, 200 - side), side))
    assert same(session.run(None, feed), wanted)
