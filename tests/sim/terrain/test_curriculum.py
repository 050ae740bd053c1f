"""Levels follow the distance walked."""

import numpy as np
import pytest

from sim.terrain.curriculum import Curriculum

ROWS = np.arange(4)


def episode(
    curriculum: Curriculum, share: float, speed: float = 0.5, seconds: float = 10.0
) -> None:
    """All robots walk this share of what they are asked, forwards."""
    asked = np.tile([speed, 0.0], (4, 1))
    for _ in range(round(seconds / 0.02)):
        curriculum.add(asked, share * asked, 0.02)


def made(climbs: bool = True, levels: int = 3) -> Curriculum:
    return Curriculum(4, 2, levels, climbs, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("share", "fallen", "change"),
    [
        (1.0, False, 1),
        (0.85, False, 1),
        (0.7, False, 0),
        (0.3, False, -1),
        (-1.0, False, -1),
        (1.0, True, -1),
    ],
)
def test_walking_raises_the_level_and_falling_or_lagging_lowers_it(
    share: float, fallen: bool, change: int
) -> None:
    curriculum = made()
    curriculum.level[:] = 1
    episode(curriculum, share)
    curriculum.advance(ROWS, np.full(4, fallen))
    assert (curriculum.level == 1 + change).all()


def test_an_episode_of_standing_changes_no_level() -> None:
    curriculum = made()
    curriculum.level[:] = 1
    episode(curriculum, 0.0, speed=0.05)
    curriculum.advance(ROWS, np.zeros(4, bool))
    assert (curriculum.level == 1).all()


def test_the_first_level_is_the_lowest() -> None:
    curriculum = made()
    curriculum.advance(ROWS, np.ones(4, bool))
    assert (curriculum.level == 0).all()


def test_a_robot_that_mastered_the_last_level_continues_on_any() -> None:
    seen = set()
    for _ in range(20):
        curriculum = made(levels=3)
        curriculum._rng = np.random.default_rng(len(seen) + 1)
        curriculum.level[:] = 2
        episode(curriculum, 1.0, seconds=3.0)
        curriculum.advance(ROWS, np.zeros(4, bool))
        seen |= {*curriculum.level.tolist()}
    assert seen == {0, 1, 2}


def test_each_episode_counts_alone_and_each_robot_for_itself() -> None:
    curriculum = made()
    episode(curriculum, 1.0)
    curriculum.advance(ROWS[:2], np.zeros(2, bool))
    assert curriculum.level.tolist() == [1, 1, 0, 0]
    curriculum.advance(ROWS[:2], np.zeros(2, bool))  # nothing was asked since
    assert curriculum.level.tolist() == [1, 1, 0, 0]


def test_without_a_curriculum_levels_are_drawn_evenly() -> None:
    curriculum = Curriculum(3000, 1, 5, False, np.random.default_rng(0))
    curriculum.advance(np.arange(3000), np.ones(3000, bool))
    assert (np.bincount(curriculum.level, minlength=5) > 500).all()


def test_kinds_take_turns() -> None:
    assert made().kind.tolist() == [0, 1, 0, 1]
