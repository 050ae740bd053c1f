"""Defines what every task offers for training and evaluation, and what its simulations do.

To know them, no simulator need be loaded.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import gymnasium
import numpy as np
import numpy.typing as npt
from typing_extensions import Self

from edge_runtime.policy.contract import Contract
from edge_runtime.signals import Array, Bool, Float


class BatchEnv(Protocol):
    """Runs N simulations of a task, each of which resets itself in the step in which its episode
    ends, or waits for `reset` while `resets_itself` is False.

    It can be drawn, too: it is a `sim.renderer.Drawable`.
    """

    engine: Any
    metadata: dict[str, Any]

    num_envs: int
    resets_itself: bool
    max_steps: int
    """After how many steps an episode is truncated."""
    privileged: Array
    """What only a critic may see, (N, n); (N, 0) for nothing."""
    reward_terms: dict[str, Float]
    """Each term of the last step's rewards, (N,)."""
    metrics: dict[str, Float]
    """What evaluation measures of the last step, (N,)."""

    @property
    def single_observation_space(self) -> gymnasium.Space[Any]:
        """Returns the space of one simulation's observation."""
        ...

    @property
    def single_action_space(self) -> gymnasium.Space[Any]:
        """Returns the space of one simulation's action."""
        ...

    @property
    def camera(self) -> str:
        """Returns the camera with which the task is filmed best."""
        ...

    def scene_key(self, sim: int, /) -> int:
        """Returns a number that changes when the scene of that simulation does."""
        ...

    def scene(self, sim: int, /) -> Any:
        """Returns the robot in that simulation's world as a `mujoco.MjSpec`."""
        ...

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[Any], dict[str, Any]]:
        """Starts all episodes anew; with a seed, exactly as a new environment with that seed.

        With options["reset_mask"] (N,) only those of these rows; the others' observations are
        those of the last step.
        """
        ...

    def step(
        self, actions: Array, /
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any], Bool, Bool, dict[str, Any]]:
        """Advances all simulations; see `sim.envs.vector_env.TaskVectorEnv.step`."""
        ...

    def contract(self) -> Contract:
        """Returns what a policy trained here needs, without golden vectors and provenance.

        Raises:
            UserError: there is none, for its task is not `deployable`.
        """
        ...

    def state(self) -> dict[str, Any]:
        """Returns everything that a bit-equal continuation needs: arrays and random states only."""
        ...

    def restore(self, state: dict[str, Any], /) -> None:
        """Restores the `state` of a batch of the same task and size."""
        ...

    def close(self) -> None:
        """Frees threads, processes and memory."""
        ...


class BatchTask(Protocol):
    """Configures a task, of a robot or of an independent reference."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    name: ClassVar[str]
    deployable: ClassVar[bool]
    """Whether there is a robot to run what is trained, and so a contract."""

    @property
    def action_prior(self) -> npt.NDArray[np.float64] | None:
        """Returns a linear map (A, n) from the term `gait_clock` to the action a policy starts
        from."""
        ...

    @property
    def mirror_signs(self) -> tuple[float, ...]:
        """Returns 1 for each action whose mirror acts the same way, -1 for the others; () without a
        mirror."""
        ...

    def check(self) -> None:
        """Refuses numbers that no simulation can have.

        Raises:
            UserError: names the option.
        """
        ...

    def for_training(self) -> Self:
        """Returns the task as training sees it."""
        ...

    def make_batch(
        self,
        standard: Callable[..., BatchEnv],
        num_envs: int,
        *,
        seed: int,
        threads: int,
        stagger: bool,
    ) -> BatchEnv:
        """Makes N simulations, in the environment that all robots' tasks share or in one of its
        own.

        Args:
            standard: that environment; it takes the task first, and then the rest.
            num_envs: N.
            seed: the seed of everything random.
            threads: for physics, 0 for all cores.
            stagger: start the first episodes at random ages.
        """
        ...
