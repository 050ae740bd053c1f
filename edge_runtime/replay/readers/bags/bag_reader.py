"""Opens bags of ROS 1, and of ROS 2 as MCAP or SQLite, with the library `rosbags`."""

import contextlib
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from edge_runtime.errors import UserError, suggestion
from edge_runtime.extras import install_line
from edge_runtime.replay.readers.recognition import METADATA, Format, is_bag_file

_SHOWN = 30  # topics that a message lists
_MAGIC = {b"\x89MCAP0\r\n": ".mcap", b"SQLite format 3": ".db3"}
_ZSTD = b"\x28\xb5\x2f\xfd"
_MEND = {  # by the ending of a file that cannot be read to its end
    ".bag": "mend it with `rosbag reindex FILE`",
    ".mcap": "save what is there with `mcap recover FILE -o new.mcap` (of the MCAP command line)",
    ".db3": "save what is there with `sqlite3 FILE .recover | sqlite3 new.db3`",
    ".active": "start the recorder in its folder again, which finishes it, or save what is there "
    "with `mcap recover FILE -o new.mcap`",
    "": "make its metadata.yaml anew with `ros2 bag reindex FILE`",
}


_OTHERS = {  # by what the library says
    "missing tables": "an SQLite database that is no bag; export its table of IMU readings to CSV",
    "Profile is not ros2": "an MCAP file without messages of ROS 2; convert what wrote it to a bag "
    "of ROS 2, or to CSV",
    "encryptor": "an encrypted bag; decrypt it with `rosbag decrypt` where its key is",
}


class Message(NamedTuple):
    """Holds a message of a bag."""

    topic: str
    received: int  # ns
    content: Any  # with the fields of its type


class BagReader:
    """Opens a bag, as a context manager.

    Args:
        path: a file, or the folder of a ROS 2 bag, with its metadata.yaml or without.
        form: ROS1 or ROS2.

    Raises:
        UserError: `rosbags` is not installed, or the bag is damaged or holds no message.
    """

    def __init__(self, path: Path, form: Format) -> None:
        self.path, self._form = path, form
        self._file = path  # that is being read
        self._stack = ExitStack()
        self._readers: list[Any] = []
        self.topics: Mapping[str, str] = {}  # type of each topic that has messages

    def __enter__(self) -> "BagReader":
        counts: Counter[str] = Counter()
        types: dict[str, str] = {}
        with self._one_line():
            try:
                for reader in self._made():
                    self._readers.append(self._stack.enter_context(reader))
                    for connection in reader.connections:
                        counts[connection.topic] += connection.msgcount
                        types[connection.topic] = connection.msgtype
            except BaseException:
                self._stack.close()
                raise
        self.topics = {topic: types[topic] for topic in sorted(types) if counts[topic]}
        if not self.topics:
            self._stack.close()
            declared = f"; it declares {', '.join(sorted(types))}" if types else ""
            way = "record again while the robot's drivers run"
            if Path(f"{self._file}-wal").exists():
                way = (
                    f"its recorder was killed, and they are in '{self._file}-wal': bring them in "
                    f"with `sqlite3 {self._file} 'PRAGMA wal_checkpoint(TRUNCATE)'`"
                )
            raise UserError(
                f"'{self.path}' is {self._form.value} without messages{declared}; {way}"
            )
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):
            self._stack.close()

    def of_types(self, types: Collection[str]) -> list[str]:
        """Returns the topics of these types, such as 'sensor_msgs/msg/Imu'."""
        return [topic for topic, kind in self.topics.items() if kind in types]

    def find(self, topic: str, types: Collection[str], option: str) -> str:
        """Returns the topic that a user names, with or without its leading slash.

        Raises:
            UserError: there is none of that name, or it is of another type.
        """
        found = next((t for t in self.topics if t.strip("/") == topic.strip("/")), None)
        if found is None:
            raise UserError(
                f"{option}: '{self.path}' has no topic '{topic}', "
                f"{suggestion(topic, self.topics)}; it has {self.listed()}"
            )
        if self.topics[found] not in types:
            raise UserError(
                f"{option}: '{found}' is {plain(self.topics[found])}; it should be "
                f"{' or '.join(map(plain, types))}"
            )
        return found

    def listed(self) -> str:
        """Lists the topics that have messages, with their types."""
        named = [f"{topic} ({plain(kind)})" for topic, kind in self.topics.items()]
        more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        return ", ".join(named[:_SHOWN]) + more

    def messages(self, topics: Collection[str]) -> Iterator[Message]:
        """Yields the messages of topics in the order in which they were received.

        Raises:
            UserError: the bag is damaged.
        """
        with self._one_line():
            read = self._deserializer()
            for reader in self._readers:
                wanted = [c for c in reader.connections if c.topic in topics]
                if not wanted:
                    continue
                for connection, received, data in reader.messages(connections=wanted):
                    if bytes(data[:4]) == _ZSTD:
                        raise UserError(
                            f"the messages of '{self.path}' are compressed one by one with zstd; "
                            "name the bag's folder with its metadata.yaml, which says so"
                        )
                    yield Message(connection.topic, received, read(data, connection.msgtype))

    def _deserializer(self) -> Callable[[Any, str], Any]:
        from rosbags.typesys import Stores, get_typestore  # noqa: PLC0415  an optional extra

        if self._form is Format.ROS1:
            return get_typestore(Stores.ROS1_NOETIC).deserialize_ros1
        return get_typestore(Stores.ROS2_JAZZY).deserialize_cdr

    def _made(self) -> Iterator[Any]:
        try:
            from rosbags import rosbag1, rosbag2  # noqa: PLC0415  an optional extra
        except ModuleNotFoundError as error:
            raise UserError(
                f"reading the bag '{self.path}' needs {error.name}, which is not installed; pip "
                f"install rosbags, or {install_line('replay')}"
            ) from None
        if self._form is Format.ROS1:
            yield rosbag1.Reader(self.path)
            return
        if self.path.is_dir() and (self.path / METADATA).exists():
            yield rosbag2.Reader(self.path)
            return
        for file in _files(self.path):
            self._file = file
            yield rosbag2.Reader(self._with_ending(file))

    def _with_ending(self, file: Path) -> Path:
        """Returns a path to a file of a ROS 2 bag that ends as `rosbags` expects of its content."""
        with file.open("rb") as opened:
            head = opened.read(16)
        ending = next((e for magic, e in _MAGIC.items() if head.startswith(magic)), "")
        if not ending:
            packed = "compressed with zstd" if head.startswith(_ZSTD) else "damaged"
            raise UserError(
                f"'{file}' is {packed} and lies beside no metadata.yaml; unpack it with "
                f"`zstd -d {file}`, or copy the whole folder of the bag"
            )
        if file.suffix == ending:
            return file
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="sim2edge-"))
        link = Path(folder) / f"{file.stem}{ending}"
        link.symlink_to(file.resolve())
        return link

    @contextlib.contextmanager
    def _one_line(self) -> Iterator[None]:
        """Turns whatever a damaged bag makes of the library into one line."""
        try:
            yield
        except (UserError, KeyboardInterrupt, GeneratorExit):
            raise
        except OSError as error:
            raise UserError(f"cannot read '{self.path}': {error.strerror or error}") from None
        except Exception as error:
            said = " ".join(str(error).split()) or type(error).__name__
            for part, what in _OTHERS.items():
                if part in said:
                    raise UserError(f"'{self._file}' is {what}") from None
            kind = ".bag" if self._form is Format.ROS1 else self._file.suffix
            mend = _MEND.get(kind, _MEND[""] if self._file.is_dir() else _MEND[".mcap"])
            raise UserError(
                f"'{self._file}' is {self._form.value}, truncated or damaged ({said}); "
                f"{mend.replace('FILE', str(self._file))}, or copy it again"
            ) from None


def plain(kind: str) -> str:
    """Returns a type as ROS 1 and people write it: sensor_msgs/Imu."""
    return kind.replace("/msg/", "/")


def _files(path: Path) -> list[Path]:
    """Returns the files of a ROS 2 bag without metadata, oldest first."""
    if path.is_file():
        return [path]
    found = [p for p in path.iterdir() if is_bag_file(p)]
    return sorted(found, key=lambda p: [int(n) for n in re.findall(r"\d+", p.name)])
