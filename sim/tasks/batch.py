"""What every task offers for training and evaluation, and what N simulations of it do.

To know them, no simulator need be loaded.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import gymnasium
import numpy as np
import numpy.typing as npt
from typing_extensions import Self

from edge_runtime.policy.contract import Contract
from edge_runtime.signals import Array

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]


class BatchEnv(Protocol):
    """N simulations of a task that reset themselves in the step an episode ends.

    It can be drawn, too: it is a `sim.renderer.Drawable`.
    """

    engine: Any
    metadata: dict[str, Any]

    num_envs: int
    single_observation_space: gymnasium.Space[Any]
    single_action_space: gymnasium.Space[Any]
    privileged: Array
    """What only a critic may see, (N, n); (N, 0) for nothing."""
    reward_terms: dict[str, Float]
    """Each term of the last step's rewards, (N,)."""
    metrics: dict[str, Float]
    """What evaluation measures of the last step, (N,)."""

    @property
    def camera(self) -> str:
        """The camera it is best filmed with."""
        ...

    def scene_key(self, sim: int, /) -> int:
        """A number that changes when the scene of that simulation does."""
        ...

    def scene(self, sim: int, /) -> Any:
        """The robot in that simulation's world as a `mujoco.MjSpec`."""
        ...

    def reset(self, *, seed: int | None = None) -> tuple[npt.NDArray[Any], dict[str, Any]]:
        """Start all episodes anew; with a seed, exactly as a new environment with that seed."""
        ...

    def step(
        self, actions: Array, /
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any], Bool, Bool, dict[str, Any]]:
        """Advance all simulations; see `sim.envs.vector_env.TaskVectorEnv.step`."""
        ...

    def contract(self) -> Contract:
        """What a policy trained here needs, still without golden vectors and provenance.

        Raises:
            UserError: there is none, for its task is not `deployable`.
        """
        ...

    def state(self) -> dict[str, Any]:
        """Everything needed to go on bit-equal; arrays and random states only."""
        ...

    def restore(self, state: dict[str, Any], /) -> None:
        """Go on from the `state` of a batch of the same task and size."""
        ...

    def close(self) -> None:
        """Let go of threads, processes and memory."""
        ...


class BatchTask(Protocol):
    """The config of a task: of a robot, or a reference that nobody here wrote."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    name: ClassVar[str]
    deployable: ClassVar[bool]
    """Whether there is a robot to run what is trained, and so a contract."""

    @property
    def action_prior(self) -> npt.NDArray[np.float64] | None:
        """A linear map (A, n) from the term `gait_clock` to the action a policy starts from."""
        ...

    @property
    def mirror_signs(self) -> tuple[float, ...]:
        """By action, whether its mirror acts the same way, 1, or the other, -1; () without."""
        ...

    def check(self) -> None:
        """Refuse numbers that no simulation can have.

        Raises:
            UserError: names the option.
        """
        ...

    def for_training(self) -> Self:
        """The same as training sees it."""
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
        """N simulations of it: by the environment that all robots' tasks share, or its own.

        Args:
            standard: that environment; it takes the task first, and then the rest.
            num_envs: N.
            seed: of everything random.
            threads: for physics, 0 for all cores.
            stagger: start the first episodes at random ages.
        """
        ...
