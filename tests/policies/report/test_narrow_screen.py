"""The page on a phone, as Chromium draws it where it is installed."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_runtime.policy.contract import Contract
from policies.report.evaluation_report import EvaluationReport
from policies.report.page import page
from tests.policies.report.page_reader import suite

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
# Shows the widest table alone, in a frame as wide as a phone, which Chromium's window cannot be.
FRAME = """<body style="margin:0"><iframe src="page.html" onload="
const page = this.contentDocument, tables = [...page.querySelectorAll('.wide')];
tables.sort((a, b) => b.scrollWidth - a.scrollWidth);
page.querySelector('main').replaceChildren(tables[0]);
page.querySelector('header').remove(); tables[0].scrollLeft = {left};
" style="border:0; width:{width}px; height:300px"></iframe></body>"""


def edges(folder: Path, text: str, dark: bool, left: int, width: int) -> tuple[float, float]:
    """How much the left and right edge of the table differ from its ground, 0 to 255."""
    (folder / "page.html").write_text(text)
    (folder / "frame.html").write_text(FRAME.replace("{left}", str(left)).format(width=width))
    picture = folder / "picture.png"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    options += ["--allow-file-access-from-files", f"--user-data-dir={folder / 'profile'}"]
    options += [f"--blink-settings=preferredColorScheme={int(not dark)}", "--window-size=4000,300"]
    options += [f"--screenshot={picture}", (folder / "frame.html").as_uri()]
    subprocess.run([str(CHROMIUM), *options], check=True, capture_output=True, timeout=100)
    table = np.asarray(Image.open(picture).convert("L"), float)[60:280, 15 : width - 15]
    ground = np.median(table)
    first, last = (np.median(table[:, columns]) for columns in (slice(1, 4), slice(-4, -1)))
    return abs(first - ground), abs(last - ground)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize("dark", [False, True])
def test_a_table_shows_at_which_edge_it_goes_on(
    dark: bool, tmp_path: Path, contract: Contract
) -> None:
    text = page(EvaluationReport((suite(),), contract))
    begin, middle, end = (edges(tmp_path, text, dark, left, 390) for left in (0, 60, 9999))
    assert begin[0] < 18 < 25 < begin[1]
    assert min(middle) > 25
    assert end[1] < 18 < 25 < end[0]  # the ground of the code in the last column is 14
