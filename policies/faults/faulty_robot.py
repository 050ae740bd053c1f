"""Simulates a robot that faults happen to, in lockstep with a clock that is moved by hand."""

import math
from collections.abc import Mapping

import numpy as np

from edge_runtime.loop.budget import Stage
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.robot.robot import ActuatorCommand, Mode, Sample
from edge_runtime.safety.rules import Reaction
from edge_runtime.signals import IMU_ACCEL, IMU_BURST, IMU_GYRO, Array, Signals
from policies.faults.injections import Injection
from sim.server.simulated_robot import SimulatedRobot

# A MEMS sensor on a stand is quieter than one on a robot that moves, which a task's noise is of.
_REST_NOISE = 0.01  # rad/s and m/s^2, of each reading


class ManualClock:
    """Reads a time, ns, that its owner sets; it stands in for the monotonic clock."""

    def __init__(self) -> None:
        self.now = 1_000_000_000

    def __call__(self) -> int:
        return self.now


class FaultyRobot:
    """Implements `Robot` by a world that is simulated as far as the clock whenever it is read.

    Between two readings it follows the last command, and damps itself when none comes, as every
    driver must. With an injection that is there `at_rest` it hangs still on a stand.

    Args:
        simulated: the robot.
        clock: the loop's.
        injection: what is going to happen to it.
        seed: decides what the injection leaves to chance.
    """

    def __init__(
        self, simulated: SimulatedRobot, clock: ManualClock, injection: Injection, seed: int
    ) -> None:
        self.simulated, self.clock, self.injection = simulated, clock, injection
        self.description = simulated.description
        env = simulated.env
        self.engine, self.config = env.engine, env.config
        self.max_tilt = env.config.max_tilt
        self.rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
        self.noise = {name: noise.std for name, noise in env.config.sensor_noise.items()}
        self._quaternion = self.engine.sensor("true_attitude")
        model, robot = self.engine.model, env.config.robot
        self._body = model.body(robot.main_body).id
        weight = 9.81 * float(model.body_subtreemass[model.body_rootid[self._body]])
        self._torque = robot.toppling_torque or 0.5 * weight  # Nm
        self._names = [a.name for a in env.config.robot.actuators]
        signals = self.description.signals
        live = self.description.live or ()
        self._restless = [name for name in live if name not in (IMU_GYRO, IMU_ACCEL, IMU_BURST)]
        self._speeds = [s.name for s in signals if s.unit == "rad/s" and s.name != IMU_GYRO]
        self._period = round(env.config.control_period * 1e9)  # ns
        self._began = clock.now  # when the world was at sequence 0
        self._command: ActuatorCommand | None = None
        self._commanded = clock.now
        self._sample: Sample | None = None  # given last
        self._good: Sample | None = None  # the last before the fault
        self.struck: int | None = None  # ns, when the fault happened
        self.tick = 0  # since then
        self.let_go = False  # whether the robot damped itself

    @property
    def tilt(self) -> float:
        _w, x, y, _z = self._quaternion[0].tolist()
        return math.acos(max(-1.0, 1.0 - 2.0 * (x * x + y * y)))

    @property
    def mode(self) -> Mode | None:
        """Returns the mode of the last command."""
        return None if self._command is None else self._command.mode

    def strike(self) -> None:
        """Lets the fault happen from now on."""
        self.struck, self._good = self.clock.now, self._sample
        self.injection.strike(self)

    # -- the robot's side ------------------------------------------------------------------

    def read(self) -> Sample | None:
        struck = self.struck is not None
        if struck:
            self.clock.now += round(1e9 * self.injection.hangs(self.tick))
            self._spend(Stage.SENSE)
        self._catch_up()
        since = 0.0 if self.struck is None else (self.clock.now - self.struck) * 1e-9
        if struck and self.injection.silent(since):
            return self._sample
        sample = self._at_rest() if self.injection.at_rest else self.simulated.sample()
        self._sample = self._corrupted(sample, since) if struck else sample
        return self._sample

    def write(self, command: ActuatorCommand) -> None:
        self._command = command._replace(
            target=command.target.copy(),
            stiffness=command.stiffness.copy(),
            damping=command.damping.copy(),
        )
        self._commanded = self.clock.now
        self._spend(Stage.ACT)

    def close(self) -> None:
        pass

    def _catch_up(self) -> None:
        """Steps the world until now."""
        robot = self.simulated
        if self.injection.at_rest:
            robot.sequence = (self.clock.now - self._began) // self._period
            return
        while (at := self._began + robot.sequence * self._period) + self._period <= self.clock.now:
            if self._command is None:
                self._began += self._period  # it hangs still until something is asked of it
                continue
            self.let_go = robot.is_without_commands((at - self._commanded) * 1e-9)
            target = robot.damp() if self.let_go else robot.apply_command(self._command)
            robot.advance(robot.env.actuators.control(target[None]))
            if self.struck is not None:
                self.injection.advance(self)

    def _at_rest(self) -> Sample:
        """Returns what the robot reads on a stand."""
        sample = self.simulated.sample()
        signals = self.description.split(sample.values)
        parts = signals[IMU_BURST].reshape(-1, 6)
        parts[:] = [0, 0, 0, 0, 0, 9.81]
        parts += _REST_NOISE * self.rng.standard_normal(parts.shape).astype(np.float32)
        signals[IMU_GYRO][0], signals[IMU_ACCEL][0] = np.split(parts.mean(axis=0), 2)
        for name in self._speeds:
            signals[name][:] = 0.0
        for name in self._restless:
            signals[name] += self.noise[name] * self.rng.standard_normal(signals[name].shape)
        return sample

    def _corrupted(self, sample: Sample, since: float) -> Sample:
        good = self._good or sample
        split = self.description.split
        self.injection.corrupt(split(sample.values), split(good.values), since, self)
        return sample._replace(stamp=self.injection.stamp(sample.stamp, good.stamp))

    # -- what an injection may touch -------------------------------------------------------

    def weaken(self, actuator: str, strength: float) -> None:
        actuators = self.simulated.env.actuators
        actuators.strength[0, self._names.index(actuator)] = strength
        actuators.reset(np.array([0]), self.simulated.target)

    def push_over(self, pushed: bool) -> None:
        torque = self._torque if pushed else 0.0
        w, x, y, z = self._quaternion[0].tolist()
        forward = (1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y))
        self.engine.external_force[0, self._body, 3:] = np.multiply(torque, forward)

    # -- what else an injection changes ----------------------------------------------------

    def corrupt_loop(self, loop: ControlLoop) -> None:
        """Lets the fault happen to the network, the estimator and the guard of this loop, too."""
        policy, fusion, guard = loop.controller.policy, loop.fusion, loop.guard
        run, update, check = policy.run, fusion.update, guard.check

        def corrupted_run() -> None:
            run()
            self._spend(Stage.INFER)
            if self.struck is not None:
                self.injection.act(policy.action)

        def slow_update(signals: Signals, periods: int = 1) -> Mapping[str, Array]:
            self._spend(Stage.FUSE)
            return update(signals, periods)

        def slow_check(tick: int) -> Reaction:
            self._spend(Stage.GUARD)
            return check(tick)

        policy.run = corrupted_run
        fusion.update = slow_update  # type: ignore[method-assign]
        guard.check = slow_check  # type: ignore[method-assign]

    def _spend(self, stage: Stage) -> None:
        """Lets the time pass that the injection adds to a stage."""
        if self.struck is not None:
            self.clock.now += round(self.injection.takes(stage, self._period))
