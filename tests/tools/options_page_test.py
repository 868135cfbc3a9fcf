import re

import options_page
import pytest
from attune import _attune

SOURCES = (options_page.DOCS.parent / "src" / "session").glob("*.cpp")
KEYS = {key for path in SOURCES for key in re.findall(r'"(session\.[\w.]+)"', path.read_text(encoding="utf-8"))}

pages = pytest.mark.parametrize("page", options_page.PAGES, ids=lambda page: page.path.name)


@pages
def test_the_page_is_current(page: options_page.Page) -> None:
    assert page.path.read_text(encoding="utf-8") == options_page.text_of(page), "run tools/options_page.py"


@pages
def test_every_option_has_its_row(page: options_page.Page) -> None:
    rows = [line for line in page.path.read_text(encoding="utf-8").splitlines() if line.startswith("| [`")]
    assert {row.split("`")[1] for row in rows} == {row["name"] for row in _attune.option_table()}
    assert all(row.count(" | ") == len(page.titles) - 1 for row in rows)


@pages
def test_every_option_has_its_section(page: options_page.Page) -> None:
    """One by one, with what it does, when to change it, what it costs, and how the engines differ."""
    sections = re.split(r"^### ", page.path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    texts = {name: text for text in sections for name in re.findall(r"`([\w.]+)`", text.partition("\n")[0])}
    names = {row["name"] for row in _attune.option_table()} | KEYS
    assert "session.intra_op.allow_spinning" in KEYS
    assert names - texts.keys() == set()
    for name in names:
        assert "ONNX Runtime" in texts[name], name


def test_both_languages_have_the_same_sections_and_commands() -> None:
    english, chinese = (page.path.read_text(encoding="utf-8") for page in options_page.PAGES)
    for pattern in (r"^### .*`.*$", r"^attune .*$|^\.venv.*$"):
        first, second = (re.findall(pattern, text, flags=re.MULTILINE) for text in (english, chinese))
        assert [re.findall(r"`[^`]*`", line) or line for line in first] == [
            re.findall(r"`[^`]*`", line) or line for line in second
        ]
