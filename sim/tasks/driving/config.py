"""VehicleTrack: drive closed tracks never seen before fast, between walls, by lidar."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import mujoco
import numpy as np

from edge_runtime.config.fields import Range, setting
from edge_runtime.fusion.wheeled.config import WheeledRobotConfig
from edge_runtime.observation.builder import TermConfig
from edge_runtime.rotations import about_vertical, yaw
from edge_runtime.signals import Array, Signal
from sim.engines.engine import Engine, Float, Rows
from sim.racing.position import Locator
from sim.racing.scene import add_track
from sim.racing.tracks import TrackConfig, make_tracks
from sim.robots.robot import SimRobot
from sim.robots.vehicle import (
    CHASSIS_HEIGHT,
    LIDAR_POSITION,
    OUTLINE,
    TRACK,
    WHEEL_RADIUS,
    WHEELS,
    vehicle,
)
from sim.sensors.estimates import EstimateErrors, GaussMarkov
from sim.sensors.gnss import GnssConfig, GnssReceivers
from sim.sensors.lidar import Lidar, LidarConfig
from sim.sensors.readings import Noise
from sim.tasks.driving import rewards as driving
from sim.tasks.estimators import VEHICLE_ESTIMATOR
from sim.tasks.randomization import DomainRandomization
from sim.tasks.task import Bool, State, Task, TaskConfig, changed, weighted_terms

# Of each episode; zero at its start.
_COUNTERS = (
    "progress",
    "travelled",
    "lap_steps",
    "steps",
    "farthest",
    "idle",
    "action",
    "previous_action",
)
_UNSEEN = 1_000_000  # track seeds from here on are for evaluation
_PREVIEW = np.arange(1, 11) * 2.5  # m ahead, where a critic sees the curvature


@dataclass(frozen=True)
class VehicleNoise:
    """Errors of the vehicle's sensors."""

    imu_gyro: Noise = Noise(0.01, 0.01)  # rad/s, mean over a control period
    imu_accel: Noise = Noise(0.15, 0.15)  # m/s²
    wheel_speed: Noise = Noise(0.2, 0.0)  # rad/s
    steering_angle: Noise = Noise(0.002, 0.01)  # rad; the bias is alignment
    estimates: EstimateErrors = EstimateErrors(GaussMarkov(0.01), GaussMarkov(0.06, 0.4))


@dataclass(frozen=True)
class DrivingRewards:
    """Weight of each term of `sim.tasks.driving.rewards`, per second; costs are negative."""

    progress: float = 1.0
    wall_proximity: float = -4.0
    wheel_slip: float = -0.05
    sideslip: float = -1.0
    steering_rate: float = -1.0
    drive_rate: float = -0.3
    crash: float = -2000.0  # 80 for each, for it lasts one control period


@dataclass(frozen=True)
class DrivingPractice:
    """What training has more of than life: a lidar in part blind, wet roads, load."""

    blind: Range | None = setting(
        None, "Width of the lidar's blind sector; none: as in `lidar`.", "rad", at_least=0
    )
    friction: Range | None = setting(
        None, "Sliding friction of the ground; none: as in `randomization`.", at_least=0
    )
    payload: Range | None = setting(
        None, "Mass added to the main body; none: as in `randomization`.", "kg", at_least=0
    )


@dataclass(frozen=True)
class VehicleTrack(TaskConfig):
    """Drive closed tracks fast without leaving them."""

    name: ClassVar[str] = "VehicleTrack"

    episode_seconds: float = setting(40.0, "Length of an episode.", "s", above=0)
    control_period: float = setting(0.04, "Time between two actions.", "s", above=0)
    action_clip: float = setting(1.0, "Actions beyond ± this are clipped.", above=0)
    max_tilt: float = setting(
        0.6, "Tilt from upright, past which the robot is damped.", "rad", above=0
    )
    randomization: DomainRandomization = DomainRandomization(
        mass=(0.95, 1.05),
        payload=(0.0, 25.0),
        centre_of_mass=(-0.03, 0.03),
        friction=(0.85, 1.1),
        stiffness=(0.9, 1.1),
        damping=(0.9, 1.1),
    )
    tracks: int = setting(256, "Number of different tracks.", above=0)
    track_seed: int = setting(
        0, "Seed of the tracks; another one gives tracks never seen.", at_least=0
    )
    track: TrackConfig = TrackConfig()
    start_speed: Range = setting((0.0, 6.0), "Speed at the start.", "m/s", at_least=0)
    room: float = setting(0.4, "Distance to a wall, below which nearness costs.", "m", above=0)
    stuck_seconds: float = setting(
        4.0, "Time without a metre of progress after which an episode ends.", "s", above=0
    )
    lidar: LidarConfig = LidarConfig()
    gnss: GnssConfig = GnssConfig()
    errors: VehicleNoise = VehicleNoise()
    rewards: DrivingRewards = DrivingRewards()
    practice: DrivingPractice = DrivingPractice()

    @property
    def robot(self) -> SimRobot:
        return vehicle()

    @property
    def observations(self) -> tuple[TermConfig, ...]:
        return (
            TermConfig("lidar_closeness", params={"near": 3.0}),
            TermConfig("angular_velocity"),
            TermConfig("specific_force", scale=0.1),
            TermConfig("wheel_speed", scale=0.02),
            TermConfig("steering_angle", scale=2.0),
            TermConfig("last_action"),
        )

    @property
    def sensor_noise(self) -> Mapping[str, Noise]:
        names = ("imu_gyro", "imu_accel", "wheel_speed", "steering_angle")
        return {name: getattr(self.errors, name) for name in names}

    @property
    def estimate_errors(self) -> EstimateErrors:
        return self.errors.estimates

    @property
    def wheeled(self) -> WheeledRobotConfig:
        return VEHICLE_ESTIMATOR

    @property
    def extra_signals(self) -> tuple[Signal, ...]:
        return (
            Signal("lidar", self.lidar.beams, "m", "lidar"),
            Signal("gnss_position", 3, "m", "world"),
            Signal("gnss_velocity", 3, "m/s", "world"),
        )

    @property
    def ground(self) -> tuple[str, ...]:
        return tuple(f"{w}_tyre" for w in WHEELS)

    def for_training(self) -> "VehicleTrack":
        practice = self.practice
        return replace(
            self,
            lidar=changed(self.lidar, blind=practice.blind),
            randomization=changed(
                self.randomization, friction=practice.friction, payload=practice.payload
            ),
        )

    def unseen(self, seed: int, episodes: int = 1) -> "VehicleTrack":
        return replace(self, track_seed=_UNSEEN + seed, tracks=max(self.tracks, episodes))

    def build(
        self, engine: Engine, signals: dict[str, Array], rng: np.random.Generator
    ) -> "DrivingTask":
        return DrivingTask(self, engine, signals, rng)


class DrivingTask(Task):
    """N vehicles, each on its own track; the attributes are what the reward terms read."""

    camera = "behind"
    privileged_size = 13 + len(_PREVIEW)
    final_metrics = frozenset({"lapped", "laps", "lap_time", "left_track"})

    def __init__(
        self,
        config: VehicleTrack,
        engine: Engine,
        signals: dict[str, Array],
        rng: np.random.Generator,
    ) -> None:
        super().__init__(engine, signals, rng)
        self.config, rows = config, engine.rows
        self.tracks = make_tracks(config.tracks, config.track_seed, config.track)
        self.locator = Locator(self.tracks, rows, OUTLINE)
        self.position = self.locator.position
        self._lidar = Lidar(config.lidar, self.tracks, LIDAR_POSITION, rows)
        gnss = config.gnss if config.noise else config.gnss.exact()
        self._gnss = GnssReceivers(gnss, rows, config.control_period, rng)
        self._antenna = engine.sensor("gnss_position"), engine.sensor("gnss_velocity")
        model = engine.model
        self._tyre, self._chassis = model.geom(f"{WHEELS[0]}_tyre").id, model.body("chassis").id
        self._wheel_dofs = np.array([model.joint(f"{w}_wheel").dofadr[0] for w in WHEELS])
        self.pose = np.zeros((rows, 3))  # x, y, heading of the chassis frame
        self.velocity = np.zeros((rows, 2))  # m/s, of the rear axle's centre, forward and left
        self.yaw_rate = np.zeros(rows)
        self.wheel_slip = np.zeros((rows, 2))  # m/s, of the rear tyres along the car
        self.progress = np.zeros(rows)  # m along the centre line in the last step
        self.travelled = np.zeros(rows)  # m along the centre line in this episode
        self.lap_steps = np.zeros(rows, np.int64)  # control steps of the first lap, once done
        self.steps = np.zeros(rows, np.int64)  # control steps in this episode
        self.farthest = np.zeros(rows)  # m along the centre line, in whole steps
        self.idle = np.zeros(rows, np.int64)  # control steps since the last metre of progress
        self.action = np.zeros((rows, 2), np.float32)
        self.previous_action = np.zeros((rows, 2), np.float32)
        self._ended = np.zeros(rows, bool)
        self._all = np.arange(rows)
        self._was_along = np.zeros(rows)  # m along the track, before the last step

    def start(self, rows: Rows) -> tuple[Float, Float]:
        count, rng, tracks, config = len(rows), self.rng, self.tracks, self.config
        track = self._draw_tracks(count)
        index = rng.integers(tracks.points, size=count)
        self.locator.place(rows, track, index)
        heading = tracks.heading[track, index] + rng.uniform(-0.2, 0.2, count)
        offset = rng.uniform(-0.15, 0.15, count) * tracks.width[track]
        across = np.stack([-np.sin(heading), np.cos(heading)], axis=1)
        speed = rng.uniform(*config.start_speed, count)
        qpos = np.tile(self.engine.model.qpos0, (count, 1))
        qpos[:, :2] = tracks.center[track, index] + offset[:, None] * across
        qpos[:, 2] = CHASSIS_HEIGHT
        qpos[:, 3], qpos[:, 6] = np.cos(heading / 2), np.sin(heading / 2)
        qvel = np.zeros((count, self.engine.model.nv))
        qvel[:, 0], qvel[:, 1] = speed * np.cos(heading), speed * np.sin(heading)
        qvel[:, self._wheel_dofs] = speed[:, None] / WHEEL_RADIUS
        for name in _COUNTERS:
            getattr(self, name)[rows] = 0
        self._gnss.reset(rows)
        self._lidar.reset(rows, rng)
        return qpos, qvel

    def _draw_tracks(self, count: int) -> Rows:
        """Of new episodes; where all start at once, each has its own while there are enough."""
        if count == self.engine.rows:
            return np.resize(self.rng.permutation(len(self.tracks)), count)
        return self.rng.integers(len(self.tracks), size=count)

    def sense(self, rows: Rows | None) -> None:
        some = self._all if rows is None else rows
        self._observe_motion()
        self._was_along[:] = self.position.along
        self.locator.update(some, self.pose)
        self._read_lidar(some)
        fixes = self.signals["gnss_position"], self.signals["gnss_velocity"]
        self._gnss.read(some, *self._antenna, *fixes)

    def observe(self, rows: Rows | None) -> None:
        if rows is None:
            self._observe_progress(self._was_along)

    def _observe_motion(self) -> None:
        qpos, qvel = self.engine.qpos, self.engine.qvel
        self.pose[:, :2] = qpos[:, :2]
        self.pose[:, 2] = yaw(qpos[:, 3:7])
        self.velocity[:] = about_vertical(-self.pose[:, 2], qvel[:, :2])
        self.yaw_rate[:] = qvel[:, 5]
        over_ground = self.velocity[:, :1] + self.yaw_rate[:, None] * [-TRACK / 2, TRACK / 2]
        self.wheel_slip[:] = WHEEL_RADIUS * qvel[:, self._wheel_dofs[2:]] - over_ground

    def _observe_progress(self, before: Float) -> None:
        length = self.tracks.length[self.locator.track]
        ahead = self.position.along - before
        self.progress[:] = ahead - length * np.round(ahead / length)
        self.progress[self.engine.diverged] = 0.0  # it was put elsewhere
        self.travelled += self.progress
        self.steps += 1
        finished = (self.lap_steps == 0) & (self.travelled >= length)
        self.lap_steps[finished] = self.steps[finished]
        self.idle += 1
        moved = self.travelled > self.farthest + 1.0
        self.farthest[moved], self.idle[moved] = self.travelled[moved], 0
        self._ended = self.left_track | self._rolled() | self._stuck()
        self._ended |= self.engine.diverged

    @property
    def left_track(self) -> Bool:
        """Whose outline crosses a wall, (N,)."""
        return self.position.clearance < 0.0

    def _rolled(self) -> Bool:
        x, y = self.engine.qpos[:, 4], self.engine.qpos[:, 5]
        return 1.0 - 2.0 * (x * x + y * y) < np.cos(self.config.max_tilt)

    def _stuck(self) -> Bool:
        return self.idle * self.config.control_period > self.config.stuck_seconds

    def _read_lidar(self, rows: Rows) -> None:
        ranges, pose = self.signals["lidar"], self.engine.qpos[:, :7]
        self._lidar.cast(rows, self.locator.track, self.position.index, pose, ranges)
        if self.config.noise:
            ranges[rows] = self._lidar.add_noise(ranges[rows], self.rng, self._lidar.blind[rows])

    def rewards(self, action: Array) -> dict[str, Float]:
        self.previous_action[:] = self.action
        self.action[:] = action
        return weighted_terms(self.config.rewards, driving.TERMS, self, self.config.control_period)

    def terminated(self) -> Bool:
        return self._ended

    @property
    def friction(self) -> Float:
        """Of each car's tyres, (N,)."""
        return self.engine.field("geom_friction")[:, self._tyre, 0]

    def privileged(self, out: Array) -> None:
        track, p, tracks = self.locator.track, self.position, self.tracks
        points = tracks.points
        step = np.outer(points / tracks.length[track], _PREVIEW).astype(np.int64)
        ahead = tracks.curvature[track[:, None], (p.index[:, None] + step) % points]
        mass = self.engine.field("body_mass")[:, self._chassis]
        columns = [self.velocity, self.yaw_rate, p.offset, np.sin(p.heading_error)]
        columns += [np.cos(p.heading_error), p.curvature, ahead, tracks.width[track], p.clearance]
        columns += [self.friction, mass / self.engine.model.body_mass[self._chassis]]
        columns += [self.wheel_slip]
        out[:] = np.concatenate([c.reshape(len(out), -1) for c in columns], axis=1)

    def metrics(self) -> dict[str, Float]:
        return {
            "speed": self.progress / self.config.control_period,
            "wheel_slip": np.abs(self.wheel_slip).mean(axis=1),
            "lapped": (self.lap_steps > 0).astype(np.float64),
            "laps": self.travelled / self.tracks.length[self.locator.track],
            "lap_time": np.where(
                self.lap_steps > 0, self.lap_steps * self.config.control_period, np.nan
            ),
            "left_track": self.left_track.astype(np.float64),
        }

    def scene_key(self, row: int) -> int:
        return int(self.locator.track[row])

    def decorate(self, spec: mujoco.MjSpec, row: int) -> None:
        add_track(spec, self.tracks, self.scene_key(row), self.config.lidar.wall_height)

    def state(self) -> State:
        state: dict[str, Any] = {name: getattr(self, name).copy() for name in _COUNTERS}
        return (
            state
            | {"locator": self.locator.state(), "gnss": self._gnss.state()}
            | {"blind": self._lidar.blind.copy()}
        )

    def restore(self, state: State) -> None:
        for name in _COUNTERS:
            getattr(self, name)[:] = state[name]
        self.locator.restore(state["locator"])
        self._gnss.restore(state["gnss"])
        self._lidar.blind[:] = state["blind"]
        self._observe_motion()
        self.locator.update(self._all, self.pose)
