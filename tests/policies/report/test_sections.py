"""The sections of the page say what was measured, and what is missing."""

import dataclasses
import math
import re

import pytest

from edge_runtime.policy.contract import Contract
from policies.evaluation.quantities import with_unit
from policies.evaluation.suite_result import PushResult, SuiteResult, TrialResult
from policies.film.small_film import Film
from policies.report.charts import Axis
from policies.report.evaluation_report import EvaluationReport
from policies.report.influences import influences
from policies.report.page import page
from sim.tasks.walking.config import HumanoidVelocity
from tests.policies.report.page_reader import Reader, suite


def test_all_went_well(contract: Contract) -> None:
    read = Reader(page(EvaluationReport((suite(failures=0),), contract)))
    assert read.tables["Trials completed, by engine"][1][:4] == ["MuJoCo", "20", "20", "100.0 %"]
    assert "No trial failed" in read.text
    assert "The worst trials" not in read.text
    film = Film("mujoco", 3, b"three")
    assert (
        "this is how a successful one looks"
        in Reader(page(EvaluationReport((suite(failures=0),), contract, films=(film,)))).text
    )


@pytest.mark.parametrize("failures", [0, 1])
def test_one_trial_is_enough(failures: int) -> None:
    read = Reader(page(EvaluationReport((suite(count=1, failures=failures),))))
    row = read.tables["Trials completed, by engine"][1]
    assert row[1:3] == ["1", str(1 - failures)]


def test_nothing_finished_says_so(contract: Contract) -> None:
    nothing = dataclasses.replace(suite(), trials=(), note="Interrupted.")
    read = Reader(page(EvaluationReport((nothing,), contract)))
    assert "No trial was finished" in read.text
    assert "Interrupted." in read.text
    assert read.tables["Trials completed, by engine"][1][:4] == ["MuJoCo", "0", "0", "–"]
    assert "No gate was asked for" in Reader(page(EvaluationReport(()))).text


def test_an_interrupted_suite_tells_how_many_are_missing() -> None:
    result = dataclasses.replace(suite(count=20), planned=100)
    assert "20 of 100 planned trials finished" in Reader(page(EvaluationReport((result,)))).text


def test_trials_are_counted_by_engine() -> None:
    both = (suite("mujoco", 20), suite("bullet", 12))
    text = Reader(page(EvaluationReport(both))).text
    assert "walk.onnx · 20 trials in MuJoCo and 12 trials in PyBullet · " in text


def test_an_interruption_is_mentioned_once() -> None:
    note = "interrupted: 20 of 100 trials had finished"
    result = dataclasses.replace(suite(), planned=100, interrupted=True, note=note)
    text = Reader(page(EvaluationReport((result,)))).text
    assert note in text and text.count("20 of 100") == 1


def test_films_that_are_missing_are_mentioned_beside_those_that_are_there() -> None:
    why = "the evaluation was interrupted"
    none = Reader(page(EvaluationReport((suite(),), no_films=why))).text
    assert f"There are no films: {why}." in none
    some = Reader(
        page(EvaluationReport((suite(),), films=(Film("mujoco", 0, b"mp4"),), no_films=why))
    )
    assert f"There are no more films: {why}." in some.text


def with_more(settings: tuple[str, ...] = (), metrics: tuple[str, ...] = ()) -> SuiteResult:
    """Trials with settings that grow with their number, and metrics that tell success."""
    trials = [
        dataclasses.replace(
            trial,
            settings={**trial.settings, **dict.fromkeys(settings, float(trial.trial))},
            metrics={**trial.metrics, **dict.fromkeys(metrics, float(trial.success))},
        )
        for trial in suite().trials
    ]
    return dataclasses.replace(suite(), trials=tuple(trials))


def test_what_only_names_something_is_no_cause() -> None:
    """The first trials fail: whatever grows with the trial's number sets them apart."""
    result = with_more(settings=("wind_N", "track"))
    assert {i.name for i in influences(result)} == {"friction", "payload_kg", "wind_N"}
    text = page(EvaluationReport((result,)))
    assert "Share of success by wind" in text and "Share of success by track" not in text
    unlike = re.findall(r"<li><strong>(.*?)</strong>", text)
    assert "wind" in unlike and "track" not in unlike
    assert re.search(r"<strong>wind</strong> 0 N, below (\d+) of the \1 others", text)
    assert "track" in Reader(text).tables["Every trial in MuJoCo"][0]


def test_every_fault_is_listed_with_its_reaction_and_end() -> None:
    def met(number: int, why: str, **metrics: float) -> TrialResult:
        return TrialResult(number, 0, "mujoco", {}, True, 3.0, why, metrics)

    trials = (
        met(
            0, "IMU frozen: stop (frozen) after 60 ms; fell", reaction_s=0.06, of_declared_time=1.0
        ),
        met(1, "foot force frozen: no reaction; goes on"),
        met(2, "IMU frozen: stop (frozen) after 50 ms; damped", reaction_s=0.05),
    )
    result = SuiteResult("faults", "walk.onnx", "HumanoidVelocity", "mujoco", trials)
    read = Reader(page(EvaluationReport((result,), goal="as declared")))
    assert read.tables["Reactions and ends, by fault"][1:] == [
        ["IMU frozen", "stop (frozen) after 60 ms", "60 ms", "100 %", "fell 1, damped 1"],
        ["foot force frozen", "no reaction", "–", "–", "goes on"],
    ]
    assert "Reactions and ends, by fault" not in Reader(page(EvaluationReport((suite(),)))).tables


def test_yes_or_no_is_a_share_and_no_distribution() -> None:
    result = with_more(metrics=("lapped",))
    read = Reader(text := page(EvaluationReport((result,))))
    table = read.tables["Median and spread of every metric, by engine"]
    assert next(row for row in table if row[0] == "lapped")[1:] == ["–", "–", "75.0 %", "20"]
    assert "velocity error in MuJoCo" in text and "lapped in MuJoCo" not in text


def test_the_figures_along_an_axis_differ() -> None:
    texts = [text for _, text in Axis(0.9961, 1.0031, 0.0, 100.0).ticks]
    assert texts == ["0.998", "1", "1.002"]


def test_short_times_are_in_milliseconds() -> None:
    assert with_unit("action_delay_s", 3.32e-05, {}) == "0.0332 ms"
    assert with_unit("lap_time", 20.0, {"lap_time": "s"}) == "20 s"
    assert with_unit("lap_time", 0.0, {"lap_time": "s"}) == "0 s"
    assert with_unit("friction", 0.05, {}) == "0.05"


def test_numbers_that_are_none_leave_a_dash(contract: Contract) -> None:
    trials = list(suite().trials)
    trials[0] = dataclasses.replace(
        trials[0],
        seconds=math.nan,
        settings={"friction": math.inf},
        metrics={"velocity_error": math.nan, "lap_time": math.inf},
        pushes=(PushResult(1.0, math.nan, math.nan, False), PushResult(1.0, 0.0, 0.0, False)),
    )
    result = dataclasses.replace(suite(), trials=tuple(trials))
    text = page(EvaluationReport((result,), contract, units=HumanoidVelocity.metric_units))
    read = Reader(text)
    assert dict(zip(*read.tables["Every trial in MuJoCo"][:2]))["velocity error m/s"] == "–"
    medians = read.tables["Median and spread of every metric, by engine"]
    assert next(r for r in medians if r[0].startswith("velocity error"))[4] == "19"
    assert next(r for r in medians if r[0].startswith("lap time"))[1:] == ["–", "–", "–", "0"]
    assert not re.search(r'="[^"]*\b(?:nan|inf)\b', text)  # no coordinates of nowhere
