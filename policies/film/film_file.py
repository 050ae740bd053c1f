"""Writes films as MP4."""

from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from edge_runtime.files import replacing
from sim.renderer import Picture

MOST_FRAMES_PER_SECOND = 30


def write_film(path: Path, frames: Iterator[Picture], rate: float, size: tuple[int, int]) -> None:
    """Writes an H.264 film; it appears only once it is whole.

    Args:
        path: where, ending in .mp4.
        frames: pictures (H, W, 3).
        rate: frames per second.
        size: width and height of the frames; odd ones lose a line.
    """
    size = (size[0] // 2 * 2, size[1] // 2 * 2)  # H.264 halves the colour's resolution
    with replacing(path) as building:
        writer = imageio_ffmpeg.write_frames(
            str(building), size, fps=round(rate), quality=8, macro_block_size=2
        )
        writer.send(None)
        for frame in frames:
            writer.send(np.ascontiguousarray(frame[: size[1], : size[0]]))
        writer.close()
