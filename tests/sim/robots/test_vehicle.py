"""The vehicle's model against what is promised of it: statics, actuators, Ackermann, grip."""

import mujoco
import numpy as np
import pytest

from sim.robots.vehicle import (
    CHASSIS_HEIGHT,
    OUTLINE,
    TOP_SPEED,
    TRACK,
    WHEEL_RADIUS,
    WHEELBASE,
    WHEELS,
    vehicle,
)

MODEL = mujoco.MjModel.from_xml_path(str(vehicle().model))
GRAVITY = 9.81


def drive(data: mujoco.MjData, seconds: float, steering: float, speed: float) -> None:
    """Hold both targets; `speed` in m/s."""
    data.ctrl[:] = (steering, speed / WHEEL_RADIUS)
    mujoco.mj_step(MODEL, data, round(seconds / MODEL.opt.timestep))


def at_speed(speed: float) -> mujoco.MjData:
    """Rolling straight ahead."""
    data = mujoco.MjData(MODEL)
    data.qvel[0] = speed
    for wheel in WHEELS:
        data.joint(f"{wheel}_wheel").qvel[0] = speed / WHEEL_RADIUS
    drive(data, 1.5, 0.0, speed)
    return data


def yaw_rate(data: mujoco.MjData) -> float:
    return float(data.sensor("imu_gyro").data[2])


def test_stands_on_its_springs_with_its_weight_on_both_axles() -> None:
    data = at_speed(0.0)
    mujoco.mj_forward(MODEL, data)
    assert data.qpos[2] == pytest.approx(CHASSIS_HEIGHT, abs=0.003)
    load = {"front": 0.0, "rear": 0.0}
    for i in range(data.ncon):
        force: np.ndarray = np.zeros(6)
        mujoco.mj_contactForce(MODEL, data, i, force)
        load["front" if data.contact[i].pos[0] > WHEELBASE / 2 else "rear"] += force[0]
    weight = MODEL.body_subtreemass[1] * GRAVITY
    assert 140 < weight / GRAVITY < 160
    assert sum(load.values()) == pytest.approx(weight, rel=0.01)
    assert 0.4 < load["front"] / weight < 0.5


def test_suspension_swings_at_two_to_three_hertz_and_settles() -> None:
    data = at_speed(0.0)
    data.qpos[2] += 0.03
    heights = []
    for _ in range(200):
        mujoco.mj_step(MODEL, data)
        heights.append(data.qpos[2] - CHASSIS_HEIGHT)
    lowest = int(np.argmin(heights)) * MODEL.opt.timestep  # after half a swing
    assert 1 / 3.5 < 2 * lowest < 1 / 1.8
    assert np.abs(heights[-20:]).max() < 0.002


@pytest.mark.parametrize("angle", [-0.5, -0.2, 0.1, 0.3, 0.5])
def test_inner_and_outer_wheel_follow_ackermann(angle: float) -> None:
    data = mujoco.MjData(MODEL)
    drive(data, 1.0, angle, 0.0)
    radius = WHEELBASE / np.tan(angle)  # to the left, of the rear axle's centre
    for side, offset in (("left", TRACK / 2), ("right", -TRACK / 2)):
        expected = np.arctan(WHEELBASE / (radius - offset))
        reached = data.joint(f"front_{side}_knuckle").qpos[0]
        assert reached == pytest.approx(expected, abs=np.radians(0.5)), side


@pytest.mark.parametrize("angle", [0.1, -0.3, 0.5])
def test_slow_cornering_radius_is_geometric(angle: float) -> None:
    data = mujoco.MjData(MODEL)
    drive(data, 6.0, angle, 1.5)
    speed = float(np.hypot(*data.qvel[:2]))
    assert speed / yaw_rate(data) == pytest.approx(WHEELBASE / np.tan(angle), rel=0.02)


def test_steering_has_a_rate_limit() -> None:
    data = mujoco.MjData(MODEL)
    drive(data, 1.0, -0.5, 0.0)
    rates = []
    for _ in range(100):
        drive(data, MODEL.opt.timestep, 0.5, 0.0)
        rates.append(data.joint("steering").qvel[0])
    assert 2.0 < max(rates) < 3.2
    assert data.joint("steering").qpos[0] > 0.4


def test_drives_forward_to_top_speed_and_stops() -> None:
    data = at_speed(0.0)
    drive(data, 6.0, 0.0, TOP_SPEED)
    assert data.qvel[0] == pytest.approx(TOP_SPEED, rel=0.03)
    assert abs(data.qpos[1]) < 0.01
    start = data.qpos[0]
    drive(data, 5.0, 0.0, 0.0)
    assert abs(data.qvel[0]) < 0.05
    braking = TOP_SPEED**2 / 2 / (data.qpos[0] - start)
    assert 3.0 < braking < 5.0  # m/s², through the rear wheels alone


def test_both_rear_wheels_drive_and_the_front_ones_roll() -> None:
    data = mujoco.MjData(MODEL)
    data.qpos[2] = 2.0  # in the air
    drive(data, 0.3, 0.0, 5.0)
    speed = {wheel: data.joint(f"{wheel}_wheel").qvel[0] for wheel in WHEELS}
    assert speed["rear_left"] > 5.0
    assert speed["rear_left"] == pytest.approx(speed["rear_right"], rel=1e-6)
    assert abs(speed["front_left"]) < 1.0


@pytest.mark.parametrize("speed", [7.0, 10.0])
def test_lateral_grip_is_about_one_g_and_the_car_stays_upright(speed: float) -> None:
    data = at_speed(speed)
    best = 0.0
    for angle in np.linspace(0.05, 0.3, 30):
        drive(data, 0.1, float(angle), speed)
        best = max(best, np.hypot(*data.qvel[:2]) * yaw_rate(data) / GRAVITY)
    assert 0.85 < best < 1.1
    assert data.body("chassis").xmat[8] > 0.99


def test_less_grip_with_slippery_tyres() -> None:
    def lateral(friction: float) -> float:
        model = mujoco.MjModel.from_xml_path(str(vehicle().model))
        for wheel in WHEELS:
            model.geom(f"{wheel}_tyre").friction[0] = friction
        data = mujoco.MjData(model)
        data.ctrl[:] = (0.3, 8.0 / WHEEL_RADIUS)
        mujoco.mj_step(model, data, 2000)
        return float(np.hypot(*data.qvel[:2]) * yaw_rate(data))

    assert lateral(0.6) < 0.75 * lateral(1.0)


def test_sensors_read_what_they_are_named_for() -> None:
    data = at_speed(5.0)
    mujoco.mj_forward(MODEL, data)

    def read(name: str) -> np.ndarray:
        return data.sensor(name).data

    assert read("imu_accel")[2] == pytest.approx(GRAVITY, abs=0.2)
    for wheel in WHEELS:
        assert read(f"{wheel}_encoder")[0] == pytest.approx(5.0 / WHEEL_RADIUS, rel=0.02)
    assert read("drive_vel")[0] == pytest.approx(5.0 / WHEEL_RADIUS, rel=0.02)
    assert read("gnss_velocity")[0] == pytest.approx(5.0, rel=0.02)
    assert read("true_attitude") == pytest.approx([1, 0, 0, 0], abs=0.02)
    drive(data, 0.4, 0.1, 5.0)
    assert read("steering_encoder")[0] == pytest.approx(0.1, abs=0.01)
    assert yaw_rate(data) > 0.2


def test_action_zero_is_at_rest_with_wheels_straight() -> None:
    for actuator in vehicle().actuators:
        assert actuator.default == 0.0
        assert actuator.lower <= 0.0 <= actuator.upper
        assert actuator.upper == pytest.approx(actuator.action_scale)


def test_the_outline_holds_all_that_is_drawn() -> None:
    spec = mujoco.MjSpec.from_file(str(vehicle().model))
    spec.compiler.discardvisual = False
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    low, high = np.min(OUTLINE, axis=0), np.max(OUTLINE, axis=0)
    for i in range(model.ngeom):
        if model.geom_group[i] != 1:
            continue
        center, half = model.geom_aabb[i, :3], model.geom_aabb[i, 3:]
        signs = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T
        corners = data.geom_xpos[i] + (center + signs * half) @ data.geom_xmat[i].reshape(3, 3).T
        assert (corners[:, :2] > low - 0.01).all()
        assert (corners[:, :2] < high + 0.01).all()
