import math
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from edge_runtime.fusion.legged_fusion import LeggedFusion
from edge_runtime.inference import Policy
from edge_runtime.signal import (
    ATTITUDE,
    BASE_VELOCITY,
    FOOT_FORCE,
    IMU_ACCEL,
    IMU_BURST,
    IMU_GYRO,
    JOINT_POS,
)
from sim.estimation import measure_estimation
from sim.tasks.humanoid_velocity import HumanoidVelocity
from sim.vector_env import TaskVectorEnv

TASK = HumanoidVelocity()
NOMINAL = replace(TASK.nominal(), noise=True)


def walk_policy():
    policy = Policy.load(str(files("assets") / "policies" / "HumanoidVelocity.onnx"))
    return lambda rows: np.concatenate([policy(row[None]).copy() for row in rows])


def make(rows):
    env = TaskVectorEnv(NOMINAL, rows, seed=1, all_signals=True)
    joints = [a.name for a in TASK.robot.actuators]
    fusion = LeggedFusion(TASK.legged, joints, TASK.control_period, 4, rows)
    return env, fusion


def test_the_loop_gets_what_it_asks_for():
    env, fusion = make(2)
    assert {s.name for s in fusion.provides} == {ATTITUDE, BASE_VELOCITY}
    assert {s.name for s in fusion.reads} == {
        *(JOINT_POS, FOOT_FORCE),
        *(IMU_GYRO, IMU_ACCEL, IMU_BURST),
    }
    estimates = fusion.update(env.signals)
    assert estimates is fusion.estimates
    assert estimates[ATTITUDE].shape == (2, 4)
    assert estimates[BASE_VELOCITY].shape == (2, 3)
    assert all(e.dtype == np.float32 for e in estimates.values())


def test_rows_do_not_disturb_each_other_and_a_reset_starts_anew():
    env, fusion = make(2)
    _, alone = make(2)
    action = np.zeros(env.action_space.shape, np.float32)
    for _ in range(10):
        env.step(action)
        fusion.update(env.signals)
        alone.update({k: v.copy() for k, v in env.signals.items()})
    fusion.reset(np.array([0]))
    fusion.update(env.signals)
    alone.update(env.signals)
    assert fusion.states[0].stamp == 0.0
    assert fusion.states[1].velocity == pytest.approx(alone.states[1].velocity, abs=1e-12)


def test_lost_samples_are_bridged_and_absurd_ones_leave_numbers():
    env, fusion = make(1)
    action = np.zeros(env.action_space.shape, np.float32)
    for step in range(40):
        env.step(action)
        if step == 20:
            env.signals[IMU_BURST][0, 3] = math.nan
            env.signals[JOINT_POS][0, 5] = math.nan
        if step not in (25, 26):
            estimates = fusion.update(env.signals, 3 if step == 27 else 1)
        assert all(np.isfinite(e).all() for e in estimates.values())
    assert not fusion.lost


@pytest.mark.slow
@pytest.mark.parametrize("task", [NOMINAL, TASK], ids=["nominal", "randomized"])
def test_velocity_of_the_walking_humanoid(task):
    errors = measure_estimation(task, walk_policy(), robots=4, seconds=15.0, seed=3, standing=4.0)
    assert errors.velocity_rms <= 0.05
    assert math.degrees(errors.tilt_rms) < 1.0
    assert errors.consistency > 0.8
    assert errors.good > 0.7
