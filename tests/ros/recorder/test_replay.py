"""`sim2edge fuse` reads the bags of the recorder."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.fusion.measurement import Imu
from edge_runtime.replay import fuse
from edge_runtime.replay.fuse import FuseConfig
from edge_runtime.replay.readers.read_log import read_log
from edge_runtime.replay.readers.request import TopicsConfig
from sim2edge_ros.recorder.bag import Bag
from sim2edge_ros.settings.parameters import BagConfig
from tests.edge_runtime.replay.readers.written import content, messages, recording
from tests.ros.recorder.bags import STORE, topic

RAW = "/robot/imu/data_raw"


def sent() -> Iterator[tuple[str, bytes, int]]:
    for message in messages(STORE, RAW, "/robot/ground_truth/odometry"):
        data = bytes(STORE.serialize_cdr(content(STORE, 2, message), message.type))
        yield message.topic, data, message.stamp


def record(bag: Bag) -> None:
    for message in messages(STORE, RAW, "/robot/ground_truth/odometry")[:3]:
        bag.add(topic(message.topic, message.type))
    for name, data, stamp in sent():
        bag.write(name, data, stamp, stamp)


def test_a_bag_gives_the_errors_against_the_simulation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(Bag(BagConfig(tmp_path / "bags"))) as bag:
        record(bag)
    count = len(recording().stamp)
    for path in (bag.path, bag.path / "bag_00001_0.mcap", tmp_path / "bags"):  # which has one alone
        read = [m for m in read_log(path).measurements if isinstance(m, Imu)]
        np.testing.assert_allclose([m.gyro for m in read], recording().gyro)
        assert len(read) == count
    config = FuseConfig(bag.path, out=tmp_path / "out", picture=False, topics=TopicsConfig(imu=RAW))
    assert fuse.main(config) == 0
    said = capsys.readouterr().out
    assert "tilt" in said and "yaw drift" in said
    assert "reference: '/robot/ground_truth/odometry'" in said
    assert (tmp_path / "out" / "bag_00001_attitude.csv").exists()


def test_several_bags_in_a_folder_are_named(tmp_path: Path) -> None:
    for _ in range(2):
        with closing(Bag(BagConfig(tmp_path))) as bag:
            record(bag)
    with pytest.raises(UserError, match="name one log in it: 'bag_00001', 'bag_00002'"):
        read_log(tmp_path)


def test_a_file_that_is_being_written_is_refused(tmp_path: Path) -> None:
    with closing(Bag(BagConfig(tmp_path))) as bag:
        record(bag)
        bag.flush()
        with pytest.raises(UserError, match="start the recorder in its folder again"):
            read_log(bag.path / "bag_00001_0.mcap.active")
        with pytest.raises(UserError, match="recover"):
            read_log(tmp_path)
