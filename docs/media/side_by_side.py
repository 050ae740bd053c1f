"""Puts films side by side into one small animated picture, for the README.

sim2edge render HumanoidVelocity -o humanoid.mp4 --command 0.8 0 0
sim2edge render VehicleTrack -o car.mp4
python docs/media/side_by_side.py humanoid.mp4 car.mp4 docs/media/robots.webp

Both films are made with `--width 480 --height 320`.
"""

import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from PIL import Image

HEIGHT = 240  # pixels
SECONDS = 6.0
RATE = 12.5  # frames per second


def main(films: list[Path], output: Path) -> None:
    """Writes the picture."""
    columns = [frames(film) for film in films]
    count = min(map(len, columns))
    pictures = [Image.fromarray(np.hstack(row)) for row in zip(*(c[:count] for c in columns))]
    pictures[0].save(
        output,
        save_all=True,
        append_images=pictures[1:],
        duration=round(1000 / RATE),
        loop=0,
        quality=60,
        method=6,
    )
    print(f"{output}: {count} frames, {output.stat().st_size / 1e6:.1f} MB")


def frames(film: Path) -> list[np.ndarray]:
    """Returns the first seconds of a film at the picture's rate and height."""
    rate = iio.immeta(film)["fps"]
    steps = (np.arange(round(SECONDS * RATE)) * rate / RATE).astype(int)
    wanted = set(steps.tolist())
    found = []
    for index, frame in enumerate(iio.imiter(film)):
        if index in wanted:
            height, width = frame.shape[:2]
            size = (round(width * HEIGHT / height), HEIGHT)
            found.append(np.asarray(Image.fromarray(frame).resize(size)))
    return found


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:-1]], Path(sys.argv[-1]))
