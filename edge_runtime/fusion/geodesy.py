"""Converts places on the earth, on the ellipsoid of WGS 84, to and from a local frame."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edge_runtime.signals import Float

SEMI_MAJOR, _FLATTENING = 6378137.0, 1 / 298.257223563
_HIGHEST = 10e3  # m, above and below the ellipsoid, where a robot may be
_SQUARED = _FLATTENING * (2.0 - _FLATTENING)  # eccentricity


@dataclass(frozen=True)
class Datum:
    """Holds the origin of a local frame: x east, y north, z up (REP-103)."""

    latitude: float  # degrees
    longitude: float  # degrees
    altitude: float  # m above the ellipsoid

    @cached_property
    def _origin(self) -> Float:
        return earth_centred(self.latitude, self.longitude, self.altitude)

    @cached_property
    def _axes(self) -> Float:
        return _axes_at(math.radians(self.latitude), math.radians(self.longitude))

    def to_local(
        self, latitude: float, longitude: float, altitude: float
    ) -> tuple[float, float, float]:
        """Returns east, north and up of a place, m from the origin."""
        off = earth_centred(latitude, longitude, altitude) - self._origin
        east, north, up = (self._axes @ off).tolist()
        return east, north, up

    def to_geodetic(self, east: float, north: float, up: float) -> tuple[float, float, float]:
        """Returns latitude and longitude in degrees and height in m of a place, given in m from the
        origin."""
        place = self._origin + np.array([east, north, up]) @ self._axes
        phi, lam, height = _geodetic(place)
        return math.degrees(phi), math.degrees(lam), height


def is_on_ground(latitude: float, longitude: float, altitude: float) -> bool:
    """Returns whether there is such a place, degrees and m above the ellipsoid, near the ground."""
    return abs(latitude) <= 90.0 and abs(longitude) <= 360.0 and abs(altitude) <= _HIGHEST


def earth_centred(
    latitude: Float | float, longitude: Float | float, height: Float | float
) -> Float:
    """Returns (..., 3) m of geodetic coordinates (...) in degrees and m above the ellipsoid."""
    lat, lon = np.radians(latitude), np.radians(longitude)
    normal = SEMI_MAJOR / np.sqrt(1.0 - _SQUARED * np.sin(lat) ** 2)
    across = (normal + height) * np.cos(lat)
    up = (normal * (1.0 - _SQUARED) + height) * np.sin(lat)
    return np.stack([across * np.cos(lon), across * np.sin(lon), up], axis=-1)


def east_north_up(origin: Float) -> Float:
    """Returns rows east, north and up at a place, (3, 3), whose place (3,) is earth-centred, m."""
    latitude, longitude, _ = _geodetic(origin)
    return _axes_at(latitude, longitude)


def _axes_at(phi: float, lam: float) -> Float:
    """Returns rows east, north and up, (3, 3), at a latitude and a longitude, rad."""
    sp, cp, sl, cl = math.sin(phi), math.cos(phi), math.sin(lam), math.cos(lam)
    return np.array([[-sl, cl, 0.0], [-sp * cl, -sp * sl, cp], [cp * cl, cp * sl, sp]])


def _geodetic(place: Float) -> tuple[float, float, float]:
    """Returns latitude and longitude, rad, and height, m; solved by Bowring's iteration."""
    x, y, z = place.tolist()
    across = math.hypot(x, y)
    phi = math.atan2(z, across * (1.0 - _SQUARED))
    height = 0.0
    for _ in range(8):
        normal = SEMI_MAJOR / math.sqrt(1.0 - _SQUARED * math.sin(phi) ** 2)
        height = across / math.cos(phi) - normal
        phi = math.atan2(z, across * (1.0 - _SQUARED * normal / (normal + height)))
    return phi, math.atan2(y, x), height
