import numpy as np
import pytest

from edge_runtime.errors import UserError
from sim.envs.vector_env import TaskVectorEnv
from sim.renderer import FOLLOW_CAMERAS, Renderer
from sim.tasks import find_task

WIDTH, HEIGHT = 160, 120


def make(task: str = "HumanoidVelocity", rows: int = 2) -> TaskVectorEnv:
    env = TaskVectorEnv(find_task(task).nominal(), rows, threads=1)
    env.reset(seed=0)
    return env


def picture(env: TaskVectorEnv, camera: str = "", sim: int = 0, **options: bool) -> np.ndarray:
    renderer = Renderer(env, WIDTH, HEIGHT, camera, **options)
    drawn = renderer.frame(sim).astype(int)
    renderer.close()
    return drawn


@pytest.mark.parametrize("camera", [*FOLLOW_CAMERAS, "head"])
def test_every_camera_gives_a_picture(camera: str) -> None:
    drawn = picture(make(), camera)
    assert drawn.shape == (HEIGHT, WIDTH, 3)
    assert drawn.std() > 10


def test_a_following_camera_goes_along() -> None:
    env = make()
    renderer = Renderer(env, WIDTH, HEIGHT, "follow")
    before = renderer.frame().astype(int)
    env.engine.qpos[0, 0] += 4.0  # a leap of whole tiles: it follows with inertia
    assert np.abs(before - renderer.frame()).mean() > 2.0
    assert np.abs(before - renderer.frame(skipped=500)).mean() < 2.0


def test_floor_and_shadow_go_along() -> None:
    env = make()
    near = picture(env, "above")
    env.engine.qpos[0, :2] += 400.0, -12.0
    assert np.abs(near - picture(env, "above")).mean() < 2.0


def test_each_simulation_is_drawn_as_it_is() -> None:
    env = make("VehicleTrack")
    assert env.scene_key(0) != env.scene_key(1)
    renderer = Renderer(env, WIDTH, HEIGHT)
    first, second = renderer.frame(0).astype(int), renderer.frame(1).astype(int)
    assert np.abs(first - second).mean() > 5.0
    renderer.close()
    np.testing.assert_array_equal(picture(env, sim=1), second)


def test_contacts_can_be_drawn() -> None:
    env = make()
    standing = np.zeros((2, *env.single_action_space.shape), np.float32)
    for _ in range(10):
        env.step(standing)
    plain, marked = picture(env), picture(env, contacts=True)
    assert np.abs(plain - marked).max() > 50


def test_an_unknown_camera_is_named_beside_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"no camera 'nowhere'; there are .*follow.*head"):
        Renderer(make(), WIDTH, HEIGHT, "nowhere")


@pytest.mark.parametrize("kind", ["nothing", "osmesa"])
def test_missing_graphics_are_a_users_error(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import ctypes.util

    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    monkeypatch.setenv("MUJOCO_GL", kind)
    with pytest.raises(UserError, match="cannot render on this machine"):
        Renderer(make(), WIDTH, HEIGHT)
