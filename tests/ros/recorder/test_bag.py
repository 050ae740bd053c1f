"""A bag is readable by other tools, stays within its size, and survives a failing disk."""

import os
import resource
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap.writer import Writer

from edge_runtime.errors import UserError
from sim2edge_ros.recorder.bag import Bag
from sim2edge_ros.recorder.bag_folder import finished
from sim2edge_ros.recorder.bag_writer import BagWriter
from sim2edge_ros.settings.parameters import BagConfig
from tests.ros.recorder.bags import (
    COUNT,
    IMU,
    QOS,
    count_message,
    imu_message,
    mcap_counts,
    rosbags_count,
    rosbags_values,
    size_on_disk,
    topic,
)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The system refuses to let any file grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_is_read_by_rosbags_and_by_mcap(tmp_path: Path) -> None:
    bag = Bag(BagConfig(tmp_path))
    for known in (topic("/imu/data", IMU), topic("/count", COUNT)):
        bag.add(known)
    start = 1_700_000_000_000_000_000
    for i in range(20):
        bag.write("/imu/data", imu_message(0.1 * i), start + i * 10**7, start + i * 10**7)
        bag.write("/count", count_message(i), start + i * 10**7, start + i * 10**7)
        if i % 7 == 0:
            bag.flush()
    bag.close()
    assert [path.name for path in sorted(bag.path.iterdir())] == [
        "bag_00001_0.mcap",
        "metadata.yaml",
    ]
    for where in (bag.path, bag.path / "bag_00001_0.mcap"):
        values = rosbags_values(where)
        assert [m.data for m in values["/count"]] == list(range(20))  # type: ignore[attr-defined]
        imu = values["/imu/data"][7]
        assert imu.angular_velocity.x == pytest.approx(0.7)  # type: ignore[attr-defined]
        assert imu.header.frame_id == "imu"  # type: ignore[attr-defined]
    with (bag.path / "bag_00001_0.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        assert reader.get_header().profile == "ros2"
        times = [m.log_time for _, _, m in reader.iter_messages(topics=["/count"])]
        assert times == [start + i * 10**7 for i in range(20)]
        summary = reader.get_summary()
        assert summary is not None and summary.statistics is not None
        assert summary.statistics.message_count == 40
        assert {c.metadata["offered_qos_profiles"] for c in summary.channels.values()} == {QOS}
        assert {s.encoding for s in summary.schemas.values()} == {"ros2msg"}


def test_the_oldest_make_room(tmp_path: Path) -> None:
    """All bags of the folder together never take more than they may."""
    rng = np.random.default_rng(0)
    config = BagConfig(tmp_path, total_mb=1.0, file_mb=0.1)
    number = 0
    for _ in range(2):
        bag = Bag(config)
        bag.add(topic("/count", COUNT))
        for _ in range(800):
            noise = rng.bytes(2000)  # which does not compress; behind what is read
            bag.write("/count", count_message(number) + noise, number, number)
            number += 1
            if number % 20 == 0:
                bag.flush()
                assert size_on_disk(tmp_path) <= 1e6
        bag.close()
    assert size_on_disk(tmp_path) > 0.6e6
    assert [path.parent.name for path in bag.removed[:2]] == ["bag_00001", "bag_00001"]
    left = [n for file in finished(tmp_path) for n in mcap_counts(file.path)]
    assert left == list(range(left[0], number))
    assert [path.name for path in tmp_path.glob("bag_*")] == ["bag_00002"]
    assert rosbags_count(bag.path) == len(left)


def test_one_recorder_a_folder(tmp_path: Path) -> None:
    bag = Bag(BagConfig(tmp_path))
    with pytest.raises(UserError, match="another recorder writes to"):
        Bag(BagConfig(tmp_path))
    bag.close()
    other = Bag(BagConfig(tmp_path))
    other.close()


def test_contradicting_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="bags of 100 MB in files of 60 MB make no sense"):
        BagConfig(tmp_path, 100.0, 60.0)


def test_a_folder_that_cannot_be_written_is_one_line() -> None:
    with pytest.raises(UserError, match="cannot write to /proc/bags"):
        Bag(BagConfig(Path("/proc/bags")))


def test_nothing_received_leaves_nothing(tmp_path: Path) -> None:
    Bag(BagConfig(tmp_path)).close()
    assert not list(tmp_path.glob("bag_*"))


def full(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """Pretends that so many bytes of the disk are free."""
    usage = SimpleNamespace(total=10**12, used=10**12 - free, free=free)
    monkeypatch.setattr("sim2edge_ros.recorder.bag.shutil.disk_usage", lambda path: usage)


def small_bags(folder: Path, count: int) -> None:
    for number in range(count):
        bag = Bag(BagConfig(folder))
        bag.add(topic("/count", COUNT))
        bag.write("/count", count_message(number), number, number)
        bag.close()


def test_a_disk_without_room_is_refused_and_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others may fill the disk; old bags do not pay for that."""
    small_bags(tmp_path, 3)
    full(monkeypatch, 100_000_000)
    with pytest.raises(UserError, match="No space left on device; a file takes 125 MB, so make"):
        Bag(BagConfig(tmp_path))
    assert len(finished(tmp_path)) == 3
    Bag(BagConfig(tmp_path, file_mb=50.0)).close()  # and it let go of the folder


def test_a_disk_that_fills_up_is_reported_and_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim2edge_ros.recorder.bag_writer._RETRY_EVERY", 0.1)
    small_bags(tmp_path, 3)
    bag = Bag(BagConfig(tmp_path, total_mb=10.0, file_mb=0.1))
    writer = BagWriter(bag)
    writer.add(topic("/count", COUNT))
    rng = np.random.default_rng(0)

    def put_until(reached: Callable[[], bool]) -> None:
        until = time.monotonic() + 30
        while not reached() and time.monotonic() < until:
            writer.put("/count", count_message(7) + rng.bytes(5000))
            time.sleep(0.005)
        assert reached()

    with monkeypatch.context() as nearly:
        full(nearly, 1000)
        put_until(lambda: writer.failure == "No space left on device")
        assert not bag.removed
    put_until(lambda: not writer.failure)
    writer.put("/count", count_message(8))
    assert writer.close(30)
    assert not bag.removed and len(finished(tmp_path)) >= 5
    assert mcap_counts(finished(tmp_path)[-1].path)[-1] == 8
    assert rosbags_count(bag.path) > 0


def test_closed_while_the_disk_is_full_it_counts_what_it_could_not_write(tmp_path: Path) -> None:
    """And leaves to the next one what lies there unfinished."""
    bag = Bag(BagConfig(tmp_path))
    writer = BagWriter(bag)
    writer.add(topic("/count", COUNT))
    rng = np.random.default_rng(0)
    put = 0
    with largest_file(1_000_000):
        until = time.monotonic() + 30
        while not writer.failure and time.monotonic() < until:
            writer.put("/count", count_message(put) + rng.bytes(5000))
            put += 1
            time.sleep(0.01)
        for _ in range(50):  # which wait for the disk
            writer.put("/count", count_message(put) + rng.bytes(5000))
            put += 1
        assert writer.close(30)
    again = Bag(BagConfig(tmp_path))
    again.close()
    saved = sum(len(mcap_counts(file.path)) for file in finished(tmp_path))
    assert saved > 0 and again.recovered
    assert put - writer.lost <= saved  # what it was not sure of may be there too


def test_an_unfinished_file_on_a_full_disk_waits_for_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = Bag(BagConfig(tmp_path))
    bag.add(topic("/count", COUNT))
    with largest_file(200_000), pytest.raises(OSError, match="File too large"):
        fill(bag)
    with suppress(OSError):
        bag._file.close()
    os.close(bag._lock)
    (torn,) = tmp_path.glob("bag_*/*.active")
    with largest_file(1000), pytest.raises(UserError, match=r"cannot record into .*: File too"):
        Bag(BagConfig(tmp_path))
    assert torn.exists()
    again = Bag(BagConfig(tmp_path))
    again.close()
    ((path, count),) = again.recovered
    assert count > 50 and len(mcap_counts(path)) == count
    assert rosbags_count(path.parent) == count


def test_a_bag_that_could_not_be_described_is_so_later(tmp_path: Path) -> None:
    """As when the disk took the last chunk but not the description."""
    small_bags(tmp_path, 2)
    (tmp_path / "bag_00001" / "metadata.yaml").unlink()
    (tmp_path / "bag_00002" / "metadata.yaml").write_text("torn")
    Bag(BagConfig(tmp_path)).close()
    assert [rosbags_count(bag) for bag in sorted(tmp_path.glob("bag_*"))] == [1, 1]


def fill(bag: Bag) -> None:
    """Write until the disk refuses."""
    rng = np.random.default_rng(0)
    for number in range(1000):
        bag.write("/count", count_message(number) + rng.bytes(2000), number, number)
        if number % 10 == 9:
            bag.flush()


def test_goes_on_in_another_file_when_the_disk_refuses(tmp_path: Path) -> None:
    bag = Bag(BagConfig(tmp_path))
    bag.add(topic("/count", COUNT))
    with largest_file(200_000), pytest.raises(OSError, match="File too large"):
        fill(bag)
    number = bag.messages - 1
    assert 50 < number < 110
    bag.reopen()
    bag.write("/count", count_message(number + 1), number, number)
    bag.close()
    first, second = finished(tmp_path)
    saved = mcap_counts(first.path)
    assert saved == list(range(len(saved)))
    assert len(saved) >= number - 9  # all that was flushed
    assert mcap_counts(second.path) == [number + 1]
    assert rosbags_count(bag.path) == len(saved) + 1


def test_the_writer_tries_a_failing_disk_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim2edge_ros.recorder.bag_writer._RETRY_EVERY", 0.1)
    bag = Bag(BagConfig(tmp_path))
    writer = BagWriter(bag)
    writer.add(topic("/count", COUNT))
    with largest_file(100_000):
        rng = np.random.default_rng(0)
        until = time.monotonic() + 30
        while not (failure := writer.failure) and time.monotonic() < until:
            writer.put("/count", count_message(1) + rng.bytes(50_000))
            time.sleep(0.02)
        assert failure == "File too large"
    until = time.monotonic() + 30
    while writer.failure and time.monotonic() < until:
        time.sleep(0.02)
    writer.put("/count", count_message(2))
    assert writer.close(30)
    assert writer.lost > 0
    assert mcap_counts(finished(tmp_path)[-1].path)[-1] == 2


def test_what_the_disk_is_too_slow_for_is_counted(tmp_path: Path) -> None:
    """What waits for a slow disk is bounded, and giving never waits."""
    bag = Bag(BagConfig(tmp_path))
    writer = BagWriter(bag, held_mb=0.001)
    writer.add(topic("/count", COUNT))
    for number in range(500):
        writer.put("/count", count_message(number))  # faster than it looks
    assert writer.lost > 300
    assert writer.close(30)
    (file,) = finished(tmp_path)
    assert len(mcap_counts(file.path)) == 500 - writer.lost


def test_each_file_begins_with_the_latched_messages(tmp_path: Path) -> None:
    """The oldest may be removed, and the others still show the robot's model and state."""
    rng = np.random.default_rng(0)
    with closing(Bag(BagConfig(tmp_path, total_mb=0.3, file_mb=0.1))) as bag:
        bag.add(topic("/imu", IMU))
        bag.add(replace(topic("/status", COUNT), latched=1))
        bag.add(replace(topic("/tf_static", COUNT), latched=3))
        for value in (1, 2, 3, 4):
            bag.write("/tf_static", count_message(value), value, value)
        bag.write("/status", count_message(1), 5, 5)
        for number in range(6, 9000):
            bag.write("/imu", imu_message(float(rng.normal())), number, number)
            if number == 6000:
                bag.write("/status", count_message(2), number, number)
        assert bag.messages == 5 + 8994 + 1, "copies are none of the messages received"
    kept = finished(tmp_path)
    assert bag.removed and len(kept) >= 2
    for file in kept[1:]:
        with file.path.open("rb") as opened:
            messages = list(make_reader(opened, validate_crcs=True).iter_messages())
        first = next(m.log_time for _, c, m in messages if c.topic == "/imu")
        assert [m.log_time for _, _, m in messages] == sorted(m.log_time for _, _, m in messages)
        latched = [(c.topic, m) for _, c, m in messages if m.log_time == first]
        found = [(name, struct.unpack_from("<4xQ", m.data)[0]) for name, m in latched[:4]]
        state = 2 if first > 6000 else 1
        static = [("/tf_static", value) for value in (2, 3, 4)]
        assert sorted(found) == [("/status", state), *static]
        assert all(m.publish_time <= 6000 for _, m in latched[:4])


def written_by_another(path: Path, library: str = "libmcap 1.4.0") -> dict[Path, bytes]:
    """A bag as `ros2 bag record -s mcap -o bag_1` makes it; returns its files' contents."""
    path.parent.mkdir()
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start("ros2", library)
        schema = writer.register_schema(COUNT, "ros2msg", b"uint64 data")
        channel = writer.register_channel("/count", "cdr", schema)
        writer.add_message(channel, 1, count_message(1) + os.urandom(500_000), 1)
        writer.finish()
    (path.parent / "metadata.yaml").write_text(
        f"rosbag2_bagfile_information:\n  relative_file_paths: [{path.name}]\n"
    )
    return {file: file.read_bytes() for file in path.parent.iterdir()}


@pytest.mark.parametrize("name", ["bag_1_0.mcap", "bag_1_0.mcap.active", "bag_00007_2.mcap"])
def test_bags_of_others_are_left_alone(tmp_path: Path, name: str) -> None:
    """Even those of the recorder's own, which somebody keeps in a folder of another name."""
    library = "sim2edge" if name == "bag_00007_2.mcap" else "libmcap 1.4.0"
    others = written_by_another(tmp_path / "bag_1" / name, library)
    (tmp_path / "bag_2").mkdir()
    (tmp_path / "bag_2" / "bag_2_0.mcap").write_bytes(b"no MCAP file")
    (tmp_path / "bag_3").mkdir()
    (tmp_path / "bag_3" / "metadata.yaml").write_text(
        '{"rosbag2_bagfile_information": {"relative_file_paths": ["bag_3_0.db3"]}}'
    )
    rng = np.random.default_rng(0)
    with closing(Bag(BagConfig(tmp_path, total_mb=1.0, file_mb=0.3))) as bag:
        assert bag.path == tmp_path / "bag_00004" and not bag.recovered and not bag.removed
        bag.add(topic("/count", COUNT))
        for number in range(400):
            bag.write("/count", count_message(number) + rng.bytes(5000), number, number)
    assert len(bag.removed) >= 3
    assert len(finished(tmp_path)) >= 2, "with the others they would take more than 1 MB"
    assert {path.parent.name for path in bag.removed} == {"bag_00004"}
    assert {path: path.read_bytes() for path in others} == others
    assert (tmp_path / "bag_2" / "bag_2_0.mcap").read_bytes() == b"no MCAP file"
    assert (tmp_path / "bag_3" / "metadata.yaml").exists()


def test_something_else_in_a_bag_that_is_removed_stays(tmp_path: Path) -> None:
    small_bags(tmp_path, 1)
    (tmp_path / "bag_00001" / "notes.txt").write_text("the robot fell at 12:03")
    (tmp_path / "bag_00001" / "bag_00001_0.mcap").unlink()
    Bag(BagConfig(tmp_path)).close()
    assert [path.name for path in (tmp_path / "bag_00001").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("map_first", [True, False])
def test_a_latched_message_that_is_too_large_leaves_the_others(
    tmp_path: Path, map_first: bool
) -> None:
    rng = np.random.default_rng(0)
    small = ["/tf_static", "/status"]
    names = ["/map", "/plan", *small] if map_first else [*small, "/plan", "/map"]
    sizes = {"/map": 120_000, "/plan": 60_000}  # of a file, 100 kB are for them
    with closing(Bag(BagConfig(tmp_path, total_mb=4.0, file_mb=0.4))) as bag:
        bag.add(topic("/count", COUNT))
        for name in names:
            bag.add(replace(topic(name, COUNT), latched=3))
            for value in range(2):
                data = count_message(value) + rng.bytes(sizes.get(name, 0))
                bag.write(name, data, value, value)
        for number in range(300):
            bag.write("/count", count_message(number) + rng.bytes(5000), number, number)
    files = finished(tmp_path)
    assert len(files) >= 3
    for file in files[1:]:
        with file.path.open("rb") as opened:
            found = make_reader(opened, validate_crcs=True).iter_messages()
            latched = [
                (c.topic, struct.unpack_from("<4xQ", m.data)[0])
                for _, c, m in found
                if c.topic != "/count"
            ]
        assert sorted(latched[:4]) == [(n, v) for n in sorted(small) for v in (0, 1)]
        assert latched[4:] == [("/plan", 1)], "of what does not fit the newest"
    assert sorted(bag.left_out) == ["/map", "/plan"], "each is named once"


def test_latched_messages_leave_room_for_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with closing(Bag(BagConfig(tmp_path, total_mb=0.6, file_mb=0.1))) as bag:
        bag.add(replace(topic("/status", COUNT), latched=1000))
        bag.add(topic("/imu", IMU))
        for number in range(9000):
            name = "/status" if number < 6000 else "/imu"
            bag.write(name, imu_message(float(rng.normal())), number, number)
        assert len(finished(tmp_path)) < 30
