"""Runs one simulation as a Gymnasium environment: a batch of one that does not reset itself."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from sim.envs.gymnasium_batch import GymnasiumBatch
from sim.renderer import Picture
from sim.tasks.protocols import BatchTask


class TaskEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """Runs a task, one simulation at a time; a copy, pickled or deep, goes on to the same bits.

    Args:
        task: what to simulate.
        render_mode: None, or "rgb_array" for frames without a screen.
        options: options of the batch, such as `engine`.

    Raises:
        UserError: one of them cannot be.
    """

    def __init__(self, task: BatchTask, render_mode: str | None = None, **options: Any) -> None:
        mode = AutoresetMode.DISABLED
        self._batch = GymnasiumBatch(
            task, threads=1, autoreset_mode=mode, render_mode=render_mode, **options
        )
        self._seeded = False
        self.observation_space = self._batch.single_observation_space
        self.action_space = self._batch.single_action_space
        names = ("render_modes", "render_fps")
        self.metadata = {name: self._batch.metadata[name] for name in names}
        self.render_mode = render_mode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts an episode, an unpredictable one without any seed so far; returns the observation,
        (n,), and no info."""
        super().reset(seed=seed)
        if seed is None and not self._seeded:
            seed = int(self.np_random.integers(2**31))
        observations, _ = self._batch.reset(seed=seed)
        self._seeded = True
        return observations[0], {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Advances by one control period.

        Args:
            action: (actuators,).

        Returns:
            The observation (n,), the reward, whether the episode ended for good, whether it was cut
            short, and the reward terms and metrics known by now.

        Raises:
            ValueError: the action is of another shape, or not finite.
            gymnasium.error.Error: the episode has ended, or the environment is closed.
        """
        observations, rewards, terminated, truncated, infos = self._batch.step([action])
        info = {name: float(value[0]) for name, value in infos.items() if not name.startswith("_")}
        return observations[0], float(rewards[0]), bool(terminated[0]), bool(truncated[0]), info

    def render(self) -> Picture | None:
        """Returns a picture of the present state, (480, 640, 3), if `render_mode` asks for one."""
        pictures = self._batch.render()
        return None if pictures is None else pictures[0]

    def close(self) -> None:
        """Ends the simulation."""
        self._batch.close()
