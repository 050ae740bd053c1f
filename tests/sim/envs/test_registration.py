"""The tasks through Gymnasium's front door, under Gymnasium's own checkers."""

import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.utils.env_match import check_environments_match
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from edge_runtime.errors import UserError
from sim.envs.registration import id_of
from sim.tasks import TASKS

NAMES = [id_of(task) for task in TASKS]


@pytest.mark.parametrize("name", NAMES)
def test_gymnasiums_checker_passes(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*A Box (action|observation) space.*")
        warnings.filterwarnings("ignore", message=".*recommend using a symmetric.*")
        check_env(gymnasium.make(name).unwrapped)


def test_gymnasium_finds_its_own_humanoid_in_ours() -> None:
    """Spaces, observations and ends; rewards are of another type, and compared elsewhere."""
    ours, reference = gymnasium.make("sim2edge/Humanoid-v5"), gymnasium.make("Humanoid-v5")
    check_environments_match(reference, ours, num_steps=300, skip_rew=True, info_comparison="skip")


@pytest.mark.parametrize("name", NAMES)
def test_make_vec_gives_the_native_batch(name: str) -> None:
    env = gymnasium.make_vec(name, num_envs=5, threads=1)
    single = gymnasium.make(name)
    assert env.num_envs == 5
    assert env.metadata["autoreset_mode"] is gymnasium.vector.AutoresetMode.SAME_STEP
    assert env.single_observation_space == single.observation_space
    assert env.single_action_space == single.action_space
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(40)]
    first, second = (_episode(env, actions) for _ in range(2))
    for one, other in zip(first, second):
        assert data_equivalence(one, other, exact=True)


def _episode(env: gymnasium.vector.VectorEnv, actions: list[np.ndarray]) -> list[tuple]:
    observations, info = env.reset(seed=3)
    assert env.observation_space.contains(observations)
    steps: list[tuple] = [(observations, info)]
    for action in actions:
        observations, rewards, terminated, truncated, info = env.step(action)
        assert env.observation_space.contains(observations)
        assert rewards.shape == terminated.shape == truncated.shape == (env.num_envs,)
        assert terminated.dtype == truncated.dtype == np.bool_
        assert not (terminated & truncated).any()
        done = terminated | truncated
        if done.any():
            np.testing.assert_array_equal(info["_final_obs"], done)
            assert env.observation_space.contains(info["final_obs"])
        steps.append((observations, rewards, terminated, truncated, info))
    return steps


def test_gymnasiums_episode_statistics_see_the_episodes() -> None:
    env = RecordEpisodeStatistics(gymnasium.make_vec("sim2edge/Humanoid-v5", num_envs=4))
    env.reset(seed=0)
    env.action_space.seed(0)
    lengths = []
    for _ in range(120):
        *_, info = env.step(env.action_space.sample())
        if "episode" in info:
            lengths += list(info["episode"]["l"][info["_episode"]])
    assert len(lengths) >= 8
    assert 10 < np.mean(lengths) < 60


def test_fields_of_the_task_can_be_set() -> None:
    env = gymnasium.make("sim2edge/HumanoidVelocity-v0", episode_seconds=0.1)
    env.reset(seed=0)
    cuts = [env.step(np.zeros(env.action_space.shape, np.float32))[3] for _ in range(5)]
    assert cuts == [False] * 4 + [True]
    with pytest.raises(UserError, match="no setting .no_such_field."):
        gymnasium.make("sim2edge/VehicleTrack-v0", no_such_field=1)


@pytest.mark.parametrize("name", NAMES)
def test_pictures_without_a_screen(name: str) -> None:
    env = gymnasium.make(name, render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert picture.shape == (480, 640, 3)
    assert picture.std() > 10
    for _ in range(5):
        env.step(env.action_space.sample())
    assert not np.array_equal(env.render(), picture)
    env.close()


def test_unseeded_episodes_differ() -> None:
    first, second = (gymnasium.make("sim2edge/VehicleTrack-v0").reset()[0] for _ in range(2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    "how",
    [
        "gymnasium.make('sim:sim2edge/Humanoid-v5')",
        "[point.load()() for point in entry_points(group='gymnasium.envs')]",
    ],
)
def test_a_program_that_knows_only_gymnasium_finds_the_tasks(how: str) -> None:
    program = f"import gymnasium; from importlib.metadata import entry_points; {how}; "
    program += "assert 'sim2edge/VehicleTrack-v0' in gymnasium.registry"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_registering_loads_no_simulator() -> None:
    program = "import sys, sim; assert not {'mujoco', 'numba'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
