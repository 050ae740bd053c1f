"""Tests which trims follow from what a robot has identified of itself."""

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.learning.identify.identified_trims import ScaleByFriction, next_trims, undone
from edge_runtime.learning.identify.identifier import Identified, Identifier
from edge_runtime.policy.inference import Policy, read_model
from edge_runtime.policy.shipped import shipped_policies

HUMANOID = Policy(read_model(shipped_policies()["HumanoidVelocity"])).contract
CAR = Policy(read_model(shipped_policies()["VehicleTrack"])).contract


def identified(error: float = 0.02, **values: float) -> Identified:
    named = {name.replace("__", "."): value for name, value in values.items()}
    return Identified(named, dict.fromkeys(named, error))


def test_weak_gains_are_commanded_higher_and_an_encoder_is_believed_less() -> None:
    found = identified(left_knee__gains=0.4, left_knee__offset=0.2, payload=10.0)
    assert next_trims(HUMANOID, {}, found, 3.0) == {
        "left_knee.gains": 2.5,
        "left_knee.offset": 0.2,
    }


def test_what_is_left_is_added_to_the_trims_before() -> None:
    found = identified(left_knee__gains=0.8, left_knee__offset=-0.05)
    before = {"left_knee.gains": 2.0, "left_knee.offset": 0.2}
    assert next_trims(HUMANOID, before, found, 1.0) == {
        "left_knee.gains": 2.5,
        "left_knee.offset": 0.15,
    }


def test_what_is_not_sure_or_small_is_left_alone() -> None:
    unsure = identified(0.5, left_knee__gains=0.5)
    small = identified(0.001, left_knee__gains=0.95, left_knee__offset=0.01)
    assert not next_trims(HUMANOID, {}, unsure, 3.0)
    assert not next_trims(HUMANOID, {}, small, 3.0)


def test_no_trim_leaves_its_bounds_and_ten_are_the_most() -> None:
    found = identified(
        0.001, **{f"{a.name}__gains": 0.1 for a in HUMANOID.actuators if a.stiffness}
    )
    trims = next_trims(HUMANOID, {}, found, 3.0)
    assert len(trims) == 10
    assert {*trims.values()} == {4.0}


def test_a_car_slows_down_by_what_simulation_found_for_its_grip() -> None:
    by_friction = ScaleByFriction(np.array([0.5, 1.0]), np.array([0.6, 1.0]))
    found = Identified({"friction": 0.8}, {"friction": 0.05})
    assert next_trims(CAR, {}, found, 3.0, by_friction) == {"drive.scale": 0.8}
    kept = ScaleByFriction.from_kit(by_friction.for_kit())
    assert kept is not None
    assert kept.at(0.75) == pytest.approx(by_friction.at(0.75))


def test_a_robot_whose_wear_is_undone_is_compared_with_a_new_one() -> None:
    contract = undone(HUMANOID, {"left_knee.gains": 2.5, "left_knee.offset": 0.2})
    knee = HUMANOID.joint_names.index("left_knee")
    assert contract.actuators[knee].stiffness == HUMANOID.actuators[knee].stiffness
    assert contract.actuators[knee].default == pytest.approx(0.8)


def test_an_identifier_is_kept_in_a_kit_and_a_damaged_one_refused() -> None:
    rng = np.random.default_rng(0)
    shapes = {"mean": 3, "deviation": 3, "weight_0": (4, 3), "bias_0": 4}
    arrays = {name: rng.normal(size=s).astype(np.float32) for name, s in shapes.items()}
    arrays |= {"weight_1": rng.normal(size=(2, 4)), "bias_1": np.zeros(2), "skip": np.ones((2, 3))}
    identifier = Identifier(("left_knee.gains", "payload"), np.array([0.1, 1.0]), arrays)
    kept = Identifier.from_kit(identifier.for_kit())
    assert kept is not None
    features = rng.normal(size=3)
    assert kept.identify(features) == identifier.identify(features)
    assert kept.identify(features).values["left_knee.gains"] > 0
    assert Identifier.from_kit({}) is None
    damaged = identifier.for_kit()
    del damaged["identifier/skip"]
    with pytest.raises(UserError, match="export the kit again"):
        Identifier.from_kit(damaged)
