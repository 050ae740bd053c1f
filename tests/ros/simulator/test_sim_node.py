"""The simulated robot's node refuses parameters that make no sense."""

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from edge_runtime.errors import UserError
from edge_runtime.fusion.geodesy import Datum
from sim2edge_ros.simulator.sim_node import _datum


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nan 11 500", "is nowhere on the ground; give latitude"),
        ("48 inf 500", "is nowhere on the ground"),
        ("48 11 -inf", "is nowhere on the ground"),
        ("91 11 500", "is nowhere on the ground"),
        ("48 361 500", "is nowhere on the ground"),
        ("48 11 500000", "is nowhere on the ground"),
        ("480000000 110000000 500", "is nowhere on the ground"),
        ("48 11", "give latitude, longitude and height"),
        ("48, 11, 500", "give latitude, longitude and height"),
    ],
)
def test_a_datum_where_no_robot_is_is_refused(text: str, problem: str) -> None:
    with pytest.raises(UserError, match=f"parameter 'datum' is '{text}'.*{problem}"):
        _datum(text)


def test_any_place_on_the_ground_will_do() -> None:
    assert _datum(" -33.9  -70.6 4500") == Datum(-33.9, -70.6, 4500.0)
