import os
import re
from pathlib import Path

import operators_page
import pytest

PROGRAM = Path(os.environ.get("ATTUNE_BIN", operators_page.ROOT / "build" / "attune"))
pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason=f"{PROGRAM} is not built")


def test_the_page_is_current() -> None:
    assert operators_page.PAGE.read_text(encoding="utf-8") == operators_page.page(), "run tools/operators_page.py"


def test_every_operator_has_its_row() -> None:
    names = {row["name"] for row in operators_page.listed()}
    assert {"Conv", "TreeEnsembleClassifier", "FusedMatMul"} <= names
    page = operators_page.PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"^\| \[(\w+)\]", page, re.MULTILINE)) == names
    for link in re.findall(r"\((\.\./src/ops/\w+\.cpp)\)", page):
        assert (operators_page.PAGE.parent / link).exists()
