"""The local frame of fixes is exact both ways."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.fusion.geodesy import Datum, earth_centred, east_north_up

places = st.floats(-3000.0, 3000.0)


@given(st.floats(-80.0, 80.0), st.floats(-179.0, 179.0), places, places, st.floats(-50.0, 50.0))
def test_there_and_back(latitude: float, longitude: float, x: float, y: float, z: float) -> None:
    datum = Datum(latitude, longitude, 200.0)
    found = datum.to_local(*datum.to_geodetic(x, y, z))
    assert found == pytest.approx((x, y, z), abs=1e-4)


def test_a_degree_north_is_as_long_as_a_meridian_says() -> None:
    """110.574 km at the equator, 111.694 km at the poles (WGS 84)."""
    east, north, _up = Datum(0.0, 10.0, 0.0).to_local(0.001, 10.0, 0.0)
    assert north == pytest.approx(110.574, abs=1e-3)
    assert east == pytest.approx(0.0, abs=1e-6)
    east, north, _up = Datum(60.0, 10.0, 0.0).to_local(60.0, 10.001, 0.0)
    parallel = 6378137.0 * math.cos(math.radians(60.0))
    parallel /= math.sqrt(1 - 0.00669437999014 * math.sin(math.radians(60.0)) ** 2)
    assert east == pytest.approx(parallel * math.radians(0.001), abs=1e-3)


@given(st.floats(-89.0, 89.0), st.floats(-179.0, 179.0))
def test_up_is_away_from_the_ellipsoid(latitude: float, longitude: float) -> None:
    low, high = (earth_centred(latitude, longitude, height) for height in (0.0, 1000.0))
    assert east_north_up(low) @ (high - low) == pytest.approx(np.array([0.0, 0.0, 1e3]), abs=1e-5)
