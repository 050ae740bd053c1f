"""Writes films as MP4, GIF or WebP."""

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image

from edge_runtime.errors import UserError
from edge_runtime.files import descriptor, replacing
from sim.renderer import Picture

MP4, GIF, WEBP = ".mp4", ".gif", ".webp"
# Frames per second at most; what moves in a page is larger than a film, and as smooth at 17.
FASTEST = {MP4: 30.0, GIF: 17.0, WEBP: 17.0}
_WAY_OUT = "set IMAGEIO_FFMPEG_EXE to one that works, or write a .gif or .webp, which need none"


def film_kind(path: Path) -> str:
    """Returns what a film is written as, by its ending; MP4 into a pipe or device without one.

    Raises:
        UserError: the ending is that of no film.
    """
    kind = path.suffix.lower()
    if kind in FASTEST:
        return kind
    plain = path.is_file() or path.is_dir() or not path.exists()
    if not kind and (not plain or descriptor(path) is not None):
        return MP4
    raise UserError(f"{path}: a film ends in {', '.join(FASTEST)}; name one of these")


def check_film(path: Path) -> None:
    """Refuses a film that cannot be written, before anything is drawn for it.

    Raises:
        UserError: its ending is that of no film, or no ffmpeg works here.
    """
    if film_kind(path) == MP4 and "264" not in run_ffmpeg("-hide_banner", "-encoders"):
        raise UserError(f"this ffmpeg writes no H.264; {_WAY_OUT}")


def frame_stride(kind: str, period: float) -> int:
    """Returns how many control periods, of `period` s, pass between two frames of a film."""
    return max(1, round(1 / (FASTEST[kind] * period)))


def write_film(path: Path, frames: Iterator[Picture], rate: float) -> None:
    """Writes a film; it appears only once it is whole.

    Args:
        path: where, ending in .mp4, .gif or .webp.
        frames: pictures (H, W, 3), at least one.
        rate: frames per second.

    Raises:
        UserError: its ending is that of no film, or it cannot be written.
    """
    kind = film_kind(path)
    with replacing(path) as building:
        if kind == MP4:
            _write_mp4(building, frames, rate)
        else:
            _write_pictures(building, frames, rate, kind)


def run_ffmpeg(*arguments: str) -> str:
    """Runs ffmpeg, and returns what it says.

    Raises:
        UserError: there is no ffmpeg, or it failed.
    """
    try:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except (OSError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error).split(".")[0]
        raise UserError(f"an MP4 needs ffmpeg, which cannot be run ({why}); {_WAY_OUT}") from None
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise UserError(f"ffmpeg failed ({why}); {_WAY_OUT}")
    return done.stdout


def _write_mp4(path: Path, frames: Iterator[Picture], rate: float) -> None:
    """Writes H.264, which halves the colour's resolution and so drops a last odd line."""
    first = next(frames)
    height, width = (length // 2 * 2 for length in first.shape[:2])
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (width, height),
        fps=round(rate),
        quality=8,
        macro_block_size=2,
        output_params=["-f", "mp4"],
    )
    try:
        writer.send(None)
        for frame in itertools.chain([first], frames):
            writer.send(np.ascontiguousarray(frame[:height, :width]))
        writer.close()
    except (OSError, RuntimeError) as error:
        raise UserError(f"ffmpeg failed ({str(error).splitlines()[0]}); {_WAY_OUT}") from None
    if not path.stat().st_size:
        raise UserError(f"ffmpeg failed and wrote nothing; {_WAY_OUT}")


def _write_pictures(path: Path, frames: Iterator[Picture], rate: float, kind: str) -> None:
    """Writes an animated picture that begins again at its end."""
    images: Iterator[Image.Image] = map(Image.fromarray, frames)
    if kind == GIF:
        images = _with_one_palette(images)
    next(images).save(
        path,
        format=kind.strip("."),
        save_all=True,
        append_images=images,
        duration=10 * round(100 / rate),  # ms; GIF counts hundredths of a second
        loop=0,
        quality=75,  # of WebP, as the next
        method=2,
    )


def _with_one_palette(images: Iterator[Image.Image]) -> Iterator[Image.Image]:
    """Yields images in the colours of the first, so that what rests does not flicker."""
    first = next(images)
    palette = first.quantize(256)
    for image in itertools.chain([first], images):
        yield image.quantize(palette=palette, dither=Image.Dither.NONE)
