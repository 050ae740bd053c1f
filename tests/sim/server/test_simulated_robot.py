"""The control loop over a simulated robot does what the simulator's own loop does, to the bit."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.estimators import find_fusion
from edge_runtime.fusion.no_fusion import NoFusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.inference import Policy
from edge_runtime.robot.robot import ActuatorCommand, Mode
from edge_runtime.robot.shared_memory import RobotServer, SharedMemoryRobot, segment_path
from edge_runtime.safety.rules import Fault, Reaction
from sim.envs.vector_env import TaskVectorEnv
from sim.server.simulated_robot import (
    LockstepRobot,
    RealTimeSimulation,
    SimulatedRobot,
    find_device,
)
from sim.tasks import find_task
from sim.tasks.task import TaskConfig, find_robot_task
from tests.edge_runtime.leg import make_model

TASKS = ("HumanoidVelocity", "VehicleTrack")
STEPS = 40


def exact(name: str) -> TaskConfig:
    """The task without noise, randomization and latency."""
    return find_task(name).nominal()


@pytest.mark.parametrize("name", TASKS)
def test_closed_loop_in_lockstep_is_bit_equal_to_the_simulators_own(name: str) -> None:
    """Same observations on both sides, and the same trajectory."""
    env = TaskVectorEnv(exact(name), 1, seed=3, threads=1)
    observation, _ = env.reset(seed=3)
    model = make_model(env.contract(), bias=0.1)
    policy = Policy(model)
    simulated = SimulatedRobot(exact(name), seed=3)
    loop = ControlLoop(Policy(model), LockstepRobot(simulated), NoFusion(), LoopConfig(rules=()))
    for _ in range(STEPS):
        loop.command.put(simulated.env.signals["command"][0].copy())
        action = policy(observation).copy()
        assert loop.tick() is Reaction.NONE
        assert loop.controller.policy.observation.tobytes() == observation.tobytes()
        observation, _, terminated, _, _ = env.step(action)
        assert not terminated.any()
        for field in ("qpos", "qvel"):
            ours, theirs = getattr(simulated.env.engine, field), getattr(env.engine, field)
            assert ours.tobytes() == theirs.tobytes()
    assert np.abs(env.engine.qvel).max() > 0.1  # it did move


@pytest.mark.parametrize("name", TASKS)
def test_noisy_sensors_reach_the_policy_bit_equal(name: str) -> None:
    """Simulator-side and edge-side observations of the same signals, noise and all."""
    task = find_task(name)
    simulated = SimulatedRobot(task, seed=5)
    env = simulated.env
    policy = Policy(make_model(env.contract()))
    loop = ControlLoop(policy, LockstepRobot(simulated), NoFusion(), LoopConfig(rules=()))
    builder = env._builder
    for step in range(STEPS):
        loop.command.put(env.signals["command"][0].copy())
        env.signals["control_step"][:] = step
        env.signals["last_action"][:] = loop.controller.last_action
        expected = builder.build(env.signals).tobytes()
        loop.tick()
        assert policy.observation.tobytes() == expected


def test_the_estimator_follows_the_humanoid() -> None:
    """The one its policy needs, on noisy sensors, while the humanoid sways."""
    simulated = SimulatedRobot(find_task("HumanoidVelocity"), seed=1)
    policy = Policy(make_model(simulated.env.contract()))
    robot = LockstepRobot(simulated)
    fusion = find_fusion("auto", policy.contract, robot.description)
    loop = ControlLoop(policy, robot, fusion, LoopConfig(rules=()))
    for _ in range(25):
        loop.tick()
        truth = simulated.env.engine.sensor("true_attitude")[0]
        estimate = loop.signals["attitude"][0]
        assert tilt_between(truth, estimate) < 0.06


@pytest.mark.parametrize("name", ["HumanoidVelocity", "VehicleTrack"])
def test_a_robot_that_waits_for_commands_is_at_rest(name: str) -> None:
    """A car of random speed at the start would say that it moves, as long as it waits."""
    simulated = SimulatedRobot.at_rest(exact(name), 0, truth=True, randomize=False)
    simulated.hang()
    for name in ("true_velocity", "joint_vel", "wheel_speed", "gnss_velocity", "imu_gyro"):
        if name in simulated.signals:
            assert np.abs(simulated.signals[name]).max() < 1e-3, name


def test_a_frozen_lidar_stops_the_car() -> None:
    """Its ranges stay as they were while the car drives on and all else is read."""
    simulated = SimulatedRobot(find_task("VehicleTrack"), seed=2)
    policy = Policy(make_model(simulated.env.contract()))
    loop = ControlLoop(policy, LockstepRobot(simulated), NoFusion())
    assert {loop.tick() for _ in range(10)} == {Reaction.NONE}
    lidar = simulated.signals["lidar"].copy()
    for _ in range(7):  # the first is new to the loop
        simulated.signals["lidar"][:] = lidar
        reaction = loop.tick()
    assert reaction is Reaction.STOP
    broken = {r.fault for r, n in zip(loop.guard.rules, loop.guard.ticks_tripped) if n}
    assert broken == {Fault.FROZEN}


def test_without_noise_no_signal_counts_as_live() -> None:
    """A car at rest would read the same again, and be stopped for it."""
    assert SimulatedRobot(exact("VehicleTrack")).description.live == ()
    noisy = SimulatedRobot(find_task("VehicleTrack")).description.live
    assert noisy is not None
    assert {"imu_gyro", "imu_accel", "lidar"} <= set(noisy)
    assert "wheel_speed" not in noisy


def tilt_between(a: np.ndarray, b: np.ndarray) -> float:
    """Angle between the two ideas of what is down, rad."""

    def down(q: np.ndarray) -> np.ndarray:
        w, x, y, z = q
        return np.array([2 * (w * y - x * z), -2 * (y * z + w * x), 2 * (x * x + y * y) - 1])

    return float(np.arccos(np.clip(down(a) @ down(b), -1, 1)))


def test_a_fallen_humanoid_is_damped() -> None:
    simulated = SimulatedRobot(exact("HumanoidVelocity"), seed=0)
    policy = Policy(make_model(simulated.env.contract(), bias=0.5))
    robot = LockstepRobot(simulated)
    loop = ControlLoop(policy, robot, find_fusion("auto", policy.contract, robot.description))
    reactions = [loop.tick() for _ in range(300)]
    assert reactions[-1] is Reaction.DAMP
    broken = {r.fault for r, n in zip(loop.guard.rules, loop.guard.ticks_tripped) if n}
    assert Fault.TILT in broken
    assert np.abs(simulated.env.engine.qvel).max() < 1.0  # it lies there and does not thrash


def test_gains_of_the_command_are_applied() -> None:
    robot = SimulatedRobot(exact("HumanoidVelocity"), seed=0)
    actuators = robot.env.config.robot.actuators
    target = robot.target.copy()
    stiffness = np.array([a.stiffness for a in actuators], np.float32)
    damping = np.array([a.damping for a in actuators], np.float32)
    heights = {}
    for mode in (Mode.RUN, Mode.DAMP):
        robot = SimulatedRobot(exact("HumanoidVelocity"), seed=0)
        lockstep = LockstepRobot(robot)
        for _ in range(30):
            lockstep.write(ActuatorCommand(0, mode, target, stiffness, damping))
        heights[mode] = robot.env.engine.qpos[0, 2]
    assert heights[Mode.DAMP] < heights[Mode.RUN] - 0.1


def test_stiffness_and_damping_of_the_command_are_the_actuators() -> None:
    """The robot has what the command asks for, times what was drawn for this one."""
    for task in (exact("HumanoidVelocity"), find_task("VehicleTrack")):
        robot = SimulatedRobot(task, seed=0)
        engine, target = robot.env.engine, robot.target.copy()
        gain, bias = (engine.field(f"actuator_{n}prm") for n in ("gain", "bias"))
        before_gain, before_bias = gain[0].copy(), bias[0].copy()
        stiffness, damping = (
            np.array([getattr(a, n) for a in task.robot.actuators], np.float32)
            for n in ("stiffness", "damping")
        )
        robot.apply_command(ActuatorCommand(0, Mode.RUN, target, stiffness, damping))
        assert gain[0].tobytes() == before_gain.tobytes()
        assert bias[0].tobytes() == before_bias.tobytes()
        robot.apply_command(ActuatorCommand(0, Mode.RUN, target, stiffness / 2, damping * 2))
        is_position = np.array([a.mode == "position" for a in task.robot.actuators])
        factor = np.where(is_position, 0.5, 2.0)
        np.testing.assert_allclose(gain[0, :, 0], before_gain[:, 0] * factor)
        np.testing.assert_allclose(bias[0, :, 1], before_bias[:, 1] * 0.5)
        np.testing.assert_allclose(bias[0, :, 2], before_bias[:, 2] * 2.0)
        assert bias[0, :, 2].any()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("ceases", "stiff"), [(False, 1.0), (True, 0.0)])
def test_a_robot_whose_commands_cease_damps_itself(
    task: str, ceases: bool, stiff: float, name: str
) -> None:
    """As every driver must: nobody else can, once the loop's process is gone."""
    robot = Commanded(exact(task), seed=0)
    actuators = robot.env.config.robot.actuators
    gains = (np.array([getattr(a, n) for a in actuators]) for n in ("stiffness", "damping"))
    nominal = robot._gain[0, robot._is_position, 0].copy()
    with RobotServer(name, robot.description) as server:
        client = SharedMemoryRobot.wait_for(name, 10.0)
        command = ActuatorCommand(0, Mode.RUN, robot.target.copy(), *gains)
        client.write(command)
        robot.each_period = (lambda: None) if ceases else (lambda: client.write(command))
        RealTimeSimulation(robot, server).run(After(14), record=False)  # 0.28 s, or 0.56 s
        client.close()
    assert (robot._gain[0, robot._is_position, 0] == stiff * nominal).all()


class Commanded(SimulatedRobot):
    """A robot that is commanded each control period, or not."""

    def advance(self, control: np.ndarray) -> None:
        self.each_period()
        super().advance(control)


class Recorder(SimulatedRobot):
    """Keeps what its physics follows."""

    def advance(self, control: np.ndarray) -> None:
        self.controls = [*getattr(self, "controls", []), control[0].copy()]
        super().advance(control)


class After:
    """True after having been asked `periods` times."""

    def __init__(self, periods: int) -> None:
        self.left = periods

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left < 0


def real_time(simulated: SimulatedRobot, name: str, target: np.ndarray, periods: int) -> None:
    """Serve a robot that has been commanded this target for some control periods."""
    joints = np.zeros((2, len(target)), np.float32)
    with RobotServer(name, simulated.description) as server:
        robot = RealTimeSimulation(simulated, server)
        client = SharedMemoryRobot.wait_for(name, 10.0)
        client.write(ActuatorCommand(0, Mode.RUN, target, *joints))
        robot.run(After(periods), record=False)
        client.close()


def test_in_real_time_a_joint_at_its_maximum_speed_gets_no_torque(name: str) -> None:
    simulated = SimulatedRobot(exact("HumanoidVelocity"), seed=0)
    engine, actuators = simulated.env.engine, simulated.env.config.robot.actuators
    knee = [a.name for a in actuators].index("left_knee")
    engine.sensor("left_knee_vel")[:] = actuators[knee].max_velocity
    real_time(simulated, name, simulated.target, 1)
    limits = engine.field("actuator_forcerange")[0, knee]
    np.testing.assert_allclose(limits, [-actuators[knee].max_effort, 0.0], atol=1e-9)


@pytest.mark.parametrize("heavier", [0.05, 1.0, 20.0])
def test_a_robot_that_hangs_feels_gravity_alone(heavier: float, name: str) -> None:
    """However light it is, and again after a restart."""
    simulated = SimulatedRobot(exact("HumanoidVelocity"), seed=0)
    simulated.env.engine.field("body_mass")[:] *= heavier
    simulated.env.engine.field("body_inertia")[:] *= heavier
    simulated.restart()
    force = np.linalg.norm(simulated.signals["imu_accel"])
    assert abs(force - 9.81) > 3.0  # at its start alone it feels that instant's own forces
    with RobotServer(name, simulated.description) as server:
        robot = RealTimeSimulation(simulated, server)
        for _ in range(2):
            robot.run(After(2))
            upright = [0.0, 0.0, 0.0, 0.0, 0.0, 9.81]
            readings = simulated.signals["imu_burst"].reshape(-1, 6)
            np.testing.assert_allclose(readings, np.tile(upright, (4, 1)), atol=1e-3)
            np.testing.assert_allclose(simulated.signals["imu_accel"][0], upright[3:], atol=1e-3)
            assert not simulated.signals["foot_force"].any()
            simulated.restart_asked = True


def test_in_real_time_a_target_arrives_after_its_delay(name: str) -> None:
    simulated = Recorder(exact("HumanoidVelocity"), seed=0)
    simulated.env.actuators.delay[0] = 3
    before, asked = simulated.target.copy(), simulated.target + np.float32(0.1)
    real_time(simulated, name, asked, 2)
    first, second = simulated.controls
    np.testing.assert_array_equal(first, [before, before, before, asked])
    np.testing.assert_array_equal(second, [asked] * 4)


@pytest.fixture
def name() -> str:
    return f"test-{os.getpid()}-{time.monotonic_ns()}"


def serve(name: str, *options: object) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-m", "sim.server.simulated_robot", name, "HumanoidVelocity"]
    return subprocess.Popen([*arguments, *map(str, options)], stderr=subprocess.PIPE, text=True)


def test_serves_samples_in_real_time_and_moves_when_commanded(name: str, tmp_path: Path) -> None:
    record = tmp_path / "motion.npz"
    process = serve(name, "--record", record)
    robot = SharedMemoryRobot.wait_for(name, 60.0, lambda: process.poll() is None)
    time.sleep(0.3)
    first = robot.read()
    assert first is not None
    started = time.monotonic()
    hanging = first.values.copy()
    time.sleep(1.0)
    second = robot.read()
    assert second is not None
    rate = (second.sequence - first.sequence) / (time.monotonic() - started)
    assert 5 < rate < 57  # never faster than the clock; on a starved machine periods are skipped
    assert (second.values == hanging).all()  # until the first command it hangs still
    joints = np.zeros((3, len(robot.description.joint_names)), np.float32)
    robot.write(ActuatorCommand(second.sequence, Mode.DAMP, *joints))
    until = time.monotonic() + 60.0
    while (third := robot.read()) is None or (third.values == hanging).all():
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 0
    robot.close()
    assert not segment_path(name).exists()
    assert len(np.load(record)["qpos"]) > 0


def test_ends_with_its_parent(name: str) -> None:
    """Its parent may be killed; the robot does not go on alone."""
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'sim.server.simulated_robot', sys.argv[1],"
        " 'HumanoidVelocity'])\n"
        "time.sleep(120)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, name])
    SharedMemoryRobot.wait_for(name, 60.0).close()
    parent.kill()
    parent.wait()
    until = time.monotonic() + 60.0
    while segment_path(name).exists():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_unknown_task_is_one_line(name: str) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "sim.server.simulated_robot", name, "Levitate"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2
    assert process.stderr.count("\n") == 1
    assert "unknown task 'Levitate'" in process.stderr


def test_a_robot_that_practises_is_put_back_after_a_fall_and_says_so() -> None:
    task = find_robot_task("HumanoidVelocity")
    robot = LockstepRobot(
        SimulatedRobot.at_rest(task, 0, truth=False, randomize=False, practice=True)
    )
    assert robot.description.signals[-1].name == "restarts"
    joints = len(robot.description.joint_names)
    damp = ActuatorCommand(0, Mode.DAMP, *np.zeros((3, joints), np.float32))

    def restarts() -> float:
        return float(robot.read().values[-1])

    periods = 0
    while restarts() == 0:
        robot.write(damp)
        periods += 1
        assert periods < 500
    assert periods > 25  # it falls, and lies for a while
    down = robot.read()
    for _ in range(3):
        robot.write(damp)  # it hangs until it is to move
    assert robot.read().sequence == down.sequence + 3
    np.testing.assert_array_equal(robot.read().values, down.values)
    attitude = robot.simulated.signals["attitude"][0]
    assert abs(attitude[0]) > 0.99  # upright
    move = damp._replace(mode=Mode.RUN, target=robot.simulated.target.copy())
    robot.write(move)
    assert not np.array_equal(robot.read().values, down.values)
    assert restarts() == 1


def test_a_worn_device_is_read_for_its_task(tmp_path: Path) -> None:
    file = tmp_path / "knee.toml"
    file.write_text("payload = 3.0\n[gains]\nleft_knee = 0.4\n")
    assert find_device("HumanoidVelocity", file).wear.gains == {"left_knee": 0.4}
    assert find_device("HumanoidVelocity", None).wear.payload == 0
    file.write_text("[gains]\nleft_elbow_of = 0.4\n")
    with pytest.raises(UserError, match=r"knee\.toml: wear: robot 'humanoid' has no gains"):
        find_device("HumanoidVelocity", file)
