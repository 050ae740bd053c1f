import io
import os
import subprocess
import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from policies import train
from sim.render import Renderer
from sim.simulated_robot import SimulatedRobot
from sim.tasks import find_task
from sim2edge.__main__ import main as sim2edge
from tests.policies.conftest import short

SIZE = (160, 120)


def film(policy: Path, recording: Path, output: Path, *options: object) -> int:
    words = ["render", policy, "--recording", recording, "--output", output]
    words += ["--width", SIZE[0], "--height", SIZE[1], *options]
    return sim2edge(list(map(str, words)))


def archive(**arrays: object) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()


def test_what_the_edge_runtime_did_can_be_filmed(trained: Path, tmp_path: Path) -> None:
    motion, policy = tmp_path / "motion.npz", trained / "policy.onnx"
    words = ["run", policy, "--seconds", 0.5, "--report", tmp_path / "out", "--record", motion]
    command = [sys.executable, "-m", "sim2edge", *map(str, words)]
    ran = subprocess.run(command, env=os.environ, timeout=300, check=False, capture_output=True)
    assert ran.returncode in (0, 1)  # this policy has learned nothing, it may fall
    moved = np.load(motion)["qpos"]
    for seconds, periods in ((0.2, 10), (60, len(moved))):
        assert film(policy, motion, tmp_path / "film.mp4", "--seconds", seconds) == 0
        frames = iio.imread(tmp_path / "film.mp4")
        assert len(frames) == (min(periods, len(moved)) + 1) // 2  # every other control period
    assert (frames[0] != frames[-1]).any()


def test_a_recorded_car_is_on_the_track_that_it_drove(tmp_path: Path) -> None:
    train.main(short(tmp_path / "run", "VehicleTrack"))
    robot = SimulatedRobot(find_task("VehicleTrack").nominal(), seed=5)
    motion = tmp_path / "motion.npz"
    motion.write_bytes(archive(qpos=robot.env.engine.qpos[:1]))
    renderer = Renderer(robot.env, *SIZE)
    seen = renderer.frame().astype(int)
    renderer.close()
    apart = []
    for seed in (5, 6):
        output = tmp_path / f"{seed}.mp4"
        assert film(tmp_path / "run", motion, output, "--seed", seed, "--no-captions") == 0
        apart.append(np.abs(iio.imread(output)[0] - seen).mean())
    assert apart[0] < 4.0 < apart[1]  # compression makes some difference


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"something else", "is damaged"),
        (b"", "is damaged"),
        (archive(qpos=np.zeros((50, 28)))[:-30], "is damaged"),
        (archive(other=np.zeros(3)), "is damaged"),
        (archive(qpos=np.array(["a"])), "is damaged"),
        (archive(qpos=np.array([{}])), "is damaged"),
        (archive(qpos=np.array([])), "holds no motion"),
        (archive(qpos=np.zeros((3, 5))), "is no recording of humanoid"),
        (archive(qpos=np.full((3, 28), np.nan)), "is no recording of humanoid"),
    ],
)
def test_what_is_no_recording_gets_one_line(
    content: bytes,
    complaint: str,
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recording = tmp_path / "motion.npz"
    recording.write_bytes(content)
    assert film(trained, recording, tmp_path / "film.mp4") == 2
    error = capsys.readouterr().err.strip()
    assert f"motion.npz {complaint}" in error
    assert error.count("\n") == 0
    assert not (tmp_path / "film.mp4").exists()
