"""Runs the car's gauntlet on N rows: wet patches, side wind, load, sensors that drop out."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from edge_runtime.signals import IMU_ACCEL, IMU_GYRO, Bool, Float, Rows
from policies.gauntlet.driving.protocol import DrivingGauntlet
from policies.gauntlet.dropouts import Dropouts, LostEchoes
from policies.gauntlet.trial_env import GauntletRun, TrialEnv, TrialOutcome
from sim.tasks.driving.config import VehicleTrack
from sim.tasks.driving.task import DrivingTask

_LIDAR = "lidar"


class DrivingTrials(TrialEnv):
    """Runs trials of a car; see `TrialEnv` for the arguments."""

    task: DrivingTask
    config: VehicleTrack
    protocol: DrivingGauntlet = DrivingGauntlet()

    def __init__(
        self,
        task: VehicleTrack,
        protocol: DrivingGauntlet,
        run: GauntletRun,
        trials: Iterable[int],
        rows: int,
    ) -> None:
        super().__init__(task, protocol, run, trials, rows)
        config, model = self.config, self.engine.model
        self._main = model.body(config.robot.main_body).id
        self._tyres = [model.geom(name).id for name in config.ground]
        self._dry = np.ones(rows)  # friction off the wet patches
        self._grip = np.ones((rows, protocol.wet_patches))  # share of it on each patch
        self._patch = np.zeros((rows, protocol.wet_patches, 2))  # from, length: m along the track
        self._wind = np.zeros((rows, 2))  # N, in the world
        self._gust = np.zeros(rows)  # rad
        period = config.control_period
        self._scans = Dropouts(
            [_LIDAR], rows, protocol.dropout_interval, protocol.lidar_lost, period
        )
        self._imu = Dropouts(
            [IMU_GYRO, IMU_ACCEL], rows, protocol.dropout_interval, protocol.imu_frozen, period
        )
        self._lost_echoes = LostEchoes(beam_angles(config), rows, protocol.beam_dropout)
        self._rows = np.arange(rows)

    @staticmethod
    def prepare_task(task: VehicleTrack, protocol: DrivingGauntlet, seed: int) -> VehicleTrack:
        """Returns the task on unseen tracks as the protocol wants it.

        Lost beams and blind sectors are drawn by the trial itself, so that no car's depend on
        another's.
        """
        unseen = task.unseen(seed)
        return replace(
            unseen,
            episode_seconds=protocol.lap_seconds + 1.0,  # the trial ends it before
            lidar=replace(unseen.lidar, dropout=0.0, blind=(0.0, 0.0)),
            gnss=unseen.gnss.exact(),
            randomization=replace(unseen.randomization, enabled=True, payload=(0.0, 0.0)),
        )

    def prepare(self, rows: Rows, rngs: list[Generator]) -> list[dict[str, float]]:
        settings = [self._draw(row, rng) for row, rng in zip(rows.tolist(), rngs)]
        qpos, qvel = self.engine.qpos[rows].copy(), self.engine.qvel[rows].copy()
        self.engine.reset(rows, qpos, qvel, constants_changed=True)
        self._lose_beams(rows)
        return settings

    def _lose_beams(self, rows: Rows) -> None:
        self._lost_echoes.apply(rows, self.signals[_LIDAR], self.config.lidar.max_range)

    def _draw(self, row: int, rng: Generator) -> dict[str, float]:
        p, engine = self.protocol, self.engine
        friction, payload = rng.uniform(*p.friction), rng.uniform(*p.payload)
        delay = rng.uniform(*p.action_delay)
        length = float(self.task.tracks.length[self.task.locator.track[row]])
        self._patch[row, :, 0] = rng.uniform(0.0, length, p.wet_patches)
        self._patch[row, :, 1] = rng.uniform(*p.wet_length, p.wet_patches)
        self._grip[row] = rng.uniform(*p.wet_grip, p.wet_patches)
        wind, blows = rng.uniform(*p.wind_force), rng.uniform(-np.pi, np.pi)
        self._wind[row] = wind * np.cos(blows), wind * np.sin(blows)
        self._gust[row] = rng.uniform(-np.pi, np.pi)
        sector = rng.uniform(*p.blown_sector)
        lidar = self.config.lidar
        middle = rng.uniform(-0.5, 0.5) * (lidar.field_of_view - sector)
        self._lost_echoes.start(row, middle, sector, rng)
        self._scans.start(row, rng)
        self._imu.start(row, rng)
        self._dry[row] = friction
        engine.field("geom_friction")[row, self._tyres, 0] = friction
        self.actuators.delay[row] = round(delay / engine.model.opt.timestep)
        masses, inertia = engine.field("body_mass"), engine.field("body_inertia")
        inertia[row, self._main] *= 1.0 + payload / masses[row, self._main]
        masses[row, self._main] += payload
        return {
            "friction": friction,
            "wet_grip": float(self._grip[row].min(initial=1.0)),
            "wet_m": float(self._patch[row, :, 1].sum()),
            "wind_N": wind,
            "payload_kg": payload,
            "action_delay_s": delay,
            "blown_sector_rad": sector,
            "blown_at_rad": middle,
            "track": float(self.task.locator.track[row]),
        }

    def disturb(self, control: Float) -> Float:
        grip = np.min(np.where(self._on_patch(), self._grip, 1.0), axis=1, initial=1.0)
        friction = self.engine.field("geom_friction")
        friction[self._rows[:, None], self._tyres, 0] = (self._dry * grip)[:, None]
        swell = 2.0 * np.pi / self.protocol.gust_seconds
        gust = 1.0 + np.sin(swell * self.time + self._gust)
        self.engine.external_force[:, self._main, :2] = gust[:, None] * self._wind
        return control

    def _on_patch(self) -> Bool:
        """Returns which cars are on which of their patches, (N, patches)."""
        length = self.task.tracks.length[self.task.locator.track]
        into = self.task.position.along[:, None] - self._patch[:, :, 0]
        on: Bool = np.mod(into, length[:, None]) < self._patch[:, :, 1]
        return on

    def watch(self) -> Bool:
        self._lose_beams(self._rows)
        self._scans.hold(self.signals)
        self._imu.hold(self.signals)
        over: Bool = (self.task.lap_steps > 0) | (self.time >= self.protocol.lap_seconds)
        return over

    def happening(self, row: int) -> list[str]:
        return self._circumstances(row)

    def outcome(self, row: int, fell: bool) -> TrialOutcome:
        seconds, task = float(self.time[row]), self.task
        laps = float(task.metrics()["laps"][row])
        if task.lap_steps[row] > 0 and not task.left_track[row]:
            return TrialOutcome(True, f"lapped in {task.lap_steps[row] * self._period:.1f} s")
        where = f"at {seconds:.1f} s, after {_percent(max(laps, 0.0))} of the lap"
        if not fell:
            return TrialOutcome(
                False, f"was too slow: {_percent(max(laps, 0.0))} of the lap in {seconds:.1f} s"
            )
        what = "left the track" if task.left_track[row] else "rolled over or stopped"
        return TrialOutcome(False, ", ".join([f"{what} {where}", *self._circumstances(row)]))

    @property
    def _period(self) -> float:
        return self.config.control_period

    def _circumstances(self, row: int) -> list[str]:
        """Returns what made driving hard for the car at this moment."""
        found = []
        patch = self._on_patch()[row]
        if patch.any():
            found.append(
                f"on a wet patch with {_percent(self._grip[row][patch].min())} of the grip"
            )
        if self._scans.held[row]:
            found.append("without new lidar scans")
        if self._imu.held[row]:
            found.append("with a frozen IMU")
        return found


def _percent(share: float) -> str:
    return f"{100.0 * share:.0f} %"


def beam_angles(task: VehicleTrack) -> Float:
    """Returns the directions of the lidar's beams, (beams,) rad, right to left."""
    half = task.lidar.field_of_view / 2
    return np.linspace(-half, half, task.lidar.beams)
