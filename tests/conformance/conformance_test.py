"""The backend test suite of the onnx package: what passed once keeps passing, what does not is named with a reason."""

import backend_suite
import pytest


@pytest.fixture(scope="module")
def results() -> tuple[set[str], dict[str, str]]:
    return backend_suite.failures()


def test_what_passed_still_passes(results: tuple[set[str], dict[str, str]]) -> None:
    _, failed = results
    lost = {name: failed.get(name, "the case is gone") for name in sorted(backend_suite.checked_in() & set(failed))}
    assert not lost


def test_what_fails_is_left_out_for_a_reason(results: tuple[set[str], dict[str, str]]) -> None:
    _, failed = results
    assert not {name: why for name, why in failed.items() if backend_suite.reason(name) is None}
