from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.signals import Array
from policies.evaluation.episodes import Episodes, make_world, play
from policies.evaluation.measures import MeasuredEnv
from policies.evaluation.suite_result import SuiteResult
from policies.film.small_film import HEIGHT, WIDTH, TrajectoryRecorder, small_film
from policies.report.episodes_report import EpisodesReport, as_trials
from sim.tasks import find_task
from sim.tasks.driving.task import DrivingTask
from tests.policies.report.page_reader import Reader

FALLS = 0  # the robot that does


@pytest.fixture(scope="module")
def env() -> MeasuredEnv:
    return make_world(find_task("HumanoidVelocity"), 2, seconds=0.8, seed=0)


def kick(env: MeasuredEnv) -> Array:
    """Lets one robot fall at once, the other stand."""
    actions = np.zeros((2, *env.single_action_space.shape), np.float32)
    actions[FALLS, ::2], actions[FALLS, 1::2] = 5.0, -5.0
    return actions


@pytest.mark.slow
def test_a_film_shows_the_end_of_an_episode(env: MeasuredEnv, tmp_path: Path) -> None:
    way = TrajectoryRecorder(env, lambda _: kick(env))
    episodes = play(env, way, seed=0)
    assert episodes.survived.tolist() == [0.0, 1.0]
    result = as_trials(episodes, policy="p", task="t", engine="mujoco", seed=0)
    film, other = way.film(result.trials)
    assert (film.engine, film.trial, other.trial) == ("mujoco", 0, 1)
    path = tmp_path / "film.mp4"
    path.write_bytes(film.mp4)
    frames = iio.imread(path)
    seconds = episodes.seconds[FALLS] + 1.0  # at the end it stands for a second
    assert len(frames) == pytest.approx(15 * seconds, abs=3)
    assert frames.shape[1:] == (HEIGHT, WIDTH, 3)
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 1
    assert film.poster.startswith(b"\xff\xd8") and len(film.poster) < 30_000
    assert len(film.mp4) < 200_000


def test_filming_leaves_the_episodes_as_they_were(env: MeasuredEnv) -> None:
    plain = play(env, lambda _: kick(env), seed=0)
    way = TrajectoryRecorder(env, lambda _: kick(env))
    watched = play(env, way, seed=0)
    EpisodesReport("p.onnx", 0, {}).add(watched, way, "t")
    assert watched.seconds.tolist() == plain.seconds.tolist()
    assert watched.total_reward.tolist() == plain.total_reward.tolist()


def test_without_graphics_the_report_says_so(
    env: MeasuredEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUJOCO_GL", "nothing")
    report, way = EpisodesReport("p.onnx", 0, {}), TrajectoryRecorder(env, lambda _: kick(env))
    report.add(play(env, way, seed=0), way, "t")
    read = Reader(report.write(tmp_path / "report.html", None).read_text())
    assert "There are no films: cannot render on this machine" in read.text
    assert read.tables["Trials survived, by engine"][1][:4] == ["MuJoCo", "2", "1", "50.0 %"]


def test_what_is_no_film_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "not.mp4"
    path.write_text("no film")
    with pytest.raises(UserError, match=r"not\.mp4"):
        small_film(path, "mujoco", 0)


def test_episodes_are_shown_as_trials() -> None:
    ones = np.ones(3)
    lap_time = np.array([20.0, np.nan, np.nan])
    episodes = Episodes(
        np.array([30.0, 30.0, 4.0]),
        np.array([1.0, 1.0, 0.0]),
        ones,
        {
            "lapped": np.array([1.0, 0.0, 0.0]),
            "left_track": np.array([0.0, 0.0, 0.01]),
            "lap_time": lap_time,
        },
        rows=np.arange(3),
        planned=3,
        end=DrivingTask.end,
    )
    result = as_trials(episodes, policy="p", task="VehicleTrack", engine="mujoco", seed=3)
    assert isinstance(result, SuiteResult)
    assert [t.success for t in result.trials] == [True, False, False]
    assert [t.why for t in result.trials[1:]] == ["no lap in 30.0 s", "left the track at 4.0 s"]
    assert ["lap_time" in t.metrics for t in result.trials] == [True, False, False]
    assert {t.seed for t in result.trials} == {3}
