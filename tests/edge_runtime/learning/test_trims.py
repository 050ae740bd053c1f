"""Tests what may be trimmed of a policy, and that its file stays a sound policy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import UserError
from edge_runtime.learning.trimmed_policy import trim_policy
from edge_runtime.learning.trims import MOST, trimmed, trims_of
from edge_runtime.policy.inference import Policy, read_model
from edge_runtime.policy.shipped import shipped_policies

HUMANOID = read_model(shipped_policies()["HumanoidVelocity"])
POLICY = Policy(HUMANOID)
CAR = Policy(read_model(shipped_policies()["VehicleTrack"]))
TRIMS = trims_of(POLICY.contract)


def test_a_trimmed_policy_is_the_same_network_with_other_numbers() -> None:
    model = trim_policy(POLICY, HUMANOID, {"left_knee.gains": 2.5, "left_knee.offset": 0.1})
    policy = Policy(model)
    knee = policy.contract.joint_names.index("left_knee")
    before, after = POLICY.contract.actuators[knee], policy.contract.actuators[knee]
    assert after.stiffness == 2.5 * before.stiffness
    assert after.damping == 2.5 * before.damping
    assert after.default == pytest.approx(before.default + 0.1)
    observation = np.ones_like(policy.observation)
    np.testing.assert_array_equal(policy(observation), POLICY(observation))
    assert policy.contract.provenance.parent_sha256 == POLICY.sha256
    assert policy.contract.provenance.trims == {"left_knee.gains": 2.5, "left_knee.offset": 0.1}


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(sorted(TRIMS)), st.floats(0, 1), max_size=MOST))
def test_trims_within_their_bounds_give_a_contract(shares: dict[str, float]) -> None:
    values = {
        name: TRIMS[name].lower + share * (TRIMS[name].upper - TRIMS[name].lower)
        for name, share in shares.items()
    }
    contract = trimmed(POLICY.contract, values)
    changed = [a.name for a, b in zip(contract.actuators, POLICY.contract.actuators) if a != b]
    assert {*changed} <= {name.rpartition(".")[0] for name in values}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"left_knee.gains": 9.0}, "must be 0.7 to 4"),
        ({"left_knee.offset": float("nan")}, "must be"),
        ({"left_nee.gains": 1.0}, "left_knee.gains"),
        (dict.fromkeys(list(TRIMS)[: MOST + 1], 1.0), "may have 10"),
    ],
)
def test_other_trims_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        trimmed(POLICY.contract, values)


def test_a_car_may_be_slowed_and_steered_straight() -> None:
    assert {*trims_of(CAR.contract)} == {"steering.gains", "steering.offset", "drive.scale"}
    drive = trimmed(CAR.contract, {"drive.scale": 0.8}).actuators[1]
    assert drive.action_scale == pytest.approx(0.8 * CAR.contract.actuators[1].action_scale)
