import options_page


def test_the_page_is_current() -> None:
    assert options_page.PAGE.read_text(encoding="utf-8") == options_page.page(), "run tools/options_page.py"


def test_every_option_has_its_row() -> None:
    from attune import _attune

    rows = [line for line in options_page.page().splitlines() if line.startswith("| `")]
    names = {row.split("`")[1] for row in rows}
    assert {row["name"] for row in _attune.option_table()} <= names
    assert all(row.count("|") == 5 for row in rows if "session." not in row)
