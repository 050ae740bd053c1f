"""N humanoids that walk as commanded: what happens to them, and what is measured of it."""

from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np

from edge_runtime.observation.terms import should_step
from edge_runtime.rotations import rotation_matrix
from edge_runtime.signals import ATTITUDE, COMMAND, CONTROL_STEP, Array
from sim.engines.engine import Engine, Float, Rows
from sim.robots.humanoid import ARM, FEET, HANDS
from sim.tasks.commands import VelocityCommands
from sim.tasks.events import Pushes
from sim.tasks.task import Bool, State, Task, weighted_terms
from sim.tasks.walking import rewards as walking
from sim.tasks.walking.arms import Arms
from sim.tasks.walking.stride import Stride
from sim.terrain.ground import Ground

if TYPE_CHECKING:
    from sim.tasks.walking.config import HumanoidVelocity


class WalkingTask(Task):
    """N humanoids; the attributes are what the reward terms read."""

    def __init__(
        self,
        config: "HumanoidVelocity",
        engine: Engine,
        signals: dict[str, Array],
        rng: np.random.Generator,
    ) -> None:
        super().__init__(engine, signals, rng)
        self.config = config
        actuators = config.robot.actuators
        rows, count, period = engine.rows, len(actuators), config.control_period
        self.command = signals[COMMAND]
        self._commands = VelocityCommands(config.command, self.command, period, rng)
        self._pushes = Pushes(config.pushes, engine, config.robot.main_body, period, rng)
        self.ground = Ground(config.terrain, rows, rng)
        names = [a.name for a in actuators]
        arms = [k for k, name in enumerate(names) if name.endswith(ARM)]
        self._arm_load = Arms(config.arms, engine, HANDS, arms, rng)
        self._bind_sensors(names)
        self.action = np.zeros((rows, count), np.float32)
        self.change = np.zeros_like(self.action)  # of the action, in the last step
        self.previous_change = np.zeros_like(self.action)
        self.default = np.array([a.default for a in actuators])
        self.per_effort = np.array([1.0 / a.max_effort for a in actuators])
        self.per_velocity = np.array([1.0 / a.max_velocity for a in actuators])
        lower, upper = (np.array([getattr(a, n) for a in actuators]) for n in ("lower", "upper"))
        self.middle = 0.5 * (lower + upper)
        self.soft_reach = 0.45 * (upper - lower)  # to either side, 5 % of the range before its end
        self._set_posture(names)
        self.nominal_height = config.nominal_height
        self.weight = engine.model.body_subtreemass[1] * 9.81
        joints = [engine.model.joint(a.name) for a in actuators]
        self._joint_qpos = np.array([joint.qposadr[0] for joint in joints])
        self._start_qpos = self._standing()
        self.privileged_size = 3 + 3 + 1 + 2 + 2 + 2 + 3
        self.fallen = np.zeros(rows, bool)
        self.error = np.zeros((rows, 3))  # of the velocities asked for, m/s and rad/s
        self._recovery = config.recovery_seconds / period  # control steps
        self.recovers = np.zeros(rows, bool)  # its balance, so that the gait clock may wait
        self._stride_error = Stride(config.gait_steps, rows)
        self._observe_all()

    def _bind_sensors(self, joints: list[str]) -> None:
        engine = self.engine

        def block(names: list[str]) -> Float:
            columns = engine.columns(*names)
            return engine.sensordata[:, columns[0] : columns[-1] + 1]

        self.joint_pos = block([f"{j}_pos" for j in joints])
        self.joint_vel = block([f"{j}_vel" for j in joints])
        self.joint_torque = block([f"{j}_torque" for j in joints])
        self._gyro, self._quat = engine.sensor("imu_gyro"), engine.sensor("true_attitude")
        self._velocity, self._position = (
            engine.sensor(f"true_{n}") for n in ("velocity", "position")
        )
        self.foot_force = block([f"{f}_touch" for f in FEET])
        shape = (engine.rows, 2, 3)
        self.foot_position = block([f"{f}_position" for f in FEET]).reshape(shape)
        self.foot_velocity = block([f"{f}_velocity" for f in FEET]).reshape(shape)
        self.foot_up = block([f"{f}_up" for f in FEET]).reshape(shape)[:, :, 2]

    def _set_posture(self, joints: list[str]) -> None:
        """How much each joint should keep its rest, before squaring; which swing with the gait."""
        weight = {"hip_yaw": 1.0, "hip_roll": 0.6, "waist_yaw": 1.0, "ankle_roll": 0.5}
        weight |= {"shoulder_pitch": 0.8, "shoulder_roll": 1.5, "elbow": 0.8}
        plain = [j.removeprefix("left_").removeprefix("right_") for j in joints]
        self.posture_weight = np.sqrt([weight.get(j, 0.02) for j in plain])
        self._arms = [joints.index(f"{side}_shoulder_pitch") for side in ("left", "right")]

    def _standing(self) -> Float:
        """qpos of standing in the default pose, soles on the ground, (nq,)."""
        qpos = self.engine.model.qpos0.copy()
        qpos[self._joint_qpos] = self.default
        thigh, shank, sole, hip = 0.34, 0.34, 0.06, -0.03
        joints = {a.name: a.default for a in self.config.robot.actuators}
        flexion = joints["left_hip_pitch"]
        shin = flexion + joints["left_knee"]
        qpos[2] = thigh * np.cos(flexion) + shank * np.cos(shin) + sole - hip
        return qpos

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
            self._arm_load.burden(rows)
        self.ground.place(rows, self.fallen[rows], qpos)
        self._commands.reset(rows)
        self._pushes.learn(rows, self.fallen[rows])
        self._pushes.reset(rows)
        for action in (self.action, self.change, self.previous_change):
            action[rows] = 0.0
        self._stride_error.reset(rows)
        return qpos, qvel

    def observe(self, rows: Rows | None) -> None:
        if rows is None:
            self._observe_all()
            self.error[:, :2] = self.velocity[:, :2]
            self.error[:, 2] = self.yaw_rate
            self.error -= self.command
            self.recovers = self._pushes.since < self._recovery
            self._stride_error.add(self.error)

    def _observe_all(self) -> None:
        rotation = rotation_matrix(self._quat)
        forward = rotation[:, :2, 0]  # the body's x axis on the ground
        cosine, sine = forward.T / np.hypot(forward[:, 0], forward[:, 1])
        self.velocity = velocity = np.einsum("nij,nj->ni", rotation, self._velocity)
        ahead = cosine * velocity[:, 0] + sine * velocity[:, 1]
        velocity[:, 1] = cosine * velocity[:, 1] - sine * velocity[:, 0]
        velocity[:, 0] = ahead
        self.angular_velocity = np.einsum("nij,nj->ni", rotation, self._gyro)
        self.yaw_rate = self.angular_velocity[:, 2]
        self.gravity = -rotation[:, 2]
        self.height = self.ground.above(self._position)
        self.foot_height = self.ground.above(self.foot_position)
        apart = self.foot_position[:, 0] - self.foot_position[:, 1]
        self.foot_spread = np.abs(cosine * apart[:, 1] - sine * apart[:, 0])
        self._observe_clock()
        self.fallen = (self.height < 0.45) | (self.gravity[:, 2] > -np.cos(self.config.max_tilt))
        self.fallen |= self.engine.diverged

    @property
    def contact(self) -> Bool:
        """Which feet touch the ground, (N, 2)."""
        return self.foot_force > 5.0

    def _observe_clock(self) -> None:
        """Where the feet and arms should be; the left foot swings while the sine is positive."""
        config = self.config
        step = self.signals[CONTROL_STEP][:, 0] + 1
        phase = np.mod(step, config.gait_steps) * (2 * np.pi / config.gait_steps)
        self.moving: Bool = should_step(
            self.command, self.signals[ATTITUDE], self.signals["imu_gyro"], **config.stepping
        )
        sine = np.sin(phase) * self.moving
        lift = np.stack([sine, -sine], axis=1)
        self.is_swing: Bool = lift > 0.2
        self.swing_target = config.swing_height * np.maximum(lift, 0.0)
        self.posture_error = self.joint_pos - self.default
        stride = 0.3 * np.cos(phase) * self.command[:, 0] * self.moving
        self.posture_error[:, self._arms] += np.stack([stride, -stride], axis=1)

    def rewards(self, action: Array) -> dict[str, Float]:
        self.previous_change[:] = self.change
        np.subtract(action, self.action, out=self.change)
        self.action[:] = action
        config = self.config
        return weighted_terms(config.rewards, walking.TERMS, self, config.control_period)

    def terminated(self) -> Bool:
        return self.fallen

    def advance(self) -> None:
        self.ground.walk(self.command, self.velocity, self.config.control_period)
        self._commands.advance()
        self._pushes.advance()

    def privileged(self, out: Array) -> None:
        above = self.ground.above
        heights = above(self._position)[:, None], above(self.foot_position)
        parts = [self._velocity, self._gyro, heights[0], self.foot_force / self.weight]
        parts += [heights[1], self.contact]
        push = self.engine.external_force[:, self._pushes.body, :3] / self.weight
        np.concatenate([*parts, push], axis=1, out=out, casting="same_kind")

    def decorate(self, spec: mujoco.MjSpec, row: int) -> None:
        self.ground.decorate(spec)

    def metrics(self) -> dict[str, Float]:
        """Errors of velocity, m/s, and yaw rate, rad/s.

        A walking pelvis sways and turns with every step, which no command asks it not to: the
        errors are of the mean over the last stride; `_instant` ones are of the moment. Also how
        fast feet slide that should stand, m/s, and on rough ground the level of difficulty.
        """
        now, mean = self.error, self._stride_error.mean()
        where = self.ground.metrics() | self._pushes.metrics()
        return where | {
            "velocity_error": np.hypot(mean[:, 0], mean[:, 1]),
            "yaw_rate_error": np.abs(mean[:, 2]),
            "velocity_error_instant": np.hypot(now[:, 0], now[:, 1]),
            "yaw_rate_error_instant": np.abs(now[:, 2]),
            "foot_slip": walking.sliding(self),
        }

    def state(self) -> State:
        actions = ("action", "change", "previous_change")
        state: dict[str, Any] = {name: getattr(self, name).copy() for name in actions}
        state |= {"commands": self._commands.state(), "pushes": self._pushes.state()}
        return state | {"stride": self._stride_error.state(), "ground": self.ground.state()}

    def restore(self, state: State) -> None:
        for name in ("action", "change", "previous_change"):
            getattr(self, name)[:] = state[name]
        self._commands.restore(state["commands"])
        self._pushes.restore(state["pushes"])
        self._stride_error.restore(state["stride"])
        self.ground.restore(state["ground"])
        self._observe_all()
