"""Measures what a camera costs the control loop: images beside the samples, or among their values.

A robot in another process gives a 640 × 480 RGB image with each sample, at 200 Hz. Beside the
samples, an observer of the loop gets a reference to it; the peer is the same image as an ordinary
float32 signal, which every tick copies, sums and compares.
"""

import dataclasses
import statistics
import sys
from contextlib import ExitStack

import numpy as np
from control_loop import PERIOD, REALTIME, description, make_loop, model_at, paced, served
from figures import Figure, parse_arguments, report

from edge_runtime.loop.realtime import realtime
from edge_runtime.loop.tick import Tick
from edge_runtime.robot.robot import RobotDescription
from edge_runtime.signals import ImageSignal, Signal

CAMERA = ImageSignal("camera", (480, 640, 3), "uint8", "1", "camera")
STRIPS = 10
WITHOUT, BESIDE, AMONG = "without a camera", "beside the samples", "among their values"


class Newest:
    """Keeps the newest image, as an encoder's thread would find it, and counts them."""

    def __init__(self) -> None:
        self.images, self.whole = 0, 0
        self._sequence = 0
        self.tick: Tick | None = None

    def observe(self, tick: Tick) -> None:
        self.tick = tick
        image = tick.images.get(CAMERA.name)
        if image is not None and image.sequence != self._sequence:
            self._sequence = image.sequence
            self.images += 1

    def take(self) -> bool:
        """Returns whether the newest image arrived whole."""
        image = None if self.tick is None else self.tick.images.get(CAMERA.name)
        return image is not None and image.copy() is not None


def main() -> int:
    """Prints the figures and returns 0 if all targets are reached."""
    arguments = parse_arguments(__doc__)
    rounds, seconds = (5, 1.0) if arguments.quick else (15, 1.5)
    return report(image_channel(rounds, seconds), arguments.json)


def image_channel(rounds: int, seconds: float) -> list[Figure]:
    """Times ticks of three loops in turns, all woken at 200 Hz on one core."""
    model, plain = model_at(PERIOD), description()
    # A signal has at most 100,000 values, so the image comes in strips.
    strips = [Signal(f"strip_{k}", CAMERA.nbytes // STRIPS, "1", "camera") for k in range(STRIPS)]
    robots: dict[str, RobotDescription] = {
        WITHOUT: plain,
        BESIDE: dataclasses.replace(plain, images=(CAMERA,)),
        AMONG: dataclasses.replace(plain, signals=(*plain.signals, *strips)),
    }
    taken: dict[str, list[np.ndarray]] = {name: [] for name in robots}
    newest = Newest()
    for _ in range(rounds):
        for name, robot in robots.items():
            with served(robot, PERIOD) as border, ExitStack() as stack:
                loop = make_loop(model, border)
                if name is BESIDE:
                    loop.add_observer(newest)
                stack.enter_context(realtime(dataclasses.replace(REALTIME, cpu=0)))
                # The peer's ticks are longer than a period, so fewer of them take as long.
                taken[name].append(paced(loop.tick, PERIOD, seconds / (4 if name is AMONG else 1)))
                if name is BESIDE:
                    newest.whole += newest.take()
    assert newest.whole == rounds, "each round's last image arrived whole"
    ticks = {name: [float(np.median(values)) for values in taken[name]] for name in robots}
    medians = {name: statistics.median(values) / 1e6 for name, values in ticks.items()}
    ratios = {
        name: statistics.median(b / w for b, w in zip(ticks[name], ticks[WITHOUT]))
        for name in (BESIDE, AMONG)
    }
    given = sum(len(values) for values in taken[BESIDE])
    return [
        Figure(
            "tick at 200 Hz with a 640 × 480 RGB image beside each sample, p50",
            ratios[BESIDE],
            "x without",
            1.1,
            f"{medians[BESIDE]:.3f} ms; without a camera {medians[WITHOUT]:.3f} ms; "
            f"as a float32 signal {medians[AMONG]:.3f} ms, {ratios[AMONG]:.0f} x",
            at_least=False,
        ),
        Figure(
            "images that reached the observer",
            newest.images / given,
            "of the ticks",
            0.9,
            "the camera gives one a period",
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
