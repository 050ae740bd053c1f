"""The control loop: what reaches the robot, when, and what the operator may do meanwhile."""

import dataclasses
import gc
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from edge_runtime.errors import ContractError, UserError
from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.deadline_pace import DeadlinePace
from edge_runtime.loop.handover import Handover
from edge_runtime.loop.realtime import RealtimeConfig
from edge_runtime.loop.tick import Tick
from edge_runtime.policy.contract import Command
from edge_runtime.policy.inference import Policy
from edge_runtime.report.run_report import as_dictionary
from edge_runtime.robot.robot import ActuatorCommand, Mode, Sample
from edge_runtime.safety.rules import Fault, Reaction
from tests.edge_runtime.leg import (
    BURST,
    JOINTS,
    LegRobot,
    ManualClock,
    PacedRobot,
    make_contract,
    make_model,
)

SWAPPED = ("ankle", "hip", "knee")


class SlowRobot(PacedRobot):
    """A robot whose writes may take long."""

    slow = 0.0  # s that each write takes

    def write(self, command: ActuatorCommand) -> None:
        super().write(command)
        time.sleep(self.slow)


def make_loop(robot: LegRobot, seed: int = 0, **changes: object) -> ControlLoop:
    contract = make_contract(**changes)
    fusion = AttitudeFusion(contract.control_period, BURST)
    policy = Policy(make_model(contract, seed))
    return ControlLoop(policy, robot, fusion, LoopConfig(stop_seconds=0.05), ManualClock())


@pytest.fixture
def running() -> Iterator[tuple[ControlLoop, SlowRobot]]:
    """A loop in its own thread at 200 Hz."""
    robot = SlowRobot()
    contract = make_contract(control_period=0.005)
    policy = Policy(make_model(contract))
    fusion = AttitudeFusion(0.005, BURST)
    loop = ControlLoop(policy, robot, fusion, LoopConfig(stop_seconds=0.05, rules=()))
    loop.start(DeadlinePace(loop))
    wait_for(lambda: loop.ticks > 3)
    yield loop, robot
    loop.stop()
    assert loop.join(30.0)


def wait_for(condition: object, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.005)


def test_the_robots_joint_order_makes_no_difference() -> None:
    """Another order of the robot's joints changes neither a joint's targets nor its readings."""
    plain, permuted = LegRobot(), LegRobot(SWAPPED)
    rng = np.random.default_rng(0)
    loops = [make_loop(plain), make_loop(permuted)]
    for _ in range(10):
        values = dict(zip(JOINTS, rng.normal(0, 0.2, 3)))
        for robot, loop in zip((plain, permuted), loops):
            names = robot.description.joint_names
            robot.values["joint_pos"][0] = [values[name] for name in names]
            robot.values["joint_vel"][0] = [10 * values[name] for name in names]
            assert loop.tick() is Reaction.NONE
        targets = [
            dict(zip(robot.description.joint_names, zip(c.target, c.stiffness, c.damping)))
            for robot in (plain, permuted)
            for c in robot.commands[-1:]
        ]
        assert targets[0] == targets[1]


def test_a_command_answers_its_sample(loop: ControlLoop, robot: LegRobot) -> None:
    loop.tick()
    loop.tick()
    assert [c.sequence for c in robot.commands] == [1, 2]
    assert robot.commands[-1].mode is Mode.RUN
    assert robot.commands[-1].stiffness.tolist() == [20.0, 21.0, 22.0]


def test_the_gait_clock_keeps_time_over_missed_periods(loop: ControlLoop) -> None:
    for missed in (0, 0, 3, 0):
        loop.tick(missed)
    assert loop.controller.step[0, 0] == 6


def test_a_lost_sample_is_counted(loop: ControlLoop, robot: LegRobot) -> None:
    loop.tick()
    robot.sequence += 2
    loop.tick()
    assert (loop.sensors.new, loop.sensors.lost) == (2, 2)


def test_ticks_at_its_rate(running: tuple[ControlLoop, SlowRobot]) -> None:
    """Every period is run or counted as missed, whatever else this machine has to do."""
    loop, _ = running

    def periods_after_a_tick() -> tuple[float, int, float]:
        before, ticks = time.monotonic(), loop.ticks
        wait_for(lambda: loop.ticks > ticks)
        return before, loop.ticks + loop.budget.missed, time.monotonic()

    earliest_start, first, latest_start = periods_after_a_tick()
    time.sleep(0.5)
    earliest_end, last, latest_end = periods_after_a_tick()
    assert (earliest_end - latest_start) / 0.005 - 3 <= last - first
    assert last - first <= (latest_end - earliest_start) / 0.005 + 3


def test_overruns_are_skipped_and_counted(running: tuple[ControlLoop, SlowRobot]) -> None:
    loop, robot = running
    robot.slow = 0.012
    ticks, missed = loop.ticks, loop.budget.missed
    wait_for(lambda: loop.ticks > ticks + 15)
    robot.slow = 0.0
    assert loop.budget.missed - missed >= 1.5 * (loop.ticks - ticks)
    stage = as_dictionary(loop)["latency_us"]["act"]
    assert stage["max"] >= 12_000
    assert stage["ticks_over_budget"] >= 10


def test_swaps_between_two_ticks(running: tuple[ControlLoop, SlowRobot]) -> None:
    loop, _ = running
    contract = make_contract(control_period=0.005)
    for seed in range(1, 6):
        policy = Policy(make_model(contract, seed))
        step = loop.controller.step[0, 0]
        loop.swap(policy, timeout=30.0)
        assert loop.controller.policy is policy
        assert loop.controller.step[0, 0] >= step
    assert loop.swaps == 5


def test_a_swapped_in_policy_goes_on_where_the_other_was() -> None:
    robot = LegRobot()
    loop = make_loop(robot)
    for _ in range(5):
        loop.tick()
    action, step = loop.controller.last_action.copy(), loop.controller.step.copy()
    other = make_contract(actuators=make_contract().actuators[::-1])
    loop.swap(Policy(make_model(other, 1)))
    loop.tick()
    controller = loop.controller
    assert controller.contract.joint_names == JOINTS[::-1]
    assert controller.step == step + 1
    start = other.observation_size - 8  # of last_action, before command and gait clock
    seen = controller.policy.observation[0, start : start + 3]
    assert seen.tolist() == action[0, ::-1].tolist()


def test_refuses_to_swap_in_what_does_not_fit(loop: ControlLoop) -> None:
    slower = Policy(make_model(make_contract(control_period=0.04)))
    with pytest.raises(ContractError, match=r"control period is 0\.04 s.*0\.02 s"):
        loop.swap(slower)
    names = (dataclasses.replace(make_contract().actuators[0], name="neck"),)
    stranger = make_contract(actuators=names + make_contract().actuators[1:])
    with pytest.raises(ContractError, match="'neck'"):
        loop.swap(Policy(make_model(stranger)))
    loop.tick()
    assert loop.swaps == 0


COMMANDS = make_contract().commands


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        (
            (COMMANDS[2], *COMMANDS[:2]),
            "commands are yaw rad/s, forward m/s, lateral m/s, the operator",
        ),
        ((*COMMANDS[:2], dataclasses.replace(COMMANDS[2], unit="deg/s")), "yaw deg/s"),
        (COMMANDS[:2], "commands are forward m/s, lateral m/s, the operator gives forward m/s"),
        ((), "commands are none"),
    ],
)
def test_refuses_to_swap_in_other_commands(
    loop: ControlLoop, commands: tuple[Command, ...], message: str
) -> None:
    """Else what the operator asks for would mean something else, or end the loop."""
    contract = make_contract()
    left_out = {"gait_clock"} if len(commands) != 3 else set()
    left_out |= set() if commands else {"command"}
    read = [t for t in contract.observations if t.name not in left_out]
    signals = tuple(
        dataclasses.replace(s, size=len(commands)) if s.name == "command" else s
        for s in contract.signals
        if s.name not in left_out
    )
    contract = dataclasses.replace(
        contract, commands=commands, observations=tuple(read), signals=signals
    )
    loop.tick()
    with pytest.raises(ContractError, match=message) as error:
        loop.swap(Policy(make_model(contract)))
    assert "\n" not in str(error.value)
    assert loop.tick() is Reaction.NONE
    assert loop.swaps == 0


def test_refuses_to_swap_in_another_limit_of_tilt(loop: ControlLoop) -> None:
    with pytest.raises(ContractError, match=r"max_tilt is 0\.5 rad, the running guard's 1;"):
        loop.swap(Policy(make_model(make_contract(max_tilt=0.5))))


def test_an_offer_is_taken_or_withdrawn_but_never_both() -> None:
    """A taker that comes at the moment at which the giver gives up."""
    slot: Handover[str] = Handover()
    slot.give("policy")
    assert not slot.wait(0.01)
    assert slot.take() is None

    slot.give("policy")
    gave_up = slot._used.wait

    def take_meanwhile(timeout: float) -> bool:
        slot._used.wait = gave_up  # type: ignore[method-assign]
        assert slot.take() == "policy"
        threading.Timer(0.05, slot.confirm).start()
        return False

    slot._used.wait = take_meanwhile  # type: ignore[method-assign,assignment]
    assert slot.wait(30.0)


def test_a_swap_that_is_not_taken_is_withdrawn(
    running: tuple[ControlLoop, SlowRobot],
) -> None:
    loop, _ = running
    loop.stop()
    assert loop.join(30.0)
    policy = Policy(make_model(make_contract(control_period=0.005), 1))
    with pytest.raises(UserError, match="does not tick"):
        loop.swap(policy, timeout=0.05)
    assert loop.swaps == 0


def test_stops_under_control_and_leaves_nothing_behind(
    running: tuple[ControlLoop, SlowRobot],
) -> None:
    loop, robot = running
    assert not gc.isenabled()
    started = time.monotonic()
    loop.stop()
    assert loop.join(30.0)
    assert time.monotonic() - started < 5.0
    assert robot.commands[-1].mode is Mode.DAMP
    # Limp where its policy brought it to a stand, for a pose alone does not balance.
    np.testing.assert_allclose(robot.commands[-1].target, [0.0, 0.1, 0.2], atol=0.05)
    assert (robot.commands[-1].target != np.float32([0.0, 0.1, 0.2])).all()
    assert gc.isenabled()
    assert "control loop" not in [thread.name for thread in threading.enumerate()]


def test_a_fault_in_the_robots_driver_damps_and_is_raised() -> None:
    class Broken(SlowRobot):
        def read(self) -> Sample:
            if len(self.commands) > 3:
                raise OSError("bus off")
            return super().read()

    robot = Broken()
    contract = make_contract(control_period=0.005)
    loop = ControlLoop(Policy(make_model(contract)), robot, AttitudeFusion(0.005, BURST))
    seen: list[tuple[int, Reaction, bool, int, Mode]] = []

    class Seeing:
        def observe(self, tick: Tick) -> None:
            assert tick.sent is not None
            about = tick.number, tick.reaction, tick.drove, tick.fused
            seen.append((*about, tick.sent.mode))

    loop.add_observer(Seeing())
    loop.start(DeadlinePace(loop))
    with pytest.raises(OSError, match="bus off"):
        loop.join(30.0)
    assert robot.commands[-1].mode is Mode.DAMP
    assert len(seen) == len(robot.commands), "the observers see the last command too"
    assert seen[-1] == (loop.ticks, Reaction.DAMP, False, 0, Mode.DAMP)


def test_says_when_a_robot_gives_no_sample(robot: LegRobot) -> None:
    robot.dead = True
    policy = Policy(make_model(make_contract()))
    config = LoopConfig(first_sample_seconds=0.05)
    loop = ControlLoop(policy, robot, AttitudeFusion(0.02, BURST), config)
    loop.start(DeadlinePace(loop))
    with pytest.raises(UserError, match="no sample for"):
        loop.join(30.0)
    assert robot.commands == []


def test_a_stop_before_the_first_sample_ends_the_loop(robot: LegRobot) -> None:
    robot.dead = True
    loop = ControlLoop(Policy(make_model(make_contract())), robot, AttitudeFusion(0.02, BURST))
    loop.start(DeadlinePace(loop))
    loop.stop()
    assert loop.join(30.0)


def test_says_what_the_system_refuses(running: tuple[ControlLoop, SlowRobot]) -> None:
    loop, robot = running
    loop.stop()
    loop.join(30.0)
    config = LoopConfig(realtime=RealtimeConfig(fifo=1000, cpu=4096), stop_seconds=0.01)
    policy = Policy(make_model(make_contract(control_period=0.005)))
    other = ControlLoop(policy, robot, AttitudeFusion(0.005, BURST), config)
    other.start(DeadlinePace(other))
    wait_for(lambda: other.ticks > 3)
    other.stop()
    assert other.join(30.0)
    assert "refused" in other.realtime_report["scheduler"]
    assert "refused" in other.realtime_report["cpu"]
    assert as_dictionary(other)["realtime"]["garbage"] == "frozen"


def test_the_report_tells_which_rule_was_broken(loop: ControlLoop, clock: ManualClock) -> None:
    loop.tick()
    loop.tick(missed=11)
    loop.tick()
    report = as_dictionary(loop)
    broken = [rule for rule in report["rules"] if rule["ticks"]]
    assert [(r["fault"], r["reaction"], r["first_tick"]) for r in broken] == [
        (Fault.MISSED.name.lower(), "stop", 1)
    ]
    assert report["latched"] == "stop"
    assert report["ticks_by_reaction"] == {"none": 1, "hold": 0, "stop": 2, "damp": 0}
