"""Numbers that no simulation can have are refused by the option that sets them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from math import inf, nan
from typing import Any

import pytest

from edge_runtime.config.fields import Range, check, described, setting
from edge_runtime.errors import UserError
from sim.envs.make_batch import make_batch
from sim.tasks import find_task
from sim.tasks.walking.config import HumanoidVelocity


def changed(config: Any, path: str, value: Any) -> Any:
    """The config with one field, by its dotted path, set."""
    name, _, inner = path.partition(".")
    return replace(
        config, **{name: changed(getattr(config, name), inner, value) if inner else value}
    )


WALK, DRIVE, REFERENCE = "HumanoidVelocity", "VehicleTrack", "Humanoid-v5"


@pytest.mark.parametrize(
    ("task", "path", "value", "words"),
    [
        (WALK, "gait_steps", 0, "must be positive"),
        (WALK, "history", 0, "must be positive"),
        (WALK, "episode_seconds", -1.0, "must be positive"),
        (WALK, "episode_seconds", 0.01, "shorter than one control period, 0.02 s"),
        (WALK, "episode_seconds", float("inf"), "must be finite"),
        (WALK, "control_period", 0.0, "must be positive"),
        (WALK, "control_period", 0.023, "take 0.02 or 0.025"),
        (WALK, "command.forward", (1.0, -0.4), "1 -0.4 is no range"),
        (WALK, "command.interval", (0.0, 1.0), "must be positive"),
        (WALK, "pushes.interval", (8.0, 4.0), "8 4 is no range"),
        (WALK, "errors.joint_pos.std", -0.1, "must not be negative"),
        (WALK, "randomization.mass", (0.0, 1.0), "must be positive"),
        (WALK, "randomization.friction", (-0.1, 1.0), "must not be negative"),
        (WALK, "randomization.action_delay", (0.0, 0.03), "reaches 0.03 s"),
        (DRIVE, "tracks", 0, "must be positive"),
        (DRIVE, "track_seed", -1, "must not be negative"),
        (DRIVE, "track.width", (float("nan"), 5.0), "must be a number"),
        (DRIVE, "control_period", 0.0411, "no whole multiple of the physics period"),
        (DRIVE, "start_speed", (6.0, 0.0), "6 0 is no range"),
        (DRIVE, "lidar.beams", 0, "must be positive"),
        (DRIVE, "gnss.white", -1.0, "must not be negative"),
        (REFERENCE, "frame_skip", 0, "must be positive"),
        (REFERENCE, "healthy_height", (2.0, 1.0), "2 1 is no range"),
    ],
)
def test_a_number_that_cannot_be_is_one_line_that_names_its_flag(
    task: str, path: str, value: Any, words: str
) -> None:
    config = changed(find_task(task), path, value)
    with pytest.raises(UserError) as error:
        make_batch(config, 1, threads=1)
    message = str(error.value)
    assert message.startswith("--task." + path.replace("_", "-") + " ")
    assert words in message
    assert "\n" not in message


def test_a_delay_without_randomization_is_no_matter() -> None:
    config = changed(HumanoidVelocity().nominal(), "randomization.action_delay", (0.0, 0.03))
    make_batch(config, 1, threads=1)


def test_a_control_period_holds_a_physics_step() -> None:
    with pytest.raises(UserError, match=r"^--task.control-period 0.002 .*; take 0.005 or 0.01$"):
        make_batch(changed(HumanoidVelocity().nominal(), "control_period", 0.002), 1, threads=1)


def test_an_interval_may_be_one_number() -> None:
    config = changed(find_task(WALK), "command.interval", (0.1, 0.1))
    env = make_batch(changed(config, "pushes.interval", (0.1, 0.1)), 1, threads=1)
    env.reset(seed=0)


@dataclass(frozen=True)
class Joint:
    name: str = ""
    reach: Range = setting((-inf, inf), unit="rad", infinite=True)
    share: float = setting(0.5, "Share of the load.", above=0, at_most=1)


@dataclass(frozen=True)
class Limb:
    joints: tuple[Joint, ...] = ()
    sizes: tuple[int, ...] = setting((4, 2), unit="m", at_least=2)
    """How large each
    part is."""
    seconds: float = setting(1.0, unit="s", at_least=0.5, at_most=2**31)


@pytest.mark.parametrize(
    ("limb", "message"),
    [
        (
            Limb((Joint(), Joint("knee", share=0.0))),
            r"joints[knee].share is 0; it must be",
        ),
        (Limb((Joint("hip", (1.0, -inf)),)), "joints[hip].reach 1 -inf is no range"),
        (Limb(sizes=(4, 1)), "sizes is 1 m; it must be at least 2 m"),
        (Limb(sizes=()), "sizes is empty; give one number at least, at least 2"),
        (Limb(seconds=0.1), "seconds is 0.1 s; it must be from 0.5 to 2147483648 s"),
    ],
)
def test_a_message_names_the_key_and_its_bounds(limb: Limb, message: str) -> None:
    with pytest.raises(UserError) as error:
        check(limb, "limb.toml: ")
    assert str(error.value).startswith(f"limb.toml: {message}")


def test_infinity_may_be_allowed_and_a_list_is_no_range() -> None:
    check(Limb((Joint(),), sizes=(9, 2)), "")


def test_a_description_has_sentence_bounds_and_unit() -> None:
    sentences = [described(Limb, of) for of in fields(Limb)]
    assert sentences == ["", "How large each part is. At least 2 m.", "From 0.5 to 2147483648 s."]
    assert described(Joint, fields(Joint)[2]) == "Share of the load. Above 0 and at most 1."


@dataclass(frozen=True)
class Deep:
    named: Mapping[str, float] = field(default_factory=dict)
    pairs: tuple[tuple[float, float], ...] = ()
    mixed: tuple[str | float, ...] = ()
    seed: int = setting(0, at_least=0)


@pytest.mark.parametrize(
    ("deep", "message"),
    [
        (Deep({"a": 1.0, "b": nan}), "named.b must be a number"),
        (Deep(pairs=((0.0, 1.0), (nan, 1.0))), "pairs[1] must be a number"),
        (Deep(mixed=("a", nan)), "mixed[1] must be a number"),
        (Deep({"a": inf}), "named.a must be finite"),
        (Deep(seed=10**400), "seed has too many digits"),
    ],
)
def test_numbers_are_checked_wherever_they_are(deep: Deep, message: str) -> None:
    with pytest.raises(UserError) as error:
        check(deep, "--")
    assert str(error.value).startswith(f"--{message}")
    check(Deep({"a": 1.0}, ((2.0, 1.0),), ("a", 3.0), 2**63 - 1), "--")


@dataclass(frozen=True)
class LongLimb(Limb):
    """A limb of another package, with defaults of its own."""

    sizes: tuple[int, ...] = (9, 8)
    seconds: float = 2.0
    """How long it takes."""


def test_a_field_with_another_default_keeps_what_is_declared_of_it() -> None:
    with pytest.raises(UserError, match="x: seconds is 0.1 s; it must be from 0.5"):
        check(LongLimb(seconds=0.1), "x: ")
    assert [described(LongLimb, of) for of in fields(LongLimb)][1:] == [
        "How large each part is. At least 2 m.",
        "How long it takes. From 0.5 to 2147483648 s.",
    ]
