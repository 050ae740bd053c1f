"""Images travel beside the samples, by reference, and nobody takes half of one for a whole."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_runtime.errors import UserError
from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.tick import Tick
from edge_runtime.policy.inference import Policy
from edge_runtime.robot.images import Image, ImageRing
from edge_runtime.robot.robot import RehearsingRobot, RobotDescription
from edge_runtime.robot.shared_memory import RobotServer, SharedMemoryRobot
from edge_runtime.signals import ImageSignal
from tests.edge_runtime.leg import BURST, LegRobot, make_contract, make_model

ROOT = Path(__file__).parents[3]
CAMERA = ImageSignal("camera", (4, 6, 3), "uint8", "1", "camera")
DEPTH = ImageSignal("depth", (5, 7, 1), "float32", "m", "camera")
LEG = LegRobot().description
SEEING = RobotDescription(LEG.name, LEG.joint_names, LEG.signals, images=(CAMERA, DEPTH))


@pytest.fixture
def name() -> str:
    return f"test-{os.getpid()}-{time.monotonic_ns()}"


def rings(signal: ImageSignal) -> tuple[ImageRing, ImageRing]:
    """A writer and a reader on the same memory."""
    memory = memoryview(bytearray(ImageRing.bytes_needed(signal)))
    return ImageRing(memory, 0, signal), ImageRing(memory, 0, signal)


def copied(image: Image | None) -> Any:
    assert image is not None
    return image.copy()


def test_images_reach_an_observer_of_the_loop(name: str) -> None:
    leg = LegRobot()
    seen: list[tuple[dict[str, int], float, bytes]] = []

    class Seeing:
        def observe(self, tick: Tick) -> None:
            if camera := tick.images.get("camera"):
                numbers = {name: image.sequence for name, image in tick.images.items()}
                seen.append((numbers, camera.stamp, copied(camera).tobytes()))

    with RobotServer(name, SEEING) as server:
        robot = SharedMemoryRobot(name)
        assert robot.description == SEEING
        policy = Policy(make_model(make_contract()))
        loop = ControlLoop(policy, robot, AttitudeFusion(0.02, BURST), LoopConfig())
        loop.add_observer(Seeing())
        server.publish(leg.read())
        loop.tick()
        assert seen == [], "no camera has given an image yet"
        first, second = (np.full(CAMERA.shape, value, np.uint8) for value in (1, 2))
        server.publish_image("camera", first, 0.5)
        server.publish(leg.read())
        loop.tick()
        server.publish_image("depth", np.ones(DEPTH.shape, np.float32), 0.6)
        server.publish_image("camera", second, 0.7)
        server.publish(leg.read())
        loop.tick()
        loop.tick()  # no new sample: what it had is still there
        robot.close()
    assert seen == [
        ({"camera": 1}, 0.5, first.tobytes()),
        *[({"camera": 2, "depth": 1}, 0.7, second.tobytes())] * 2,
    ]
    assert loop.fusion.lost is False


def test_a_rehearsal_takes_nothing_from_the_next_read(name: str) -> None:
    leg = LegRobot()
    with RobotServer(name, SEEING) as server:
        robot = SharedMemoryRobot(name)
        assert isinstance(robot, RehearsingRobot)
        robot.rehearse()
        assert robot.read() is None
        server.publish_image("depth", np.full(DEPTH.shape, 2.5, np.float32), 0.1)
        for _ in range(2):
            sent = leg.read()
            server.publish(sent)
            robot.rehearse()
            received = robot.read()
            assert received is not None
            assert received[:2] == sent[:2]
            assert received.values.tolist() == sent.values.tolist()
            assert (copied(received.images["depth"]) == 2.5).all()
        robot.close()


def test_an_image_outlives_the_connection(name: str) -> None:
    with RobotServer(name, SEEING) as server:
        robot = SharedMemoryRobot(name)
        server.publish_image("depth", np.full(DEPTH.shape, 2.5, np.float32), 0.1)
        server.publish(LegRobot().read())
        sample = robot.read()
        assert sample is not None
        robot.close()
    assert copied(sample.images["depth"]).tolist() == np.full(DEPTH.shape, 2.5).tolist()


@settings(max_examples=50, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16, np.float32, np.float64]),
        hnp.array_shapes(min_dims=2, max_dims=3, max_side=9),
    )
)
def test_an_image_arrives_to_the_bit(pixels: np.ndarray) -> None:
    signal = ImageSignal("camera", pixels.shape, str(pixels.dtype))
    writer, reader = rings(signal)
    assert reader.refresh() is None
    writer.publish(pixels, 1.25)
    image = reader.refresh()
    assert image is not None
    assert (image.sequence, image.stamp) == (1, 1.25)
    assert copied(image).tobytes() == pixels.tobytes()
    assert not image.pixels.flags.writeable
    assert reader.refresh() is image


def test_what_was_overwritten_is_not_taken_for_the_image() -> None:
    writer, reader = rings(CAMERA)
    for value in range(1, 5):
        writer.publish(np.full(CAMERA.shape, value, np.uint8), 0.0)
        if value == 1:
            kept = reader.refresh()
    assert copied(kept).max() == 1, "the newest stays whole while three more come"
    writer.publish(np.full(CAMERA.shape, 5, np.uint8), 0.0)
    assert copied(kept) is None
    assert copied(reader.refresh()).max() == 5


def test_a_number_or_stamp_of_another_image_is_not_taken() -> None:
    """As a reader has it whose image was overwritten between number and stamp."""
    writer, reader = rings(CAMERA)
    writer.publish(np.ones(CAMERA.shape, np.uint8), 1.25)
    image = reader.refresh()
    assert image is not None
    assert image._replace(stamp=1.5).copy() is None
    assert image._replace(sequence=2).copy() is None
    assert image.copy() is not None


def test_an_image_that_is_not_there_is_named(name: str) -> None:
    with (
        RobotServer(name, SEEING) as server,
        pytest.raises(UserError, match="robot 'leg' has no image 'typo'; there are: camera, depth"),
    ):
        server.publish_image("typo", np.zeros(CAMERA.shape, np.uint8), 0.0)


@pytest.mark.parametrize(
    "pixels", [np.zeros((6, 4, 3), np.uint8), np.zeros(CAMERA.shape, np.float32)]
)
def test_another_shape_or_dtype_is_refused(pixels: np.ndarray) -> None:
    writer, _ = rings(CAMERA)
    with pytest.raises(UserError, match=r"image 'camera' is .* says uint8 \(4, 6, 3\)"):
        writer.publish(pixels, 0.0)


PUBLISHER = """
import sys, time
import numpy as np
from edge_runtime.robot.shared_memory import RobotServer
from tests.edge_runtime.leg import LegRobot
from tests.edge_runtime.robot.test_images import BIG, WITH_BIG
leg, pixels = LegRobot(), np.zeros(BIG.shape, np.uint8)
with RobotServer(sys.argv[1], WITH_BIG) as server:
    print("ready", flush=True)
    for value in range(100_000):
        pixels[:] = value % 251
        server.publish_image("big", pixels, float(value))
        server.publish(leg.read())
"""
BIG = ImageSignal("big", (200, 300, 3))
WITH_BIG = RobotDescription(LEG.name, LEG.joint_names, LEG.signals, images=(BIG,))


def test_torn_images_are_never_taken_from_another_process(name: str) -> None:
    """The other one publishes as fast as it can, so that many are overwritten while copied."""
    child = subprocess.Popen(
        [sys.executable, "-c", PUBLISHER, name], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        robot = SharedMemoryRobot(name)
        whole, until = 0, time.monotonic() + 30.0
        while whole < 100 and time.monotonic() < until:
            sample = robot.read()
            image = sample.images.get("big") if sample is not None else None
            pixels = None if image is None else image.copy()
            if pixels is not None and image is not None:
                assert pixels.min() == pixels.max() == image.stamp % 251
                whole += 1
        assert whole == 100
        robot.close()
    finally:
        child.kill()
        child.wait()
