"""Runs the control loop: sense → fuse → infer → guard → act, once a period, inside a budget."""

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from edge_runtime.errors import ContractError, UserError
from edge_runtime.finite import all_finite
from edge_runtime.fusion import Fusion
from edge_runtime.loop.budget import Budget, Stage
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.handover import LatestValue, Reserve, Succession
from edge_runtime.loop.heading_hold import HeadingHold
from edge_runtime.loop.observer import Observer
from edge_runtime.loop.realtime import realtime
from edge_runtime.loop.tick import Tick
from edge_runtime.policy.binding import check_same_operation
from edge_runtime.policy.controller import Controller
from edge_runtime.policy.inference import Policy
from edge_runtime.robot.robot import ActuatorCommand, Mode, Robot
from edge_runtime.robot.sensors import Sensors
from edge_runtime.safety.guard import Guard
from edge_runtime.safety.rules import OVERRUNS, Fault, Reaction, default_rules
from edge_runtime.safety.safe_targets import SafeTargets
from edge_runtime.signals import ATTITUDE, JOINT_POS, Array, Signals

_OVERRUNS = slice(OVERRUNS[0], OVERRUNS[-1] + 1)  # in the order of the stages


class ControlLoop:
    """Drives a robot with a policy: sense, fuse, infer, guard, act, once a period.

    The operator's thread calls `start`, `stop`, `swap` and `reset`. The loop's thread calls `tick`;
    without `start`, the caller does, for a run in lockstep.

    Args:
        policy: the policy that drives.
        robot: the robot to drive.
        fusion: the estimator of that robot, for one row.
        config: budget, rules and timing.
        clock: monotonic time, ns.

    Raises:
        ContractError: policy, estimator and robot do not fit together.
    """

    def __init__(
        self,
        policy: Policy,
        robot: Robot,
        fusion: Fusion,
        config: LoopConfig = LoopConfig(),
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.robot, self.fusion, self.config = robot, fusion, config
        self._clock = clock
        self.sensors = Sensors(robot.description)
        self.signals: dict[str, Array] = {**self.sensors.signals, **fusion.estimates}
        self.controller = Controller(policy, robot.description, fusion, self.signals)
        contract = policy.contract
        self.period = round(contract.control_period * 1e9)  # ns
        self.budget = Budget(config.budget, self.period)
        self.guard = Guard(default_rules(contract) if config.rules is None else config.rules)
        self.safe = SafeTargets(
            self.controller.actuators,
            contract.control_period,
            config.stop_seconds,
            config.rest_seconds if contract.commands else 0.0,
        )
        self.command: LatestValue[Array] = LatestValue(self.controller.command[0].copy())
        self.heading = HeadingHold(config.heading, contract, contract.control_period)
        self.succession: Succession[Controller] = Succession()
        self._attitude, self._joint_pos = map(self.signals.get, (ATTITUDE, JOINT_POS))
        self._last_new = clock()  # ns, when the newest sample was first seen
        self._unfused = 0  # periods of samples that the estimator has not seen
        self.last_tick = Tick(self.sensors, fusion, self.controller)
        self.observers: tuple[Observer, ...] = ()  # called in this order at the end of each tick
        self.observer_failures: list[str] = []  # why observers were removed
        self._changing_observers = threading.Lock()
        self._rest_command = np.zeros_like(self.controller.command[0])
        self._no_stiffness = np.zeros_like(self.controller.stiffness)
        self._weight = min(1.0, contract.control_period)  # of a tick in an average over a second
        self.ticks, self.swaps, self.clipped = 0, 0, 0
        self.lost_because = ""  # the estimator's reason when it was first lost
        self.ticks_reacting = [0] * len(Reaction)
        self.realtime_report: dict[str, str] = {}
        self.error: BaseException | None = None  # the error that ended the loop, if one did
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._begun = False  # whether a command was ever sent
        self._to_begin = True  # whether the next good sample is a start, the first or after a reset

    # -- the operator's side ---------------------------------------------------------------

    def start(self, pace: Callable[[], None]) -> None:
        """Runs the loop in a thread of its own until `stop`.

        Args:
            pace: calls `tick` until `ended`, as a `DeadlinePace` does.
        """
        self._thread = threading.Thread(
            target=self._run, args=(pace,), name="control loop", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Requests a controlled stop, with which the loop ends; returns at once."""
        self._ending.set()

    @property
    def running(self) -> bool:
        """Returns whether the loop's thread is running."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def stopping(self) -> bool:
        """Returns whether a stop was requested."""
        return self._ending.is_set()

    @property
    def ended(self) -> bool:
        """Returns whether a stop was requested and a robot that got commands is at rest."""
        return self._ending.is_set() and (self.safe.at_rest or not self._begun)

    def join(self, timeout: float | None = None) -> bool:
        """Waits for the loop's end.

        Args:
            timeout: s to wait at most; None for any time.

        Returns:
            Whether the loop has ended.

        Raises:
            BaseException: the error that ended the loop, such as one of the robot's driver.
        """
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                return False
        if self.error is not None:
            raise self.error
        return True

    def reset(self) -> None:
        """Releases a latched reaction, so that the policy drives again; the operator decides this.

        The estimator, the safe targets and the observation's history start again from the next
        good sample.
        """
        self._to_begin = True

    def swap(self, policy: Policy, timeout: float = 5.0) -> None:
        """Lets another policy drive: from the next tick on, or at once if no thread was started.

        Args:
            policy: the policy, which was loaded before, so that its first call is warm.
            timeout: s to wait for the tick.

        Raises:
            ContractError: it does not fit the robot or the running loop.
            UserError: the loop did not take it within `timeout`.
        """
        self.succession.offer(self.controller_for(policy, self.signals))
        if self._thread is None:
            self.hand_over()
        if not self.succession.wait(timeout):
            raise UserError(f"{policy.source}: the loop does not tick, so it was not taken over")

    def controller_for(self, policy: Policy, signals: Signals) -> Controller:
        """Binds a policy to this loop's robot, if it may replace the one that drives.

        Args:
            policy: the policy to bind.
            signals: the buffers it reads, (1, size) each: this loop's own, or a copy's.

        Raises:
            ContractError: it does not fit the robot or the running loop.
        """
        if round(policy.contract.control_period * 1e9) != self.period:
            raise ContractError(
                f"{policy.source}: its control period is {policy.contract.control_period} s, the "
                f"loop runs at {self.period * 1e-9:g} s; start a new run with it"
            )
        controller = Controller(policy, self.robot.description, self.fusion, signals)
        check_same_operation(self.controller.contract, policy.contract, policy.source)
        return controller

    def add_observer(self, observer: Observer) -> None:
        """Calls an observer at the end of each tick, from the next one on."""
        with self._changing_observers:
            self.observers = (*self.observers, observer)

    def remove_observer(self, observer: Observer) -> None:
        """Calls an observer no more; the tick in progress may be its last."""
        with self._changing_observers:
            self.observers = tuple(o for o in self.observers if o is not observer)

    @property
    def reaction(self) -> Reaction:
        """Returns the guard's reaction in the last tick."""
        return self.last_tick.reaction

    # -- the loop's side -------------------------------------------------------------------

    def tick(self, missed: int = 0) -> Reaction:
        """Runs one period.

        Args:
            missed: periods skipped right before this one.

        Returns:
            The guard's reaction; NONE if the policy drove.
        """
        clock, tick = self._clock, self.last_tick
        marks = tick.marks
        marks[0] = clock()
        tick.begin(self.ticks, missed)
        if self.succession.due:
            self.hand_over()
        sensors = self.sensors
        new = sensors.update(self.robot.read())
        marks[1] = clock()
        fit = sensors.not_finite == 0 or self._reads_finite()
        if new:
            self._last_new = marks[1]  # however long the robot took to give it
            self._unfused += sensors.periods
            if self._to_begin and sensors.not_finite == 0:
                self._begin()
        if not self._begun:
            marks[2] = marks[3] = marks[4] = marks[1]
            self._show_to_observers()
            return Reaction.NONE  # nothing is known of the robot, so nothing is sent
        if fit and self._unfused:
            self.fusion.update(sensors.signals, self._unfused)
            tick.fused, self._unfused = self._unfused, 0
        marks[2] = clock()
        self.controller.step += 1 + missed if self.ticks else 0
        driven = fit and self._infer(self.controller)
        marks[3] = clock()
        controller = self.controller  # one in reserve may have been called
        reaction = self._check(marks[1], missed, fit)
        if reaction is Reaction.NONE and driven:
            mode = self.safe.follow(controller.target())
        elif driven and self._policy_stops():
            mode = self.safe.rest(controller.target(), 1 + missed, asked=not self.guard.latched)
        else:
            mode = self.safe.react(reaction, 1 + missed)
            driven = False
        marks[4] = clock()
        tick.reaction, tick.broken = reaction, self.guard.broken
        tick.observed, tick.drove = fit, driven
        tick.sent = self._write(mode)
        self._show_to_observers()
        marks[5] = clock()
        self.budget.record(marks)
        self.ticks_reacting[reaction] += 1
        self.ticks += 1
        return reaction

    def _reads_finite(self) -> bool:
        """Returns whether all signals that policy, estimator and loop read are finite."""
        readers = self.controller.contract.signals, self.fusion.reads
        read = {JOINT_POS, ATTITUDE}.union(s.name for signals in readers for s in signals)
        return all(all_finite(v[0]) for name, v in self.sensors.signals.items() if name in read)

    def hand_over(self) -> None:
        """Lets who was chosen drive; beside a running loop, only its thread calls this."""
        if (following := self.succession.take()) is not None:
            self._use(following)
            self.succession.confirm()

    def _use(self, following: Controller) -> None:
        following.continue_from(self.controller)
        self.controller = self.last_tick.controller = following
        self.safe.use(following.actuators)
        self.swaps += 1

    def _begin(self) -> None:
        """Starts from a good sample, the first one or the first after a reset."""
        self._to_begin = False
        if self._begun:
            self.guard.reset()
            self.fusion.reset()
            self.budget.over_lately[:] = [0.0] * len(Stage)
            self.last_tick.was_reset = True
            self._unfused = 1  # the estimator starts anew, so it has missed nothing
            self.controller.restart()
            self.heading.reset()
        self._begun = True
        self.safe.begin(None if self._joint_pos is None else self._joint_pos[0])

    def _policy_stops(self) -> bool:
        """Returns whether a controlled stop is due that the policy makes, on the robot's feet."""
        latched, asked = self.guard.latched, self._ending.is_set()
        return self.guard.trusts_policy and (latched is Reaction.STOP or (asked and not latched))

    def _infer(self, controller: Controller) -> bool:
        """Observes and runs the network; returns whether there is a new action to follow."""
        measures, reserve = self.guard.measures, self.succession.reserve
        command = self._wanted_command()
        controller.set_command(command)
        if not controller.observe():
            measures[Fault.OBSERVATION_NOT_FINITE] += 1
            return False
        measures[Fault.OBSERVATION_NOT_FINITE] = 0
        largest = controller.infer()
        if reserve is not None and not largest <= reserve.largest_action:
            largest = self._call(reserve, largest, command)
        if not math.isfinite(largest):
            measures[Fault.ACTION_NOT_FINITE] += 1
            return False
        measures[Fault.ACTION_NOT_FINITE] = 0
        measures[Fault.ACTION_BEYOND_CLIP] = largest
        self.clipped += largest > 1
        return True

    def _call(self, reserve: Reserve[Controller], action: float, command: Array) -> float:
        """Lets the controller in reserve drive in this tick; returns its largest action."""
        before, reserve.called_for, self.succession.reserve = self.controller, action, None
        self._use(reserve.controller)
        self.controller.set_command(command)
        self.controller.observe_after(before)
        return self.controller.infer()

    def _wanted_command(self) -> Array:
        """Returns the operator's command, (C,), corrected to keep the heading it asks for."""
        if self.guard.latched or self._ending.is_set():
            return self._rest_command
        command = self.command.get()
        if self._attitude is None:
            return command
        return self.heading.correct(command, self._attitude[0], 1 + self.last_tick.missed)

    def _check(self, now: int, missed: int, fit: bool) -> Reaction:
        measures, sensors = self.guard.measures, self.sensors
        measures[Fault.MISSED] = missed
        rate = measures[Fault.MISS_RATE]
        measures[Fault.MISS_RATE] = min(1.0, rate + self._weight * (missed * (1 - rate) - rate))
        measures[Fault.STALE] = (now - self._last_new) * 1e-9
        measures[Fault.FROZEN] = sensors.repeats
        measures[Fault.SENSOR_NOT_FINITE] = sensors.not_finite
        lost = Fault.ESTIMATOR_LOST
        measures[lost] = measures[lost] + 1 if self.fusion.lost else 0
        if measures[lost] == 1 and not self.lost_because:
            self.lost_because = self.fusion.reason
        if fit and self._attitude is not None:  # the robot's own may be NaN in an unfit sample
            _w, x, y, _z = self._attitude[0].tolist()
            measures[Fault.TILT] = math.acos(max(-1.0, 1 - 2 * (x * x + y * y)))
        measures[_OVERRUNS] = self.budget.over_lately  # up to the tick before this one
        reaction = self.guard.check(self.ticks)
        if self._ending.is_set():
            reaction = max(reaction, Reaction.STOP)
        return reaction

    def _write(self, mode: Mode) -> ActuatorCommand:
        controller = self.controller
        stiffness = controller.stiffness if mode is Mode.RUN else self._no_stiffness
        number, damping = self.sensors.sequence, controller.damping
        command = ActuatorCommand(number, mode, self.safe.target, stiffness, damping)
        self.robot.write(command)
        return command

    def _show_to_observers(self) -> None:
        for observer in self.observers:
            try:
                observer.observe(self.last_tick)
            except Exception as error:  # an observer's failure must not stop the robot
                self.remove_observer(observer)
                name, kind = type(observer).__name__, type(error).__name__
                self.observer_failures.append(f"{name} failed: {kind}: {error}")

    def _run(self, pace: Callable[[], None]) -> None:
        try:
            with realtime(self.config.realtime) as self.realtime_report:
                pace()
        except BaseException as error:
            self.error = error
            if self._begun:
                with suppress(Exception):  # the robot may be what failed
                    self._damp()
        self.hand_over()  # what the last tick's observers chose counts for the next start

    def _damp(self) -> None:
        """Damps the robot after the loop has failed, and shows that to the observers.

        A tick that failed keeps what it read and estimated; between two ticks nothing was.
        """
        tick = self.last_tick
        if tick.number < self.ticks:
            tick.begin(self.ticks, 0)
        tick.sent = self._write(self.safe.react(Reaction.DAMP))
        tick.marks[:] = [self._clock()] * len(tick.marks)
        tick.reaction, tick.broken, tick.drove = Reaction.DAMP, (), False
        self._show_to_observers()
