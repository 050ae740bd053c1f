"""Reads a report's page as a browser does, and makes up results for one."""

import math
from html.parser import HTMLParser

import numpy as np

from policies.evaluation.suite_result import PushResult, SuiteResult, TrialResult

VOID = {"br", "col", "img", "meta"}


class Reader(HTMLParser):
    """Tags, attributes, tables and text of a page; fails where elements do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._open: list[str] = []
        self._rows: list[list[str]] = []
        self._caption = ""
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self._rows, self._caption = [], ""
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag == "table":
            rows = [[" ".join(cell.split()) for cell in row] for row in self._rows]
            self.tables[self._caption] = rows

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] in ("style", "script"):
            return
        self.texts.append(data)
        if self._open[-1] == "caption":
            self._caption += data
        elif "td" in self._open or "th" in self._open:
            self._rows[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def suite(engine: str = "mujoco", count: int = 20, failures: int = 5, seed: int = 0) -> SuiteResult:
    """Made-up trials, the first `failures` of which fell after a push."""
    rng = np.random.default_rng(seed)
    trials = []
    for k in range(count):
        ok = k >= failures
        pushes = (
            PushResult(
                1.0, float(rng.uniform(-math.pi, math.pi)), float(rng.uniform(50, 300)), True
            ),
            PushResult(2.0, 0.5 * math.pi, 400.0 + k, ok),
        )
        trials.append(
            TrialResult(
                trial=k,
                seed=7,
                engine=engine,
                settings={"friction": float(rng.uniform(0.4, 1.2)), "payload_kg": float(ok)},
                success=ok,
                seconds=60.0 if ok else 2.0 + k,
                why="completed" if ok else f"fell at {2 + k}.0 s, 0.4 s after 400 N from the right",
                metrics={"velocity_error": float(rng.gamma(9, 0.01))},
                pushes=pushes,
            )
        )
    return SuiteResult(
        "gauntlet", "walk.onnx", "HumanoidVelocity", engine, tuple(trials), seed=7, planned=count
    )
