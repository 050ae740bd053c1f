"""The recorder's part that needs no ROS; it needs what reads bags, to be told by strangers."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("mcap", reason="pip install 'sim2edge[ros]'")
pytest.importorskip("rosbags", reason="pip install 'sim2edge[ros]'")
sys.path.insert(0, str(Path(__file__).parents[3] / "ros_ws" / "src" / "sim2edge_ros"))
