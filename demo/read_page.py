"""Read a page with RapidOCR, whose inference runs on the engine named; print what was read as JSON.

    read_page.py {attune|onnxruntime} PAGE.png [--save-input CROPS.npz]

RapidOCR is not changed: it imports onnxruntime, which is Attune where that is asked for. --save-input writes the
smallest batch of line images that the recogniser was given, as an .npz file by input name.
"""

import argparse
import json
import logging
import sys
import time
from typing import Any

import attune
import numpy as np


def count_elements(feed: dict[str, np.ndarray]) -> int:
    return sum(array.size for array in feed.values())


class Recorder:
    """Stands before a session and keeps the smallest feed that it is run with."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.feed: dict[str, np.ndarray] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, output_names: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        if not self.feed or count_elements(feed) < count_elements(self.feed):
            self.feed = {name: np.array(array) for name, array in feed.items()}
        return self._session.run(output_names, feed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=["attune", "onnxruntime"])
    parser.add_argument("page")
    parser.add_argument("--save-input", metavar="CROPS.npz")
    args = parser.parse_args()

    if args.engine == "attune":
        attune.install_as_onnxruntime()
    from rapidocr import RapidOCR

    logging.getLogger("RapidOCR").setLevel(logging.ERROR)
    start = time.perf_counter()
    reader = RapidOCR()
    reader(args.page)  # makes the sessions
    first = time.perf_counter() - start
    recognizer = reader.text_rec.session
    engine = type(recognizer.session).__module__.partition(".")[0]
    recorder = recognizer.session = Recorder(recognizer.session)
    times = []
    for _ in range(2):
        begin = time.perf_counter()
        result = reader(args.page)
        times.append(time.perf_counter() - begin)
    if args.save_input:
        np.savez(args.save_input, **recorder.feed)
    answer = {
        "engine": engine,
        "model": recognizer.session._model_path,
        "lines": list(result.txts or ()),
        "scores": [float(score) for score in result.scores or ()],
        "first_s": first,
        "read_s": min(times),
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
