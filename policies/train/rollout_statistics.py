"""Measures a training run: returns, survival, reward terms and metrics."""

from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.tasks.protocols import BatchEnv

EPISODES_KEPT = 200


class RolloutStatistics:
    """Follows the episodes of all simulations; costs a few sums a step."""

    def __init__(self, num_envs: int) -> None:
        self._returns = np.zeros(num_envs)
        self._lengths = np.zeros(num_envs, np.int64)
        self._episodes: deque[tuple[float, float, float]] = deque(maxlen=EPISODES_KEPT)
        self._sums: dict[str, tuple[float, int]] = {}  # total and count

    def take(
        self,
        env: BatchEnv,
        reward: npt.NDArray[Any],
        terminated: npt.NDArray[np.bool_],
        done: npt.NDArray[np.bool_],
    ) -> npt.NDArray[np.intp]:
        """Counts one step of all simulations.

        Args:
            env: the simulations, after the step.
            reward: (N,).
            terminated: (N,) which episodes ended for good.
            done: (N,) which ended for good or were cut short.

        Returns:
            The rows whose episode ended.
        """
        self._returns += reward
        self._lengths += 1
        for group, values in (("reward", env.reward_terms), ("metric", env.metrics)):
            for name, value in values.items():
                key = f"{group}/{name}"
                known = value[np.isfinite(value)]
                total, count = self._sums.get(key, (0.0, 0))
                self._sums[key] = (total + float(known.sum()), count + known.size)
        ended = np.flatnonzero(done)
        for row in ended:
            survived = float(not terminated[row])
            self._episodes.append((self._returns[row], float(self._lengths[row]), survived))
        self._returns[ended] = 0.0
        self._lengths[ended] = 0
        return ended

    def summary(self) -> dict[str, float]:
        """Returns means over the latest episodes, and over the steps since the last call.

        A metric that is NaN in some simulations (no lap yet, say) counts where it is known.
        """
        means = {name: total / count for name, (total, count) in self._sums.items() if count}
        self._sums = {}
        if self._episodes:
            episodes = np.mean(self._episodes, axis=0)
            names = ("episode/return", "episode/length", "episode/survival")
            means |= dict(zip(names, episodes.tolist(), strict=True))
        return means

    def state(self) -> dict[str, Any]:
        """Returns what `restore` needs to go on counting from here."""
        return {
            "returns": self._returns.copy(),
            "lengths": self._lengths.copy(),
            "episodes": np.array(self._episodes).reshape(-1, 3),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a `state`."""
        self._returns[:] = state["returns"]
        self._lengths[:] = state["lengths"]
        self._episodes.clear()
        self._episodes.extend(tuple(row) for row in state["episodes"].tolist())
