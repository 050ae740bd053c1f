import math
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from estimation.gantry import Gantry
from estimation.humanoid import measure_estimation

from edge_runtime.fusion.legged import fusion as fusion_module
from edge_runtime.fusion.legged.contact import ContactProbability, TorqueForces
from edge_runtime.fusion.legged.fusion import LeggedFusion
from edge_runtime.fusion.legged.kinematics import LegKinematics
from edge_runtime.policy.inference import Policy
from edge_runtime.signals import (
    ATTITUDE,
    BASE_VELOCITY,
    FOOT_FORCE,
    IMU_ACCEL,
    IMU_BURST,
    IMU_GYRO,
    JOINT_POS,
    JOINT_TORQUE,
)
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks.walking.config import HumanoidVelocity

TASK = HumanoidVelocity()
ACTIONS = len(TASK.robot.actuators)
NOMINAL = replace(TASK.nominal(), noise=True)


def walk_policy():
    policy = Policy.load(str(files("assets") / "policies" / "HumanoidVelocity.onnx"))
    return lambda rows: np.concatenate([policy(row[None]).copy() for row in rows])


def make(rows):
    env = TaskVectorEnv(NOMINAL, rows, seed=1, all_signals=True)
    joints = [a.name for a in TASK.robot.actuators]
    fusion = LeggedFusion(TASK.legged, joints, TASK.control_period, 4, rows)
    return env, fusion


def test_the_loop_gets_the_signals_that_it_needs():
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


def test_the_few_events_that_a_loop_keeps_are_enough(monkeypatch):
    env, few = make(1)
    monkeypatch.setattr(fusion_module, "_HISTORY", 64)
    _, many = make(1)
    observations, act = env.reset(seed=1)[0], walk_policy()
    for step in range(150):
        signals = dict(env.signals)
        if step in (60, 61, 90):
            signals[IMU_BURST] = np.full_like(signals[IMU_BURST], np.nan)
        for fusion in (few, many):
            fusion.update(signals, 2 if step == 120 else 1)
        for name, values in few.estimates.items():
            np.testing.assert_array_equal(values, many.estimates[name])
        observations, *_ = env.step(act(observations))
    assert not few.lost


def test_rows_do_not_disturb_each_other_and_a_reset_starts_anew():
    env, fusion = make(2)
    _, alone = make(2)
    action = np.zeros((env.num_envs, ACTIONS), np.float32)
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
    action = np.zeros((env.num_envs, ACTIONS), np.float32)
    for step in range(40):
        env.step(action)
        if step == 20:
            env.signals[IMU_BURST][0, 3] = math.nan
            env.signals[JOINT_POS][0, 5] = math.nan
        if step not in (25, 26):
            estimates = fusion.update(env.signals, 3 if step == 27 else 1)
        assert all(np.isfinite(e).all() for e in estimates.values())
    assert not fusion.lost


def test_a_gantry_holds_the_humanoid_still_on_its_feet():
    env = TaskVectorEnv(TASK, 3, seed=2, all_signals=True)
    gantry, action = Gantry(env.engine), np.zeros((env.num_envs, ACTIONS), np.float32)
    for _ in range(150):
        gantry.hold()
        _, _, terminated, _, _ = env.step(action)
        assert not terminated.any()
    assert np.abs(env.engine.sensor("true_velocity")).max() < 0.02
    assert np.abs(env.engine.sensor("imu_gyro")).max() < 0.02
    assert env.signals[FOOT_FORCE].min() > 100.0
    gantry.release()
    assert not env.engine.external_force.any()


def test_joint_torques_stand_in_for_touch_sensors():
    env = TaskVectorEnv(NOMINAL, 2, seed=1, all_signals=True)
    observations, _ = env.reset(seed=1)
    act, joints = walk_policy(), [a.name for a in TASK.robot.actuators]
    legs = LegKinematics(TASK.legged.legs, joints)
    by_torque = TorqueForces(legs, TASK.legged.contact.damping)
    contacts = [ContactProbability(TASK.legged.contact, len(TASK.legged.legs)) for _ in range(2)]
    fusion = LeggedFusion(TASK.legged, joints, TASK.control_period, 4, 2, witnesses=(JOINT_TORQUE,))
    assert FOOT_FORCE not in {s.name for s in fusion.reads}
    computed, felt, wrong = [], [], []
    for step in range(400):
        signals = {k: v for k, v in env.signals.items() if k != FOOT_FORCE}
        velocity = fusion.update(signals)[BASE_VELOCITY]
        for row, contact in enumerate(contacts):
            legs.move(signals[JOINT_POS][row])
            forces = by_torque.update(signals[JOINT_TORQUE][row], fusion.states[row].attitude)
            computed.append(contact.update(torque=forces) > 0.5)
            felt.append(env.signals[FOOT_FORCE][row] > 40.0)
        if step > 50:
            wrong.append(np.linalg.norm(velocity - env.engine.sensor("true_velocity"), axis=1))
        observations, *_ = env.step(act(observations))
    stands, touches = (np.reshape(of, (-1, 4)) for of in (computed, felt))
    # A foot that lands or lifts off between two samples is seen by either at another moment.
    steady = (touches[:-2] == touches[1:-1]) & (touches[2:] == touches[1:-1])
    assert np.mean((stands == touches)[1:-1][steady]) > 0.95
    assert np.sqrt(np.mean(np.square(wrong))) < 0.08


@pytest.mark.slow
@pytest.mark.parametrize("task", [NOMINAL, TASK], ids=["nominal", "randomized"])
def test_estimation_errors_of_the_walking_humanoid(task):
    """The gyroscope's noise of 0.16 degrees/s/sqrt(Hz) alone lets a bias that was found in half a
    minute, and then the heading, drift by 2.2 degrees in a minute, root mean square."""
    errors = measure_estimation(task, walk_policy(), robots=6, seconds=62.0, seed=3, resting=30.0)
    assert errors.velocity_rms <= 0.05
    assert math.degrees(errors.tilt_rms) < 1.0
    assert errors.consistency > 0.85
    assert math.degrees(errors.yaw_drift) * 60.0 < 4.5
    assert errors.good > 0.9
