"""IMU messages, as they come, into one reading per control period."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_runtime.signals import Array
from sim2edge_ros.sensors.stamps import PeriodClock

_LEARNING = 0.1  # share of a new spacing between two readings


class Inertial(NamedTuple):
    """What an IMU measured in a control period."""

    sequence: int  # of the period
    stamp: float  # s, of the last reading
    time: float  # s, of that reading by the clock of the periods, which never goes back
    burst: Array  # (k * 6,) gyroscope and accelerometer, oldest first
    mean: Array  # (6,)


class InertialPeriods:
    """Puts readings where they belong in their period and tells when it is complete.

    A period has k places at equal steps. Readings that fall into the same are averaged, one that
    is missing is that before it: so an IMU at another rate, or with a jittering clock, is read
    as one at k per period.

    Args:
        clock: of the control periods.
        readings: k, places in a period.
    """

    def __init__(self, clock: PeriodClock, readings: int) -> None:
        self._clock = clock
        self.readings = self._k = max(readings, 1)  # a period
        self._sum = np.zeros((self._k, 6))
        self._count = [0] * self._k
        self._before = np.full(6, np.nan)  # the last reading of the last period
        self._number = -1  # of the period that is being filled
        self._completed = -1  # the newest that was given
        self._stamp = self._time = np.nan  # s, of the last reading
        self._spacing = clock.period / self._k  # s between two readings

    def add(
        self, stamp: float, reading: npt.NDArray[np.float64], anew: bool = False
    ) -> Inertial | None:
        """Take in a reading; the newest period that is complete with it, if one is.

        Args:
            stamp: s.
            reading: (6,).
            anew: whether it is the first of another time.
        """
        if not self._clock.aligned:
            return None
        step = min(self._spacing, self._clock.period / self._k)
        number = self._clock.number(stamp, 0.5 * step, anew)
        if stamp > self._stamp:  # and what is lost in between does not count as slowness
            spacing = min(stamp - self._stamp, 2.0 * self._spacing)
            self._spacing += _LEARNING * (spacing - self._spacing)
        late = None
        if number != self._number and any(self._count):
            late = self._complete(self._number)  # what should have completed it was lost
        self._number, self._stamp, self._time = number, stamp, self._clock.time
        if number == self._completed:
            return None  # its clock jitters
        phase = self._clock.phase(stamp)
        place = min(max(round(phase * self._k) - 1, 0), self._k - 1)
        self._sum[place] += reading
        self._count[place] += 1
        last = (1.0 - phase) * self._clock.period < 0.5 * self._spacing
        return self._complete(number) if last else late

    def _complete(self, number: int) -> Inertial:
        places = np.full((self._k, 6), np.nan)
        for place, count in enumerate(self._count):
            if count:
                self._before = places[place] = self._sum[place] / count
            else:
                places[place] = self._before
        first = next(place for place, count in enumerate(self._count) if count)
        places[:first] = places[first] if np.isnan(places[0]).any() else places[:first]
        self._sum[:], self._count[:] = 0.0, [0] * self._k
        self._completed = number
        burst = places.astype(np.float32)
        return Inertial(number, self._stamp, self._time, burst.reshape(-1), burst.mean(axis=0))
