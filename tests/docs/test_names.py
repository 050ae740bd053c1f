"""Files and modules that the documentation names are there."""

import re
from itertools import chain
from pathlib import Path

import pytest

from tests.test_house import PACKAGES, ROOT, ROS_PACKAGE, modules

PAGES = sorted(chain(ROOT.glob("*.md"), (ROOT / "docs").rglob("*.md")))
FOLDERS = "|".join((*PACKAGES, "benchmarks", "examples", "ros_ws", "docs", "assets", "deploy"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_files_that_are_there(page: Path) -> None:
    text = page.read_text()
    paths = set(re.findall(rf"`((?:{FOLDERS})/[\w/.-]+)`", text))
    places = (ROOT, ROS_PACKAGE)
    assert [path for path in sorted(paths) if not any((at / path).exists() for at in places)] == []


def test_a_module_that_moved_is_where_the_changelog_says() -> None:
    table = (ROOT / "CHANGELOG.md").read_text().partition("- Modules moved:")[2]
    rows = re.findall(r"^ *\| `[\w.]+` \| (.+) \|$", table, re.MULTILINE)
    assert len(rows) > 100
    named = chain.from_iterable(re.findall(r"`([\w.]+)`", row) for row in rows)
    gone = {name for name in named if "." in name and not name.startswith("benchmarks.")}
    assert gone - set(modules()) == set()
