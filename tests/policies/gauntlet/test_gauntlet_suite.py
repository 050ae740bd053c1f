import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import ContractError, UserError
from policies.evaluation.policy_file import PolicyFile
from policies.evaluation.quantities import kind_of_failure
from policies.evaluation.suite_result import SuiteResult, write_results
from policies.gauntlet.gauntlet_suite import make_trials, run_gauntlet
from policies.gauntlet.trial_env import GauntletRun
from sim.engines.bullet.bullet_engine import WorkerDiedError
from sim.tasks.walking.config import HumanoidVelocity
from tests.policies.results import read_results
from tests.policies.short_gauntlets import short_drive, short_walk


@pytest.fixture(scope="module")
def walked(walker: PolicyFile) -> SuiteResult:
    """Five trials on three rows, so that two of them follow others."""
    return run_gauntlet(walker, short_walk(), GauntletRun(range(5), seed=3, rows=3, threads=1))


@pytest.fixture(scope="module")
def driven(driver: PolicyFile) -> SuiteResult:
    return run_gauntlet(driver, short_drive(), GauntletRun(range(5), seed=3, rows=3, threads=1))


def test_a_trial_replays_to_the_bit_alone_and_in_another_row(
    walker: PolicyFile, walked: SuiteResult
) -> None:
    for trials in ([4], [4, 2]):
        again = run_gauntlet(walker, short_walk(), GauntletRun(trials, seed=3, threads=1))
        assert again.trials == tuple(walked.trials[k] for k in sorted(trials))


def test_a_cars_trial_replays_to_the_bit_alone_and_in_another_row(
    driver: PolicyFile, driven: SuiteResult
) -> None:
    for trials in ([4], [4, 2]):
        again = run_gauntlet(driver, short_drive(), GauntletRun(trials, seed=3, threads=1))
        assert again.trials == tuple(driven.trials[k] for k in sorted(trials))


def test_a_trial_replays_to_the_bit_in_the_other_engine(driver: PolicyFile) -> None:
    pytest.importorskip("pybullet")
    soon = short_drive(lap_seconds=0.8)
    among = run_gauntlet(
        driver, soon, GauntletRun(range(4), seed=3, engine="bullet", rows=2)
    ).trials
    alone = run_gauntlet(driver, soon, GauntletRun([3], seed=3, engine="bullet")).trials
    assert alone == among[3:]


def test_trials_and_seeds_differ_from_each_other(walker: PolicyFile, walked: SuiteResult) -> None:
    other = run_gauntlet(walker, short_walk(), GauntletRun([0], seed=4, threads=1))
    settings = [trial.settings for trial in (*walked.trials, *other.trials)]
    for name in ("friction", "payload_kg", "action_delay_s"):
        assert len({s[name] for s in settings}) == len(settings), name


def test_settings_reach_the_simulation(walker: PolicyFile) -> None:
    protocol = short_walk(payload=(4.0, 4.0), friction=(0.6, 0.6), hand_mass=(1.0, 1.0))
    env = make_trials(walker, protocol, GauntletRun(range(8), threads=1), range(8), 8)
    light = make_trials(
        walker,
        short_walk(payload=(0.0, 0.0), hand_mass=(0.0, 0.0)),
        GauntletRun([], threads=1),
        range(8),
        8,
    )
    env.begin(), light.begin()
    heavier = (env.engine.field("body_mass") - light.engine.field("body_mass")).sum(axis=1)
    hands = {round(float(mass), 6) for mass in heavier}
    assert hands == {4.0, 5.0}  # the payload alone, or a mass in a hand too
    ground = [env.engine.model.geom(name).id for name in walker.task.ground]
    assert (env.engine.field("geom_friction")[:, ground, 0] == 0.6).all()


def test_every_segment_has_one_push_of_the_asked_strength(
    walker: PolicyFile, walked: SuiteResult
) -> None:
    gentle = short_walk(push_force=(20.0, 40.0))
    result = run_gauntlet(walker, gentle, GauntletRun(range(4), rows=4, threads=1))
    whole = [trial for trial in result.trials if trial.success]
    assert len(whole) >= 3
    for trial in whole:
        assert len(trial.pushes) == 2 and all(push.survived for push in trial.pushes)
        mass = 42.2 + trial.settings["payload_kg"]
        for push in trial.pushes:
            assert 0.8 * mass / 35 * 20 < push.force < 1.25 * (mass + 1.5) / 35 * 40
        assert trial.pushes[0].time < trial.pushes[1].time < trial.seconds
        assert "reached all 2 waypoints" in trial.why


def test_a_push_that_no_robot_survives_is_blamed(walker: PolicyFile) -> None:
    hard = short_walk(push_force=(2000.0, 2000.0))
    result = run_gauntlet(walker, hard, GauntletRun(range(3), rows=3, threads=1))
    for trial in result.trials:
        assert not trial.success and not trial.pushes[-1].survived
        assert "in segment 1" in trial.why and " N from the " in trial.why
        assert kind_of_failure(trial.why) == "fell by a push"
        assert trial.seconds > trial.pushes[-1].time
    assert result.success == result.summary()["survival"] == 0.0
    assert result.summary()["pushes_survived"] == 0.0


def test_who_stands_still_is_late(walker: PolicyFile) -> None:
    lazy = short_walk(reach=0.05, distance=(9.0, 9.0), tour_seconds=1.0, push_force=(0.0, 0.0))
    (trial,) = run_gauntlet(walker, lazy, GauntletRun([0], threads=1)).trials
    assert not trial.success and trial.why == "out of time: reached 0 of 2 waypoints in 1.5 s"
    assert kind_of_failure(trial.why) == "out of time"
    assert trial.metrics["survival"] == 1.0
    assert trial.seconds == pytest.approx(0.2 + 1.25, abs=0.03)


def test_the_crane_carries_the_robot_until_it_lets_go(walker: PolicyFile) -> None:
    protocol = short_walk(crane_seconds=0.4)
    env = make_trials(walker, protocol, GauntletRun([0], threads=1), [0], 1)
    env.begin()
    main = env.engine.model.body(walker.task.robot.main_body).id
    idle = np.zeros((1, len(walker.contract.actuators)), np.float32)
    lifted = []
    for _ in range(25):
        env.step(idle)
        lifted.append(float(env.engine.external_force[0, main, 2]))
    weight = 9.81 * float(env.engine.field("body_mass")[0].sum())
    assert np.mean(lifted[5:20]) == pytest.approx(weight, rel=0.25)
    assert lifted[20:] == [0.0] * 5


def test_dropouts_reach_the_policy(driver: PolicyFile) -> None:
    protocol = short_drive(lidar_lost=(0.2, 0.2), blown_sector=(0.3, 0.3))
    env = make_trials(driver, protocol, GauntletRun([1], threads=1), [1], 1)
    act, observations = driver.actor(1), env.begin()
    scans = [env.signals["lidar"][0].copy()]
    for _ in range(50):
        observations, *_ = env.step(act(observations))
        scans.append(env.signals["lidar"][0].copy())
    assert env.running
    same = [np.array_equal(a, b) for a, b in itertools.pairwise(scans)]
    assert 8 <= sum(same) < 45
    blown = (np.array(scans) == env.config.lidar.max_range).all(axis=0)  # type: ignore[attr-defined]
    assert blown.sum() >= 3  # 0.3 rad of 64 beams over 270°


def test_wet_patches_and_wind_change_along_the_way(driver: PolicyFile) -> None:
    protocol = short_drive(wet_length=(8.0, 8.0), wet_grip=(0.5, 0.5), wind_force=(40.0, 40.0))
    env = make_trials(driver, protocol, GauntletRun([1], threads=1), [1], 1)
    act, observations = driver.actor(1), env.begin()
    tyre = env.engine.model.geom("front_left_tyre").id
    main = env.engine.model.body("chassis").id
    friction, wind = [], []
    for _ in range(70):
        observations, *_ = env.step(act(observations))
        friction.append(float(env.engine.field("geom_friction")[0, tyre, 0]))
        wind.append(float(np.hypot(*env.engine.external_force[0, main, :2])))
    dry = max(friction)
    assert set(friction) <= {dry, 0.5 * dry}
    assert 0.0 <= min(wind) < 20.0 and 60.0 < max(wind) <= 80.0 + 1e-6


def test_the_ground_is_the_trials_own_in_any_row(walker: PolicyFile) -> None:
    hilly = short_walk(slope=5.0, step=0.02, ground_levels=2, tour_seconds=0.4)
    run = GauntletRun(range(9), rows=9, threads=1)
    among = run_gauntlet(walker, hilly, run).trials
    alone = run_gauntlet(walker, hilly, GauntletRun([5, 7], rows=1, threads=1)).trials
    assert alone == (among[5], among[7])
    slopes = {round(trial.settings["slope_deg"], 3) for trial in among}
    steps = {round(trial.settings["step_m"], 3) for trial in among}
    assert slopes <= {0.0, 2.5, 5.0} and steps <= {0.0, 0.01, 0.02}
    assert len(slopes) > 1 and len(steps) > 1
    assert not any(t.settings["slope_deg"] and t.settings["step_m"] for t in among)


def test_results_survive_their_file(tmp_path: Path, walked: SuiteResult) -> None:
    path = tmp_path / "result.json"
    write_results(path, (walked,))
    assert read_results(path) == (walked,)
    assert "--seed 3 --trial 4" in walked.replay(walked.trials[4])


class Interrupting:
    """Fails at some trial's end, as the given error says."""

    def __init__(self, error: Callable[[], BaseException], after: int) -> None:
        self.error, self.left = error, after

    def __call__(self, count: int) -> None:
        self.left -= count
        if self.left <= 0:
            self.left = 10**9
            raise self.error()


def test_interrupted_trials_that_finished_are_kept(walker: PolicyFile, walked: SuiteResult) -> None:
    run = GauntletRun(range(5), seed=3, rows=2, threads=1)
    result = run_gauntlet(walker, short_walk(), run, Interrupting(KeyboardInterrupt, 2))
    assert result.interrupted and 2 <= len(result.trials) < 5 and result.planned == 5
    assert "interrupted" in result.note and f"{len(result.trials)} of 5" in result.note
    assert all(trial == walked.trials[trial.trial] for trial in result.trials)


def test_trials_of_a_worker_that_ended_are_rerun_and_reported(
    walker: PolicyFile, walked: SuiteResult
) -> None:
    def died() -> UserError:
        return WorkerDiedError("process 7 ended", np.array([0]))

    run = GauntletRun(range(5), seed=3, rows=2, threads=1)
    result = run_gauntlet(walker, short_walk(), run, Interrupting(died, 2))
    assert result.trials == walked.trials
    assert "process 7 ended" in result.note and "reran trial" in result.note


def test_a_worker_that_ends_again_and_again_is_given_up(walker: PolicyFile) -> None:
    def dies(count: int) -> None:
        raise WorkerDiedError("process 7 ended; run it again", np.array([0]))

    result = run_gauntlet(
        walker, short_walk(), GauntletRun(range(4), seed=3, rows=1, threads=1), dies
    )
    assert [trial.trial for trial in result.trials] == [0, 1, 2] and not result.interrupted
    notes = result.note.split("; ")
    assert notes == [
        "process 7 ended: reran trials 1, 2, 3",
        "process 7 ended: reran trials 2, 3",
        "process 7 ended: gave up, without trial 3",
    ]


def test_other_errors_are_not_taken_for_a_worker_that_ended(walker: PolicyFile) -> None:
    run = GauntletRun([0], rows=1, threads=1)
    with pytest.raises(UserError, match="no room"):
        run_gauntlet(walker, short_walk(), run, Interrupting(lambda: UserError("no room"), 1))


def test_what_cannot_be_run_is_refused(walker: PolicyFile) -> None:
    other = dataclasses.replace(walker, task=HumanoidVelocity(action_clip=2.0))
    with pytest.raises(ContractError, match="action_clip"):
        run_gauntlet(other, short_walk(), GauntletRun([0]))


def test_a_car_without_any_stress_has_none(driver: PolicyFile) -> None:
    nothing = (0.0, 0.0)
    calm = short_drive(
        wet_patches=0,
        wind_force=nothing,
        lidar_lost=nothing,
        imu_frozen=nothing,
        blown_sector=nothing,
    )
    env = make_trials(driver, calm, GauntletRun([1], threads=1), [1], 1)
    act, observations = driver.actor(1), env.begin()
    assert [env.trial[0], env.running] == [1, True]
    for _ in range(50):
        observations, *_ = env.step(act(observations))
        assert env.happening(0) == []
    assert not env.engine.external_force.any()
