"""What messages hold, read from their bytes on the wire (CDR) instead of from Python objects.

rclpy takes 0.15 ms to make an object of an Imu, and a robot sends hundreds in a second. Its bytes
hold the same numbers at known places: a header of 4 bytes that names the byte order, then the
fields in their order, each aligned to its own size (OMG DDS-RTPS, 10.2, "plain CDR").
"""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.serialization import deserialize_message, serialize_message

Float = npt.NDArray[np.float64]
_PLAIN = b"\x00\x01"  # CDR, little endian: what all middlewares send on the processors of today
_BODY = 4  # where alignment counts from
FRAME = _BODY + 8  # where the frame's name in a std_msgs/Header is
_STAMP = struct.Struct("<iI")
_COUNT = struct.Struct("<I")
_DOUBLE = struct.Struct("<d")
_IMU = struct.Struct("<37d")  # orientation, rate, acceleration, each with its covariance
_ARRAY_HEAD = struct.Struct("<4sIII4x")  # no dimensions, no offset, and how many numbers


def plain(data: bytes, kind: Any) -> bytes:
    """The same message in plain CDR, whatever it came in."""
    return data if data[:2] == _PLAIN else serialize_message(deserialize_message(data, kind))


def stamp(data: bytes) -> tuple[int, int]:
    """Seconds and nanoseconds of a message that begins with a std_msgs/Header."""
    seconds, nanoseconds = _STAMP.unpack_from(data, _BODY)
    return seconds, nanoseconds


def offset_after_header(data: bytes, size: int) -> int:
    """Where the first field after a std_msgs/Header is.

    Args:
        data: the message.
        size: to which that field is aligned.
    """
    return _aligned(FRAME + 4 + _COUNT.unpack_from(data, FRAME)[0], size)


def imu(data: bytes) -> tuple[float, ...]:
    """The numbers of a sensor_msgs/Imu, (37,): at 4, 16 and 28 begin the covariances of
    orientation (from 0), rate (from 13) and acceleration (from 25)."""
    return _IMU.unpack_from(data, offset_after_header(data, 8))


def double(data: bytes, at: int) -> float:
    """A float64."""
    value: float = _DOUBLE.unpack_from(data, at)[0]
    return value


def string(data: bytes, at: int) -> tuple[str, int]:
    """A string, and where it ends."""
    at = _aligned(at, 4)
    (length,) = _COUNT.unpack_from(data, at)  # with its zero byte
    return data[at + 4 : at + 3 + length].decode(), at + 4 + length


def strings(data: bytes, at: int) -> tuple[list[str], int]:
    """A sequence of strings, and where it ends."""
    (count,) = _COUNT.unpack_from(data, at)
    at += 4
    found = []
    for _ in range(count):
        text, at = string(data, at)
        found.append(text)
    return found, at


def doubles(data: bytes, at: int) -> tuple[Float, int]:
    """A sequence of float64, and where it ends."""
    at = _aligned(at, 4)
    (count,) = _COUNT.unpack_from(data, at)
    at += 4
    if count:  # what is not there is not aligned
        at = _aligned(at, 8)
    return np.frombuffer(data, np.float64, count, at), at + 8 * count


def pack_array(values: npt.NDArray[np.floating[Any]]) -> bytes:
    """A std_msgs/Float64MultiArray without dimensions."""
    head = _ARRAY_HEAD.pack(_PLAIN, 0, 0, len(values))
    return head + values.astype(np.float64).tobytes()


def unpack_array(data: bytes) -> Float:
    """The numbers of a std_msgs/Float64MultiArray, whatever dimensions it names."""
    (dimensions,) = _COUNT.unpack_from(data, _BODY)
    at = _BODY + 4
    for _ in range(dimensions):
        at = _aligned(at, 4)
        (length,) = _COUNT.unpack_from(data, at)
        at = _aligned(at + 4 + length, 4) + 8  # label, size, stride
    return doubles(data, _aligned(at, 4) + 4)[0]


def _aligned(at: int, size: int) -> int:
    return at + (_BODY - at) % size
