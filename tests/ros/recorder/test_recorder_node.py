"""The recorder as a process: it records all topics, and its bags survive a kill -9."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

rclpy = pytest.importorskip("rclpy", reason="pip install -e '.[ros]'")

from std_msgs.msg import String  # noqa: E402

from sim2edge_ros.messages import topics  # noqa: E402
from tests.ros.recorder.bags import rosbags_count, rosbags_values  # noqa: E402

PATIENCE = 60.0


class Recorder:
    """The node's process, recording into a folder."""

    def __init__(self, folder: Path, **parameters: object) -> None:
        given = [
            word
            for name, value in {"folder": folder, **parameters}.items()
            for word in ("-p", f"{name}:={value}")
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sim2edge_ros.recorder.recorder_node", "--ros-args", *given],
            stderr=subprocess.PIPE,
            text=True,
        )

    def hears(self, *publishers: Any) -> Callable[[], bool]:
        """Whether it subscribed to all of these."""

        def all_heard() -> bool:
            assert self.process.poll() is None
            return all(p.get_subscription_count() > 0 for p in publishers)

        return all_heard

    def end(self, number: int) -> str:
        self.process.send_signal(number)
        return self.process.communicate(timeout=PATIENCE)[1]


class Talker:
    """Publishes an Imu and a clock of its own, as sensors do: best effort."""

    def __init__(self, node: Any) -> None:
        from rclpy.qos import qos_profile_sensor_data
        from sensor_msgs.msg import Imu
        from std_msgs.msg import UInt64

        self.node, self.sent = node, 0
        self._imu, self._count = Imu(), UInt64()
        self.imu = node.create_publisher(Imu, "imu/data", qos_profile_sensor_data)
        self.count = node.create_publisher(UInt64, "count", 10)

    def talk(self, until: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Publish each 10 ms until something holds."""
        end = time.monotonic() + patience
        while not until():
            assert time.monotonic() < end
            self._imu.angular_velocity.x = float(self.sent)
            self._count.data = self.sent
            self.imu.publish(self._imu)
            self.count.publish(self._count)
            self.sent += 1
            time.sleep(0.01)


def for_seconds(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def test_records_what_is_published(node: Any, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    talker = Talker(node)
    talker.talk(recorder.hears(talker.imu, talker.count))
    first = talker.sent
    talker.talk(for_seconds(1.0))
    last = talker.sent - 1
    time.sleep(0.3)
    said = recorder.end(signal.SIGINT)
    assert recorder.process.returncode == 0
    assert "0 lost" in said
    (bag,) = tmp_path.glob("bag_*")
    values = rosbags_values(bag)
    counted = [m.data for m in values["/count"]]  # type: ignore[attr-defined]
    assert set(range(first + 5, last)) <= set(counted)
    rates = [m.angular_velocity.x for m in values["/imu/data"]]  # type: ignore[attr-defined]
    assert rates == sorted(rates)
    assert len(rates) > 0.8 * (last - first)
    assert any("recording into" in m.msg for m in values["/rosout"])  # type: ignore[attr-defined]
    assert "/parameter_events" not in values
    (status,) = values["/diagnostics"][-1].status  # type: ignore[attr-defined]
    assert status.name == "recorder"


def test_killed_it_is_finished_by_the_next(node: Any, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, topics="/count")
    talker = Talker(node)
    talker.talk(recorder.hears(talker.count))
    talker.talk(for_seconds(1.5))
    sent = talker.sent
    recorder.end(signal.SIGKILL)
    (bag,) = tmp_path.glob("bag_*")
    assert not list(bag.glob("*.mcap"))

    again = Recorder(tmp_path, topics="/count")
    # The network may take the dead one for alive, so what is asked is the disk.
    talker.talk(lambda: any(p.stat().st_size > 1000 for p in tmp_path.glob("bag_00002/*.active")))
    said = again.end(signal.SIGTERM)
    assert "recovered " in said
    first, second = sorted(tmp_path.glob("bag_*"))
    counted = [m.data for m in rosbags_values(first)["/count"]]  # type: ignore[attr-defined]
    assert sent - counted[-1] < 100  # a second of them
    assert counted == list(range(counted[0], counted[-1] + 1))
    assert rosbags_count(second) > 0


def test_records_what_is_published_and_not_what_others_expect(node: Any, tmp_path: Path) -> None:
    """A node may listen for another type than the operator's."""
    from geometry_msgs.msg import Twist, TwistStamped

    node.create_subscription(Twist, "cmd_vel", lambda message: None, 10)
    recorder = Recorder(tmp_path, topics="/cmd_vel")
    # No participant may have two types of a topic.
    with other_node() as operator, other_node() as stranger:
        publisher = operator.create_publisher(TwistStamped, "cmd_vel", 10)
        Talker(node).talk(recorder.hears(publisher))
        for _ in range(5):
            publisher.publish(TwistStamped())
        other = stranger.create_publisher(Twist, "cmd_vel", 10)
        time.sleep(1.5)
        other.publish(Twist())
        said = recorder.end(signal.SIGINT)
    (bag,) = tmp_path.glob("bag_*")
    assert len(rosbags_values(bag)["/cmd_vel"]) == 5
    line = "/cmd_vel [geometry_msgs/msg/Twist] is not recorded: geometry_msgs/msg/TwistStamped is"
    assert said.count(line) == 1


@contextlib.contextmanager
def other_node() -> Iterator[Any]:
    context = rclpy.Context()
    rclpy.init(context=context)
    yield rclpy.create_node("other", context=context)
    rclpy.shutdown(context=context)


def test_receives_a_later_publisher_with_another_quality_of_service(
    node: Any, tmp_path: Path
) -> None:
    from rclpy.qos import qos_profile_sensor_data
    from std_msgs.msg import UInt64

    recorder = Recorder(tmp_path, topics="/count")
    talker = Talker(node)
    talker.talk(recorder.hears(talker.count))
    later = node.create_publisher(UInt64, "count", qos_profile_sensor_data)
    talker.talk(recorder.hears(talker.count, later))
    time.sleep(0.5)
    for value in range(10**6, 10**6 + 5):
        later.publish(UInt64(data=value))
        time.sleep(0.02)
    first = talker.sent
    talker.talk(for_seconds(0.5))
    recorder.end(signal.SIGINT)
    (bag,) = tmp_path.glob("bag_*")
    counted = {m.data for m in rosbags_values(bag)["/count"]}  # type: ignore[attr-defined]
    assert set(range(10**6, 10**6 + 5)) <= counted
    assert set(range(first, first + 20)) <= counted  # and still the first one


def test_says_what_it_removes_and_keeps_what_is_latched(node: Any, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, topics="'/imu/data|/model|/map'", total_mb=1, file_mb=0.1)
    talker = Talker(node)
    model = node.create_publisher(String, "model", topics.LATCHED)
    model.publish(String(data="a robot"))
    large = node.create_publisher(String, "map", topics.LATCHED)
    large.publish(String(data=os.urandom(20_000).hex()))
    talker.talk(recorder.hears(talker.imu, model, large))
    talker.talk(for_seconds(2.0))  # in which the map comes, in fragments

    def removed() -> bool:
        for _ in range(20):
            talker._imu.header.frame_id = os.urandom(2000).hex()
            talker.imu.publish(talker._imu)
        return len(list(tmp_path.glob("bag_*/*.mcap"))) > 0 and not any(
            tmp_path.glob("bag_*/bag_00001_0.*")
        )

    talker.talk(removed)
    talker.talk(for_seconds(1.5))
    said = recorder.end(signal.SIGINT)
    assert "removed, because all bags may take 1 MB (total_mb): bag_00001_0.mcap" in said
    assert said.count("/map: too large to be repeated in each file of 0.1 MB (file_mb)") == 1
    for file in tmp_path.glob("bag_*/*.mcap"):
        assert [m.data for m in rosbags_values(file)["/model"]] == ["a robot"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"topics": "'['"}, "parameter 'topics' is '[', which is no regular expression"),
        ({"total_mb": 5.0, "file_mb": 4.0}, "bags of 5 MB in files of 4 MB make no sense"),
        ({"total_mb": 0.5}, "total_mb is 0.5 MB; it must be from 1 to 1e+07 MB"),
    ],
)
def test_refuses_in_one_line(tmp_path: Path, parameters: dict[str, object], problem: str) -> None:
    done = Recorder(tmp_path, **parameters)
    _, errors = done.process.communicate(timeout=PATIENCE)
    assert done.process.returncode == 2
    assert problem in errors
    assert "Traceback" not in errors
    assert os.listdir(tmp_path) == []
