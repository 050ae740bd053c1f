"""Runs one fault trial: a control loop drives a simulated robot, a fault strikes, and it is
judged."""

from dataclasses import dataclass

import numpy as np

from edge_runtime.estimators import AUTO, find_fusion
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.pacing import next_release
from edge_runtime.policy.contract import Contract
from edge_runtime.policy.inference import Policy
from edge_runtime.robot.robot import Mode
from edge_runtime.safety.rules import Fault, Reaction
from edge_runtime.signals import Array
from policies.faults.catalog import Declared, End, FaultConfig, find_rule, seconds_to_react
from policies.faults.faulty_robot import FaultyRobot, ManualClock
from sim.server.simulated_robot import SimulatedRobot

_AFTER_A_FALL = 0.5  # s that are still looked at
_AT_REST = 0.3  # m/s
_MOST_STOPPING = 5.0  # s more that a controlled stop is waited for


@dataclass(frozen=True)
class FaultTrialConfig:
    """Sets when the fault strikes, and for how long the robot drives and is watched."""

    run_up: float = 1.6  # s of driving before the fault
    spread: float = 0.7  # s more, drawn: a gait cycle, so that it strikes in every phase
    watch: float = 3.0  # s after it
    # What a robot that takes commands is asked for, as far as its policy was trained; 0 beyond.
    command: tuple[float, ...] = (0.6,)


@dataclass(frozen=True)
class Judged:
    """Holds a declared reaction, and whether it came."""

    declared: Declared
    within: float  # s, declared
    due: bool  # False where the robot did not tilt
    took: float | None  # s; None: it did not fire

    @property
    def in_time(self) -> bool:
        """Returns whether it fired within its declared time."""
        return self.took is not None and self.took <= self.within + 1e-6


@dataclass(frozen=True)
class FaultOutcome:
    """Holds what a fault did."""

    fault: FaultConfig
    judged: tuple[Judged, ...]
    fired: tuple[tuple[Fault, Reaction, float], ...]  # all that fired, s after the fault
    end: End
    speed: float  # m/s, when it struck
    seconds: float  # from the fault to the end of the trial
    reason: str  # what the estimator said

    @property
    def unasked(self) -> bool:
        """Returns whether the guard ended a drive for which nothing was declared."""
        return not self.fault.declared and any(r >= Reaction.STOP for _, r, _ in self.fired)

    @property
    def success(self) -> bool:
        """Returns whether all due reactions came in time and the robot ended as declared."""
        timely = all(j.in_time for j in self.judged if j.due)
        return timely and self.end in self.fault.ends


class FaultTrial:
    """Ticks a control loop over a faulty robot by hand.

    Args:
        policy: what drives.
        simulated: the robot, at its start.
        fault: what happens.
        seed: decides when the fault strikes, and all else that is random.
        config: when the fault strikes, and how long the robot is watched.
    """

    def __init__(
        self,
        policy: Policy,
        simulated: SimulatedRobot,
        fault: FaultConfig,
        seed: int,
        config: FaultTrialConfig = FaultTrialConfig(),
    ) -> None:
        self.fault, self.config = fault, config
        self.clock = ManualClock()
        self.robot = FaultyRobot(simulated, self.clock, fault.injection, seed)
        contract = policy.contract
        self._fusion = find_fusion(AUTO, contract, self.robot.description)
        self.loop = ControlLoop(policy, self.robot, self._fusion, clock=self.clock)
        self._command = _asked(config.command, contract)
        self.loop.command.put(self._command)
        self.robot.corrupt_loop(self.loop)
        self._period = contract.control_period
        self._release, self._missed = self.clock.now, 0
        self._task = simulated.env.task
        self._fell: int | None = None  # ns
        self._tilted: int | None = None
        self._fired: dict[int, int] = {}  # ns, by rule
        wait = config.spread * np.random.default_rng(seed).random()
        self._run_up = round((config.run_up + wait) / self._period)

    def run(self) -> FaultOutcome:
        """Drives, lets the fault strike, and judges."""
        if self.fault.injection.at_rest:
            self.robot.strike()
        else:
            for _ in range(self._run_up):
                self._tick()
            self._strike()
        speed = self._speed()
        before = list(self.loop.guard.ticks_tripped)
        while not self._over():
            limp = self.robot.mode is Mode.DAMP  # so it may sink
            self._tick()
            for index, (was, ticks) in enumerate(zip(before, self.loop.guard.ticks_tripped)):
                if ticks > was:
                    self._fired.setdefault(index, self.clock.now)
            self.robot.tick += 1
            self._look(limp)
        return self._judge(speed)

    def _strike(self) -> None:
        self.robot.strike()
        self.loop.command.put(self.fault.injection.command(self._command))

    def _tick(self) -> None:
        """Runs one period, as the loop's own thread does it."""
        late = 0.0
        if self.robot.struck is not None:
            late = self.fault.injection.late(self.robot.tick, self._period)
        self.clock.now = self._release + round(1e9 * late)
        self.loop.tick(self._missed)
        self._release, self._missed = next_release(self._release, self.clock.now, self.loop.period)

    def _look(self, limp: bool) -> None:
        if self._tilted is None and self.robot.tilt > self.robot.max_tilt:
            self._tilted = self.clock.now
        if self._fell is None and bool(self._task.terminated()[0]) and not limp:
            self._fell = self.clock.now

    @property
    def _resting(self) -> bool:
        """Returns whether a controlled stop has ended, or the robot was made limp."""
        return self.loop.safe.at_rest

    def _speed(self) -> float:
        speed = float(np.hypot(*self._task.engine.qvel[0, :2]))
        return 0.0 if self.fault.injection.at_rest else speed

    def _since(self, moment: int | None) -> float:
        struck = self.robot.struck
        assert struck is not None
        return ((self.clock.now if moment is None else moment) - struck) * 1e-9

    def _over(self) -> bool:
        if self._fell is not None and self._since(None) > self._since(self._fell) + _AFTER_A_FALL:
            return True
        stops = self.loop.guard.latched is Reaction.STOP and not self._resting
        done = self._since(None) >= self.config.watch + _MOST_STOPPING * stops
        return done or (self._resting and self._fell is None and self._speed() < _AT_REST)

    def _judge(self, speed: float) -> FaultOutcome:
        rules = self.loop.guard.rules
        judged = tuple(self._judged(declared) for declared in self.fault.declared)
        fired = tuple(
            (rules[index].fault, rules[index].reaction, self._since(moment))
            for index, moment in sorted(self._fired.items(), key=lambda item: item[1])
        )
        return FaultOutcome(
            self.fault,
            judged,
            fired,
            self._end(),
            speed,
            self._since(None),
            self.loop.lost_because,
        )

    def _judged(self, declared: Declared) -> Judged:
        index = find_rule(declared, self.loop.guard.rules)
        within = seconds_to_react(self.loop.guard.rules[index], self.fault.injection, self._period)
        due = self._tilted is not None if declared.if_tilted else True
        moment = self._fired.get(index)
        took = None if moment is None else self._since(moment)
        if took is not None and declared.if_tilted and self._tilted is not None:
            took = max(0.0, took - self._since(self._tilted))
        return Judged(declared, within, due, took)

    def _end(self) -> End:
        if self._fell is not None:
            return End.FELL
        if self.loop.guard.latched is Reaction.DAMP:
            return End.DAMPED
        return End.STOPPED if self._resting else End.GOES_ON


def _asked(command: tuple[float, ...], contract: Contract) -> Array:
    """Returns what the robot is asked for, (commands,), within the trained ranges."""
    wanted = dict(enumerate(command))
    asked = [
        min(max(wanted.get(place, 0.0), c.lower), c.upper)
        for place, c in enumerate(contract.commands)
    ]
    return np.array(asked, np.float32)
