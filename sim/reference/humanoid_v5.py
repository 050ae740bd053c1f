"""Runs Gymnasium's own task Humanoid-v5 on this engine, as an independent reference.

Observations, rewards and episode ends are those of `gymnasium.envs.mujoco.humanoid_v5`, from the
same states and actions, in float64.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any, ClassVar

import gymnasium
import mujoco
import numpy as np
from gymnasium.vector.utils import batch_space

from edge_runtime.config.fields import Range, check, setting
from edge_runtime.errors import UserError
from edge_runtime.policy.contract import Contract
from edge_runtime.signals import Array, Bool, Float, Rows
from sim.envs.arguments import check_arguments
from sim.reference.runge_kutta import RungeKuttaEngine
from sim.tasks.protocols import BatchEnv
from sim.tasks.task import State

_ASSET = files("gymnasium").joinpath("envs/mujoco/assets/humanoid.xml")
_OBSERVED = ("cinert", "cvel", "qfrc_actuator", "cfrc_ext")


@dataclass(frozen=True)
class HumanoidV5:
    """Walk forward as fast as possible without falling (Tassa, Erez and Todorov, 2012)."""

    name: ClassVar[str] = "Humanoid-v5"
    deployable: ClassVar[bool] = False
    action_prior: ClassVar[None] = None
    mirror_signs: ClassVar[tuple[float, ...]] = ()

    frame_skip: int = setting(5, "Physics steps of 3 ms per action.", above=0)
    max_steps: int = setting(1000, "Actions in an episode.", above=0)
    forward_weight: float = setting(1.25, "Reward per m/s of the centre of mass along x.")
    healthy_reward: float = setting(5.0, "Reward of a step in which the torso stays in its range.")
    control_weight: float = setting(0.1, "Cost of squared torque commands.")
    contact_weight: float = setting(5e-7, "Cost of squared contact wrenches.")
    contact_cost_max: float = setting(10.0, "Upper limit of the contact cost.")
    healthy_height: Range = setting((1.0, 2.0), unit="m", infinite=True)
    """Height of the torso, outside of which the episode ends."""
    reset_noise: float = setting(0.01, at_least=0)
    """Initial positions and velocities vary by ± this."""

    def for_training(self) -> "HumanoidV5":
        """Returns the task itself: training has no harder one."""
        return self

    def make_batch(
        self,
        standard: Callable[..., BatchEnv],
        num_envs: int,
        *,
        seed: int = 0,
        threads: int = 0,
        stagger: bool = False,
        **options: Any,
    ) -> BatchEnv:
        """Makes N simulations in an environment of their own: the task has no signals.

        Raises:
            UserError: an option is for robots' tasks alone.
        """
        if options:
            raise UserError(
                f"{self.name} has no {' and no '.join(options)} to choose; leave it out"
            )
        return HumanoidV5VectorEnv(self, num_envs, seed=seed, threads=threads, stagger=stagger)

    def check(self) -> None:
        """Refuses numbers that no simulation can have.

        Raises:
            UserError: names the option.
        """
        check(self, "--task.")


class HumanoidV5VectorEnv(gymnasium.vector.VectorEnv[Float, Array, Any]):
    """Runs N simulations of Humanoid-v5; each resets itself in the step in which its episode ends.

    It offers what `TaskVectorEnv` does, so that it is trained in the same way, but for a contract:
    there is no robot to run it on. With one environment, a seed gives the episodes that it gives in
    Gymnasium.

    Args:
        task: what to simulate.
        num_envs: N.
        seed: the seed of the initial states; `reset(seed=...)` starts over with another.
        threads: for physics, 0 for all cores.
        stagger: start the first episodes at random ages.
    """

    closed = True  # until there is something to close
    resets_itself = True  # as `TaskVectorEnv`

    def __init__(
        self,
        task: HumanoidV5,
        num_envs: int = 1,
        *,
        seed: int = 0,
        threads: int = 0,
        stagger: bool = False,
    ) -> None:
        check_arguments(task, num_envs, seed, threads)
        self.config, self.num_envs, self._stagger = task, num_envs, stagger
        self.max_steps = task.max_steps
        self._rng = np.random.default_rng(seed)
        with as_file(_ASSET) as path:
            self.engine = RungeKuttaEngine(
                path, num_envs, substeps=task.frame_skip, threads=threads
            )
        self.closed = False
        model = self.engine.model
        self._initial = np.concatenate([model.qpos0, np.zeros(model.nv)])
        self._mass = model.body_mass / model.body_mass.sum()
        self._fields = {name: self.engine.bind(name) for name in _OBSERVED}
        self._inertial_position = self.engine.bind("xipos")
        self._period = model.opt.timestep * task.frame_skip
        self.privileged: Array = np.zeros((num_envs, 0), np.float32)
        self.age = np.zeros(num_envs, np.int64)  # actions in this episode
        self.reward_terms: dict[str, Float] = {}
        self.metrics: dict[str, Float] = {}
        self._set_spaces()
        self._observation: Float = np.zeros((num_envs, self._size))
        self._mass_center: Float = np.zeros((num_envs, 2))
        self._reset_rows(np.arange(num_envs))

    def _set_spaces(self) -> None:
        model, box = self.engine.model, gymnasium.spaces.Box
        bodies = model.nbody - 1
        self._size = model.nq - 2 + model.nv + bodies * (10 + 6 + 6) + model.nv - 6
        low, high = model.actuator_ctrlrange.T.astype(np.float32)
        self.single_observation_space = box(-np.inf, np.inf, (self._size,), np.float64)
        self.single_action_space = box(low, high, dtype=np.float32)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.metadata = {
            "autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP,
            "render_modes": ["rgb_array"],
            "render_fps": round(1.0 / self._period),
        }

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Float, dict[str, Any]]:
        """Starts all episodes anew, or some; see `TaskVectorEnv.reset`."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        if options and "reset_mask" in options:
            self._reset_rows(np.flatnonzero(options["reset_mask"]))
            return self._observation.copy(), {}
        self._reset_rows(np.arange(self.num_envs))
        if self._stagger:
            self.age[:] = self._rng.integers(0, self.max_steps, self.num_envs)
        return self._observation.copy(), {}

    def step(self, actions: Array) -> tuple[Float, Float, Bool, Bool, dict[str, Any]]:
        """Advances all simulations by one action.

        Args:
            actions: torque commands, (N, 17).

        Returns:
            As `TaskVectorEnv.step`, with observations (N, 348) and rewards (N,) in float64.
        """
        self.engine.step(np.asarray(actions, np.float64))
        self.age += 1
        self._observe()
        reward = self._reward(np.asarray(actions, np.float64))
        terminated = ~self._healthy()
        truncated = self.age >= self.max_steps
        done = terminated | truncated
        info: dict[str, Any] = {}
        if done.any():
            rows = np.flatnonzero(done)
            final = np.zeros_like(self._observation)
            final[rows] = self._observation[rows]
            info = {"final_obs": final, "_final_obs": done, "final_privileged": self.privileged}
            if self.resets_itself:
                self._reset_rows(rows)
        return self._observation.copy(), reward, terminated, truncated, info

    def _observe(self) -> None:
        """Writes the observation, (N, 348); every derived field without the world's own entry."""
        fields = self._fields
        parts = (
            self.engine.qpos[:, 2:],
            self.engine.qvel,
            fields["cinert"][:, 1:].reshape(self.num_envs, -1),
            fields["cvel"][:, 1:].reshape(self.num_envs, -1),
            fields["qfrc_actuator"][:, 6:],
            fields["cfrc_ext"][:, 1:].reshape(self.num_envs, -1),
        )
        np.concatenate(parts, axis=1, out=self._observation)

    def _reward(self, action: Float) -> Float:
        config = self.config
        center = self._center_of_mass(slice(None))
        velocity = (center - self._mass_center) / self._period
        self._mass_center = center
        contact = config.contact_weight * np.square(self._fields["cfrc_ext"]).sum(axis=(1, 2))
        self.reward_terms = {
            "survive": np.where(self._healthy(), config.healthy_reward, 0.0),
            "forward": config.forward_weight * velocity[:, 0],
            "ctrl": -config.control_weight * np.square(action).sum(axis=1),
            "contact": -np.minimum(contact, config.contact_cost_max),
        }
        self.metrics = {"x_velocity": velocity[:, 0], "y_velocity": velocity[:, 1]}
        reward: Float = np.sum(list(self.reward_terms.values()), axis=0)
        return reward

    def _healthy(self) -> Bool:
        low, high = self.config.healthy_height
        height = self.engine.qpos[:, 2]
        healthy: Bool = (low < height) & (height < high)
        return healthy

    def _center_of_mass(self, rows: Rows | slice) -> Float:
        """Returns the centre of mass of the whole body in the world's horizontal plane, (n, 2)."""
        position = self._inertial_position[rows, :, :2]
        center: Float = np.einsum("b,nbj->nj", self._mass, position)
        return center

    def _reset_rows(self, rows: Rows) -> None:
        model, noise = self.engine.model, self.config.reset_noise
        size = (len(rows), model.nq + model.nv)
        initial = self._initial + self._rng.uniform(-noise, noise, size)
        self.engine.reset(rows, initial[:, : model.nq], initial[:, model.nq :])
        self.age[rows] = 0
        self._mass_center[rows] = self._center_of_mass(rows)
        self._observe()

    camera = "follow"  # a camera of `sim.renderer`

    def scene_key(self, sim: int) -> int:
        """Returns 0, for all simulations look alike."""
        return 0

    def scene(self, sim: int) -> mujoco.MjSpec:
        """Returns the robot in its world, for `sim.renderer`."""
        with as_file(_ASSET) as path:
            return mujoco.MjSpec.from_file(str(path))

    def contract(self) -> Contract:
        """Raises UserError: a reference task has no contract.

        Raises:
            UserError: always.
        """
        raise UserError("Humanoid-v5 is a benchmark without a robot; its policies stay in the run")

    def state(self) -> State:
        """Returns everything that a bit-equal continuation needs: arrays and random states only."""
        return {
            "engine": self.engine.state(),
            "mass_center": self._mass_center.copy(),
            "age": self.age.copy(),
            "random": self._rng.bit_generator.state,
        }

    def restore(self, state: State) -> None:
        """Restores the `state` of an environment of the same task and size."""
        self.engine.restore(state["engine"])
        self._mass_center[:] = state["mass_center"]
        self.age[:] = state["age"]
        self._rng.bit_generator.state = state["random"]
