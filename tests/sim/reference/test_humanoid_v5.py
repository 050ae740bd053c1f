"""The reference task against Gymnasium's own."""

import gymnasium
import numpy as np

from sim.reference.humanoid_v5 import HumanoidV5, HumanoidV5VectorEnv

TOLERANCE = 1e-9


def last_observation(observation: np.ndarray, info: dict[str, np.ndarray], row: int) -> np.ndarray:
    ended = "_final_obs" in info and info["_final_obs"][row]
    last: np.ndarray = info["final_obs"][row] if ended else observation[row]
    return last


def test_equal_to_gymnasium_over_1000_steps() -> None:
    """Same seed, same actions: observations, rewards, ends, and the episodes that follow."""
    reference = gymnasium.make("Humanoid-v5")
    env = HumanoidV5VectorEnv(HumanoidV5(), 1)
    assert env.single_observation_space == reference.observation_space
    assert env.single_action_space == reference.action_space
    expected, _ = reference.reset(seed=5)
    observed, _ = env.reset(seed=5)
    np.testing.assert_allclose(observed[0], expected, rtol=0, atol=TOLERANCE)
    rng = np.random.default_rng(0)
    episodes = 0
    for _ in range(1000):
        action = rng.uniform(-0.4, 0.4, 17).astype(np.float32)
        expected, reward, terminated, truncated, info = reference.step(action)
        observed, rewards, ends, cuts, infos = env.step(action[None])
        last = last_observation(observed, infos, 0)
        np.testing.assert_allclose(last, expected, rtol=0, atol=TOLERANCE)
        assert abs(rewards[0] - reward) < TOLERANCE
        assert (ends[0], cuts[0]) == (terminated, truncated)
        for term in ("survive", "forward", "ctrl", "contact"):
            assert abs(env.reward_terms[term][0] - info[f"reward_{term}"]) < TOLERANCE
        if terminated or truncated:
            episodes += 1
            expected, _ = reference.reset()
            np.testing.assert_allclose(observed[0], expected, rtol=0, atol=TOLERANCE)
    assert episodes > 20


def test_an_unended_episode_is_cut_like_gymnasiums() -> None:
    """Limits switched off, so that the body lies on the ground in many contacts until the cut."""
    limits = (-np.inf, np.inf)
    reference = gymnasium.make("Humanoid-v5", healthy_z_range=limits, max_episode_steps=200)
    env = HumanoidV5VectorEnv(HumanoidV5(healthy_height=limits, max_steps=200), 1)
    reference.reset(seed=1)
    env.reset(seed=1)
    rng = np.random.default_rng(1)
    for step in range(1, 201):
        action = rng.uniform(-0.4, 0.4, 17).astype(np.float32)
        expected, reward, _, truncated, _ = reference.step(action)
        observed, rewards, _, cuts, infos = env.step(action[None])
        last = last_observation(observed, infos, 0)
        np.testing.assert_allclose(last, expected, rtol=0, atol=TOLERANCE)
        assert abs(rewards[0] - reward) < TOLERANCE
        assert cuts[0] == truncated == (step == 200)


def test_rows_do_not_know_of_each_other() -> None:
    """A row among many, put into Gymnasium's state, goes on as Gymnasium does."""
    reference = gymnasium.make("Humanoid-v5").unwrapped
    env = HumanoidV5VectorEnv(HumanoidV5(), 8, seed=3, threads=2)
    reference.reset(seed=0)
    row, rng = 5, np.random.default_rng(2)
    reference.set_state(env.engine.qpos[row].copy(), env.engine.qvel[row].copy())
    for _ in range(10):
        actions = rng.uniform(-0.4, 0.4, (8, 17)).astype(np.float32)
        expected, reward, *_ = reference.step(actions[row])
        observed, rewards, ends, *_ = env.step(actions)
        assert not ends[row]
        np.testing.assert_allclose(observed[row], expected, rtol=0, atol=TOLERANCE)
        assert abs(rewards[row] - reward) < TOLERANCE


def test_going_on_from_a_state_is_bit_equal() -> None:
    rng = np.random.default_rng(0)
    actions = rng.uniform(-0.4, 0.4, (60, 4, 17)).astype(np.float32)
    env = HumanoidV5VectorEnv(HumanoidV5(), 4, seed=1, stagger=True)
    for action in actions[:30]:
        env.step(action)
    state = env.state()
    expected = [env.step(action) for action in actions[30:]]
    other = HumanoidV5VectorEnv(HumanoidV5(), 4, seed=9)
    other.restore(state)
    for action, (observation, reward, terminated, truncated, _) in zip(actions[30:], expected):
        again = other.step(action)
        np.testing.assert_array_equal(again[0], observation)
        np.testing.assert_array_equal(again[1], reward)
        np.testing.assert_array_equal(again[2] | again[3], terminated | truncated)


def test_a_seed_gives_the_same_and_another_seed_other_episodes() -> None:
    first, second = (HumanoidV5VectorEnv(HumanoidV5(), 3, seed=s) for s in (4, 5))
    start, _ = first.reset(seed=7)
    again, _ = second.reset(seed=7)
    other, _ = second.reset(seed=8)
    np.testing.assert_array_equal(start, again)
    assert not np.array_equal(start, other)
