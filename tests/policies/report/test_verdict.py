"""The verdict of the page is that of the gate."""

import pytest

from policies.evaluation.gate import Gate
from policies.report.evaluation_report import EvaluationReport
from policies.report.page import page
from tests.policies.report.page_reader import Reader, suite


@pytest.mark.parametrize(
    ("bound", "words", "margin"),
    [(0.7, "Gate passed", "+0.05"), (0.85, "Gate missed", "−0.1")],
)
def test_the_verdict_is_the_gates(bound: float, words: str, margin: str) -> None:
    result = suite(count=20, failures=5)
    gate = Gate("gate.toml", {"completed": bound}, {"velocity_error": 100.0})
    bounds = gate.judge({"mujoco": result.summary()})
    read = Reader(page(EvaluationReport((result,), bounds=bounds)))
    assert words in read.text
    row = read.tables["Bounds of the gate"][1]
    verdict = "✓ met" if words == "Gate passed" else "✗ missed"  # in view on a phone
    assert row == ["completed", verdict, "MuJoCo", "0.75", f"≥ {bound:g}", margin]


@pytest.mark.parametrize(
    ("figure", "goal", "drawn"),
    [
        ("completed", "completed", True),
        ("survival", "completed", False),  # of another share
        ("survival", "survived", True),
    ],
)
def test_the_bound_is_drawn_beside_the_share_that_it_is_of(
    figure: str, goal: str, drawn: bool
) -> None:
    bounds = Gate("g", {figure: 0.7}, {}).judge({"mujoco": {figure: 0.8}})
    text = Reader(page(EvaluationReport((suite(),), bounds=bounds, goal=goal))).text
    assert ("The upright line is the share that the gate asks for" in text) == drawn


def test_what_was_not_measured_misses_its_bound() -> None:
    bounds = Gate("g", {}, {"lap_time": 20.0}).judge({"mujoco": {"completed": 1.0}})
    text = Reader(page(EvaluationReport((suite(),), bounds=bounds))).text
    assert "Gate missed" in text
    assert "Lap time (MuJoCo) was not measured" in text


def test_without_a_gate_nothing_is_passed_or_missed() -> None:
    text = Reader(page(EvaluationReport((suite(),)))).text
    assert "No gate was asked for" in text
    assert "Gate passed" not in text and "Gate missed" not in text
