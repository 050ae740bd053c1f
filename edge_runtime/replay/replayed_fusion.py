"""Replays the log of a run through an estimator of the control loop."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.estimators import find_fusion
from edge_runtime.fusion import Fusion
from edge_runtime.fusion.estimate import Estimate, Health
from edge_runtime.fusion.measurement import FusedSample, Imu, Measurement
from edge_runtime.recording.run_log_format import RunRecord
from edge_runtime.replay.readers import Log
from edge_runtime.replay.readers.robot_run import FIX
from edge_runtime.signals import ATTITUDE, Array

NO_HEALTH = "the estimator gives no health, only whether it is lost"
_UNKNOWN = 1e12 * np.eye(9)


class ReplayedFusion:
    """Runs a control loop's estimator as a `StateFilter` of its samples.

    Args:
        record: the log of the run.
        name: the estimator's name; its outputs are compared with the loop's, if that had it too.

    Raises:
        UserError: there is no such estimator, or the robot is not one for it.
    """

    def __init__(self, record: RunRecord, name: str) -> None:
        self._fusion: Fusion = find_fusion(name, record.contract, record.robot)
        fusion = self._fusion
        if ATTITUDE not in {signal.name for signal in (*record.robot.signals, *fusion.provides)}:
            raise UserError(
                f"robot '{record.robot.name}' gives no '{ATTITUDE}', nor does estimator '{name}'; "
                "choose another --estimator"
            )
        self._outputs = [fusion.estimates[signal.name] for signal in fusion.provides]
        self._compared = name == record.fusion
        self._estimate: Estimate | None = None
        self.readings = 0
        self.differing: list[float] = []  # s, stamps at which the loop's own estimates differ

    def seen(self, log: Log) -> Log:
        """Returns the log without the fixes, if this estimator does not read them."""
        if any(signal.name == FIX for signal in self._fusion.reads):
            return log
        readings = tuple(m for m in log.measurements if isinstance(m, FusedSample))
        return dataclasses.replace(
            log, measurements=readings, arrivals=np.array([m.stamp for m in readings])
        )

    def predict(self, imu: Imu) -> None:
        """Does nothing: the samples hold the IMU's readings."""

    def update(self, measurement: Measurement) -> bool:
        if not isinstance(measurement, FusedSample):
            return True  # a fix, which is among the readings
        fusion = self._fusion
        if measurement.reset:
            fusion.reset()
        fusion.update(measurement.signals, measurement.periods)
        self.readings += 1
        if self._compared:
            ours = b"".join(values.tobytes() for values in self._outputs)
            if ours != measurement.estimates.tobytes():
                self.differing.append(measurement.stamp)
        self._estimate = _estimate(fusion, measurement.signals, measurement.stamp)
        return True

    @property
    def estimate(self) -> Estimate:
        assert self._estimate is not None, "asked before the first reading"
        return self._estimate

    def reset(self) -> None:
        self._fusion.reset()

    def close(self) -> None:
        """Releases what the estimator holds."""
        self._fusion.close()

    def verdict(self) -> str:
        """Returns one line that says whether the loop had the same estimates."""
        if not self._compared:
            return "the loop had another estimator"
        if not self.differing:
            return "as in the loop, to the bit"
        return (
            f"{len(self.differing)} of {self.readings} estimates are not those of the loop, first "
            f"at {self.differing[0]:.2f} s"
        )


def _estimate(fusion: Fusion, signals: Mapping[str, Array], stamp: float) -> Estimate:
    """Returns the filter's own estimate where it has one, else one made of its outputs."""
    if fusion.states:
        known = dataclasses.replace(fusion.states[0], stamp=stamp)
        if not fusion.lost:
            return known
        return dataclasses.replace(known, health=Health.LOST, reason=fusion.reason)
    attitude = ({**signals, **fusion.estimates})[ATTITUDE][0].astype(np.float64)
    nothing = np.zeros(3)
    return Estimate(
        stamp=stamp,
        attitude=attitude if attitude.any() else np.array([1.0, 0.0, 0.0, 0.0]),
        velocity=nothing,
        position=nothing,
        gyro_bias=nothing,
        accel_bias=nothing,
        covariance=_UNKNOWN,
        health=Health.LOST if fusion.lost else Health.GOOD,
        reason=fusion.reason if fusion.lost else NO_HEALTH,
    )
