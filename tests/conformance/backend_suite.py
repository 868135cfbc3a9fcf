"""The backend test suite of the onnx package: its cases, and whether Attune gives their expected outputs.

python tests/conformance/backend_suite.py            prints the cases that fail, and why
python tests/conformance/backend_suite.py --update   adds the cases that pass now to passing.txt
"""

import argparse
import fnmatch
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attune
import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")
FOLDER = Path(__file__).parent
PASSING = FOLDER / "passing.txt"
LEFT_OUT = FOLDER / "left_out.txt"


def cases() -> Iterator[Any]:
    """All cases of onnx's suite."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in KINDS:
            yield from load_model_tests(kind=kind)


def as_numpy(stored: Any, info: onnx.ValueInfoProto) -> Any:
    """An input or output as NumPy sees it: an array, a list of them, or None."""
    if isinstance(stored, Path):
        kind = info.type.WhichOneof("value")
        message = {"sequence_type": onnx.SequenceProto, "optional_type": onnx.OptionalProto}.get(
            kind, onnx.TensorProto
        )()
        message.ParseFromString(stored.read_bytes())
        if isinstance(message, onnx.SequenceProto):
            return numpy_helper.to_list(message)
        if isinstance(message, onnx.OptionalProto):
            return numpy_helper.to_optional(message)
        return numpy_helper.to_array(message)
    if isinstance(stored, onnx.TensorProto):
        return numpy_helper.to_array(stored)
    if isinstance(stored, list):
        return [as_numpy(item, info) for item in stored]
    return np.asarray(stored) if isinstance(stored, (np.generic, int, float)) else stored


def _load(case: Any) -> tuple[onnx.ModelProto, list[tuple[Any, Any]]]:
    if case.model is not None:
        return case.model, case.data_sets
    folder = Path(case.model_dir)

    def numbered(data: Path, pattern: str) -> list[Path]:
        return sorted(data.glob(pattern), key=lambda path: int(path.stem.rsplit("_", 1)[1]))

    sets = [
        (numbered(data, "input_*.pb"), numbered(data, "output_*.pb")) for data in sorted(folder.glob("test_data_set_*"))
    ]
    return onnx.load(folder / "model.onnx"), sets


def _compare(actual: Any, expected: Any, case: Any) -> None:
    if expected is None or isinstance(expected, list):
        assert (actual is None) == (expected is None)
        if expected is not None:
            assert len(actual) == len(expected), "another length of the sequence"
            for one, other in zip(actual, expected, strict=True):
                _compare(one, other, case)
        return
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"shape {actual.shape}, not {expected.shape}"
    same_type = actual.dtype == expected.dtype or (actual.dtype.kind in "OU" and expected.dtype.kind in "OU")
    assert same_type, f"type {actual.dtype}, not {expected.dtype}"
    if expected.dtype.kind in "fc" or "float" in expected.dtype.name:  # those of ml_dtypes are of kind V
        wide = "c16" if expected.dtype.kind == "c" else "f8"
        relative = {"bfloat16": 2.0**-6, "float16": 2.0**-9}.get(expected.dtype.name, 1e-3)
        tolerances = {"rtol": max(case.rtol, relative), "atol": max(getattr(case, "atol", 0) or 0, 1e-5)}
        np.testing.assert_allclose(actual.astype(wide), expected.astype(wide), **tolerances)
    else:
        np.testing.assert_array_equal(actual, expected)


def failure(case: Any) -> str | None:
    """Why Attune fails the case; None when it passes."""
    options = attune.SessionOptions()
    options.log_severity_level = 4
    try:
        model, sets = _load(case)
        session = attune.InferenceSession(model.SerializeToString(), options)
        for inputs, outputs in sets:
            feeds = {info.name: as_numpy(value, info) for value, info in zip(inputs, model.graph.input, strict=False)}
            results = session.run(None, feeds)
            for actual, expected, info in zip(results, outputs, model.graph.output, strict=True):
                _compare(actual, as_numpy(expected, info), case)
    except Exception as error:
        return str(error).strip()[:300] or type(error).__name__
    return None


def failures() -> tuple[set[str], dict[str, str]]:
    """The names of the cases that pass, and why the others fail."""
    passed: set[str] = set()
    failed: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in cases():
            why = failure(case)
            if why is None:
                passed.add(case.name)
            else:
                failed[case.name] = why
    return passed, failed


def checked_in() -> set[str]:
    """The cases that passed before."""
    return set(PASSING.read_text().split())


def reasons() -> dict[str, str]:
    """Patterns of names of cases that are left out, and why."""
    lines = (line.strip() for line in LEFT_OUT.read_text().splitlines())
    entries = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return {pattern: why for pattern, _, why in entries}


def reason(name: str) -> str | None:
    """Why a case is left out."""
    return next((why for pattern, why in reasons().items() if fnmatch.fnmatch(name, pattern)), None)


def main() -> None:
    """Run the suite from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="add the cases that pass now to passing.txt")
    arguments = parser.parse_args()
    passed, failed = failures()
    for name, why in sorted(failed.items()):
        print(f"{name}: {why}")
    print(f"{len(passed)} pass, {len(failed)} fail")
    if arguments.update:
        PASSING.write_text("".join(f"{name}\n" for name in sorted(passed | checked_in())))


if __name__ == "__main__":
    main()
