"""The notebooks in examples/ run from top to bottom, in both languages, and are kept without outputs."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path
from typing import Any

import pytest
from attune.command import find_program

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NOTEBOOKS = ("tuning.ipynb", "tuning.zh-CN.ipynb")
SECONDS = 300  # for a cell


def code_cells(name: str) -> list[dict[str, Any]]:
    cells = json.loads((EXAMPLES / name).read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def shape_of(cell: dict[str, Any]) -> str:
    """The code without its texts."""
    tree = ast.parse("".join(cell["source"]))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
        if isinstance(node, ast.Call):
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "lang"]
    return ast.dump(tree)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_outputs_are_kept(name: str) -> None:
    assert [cell["outputs"] for cell in code_cells(name)] == [[] for _ in code_cells(name)]
    assert {cell["execution_count"] for cell in code_cells(name)} == {None}


def test_both_languages_run_the_same_code() -> None:
    english, chinese = map(code_cells, NOTEBOOKS)
    labels = 1  # the cell that names the plots' labels, and their font
    assert len(english) == len(chinese)
    for index, (ours, theirs) in enumerate(zip(english, chinese, strict=True)):
        assert index == labels or shape_of(ours) == shape_of(theirs), "".join(theirs["source"])


@pytest.mark.skipif(find_program() is None, reason="this build has no command")
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("ATTUNE_NOTEBOOK_SHORT", "1")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setenv("IPYTHONDIR", os.fspath(tmp_path))
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    nbclient.NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": os.fspath(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert kinds.count("image/png") == 3
    shown = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert len(shown) == 2 and all("srcdoc=" in text for text in shown)
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "Warning" not in printed and "findfont" not in printed, printed
    assert "(2, 10)" in outputs[-1].data["text/plain"]
