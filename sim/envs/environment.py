"""Runs one simulation as a Gymnasium environment: a batch of one that does not reset itself."""

from typing import Any

import gymnasium
import numpy as np

from sim.envs.make_batch import make_batch
from sim.renderer import Picture, Renderer
from sim.tasks.protocols import BatchTask


class TaskEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """Runs a task, one simulation at a time.

    Args:
        task: what to simulate.
        render_mode: None, or "rgb_array" for frames without a screen.
    """

    def __init__(self, task: BatchTask, render_mode: str | None = None) -> None:
        self._batch = make_batch(task, 1, threads=1)
        self._seeded = False
        self.observation_space = self._batch.single_observation_space
        self.action_space = self._batch.single_action_space
        self.metadata = {
            name: self._batch.metadata[name] for name in ("render_modes", "render_fps")
        }
        self.render_mode = render_mode
        self._renderer: Renderer | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts an episode; without any seed so far, an unpredictable one."""
        super().reset(seed=seed)
        if seed is None and not self._seeded:
            seed = int(self.np_random.integers(2**31))
        self._seeded = True
        observations, _ = self._batch.reset(seed=seed)
        return observations[0], {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Advances by one control period; info has reward terms and the metrics known by now."""
        batch = self._batch
        observations, rewards, terminated, truncated, final = batch.step(np.asarray(action)[None])
        ended = bool(terminated[0] or truncated[0])
        observation = final["final_obs"][0] if ended else observations[0]
        info = {f"reward_{name}": float(term[0]) for name, term in batch.reward_terms.items()}
        metrics = {name: float(value[0]) for name, value in batch.metrics.items()}
        info |= {name: value for name, value in metrics.items() if not np.isnan(value)}
        return observation, float(rewards[0]), bool(terminated[0]), bool(truncated[0]), info

    def render(self) -> Picture | None:
        """Returns a picture of the present state, (480, 640, 3), if `render_mode` asks for one."""
        if self.render_mode != "rgb_array":
            return None
        if self._renderer is None:
            self._renderer = Renderer(self._batch, 640, 480)
        return self._renderer.frame()

    def close(self) -> None:
        """Ends the simulation."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
        self._batch.close()
