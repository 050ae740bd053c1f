"""How a policy in shadow is compared with the one that drives."""

import threading
import time
from contextlib import closing

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.session import Session
from edge_runtime.policy.inference import Policy
from edge_runtime.slots.policy_slots import PolicySlots
from tests.edge_runtime.leg import BURST, JOINTS, LegRobot, PacedRobot, make_contract, make_model
from tests.edge_runtime.slots.shadowing import (
    EVERY,
    Shadowed,
    Swinging,
    make_session,
    seen,
    spiteful,
    ticked,
    wait_for,
)


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


def test_one_that_breaks_is_named_and_the_loop_goes_on(shadowed: Shadowed) -> None:
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


def test_a_heavy_shadow_does_not_hold_up_the_loop() -> None:
    """Twenty times what a tick may take, in each tick: the shadow falls behind, not the loop."""
    contract = make_contract(control_period=0.005)
    fusion = AttitudeFusion(0.005, BURST)
    session = Session(Policy(make_model(contract)), PacedRobot(), fusion, LoopConfig(rules=()))
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
        session.start()
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
