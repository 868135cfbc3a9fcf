#!/usr/bin/env python3
"""Write the tables in docs/options.md and docs/options.zh-CN.md from the table of session options of the built module.

Usage: options_page.py [--check]. With --check nothing is written; it fails when a page is not what it would write.
All but the lines between `<!-- options: GROUP -->` and `<!-- end -->` is written by hand.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent / "docs"
BLOCK = re.compile(r"(<!-- options: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Page:
    """One language. Help texts are English, so that the other page says by hand what an option does."""

    path: Path
    titles: tuple[str, ...]
    to: str
    any_text: str


PAGES = (
    Page(DOCS / "options.md", ("Option", "Default", "Values", "What it does"), "to", "any text"),
    Page(DOCS / "options.zh-CN.md", ("选项", "默认值", "取值"), "到", "任意文本"),
)


def default_of(row: dict[str, Any]) -> str:
    if row["type"] == "enum":
        return f"`{next(name for name, value in row['choices'].items() if value == row['default'])}`"
    if row["type"] == "str":
        return f'`"{row["default"]}"`'
    return f"`{row['default']}`"


def values_of(row: dict[str, Any], page: Page) -> str:
    if row["type"] == "enum":
        return ", ".join(f"`{name}`" for name in row["choices"])
    if row["type"] == "int":
        return f"{row['least']} {page.to} {row['most']}"
    return {"bool": "`True`, `False`", "str": page.any_text}[row["type"]]


def table_of(group: str, page: Page) -> str:
    """The rows of a group as Markdown."""
    from attune import _attune

    lines = ["| " + " | ".join(page.titles) + " |", "|" + "---|" * len(page.titles)]
    for row in _attune.option_table():
        if row["group"] == group:
            cells = (f"[`{row['name']}`](#{row['name']})", default_of(row), values_of(row, page), row["help"])
            lines.append("| " + " | ".join(cells[: len(page.titles)]) + " |")
    return "\n".join(lines) + "\n"


def text_of(page: Page) -> str:
    """The page as it should be."""
    present = page.path.read_text(encoding="utf-8")
    return BLOCK.sub(lambda block: block[1] + table_of(block[2], page) + block[4], present)


def main() -> int:
    if sys.argv[1:] not in ([], ["--check"]):
        print(__doc__)
        return 2
    outdated = [page for page in PAGES if page.path.read_text(encoding="utf-8") != text_of(page)]
    for page in outdated:
        if sys.argv[1:] == ["--check"]:
            print(f"{page.path.name} is out of date: run tools/options_page.py")
        else:
            page.path.write_text(text_of(page), encoding="utf-8")
    return 1 if outdated and sys.argv[1:] == ["--check"] else 0


if __name__ == "__main__":
    sys.exit(main())
