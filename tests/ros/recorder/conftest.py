"""The recorder needs no ROS, but its tests need what reads bags."""

import pytest

pytest.importorskip("mcap", reason="pip install -e '.[ros]'")
pytest.importorskip("rosbags", reason="pip install -e '.[ros]'")
