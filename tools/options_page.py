#!/usr/bin/env python3
"""Write docs/options.md from the table of session options that the built module carries.

Usage: options_page.py [--check]. With --check nothing is written; it fails when the page is not what it would write.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent.parent / "docs" / "options.md"

HEAD = """\
# Session options

`tools/options_page.py` writes this page from the one table of options, `src/session/option_table.cpp`. Python's
`SessionOptions` has a property for each row, C++'s `attune::SessionOptions` a member of the same name, and
`attune::set_option()` sets them by name. A name that does not exist is refused with the nearest one as a suggestion; so
is a value out of range, when it is set by name or when the session is made.

"""

GROUPS = {
    "performance": (
        "Performance",
        "These change what a run costs, in time or in memory. A rewriting of the graph may change the rounding of a\n"
        "result; threads and memory change not a bit of it. Keep the defaults until a measurement on your model says\n"
        "otherwise.",
    ),
    "behaviour": (
        "Behaviour",
        "What a session does beside running, and names that are accepted so that programs written for ONNX Runtime\n"
        "run unchanged.",
    ),
}

TAIL = """\
## Config entries

Texts by key: `options.add_session_config_entry(key, value)` in Python, `options.config_entries[key] = value` in C++.
Keys that Attune does not know are kept and change nothing.

| Key | Default | What it does |
|---|---|---|
| `session.intra_op.allow_spinning` | `1` | `0`: threads that wait for work sleep at once instead of polling while a \
run is active. Costs time in every run; worth it where the CPUs are shared with other work. |
| `session.set_denormal_as_zero` | `0` | `1`: denormal numbers count as zero during runs. Faster for models whose \
activations fade into denormals; results may differ in the last bits near zero. |

## Free dimensions

`options.add_free_dimension_override_by_name("batch", 1)` in Python, `options.free_dimension_overrides["batch"] = 1` in
C++: gives a symbolic dimension of the model's inputs a size. Inputs must then have it.
"""


def default_of(row: dict[str, Any]) -> str:
    if row["type"] == "enum":
        return f"`{next(name for name, value in row['choices'].items() if value == row['default'])}`"
    if row["type"] == "str":
        return f'`"{row["default"]}"`'
    return f"`{row['default']}`"


def values_of(row: dict[str, Any]) -> str:
    if row["type"] == "enum":
        return ", ".join(f"`{name}`" for name in row["choices"])
    if row["type"] == "int":
        return f"{row['least']} to {row['most']}"
    return {"bool": "`True`, `False`", "str": "any text"}[row["type"]]


def page() -> str:
    from attune import _attune

    text = HEAD
    table = _attune.option_table()
    for group, (title, introduction) in GROUPS.items():
        text += f"## {title}\n\n{introduction}\n\n| Option | Default | Values | What it does |\n|---|---|---|---|\n"
        for row in table:
            if row["group"] == group:
                text += f"| `{row['name']}` | {default_of(row)} | {values_of(row)} | {row['help']} |\n"
        text += "\n"
    return text + TAIL


def main() -> int:
    if sys.argv[1:] not in ([], ["--check"]):
        print(__doc__)
        return 2
    text = page()
    if sys.argv[1:] == ["--check"]:
        if PAGE.read_text(encoding="utf-8") == text:
            return 0
        print(f"{PAGE.name} is out of date: run tools/options_page.py")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
