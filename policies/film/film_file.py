"""Writes films as MP4, GIF or WebP."""

import errno
import itertools
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image

from edge_runtime.errors import UserError
from edge_runtime.files import descriptor, replacing, way_out
from sim.renderer import Picture

MP4, GIF, WEBP = ".mp4", ".gif", ".webp"
# Frames per second at most; what moves in a page is larger than a film, and as smooth at 17.
FASTEST = {MP4: 30.0, GIF: 17.0, WEBP: 17.0}
_ENCODERS = ("libx264", "libopenh264")  # that need no graphics card, the better first
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


def run_ffmpeg(*arguments: str, pictures: Iterable[Picture] = ()) -> str:
    """Runs ffmpeg, and returns what it says.

    Args:
        arguments: its options, without those of how much it says.
        pictures: what it reads from its input, each contiguous.

    Raises:
        UserError: there is no ffmpeg, or it failed.
    """
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(
                [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments],
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=complaints,
                start_new_session=True,  # so that Ctrl-C reaches it through this process alone
            )
        except (OSError, RuntimeError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error).split(".")[0]
            raise UserError(
                f"an MP4 needs ffmpeg, which cannot be run ({why}); {_WAY_OUT}"
            ) from None
        succeeded = _feed(process, pictures)
        outputs = []
        for file in (said, complaints):
            file.seek(0)
            outputs.append(file.read().decode(errors="replace"))
    if not succeeded:
        why = (outputs[1].strip().splitlines() or [f"exit code {process.returncode}"])[0]
        why = why.rpartition("] ")[2]  # without which part of ffmpeg says so
        full = os.strerror(errno.ENOSPC) in outputs[1]
        hint = way_out(OSError(errno.ENOSPC, "")) if full else _WAY_OUT
        raise UserError(f"ffmpeg failed ({why}); {hint}")
    return outputs[0]


def _feed(process: "subprocess.Popen[bytes]", pictures: Iterable[Picture]) -> bool:
    """Writes pictures to a process and waits for its end; returns whether it took them all and
    did not fail."""
    assert process.stdin is not None
    took_all = False
    try:
        with suppress(BrokenPipeError):  # it ended before
            for picture in pictures:
                process.stdin.write(picture.data)
            process.stdin.flush()
            took_all = True
    except BaseException:
        process.kill()
        raise
    finally:
        with suppress(BrokenPipeError):  # of what it did not take
            process.stdin.close()
        process.wait()
    return took_all and process.returncode == 0


def _write_mp4(path: Path, frames: Iterator[Picture], rate: float) -> None:
    """Writes H.264, which halves the colour's resolution and so drops a last odd line."""
    first = next(frames)
    height, width = (length // 2 * 2 for length in first.shape[:2])
    encoders = run_ffmpeg("-hide_banner", "-encoders").split()
    encoder = next((name for name in _ENCODERS if name in encoders), "h264")
    quality = ("-crf", "10") if encoder == "libx264" else ("-q:v", "6")
    source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}")
    run_ffmpeg(
        *(*source, "-r", str(round(rate)), "-i", "-"),
        *("-c:v", encoder, *quality, "-pix_fmt", "yuv420p", "-f", "mp4", str(path)),
        pictures=(
            np.ascontiguousarray(frame[:height, :width])
            for frame in itertools.chain([first], frames)
        ),
    )
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
