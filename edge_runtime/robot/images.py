"""Carries images of a robot's cameras: references beside the sample, a ring in shared memory.

A ring holds a few images, of which the newest counts, so neither side waits for the other. Reading
costs the same for any size, because only a consumer that keeps an image copies it.
"""

import struct
import zlib
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import UserError
from edge_runtime.signals import ImageSignal

_IMAGES = 4  # in a ring: the newest stays whole while three more come
_HEAD = struct.Struct("<QId")  # number, checksum, stamp
_CHECKED = struct.Struct("<Qd")  # what the checksum covers before the pixels: number, stamp
_ALIGNED = 64  # bytes; newest number and heads have a cache line each

Pixels = npt.NDArray[Any]


class Image(NamedTuple):
    """References one image in the memory where its robot keeps it."""

    sequence: int  # counts the camera's images
    stamp: float  # s, when it was taken, by the robot's clock
    pixels: Pixels  # of the signal's shape and dtype; overwritten some images later
    # CRC-32 of number, stamp and pixels, if another process may overwrite them.
    checksum: int | None = None

    def copy(self) -> Pixels | None:
        """Copies the pixels; returns None if they, number or stamp were overwritten meanwhile.

        A megabyte takes a fraction of a millisecond, so a thread beside the control loop does it.
        """
        pixels = np.array(self.pixels)
        if self.checksum is not None and self.checksum != _sum(*self[:2], pixels):
            return None
        return pixels


NO_IMAGES: MappingProxyType[str, Image] = MappingProxyType({})


class ImageRing:
    """Holds one camera's images in shared memory: the robot publishes, the loop's side reads.

    Args:
        memory: the shared memory; slices of it are kept until `close`.
        offset: where the ring begins, bytes.
        signal: what an image holds.
    """

    def __init__(self, memory: memoryview, offset: int, signal: ImageSignal) -> None:
        self._signal = signal
        self._newest = memory[offset : offset + 8].cast("Q")
        heads = [offset + _ALIGNED * (1 + index) for index in range(_IMAGES)]
        self._heads = [memory[start : start + _HEAD.size] for start in heads]
        first, step = offset + _ALIGNED * (1 + _IMAGES), _aligned(signal.nbytes)
        self._pixels: list[Pixels] = [
            np.frombuffer(memory[start : start + signal.nbytes], signal.dtype).reshape(signal.shape)
            for start in range(first, first + _IMAGES * step, step)
        ]
        self._number = 0
        self._image: Image | None = None

    @staticmethod
    def bytes_needed(signal: ImageSignal) -> int:
        """Returns the bytes of a ring in shared memory."""
        return _ALIGNED * (1 + _IMAGES) + _IMAGES * _aligned(signal.nbytes)

    def publish(self, pixels: Pixels, stamp: float) -> None:
        """Copies an image into the ring.

        Raises:
            UserError: it has another shape or dtype than the signal.
        """
        signal = self._signal
        if pixels.shape != signal.shape or pixels.dtype != signal.dtype:
            raise UserError(
                f"image '{signal.name}' is {pixels.dtype} {pixels.shape}, and the robot's "
                f"description says {signal.dtype} {signal.shape}"
            )
        number = self._number = self._number + 1
        place = number % _IMAGES
        np.copyto(self._pixels[place], pixels)
        checksum = _sum(number, stamp, self._pixels[place])
        _HEAD.pack_into(self._heads[place], 0, number, checksum, stamp)
        self._newest[0] = number

    def refresh(self) -> Image | None:
        """Returns the newest image; None before the first."""
        newest = self._newest[0]
        if newest != self._number:
            place = newest % _IMAGES
            number, checksum, stamp = _HEAD.unpack_from(self._heads[place])
            if number == newest:  # else a newer one is overwriting it
                self._number = number
                pixels = self._pixels[place].view()
                pixels.flags.writeable = False
                self._image = Image(number, stamp, pixels, checksum)
        return self._image

    def close(self) -> None:
        """Releases the shared memory, except what images in use refer to."""
        self._pixels.clear()
        self._image = None
        for view in (*self._heads, self._newest):
            view.release()


def _sum(number: int, stamp: float, pixels: Pixels) -> int:
    return zlib.crc32(pixels.data, zlib.crc32(_CHECKED.pack(number, stamp)))


def _aligned(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED
