"""Writes tf2_msgs/TFMessage in plain CDR, for frames whose names stay."""

import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_HEAD = b"\x00\x01\x00\x00"  # plain CDR, little endian
_STAMP, _POSE = struct.Struct("<iI"), struct.Struct("<7d")


class TransformsMessage:
    """Holds the bytes of a message with the transforms between fixed pairs of frames.

    Args:
        frames: names of parent and child.
    """

    def __init__(self, frames: Sequence[tuple[str, str]]) -> None:
        data = bytearray(_HEAD + struct.pack("<I", len(frames)))
        self._places: list[tuple[int, int]] = []
        for pair in frames:
            data += bytes(-len(data) % 4)
            stamp = len(data)
            data += bytes(_STAMP.size)
            for name in pair:
                text = name.encode() + b"\0"
                data += bytes(-len(data) % 4) + struct.pack("<I", len(text)) + text
            data += bytes((len(_HEAD) - len(data)) % 8)  # alignment counts from behind the head
            self._places.append((stamp, len(data)))
            data += bytes(_POSE.size)
        self._data = data

    def pack(self, stamp: int, poses: npt.NDArray[np.float64]) -> bytes:
        """Returns the message.

        Args:
            stamp: ns.
            poses: x, y, z in m and the quaternion x, y, z, w of each child in its parent, (n, 7).
        """
        seconds, nanoseconds = divmod(stamp, 1_000_000_000)
        for (at, place), pose in zip(self._places, poses.tolist()):
            _STAMP.pack_into(self._data, at, seconds, nanoseconds)
            _POSE.pack_into(self._data, place, *pose)
        return bytes(self._data)
