"""Environments and batches behave as Gymnasium's own: modes, infos, copies, refusals."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec, namespace
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import RecordEpisodeStatistics
from gymnasium.wrappers.vector import DictInfoToList

import sim  # noqa: F401  registers the tasks
from edge_runtime.errors import UserError
from policies.train.recipes import trainings
from sim.envs.arguments import check_arguments
from sim.envs.registration import id_of
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks import find_task

NAMES = ("HumanoidVelocity", "VehicleTrack", "Humanoid-v5")
IDS = [id_of(name) for name in NAMES]
# Episodes that end soon, by task.
SHORT: dict[str, dict[str, Any]] = {
    "HumanoidVelocity": {"episode_seconds": 0.14},
    "VehicleTrack": {"episode_seconds": 0.2},
    "Humanoid-v5": {"max_steps": 6},
}
MODES = (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP)


def test_there_is_an_id_for_all_that_can_be_trained() -> None:
    """Leaves out what other tests have registered."""
    ours = [name for name in trainings() if name in (*NAMES, "HumanoidGauntlet", "VehicleGauntlet")]
    assert len(ours) == 5
    for name in ours:
        env = gymnasium.make(f"sim:{id_of(name)}")
        check_env(env.unwrapped, skip_render_check=True)
        env.close()


def test_the_entry_point_registers_in_its_namespace() -> None:
    """As Gymnasium's releases that read it do."""
    before = set(gymnasium.registry)
    for point in entry_points(group="gymnasium.envs"):
        if point.dist and point.dist.name == "sim2edge":
            with namespace(point.name):
                point.load()()
                point.load()()
            break
    else:
        pytest.fail("sim2edge has no entry point in gymnasium.envs")
    assert set(gymnasium.registry) == before


def actions(env: Any, steps: int, rows: int, scale: float = 0.3) -> np.ndarray:
    rng = np.random.default_rng(5)
    shape = (steps, rows, *env.single_action_space.shape)
    return (scale * rng.standard_normal(shape)).astype(np.float32)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("task", NAMES)
@pytest.mark.parametrize("limit", [None, 4])
def test_one_simulation_is_what_sync_vector_env_makes_of_the_single_one(
    task: str, mode: AutoresetMode, limit: int | None
) -> None:
    """Step by step: observations, rewards, ends, infos and masks, over several episodes."""
    env_id, fields = id_of(task), SHORT[task]
    ours = gymnasium.make_vec(env_id, 1, autoreset_mode=mode, max_episode_steps=limit, **fields)
    theirs = SyncVectorEnv(
        [lambda: gymnasium.make(env_id, max_episode_steps=limit, **fields)], autoreset_mode=mode
    )
    assert ours.metadata["autoreset_mode"] is mode is theirs.metadata["autoreset_mode"]
    assert data_equivalence(ours.reset(seed=3), theirs.reset(seed=3))
    ends = 0
    for action in actions(ours, 40, 1):
        (*one, info), (*other, infos) = ours.step(action), theirs.step(action)
        for mine, sync in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine, sync)
        ends += int(one[2][0] or one[3][0])
        assert_same_infos(info, infos)
    assert ends >= 4
    ours.close()
    theirs.close()


def assert_same_infos(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """But for the critic's part, and for rows of `final_obs` that are not meant."""
    ours = {name: value for name, value in ours.items() if "final_privileged" not in name}
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        if isinstance(value, dict):
            assert_same_infos(ours[name], value)
        elif name == "final_obs":
            for row in np.flatnonzero(theirs["_final_obs"]):
                np.testing.assert_array_equal(ours[name][row], value[row])
        else:
            assert ours[name].dtype == value.dtype
            np.testing.assert_array_equal(ours[name], value)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("task", NAMES)
def test_a_batch_begins_each_episode_in_its_mode(task: str, mode: AutoresetMode) -> None:
    """Rows end at different times, so that some wait while others go on."""
    rows = 5
    envs = gymnasium.make_vec(id_of(task), rows, seed=1, autoreset_mode=mode, **SHORT[task])
    envs.reset(seed=2)
    envs.reset(options={"reset_mask": np.arange(rows) == 0})
    for action in actions(envs, 3, rows):
        envs.step(action)
    first = np.array([True, False, False, True, False])
    before = envs.step(actions(envs, 1, rows)[0])[0]
    after, _ = envs.reset(options={"reset_mask": first})
    np.testing.assert_array_equal(after[~first], before[~first])
    assert (after[first] != before[first]).any(axis=1).all()
    waiting, ends = np.zeros(rows, bool), 0
    for action in actions(envs, 30, rows):
        action[waiting] = np.nan  # nobody reads it
        if mode is AutoresetMode.SAME_STEP:
            action = np.nan_to_num(action)
        obs, rewards, terminated, truncated, infos = envs.step(action)
        done = terminated | truncated
        assert np.isfinite(obs).all()
        assert not done[waiting].any()
        assert not rewards[waiting].any()
        counted = ~done if mode is AutoresetMode.SAME_STEP else ~waiting
        terms = [name for name in infos if name.startswith("reward_")]
        if counted.any():
            assert terms
        for name in terms:
            np.testing.assert_array_equal(infos[f"_{name}"], counted)
            assert not infos[name][~counted].any()
        total = np.sum([infos[name] for name in terms], axis=0)
        np.testing.assert_allclose(rewards[counted], np.broadcast_to(total, rows)[counted], 1e-4)
        if mode is AutoresetMode.SAME_STEP and done.any():
            np.testing.assert_array_equal(infos["_final_obs"], done)
            np.testing.assert_array_equal(infos["_final_info"], done)
            final = infos["final_info"]
            masks = [final[f"_{name}"] for name in final if name.startswith("reward_")]
            assert masks and all(np.array_equal(mask, done) for mask in masks)
        elif mode is AutoresetMode.NEXT_STEP:
            assert "final_obs" not in infos
        waiting = done if mode is AutoresetMode.NEXT_STEP else waiting
        ends += int(done.sum())
    assert ends >= 8
    envs.close()


WRONG: dict[str, tuple[Any, ...]] = {
    "render_mode": ("human", "nope", "", 3, "ansi", "depth_array"),
    "engine": ("nope", "", 3),
    "estimates": ("nope", 3),
    "task": (None, 3),
    "no_such_setting": (1,),
}
WRONG_OF_BATCHES: dict[str, tuple[Any, ...]] = {
    "num_envs": (0, -1, 2.5, "3", None, True),
    "threads": (-1, "all", 1.5),
    "seed": (-1, "0", 0.5),
    "autoreset_mode": ("never", 3, None),
    "max_episode_steps": (0, -2, 2.5, "9", True),
}
WRONG_OF_TASKS: dict[str, dict[str, tuple[Any, ...]]] = {
    "HumanoidVelocity": {
        "episode_seconds": ("long", -1.0, np.nan, None, [1.0]),
        "control_period": (0.0, 0.0201, "fast"),
        "noise": (1, "yes"),
        "randomization": (3, {"nope": 1}, {"payload": (2.0, 1.0)}, find_task("VehicleTrack")),
        "rewards": ({"nope": 1.0}, 0.5),
        "terrain": ("flat", {"kinds": ("mud",)}),
    },
    "VehicleTrack": {"tracks": (0, 1.5, "many"), "lidar": (True, {"beams": 0}), "room": (-1,)},
    "Humanoid-v5": {"max_steps": (0, 0.5), "healthy_height": (1.0, (2.0, 1.0), (1.0,))},
}
REFUSED = [
    (make, name, key, value)
    for name in NAMES
    for make, kinds in (
        (gymnasium.make, {**WRONG, **WRONG_OF_TASKS[name]}),
        (gymnasium.make_vec, {**WRONG, **WRONG_OF_BATCHES, **WRONG_OF_TASKS[name]}),
    )
    for key, values in kinds.items()
    for value in values
]


@pytest.mark.parametrize(("make", "name", "key", "value"), REFUSED)
def test_a_wrong_value_is_refused_when_the_environment_is_made(
    make: Callable[..., Any], name: str, key: str, value: Any
) -> None:
    with pytest.raises(UserError) as refused:
        make(id_of(name), **{key: value})
    said = str(refused.value)
    assert "\n" not in said
    assert key.replace("_", "-") in said.replace("_", "-") or f"unknown fusion '{value}'" in said


@pytest.mark.parametrize("config", ["HumanoidVelocity", None, TaskVectorEnv, 3, {"task": "x"}])
def test_what_is_no_config_is_refused(config: Any) -> None:
    for make in (TaskVectorEnv, lambda task: check_arguments(task, 1, 0, 0)):
        with pytest.raises(UserError, match="no task's config"):
            make(config)


def test_settings_are_taken_as_numbers_tables_and_configs() -> None:
    task = find_task("HumanoidVelocity")
    same = find_task(
        "HumanoidVelocity",
        episode_seconds=np.float32(20),
        noise=np.bool_(True),
        randomization=task.randomization,
        terrain={},
    )
    assert same == task
    assert not find_task("VehicleTrack", randomization={"enabled": False}).randomization.enabled


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [0, 3])
def test_what_no_simulation_can_do_raises_gymnasiums_errors(name: str, rows: int) -> None:
    """`rows` 0 stands for the single environment, bare as its wrappers leave it."""
    env: Any = gymnasium.make_vec(id_of(name), rows) if rows else gymnasium.make(id_of(name))
    bare = env.unwrapped
    good = np.zeros(env.action_space.shape, np.float32)
    with pytest.raises(ResetNeeded):
        bare.step(good)
    for seed in (-1, "a", 0.5, [1] * 9):
        with pytest.raises((ValueError, gymnasium.error.Error)):
            bare.reset(seed=seed)
    bare.reset(seed=1)
    broken = good.copy()
    for value in (np.nan, np.inf, -np.inf):
        broken[(-1,) * broken.ndim] = value
        with pytest.raises(ValueError, match=f"environment {max(rows - 1, 0)} .*not finite"):
            bare.step(broken)
    for wrong in (good[..., :-1], good[None], good.ravel()[0], "left", None, [[1], [2, 3]]):
        with pytest.raises(ValueError, match="must"):
            bare.step(wrong)
    if rows:
        for mask in ([True] * rows, np.ones(rows), np.ones(rows + 1, bool), np.zeros(rows, bool)):
            with pytest.raises(ValueError, match="reset_mask"):
                bare.reset(options={"reset_mask": mask})
    rewards = bare.step(good)[1]
    assert np.isfinite(rewards).all()
    env.close()
    env.close()
    for call in (lambda: bare.step(good), bare.reset, bare.render):
        with pytest.raises(ClosedEnvironmentError):
            call()


@pytest.mark.parametrize("name", NAMES)
def test_an_episode_that_ended_is_not_gone_on_with(name: str) -> None:
    env = gymnasium.make(id_of(name), **SHORT[name])
    env.reset(seed=0)
    action = np.zeros(env.action_space.shape, np.float32)
    while not any(env.step(action)[2:4]):
        pass
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(action)
    batch = gymnasium.make_vec(id_of(name), 2, autoreset_mode="Disabled", **SHORT[name])
    batch.reset(seed=0)
    done = np.zeros(2, bool)
    while not done.any():
        _, _, terminated, truncated, _ = batch.step([action] * 2)
        done = terminated | truncated
    with pytest.raises(ResetNeeded):
        batch.step([action] * 2)
    batch.reset(options={"reset_mask": done})
    batch.step([action] * 2)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [0, 3])
def test_a_copy_goes_on_to_the_same_bits(
    name: str, rows: int, copied: Callable[[Any], Any]
) -> None:
    """Over the ends of episodes, beside the original, which does not notice."""
    env: Any
    if rows:
        env = gymnasium.make_vec(id_of(name), rows, autoreset_mode="NEXT_STEP", **SHORT[name])
    else:
        env = gymnasium.make(id_of(name), **SHORT[name])
    fresh = copied(env)
    with pytest.raises(ResetNeeded):
        fresh.unwrapped.step(np.zeros(env.action_space.shape))
    env.reset(seed=4)
    env.action_space.seed(0)
    for _ in range(3):
        env.step(env.action_space.sample())
    other = copied(env)
    assert other.spec == env.spec
    given = [env.action_space.sample() for _ in range(20)]
    for one, two in zip(played(env, given), played(other, given), strict=True):
        assert data_equivalence(one, two, exact=True)
    env.close()
    closed = copied(env)
    with pytest.raises(ClosedEnvironmentError):
        closed.unwrapped.step(given[0])
    other.close()


def played(env: Any, given: list[np.ndarray]) -> list[Any]:
    steps = []
    for action in given:
        steps.append(env.step(action))
        if isinstance(env, gymnasium.Env) and any(steps[-1][2:4]):
            steps.append(env.reset())
    return steps


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_makes_the_same_again(name: str) -> None:
    for make, arguments in (
        (gymnasium.make, {}),
        (gymnasium.make, {"render_mode": "rgb_array_list"}),
        (gymnasium.make_vec, {"num_envs": 3, "autoreset_mode": "NEXT_STEP", "seed": 5}),
    ):
        env = make(id_of(name), **arguments, **SHORT[name])
        for spec in (
            env.spec,
            copy.deepcopy(env.spec),
            pickle.loads(pickle.dumps(env.spec)),
            EnvSpec.from_json(env.spec.to_json()),
        ):
            again = make(spec)
            assert again.spec == env.spec
            assert again.metadata == env.metadata
            again.close()
        env.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_simulation_without_a_seed_among_others_with_one_is_drawn(name: str) -> None:
    envs = gymnasium.make_vec(id_of(name), 2)
    drawn = [envs.reset(seed=[1, None])[0] for _ in range(2)]
    known = [envs.reset(seed=[1, 5])[0] for _ in range(2)]
    envs.close()
    assert np.array_equal(*known)
    assert not np.array_equal(*drawn)


@pytest.mark.parametrize("name", NAMES)
def test_max_episode_steps_and_pictures_of_a_batch(name: str) -> None:
    envs = gymnasium.make_vec(id_of(name), 2, render_mode="rgb_array", max_episode_steps=3)
    assert envs.render_mode == "rgb_array"
    envs.reset(seed=0)
    ends = [envs.step(np.zeros(envs.action_space.shape))[3] for _ in range(6)]
    assert [bool(cut.all()) for cut in ends] == [False, False, True] * 2
    pictures = envs.render()
    assert pictures is not None and len(pictures) == 2
    assert all(picture.shape == (480, 640, 3) and picture.std() > 10 for picture in pictures)
    envs.close()
    longer = gymnasium.make_vec(id_of(name), 1, max_episode_steps=10**6, **SHORT[name])
    own = gymnasium.make_vec(id_of(name), 1, max_episode_steps=-1, **SHORT[name])
    assert longer.max_steps == own.max_steps < 11
    assert longer.render() is None


def test_the_modes_can_be_named() -> None:
    for mode in AutoresetMode:
        for given in (mode, mode.name, mode.value):
            envs = gymnasium.make_vec(IDS[2], 1, autoreset_mode=given)
            assert envs.metadata["autoreset_mode"] is mode


def test_a_batch_without_a_seed_differs_each_time() -> None:
    first, second = (gymnasium.make_vec(IDS[2], 2).reset()[0] for _ in range(2))
    assert not np.array_equal(first, second)
    first, second = (gymnasium.make_vec(IDS[2], 2, seed=7).reset()[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    envs = gymnasium.make_vec(IDS[2], 2)
    envs.reset(seed=3)
    assert envs.np_random_seed == 3


@pytest.mark.parametrize("name", NAMES)
def test_infos_can_be_taken_apart_by_gymnasiums_wrapper(name: str) -> None:
    envs = DictInfoToList(gymnasium.make_vec(id_of(name), 2, **SHORT[name]))
    envs.reset(seed=0)
    infos: Any = [{}, {}]
    while "final_info" not in infos[0]:
        *_, infos = envs.step(np.zeros(envs.action_space.shape))
    assert any(key.startswith("reward_") for key in infos[0]["final_info"])


def test_all_frames_since_the_last_call() -> None:
    env = gymnasium.make(IDS[1], render_mode="rgb_array_list")
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.zeros(2, np.float32))
    frames: Any = env.render()
    assert len(frames) == 4 and frames[0].shape == (480, 640, 3)
    env.close()


ENDS = ["", "env.close()", "env = None", "raise SystemExit(0)"]
# Imports all once, and becomes a program of its own for each end, which draws.
PROGRAMS = f"""
import os, gymnasium
gymnasium.make('sim:{IDS[1]}').close()
for end in {ENDS!r}:
    child = os.fork()
    if not child:
        break
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(end, code, flush=True)
else:
    raise SystemExit
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        "make('sim:{}', render_mode='rgb_array')",
        pytest.param("make_vec('sim:{}', 2, render_mode='rgb_array')", marks=pytest.mark.slow),
    ],
)
def test_a_program_that_rendered_ends_without_a_word(make: str) -> None:
    program = f"env = gymnasium.{make.format(IDS[1])}; env.reset(); env.render(); exec(end)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{PROGRAMS}\n{program}"],
        capture_output=True,
        text=True,
    )
    said = "".join(f"{end} 0\n" for end in ENDS)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", said)


def test_record_video_has_what_it_needs(tmp_path: Path) -> None:
    project = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert '"moviepy' in project.partition("\nsim = [")[2].partition("\n]")[0]
    pytest.importorskip("moviepy")
    env = gymnasium.wrappers.RecordVideo(
        gymnasium.make(IDS[1], render_mode="rgb_array", **SHORT["VehicleTrack"]), str(tmp_path)
    )
    env = RecordEpisodeStatistics(env)
    env.reset(seed=0)
    while not any(env.step(np.zeros(2, np.float32))[2:4]):
        pass
    env.close()
    assert list(tmp_path.glob("*.mp4"))


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_gymnasiums_own_vectorizers_take_the_ids(mode: str) -> None:
    envs = gymnasium.make_vec(f"sim:{IDS[1]}", 2, vectorization_mode=mode)
    obs, _ = envs.reset(seed=0)
    assert envs.observation_space.contains(obs)
    envs.step(np.zeros(envs.action_space.shape, np.float32))
    envs.close()
