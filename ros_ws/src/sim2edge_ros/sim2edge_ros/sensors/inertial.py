"""Collects IMU messages into one reading per control period."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_runtime.signals import Array
from sim2edge_ros.sensors.stamps import PeriodClock

_LEARNING = 0.1  # weight of a new spacing between two readings in their average


class ImuPeriod(NamedTuple):
    """Holds what an IMU measured in a control period."""

    sequence: int  # number of the period
    stamp: float  # s, of the last reading
    time: float  # s, of that reading on the clock of the periods, which never goes back
    burst: Array  # (k * 6,) gyroscope and accelerometer, oldest first
    mean: Array  # (6,) of the burst


class ImuPeriods:
    """Sorts readings into their control period and finds out when it is complete.

    A period has k places at equal steps. Readings that fall into one place are averaged; an empty
    place repeats the reading before it. So an IMU at another rate, or with a jittering clock,
    appears as one with k readings per period.

    Args:
        clock: counts the control periods.
        readings: k, places in a period.
    """

    def __init__(self, clock: PeriodClock, readings: int) -> None:
        self._clock = clock
        self.readings = self._k = max(readings, 1)  # places in a period
        self._sum = np.zeros((self._k, 6))
        self._count = [0] * self._k
        self._before = np.full(6, np.nan)  # the last reading of the previous period
        self._number = -1  # number of the period that is being filled
        self._completed = -1  # number of the newest period that was returned
        self._stamp = self._time = np.nan  # s, of the last reading
        self._spacing = clock.period / self._k  # s between two readings

    def add(
        self, stamp: float, reading: npt.NDArray[np.float64], restarted: bool = False
    ) -> ImuPeriod | None:
        """Takes a reading and returns the newest period that it completes, if it completes one.

        Args:
            stamp: s.
            reading: (6,).
            restarted: whether it is the first reading after a jump of the stamps.
        """
        if not self._clock.aligned:
            return None
        step = min(self._spacing, self._clock.period / self._k)
        number = self._clock.number(stamp, 0.5 * step, restarted)
        if stamp > self._stamp:  # readings lost in between do not count as a slow rate
            spacing = min(stamp - self._stamp, 2.0 * self._spacing)
            self._spacing += _LEARNING * (spacing - self._spacing)
        late = None
        if number != self._number and any(self._count):
            # The reading that should have completed it was lost
            late = self._complete(self._number)
        self._number, self._stamp, self._time = number, stamp, self._clock.time
        if number == self._completed:
            return None  # the clock jitters
        phase = self._clock.phase(stamp)
        place = min(max(round(phase * self._k) - 1, 0), self._k - 1)
        self._sum[place] += reading
        self._count[place] += 1
        last = (1.0 - phase) * self._clock.period < 0.5 * self._spacing
        return self._complete(number) if last else late

    def _complete(self, number: int) -> ImuPeriod:
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
        return ImuPeriod(number, self._stamp, self._time, burst.reshape(-1), burst.mean(axis=0))
