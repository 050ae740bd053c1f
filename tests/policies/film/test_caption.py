import numpy as np
import pytest

from policies.film.caption import Caption, signed
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks import find_task


def watch(name: str, steps: int) -> tuple[TaskVectorEnv, Caption]:
    """The world after that many control periods of doing nothing, and a caption that saw them."""
    task = find_task(name)
    env = TaskVectorEnv(task.nominal(), 1, seed=0, threads=1)
    env.reset(seed=0)
    caption = Caption(task.commands, task.control_period, 480, 360, lines=2)
    for _ in range(steps):
        env.step(np.zeros(env.action_space.shape, np.float32))
        caption.watch(env.task)
    return env, caption


def test_a_walker_is_compared_with_its_command() -> None:
    env, caption = watch("HumanoidVelocity", 1)
    time, forward, lateral, yaw = caption.lines
    assert time == "0.0 s"
    asked, does = env.signals["command"][0], env.task.now.velocity[0]
    assert forward == f"forward {signed(does[0])} of {signed(asked[0])} m/s"
    assert lateral == f"lateral {signed(does[1])} of {signed(asked[1])} m/s"
    assert yaw == f"yaw rate {signed(env.task.now.yaw_rate[0])} of {signed(asked[2])} rad/s"


def test_numbers_do_not_flicker() -> None:
    env, caption = watch("HumanoidVelocity", 1)
    shown = caption.lines[1]
    env.task.now.velocity[0, 0] += 1.0
    caption.watch(env.task)
    before, after = (float(line.split()[1]) for line in (shown, caption.lines[1]))
    assert 0.0 < after - before < 0.1


def test_a_car_has_a_speed_and_a_lap() -> None:
    env, caption = watch("VehicleTrack", 10)
    time, speed, lap = caption.lines
    assert time == "0.4 s"
    assert speed == f"{3.6 * env.task.now.velocity[0, 0]:.0f} km/h"
    assert lap == f"lap 1, {100.0 * env.metrics['laps'][0]:.0f} %"
    env.task.travelled[:] = 1.25 * env.task.tracks.length[env.task.locator.track]
    caption.watch(env.task)
    assert caption.lines[2] == "lap 2, 25 %"


def test_there_is_no_minus_zero() -> None:
    assert [signed(x) for x in (-0.001, 0.5, -0.5)] == ["+0.00", "+0.50", "-0.50"]


def test_no_writing_covers_the_robot_however_long_it_is() -> None:
    _, caption = watch("VehicleTrack", 1)
    picture = np.full((360 - caption.height, 480, 3), 200, np.uint8)
    before = caption.write(picture)
    caption.verdict = "left the track at 8.2 s, after 41 % of the lap, on a wet patch " * 8
    after = caption.write(picture)
    assert before.shape == after.shape == (360, 480, 3)
    assert (after[: len(picture)] == picture).all()
    strip = (after[len(picture) :] != before[len(picture) :]).any(axis=2)
    assert strip.any() and not strip[:, 475:].any()
    caption.verdict = "x" * 200  # no word that it could be broken at
    assert caption.write(picture).shape == (360, 480, 3)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (160, 120), (320, 180), (1280, 720)])
def test_the_picture_keeps_most_of_the_film(width: int, height: int) -> None:
    commands = find_task("HumanoidVelocity").commands
    caption = Caption(commands, 0.02, width, height, title="walk", lines=2, events=2)
    assert caption.height <= max(0.4 * height, 44)
    picture = np.zeros((height - caption.height, width, 3), np.uint8)
    assert caption.write(picture).shape == (height, width, 3)


def test_a_reset_is_marked_for_a_while() -> None:
    env, caption = watch("HumanoidVelocity", 60)
    caption.mark("failed")
    caption.watch(env.task)
    assert caption.lines[-1] == "failed at 1.2 s; a new episode begins"
    for _ in range(120):
        caption.watch(env.task)
    assert "failed" not in caption.lines[-1]
