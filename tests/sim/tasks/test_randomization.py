"""Each named range reaches the physics, and nothing else does."""

from dataclasses import fields, replace

import numpy as np
import pytest

from sim.envs.vector_env import TaskVectorEnv
from sim.tasks.randomization import DomainRandomization
from sim.tasks.walking.config import HumanoidVelocity

OFF = DomainRandomization(
    mass=(1, 1),
    payload=(0, 0),
    centre_of_mass=(0, 0),
    friction=(0.9, 0.9),
    motor_strength=(1, 1),
    stiffness=(1, 1),
    damping=(1, 1),
    action_delay=(0, 0),
)


def environment(ranges: DomainRandomization, rows: int = 8) -> TaskVectorEnv:
    return TaskVectorEnv(replace(HumanoidVelocity(), randomization=ranges), rows, threads=1)


def physics(env: TaskVectorEnv) -> dict[str, np.ndarray]:
    field = env.engine.field
    torso = env.engine.model.body("torso").id
    pelvis = env.engine.model.body("pelvis").id
    return {
        "mass": field("body_mass")[:, pelvis],
        "payload": field("body_mass")[:, torso],
        "centre_of_mass": field("body_ipos")[:, torso, 0],
        "friction": field("geom_friction")[:, 0, 0],
        "motor_strength": env.actuators.strength[:, 0],
        "stiffness": field("actuator_gainprm")[:, 0, 0],
        "damping": field("actuator_biasprm")[:, 0, 2],
        "action_delay": env.actuators.delay,
    }


def test_every_range_is_listed_here() -> None:
    names = {f.name for f in fields(DomainRandomization)} - {"enabled"}
    assert names == set(physics(environment(OFF, rows=1)))


def test_closed_ranges_leave_the_model_as_it_is() -> None:
    env = environment(OFF)
    for name, values in physics(env).items():
        assert np.ptp(values) == 0, name
    np.testing.assert_allclose(env.engine.field("body_mass")[0], env.engine.model.body_mass)


@pytest.mark.parametrize("name", [f.name for f in fields(OFF) if f.name != "enabled"])
def test_an_open_range_varies_its_own_field(name: str) -> None:
    opened = replace(OFF, **{name: getattr(DomainRandomization(), name)})
    env = environment(opened)
    for field, values in physics(env).items():
        # Every body's mass scales, the torso's too.
        affected = field == name or (name == "mass" and field == "payload")
        assert (np.ptp(values) > 0) == affected, field


def test_a_new_episode_draws_a_new_robot() -> None:
    env = environment(DomainRandomization())
    before = physics(env)["mass"].copy()
    env.reset()
    assert not np.isclose(physics(env)["mass"], before).any()


def test_friction_of_the_ground_is_what_the_foot_feels() -> None:
    """On ice a pushed robot slides, although its soles would grip."""
    drift = []
    for friction in (0.02, 0.9):
        env = environment(replace(OFF, friction=(friction, friction)), rows=1)
        start = env.engine.sensor("left_foot_position")[0, 0]
        pelvis = env.engine.model.body("pelvis").id
        env.engine.external_force[0, pelvis, 0] = 40.0
        for _ in range(15):
            env.step(np.zeros((1, 19)))
        drift.append(env.engine.sensor("left_foot_position")[0, 0] - start)
    assert abs(drift[0]) > 2 * abs(drift[1])
