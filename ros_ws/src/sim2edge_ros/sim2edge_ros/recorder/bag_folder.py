"""Manages a folder of bags: their names, their metadata for rosbag2, and the disk space they take.

    FOLDER/bag_00007/bag_00007_2.mcap          finished
                    /bag_00007_3.mcap.active   being written, or its writer was killed
                    /metadata.yaml             for `ros2 bag` and rosbags

Numbers order them instead of dates, for a robot's clock may start in 1970. `ros2 bag record
-o bag_1` makes files of the same names; who wrote one stands in its header, and those of others
are left alone.
"""

import json
import re
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcap.exceptions import McapError
from mcap.reader import make_reader
from mcap.summary import Summary

from edge_runtime.files import write_file
from sim2edge_ros.recorder.recovery import recover

ACTIVE = ".active"
LIBRARY = "sim2edge"  # the writer's name in the header of each file, in all versions
_BAG = re.compile(r"bag_(\d+)")
_FILE = re.compile(r"bag_(\d+)_(\d+)\.mcap")


@dataclass(frozen=True, order=True)
class BagFile:
    """Names a finished file; it sorts before newer ones."""

    bag: int
    index: int
    path: Path
    size: int


def finished(folder: Path) -> list[BagFile]:
    """Returns all finished files in a folder of bags, oldest first."""
    return sorted(file for bag in folder.glob("bag_*") for file in _files(bag))


def _files(bag: Path) -> list[BagFile]:
    """Returns the finished files of a bag that this recorder wrote, oldest first."""
    named = ((path, _numbers(path)) for path in bag.glob("bag_*.mcap"))
    return sorted(
        BagFile(*numbers, path, path.stat().st_size)
        for path, numbers in named
        if numbers is not None and _library(path) == LIBRARY
    )


def _numbers(path: Path) -> tuple[int, int] | None:
    """Returns the numbers of bag and file if a path is one that this recorder gives."""
    name = _FILE.fullmatch(path.name.removesuffix(ACTIVE))
    if name is None or not name[0].startswith(f"{path.parent.name}_"):
        return None
    return int(name[1]), int(name[2])


def _library(path: Path) -> str | None:
    """Returns who wrote a file, as its header says; None if it cannot be read, as when the file was
    cut off early."""
    try:
        with path.open("rb") as file:
            return make_reader(file).get_header().library
    except (OSError, McapError, ValueError, struct.error, StopIteration):
        return None


def next_bag(folder: Path) -> Path:
    """Returns the path of a new bag."""
    numbers = [int(n[1]) for p in folder.glob("bag_*") if (n := _BAG.fullmatch(p.name))]
    return folder / f"bag_{max(numbers, default=0) + 1:05d}"


def recover_all(folder: Path) -> list[tuple[Path, int]]:
    """Finishes every file whose writer was killed; returns each path with its number of messages.

    A file of which nothing can be read is removed. A bag that a full disk kept from being described
    is described now.

    Raises:
        OSError: a file cannot be read or written; it is left for the next time.
        UserError: a description cannot be written; it is left for the next time.
    """
    recovered = []
    for path in sorted(folder.glob(f"bag_*/bag_*.mcap{ACTIVE}")):
        if _numbers(path) is None or _library(path) not in (LIBRARY, None):
            continue
        count = recover(path)
        done = path.with_name(path.name.removesuffix(ACTIVE))
        if count:
            path.replace(done)
        else:
            path.unlink()
        recovered.append((done, count))
    for bag in folder.glob("bag_*"):
        if _listed(bag) != {file.path.name for file in _files(bag)}:
            write_metadata(bag)
    return recovered


def prune(folder: Path, limit: int) -> list[Path]:
    """Removes the oldest finished files until the rest takes `limit` bytes at most; returns those
    removed."""
    files = finished(folder)
    taken, removed = sum(f.size for f in files), list[Path]()
    for file in files:
        if taken <= limit:
            break
        file.path.unlink()
        write_metadata(file.path.parent)
        taken -= file.size
        removed.append(file.path)
    return removed


def write_metadata(bag: Path) -> None:
    """Writes a bag's metadata.yaml from its finished files, or removes a bag that has none left."""
    summaries = [(f.path, s) for f in _files(bag) if (s := _summary(f.path)) is not None]
    if summaries:
        # JSON is valid YAML, and needs no further library.
        content = json.dumps({"rosbag2_bagfile_information": _information(summaries)}, indent=1)
        write_file(bag / "metadata.yaml", content + "\n")
    elif not list(bag.glob("*.mcap*")):
        (bag / "metadata.yaml").unlink(missing_ok=True)
        with suppress(OSError):  # somebody has put something else there
            bag.rmdir()


def _listed(bag: Path) -> set[str]:
    """Returns the files that a bag's metadata.yaml lists, if this recorder wrote it."""
    try:
        metadata = json.loads((bag / "metadata.yaml").read_text(encoding="utf-8"))[
            "rosbag2_bagfile_information"
        ]
        return {n for n in metadata["relative_file_paths"] if _numbers(bag / n) is not None}
    except (OSError, ValueError, KeyError, TypeError):  # there is none, or another program wrote it
        return set()


def _summary(path: Path) -> Summary | None:
    with path.open("rb") as file:
        try:
            return make_reader(file).get_summary()
        except (McapError, ValueError):
            return None


def _information(summaries: list[tuple[Path, Summary]]) -> dict[str, Any]:
    """Returns the metadata in rosbag2's version 5, which Humble and all later ones read."""
    files: list[dict[str, Any]] = []
    topics: dict[str, dict[str, Any]] = {}
    for path, summary in summaries:
        statistics = summary.statistics
        assert statistics is not None  # every file here was finished by this recorder
        start, end = statistics.message_start_time, statistics.message_end_time
        files.append(
            {
                "path": path.name,
                "starting_time": {"nanoseconds_since_epoch": start},
                "duration": {"nanoseconds": end - start},
                "message_count": statistics.message_count,
            }
        )
        for channel in summary.channels.values():
            known = topics.setdefault(
                channel.topic,
                {
                    "topic_metadata": {
                        "name": channel.topic,
                        "type": summary.schemas[channel.schema_id].name,
                        "serialization_format": channel.message_encoding,
                        "offered_qos_profiles": channel.metadata.get("offered_qos_profiles", ""),
                    },
                    "message_count": 0,
                },
            )
            known["message_count"] += statistics.channel_message_counts.get(channel.id, 0)
    spans = [s.statistics for _, s in summaries if s.statistics is not None]
    first = min(s.message_start_time for s in spans)
    last = max(s.message_end_time for s in spans)
    return {
        "version": 5,
        "storage_identifier": "mcap",
        "relative_file_paths": [path.name for path, _ in summaries],
        "duration": {"nanoseconds": last - first},
        "starting_time": {"nanoseconds_since_epoch": first},
        "message_count": sum(s.message_count for s in spans),
        "topics_with_message_count": list(topics.values()),
        "compression_format": "",
        "compression_mode": "",
        "files": files,
    }
