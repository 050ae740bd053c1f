"""Tests robots that are no longer as their models say."""

from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest

from edge_runtime.errors import UserError
from sim.envs.vector_env import TaskVectorEnv
from sim.envs.worn_batch import WornBatch
from sim.robots.robot import SimRobot
from sim.robots.wear import Wear, read_wear
from sim.tasks.task import TaskConfig, find_robot_task


@pytest.fixture(scope="module")
def walking() -> TaskConfig:
    return find_robot_task("HumanoidVelocity").nominal()


def worn(task: TaskConfig, wear: Wear) -> mujoco.MjModel:
    model = task.model()
    wear.apply(model, task.robot, task.ground)
    return model


def test_gains_strength_payload_and_grip_are_those_of_the_device(walking: TaskConfig) -> None:
    wear = Wear(gains={"left_knee": 0.4}, payload=10.5, friction=0.7, strength={"left_knee": 0.5})
    new, old = walking.model(), worn(walking, wear)
    knee, main = new.actuator("left_knee").id, new.body(walking.robot.main_body).id
    assert old.actuator_gainprm[knee, 0] == pytest.approx(0.4 * new.actuator_gainprm[knee, 0])
    assert old.actuator_biasprm[knee, 2] == pytest.approx(0.4 * new.actuator_biasprm[knee, 2])
    assert old.body_mass[main] == pytest.approx(new.body_mass[main] + 10.5)
    assert old.geom("floor").friction[0] == pytest.approx(0.7 * new.geom("floor").friction[0])
    weak = wear.weakened(walking.robot.actuators)
    assert weak[knee].max_effort == pytest.approx(0.5 * walking.robot.actuators[knee].max_effort)


def test_a_thicker_sole_raises_the_robot(walking: TaskConfig) -> None:
    def lowest(model: mujoco.MjModel) -> float:
        geom = model.geom("left_foot")
        return float(geom.pos[2] - geom.size[2])

    new, old = walking.model(), worn(walking, Wear(sole=0.015))
    assert lowest(old) == pytest.approx(lowest(new) - 0.015)
    assert old.site("left_foot").pos[2] == pytest.approx(new.site("left_foot").pos[2] - 0.015)


@pytest.mark.parametrize("engine", ["mujoco", "bullet"])
def test_an_encoder_reads_too_high_in_both_engines(walking: TaskConfig, engine: str) -> None:
    joint, offset = "left_knee", 0.2
    if engine == "bullet":
        pytest.importorskip("pybullet")
    env = TaskVectorEnv(
        replace(walking, wear=Wear(offsets={joint: offset})), 1, threads=1, engine=engine
    )
    new = TaskVectorEnv(walking, 1, threads=1, engine=engine)
    foot = [e.engine.sensor("left_foot_position")[0].copy() for e in (env, new)]
    knee = new.engine.model.joint(joint).qposadr[0]
    qpos = new.engine.qpos.copy()
    qpos[:, knee] -= offset  # where the joint is that reads what the new one does
    new.engine.reset(np.array([0]), qpos, 0 * new.engine.qvel, constants_changed=False)
    np.testing.assert_allclose(foot[0], new.engine.sensor("left_foot_position")[0], atol=1e-4)
    assert np.abs(foot[0] - foot[1]).max() > 0.02
    env.close()
    new.close()


@pytest.mark.parametrize(
    ("wear", "message"),
    [
        (Wear(gains={"left_kne": 0.4}), "left_knee"),
        (Wear(offsets={"left_knee": 9.0}), "offsets of 'left_knee'"),
        (Wear(strength={"nothing": 0.4}), "nothing"),
    ],
)
def test_a_wear_that_no_robot_has_is_refused(walking: TaskConfig, wear: Wear, message: str) -> None:
    with pytest.raises(UserError, match=message):
        wear.check(walking.robot)


def test_a_car_has_no_soles() -> None:
    with pytest.raises(UserError, match="no soles"):
        Wear(sole=0.01).check(find_robot_task("VehicleTrack").robot)


def test_a_device_is_read_from_its_file(tmp_path: Path, walking: TaskConfig) -> None:
    path = tmp_path / "wear.toml"
    path.write_text("payload = 10.5\n[gains]\nleft_knee = 0.4\n")
    assert read_wear(path, walking.robot) == Wear(gains={"left_knee": 0.4}, payload=10.5)
    path.write_text("[gains]\nleft_nee = 0.4\n")
    with pytest.raises(UserError, match=r"wear\.toml: .*left_knee"):
        read_wear(path, walking.robot)


def test_each_robot_of_a_batch_is_worn_in_its_own_way() -> None:
    task = find_robot_task("HumanoidVelocity")
    wears = iter([Wear(), Wear(gains={"left_knee": 0.5}, offsets={"left_knee": 0.1})] * 2)
    env = WornBatch(task, 2, lambda rng: next(wears), threads=1)
    robot: SimRobot = task.robot
    knee = [a.name for a in robot.actuators].index("left_knee")
    nominal = env.engine.model.actuator_gainprm[knee, 0]
    shares = env.engine.field("actuator_gainprm")[:, knee, 0] / nominal
    assert 0.85 <= shares[0] <= 1.15
    assert 0.42 <= shares[1] <= 0.58
    at = env.engine.model.joint("left_knee").qposadr[0]
    np.testing.assert_allclose(np.diff(env.engine.field("qpos0")[:, at]), 0.1)
