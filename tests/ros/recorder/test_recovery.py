"""A bag is readable after a kill or power cut, and lacks a second at most."""

import mmap
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim2edge_ros.recorder.bag import Bag
from sim2edge_ros.recorder.bag_folder import finished
from sim2edge_ros.recorder.recovery import recover
from sim2edge_ros.settings.parameters import BagConfig
from tests.ros.recorder.bags import COUNT, count_message, mcap_counts, rosbags_values, topic

ROOT = Path(__file__).parents[3]
A_CHUNK = 25  # messages

# Gives a message each millisecond, and leaves in a shared page what it gave last and when.
RECORDS = """
import mmap, struct, sys, time
from pathlib import Path
from sim2edge_ros.recorder.bag import Bag
from sim2edge_ros.settings.parameters import BagConfig
from sim2edge_ros.recorder.bag_writer import BagWriter
from tests.ros.recorder.bags import COUNT, count_message, topic
folder, page = sys.argv[1:]
with open(page, "r+b") as file:
    reported = mmap.mmap(file.fileno(), 16)
writer = BagWriter(Bag(BagConfig(Path(folder), 100.0, 0.02)))
writer.add(topic("/count", COUNT))
number = 0
while True:
    now = time.time_ns()
    writer.put("/count", count_message(number), now)
    reported[:] = struct.pack("<QQ", number + 1, now)
    number += 1
    time.sleep(0.001)
"""


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file whose writer got no further than eight flushed chunks."""
    folder = tmp_path_factory.mktemp("unfinished")
    bag = Bag(BagConfig(folder))
    bag.add(topic("/count", COUNT))
    for number in range(8 * A_CHUNK):
        bag.write("/count", count_message(number), 1000 + number, 1000 + number)
        if number == 3 * A_CHUNK:
            bag.add(topic("/later", COUNT))
            bag.write("/later", count_message(number), 1000 + number, 1000 + number)
        if number % A_CHUNK == A_CHUNK - 1:
            bag.flush()
    (path,) = folder.glob("bag_*/*.active")
    return path.read_bytes()


def recovered(content: bytes, folder: Path) -> list[int]:
    """What is left of a file, by its index, by its chunks, and by a stranger: all the same."""
    path = folder / "bag_00001_0.mcap"
    path.write_bytes(content)
    count = recover(path)
    if count == 0:
        assert path.read_bytes() == content
        return []
    found = mcap_counts(path)
    assert len(found) == count
    values = rosbags_values(path)
    assert sum(len(messages) for messages in values.values()) == count
    counted = [m.data for m in values["/count"]]  # type: ignore[attr-defined]
    assert counted == list(range(len(counted)))
    assert path.stat().st_size < len(content) + 4000
    return counted


def test_an_unfinished_file_is_finished(unfinished: bytes, tmp_path: Path) -> None:
    assert len(recovered(unfinished, tmp_path)) == 8 * A_CHUNK


def test_a_finished_file_stays_what_it_is(unfinished: bytes, tmp_path: Path) -> None:
    """Also one that was interrupted between being finished and being renamed."""
    recovered(unfinished, tmp_path)
    path = tmp_path / "bag_00001_0.mcap"
    content = path.read_bytes()
    assert recover(path) == 8 * A_CHUNK + 1
    assert path.read_bytes() == content


@settings(max_examples=60)
@given(st.floats(0, 1))
def test_torn_anywhere_it_keeps_all_whole_chunks(
    unfinished: bytes, tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    """A chunk is whole without its index, too."""
    folder = tmp_path_factory.mktemp("torn")
    size = round(share * len(unfinished))
    kept = recovered(unfinished[:size], folder)
    assert len(kept) % A_CHUNK == 0
    expected = unfinished[:size].count(b"\x28\xb5\x2f\xfd")  # zstd's magic: chunks that began
    assert expected - 1 <= len(kept) // A_CHUNK <= expected


@settings(max_examples=60)
@given(st.floats(0, 1), st.sampled_from([b"\0", b"\xff", b"\x06"]), st.integers(1, 5000))
def test_whatever_a_disk_left_behind_the_last_chunk_is_cut_off(
    unfinished: bytes,
    tmp_path_factory: pytest.TempPathFactory,
    share: float,
    filling: bytes,
    count: int,
) -> None:
    """Zeros, as file systems leave them, or rubbish."""
    folder = tmp_path_factory.mktemp("filled")
    size = round(share * len(unfinished))
    plain = recovered(unfinished[:size], folder)
    assert recovered(unfinished[:size] + filling * count, folder) == plain


def test_a_damaged_chunk_ends_it(unfinished: bytes, tmp_path: Path) -> None:
    content = bytearray(unfinished)
    fifth = [at for at in range(len(content)) if content[at : at + 4] == b"\x28\xb5\x2f\xfd"][4]
    content[fifth + 30] ^= 0x55
    assert len(recovered(bytes(content), tmp_path)) == 4 * A_CHUNK


def test_interrupted_while_it_recovers_it_recovers_again(unfinished: bytes, tmp_path: Path) -> None:
    recovered(unfinished, tmp_path)
    whole = (tmp_path / "bag_00001_0.mcap").read_bytes()
    for size in range(len(unfinished), len(whole), 37):
        assert len(recovered(whole[:size], tmp_path)) == 8 * A_CHUNK


@pytest.mark.parametrize("attempt", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_killed_it_loses_less_than_a_second(tmp_path: Path, attempt: int) -> None:
    page = tmp_path / "page"
    page.write_bytes(bytes(16))
    paths = os.pathsep.join([str(ROOT), str(ROOT / "ros_ws" / "src" / "sim2edge_ros")])
    process = subprocess.Popen(
        [sys.executable, "-c", RECORDS, str(tmp_path / "bags"), str(page)],
        env=os.environ | {"PYTHONPATH": paths},
    )
    with page.open("rb") as file:
        reported = mmap.mmap(file.fileno(), 16, access=mmap.ACCESS_READ)
    until = time.monotonic() + 120
    while reported[:8] == bytes(8) and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(1.3 + 0.29 * attempt)
    process.send_signal(signal.SIGKILL)
    process.wait()
    given_count, given_last = struct.unpack("<QQ", reported[:])
    assert given_count > 100

    bag = Bag(BagConfig(tmp_path / "bags"))
    bag.close()
    assert len(bag.recovered) == 1  # it may have been new, with nothing in it
    files = finished(tmp_path / "bags")
    kept = [number for file in files for number in mcap_counts(file.path)]
    assert kept == list(range(len(kept)))
    (bag_path,) = (tmp_path / "bags").glob("bag_*")
    values = rosbags_values(bag_path)["/count"]
    assert len(values) == len(kept)
    last = _last_time(files[-1].path)
    assert given_last - last < 1_000_000_000
    assert given_count - len(kept) < 1000


def _last_time(path: Path) -> int:
    from mcap.reader import make_reader

    with path.open("rb") as file:
        return max(m.log_time for _, _, m in make_reader(file).iter_messages())
