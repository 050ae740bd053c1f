"""A policy in shadow sees what the driver sees, drives nothing, and is promoted and rolled back."""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import onnx
import pytest

from edge_runtime.errors import ContractError, UserError
from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.loop.control_loop import ControlLoop, LoopConfig
from edge_runtime.loop.session import Session
from edge_runtime.policy.inference import Policy
from edge_runtime.robot.robot import ActuatorCommand, Sample
from edge_runtime.slots.comparison import Comparison
from edge_runtime.slots.policy_slots import PolicySlots
from tests.edge_runtime.leg import BURST, JOINTS, LegRobot, ManualClock, make_contract, make_model

EVERY = 0.005
COMMAND = (0.5, 0.1, -0.2)


class Swinging(LegRobot):
    """A robot whose joints swing."""

    def read(self) -> Sample | None:
        sample = super().read()
        for index, name in enumerate(self.description.joint_names):
            turn = 0.3 * self.sequence + JOINTS.index(name)
            self.values["joint_pos"][0, index] = np.sin(turn)
            self.values["joint_vel"][0, index] = 3 * np.cos(turn)
        return sample


class Endless(LegRobot):
    """A robot that remembers no command."""

    def write(self, command: ActuatorCommand) -> None:
        pass


def make_session(robot: LegRobot, seed: int = 0) -> Session:
    contract = make_contract()
    fusion = AttitudeFusion(contract.control_period, BURST)
    policy = Policy(make_model(contract, seed))
    session = Session(policy, robot, fusion, LoopConfig(stop_seconds=0.1), ManualClock())
    session.loop.command.put(np.array(COMMAND, np.float32))
    return session


@pytest.fixture
def shadowed() -> Iterator[tuple[ControlLoop, LegRobot, PolicySlots]]:
    """A loop to be ticked by hand, and its slots."""
    robot = Swinging()
    session = make_session(robot)
    with closing(PolicySlots(session, EVERY)) as slots:
        yield session.loop, robot, slots


def ticked(loop: ControlLoop, count: int) -> None:
    for _ in range(count):
        loop.tick()


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def seen(slots: PolicySlots, ticks: int) -> Comparison:
    """The comparison after so many ticks, which the thread may need a moment for."""

    def comparison() -> Comparison:
        found = slots.comparison()
        assert found is not None
        return found

    wait_for(lambda: comparison().ticks + comparison().not_finite >= ticks)
    return comparison()


Shadowed = tuple[ControlLoop, LegRobot, PolicySlots]


def test_the_same_policy_does_the_same(shadowed: Shadowed) -> None:
    """History, gait clock, last action and command included: to the bit."""
    loop, _, slots = shadowed
    ticked(loop, 3)
    slots.shadow(Policy(make_model(make_contract())))
    ticked(loop, 40)
    found = seen(slots, 38)  # the past before the first two is not known
    assert found.ticks == 38
    assert list(found.largest) == list(JOINTS)
    assert max(found.largest.values()) == 0.0
    assert (found.lost, found.not_finite, found.failure) == (0, 0, "")
    assert 0 < found.took[0] <= found.took[1] <= found.took[2]


def test_joints_in_another_order_make_no_difference() -> None:
    robot = Swinging(("ankle", "hip", "knee"))
    session = make_session(robot)
    loop = session.loop
    with closing(PolicySlots(session, EVERY)) as slots:
        slots.shadow(Policy(make_model(make_contract())))
        ticked(loop, 20)
        assert max(seen(slots, 18).largest.values()) == 0.0


def test_tells_how_far_another_policy_is(shadowed: Shadowed) -> None:
    """It is asked what it would do in the driver's place, and the robot never does it."""
    loop, robot, slots = shadowed
    plain = Swinging()
    alone = make_session(plain).loop
    offset = 0.4  # of the action, so 0.1 rad of each target
    biased = Policy(make_model(make_contract(), bias=offset))
    slots.shadow(biased)
    ticked(loop, 20)
    ticked(alone, 20)
    found = seen(slots, 18)
    for joint in JOINTS:
        assert found.rms[joint] == pytest.approx(0.25 * offset, rel=0.2)
        assert found.largest[joint] >= found.rms[joint]
    assert [c.target.tolist() for c in robot.commands] == [
        c.target.tolist() for c in plain.commands
    ]
    assert "off by 0.1" in found.described()


def test_goes_on_over_an_operators_reset_and_held_ticks(shadowed: Shadowed) -> None:
    loop, robot, slots = shadowed
    slots.shadow(Policy(make_model(make_contract())))
    ticked(loop, 10)
    robot.values["joint_vel"][0, 0] = np.nan  # overwritten by the next read
    robot.dead = True
    ticked(loop, 3)
    robot.dead = False
    loop.reset()
    ticked(loop, 10)
    assert max(seen(slots, 18).largest.values()) == 0.0


def test_promote_and_roll_back(shadowed: Shadowed) -> None:
    loop, _, slots = shadowed
    before = loop.controller.policy
    better, best = (Policy(make_model(make_contract(), seed)) for seed in (1, 2))
    for policy in (better, best):
        slots.shadow(policy)
        ticked(loop, 5)
        slots.promote()
        loop.tick()
        assert loop.controller.policy is policy
        with pytest.raises(UserError, match="no policy is in shadow"):
            slots.promote()
    for policy in (better, before):
        slots.roll_back()
        loop.tick()
        assert loop.controller.policy is policy
    assert loop.swaps == 4
    with pytest.raises(UserError, match="none to go back to"):
        slots.roll_back()


def test_a_policy_may_drive_untried_beside_one_in_shadow(shadowed: Shadowed) -> None:
    loop, _, slots = shadowed
    first, tried = loop.controller.policy, Policy(make_model(make_contract(), 1))
    slots.shadow(tried)
    for seed in range(2, 14):
        slots.load(Policy(make_model(make_contract(), seed)))
        loop.tick()
    with pytest.raises(UserError, match="it drives or did"):
        slots.load(loop.controller.policy)
    slots.promote()
    loop.tick()
    assert loop.controller.policy is tried
    for _ in range(8):
        slots.roll_back()
        loop.tick()
    assert loop.controller.policy is not first, "only the last few are kept"
    with pytest.raises(UserError, match="none to go back to"):
        slots.roll_back()


def test_goes_back_further_than_the_last_start() -> None:
    """What is loaded between an end and the next start drives from there, and can be undone."""
    session = make_session(Endless())
    first = session.policy
    with closing(PolicySlots(session, EVERY)) as slots:
        slots.load(Policy(make_model(make_contract(), 1)))
        session.loop.start()
        session.end()
        between = Policy(make_model(make_contract(), 2))
        slots.load(between)
        assert session.policy is between
        session.renew()
        assert session.policy is between
        for _ in range(2):
            slots.roll_back()
        assert session.policy is first
        slots.shadow(Policy(make_model(make_contract(), 3)))
        ticked(session.loop, 5)
        assert seen(slots, 3).lost == 0, "the slots observe the new loop too"


def test_a_shadow_that_stays_over_a_new_start_has_lost_no_tick() -> None:
    """The new loop numbers its ticks from 0, and the history of before is gone."""
    session = make_session(Swinging())
    with closing(PolicySlots(session, EVERY)) as slots:
        slots.shadow(Policy(make_model(make_contract())))
        ticked(session.loop, 20)
        assert seen(slots, 18).lost == 0
        session.renew()
        session.loop.command.put(np.array(COMMAND, np.float32))
        ticked(session.loop, 10)
        found = seen(slots, 26)
        assert (found.ticks, found.lost) == (26, 0)
        assert max(found.largest.values()) == 0.0


def test_what_is_loaded_between_two_starts_is_checked_too() -> None:
    session = make_session(Endless())
    with closing(PolicySlots(session, EVERY)) as slots:
        session.loop.start()
        session.end()
        first = session.policy
        with pytest.raises(ContractError, match=r"max_tilt is 0\.5 rad"):
            slots.load(Policy(make_model(make_contract(max_tilt=0.5))))
        assert session.policy is first
        with pytest.raises(UserError, match="none to go back to"):
            slots.roll_back()


def test_what_does_not_fit_leaves_all_as_it_is(shadowed: Shadowed) -> None:
    loop, _, slots = shadowed
    driver = loop.controller.policy
    good = Policy(make_model(make_contract(), 1))
    slots.shadow(good)
    with pytest.raises(ContractError, match=r"control period is 0\.04 s"):
        slots.shadow(Policy(make_model(make_contract(control_period=0.04))))
    stranger = dataclasses.replace(make_contract().actuators[0], name="neck")
    actuators = (stranger, *make_contract().actuators[1:])
    with pytest.raises(ContractError, match="'neck'"):
        slots.shadow(Policy(make_model(make_contract(actuators=actuators))))
    with pytest.raises(UserError, match="it drives or did"):
        slots.shadow(driver)
    ticked(loop, 6)
    assert seen(slots, 4).sha256 == good.sha256
    assert loop.controller.policy is driver
    slots.drop()
    with pytest.raises(UserError, match="no policy is in shadow"):
        slots.promote()


def spiteful() -> Policy:
    """A policy that passes its check, and answers NaN to a robot that stands upright."""
    contract = make_contract()
    proto = onnx.load_from_string(make_model(contract))
    golden = np.array(Policy(make_model(contract)).contract.golden_observations)
    seen = [*range(3, 6), *range(18, 21)]  # gravity and command: what is up, and what is asked
    # What is 0 for each golden vector, and 1 for this robot.
    rows = np.vstack([golden[:, seen], [0, 0, -1, *COMMAND]])
    sight = np.zeros((contract.observation_size, 1), np.float32)
    sight[seen, 0] = np.linalg.lstsq(rows, np.array([0, 0, 0, 0, 1.0]), rcond=None)[0]
    graph, make = proto.graph, onnx.helper.make_node
    for name, value in (("sight", sight), ("half", np.float32(0.5)), ("none", np.float32(0))):
        graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), name))
    graph.node[0].output[0] = "sound"
    graph.node.extend(
        [
            make("MatMul", ["obs", "sight"], ["one"]),
            make("Sub", ["half", "one"], ["negative"]),
            make("Log", ["negative"], ["nan"]),
            make("Mul", ["nan", "none"], ["spite"]),
            make("Add", ["sound", "spite"], ["actions"]),
        ]
    )
    return Policy(proto.SerializeToString(), "spiteful.onnx")


def test_what_gives_nan_is_counted_and_must_not_drive() -> None:
    session = make_session(LegRobot())
    loop = session.loop
    with closing(PolicySlots(session, EVERY)) as slots:
        slots.shadow(spiteful())
        ticked(loop, 10)
        assert seen(slots, 10).not_finite == 10
        with pytest.raises(UserError, match="10 of its actions in shadow were not finite"):
            slots.promote()
        loop.tick()
        assert loop.swaps == 0


def test_ticks_that_a_slow_shadow_missed_are_counted(shadowed: Shadowed) -> None:
    """And not compared, for the history is not the driver's then; what follows is."""
    loop, _, slots = shadowed
    policy = Policy(make_model(make_contract()))
    run, held = policy.run, threading.Event()

    def slow() -> None:
        held.wait(30.0)
        run()

    policy.run = slow
    slots.shadow(policy)
    ticked(loop, 400)  # more than it may lag behind
    held.set()

    def caught_up() -> bool:
        loop.tick()
        found = slots.comparison()
        return found is not None and found.ticks >= 105

    wait_for(caught_up)
    found = seen(slots, 105)
    assert found.lost > 200
    assert found.ticks + found.lost <= loop.ticks
    assert found.failure == ""


def test_one_that_breaks_is_told_and_the_loop_goes_on(shadowed: Shadowed) -> None:
    loop, _, slots = shadowed
    policy = Policy(make_model(make_contract()))
    slots.shadow(policy)
    ticked(loop, 5)
    seen(slots, 3)

    def broken() -> None:
        raise RuntimeError("CUDA error 700: an illegal memory access")

    policy.run = broken
    ticked(loop, 5)

    def failed() -> bool:
        found = slots.comparison()
        return found is not None and found.failure != ""

    wait_for(failed)
    found = slots.comparison()
    assert found is not None
    assert found.failure == "RuntimeError: CUDA error 700: an illegal memory access"
    assert "ended after 3 ticks" in found.described()
    slots.shadow(Policy(make_model(make_contract())))
    ticked(loop, 5)
    assert seen(slots, 3).failure == ""


class Paced(LegRobot):
    """A robot whose sensors have a clock of their own: a sample each 5 ms."""

    def __init__(self) -> None:
        super().__init__()
        self._start = time.monotonic()

    def read(self) -> Sample | None:
        due = int((time.monotonic() - self._start) / 0.005)
        self.dead = due <= self.sequence
        self.sequence = max(self.sequence, due - 1)
        return super().read()

    def write(self, command: ActuatorCommand) -> None:
        pass


def test_a_heavy_shadow_does_not_hold_up_the_loop() -> None:
    """Twenty times what a tick may take, in each tick: the shadow falls behind, not the loop."""
    contract = make_contract(control_period=0.005)
    fusion = AttitudeFusion(0.005, BURST)
    session = Session(Policy(make_model(contract)), Paced(), fusion, LoopConfig(rules=()))
    loop = session.loop
    heavy = Policy(make_model(contract))
    run = heavy.run

    def slow() -> None:
        until = time.monotonic() + 0.1
        while time.monotonic() < until:  # holding the interpreter's lock whenever it can
            run()

    heavy.run = slow
    with closing(PolicySlots(session, EVERY)) as slots:
        slots.shadow(heavy)
        loop.start()
        wait_for(lambda: loop.ticks > 10)
        ticks, missed = loop.ticks, loop.budget.missed
        time.sleep(1.0)
        ticks, missed = loop.ticks - ticks, loop.budget.missed - missed
        slots.drop()
        loop.stop()
        assert loop.join(30.0)
    # In the loop's own thread it would have missed 20 periods for each tick, on any machine.
    assert missed < 5 * ticks
    found = slots.comparison()
    assert found is not None
    assert found.over_share > 0


def test_promoted_and_rolled_back_in_motion() -> None:
    contract = make_contract(control_period=0.005)
    fusion = AttitudeFusion(0.005, BURST)
    first = Policy(make_model(contract))
    session = Session(first, Paced(), fusion, LoopConfig(rules=()))
    loop = session.loop
    with closing(PolicySlots(session, EVERY)) as slots:
        loop.start()
        for seed in range(1, 4):
            policy = Policy(make_model(contract, seed))
            slots.shadow(policy)
            seen(slots, 3)
            slots.promote(30.0)
            assert loop.controller.policy is policy
            slots.roll_back(30.0)
            assert loop.controller.policy is first
        loop.stop()
        assert loop.join(30.0)
    assert loop.swaps == 6
