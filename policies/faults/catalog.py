"""Lists the faults: what happens, which reaction is declared for it, and how a trial may end.

Times are not written here: each follows from the rule of `default_rules` that is to fire.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from edge_runtime.loop.budget import BudgetConfig, Stage
from edge_runtime.policy.contract import Contract
from edge_runtime.robot.robot import RobotDescription
from edge_runtime.robot.sensors import IMU_SIGNALS
from edge_runtime.safety.rules import OVERRUNS, Fault, Reaction, Rule
from edge_runtime.signals import IMU_ACCEL, IMU_GYRO, JOINT_POS, JOINT_VEL, Signal
from policies.faults.injections import (
    Absent,
    BadAction,
    BadCommand,
    Frozen,
    Hung,
    Injection,
    Late,
    Noisy,
    OldStamp,
    Silent,
    Slow,
    Toppled,
    Weak,
    WrongUnit,
)
from sim.robots.legs import names_joint

_UNITS_SECONDS = 1.0  # of rest, in which an IMU's units are judged
_TILT_PERIODS = 3  # until the guard knows that the robot lies: its estimator lags a little
_DEGREES = math.degrees(1.0)  # of a radian
_IN_ONE_G = 1 / 9.80665


class End(str, Enum):
    """Says how a robot ends."""

    GOES_ON = "goes on"  # as if nothing were
    STOPPED = "controlled stop"  # at rest, upright, on the track
    DAMPED = "damped"  # limp, for the guard made it so before it fell
    FELL = "fell"  # or left the track

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Declared:
    """Declares a reaction that must fire."""

    fault: Fault
    reaction: Reaction
    # It is due only once the robot's true tilt is beyond the limit, and its time counts from there.
    if_tilted: bool = False


@dataclass(frozen=True)
class FaultConfig:
    """Describes one fault on one robot."""

    name: str
    injection: Injection
    declared: tuple[Declared, ...] = ()  # none: it must be ridden out
    ends: frozenset[End] = frozenset((End.GOES_ON,))  # that count as success


def seconds_to_react(rule: Rule, injection: Injection, period: float) -> float:
    """Returns the declared time of a rule, s from the last good tick before the fault.

    Faults that are counted, in samples or ticks, are over their limit one later. A silence is
    looked at once a period. A missed deadline is known in the tick after the one it made late. An
    IMU's units are known after a second of rest.
    """
    if rule.fault is Fault.STALE:
        return rule.limit + period
    if rule.fault is Fault.TILT:
        return _TILT_PERIODS * period
    if rule.fault is Fault.MISSED:
        return _held_up(injection, period) + 2 * period
    if rule.fault is Fault.MISS_RATE:
        assert isinstance(injection, Late)
        to_rate = _seconds_to_rate(injection.periods, injection.every, rule.limit, period)
        return to_rate + injection.late(0, period)  # the tick that reacts is late, too
    if rule.fault in OVERRUNS:
        # Each tick is late until the rate is over the limit; the next one reacts, late too.
        ticks = math.floor(math.log1p(-rule.limit) / math.log1p(-min(1.0, period))) + 1
        slow = injection.takes(Stage(OVERRUNS.index(rule.fault)), period)
        return (ticks + 1) * period + slow
    if rule.fault is Fault.ACTION_BEYOND_CLIP:
        return period
    counted = (math.floor(rule.limit) + 1) * period
    return counted + _UNITS_SECONDS + period if rule.fault is Fault.ESTIMATOR_LOST else counted


def _held_up(injection: Injection, period: float) -> float:
    return injection.late(0, period) + injection.hangs(0)


def _seconds_to_rate(missed: int, every: int, limit: float, period: float) -> float:
    """Returns the time, s, until a rate of missed periods, averaged over a second, passes a
    limit."""
    share, rate, seconds, tick = min(1.0, period), 0.0, 0.0, 0
    while rate <= limit and seconds < 60.0:
        lost = missed if tick and (tick - 1) % every == 0 else 0
        seconds += (1 + lost) * period
        rate += share * (lost * (1 - rate) - rate)
        tick += 1
    return seconds


HOLD, STOP, DAMP = Reaction.HOLD, Reaction.STOP, Reaction.DAMP
_ON = frozenset((End.GOES_ON,))
_STOP = frozenset((End.STOPPED,))
# Without its senses or its policy a robot at speed comes to rest as it can: falls are counted.
_BLIND = frozenset((End.STOPPED, End.DAMPED, End.FELL))
_DAMPED = frozenset((End.DAMPED,))
_DOWN = frozenset((End.FELL, End.DAMPED))
_BAD_SAMPLE = Declared(Fault.SENSOR_NOT_FINITE, HOLD)
_LOST = (Declared(Fault.ESTIMATOR_LOST, HOLD), Declared(Fault.ESTIMATOR_LOST, DAMP))
_LIES = (Declared(Fault.TILT, DAMP, if_tilted=True),)


def faults_of(
    robot: RobotDescription,
    contract: Contract,
    estimator: Sequence[Signal],
    weakened: Mapping[str, bool],
) -> tuple[FaultConfig, ...]:
    """Returns all faults that can happen to a robot with these sensors and actuators.

    Args:
        robot: what it has.
        contract: the contract of the policy that drives it.
        estimator: what the estimator reads.
        weakened: actuators that may fail, by the ends of their names, each with whether the robot
            may go down without it.
    """
    read = {signal.name for signal in (*contract.signals, *estimator)}
    period = contract.control_period
    sensors = {
        "IMU": IMU_SIGNALS,
        "encoders": (JOINT_POS, JOINT_VEL),
        "wheels": ("wheel_speed",),
        "steering angle": ("steering_angle",),
        "lidar": ("lidar",),
        "foot force": ("foot_force",),
    }
    given = {signal.name for signal in robot.signals}
    found = {name: group for name, group in sensors.items() if given.issuperset(group)}
    faults = [
        f for name, group in found.items() for f in _of_sensor(name, group, robot, read, period)
    ]
    faults += _of_all_sensors(period)
    faults += _of_deadlines()
    for joint in robot.joint_names:
        for name, goes_down in weakened.items():
            faults += _of_actuator(joint, goes_down) if names_joint(name, joint) else []
    faults += _of_policy(contract)
    return tuple(faults)


def _of_sensor(
    name: str, sensors: tuple[str, ...], robot: RobotDescription, read: set[str], period: float
) -> list[FaultConfig]:
    frozen = Declared(Fault.FROZEN, STOP)
    known = set(robot.live or ()) | set(robot.live_moving)
    blind = read.intersection(sensors)
    lasting = (_BAD_SAMPLE, Declared(Fault.SENSOR_NOT_FINITE, STOP))
    return [
        FaultConfig(f"{name} frozen", Frozen(sensors), (frozen,), _BLIND)
        if known.intersection(sensors)
        else FaultConfig(f"{name} frozen", Frozen(sensors)),
        FaultConfig(f"{name} NaN", Absent(sensors), lasting, _BLIND if blind else _STOP),
        FaultConfig(f"{name} away 3 samples", Absent(sensors, 3 * period), (_BAD_SAMPLE,)),
        FaultConfig(f"{name} 10× noise", Noisy(sensors)),
    ]


def _of_all_sensors(period: float) -> list[FaultConfig]:
    hold, stop = Declared(Fault.STALE, HOLD), Declared(Fault.STALE, STOP)
    return [
        FaultConfig("silent for 2 samples", Silent(2 * period)),
        FaultConfig("silent for 4 samples", Silent(4 * period), (hold,)),
        FaultConfig("silent for good", Silent(), (hold, stop), _BLIND),
        FaultConfig("old stamp", OldStamp(), (hold, stop), _BLIND),
        FaultConfig("accelerometer in g", WrongUnit(IMU_ACCEL, _IN_ONE_G), _LOST, _DAMPED),
        FaultConfig("gyroscope in deg/s", WrongUnit(IMU_GYRO, _DEGREES), _LOST, _DAMPED),
    ]


def _of_deadlines() -> list[FaultConfig]:
    burst, rate = Declared(Fault.MISSED, STOP), Declared(Fault.MISS_RATE, STOP)
    return [
        FaultConfig("1 deadline missed", Late(1)),
        FaultConfig("3 deadlines missed in one go", Late(3)),
        FaultConfig("12 deadlines missed in one go", Late(12), (burst,), _BLIND),
        FaultConfig("1 of 10 deadlines missed", Late(1, every=9)),
        FaultConfig("1 of 2 deadlines missed", Late(1, every=1), (rate,), _STOP),
        FaultConfig("read() hangs for 0.1 s", Hung(0.1)),
        FaultConfig("read() hangs for 1 s", Hung(1.0), (burst,), _BLIND),
        *(_of_stage(stage) for stage in Stage),
    ]


def _of_stage(stage: Stage) -> FaultConfig:
    """Lets a stage take 10 % of the period more than its share: all stages still fit in."""
    over, share = OVERRUNS[stage], BudgetConfig().shares[stage] + 0.1
    declared = (Declared(over, Reaction.NONE), Declared(over, STOP))
    return FaultConfig(f"{stage.name.lower()} over its budget", Slow(stage, share), declared, _STOP)


def _of_actuator(name: str, goes_down: bool) -> list[FaultConfig]:
    plain = name.replace("_", " ")
    return [
        FaultConfig(f"{plain} at 50 %", Weak(name, 0.5), _LIES, _ON),
        FaultConfig(f"{plain} dead", Weak(name, 0.0), _LIES, _ON | _DOWN if goes_down else _ON),
    ]


def _of_policy(contract: Contract) -> list[FaultConfig]:
    nan = (Declared(Fault.ACTION_NOT_FINITE, STOP),)
    huge = (Declared(Fault.ACTION_BEYOND_CLIP, STOP),)
    asked = (Declared(Fault.OBSERVATION_NOT_FINITE, STOP),)
    faults = [
        FaultConfig("action NaN", BadAction(math.nan), nan, _BLIND),
        FaultConfig("action 20 × its clip", BadAction(20 * contract.action_clip), huge, _BLIND),
        FaultConfig("tipped over", Toppled(), _LIES, _DOWN),
    ]
    if contract.commands:
        faults.append(FaultConfig("operator's command NaN", BadCommand(), asked, _STOP))
    return faults


def find_rule(declared: Declared, rules: Sequence[Rule]) -> int:
    """Returns the index of the rule that is to fire.

    Raises:
        ValueError: there is none.
    """
    for index, rule in enumerate(rules):
        if (rule.fault, rule.reaction) == (declared.fault, declared.reaction):
            return index
    raise ValueError(f"no rule for {declared.fault.name} leads to {declared.reaction.name}")
