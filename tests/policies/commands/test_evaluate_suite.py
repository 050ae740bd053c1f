"""`sim2edge eval --suite`, as a user calls it."""

import json
import re
import shlex
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from policies.commands import evaluate_suite
from policies.faults.fault_suite import parts
from policies.film.small_film import Film
from policies.report import suite_report
from sim2edge.__main__ import main as sim2edge
from tests.policies.results import read_results
from tests.policies.short_gauntlets import POLICIES

WALKER = POLICIES / "HumanoidVelocity.onnx"
DRIVER = POLICIES / "VehicleTrack.onnx"
SHORT = """
suite = "gauntlet"
[walking]
physics_period = 0.005
crane_seconds = 0.2
waypoints = 1
tour_seconds = { value = 2, unit = "s" }
push_force = [2000, 2000]
slope = 0
step = 0
[driving]
lap_seconds = 1.0
"""


def evaluate(*words: object) -> int:
    return sim2edge(["eval", *map(str, words)])


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "a short one.toml"
    path.write_text(SHORT)
    return path


def test_trials_are_printed_kept_and_judged(
    suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate, kept = tmp_path / "gate.json", tmp_path / "result.json"
    gate.write_text('{"at_least": {"completed": 0.5}}')
    words = (WALKER, "--suite", suite, "--trials", 2, "--seed", 5, "--estimates", "truth")
    assert evaluate(*words, "--gate", gate, "--json", kept) == 1
    printed = capsys.readouterr().out
    assert "missed completed 0 >= 0.5" in printed and "2 trials in mujoco" in printed
    (result,) = read_results(kept)
    assert [trial.trial for trial in result.trials] == [0, 1]
    assert f"mujoco trial 1: {result.trials[1].why}" in printed

    alone = tmp_path / "alone.json"
    replay = shlex.split(result.replay(result.trials[1]))[2:]
    assert evaluate(*replay, "--json", alone) == 0
    assert read_results(alone)[0].trials == result.trials[1:]


def test_the_cars_gauntlet_runs_in_both_engines(suite: Path, tmp_path: Path) -> None:
    pytest.importorskip("pybullet")
    kept = tmp_path / "result.json"
    words = (DRIVER, "--suite", suite, "--trials", 2, "--engine", "both", "--json", kept)
    assert evaluate(*words) == 0
    here, there = read_results(kept)
    assert (here.engine, there.engine) == ("mujoco", "bullet")
    for one, other in zip(here.trials, there.trials):
        assert one.settings == other.settings  # the same trial in another engine
        assert one.seconds == pytest.approx(1.0, abs=0.2)
        assert other.metrics["speed"] == pytest.approx(one.metrics["speed"], rel=0.2)


def test_one_fault_trial_runs_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alone, few = tmp_path / "alone.json", tmp_path / "few.json"
    assert evaluate(DRIVER, "--suite", "faults", "--trial", 1, "--json", alone) == 0
    assert evaluate(DRIVER, "--suite", "faults", "--trials", 2, "--json", few) == 0
    (one,), (both,) = read_results(alone), read_results(few)
    assert [trial.trial for trial in one.trials] == [1] and len(both.trials) == 2
    assert one.trials[0] == both.trials[1]
    shown = capsys.readouterr().out
    fault, fired, end = parts(both.trials[0])
    assert fired.startswith("stop (frozen) after ") and "reaction_s s" not in shown
    assert re.search(rf"{fault} .*{re.escape(fired)} .* ms .*100 % .*{end} ", shown)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--suite", "gantlet"), "unknown suite 'gantlet'"),
        (("--suite", "gauntlet", "--trials", 0), "--trials is 0; it must be from 1 to 1000000"),
        (("--suite", "gauntlet", "--trials", 10**12), "--trials is 1000000000000; it must be"),
        (("--suite", "faults", "--trials", 10**12), "--trials is 1000000000000; it must be"),
        (("--suite", "gauntlet", "--trial", -1), "--trial is -1; it must be from 0 to 2147483647"),
        (("--suite", "gauntlet", "--no-randomize"), "--no-randomize"),
        (("--suite", "gauntlet", "--seconds", 3), "--seconds"),
        (("--suite", "gauntlet", "--trial", 10**20), "it must be from 0 to 2147483647"),
        (("--suite", "gauntlet", "--trial", 1, "--trials", 2), "leave one of them out"),
        (("--suite", "faults", "--engine", "both"), "fault trials run in MuJoCo"),
        (("--suite", "faults", "--estimates", "truth"), "leave out --estimates"),
        (("--suite", "gauntlet", "--terrain", "steps"), "a suite has its own ground"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(
    words: tuple[object, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(WALKER, *words) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error


@pytest.mark.parametrize(
    ("file", "option", "text", "message"),
    [
        ("suite.toml", "--suite", 'suite = "gauntlet"\n[walking]\npush = 1', "unknown key 'push'"),
        (
            "suite.toml",
            "--suite",
            'suite = "gauntlet"\n[walking]\nslope = { value = 5, unit = "rad" }',
            "walking.slope is in 'rad', but is measured in 'deg'",
        ),
        (
            "gate.toml",
            "--gate",
            "[at_most]\nspeed = 1",
            "unknown figure 'speed'; this evaluation has",
        ),
        (
            "gate.toml",
            "--gate",
            '[at_most]\nfoot_slip = { value = 5, unit = "cm/s" }',
            "at_most.foot_slip is in 'cm/s', but is measured in 'm/s'",
        ),
        ("gate.toml", "--gate", "[at_moist]\nfoot_slip = 5", "has 'at_moist'"),
    ],
)
def test_a_bad_file_is_refused_before_a_trial_runs(
    file: str,
    option: str,
    text: str,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, kept = tmp_path / file, tmp_path / "kept.json"
    path.write_text(text)
    words = ("--suite", "gauntlet", option, path, "--trials", 10**6, "--json", kept)
    assert evaluate(WALKER, *words) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error
    assert not kept.exists()


def test_an_engine_that_is_not_there_is_missed_before_the_other_has_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pybullet", None)  # cannot be imported
    forever = (("--suite", "gauntlet", "--trials", 10**6), ("--seconds", 1e6))
    for words in forever:
        assert evaluate(WALKER, "--engine", "both", *words) == 2
        assert "'bullet' needs PyBullet" in capsys.readouterr().err


def test_a_failure_is_filmed_once_for_the_folder_and_the_report(
    suite: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    filmed: list[str] = []

    def film(policy: object, protocol: object, run: object, trial: object, path: Path) -> None:
        filmed.append(path.name)
        path.write_bytes(b"mp4")

    monkeypatch.setattr(evaluate_suite, "film_trial", film)
    small = lambda of, engine, trial: Film(engine, trial, of.read_bytes())  # noqa: E731
    monkeypatch.setattr(suite_report, "small_film", small)
    films, page = tmp_path / "films", tmp_path / "page.html"
    words = ("--suite", suite, "--trials", 2, "--films", films, "--report", page)
    assert evaluate(WALKER, *words) == 0
    assert sorted(filmed) == sorted(path.name for path in films.iterdir())
    assert len(filmed) == page.read_text().count("<video") == 1
    assert "filming 1 of 1: trial 0 in mujoco" in capsys.readouterr().out


def test_films_that_cannot_be_written_are_refused_before_a_trial_runs(
    suite: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nonexistent")
    words = ("--suite", suite, "--trials", 10**6, "--films", tmp_path / "films")
    assert evaluate(WALKER, *words) == 2
    assert "an MP4 needs ffmpeg" in capsys.readouterr().err


@pytest.mark.slow
def test_the_worst_trials_are_filmed_with_what_went_wrong(
    suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("imageio_ffmpeg")
    films = tmp_path / "films"
    assert evaluate(WALKER, "--suite", suite, "--trials", 1, "--films", films) == 0
    (film,) = films.iterdir()
    assert film.name == "mujoco-0.mp4" and film.stat().st_size > 5000
    assert f"{film}: fell by a push at" in capsys.readouterr().out.replace("\n", "")


@pytest.mark.parametrize("kind", ["episodes", "gauntlet", "faults"])
def test_every_evaluation_has_the_same_verdict_in_json_and_junit(
    kind: str, suite: Path, tmp_path: Path
) -> None:
    gate, kept, junit = (tmp_path / name for name in ("gate.json", "result.json", "junit.xml"))
    figure = {"episodes": "survival", "gauntlet": "completed", "faults": "completed"}[kind]
    gate.write_text(json.dumps({"at_least": {figure: 1.01}, "at_most": {figure: 1.01}}))
    words = {
        "episodes": ("--episodes", 2, "--seconds", 0.4),
        "gauntlet": ("--suite", suite, "--trials", 2),
        "faults": ("--suite", "faults", "--trials", 1),
    }[kind]
    assert evaluate(DRIVER, *words, "--gate", gate, "--json", kept, "--junit", junit) == 1
    document = json.loads(kept.read_text())
    assert document["schema_version"] == 1
    assert (
        document["gate"] is False and document["passed"] is False and document["complete"] is True
    )
    assert [bound["met"] for bound in document["bounds"]] == [False, True]
    assert document["bounds"][0]["figure"] == figure
    assert document["engines"]["mujoco"][figure] == document["bounds"][0]["measured"]
    assert document["missed"][0].startswith(f"{figure} ")
    assert document["origin"]["versions"]["mujoco"]
    root = ElementTree.parse(junit).getroot()
    assert [c.find("failure") is not None for c in root.iter("testcase")] == [False, True, False]
    gate.write_text(json.dumps({"at_most": {figure: 1.01}}))
    assert evaluate(DRIVER, *words, "--gate", gate, "--junit", junit) == 0
    assert ElementTree.parse(junit).getroot().get("failures") == "0"
    assert evaluate(DRIVER, *words, "--junit", tmp_path / "nowhere" / "x" / "..") == 2
