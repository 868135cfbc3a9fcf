#!/usr/bin/env python3
"""Write small models for the fuzzers to start from.

Usage: make_corpus.py FOLDER. The models are those of ONNX's own operator tests, whose inputs become initializers in a
second copy of each: constants take other ways through the engine (folding, packing) than what is fed.
"""

from __future__ import annotations

import hashlib
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, numpy_helper
from onnx.backend.test.case.node import collect_testcases

MOST_BYTES = 4096


def with_initializers(model: ModelProto, inputs: list[Any]) -> ModelProto | None:
    """The model with its inputs as constants; None where one of them is not a tensor."""
    if not all(isinstance(value, np.ndarray) for value in inputs):
        return None
    constant = ModelProto()
    constant.CopyFrom(model)
    graph = constant.graph
    for description, value in zip(graph.input, inputs, strict=False):
        graph.initializer.append(numpy_helper.from_array(value, description.name))
    del graph.input[:]
    return constant


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")  # the cases divide by zero and overflow on purpose
    for case in collect_testcases(None):
        model = case.model
        inputs = list(case.data_sets[0][0]) if case.data_sets else []
        for variant in (model, with_initializers(model, inputs)):
            if variant is None:
                continue
            data = variant.SerializeToString()
            if len(data) <= MOST_BYTES:
                (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
