"""Each operator refuses what is wrong with an error that names the node."""

from functools import cache
from typing import Any

import invalid_input
import pytest


@cache
def cases() -> dict[str, Any]:
    return invalid_input.cases()


def test_there_are_operators() -> None:
    assert len(cases()) > 150


@pytest.mark.parametrize("share", range(8))
def test_what_is_wrong_is_refused_by_name(share: int) -> None:
    found = {name: invalid_input.complaints(cases()[name]) for name in sorted(cases())[share::8]}
    assert not {name: texts for name, texts in found.items() if texts}
