"""Runs a batch of simulations for Gymnasium's users: checked actions, infos, modes, pictures."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from edge_runtime.errors import UserError, suggestion
from edge_runtime.signals import Array, Bool, Float
from sim.envs.arguments import check_actions, listed
from sim.envs.make_batch import make_batch
from sim.renderer import Picture, Renderer
from sim.tasks.protocols import BatchEnv, BatchTask

RENDER_MODES = ("rgb_array",)


class GymnasiumBatch(gymnasium.vector.VectorEnv[Array, Array, npt.NDArray[Any]]):
    """Runs N simulations of a task as Gymnasium's own vector environments run theirs.

    Actions are checked, and infos have the reward terms and metrics of each step, each with its
    mask, as `SyncVectorEnv` makes them of those of single environments. What else a batch offers,
    such as its `contract()`, is here too. A copy, pickled or deep, goes on to the same bits.

    Args:
        task: what to simulate.
        num_envs: N.
        seed: seed of everything random until `reset(seed=...)`; by default an unpredictable one.
        threads: for physics, 0 for all cores.
        autoreset_mode: when an episode that ended begins anew, a mode of Gymnasium, its name or its
            value.
        render_mode: None, or "rgb_array" for frames without a screen.
        max_episode_steps: truncates episodes after so many steps, if the task does not before; -1
            leaves it to the task.
        options: options of the batch, such as `engine`.

    Raises:
        UserError: one of them cannot be.
    """

    closed = True  # until there is something to close

    def __init__(
        self,
        task: BatchTask,
        num_envs: int = 1,
        *,
        seed: int | None = None,
        threads: int = 0,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
        **options: Any,
    ) -> None:
        check_render_mode(render_mode)
        self._mode, self._limit = _mode(autoreset_mode), _limit(max_episode_steps)
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        self._arguments = (task, num_envs, seed, threads, options)
        self.batch: BatchEnv = self._make()
        self.closed = False
        self.num_envs, self.render_mode = num_envs, render_mode
        self.single_observation_space = self.batch.single_observation_space
        self.single_action_space = self.batch.single_action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.metadata = {
            **self.batch.metadata,
            "autoreset_mode": self._mode,
            "render_modes": list(RENDER_MODES),
        }
        self._waiting: Bool | None = None  # whose episode has ended; None before the first reset
        self._rewards: Array = np.zeros(num_envs, np.float32)
        self._renderer: Renderer | None = None

    def _make(self) -> BatchEnv:
        task, num_envs, seed, threads, options = self._arguments
        batch = make_batch(task, num_envs, seed=seed, threads=threads, **options)
        if self._mode is not AutoresetMode.SAME_STEP:
            _need(batch, "resets_itself", "autoreset_mode")
            batch.resets_itself = False
        if self._limit:
            _need(batch, "max_steps", "max_episode_steps")
            batch.max_steps = min(batch.max_steps, self._limit)
        return batch

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "batch":
            raise AttributeError(name)
        return getattr(self.batch, name)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Starts all episodes anew, or those of options["reset_mask"] (N,).

        Args:
            seed: one of the whole batch, or one for each simulation; with the same, all episodes
                that follow are the same. One that is None is drawn.
            options: may have a "reset_mask".

        Raises:
            ValueError: the seeds or the mask are not such ones.
        """
        self._check_open("reset")
        mask = _reset_mask(options, self.num_envs)
        _check_seed(seed, self.num_envs)
        if np.ndim(seed) > 0:
            seed = [int(np_random()[1]) if one is None else int(one) for one in seed]
        if np.ndim(seed) == 0 and seed is not None:
            self._np_random, self._np_random_seed = np_random(int(seed))
        if mask is None:
            self._waiting = np.zeros(self.num_envs, bool)
            return self.batch.reset(seed=seed)
        self._check_ready()
        return self._begin(mask, seed), {}

    def _begin(self, mask: Bool, seed: Any = None) -> Array:
        """Starts the episodes of some rows, and returns the observations of all."""
        assert self._waiting is not None
        self._waiting = self._waiting & ~mask
        return self.batch.reset(seed=seed, options={"reset_mask": mask})[0]

    def step(self, actions: Any) -> tuple[Array, Array, Bool, Bool, dict[str, Any]]:
        """Advances all simulations by one control period.

        Args:
            actions: (N, A), finite; clipped to the action space.

        Returns:
            Observations (N, n), rewards (N,), terminated (N,), truncated (N,) and infos:
            `reward_NAME` and metrics (N,), with the mask `_NAME` of those rows that have it. In
            SAME_STEP, rows that ended have them in `final_info`, and their last observation in
            `final_obs`, (N, n) with zeros elsewhere. In NEXT_STEP, the step after the end ignores
            the action, and begins the next episode with a reward of 0.

        Raises:
            ValueError: actions are of another shape, or not finite.
            gymnasium.error.Error: the environment is closed, or was not reset.
        """
        self._check_open("step")
        waiting = self._check_ready()
        if self._mode is AutoresetMode.DISABLED and waiting.any():
            raise ResetNeeded(
                f"the episode of {listed(waiting)} has ended; call reset() before step(), of a "
                "batch with options={'reset_mask': terminated | truncated}"
            )
        actions = check_actions(actions, self.action_space.shape, ~waiting)
        if waiting.all():
            nothing = np.zeros(self.num_envs, bool)
            return self._begin(waiting), np.zeros_like(self._rewards), nothing, nothing.copy(), {}
        observations, rewards, terminated, truncated, final = self.batch.step(actions)
        self._rewards, known = rewards, self._known()
        if self._mode is AutoresetMode.SAME_STEP:
            ended = terminated | truncated
            infos = _infos(known, ~ended)
            if ended.any():
                infos |= {**final, "_final_privileged": ended}
                infos |= {"final_info": _infos(known, ended), "_final_info": ended}
            return observations, rewards, terminated, truncated, infos
        infos = _infos(known, ~waiting)
        if waiting.any():  # they took a step for nothing beside the others
            observations = self._begin(waiting)
            rewards = np.where(waiting, rewards.dtype.type(0), rewards)
            terminated, truncated = terminated & ~waiting, truncated & ~waiting
        self._waiting = terminated | truncated
        return observations, rewards, terminated, truncated, infos

    def _known(self) -> dict[str, Float]:
        """Returns reward terms and metrics of the last step, (N,) each; NaN where there is none."""
        terms = {f"reward_{name}": value for name, value in self.batch.reward_terms.items()}
        return terms | self.batch.metrics

    def render(self) -> tuple[Picture, ...] | None:
        """Returns a picture of each simulation, (480, 640, 3), if `render_mode` asks for them."""
        self._check_open("render")
        if self.render_mode is None:
            return None
        if self._renderer is None:
            self._renderer = Renderer(self.batch, 640, 480)
        return tuple(self._renderer.frame(row) for row in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Ends the simulations."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
        self.batch.close()

    def _check_open(self, what: str) -> None:
        if self.closed:
            raise ClosedEnvironmentError(f"Cannot call env.{what}() after env.close()")

    def _check_ready(self) -> Bool:
        """Returns whose episodes have ended."""
        if self._waiting is None:
            raise ResetNeeded("Cannot call env.step() before calling env.reset()")
        return self._waiting

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {
            "batch": None if self.closed else self.batch.state(),
            "_renderer": None,
        }

    def __setstate__(self, saved: dict[str, Any]) -> None:
        state = saved["batch"]
        self.__dict__.update(saved)
        self.batch = self._make()
        if state is None:
            self.batch.close()
        else:
            self.batch.restore(state)


def check_render_mode(render_mode: Any) -> None:
    """Refuses what no simulation can be drawn as.

    Raises:
        UserError: names what can be.
    """
    if render_mode in (None, *RENDER_MODES):
        return
    if render_mode == "human":
        raise UserError(
            "render_mode 'human' has no window here; take render_mode='rgb_array' and, for a "
            "window, wrap the environment in gymnasium.wrappers.HumanRendering (it needs pygame)"
        )
    known = "'rgb_array', 'rgb_array_list' of a single environment, and None"
    raise UserError(f"unknown render_mode {render_mode!r}; there are {known}")


def _infos(known: Mapping[str, Float], rows: Bool) -> dict[str, Any]:
    """Returns what these rows know, each with its mask; what no row knows is left out."""
    infos: dict[str, Any] = {}
    for name, value in known.items():
        mask = rows & ~np.isnan(value)
        if mask.any():
            infos[name], infos[f"_{name}"] = np.where(mask, value, np.float64(0)), mask
    return infos


def _mode(given: Any) -> AutoresetMode:
    for mode in AutoresetMode:
        if given in (mode, mode.name, mode.value):
            return mode
    modes = [mode.name for mode in AutoresetMode]
    raise UserError(f"unknown autoreset_mode {given!r}; {suggestion(str(given), modes)}")


def _need(batch: BatchEnv, attribute: str, argument: str) -> None:
    if not hasattr(batch, attribute):
        raise UserError(
            f"{type(batch).__name__}, the task's own batch, has no '{attribute}', which {argument} "
            "needs; sim.tasks.protocols.BatchEnv says what it is"
        )


def _limit(given: Any) -> int:
    """Returns after how many steps to truncate; 0 for the task's own limit."""
    if given is None or (given == -1 and not isinstance(given, bool)):
        return 0
    if isinstance(given, (int, np.integer)) and not isinstance(given, bool) and given > 0:
        return int(given)
    raise UserError(f"max_episode_steps is {given!r}; it must be a whole number above 0")


def _check_seed(seed: Any, num_envs: int) -> None:
    if seed is None:
        return
    seeds = seed if isinstance(seed, (list, tuple, np.ndarray)) else [seed] * num_envs
    if len(seeds) != num_envs:
        raise ValueError(f"{len(seeds)} seeds were given for {num_envs} environments")
    given = [one for one in seeds if one is not None]
    if not all(isinstance(one, (int, np.integer)) and one >= 0 for one in given):
        raise ValueError(f"seed is {seed!r}; it must be a whole number, 0 at least")


def _reset_mask(options: Mapping[str, Any] | None, num_envs: int) -> Bool | None:
    if options is None or "reset_mask" not in options:
        return None
    mask: Any = options["reset_mask"]
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (num_envs,):
        raise ValueError(f"options['reset_mask'] must be an array of bool of shape ({num_envs},)")
    if not mask.any():
        raise ValueError("options['reset_mask'] must have one row at least that is True")
    return mask
