"""Steps N simulations of one task together, as a Gymnasium vector environment."""

import math
from collections.abc import Sequence
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.vector.utils import batch_space

from edge_runtime.errors import UserError
from edge_runtime.estimators import find_fusion
from edge_runtime.observation.builder import ObservationBuilder, signals_read
from edge_runtime.policy.action_map import ActionMap
from edge_runtime.policy.contract import Actuator, Contract
from edge_runtime.signals import (
    COMMAND,
    CONTROL_STEP,
    DEFAULT_TARGET,
    LAST_ACTION,
    Array,
    Bool,
    Float,
    Rows,
    Signal,
)
from sim.engines.actuators import Actuators, command_gains
from sim.engines.choice import MUJOCO, make_engine
from sim.envs.arguments import check_arguments
from sim.sensors.estimates import (
    ESTIMATED,
    EstimateErrors,
    Estimates,
    FusedEstimates,
    ModelledEstimates,
)
from sim.sensors.readings import SensorReadings
from sim.tasks.description import describe
from sim.tasks.randomization import Randomizer
from sim.tasks.task import State, TaskConfig

MODEL, TRUTH = "model", "truth"  # where estimates come from, beside the estimators


class TaskVectorEnv(gymnasium.vector.VectorEnv[Array, Array, Array]):
    """Runs a batch of simulations, each of which resets itself in the step an episode ends.

    Args:
        task: what to simulate.
        num_envs: N.
        seed: the seed of everything random; `reset(seed=...)` starts over with another.
        threads: for physics, 0 for all cores.
        stagger: start the first episodes at random ages, so that a learner does not see all of
            them end at once.
        all_signals: read every sensor the robot has, and not only those that the policy reads.
        estimates: where attitude and velocity come from: "model", the truth with an estimator's
            measured errors; "truth"; or the name of an estimator, "auto" for the one the robot
            would run.
        engine: what moves the robots, one of `sim.engines.choice.ENGINES`.
        physics_period: s, of a physics step; by default the model's.

    Raises:
        UserError: an argument or a number of the task is none that a simulation can have, or the
            engine cannot simulate its robot.
    """

    closed = True  # until there is something to close
    resets_itself = True
    """Whether an episode that ended begins anew in the same step, or waits for `reset`."""

    def __init__(
        self,
        task: TaskConfig,
        num_envs: int = 1,
        *,
        seed: int = 0,
        threads: int = 0,
        stagger: bool = False,
        all_signals: bool = False,
        estimates: str = MODEL,
        engine: str = MUJOCO,
        physics_period: float | None = None,
    ) -> None:
        check_arguments(task, num_envs, seed, threads)
        self.config, self.num_envs, self._stagger = task, num_envs, stagger
        robot = task.robot
        model = task.model()
        task.wear.apply(model, robot, task.ground)
        mujoco.mj_setConst(model, mujoco.MjData(model))
        self._commanded = robot.actuators
        model.opt.timestep = physics_period or model.opt.timestep
        substeps = _substeps(task.control_period, model.opt.timestep)
        self.max_steps = round(task.episode_seconds / task.control_period)
        self._rngs = self._generators(np.random.SeedSequence(seed))
        sensor_rng, estimate_rng, randomizer_rng, task_rng, self._stagger_rng = self._rngs
        self.engine = make_engine(engine, model, num_envs, substeps=substeps, threads=threads)
        self.closed = False
        noise = task.sensor_noise if task.noise else {}
        modelled = estimates in (MODEL, TRUTH)
        wanted = signals_read(task.observations) if modelled and not all_signals else None
        self._readings = SensorReadings(self.engine, robot.sensors, noise, sensor_rng, wanted)
        self.action_map = ActionMap(robot.actuators, task.action_clip)
        speeds = tuple(f"{a.name}_vel" for a in robot.actuators)
        self.actuators = Actuators(self.engine, task.wear.weakened(robot.actuators), speeds)
        self._randomizer = Randomizer(
            task.randomization.on_ground(task.wear.friction),
            self.engine,
            self.actuators,
            robot.main_body,
            task.ground,
            randomizer_rng,
        )
        sensed = self._readings.signals | _zeros(task.extra_signals, num_envs)
        self._estimates = self._make_estimates(estimates, sensed, estimate_rng)
        self.signals = sensed | self._estimates.signals | self._runtime_signals()
        self.task = task.build(self.engine, self.signals, task_rng)
        self._builder = ObservationBuilder(task.observations, self._used_signals(), num_envs)
        self.privileged: Array = np.zeros((num_envs, self.task.privileged_size), np.float32)
        self.age = np.zeros(num_envs, np.int64)  # control steps in this episode
        self.operator: Array | None = None  # a standing command (commands,) instead of the task's
        self.reward_terms: dict[str, Float] = {}  # of the last step, as the metrics
        self.metrics: dict[str, Float] = {}
        self._set_spaces()
        self._reset_rows(np.arange(num_envs))

    def drive_as(self, actuators: Sequence[Actuator]) -> None:
        """Lets an action do what a policy was exported with; call it before `reset`.

        Args:
            actuators: in the order of the robot's, which differ in gains, scale and default.
        """
        before, self._commanded = self._commanded, tuple(actuators)
        command_gains(self.engine, before, actuators)
        self.action_map = ActionMap(actuators, self.config.action_clip)
        self.signals[DEFAULT_TARGET][:] = self.action_map.default
        self.actuators.reset(np.arange(self.num_envs), self.action_map.default)

    def _generators(self, seed: np.random.SeedSequence) -> list[np.random.Generator]:
        """Returns the generators of sensors, estimates, randomization, task and staggering."""
        return [np.random.default_rng(child) for child in seed.spawn(5)]

    def _make_estimates(
        self, source: str, sensed: dict[str, Array], rng: np.random.Generator
    ) -> Estimates:
        task = self.config
        if source in (MODEL, TRUTH):
            exact = source == TRUTH or not task.noise
            errors = EstimateErrors() if exact else task.estimate_errors
            return ModelledEstimates(errors, self.engine, task.control_period, rng)
        contract, robot = self.contract(), describe(task, self.engine.substeps)
        estimates = FusedEstimates(
            lambda: find_fusion(source, contract, robot), sensed, self.num_envs
        )
        missing = [name for name in contract.estimator_outputs if name not in estimates.signals]
        if missing:
            raise UserError(f"estimator '{source}' gives no '{missing[0]}', which the policy reads")
        return estimates

    def _runtime_signals(self) -> dict[str, Array]:
        signals = _zeros(self._runtime, self.num_envs)
        signals[DEFAULT_TARGET][:] = self.action_map.default
        return signals

    @property
    def _runtime(self) -> tuple[Signal, ...]:
        """Returns the signals that the runtime itself provides to the terms."""
        config, count = self.config, len(self.config.robot.actuators)
        units = ", ".join(dict.fromkeys(c.unit for c in config.commands))
        return (
            Signal(COMMAND, len(config.commands), units, "body"),
            Signal(LAST_ACTION, count, "1"),
            Signal(CONTROL_STEP, 1, "1"),
            Signal(DEFAULT_TARGET, count, "rad"),
        )

    def _used_signals(self) -> tuple[Signal, ...]:
        """Returns the specifications of the signals that the observation reads."""
        config = self.config
        provided = [s.signal for s in config.robot.sensors]
        provided += [*config.extra_signals, *ESTIMATED, *self._runtime]
        read = signals_read(config.observations)
        return tuple(s for s in provided if s.name in read)

    def _set_spaces(self) -> None:
        count, clip = len(self.config.robot.actuators), self.config.action_clip
        box = gymnasium.spaces.Box
        self.single_observation_space = box(-np.inf, np.inf, (self._builder.size,), np.float32)
        self.single_action_space = box(-clip, clip, (count,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.metadata = {
            "autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP,
            "render_modes": ["rgb_array"],
            "render_fps": round(1.0 / self.config.control_period),
        }

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Array, dict[str, Any]]:
        """Starts all episodes anew; with a seed, exactly as a new environment with that seed.

        With options["reset_mask"] (N,) only those of these rows; the others' observations are
        those of the last step.
        """
        if seed is not None:
            children = np.random.SeedSequence(seed).spawn(len(self._rngs))
            for rng, child in zip(self._rngs, children):
                rng.bit_generator.state = np.random.default_rng(child).bit_generator.state
        if options and "reset_mask" in options:
            return self._reset_some(np.asarray(options["reset_mask"])), {}
        self._reset_rows(np.arange(self.num_envs))
        if self._stagger:
            self.age[:] = self._stagger_rng.integers(0, self.max_steps, self.num_envs)
        return self._build(), {}

    def _reset_some(self, mask: Bool) -> Array:
        """Starts the episodes of these rows; what the other rows observe and remember stays."""
        before = self._builder.state()["observation"]
        self._reset_rows(np.flatnonzero(mask))
        self._build()
        state = self._builder.state()
        state["observation"][~mask] = before[~mask]
        self._builder.restore(state)
        return self._builder.last().copy()

    def step(self, actions: Array) -> tuple[Array, Array, np.ndarray, np.ndarray, dict[str, Any]]:
        """Advances all simulations by one control period.

        Args:
            actions: (N, A); clipped to the action space.

        Returns:
            Observations (N, n) after any resets, rewards (N,), terminated (N,), truncated (N,),
            and, where an episode ended, its last observation in info["final_obs"] (N, n), with
            the mask info["_final_obs"] and the critic's part in info["final_privileged"].
        """
        action = self.action_map.clip(np.asarray(actions, np.float32))
        self.advance(self.actuators.control(self.action_map.target(action)))
        self.reward_terms = self.task.rewards(action)
        terms = np.reshape(list(self.reward_terms.values()), (-1, self.num_envs))
        reward: Array = np.add.reduce(terms, axis=0, dtype=np.float32)
        self.signals[LAST_ACTION][:] = action
        self.signals[CONTROL_STEP] += 1
        terminated = self.task.terminated()
        truncated = (self.age >= self.max_steps) & ~terminated
        self.metrics = self.task.metrics()
        self.task.advance()
        done = terminated | truncated
        info = self._finish(np.flatnonzero(done), done) if done.any() else {}
        return self._build(), reward, terminated, truncated, info

    def advance(self, control: Float) -> None:
        """Advances by one control period and reads all sensors, as `step` does, without the
        learner.

        Args:
            control: inputs of each physics step, (N, substeps, A).
        """
        self.actuators.limit_torque()
        self.engine.step(control)
        self.age += 1
        self._readings.read()
        self.task.sense(None)
        self._estimates.read()
        self.task.observe(None)

    def _finish(self, rows: Rows, done: np.ndarray) -> dict[str, Any]:
        """Keeps the last observation of ended episodes and starts new ones."""
        final = np.zeros((self.num_envs, self._builder.size), np.float32)
        final[rows] = self._builder.peek(self.signals, rows)
        self.task.privileged(self.privileged)
        final_privileged = self.privileged.copy()
        if self.resets_itself:
            self._reset_rows(rows)
        return {"final_obs": final, "_final_obs": done, "final_privileged": final_privileged}

    def _reset_rows(self, rows: Rows) -> None:
        randomize = self.config.randomization.enabled
        if randomize:
            self._draw_robots(rows)
        qpos, qvel = self.task.start(rows)
        targets = np.broadcast_to(self.action_map.default, (self.num_envs, self.engine.model.nu))
        self.actuators.reset(rows, targets[rows])
        self.engine.reset(rows, qpos, qvel, constants_changed=randomize)
        self.age[rows] = 0
        self.signals[LAST_ACTION][rows] = 0
        self.signals[CONTROL_STEP][rows] = 0
        self._readings.reset(rows)
        self.task.sense(rows)
        self._estimates.reset(rows)
        self.task.observe(rows)
        self._builder.reset(rows)

    def _draw_robots(self, rows: Rows) -> None:
        """Draws the dynamics of the next episode in these rows."""
        self._randomizer.draw(rows)

    def _build(self) -> Array:
        if self.operator is not None:
            self.signals[COMMAND][:] = self.operator
        self.task.privileged(self.privileged)
        return self._builder.build(self.signals).copy()

    def close_extras(self, **kwargs: Any) -> None:
        """Ends the engine's threads and processes."""
        self.engine.close()

    @property
    def camera(self) -> str:
        """Returns the camera of `sim.renderer` with which the task is filmed."""
        return self.task.camera

    def scene_key(self, sim: int) -> int:
        """Returns a number that changes when the scene of that simulation does."""
        return self.task.scene_key(sim)

    def scene(self, sim: int) -> mujoco.MjSpec:
        """Returns the robot in that simulation's world, for `sim.renderer`."""
        spec = mujoco.MjSpec.from_file(str(self.config.robot.model))
        spec.compiler.discardvisual = False
        self.task.decorate(spec, sim)
        return spec

    def contract(self) -> Contract:
        """Returns what a policy trained here needs, without golden vectors and provenance."""
        config = self.config
        signals = self._used_signals()
        return Contract(
            task=config.name,
            robot=config.robot.name,
            actuators=self._commanded,
            observations=config.observations,
            signals=signals,
            commands=config.commands,
            control_period=config.control_period,
            physics_period=self.engine.model.opt.timestep,
            action_clip=config.action_clip,
            max_tilt=config.max_tilt,
            estimator_outputs=tuple(s.name for s in signals if s in ESTIMATED),
        )

    def state(self) -> State:
        """Returns everything that a bit-equal continuation needs: arrays and random states only."""
        own = (COMMAND, LAST_ACTION, CONTROL_STEP)
        extra = tuple(s.name for s in self.config.extra_signals)
        return {
            "engine": self.engine.state(),
            "readings": self._readings.state(),
            "estimates": self._estimates.state(),
            "actuators": self.actuators.state(),
            "task": self.task.state(),
            "observation": self._builder.state(),
            "signals": {name: self.signals[name].copy() for name in own + extra},
            "age": self.age.copy(),
            "random": [rng.bit_generator.state for rng in self._rngs],
        }

    def restore(self, state: State) -> None:
        """Restores the `state` of an environment of the same task and size."""
        self.engine.restore(state["engine"])
        self._readings.restore(state["readings"])
        self._estimates.restore(state["estimates"])
        self.actuators.restore(state["actuators"])
        self.task.restore(state["task"])
        self._builder.restore(state["observation"])
        for name, value in state["signals"].items():
            self.signals[name][:] = value
        self.age[:] = state["age"]
        for rng, saved in zip(self._rngs, state["random"]):
            rng.bit_generator.state = saved
        self.task.privileged(self.privileged)


def _zeros(signals: Sequence[Signal], rows: int) -> dict[str, Array]:
    return {s.name: np.zeros((rows, s.size), np.float32) for s in signals}


def _substeps(control_period: float, physics_period: float) -> int:
    ratio = control_period / physics_period
    substeps = round(ratio)
    if substeps < 1 or abs(ratio - substeps) > 1e-6:
        below = max(math.floor(ratio), 1)
        near = " or ".join(f"{k * physics_period:g}" for k in dict.fromkeys((below, below + 1)))
        raise UserError(
            f"--task.control-period {control_period:g} is no whole multiple of the physics "
            f"period, {physics_period:g} s; take {near}"
        )
    return substeps
