"""Runs N cars, each on its own track, and measures them."""

from typing import cast

import mujoco
import numpy as np

from edge_runtime.rotations import about_vertical, yaw
from edge_runtime.signals import Array, Bool, Float, Rows
from sim.engines.engine import Engine
from sim.racing.position import Locator
from sim.racing.scene import add_track
from sim.racing.tracks import make_tracks
from sim.sensors.gnss_receivers import GnssReceivers
from sim.sensors.lidar import Lidar
from sim.tasks.driving.rewards import reward
from sim.tasks.driving.settings import DrivingSettings
from sim.tasks.driving.state import DrivingState
from sim.tasks.reward_terms import Namespace
from sim.tasks.task import EpisodeEnd, State, Task

_PREVIEW = np.arange(1, 11) * 2.5  # m ahead, where a critic sees the curvature


class DrivingTask(Task):
    """Runs N vehicles, each on its own track; the reward terms read `now`."""

    camera = "behind"
    privileged_size = 13 + len(_PREVIEW)
    final_metrics = frozenset({"lapped", "laps", "lap_time", "left_track"})
    end = EpisodeEnd("lapped", "no lap", {"left_track": "left the track"}, "stopped")

    def __init__(
        self,
        config: DrivingSettings,
        engine: Engine,
        signals: dict[str, Array],
        rng: np.random.Generator,
    ) -> None:
        super().__init__(engine, signals, rng)
        self.config, rows = config, engine.rows
        self._car = car = config.robot.find_car()
        self.tracks = make_tracks(config.tracks, config.track_seed, config.track)
        self.locator = Locator(self.tracks, rows, car.outline)
        self.position = self.locator.position
        self._lidar = Lidar(config.lidar, self.tracks, car.lidar, rows)
        gnss = config.gnss if config.noise else config.gnss.exact()
        self._gnss = GnssReceivers(gnss, rows, config.control_period, rng)
        self._antenna = engine.sensor("gnss_position"), engine.sensor("gnss_velocity")
        model = engine.model
        self._tyre = model.geom(config.ground[0]).id
        self._chassis = model.body(config.robot.main_body).id
        self._wheel_dofs = np.array([model.joint(f"{w}_wheel").dofadr[0] for w in car.wheels])
        self.pose = np.zeros((rows, 3))  # x, y, heading of the chassis frame
        self.yaw_rate = np.zeros(rows)  # rad/s
        self.travelled = np.zeros(rows)  # m along the centre line in this episode
        self.lap_steps = np.zeros(rows, np.int64)  # control steps of the first lap, once done
        self.steps = np.zeros(rows, np.int64)  # control steps in this episode
        self.farthest = np.zeros(rows)  # m along the centre line, in whole steps
        self.idle = np.zeros(rows, np.int64)  # control steps since the last metre of progress
        self.action = np.zeros((rows, 2), np.float32)
        self.now = DrivingState(
            xp=cast(Namespace, np),
            control_period=config.control_period,
            room=config.room,
            progress=np.zeros(rows),
            velocity=np.zeros((rows, 2)),
            wheel_slip=np.zeros((rows, 2)),
            clearance=self.position.clearance,
            change=np.zeros((rows, 2)),
            crashed=np.zeros(rows),
        )
        # What counts within an episode: zero at its start.
        self._counters = {"progress": self.now.progress} | {
            name: getattr(self, name)
            for name in ("travelled", "lap_steps", "steps", "farthest", "idle", "action")
        }
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
        qpos[:, 2] = self._car.standing_height
        qpos[:, 3], qpos[:, 6] = np.cos(heading / 2), np.sin(heading / 2)
        qvel = np.zeros((count, self.engine.model.nv))
        qvel[:, 0], qvel[:, 1] = speed * np.cos(heading), speed * np.sin(heading)
        qvel[:, self._wheel_dofs] = speed[:, None] / self._car.wheel_radius
        for counter in self._counters.values():
            counter[rows] = 0
        self._gnss.reset(rows)
        self._lidar.reset(rows, rng)
        return qpos, qvel

    def _draw_tracks(self, count: int) -> Rows:
        """Draws the tracks of new episodes; when all start at once, no two share one needlessly."""
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
        velocity = self.now.velocity
        velocity[:] = about_vertical(-self.pose[:, 2], qvel[:, :2])
        self.yaw_rate[:] = qvel[:, 5]
        car, half = self._car, self._car.track / 2
        over_ground = velocity[:, :1] + self.yaw_rate[:, None] * [-half, half]
        self.now.wheel_slip[:] = car.wheel_radius * qvel[:, self._wheel_dofs[2:]] - over_ground

    def _observe_progress(self, before: Float) -> None:
        now, length = self.now, self.tracks.length[self.locator.track]
        ahead = self.position.along - before
        now.progress[:] = ahead - length * np.round(ahead / length)
        now.progress[self.engine.diverged] = 0.0  # the robot was put elsewhere
        self.travelled += now.progress
        self.steps += 1
        finished = (self.lap_steps == 0) & (self.travelled >= length)
        self.lap_steps[finished] = self.steps[finished]
        self.idle += 1
        moved = self.travelled > self.farthest + 1.0
        self.farthest[moved], self.idle[moved] = self.travelled[moved], 0
        self._ended = self.left_track | self._rolled() | self._stuck() | self.engine.diverged
        now.crashed[:] = self._ended

    @property
    def left_track(self) -> Bool:
        """Returns which cars' outlines cross a wall, (N,)."""
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
        self.now.change[:] = action - self.action
        self.action[:] = action
        return reward.weighted(self.config.rewards, self.now, self.config.control_period)

    def terminated(self) -> Bool:
        return self._ended

    @property
    def friction(self) -> Float:
        """Returns the friction coefficient of each car's tyres, (N,)."""
        return self.engine.field("geom_friction")[:, self._tyre, 0]

    def privileged(self, out: Array) -> None:
        track, p, tracks = self.locator.track, self.position, self.tracks
        points = tracks.points
        step = np.outer(points / tracks.length[track], _PREVIEW).astype(np.int64)
        ahead = tracks.curvature[track[:, None], (p.index[:, None] + step) % points]
        mass = self.engine.field("body_mass")[:, self._chassis]
        columns = [self.now.velocity, self.yaw_rate, p.offset, np.sin(p.heading_error)]
        columns += [np.cos(p.heading_error), p.curvature, ahead, tracks.width[track], p.clearance]
        columns += [self.friction, mass / self.engine.model.body_mass[self._chassis]]
        columns += [self.now.wheel_slip]
        out[:] = np.concatenate([c.reshape(len(out), -1) for c in columns], axis=1)

    def metrics(self) -> dict[str, Float]:
        return {
            "speed": self.now.progress / self.config.control_period,
            "wheel_slip": np.abs(self.now.wheel_slip).mean(axis=1),
            "lapped": (self.lap_steps > 0).astype(np.float64),
            "laps": self.travelled / self.tracks.length[self.locator.track],
            "lap_time": np.where(
                self.lap_steps > 0, self.lap_steps * self.config.control_period, np.nan
            ),
            "left_track": self.left_track.astype(np.float64),
        }

    def overlay(self, row: int) -> list[str]:
        laps = max(0.0, self.metrics()["laps"][row])
        return [
            f"{round(3.6 * float(self.now.velocity[row, 0]))} km/h",
            f"lap {int(laps) + 1}, {100.0 * (laps % 1):.0f} %",
        ]

    def scene_key(self, row: int) -> int:
        return int(self.locator.track[row]) * self.tracks.points + int(self.locator.start[row])

    def decorate(self, spec: mujoco.MjSpec, row: int) -> None:
        track, start = self.locator.track[row], self.locator.start[row]
        add_track(spec, self.tracks, int(track), self.config.lidar.wall_height, int(start))

    def state(self) -> State:
        return {name: counter.copy() for name, counter in self._counters.items()} | {
            "locator": self.locator.state(),
            "gnss": self._gnss.state(),
            "blind": self._lidar.blind.copy(),
        }

    def restore(self, state: State) -> None:
        for name, counter in self._counters.items():
            counter[:] = state[name]
        self.locator.restore(state["locator"])
        self._gnss.restore(state["gnss"])
        self._lidar.blind[:] = state["blind"]
        self._observe_motion()
        self.locator.update(self._all, self.pose)
