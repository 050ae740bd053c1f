"""The page of figures: which tables a run of the benchmarks replaces."""

from pathlib import Path

import pytest
from all import SCRIPTS, with_tables
from figures import Figure

ROOT = Path(__file__).parents[2]
PAGE = """# Figures
<!-- a.py: begin -->
old a
<!-- a.py: end -->
between
<!-- b.py: begin -->
old b
<!-- b.py: end -->
"""


def test_a_table_is_replaced_and_the_others_stay() -> None:
    figures = [
        Figure("ticks | missed", 3.0, "of 100", target=2.0, peer="0 empty loop", at_least=False),
        Figure("size", 1.5, "MB"),
    ]
    page = with_tables(PAGE, {"a.py": figures}, "Measured today.")
    assert "| ticks \\| missed | 3 of 100 | ≤ 2 | 0 empty loop | MISSED |\n" in page
    assert "| size | 1.5 MB |  |  |  |\n" in page
    assert "old a" not in page
    assert "between\n<!-- b.py: begin -->\nold b\n" in page
    assert with_tables(page, {"a.py": figures}, "Measured today.") == page


def test_a_script_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match=r"c\.py: begin"):
        with_tables(PAGE, {"c.py": []}, "")


def test_the_page_of_the_documentation_has_a_place_for_each_script() -> None:
    page = (ROOT / "docs" / "figures.md").read_text()
    tables = {script.name: [Figure("speed", 1.0, "m/s")] for script in SCRIPTS}
    assert page.count("begin -->") == len(tables)
    assert with_tables(page, tables, "").count("| speed | 1 m/s |  |  |  |") == len(tables)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_every_script_has_the_flags_that_all_gives_it(script: Path) -> None:
    text = script.read_text()
    assert "parse_arguments(" in text or ('"--json"' in text and '"--quick"' in text)
