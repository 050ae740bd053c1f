"""A policy in shadow sees what the driver sees, drives nothing, and is promoted and rolled back."""

import dataclasses
from contextlib import closing

import numpy as np
import pytest

from edge_runtime.errors import ContractError, UserError
from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.session import Session
from edge_runtime.policy.inference import Policy
from edge_runtime.slots.policy_slots import PolicySlots
from tests.edge_runtime.leg import BURST, PacedRobot, make_contract, make_model
from tests.edge_runtime.slots.shadowing import (
    COMMAND,
    EVERY,
    Endless,
    Shadowed,
    Swinging,
    make_session,
    seen,
    ticked,
)


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
        session.start()
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
        session.start()
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


def test_promoted_and_rolled_back_in_motion() -> None:
    contract = make_contract(control_period=0.005)
    fusion = AttitudeFusion(0.005, BURST)
    first = Policy(make_model(contract))
    session = Session(first, PacedRobot(), fusion, LoopConfig(rules=()))
    loop = session.loop
    with closing(PolicySlots(session, EVERY)) as slots:
        session.start()
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
