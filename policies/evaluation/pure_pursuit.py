"""Drives a car with perfect knowledge: the peer that a learned driver is measured against.

It follows the line of least curvature by pure pursuit (Coulter, "Implementation of the Pure Pursuit
Path Tracking Algorithm", CMU-RI-TR-92-01) at the highest speed that the tyres allow (forward and
backward pass over the friction ellipse; Kapania, Subosits and Gerdes, "A Sequential Two-Step
Algorithm for Fast Generation of Vehicle Racing Trajectories", 2016). It knows the track, the pose
and the friction exactly.
"""

from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from edge_runtime.fusion.compiled import compiled
from edge_runtime.signals import Array, Float, Index
from sim.envs.vector_env import TaskVectorEnv
from sim.racing.line import racing_lines
from sim.tasks.driving.config import VehicleTrack
from sim.tasks.driving.task import DrivingTask


@dataclass(frozen=True)
class PurePursuitConfig:
    """Sets the driver; the defaults are tuned for lap time without leaving the track."""

    margin: float = 1.1  # m, from the line to the walls; half of the car is 0.55
    grip: float = 0.95  # share of the tyres' friction that the plan uses sideways
    acceleration: float = 4.0  # m/s²
    braking: float = 3.2  # m/s²
    preview: float = 0.12  # s, the plan is read this far ahead
    lookahead_time: float = 0.3  # s
    lookahead_least: float = 1.5  # m


class PurePursuit:
    """Drives all N vehicles of an environment.

    Args:
        env: the cars' environment, of a driving task.
        config: how boldly it drives.
    """

    task: ClassVar[str] = VehicleTrack.name
    """The task that it drives where none is named."""

    def __init__(self, env: TaskVectorEnv, config: PurePursuitConfig = PurePursuitConfig()) -> None:
        self._env, self._config = env, config
        self._task = cast(DrivingTask, env.task)
        self._car = env.config.robot.find_car()
        steering, drive = env.config.robot.actuators
        self._scale = np.array([steering.action_scale, drive.action_scale])
        self._lines = racing_lines(self._task.tracks, config.margin)
        self._steps, self._curvature = _measure(self._lines)
        self._plan = np.zeros((env.num_envs, self._task.tracks.points))  # m/s

    def act(self) -> Array:
        """Returns the actions for the present states, (N, 2)."""
        task, config = self._task, self._config
        new = np.flatnonzero(self._env.age == 0)
        _plan(
            new,
            task.locator.track,
            task.friction,
            self._curvature,
            self._steps,
            self._car.top_speed,
            config.grip,
            config.acceleration,
            config.braking,
            self._plan,
        )
        speed = np.maximum(task.now.velocity[:, 0], 0.0)
        distance = config.lookahead_least + config.lookahead_time * speed
        steering = self._steering(distance)
        wanted = self._planned(config.preview * speed)
        action = np.stack([steering, wanted / self._car.wheel_radius], axis=1) / self._scale
        return np.clip(action, -1.0, 1.0).astype(np.float32)

    def _ahead(self, distance: Float) -> tuple[Index, Index, Float]:
        """Returns the points around `distance` (N,) m ahead along the centre line, and the share
        between."""
        task, tracks = self._task, self._task.tracks
        track = task.locator.track
        where = (task.position.along + distance) * tracks.points / tracks.length[track]
        floor = np.floor(where)
        i = floor.astype(np.int64) % tracks.points
        return i, (i + 1) % tracks.points, where - floor

    def _steering(self, distance: Float) -> Float:
        """Returns the steering angle whose circle leads through the point `distance` ahead, (N,)
        rad."""
        task = self._task
        track, line = task.locator.track, self._lines
        i, j, share = self._ahead(distance)
        goal = line[track, i] + share[:, None] * (line[track, j] - line[track, i])
        offset = goal - task.pose[:, :2]
        bearing = np.arctan2(offset[:, 1], offset[:, 0]) - task.pose[:, 2]
        curvature = 2.0 * np.sin(bearing) / np.hypot(offset[:, 0], offset[:, 1])
        return np.arctan(self._car.wheelbase * curvature)

    def _planned(self, distance: Float) -> Float:
        """Returns the planned speed `distance` ahead, (N,) m/s."""
        i, j, share = self._ahead(distance)
        row = np.arange(len(self._plan))
        return (1.0 - share) * self._plan[row, i] + share * self._plan[row, j]


def _measure(line: Float) -> tuple[Float, Float]:
    """Returns distance to the next point, m, and curvature, 1/m, unsigned, of closed lines, (K,
    P) each."""
    ahead = np.roll(line, -1, axis=1) - line
    step = np.linalg.norm(ahead, axis=-1)
    heading = np.arctan2(ahead[..., 1], ahead[..., 0])
    turn = heading - np.roll(heading, 1, axis=1)
    turn = np.abs((turn + np.pi) % (2 * np.pi) - np.pi)
    return step, 2 * turn / (step + np.roll(step, 1, axis=1))


@compiled
def _plan(
    rows: Index,
    track: Index,
    friction: Float,
    curvatures: Float,
    distances: Float,
    top_speed: float,
    grip: float,
    acceleration: float,
    braking: float,
    out: Float,
) -> None:
    """Plans the highest speed at each point of the tracks, (N, P), of `rows`."""
    points = curvatures.shape[1]
    for n in rows:
        bend, speed = curvatures[track[n]], out[n]
        sideways = grip * friction[n] * 9.81
        step = distances[track[n]]
        for i in range(points):
            speed[i] = min(np.sqrt(sideways / max(bend[i], 1e-6)), top_speed)
        for _lap in range(2):  # the second pass carries over the end of the lap
            for i in range(points):
                j = (i + 1) % points
                left = 1.0 - min(speed[i] ** 2 * bend[i] / sideways, 1.0) ** 2
                reached = np.sqrt(speed[i] ** 2 + 2 * step[i] * acceleration * np.sqrt(left))
                speed[j] = min(speed[j], reached)
        for _lap in range(2):
            for i in range(points - 1, -1, -1):
                j = (i + 1) % points
                left = 1.0 - min(speed[j] ** 2 * bend[j] / sideways, 1.0) ** 2
                reached = np.sqrt(speed[j] ** 2 + 2 * step[i] * braking * np.sqrt(left))
                speed[i] = min(speed[i], reached)
