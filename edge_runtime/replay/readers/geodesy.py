"""Converts places on the earth, on the ellipsoid of WGS 84, into a local east-north-up frame."""

import numpy as np

from edge_runtime.signals import Float

SEMI_MAJOR, _FLATTENING = 6378137.0, 1 / 298.257223563


def earth_centred(latitude: Float, longitude: Float, height: Float) -> Float:
    """Returns (K, 3) m of geodetic coordinates in degrees and m above the ellipsoid."""
    lat, lon = np.radians(latitude), np.radians(longitude)
    squared = _FLATTENING * (2.0 - _FLATTENING)
    normal = SEMI_MAJOR / np.sqrt(1.0 - squared * np.sin(lat) ** 2)
    return np.stack(
        [
            (normal + height) * np.cos(lat) * np.cos(lon),
            (normal + height) * np.cos(lat) * np.sin(lon),
            (normal * (1.0 - squared) + height) * np.sin(lat),
        ],
        axis=1,
    )


def east_north_up(origin: Float) -> Float:
    """Returns rows east, north and up at a place, (3, 3), from ECEF (Bowring, 1976; to a mm)."""
    x, y, z = origin
    squared = _FLATTENING * (2.0 - _FLATTENING)
    semi_minor = SEMI_MAJOR * (1.0 - _FLATTENING)
    across = np.hypot(x, y)
    theta = np.arctan2(z * SEMI_MAJOR, across * semi_minor)
    second = squared / (1.0 - squared)
    lat = np.arctan2(
        z + second * semi_minor * np.sin(theta) ** 3,
        across - squared * SEMI_MAJOR * np.cos(theta) ** 3,
    )
    lon = np.arctan2(y, x)
    return np.array(
        [
            [-np.sin(lon), np.cos(lon), 0.0],
            [-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)],
            [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)],
        ]
    )
