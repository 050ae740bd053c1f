"""Runs N robots that walk as commanded, and measures them."""

from collections.abc import Sequence
from typing import Any, cast

import mujoco
import numpy as np
import numpy.typing as npt

from edge_runtime.errors import UserError
from edge_runtime.observation.terms import should_step
from edge_runtime.rotations import rotation_matrix
from edge_runtime.signals import ATTITUDE, COMMAND, CONTROL_STEP, Array, Bool, Float, Rows
from sim.engines.engine import Engine
from sim.robots.legs import numbers_of, of_joint, standing_pose
from sim.tasks.events import Pushes
from sim.tasks.reward_terms import Namespace
from sim.tasks.task import State, Task
from sim.tasks.velocity_commands import VelocityCommands
from sim.tasks.walking.arms import Arms
from sim.tasks.walking.rewards import reward, sliding
from sim.tasks.walking.settings import WalkingSettings
from sim.tasks.walking.state import WalkingRobot, WalkingState
from sim.tasks.walking.stride import Stride
from sim.terrain.ground import Ground

_ACTIONS = ("action", "change", "previous_change")


class WalkingTask(Task):
    """Runs N robots that walk; the reward terms read `now`."""

    def __init__(
        self,
        config: WalkingSettings,
        engine: Engine,
        signals: dict[str, Array],
        rng: np.random.Generator,
    ) -> None:
        super().__init__(engine, signals, rng)
        self.config, robot = config, config.robot
        self._legs = robot.find_legs()
        rows, period = engine.rows, config.control_period
        self.command = signals[COMMAND]
        self._commands = VelocityCommands(config.command, self.command, period, rng)
        self._pushes = Pushes(config.pushes, engine, robot.main_body, period, rng)
        self.ground = Ground(config.terrain, rows, rng)
        names = [a.name for a in robot.actuators]
        arms = numbers_of(self._legs.arms, names)
        self._arm_load = Arms(config.arms, engine, self._legs.hands, arms, rng)
        self.default = np.array([a.default for a in robot.actuators])
        self._swings = numbers_of([*self._legs.arm_swing], names)
        swing = [of_joint(self._legs.arm_swing, names[k]) for k in self._swings]
        self._swing = np.array(swing, np.float32)
        leads = [foot in self._legs.leading for foot in self._legs.feet]
        self._turn = np.where(leads, np.float32(1), np.float32(-1))
        self._joint_qpos = np.array([engine.model.joint(name).qposadr[0] for name in names])
        self._start_qpos = standing_pose(engine.model, robot.actuators, self._legs)
        self.now = self._bind_state(names)
        self._left, self._right = np.array(self._legs.pairs, np.intp).reshape(-1, 2).T
        self._gyro, self._quat = engine.sensor("imu_gyro"), engine.sensor("true_attitude")
        self._velocity, self._position = (
            engine.sensor(f"true_{n}") for n in ("velocity", "position")
        )
        self.privileged_size = 3 + 3 + 1 + 3 * len(self._legs.feet) + 3
        self._fallen_height = self._legs.fallen_height or 0.6 * self.now.robot.nominal_height
        self.fallen = np.zeros(rows, bool)
        self._recovery = config.recovery_seconds / period  # control steps
        self._stride_error = Stride(config.gait_steps, rows)
        self._observe_all()

    def _bind_state(self, joints: list[str]) -> WalkingState:
        """Returns the state, on live views of the sensors."""
        engine, rows, feet = self.engine, self.engine.rows, self._legs.feet

        def block(names: Sequence[str], end: str) -> Float:
            columns = engine.columns(*(f"{name}_{end}" for name in names))
            if (np.diff(columns) != 1).any():
                raise UserError(
                    f"robot '{self.config.robot.name}': its sensors '{names[0]}_{end}' to "
                    f"'{names[-1]}_{end}' must stand one after another, in this order"
                )
            return engine.sensordata[:, columns[0] : columns[-1] + 1]

        return WalkingState(
            xp=cast(Namespace, np),
            robot=self._measure_robot(joints),
            joint_pos=block(joints, "pos"),
            joint_vel=block(joints, "vel"),
            joint_torque=block(joints, "torque"),
            foot_force=block(feet, "touch"),
            foot_position=block(feet, "position").reshape(rows, -1, 3),
            foot_velocity=block(feet, "velocity").reshape(rows, -1, 3),
            foot_up=block(feet, "up").reshape(rows, -1, 3)[:, :, 2],
            action=np.zeros((rows, len(joints)), np.float32),
            change=np.zeros((rows, len(joints)), np.float32),
            previous_change=np.zeros((rows, len(joints)), np.float32),
            error=np.zeros((rows, 3)),
            drift=np.zeros((rows, 3)),
            recovers=np.zeros(rows, bool),
        )

    def _measure_robot(self, joints: list[str]) -> WalkingRobot:
        """Returns what the rewards compare with, from the robot's facts and its model."""
        config, legs, model = self.config, self._legs, self.engine.model
        actuators = config.robot.actuators
        lower, upper = (np.array([getattr(a, n) for a in actuators]) for n in ("lower", "upper"))
        weight = float(model.body_subtreemass[model.body_rootid[self._pushes.body]] * 9.81)
        posture = [of_joint(legs.posture, joint, legs.posture_of_others) for joint in joints]
        data = mujoco.MjData(model)
        data.qpos[:] = self._start_qpos
        mujoco.mj_kinematics(model, data)
        height = config.nominal_height or legs.nominal_height
        return WalkingRobot(
            weight=weight,
            nominal_height=height or 0.98 * float(data.site("imu").xpos[2]),
            feet_apart=legs.feet_apart,
            touch_force=0.012 * weight if legs.touch_force is None else legs.touch_force,
            per_foot=np.full(len(legs.feet), 1.0 / len(legs.feet)),
            posture_weight=np.sqrt(posture),
            per_effort=np.array([1.0 / a.max_effort for a in actuators]),
            per_velocity=np.array([1.0 / a.max_velocity for a in actuators]),
            middle=0.5 * (lower + upper),
            soft_reach=0.45 * (upper - lower),
        )

    def start(self, rows: Rows) -> tuple[Float, Float]:
        count, rng = len(rows), self.rng
        qpos = np.tile(self._start_qpos, (count, 1))
        qvel = np.zeros((count, self.engine.model.nv))
        if self.config.randomization.enabled:
            heading = rng.uniform(-np.pi, np.pi, count)
            qpos[:, 3], qpos[:, 6] = np.cos(heading / 2), np.sin(heading / 2)
            qpos[:, self._joint_qpos] += rng.uniform(-0.08, 0.08, (count, len(self.default)))
            qpos[:, 2] += rng.uniform(0.0, 0.02, count)
            qvel[:, :6] = rng.uniform(-0.2, 0.2, (count, 6))
            self._arm_load.draw(rows)
        self.ground.place(rows, self.fallen[rows], qpos)
        self._commands.reset(rows)
        self._pushes.learn(rows, self.fallen[rows])
        self._pushes.reset(rows)
        for name in _ACTIONS:
            getattr(self.now, name)[rows] = 0.0
        self._stride_error.reset(rows)
        return qpos, qvel

    def observe(self, rows: Rows | None) -> None:
        if rows is None:
            self._observe_all()
            now = self.now
            now.error[:, :2] = now.velocity[:, :2]
            now.error[:, 2] = now.yaw_rate
            now.error -= self.command
            now.recovers = self._pushes.since < self._recovery
            self._stride_error.add(now.error)
            now.drift = self._stride_error.mean()

    def _observe_all(self) -> None:
        now, rotation = self.now, rotation_matrix(self._quat)
        forward = rotation[:, :2, 0]  # the body's x axis on the ground
        cosine, sine = forward.T / np.hypot(forward[:, 0], forward[:, 1])
        now.velocity = velocity = np.einsum("nij,nj->ni", rotation, self._velocity)
        ahead = cosine * velocity[:, 0] + sine * velocity[:, 1]
        velocity[:, 1] = cosine * velocity[:, 1] - sine * velocity[:, 0]
        velocity[:, 0] = ahead
        now.angular_velocity = np.einsum("nij,nj->ni", rotation, self._gyro)
        now.gravity = -rotation[:, 2]
        now.contact = self._touching()
        now.height = self.ground.above(self._position)
        now.foot_height = self.ground.above(now.foot_position)
        apart = now.foot_position[:, self._left] - now.foot_position[:, self._right]
        now.foot_spread = np.abs(cosine[:, None] * apart[:, :, 1] - sine[:, None] * apart[:, :, 0])
        self._observe_clock()
        self.fallen = (now.height < self._fallen_height) | (
            now.gravity[:, 2] > -np.cos(self.config.max_tilt)
        )
        self.fallen |= self.engine.diverged

    def _touching(self) -> Bool:
        """Returns which feet touch the ground now, (N, F)."""
        return self.now.foot_force > self.now.robot.touch_force

    def _observe_clock(self) -> None:
        """Computes where feet and arms should be; leading feet swing while the clock's sine is
        positive."""
        config, now = self.config, self.now
        step = self.signals[CONTROL_STEP][:, 0] + 1
        phase = np.mod(step, config.gait_steps) * (2 * np.pi / config.gait_steps)
        now.moving = should_step(
            self.command, self.signals[ATTITUDE], self.signals["imu_gyro"], **config.stepping
        )
        sine = np.sin(phase) * now.moving
        lift = sine[:, None] * self._turn
        now.is_swing = lift > 0.2
        now.swing_target = config.swing_height * np.maximum(lift, 0.0)
        now.posture_error = now.joint_pos - self.default
        if self._swings:
            swing = self._swing * np.cos(phase)[:, None] * self.command[:, :1]
            now.posture_error[:, self._swings] -= swing * now.moving[:, None]

    def rewards(self, action: Array) -> dict[str, Float]:
        now, config = self.now, self.config
        now.previous_change[:] = now.change
        np.subtract(action, now.action, out=now.change)
        now.action[:] = action
        return reward.weighted(config.rewards, now, config.control_period)

    def terminated(self) -> Bool:
        return self.fallen

    def advance(self) -> None:
        self.ground.walk(self.command, self.now.velocity, self.config.control_period)
        self._commands.advance()
        self._pushes.advance()

    def privileged(self, out: Array) -> None:
        now, above = self.now, self.ground.above
        parts: list[npt.NDArray[Any]] = [self._velocity, self._gyro]
        parts += [above(self._position)[:, None], now.foot_force / now.robot.weight]
        parts += [above(now.foot_position), self._touching()]
        push = self.engine.external_force[:, self._pushes.body, :3] / now.robot.weight
        np.concatenate([*parts, push], axis=1, out=out, casting="same_kind")

    def commanded_motion(self, row: int) -> Float:
        return np.array([*self.now.velocity[row, :2], self.now.yaw_rate[row]])

    def decorate(self, spec: mujoco.MjSpec, row: int) -> None:
        self.ground.decorate(spec)

    def metrics(self) -> dict[str, Float]:
        """Returns the errors of velocity, m/s, and yaw rate, rad/s.

        A walking pelvis sways and turns with every step, which no command asks it not to: the
        errors are of the mean over the last stride; a `_bias` has its sign, so that the mean over
        time is what is steady; `_instant` ones are of the moment. Also how
        fast feet slide that should stand, m/s, and on rough ground the level of difficulty.
        """
        now, mean = self.now.error, self.now.drift
        where = self.ground.metrics() | self._pushes.metrics()
        return where | {
            "velocity_error": np.hypot(mean[:, 0], mean[:, 1]),
            "yaw_rate_error": np.abs(mean[:, 2]),
            "forward_bias": mean[:, 0],
            "yaw_rate_bias": mean[:, 2],
            "velocity_error_instant": np.hypot(now[:, 0], now[:, 1]),
            "yaw_rate_error_instant": np.abs(now[:, 2]),
            "foot_slip": sliding(self.now),
        }

    def state(self) -> State:
        state: dict[str, Any] = {name: getattr(self.now, name).copy() for name in _ACTIONS}
        state |= {"commands": self._commands.state(), "pushes": self._pushes.state()}
        return state | {"stride": self._stride_error.state(), "ground": self.ground.state()}

    def restore(self, state: State) -> None:
        for name in _ACTIONS:
            getattr(self.now, name)[:] = state[name]
        self._commands.restore(state["commands"])
        self._pushes.restore(state["pushes"])
        self._stride_error.restore(state["stride"])
        self.now.drift = self._stride_error.mean()
        self.ground.restore(state["ground"])
        self._observe_all()
