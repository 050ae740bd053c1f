import math
import re

import numpy as np
import pytest

from policies.evaluation.quantities import kind_of_failure, title, unit
from policies.evaluation.suite_result import PushResult, SuiteResult, TrialResult
from policies.report.evaluation_report import EvaluationReport, worst_trials
from policies.report.failure_map import (
    SECTORS,
    FailureMap,
    Push,
    by_sector,
    by_strength,
    nice_rim,
    pushes_of,
    pushes_section,
)
from policies.report.influences import fifths, influences
from policies.report.page import page


def trial(
    k: int, success: bool, why: str = "", seconds: float = 1.0, **more: object
) -> TrialResult:
    settings = more.pop("settings", {})
    pushes = more.pop("pushes", ())
    return TrialResult(k, 0, "mujoco", settings, success, seconds, why, {}, pushes)  # type: ignore[arg-type]


def result(*trials: TrialResult) -> SuiteResult:
    return SuiteResult("gauntlet", "p.onnx", "HumanoidVelocity", "mujoco", trials)


@pytest.mark.parametrize(
    ("direction", "sector"),
    [
        (0.0, "back"),  # a force forward comes from behind
        (math.pi, "front"),
        (-math.pi, "front"),
        (math.pi / 2, "right"),
        (-math.pi / 2, "left"),
        (math.pi / 4, "back right"),
        (-3 * math.pi / 4, "front left"),
    ],
)
def test_a_push_lies_where_it_came_from(direction: float, sector: str) -> None:
    (push,) = pushes_of(result(trial(0, False, pushes=(PushResult(1.0, direction, 100.0, False),))))
    assert SECTORS[push.sector] == sector
    assert sum(share.count for share in by_sector([push])) == 1
    ((_, (x, y)),) = FailureMap("mujoco", [push], 200.0).fell
    right, ahead = x - 210, 210 - y
    assert math.hypot(right, ahead) == pytest.approx(75.0, abs=0.1)
    assert ("right" in sector) == (right > 10) and ("left" in sector) == (right < -10)
    assert ("front" in sector) == (ahead > 10) and ("back" in sector) == (ahead < -10)


def test_no_writing_hides_a_push() -> None:
    """What comes later is drawn above."""
    pushes = (PushResult(1.0, 0.0, 100.0, False), PushResult(2.0, 0.0, 200.0, True))
    picture = page(EvaluationReport((result(trial(3, False, pushes=pushes)),)))
    written = picture.index("200 N</text>")
    assert written < picture.index('class="fell"') and written < picture.index('class="survived"')
    assert re.search(r'class="fell" d="M206 281l8 8[^>]*><title>trial 3: fell after 100 N', picture)


def test_every_push_is_in_one_sector_and_one_band() -> None:
    rng = np.random.default_rng(0)
    pushes = [
        Push(k, side, force, bool(rng.integers(2)))
        for k, (side, force) in enumerate(
            zip(rng.uniform(-10, 10, 500), [*rng.uniform(0, 600, 498), 0.0, 600.0])
        )
    ]
    for shares in (by_sector(pushes), [share for *_, share in by_strength(pushes, 600.0)]):
        assert sum(s.count for s in shares) == len(pushes)
        assert sum(s.hits for s in shares) == sum(p.survived for p in pushes)


@pytest.mark.parametrize(
    ("strongest", "rim"), [(600.0, 600.0), (587.3, 600.0), (0.0, 1.0), (3.1, 4.0)]
)
def test_the_rim_is_a_round_number_beyond_the_strongest(strongest: float, rim: float) -> None:
    assert nice_rim(strongest) == pytest.approx(rim)


def test_without_pushes_there_is_no_map() -> None:
    assert pushes_section([result(trial(0, True))]) is None
    unknown = PushResult(1.0, math.nan, 100.0, True)
    assert pushes_section([result(trial(0, True, pushes=(unknown,)))]) is None


@pytest.mark.parametrize(
    ("why", "kind"),
    [
        (
            "fell by a push at 12.3 s in segment 3, 0.4 s after 320 N from the left",
            "fell by a push",
        ),
        ("12 deadlines missed in one go: stop after 40 ms", "12 deadlines missed in one go"),
        ("left knee at 50 %: no reaction; fell", "left knee at 50 %"),
        ("left the track at 3.2 s", "left the track"),
        ("out of time: 9 of 12 waypoints", "out of time"),
        ("fell", "fell"),
        ("", "unknown"),
        ("12", "unknown"),
    ],
)
def test_failures_of_a_kind_are_recognized_by_their_first_words(why: str, kind: str) -> None:
    assert kind_of_failure(why) == kind


def test_the_worst_are_the_soonest_but_of_every_kind_one_first() -> None:
    trials = [trial(k, False, f"fell at {k} s", seconds=float(k)) for k in (1, 2, 3)]
    trials += [trial(7, False, "out of time: 3 of 12", seconds=75.0), trial(8, True, seconds=0.5)]
    assert [t.trial for t in worst_trials(result(*trials), 3)] == [1, 7, 2]
    assert worst_trials(result(trial(8, True)), 3) == []


def test_the_setting_that_fails_trials_is_found_and_others_are_not() -> None:
    rng = np.random.default_rng(1)
    trials = []
    for k in range(100):
        friction, payload = rng.uniform(0.4, 1.2), rng.uniform(0, 5)
        settings = {"friction": friction, "payload_kg": payload, "constant": 1.0}
        trials.append(trial(k, friction + rng.normal() * 0.1 > 0.7, settings=settings))
    found = {i.name: i for i in influences(result(*trials))}
    assert set(found) == {"friction", "payload_kg"}
    assert found["friction"].beyond_chance and found["friction"].strength < -0.7
    assert not found["payload_kg"].beyond_chance
    assert influences(result(*(t for t in trials if t.success))) == []


def test_fifths_hold_every_trial_once_and_equal_values_together() -> None:
    rng = np.random.default_rng(2)
    values, success = rng.uniform(size=103), rng.integers(2, size=103).astype(bool)
    parts = fifths(values.tolist(), success.tolist())
    assert len(parts) == 5
    assert sum(s.count for _, s in parts) == 103
    assert sum(s.hits for _, s in parts) == success.sum()
    few = fifths([0.0] * 30 + [1.0] * 10, [True] * 40)
    assert [(v, s.count) for v, s in few] == [(0.0, 30), (1.0, 10)]


def test_a_unit_in_a_name_is_shown_as_a_unit() -> None:
    assert (title("payload_kg"), unit("payload_kg", {})) == ("payload", "kg")
    assert (title("speed_m_s"), unit("speed_m_s", {})) == ("speed", "m/s")
    assert (title("lap_time"), unit("lap_time", {"lap_time": "s"})) == ("lap time", "s")
    assert {unit(name, {}) for name in ("friction", "_m", "torque_use")} == {""}


def test_a_side_from_which_none_fell_is_not_drawn_as_a_failure() -> None:
    pushes = [PushResult(1.0, 0.0, 100.0, True), PushResult(1.0, math.pi, 300.0, False)]
    shown = page(EvaluationReport((result(trial(0, False, pushes=tuple(pushes))),)))
    sectors = re.findall(r'<path class="sector( some-fell)?" fill-opacity="([\d.]+)"', shown)
    assert len(sectors) == len(SECTORS)
    assert [side for side, (fell, _) in zip(SECTORS, sectors) if fell] == ["front"]
    assert {opacity for fell, opacity in sectors if not fell} == {"0.15"}


def test_the_share_that_had_failed_begins_at_none() -> None:
    trials = [trial(0, True, seconds=9.0), trial(1, False, "fell", seconds=2.0)]
    shown = page(EvaluationReport((result(*trials),)))
    curve = re.search(r'<path class="curve"[^>]* d="M([\d.]+) ([\d.]+)H[\d.]+V([\d.]+)H', shown)
    assert curve and float(curve[2]) == 158.0  # the line of 0 %
    assert float(curve[3]) == 83.0  # half of the way up
    assert "Share failed over time. MuJoCo: 50 % at the end" in shown
