"""Simulates a robot behind the border that a real robot has: it is read and commanded.

`LockstepRobot` lives in the control loop's process and waits for it. As a program, this module
serves a robot over shared memory in real time:

    python -m sim.server.simulated_robot NAME TASK [--seed N] [--randomize] [--truth]
        [--device FILE] [--practice] [--record FILE]
"""

import argparse
import dataclasses
import io
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.files import write_file
from edge_runtime.loop.pacing import next_release, sleep_until
from edge_runtime.loop.realtime import RealtimeConfig, realtime
from edge_runtime.policy.contract import POSITION
from edge_runtime.robot.robot import ActuatorCommand, Mode, Sample
from edge_runtime.robot.shared_memory import RobotServer
from edge_runtime.rotations import rotation_matrix
from edge_runtime.signals import IMU_ACCEL, IMU_BURST, RESTARTS, Array, Float, Signal
from edge_runtime.stop_signals import stop_signals
from sim.envs.vector_env import TaskVectorEnv
from sim.robots.wear import read_wear
from sim.tasks.description import describe
from sim.tasks.task import TaskConfig, find_robot_task

_LIES_SECONDS = 0.5  # s for which a robot that fell lies before it is put back
COMMAND_TIMEOUT = 0.2  # s without a command after which the robot damps itself
_FORCES = (IMU_ACCEL, "foot_force", "joint_torque")  # which a robot that hangs feels otherwise
TRUTH = (  # of the IMU, at the moment of its last reading
    Signal("true_attitude", 4, "1", "world"),
    Signal("true_velocity", 3, "m/s", "body"),
    Signal("true_position", 3, "m", "world"),
)


class SimulatedRobot:
    """Runs one simulation of a task's world, driven by actuator commands instead of actions.

    Args:
        task: the world; nothing ends an episode here.
        seed: seed of everything random.
        truth: whether to provide the signals that only the physics knows, if the model has such
            sensors.
        practice: whether a robot that fell or crashed is put back to a start, another one each
            time, soon after; the signal `restarts` counts that.
    """

    def __init__(
        self, task: TaskConfig, seed: int = 0, truth: bool = False, practice: bool = False
    ) -> None:
        self.env = TaskVectorEnv(task, 1, seed=seed, threads=1, all_signals=True)
        self.env.reset(seed=seed)
        engine = self.env.engine
        known = [s for s in TRUTH if truth and s.name in engine.sensor_names]
        self._truth = {s.name: engine.sensor(s.name) for s in known}
        described = describe(task, engine.substeps)
        self.hangs = False  # after a restart, until it is commanded to move
        self._practice, self._lies = practice, 0  # control periods since it fell
        counted = (Signal(RESTARTS, 1, "1"),) if practice else ()
        signals = (*described.signals, *known, *counted)
        self.description = dataclasses.replace(described, signals=signals)
        self.sequence = 0
        exact = {name: values.astype(np.float32) for name, values in self._truth.items()}
        counts = {RESTARTS: np.zeros((1, 1), np.float32)}
        self.signals: Mapping[str, Array] = self.env.signals | exact | counts
        actuators = task.robot.actuators
        self.target: Array = self.env.action_map.default.copy()  # the last command's target, (A,)
        self._is_position = np.array([a.mode == POSITION for a in actuators])
        self._gain, self._bias = engine.field("actuator_gainprm"), engine.field("actuator_biasprm")
        self._own = (self._gain.copy(), self._bias.copy())
        self._seed = seed
        self.restart_asked = False  # set by any thread; the simulation restarts the robot then
        self._stiffness = np.array([a.stiffness for a in actuators], np.float32)
        self._damping = np.array([a.damping for a in actuators], np.float32)

    @classmethod
    def at_rest(
        cls,
        task: TaskConfig,
        seed: int,
        *,
        truth: bool,
        randomize: bool,
        practice: bool = False,
    ) -> "SimulatedRobot":
        """Returns a robot that waits at rest for its commands.

        Args:
            task: the world.
            seed: as above.
            truth: as above.
            randomize: whether the robot is one drawn at random; else the nominal one.
            practice: as above.
        """
        world = task if randomize else dataclasses.replace(task.nominal(), noise=task.noise)
        return cls(world.from_rest(), seed, truth, practice)

    def restart(self) -> None:
        """Sets the robot back to its start, with its own gains; the samples' numbers go on."""
        self.restart_asked, self._lies = False, 0
        self.env.reset(seed=None if self._practice else self._seed)
        self.signals[RESTARTS][:] += 1
        self.hangs = True
        for name, exact in self._truth.items():
            self.signals[name][:] = exact
        self.target[:] = self.env.action_map.default
        self._gain[:], self._bias[:] = self._own

    def hang(self) -> None:
        """Reads what a robot feels that hangs still at its start: gravity alone, on its IMU.

        The physics gives the forces of that instant there, and of motors without a target, which
        would throw a light robot up.
        """
        engine, signals = self.env.engine, self.env.signals
        rotation = rotation_matrix(engine.sensor("true_attitude"))
        held = {IMU_ACCEL: -engine.model.opt.gravity @ rotation}
        for sensor in self.env.config.robot.sensors:
            name = sensor.signal.name
            if name not in _FORCES:
                continue
            columns = engine.columns(*sensor.sources)
            shift = held.get(name, 0.0) - engine.sensordata[:, columns]
            engine.sensordata[:, columns] += shift
            signals[name] += shift.astype(np.float32)
            if name == IMU_ACCEL:
                signals[IMU_BURST].reshape(1, -1, 6)[:, :, 3:] += shift[:, None]

    def sample(self) -> Sample:
        """Returns the sensors' readings, stamped with simulated time."""
        stamp = self.sequence * self.env.config.control_period
        return Sample(self.sequence, stamp, self.description.join(self.signals))

    def advance(self, control: Float) -> None:
        """Advances by one control period.

        Args:
            control: the target of each physics step, (1, substeps, A).
        """
        self.env.advance(control)
        self.env.task.advance()
        for name, exact in self._truth.items():
            self.signals[name][:] = exact
        self.sequence += 1
        if self._practice and (self._lies or self.env.task.terminated()[0]):
            self._lies += 1
            self.restart_asked |= self._lies * self.env.config.control_period > _LIES_SECONDS

    def apply_command(self, command: ActuatorCommand) -> Array:
        """Sets the gains of a command and returns its target, (A,)."""
        limp = command.mode is Mode.DAMP
        gain, bias = self._own
        asked = np.zeros_like(self._stiffness) if limp else command.stiffness
        stiffness = _share(asked, self._stiffness)
        damping = _share(command.damping, self._damping)
        # A velocity actuator's gain is its damping.
        self._gain[0, :, 0] = gain[0, :, 0] * np.where(self._is_position, stiffness, damping)
        self._bias[0, :, 1] = bias[0, :, 1] * stiffness
        self._bias[0, :, 2] = bias[0, :, 2] * damping
        self.target[:] = np.where(limp & ~self._is_position, 0, command.target)
        return self.target

    def is_without_commands(self, silence: float) -> bool:
        """Returns whether a robot that got no command for `silence` s must damp itself."""
        return silence >= COMMAND_TIMEOUT - 1e-9

    def damp(self) -> Array:
        """Damps the robot, as a driver does when commands cease, and returns the target, (A,)."""
        own = self._stiffness, self._damping
        return self.apply_command(
            ActuatorCommand(self.sequence, Mode.DAMP, self.target.copy(), *own)
        )


def find_device(task: str, device: Path | None) -> TaskConfig:
    """Returns a task with a robot that is worn as a file says; None for one as its model says.

    Raises:
        UserError: there is no such task, or its robot cannot be worn so.
    """
    found = find_robot_task(task)
    if device is None:
        return found
    return dataclasses.replace(found, wear=read_wear(device, found.robot))


def _share(gain: Array, nominal: Array) -> Array:
    """Returns gains as shares of the robot's own, (A,); 1 where it has none."""
    return np.divide(gain, nominal, out=np.ones_like(nominal), where=nominal > 0)


class LockstepRobot:
    """Runs a `Robot` in the loop's own process: each command advances it by one control period.

    `read` returns the sample of the present state; `write` takes effect without latency. One that
    was put back after a fall hangs still until a command lets it move.
    """

    def __init__(self, simulated: SimulatedRobot) -> None:
        self.simulated = simulated
        self.description = simulated.description

    def read(self) -> Sample:
        robot = self.simulated
        return robot.sample()

    def write(self, command: ActuatorCommand) -> None:
        robot = self.simulated
        if robot.hangs and command.mode is Mode.DAMP:
            robot.sequence += 1
            return
        robot.hangs = False
        robot.advance(robot.env.actuators.control(robot.apply_command(command)[None]))
        if robot.restart_asked:
            robot.restart()
            robot.hang()

    def close(self) -> None:
        pass


class Server(Protocol):
    """Publishes a robot's samples and receives its commands; neither call blocks."""

    def publish(self, sample: Sample) -> None:
        """Publishes a sample."""
        ...

    def command(self) -> ActuatorCommand | None:
        """Returns the newest command, once."""
        ...


class RealTimeSimulation:
    """Runs a simulated robot in real time.

    At each physics step the newest command that has arrived takes effect; when none comes for
    `COMMAND_TIMEOUT` the robot damps itself, until the next. The physics of a control period is
    computed at its end, so that a sample is of the moment at which it is published. Until the first
    command the robot hangs still: its samples are of the moment from which it will move.

    Args:
        simulated: the robot.
        server: publishes its samples and receives its commands.
        speed: simulated seconds per second of the clock.
    """

    def __init__(self, simulated: SimulatedRobot, server: Server, speed: float = 1.0) -> None:
        self.simulated, self.server = simulated, server
        engine = simulated.env.engine
        self._substeps = engine.substeps
        self._timestep = float(engine.model.opt.timestep)  # s, simulated
        self._physics_period = round(self._timestep / speed * 1e9)  # ns
        # The newest target at each physics step of the last control period and of the present one.
        self._targets = np.tile(simulated.target, (2 * self._substeps, 1))
        self._hanging = True
        # s since the last command; time for which the simulator is held up does not count
        self._silence = 0.0
        self.missed = 0  # physics steps that came too late to see the newest command
        self.frames: list[Float] = []  # qpos and qvel after each control period

    def run(self, stop: "StopFlag", record: bool = False) -> None:
        """Serves until `stop` is set."""
        robot = self.simulated
        if self._hanging:
            robot.hang()
        release = time.monotonic_ns()
        sequence = 0
        while not stop:
            if robot.restart_asked:
                robot.restart()
                robot.hang()
                self._targets[:] = robot.target
                self._hanging, self._silence = True, 0.0
            sample = robot.sample()
            self.server.publish(Sample(sequence, release * 1e-9, sample.values))
            sequence += 1
            for substep in range(self._substeps):
                release, missed = next_release(release, time.monotonic_ns(), self._physics_period)
                self.missed += missed
                sleep_until(release)
                self._handle_command(self.server.command())
                self._targets[self._substeps + substep] = robot.target
            if not self._hanging:
                self._advance()
                if record:
                    engine = robot.env.engine
                    self.frames.append(np.concatenate([engine.qpos[0], engine.qvel[0]]))

    def _handle_command(self, command: ActuatorCommand | None) -> None:
        """Applies the command that has come since the last physics step."""
        self._silence += self._timestep
        if command is not None and not (self.simulated.hangs and command.mode is Mode.DAMP):
            self.simulated.apply_command(command)
            self.simulated.hangs = self._hanging = False
            self._silence = 0.0
        elif self.simulated.is_without_commands(self._silence):
            self.simulated.damp()

    def _advance(self) -> None:
        delay = int(self.simulated.env.actuators.delay[0])  # a control period at most
        arrived = self._targets[self._substeps - delay : 2 * self._substeps - delay]
        self.simulated.advance(arrived[None].astype(np.float64))
        self._targets[: self._substeps] = self._targets[self._substeps :]


class StopFlag:
    """Becomes true once the process was asked to end, or lost its parent."""

    def __init__(self) -> None:
        self._asked = 0  # signals
        self._parent = os.getppid()
        for number in stop_signals():
            signal.signal(number, self._ask)

    def _ask(self, number: int, _: object) -> None:
        if number != signal.SIGHUP or not self._asked:  # a lost terminal sends it more than once
            self._asked += 1

    def __bool__(self) -> bool:
        return self._asked > 0 or os.getppid() != self._parent


def main(arguments: list[str] | None = None) -> int:
    """Serves a robot until a signal or the end of the parent process."""
    parser = argparse.ArgumentParser(prog="sim.server.simulated_robot", description=main.__doc__)
    parser.add_argument("name", help="name of the shared memory")
    parser.add_argument("task", help="the task whose world it lives in")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--randomize", action="store_true", help="draw another robot and pushes")
    parser.add_argument("--device", type=Path, help="how the robot is worn")
    parser.add_argument("--practice", action="store_true", help="put it back after a fall")
    parser.add_argument("--truth", action="store_true", help="add signals of the physics alone")
    parser.add_argument("--fifo", type=int, default=0, help="priority under SCHED_FIFO")
    parser.add_argument("--record", type=Path, help="write the motion to this .npz at the end")
    parser.add_argument(
        "--command",
        type=float,
        nargs="*",
        default=[],
        help="the operator's command",
    )
    options = parser.parse_args(arguments)
    stop = StopFlag()
    try:
        _serve(options, stop)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _serve(options: argparse.Namespace, stop: StopFlag) -> None:
    simulated = SimulatedRobot.at_rest(
        find_device(options.task, options.device),
        options.seed,
        truth=options.truth,
        randomize=options.randomize,
        practice=options.practice,
    )
    with (
        realtime(RealtimeConfig(fifo=options.fifo)),
        RobotServer(options.name, simulated.description) as server,
    ):
        robot = RealTimeSimulation(simulated, server)
        robot.run(stop, options.record is not None)
    if options.record is not None:
        _save(options.record, robot.frames, simulated.env.engine.model.nq, options.command)


def _save(path: Path, frames: list[Float], positions: int, command: list[float]) -> None:
    content = io.BytesIO()
    motion: Float = np.array(frames) if frames else np.zeros((0, positions))
    qpos, qvel = motion[:, :positions], motion[:, positions:]
    np.savez_compressed(content, qpos=qpos, qvel=qvel, command=np.array(command))
    write_file(path, content.getvalue())


if __name__ == "__main__":
    sys.exit(main())
