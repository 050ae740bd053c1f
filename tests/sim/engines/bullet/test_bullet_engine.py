"""Bullet under the tasks: the same signals as MuJoCo's where physics leaves no choice."""

import math

import numpy as np
import pytest

from tests.sim.engines.bullet.robots_in_both import (
    HUMANOID,
    ROBOTS,
    VEHICLE,
    anywhere,
    both,
    bullet,
    hold,
    load,
    place,
    standing,
)

pytest.importorskip("pybullet")


@pytest.mark.parametrize("name", ROBOTS)
def test_moves_in_the_air_as_in_mujoco(name: str) -> None:
    """Inertias, axes, gravity, gyroscopic terms, motors, springs and dampers, all at once."""
    model = load(ROBOTS[name])
    model.opt.timestep = 1e-6
    model.dof_armature[:] = 0.0  # of which Bullet has none
    model.eq_active0[:] = 0  # hard in one engine, a spring in the other
    rng = np.random.default_rng(1)
    with both(model) as engines:
        for _ in range(3):
            qpos, qvel = anywhere(model, rng), rng.normal(0.0, 1.0, model.nv)
            command = rng.uniform(-0.5, 0.5, model.nu)
            for engine in engines:
                place(engine, qpos, qvel)
                hold(engine, command, 1e-6)
            change = [(engine.qvel[0] - qvel) / 1e-6 for engine in engines]
            # A joint's may be a small difference of large ones, of which a little is left.
            scale = 1.0 + np.abs(change[0]) + 0.01 * np.abs(change[0]).max()
            assert (np.abs(change[1] - change[0]) / scale).max() < 0.01
            for sensor in range(model.nsensor):
                one, other = (e.sensor(model.sensor(sensor).name)[0] for e in engines)
                assert other == pytest.approx(one, rel=0.02, abs=0.02 * np.abs(one).max() + 0.02)


def test_free_fall_feels_weightless() -> None:
    model = load(HUMANOID)
    qpos, command = standing(model)
    qpos[2] = 10.0
    with bullet(model, substeps=4) as engine:
        place(engine, qpos)
        hold(engine, command, 0.5)
        assert np.linalg.norm(engine.sensor("imu_accel")) < 0.5
        fallen = 10.0 - engine.qpos[0, 2]
        assert fallen == pytest.approx(9.81 / 2 * 0.5**2, rel=0.02)
        assert (engine.sensor("left_foot_touch") == 0.0).all()
        # The newest sensors are of the state before the last physics step.
        position = engine.sensor("true_position")[0, 2]
        assert position > engine.qpos[0, 2] + 0.03


def test_a_joint_reaches_its_target() -> None:
    """At the same pace in both engines, in the air without gravity."""
    model = load(HUMANOID)
    model.opt.gravity[:] = 0.0
    qpos, command = standing(model)
    qpos[2] = 3.0
    elbow = [a.name for a in HUMANOID.actuators].index("left_elbow")
    command[elbow] = -1.2
    with both(model, substeps=4) as engines:
        for engine in engines:
            place(engine, qpos)
            hold(engine, command, 0.02)
            assert engine.sensor("left_elbow_torque")[0, 0] < -5.0
        for _ in range(10):
            for engine in engines:
                hold(engine, command, 0.06)
            mine, other = (e.sensor("left_elbow_pos")[0, 0] for e in engines)
            assert other == pytest.approx(mine, abs=0.05)
        assert engines[1].sensor("left_elbow_pos")[0, 0] == pytest.approx(-1.2, abs=0.02)


def test_the_gyroscope_has_the_turn_s_sign() -> None:
    model = load(VEHICLE)
    qvel = np.zeros(model.nv)
    qvel[5] = 2.0
    qpos = model.qpos0.copy()
    qpos[2] = 5.0
    with bullet(model) as engine:
        place(engine, qpos, qvel)
        hold(engine, np.zeros(2), 0.1)
        assert engine.sensor("imu_gyro")[0, 2] == pytest.approx(2.0, rel=0.02)
        w, _, _, z = engine.qpos[0, 3:7]
        assert 2 * math.atan2(z, w) == pytest.approx(0.2, rel=0.03)


@pytest.mark.parametrize("body", ["pelvis", "torso", "left_forearm"])
def test_a_push_moves_the_robot_as_in_mujoco(body: str) -> None:
    model = load(HUMANOID)
    model.opt.gravity[:] = 0.0
    model.opt.timestep = 1e-4
    model.dof_armature[:] = 0.0
    qpos, command = standing(model)
    qpos[2] = 3.0
    number = model.body(body).id
    with both(model) as engines:
        for engine in engines:
            place(engine, qpos)
            engine.external_force[0, number] = [300.0, -200.0, 100.0, 10.0, 20.0, -30.0]
            hold(engine, command, 2e-4)
        mine, other = (e.qvel[0] for e in engines)
        assert other == pytest.approx(mine, rel=0.1, abs=0.002)
        assert np.abs(mine[:6]).max() > 5e-4
        engines[1].external_force[:] = 0.0
        before = engines[1].qvel[0, :3].copy()
        hold(engines[1], command, 1e-4)
        assert np.abs(engines[1].qvel[0, :3] - before).max() < 1e-3  # it has ended


def test_another_mass_and_centre_of_mass_count_from_a_reset_on() -> None:
    model = load(HUMANOID)
    model.opt.gravity[:] = 0.0
    model.dof_armature[:] = 0.0
    model.opt.timestep = 1e-3
    qpos, command = standing(model)
    qpos[2] = 3.0
    torso = model.body("torso").id
    with both(model, rows=2) as engines:
        for engine in engines:
            engine.field("body_mass")[1, torso] *= 3.0
            engine.field("body_inertia")[1, torso] *= 3.0
            engine.field("body_ipos")[1, torso] += [0.1, 0.05, -0.1]
            place(engine, qpos)
            engine.external_force[:, model.body("pelvis").id, :3] = [200.0, 0.0, 0.0]
            hold(engine, command, 5e-3)
        mine, other = (e.qvel for e in engines)
        assert other == pytest.approx(mine, rel=0.1, abs=0.03)
        assert np.abs(mine[0, :6] - mine[1, :6]).max() > 0.05


def test_gains_and_torque_limits_are_each_world_s_own() -> None:
    model = load(HUMANOID)
    qpos, command = standing(model)
    qpos[2] = 3.0
    with bullet(model, rows=3) as engine:
        engine.field("actuator_gainprm")[1, :, 0] = 0.0
        engine.field("actuator_biasprm")[1, :, 1:3] = 0.0
        engine.field("actuator_forcerange")[2] = [-1.0, 1.0]
        place(engine, qpos)
        hold(engine, command + 0.5, 0.005)
        torque = engine.sensordata[
            :, engine.columns(*(f"{a.name}_torque" for a in HUMANOID.actuators))
        ]
        assert (torque[0] > 10.0).all()
        assert (torque[1] == 0.0).all()
        assert (torque[2] == 1.0).all()


def test_a_diverged_simulation_is_reported_and_restarts() -> None:
    model = load(HUMANOID)
    qpos, command = standing(model)
    with bullet(model, rows=2, substeps=2) as engine:
        place(engine, qpos)
        engine.field("actuator_biasprm")[1, :, 2] = 1e6  # damping that drives
        engine.field("actuator_forcerange")[1] = [-1e12, 1e12]
        for _ in range(30):
            hold(engine, command, 0.01)
            if engine.diverged[1]:
                break
        assert engine.diverged.tolist() == [False, True]
        for array in (engine.qpos, engine.qvel, engine.sensordata, engine.burst):
            assert np.isfinite(array).all()
        engine.reset(np.array([1]), qpos[None], np.zeros((1, model.nv)), constants_changed=False)
        assert not engine.diverged.any()
