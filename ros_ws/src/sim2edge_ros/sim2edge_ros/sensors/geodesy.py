"""Converts between WGS 84 and a local east-north-up frame by earth-centred coordinates."""

import math
from dataclasses import dataclass

_A = 6378137.0  # m, semi-major axis of WGS 84
_F = 1 / 298.257223563  # flattening
_E2 = _F * (2 - _F)


@dataclass(frozen=True)
class Datum:
    """Holds the origin of a local frame: x east, y north, z up (REP-103)."""

    latitude: float  # degrees
    longitude: float  # degrees
    altitude: float  # m above the ellipsoid

    def to_local(
        self, latitude: float, longitude: float, altitude: float
    ) -> tuple[float, float, float]:
        """Returns east, north and up of a place, m from the origin."""
        x0, y0, z0 = _earth_centred(self.latitude, self.longitude, self.altitude)
        x, y, z = _earth_centred(latitude, longitude, altitude)
        dx, dy, dz = x - x0, y - y0, z - z0
        phi, lam = math.radians(self.latitude), math.radians(self.longitude)
        sp, cp, sl, cl = math.sin(phi), math.cos(phi), math.sin(lam), math.cos(lam)
        east = -sl * dx + cl * dy
        north = -sp * cl * dx - sp * sl * dy + cp * dz
        up = cp * cl * dx + cp * sl * dy + sp * dz
        return east, north, up

    def to_geodetic(self, east: float, north: float, up: float) -> tuple[float, float, float]:
        """Returns latitude and longitude in degrees and height in m of a place, given in m from the
        origin."""
        x0, y0, z0 = _earth_centred(self.latitude, self.longitude, self.altitude)
        phi, lam = math.radians(self.latitude), math.radians(self.longitude)
        sp, cp, sl, cl = math.sin(phi), math.cos(phi), math.sin(lam), math.cos(lam)
        x = x0 - sl * east - sp * cl * north + cp * cl * up
        y = y0 + cl * east - sp * sl * north + cp * sl * up
        z = z0 + cp * north + sp * up
        return _geodetic(x, y, z)


def _earth_centred(latitude: float, longitude: float, altitude: float) -> tuple[float, ...]:
    phi, lam = math.radians(latitude), math.radians(longitude)
    normal = _A / math.sqrt(1 - _E2 * math.sin(phi) ** 2)
    across = (normal + altitude) * math.cos(phi)
    up = (normal * (1 - _E2) + altitude) * math.sin(phi)
    return across * math.cos(lam), across * math.sin(lam), up


def _geodetic(x: float, y: float, z: float) -> tuple[float, float, float]:
    """Solves for the latitude by Bowring's iteration."""
    across = math.hypot(x, y)
    phi = math.atan2(z, across * (1 - _E2))
    altitude = 0.0
    for _ in range(8):
        normal = _A / math.sqrt(1 - _E2 * math.sin(phi) ** 2)
        altitude = across / math.cos(phi) - normal
        phi = math.atan2(z, across * (1 - _E2 * normal / (normal + altitude)))
    return math.degrees(phi), math.degrees(math.atan2(y, x)), altitude
