"""The documentation names files that exist and quotes code as it is."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
# A path in code marks, from the root of the project; or a link to a file.
PATH = re.compile(r"`((?:apps|bench|cmake|docs|examples|include|python|src|tests|tools)/[\w./-]*)`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
STANDS_FOR_ANY = re.compile("x_|thing")
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"`([A-Za-z_]\w+(?:\.(?:h|cpp))?)(?:\(\))?`")
QUOTE = re.compile(r"^```cpp (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def pages(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(name, PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@pages("page")
def test_files_exist(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    missing = [name for name in PATH.findall(text) if not (ROOT / name).exists()]
    missing += [name for name in LINK.findall(text) if not (page.parent / name).exists()]
    assert not missing


def source_files() -> list[Path]:
    folders = ("apps", "include", "python", "src", "tests", "tools")
    kinds = (".h", ".cpp", ".py", ".txt")
    return [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in kinds]


@pages("page")
def test_names_exist(page: Path) -> None:
    """A name in code marks is one in the sources, or a file's."""
    if page.parent == ROOT:
        return
    files = source_files()
    known = {path.name for path in files}
    for path in files:
        if path != Path(__file__):
            known.update(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    named = NAME.findall(BLOCK.sub("", page.read_text(encoding="utf-8")))
    assert named
    assert not [name for name in named if name not in known and not STANDS_FOR_ANY.match(name)]


@pages("page")
def test_quotes_are_current(page: Path) -> None:
    """Blocks marked with a file's name are that file's lines; `...` stands for any number of them."""
    for name, block in QUOTE.findall(page.read_text(encoding="utf-8")):
        source = (ROOT / name).read_text(encoding="utf-8")
        place = 0
        for piece in re.split(r"^\.\.\.\n", block, flags=re.MULTILINE):
            place = source.find(piece, place)
            assert place >= 0, f"{name} does not have:\n{piece}"


def test_there_are_quotes_and_paths() -> None:
    text = (ROOT / "docs" / "add_op.md").read_text(encoding="utf-8")
    assert len(QUOTE.findall(text)) > 5
    assert len(PATH.findall(text)) > 5
