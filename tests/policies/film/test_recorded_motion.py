import io
import os
import subprocess
import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from policies.commands import train
from policies.film.caption import Caption
from policies.film.recorded_motion import read_motion, replay
from sim.envs.vector_env import TaskVectorEnv
from sim.renderer import Renderer
from sim.server.simulated_robot import SimulatedRobot
from sim.tasks import find_task
from sim2edge.__main__ import main as sim2edge
from tests.policies.conftest import short

SIZE = (160, 120)
STILL = {"qpos": np.zeros((3, 26)), "qvel": np.zeros((3, 25)), "command": np.zeros(3)}


def film(policy: Path, recording: Path, output: Path, *options: object) -> int:
    words = ["render", policy, "--recording", recording, "--output", output]
    words += ["--width", SIZE[0], "--height", SIZE[1], *options]
    return sim2edge(list(map(str, words)))


def archive(**arrays: object) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()


@pytest.mark.slow
def test_what_the_edge_runtime_did_can_be_filmed(trained: Path, tmp_path: Path) -> None:
    motion, policy = tmp_path / "motion.npz", trained / "policy.onnx"
    words = ["run", policy, "--seconds", 0.5, "--report", tmp_path / "out", "--record", motion]
    words += ["--command", 0.3, -0.1, 0.0]
    command = [sys.executable, "-m", "sim2edge", *map(str, words)]
    ran = subprocess.run(command, env=os.environ, timeout=300, check=False, capture_output=True)
    assert ran.returncode in (0, 1)  # this policy has learned nothing, it may fall
    moved, asked = np.load(motion)["qpos"], np.load(motion)["command"]
    np.testing.assert_array_equal(asked, (0.3, -0.1, 0.0))
    with np.load(motion) as recorded:
        begun = {name: recorded[name][:24] if name != "command" else asked for name in recorded}
    motion.write_bytes(archive(**begun))  # it comes to rest for seconds, which nobody need see
    for seconds, periods in ((0.2, 10), (60, len(begun["qpos"]))):
        assert film(policy, motion, tmp_path / "film.mp4", "--seconds", seconds) == 0
        frames = iio.imread(tmp_path / "film.mp4")
        assert len(frames) == (min(periods, len(moved)) + 1) // 2  # every other control period
    assert (frames[0] != frames[-1]).any()


@pytest.mark.slow
def test_a_recorded_car_is_on_the_track_that_it_drove(tmp_path: Path) -> None:
    train.main(short(tmp_path / "run", "VehicleTrack"))
    robot = SimulatedRobot(find_task("VehicleTrack").nominal(), seed=5)
    motion = tmp_path / "motion.npz"
    engine = robot.env.engine
    motion.write_bytes(archive(qpos=engine.qpos[:1], qvel=engine.qvel[:1], command=[]))
    renderer = Renderer(robot.env, *SIZE)
    seen = renderer.frame().astype(int)
    renderer.close()
    apart = []
    for seed in (5, 6):
        output = tmp_path / f"{seed}.mp4"
        assert film(tmp_path / "run", motion, output, "--seed", seed, "--no-captions") == 0
        apart.append(np.abs(iio.imread(output)[0] - seen).mean())
    assert apart[0] < 4.0 < apart[1]  # compression makes some difference


def test_a_recording_tells_what_was_asked_and_done(tmp_path: Path) -> None:
    task = find_task("HumanoidVelocity").nominal()
    env = TaskVectorEnv(task, 1, seed=0)
    qpos, qvel = np.tile(env.engine.qpos[:1], (60, 1)), np.zeros((60, env.engine.model.nv))
    qvel[:, 0] = 0.4  # m/s along the world's x, which it faces
    path = tmp_path / "motion.npz"
    path.write_bytes(archive(qpos=qpos, qvel=qvel, command=[0.5, 0.0, -0.2]))
    caption = Caption(task.commands, task.control_period, 480, 360)
    for moment in replay(read_motion(path, env), env):
        caption.watch(moment)
    assert [line.split()[:5] for line in caption.lines] == [
        ["1.2", "s"],
        ["forward", "+0.40", "of", "+0.50", "m/s"],
        ["lateral", "+0.00", "of", "+0.00", "m/s"],
        ["yaw", "rate", "+0.00", "of", "-0.20"],
    ]


def test_a_recording_of_a_car_tells_its_speed_and_lap(tmp_path: Path) -> None:
    task = find_task("VehicleTrack").nominal()
    driven, replayed = (TaskVectorEnv(task, 1, seed=6) for _ in range(2))
    caption, repeated = (Caption(task.commands, task.control_period, 480, 360) for _ in range(2))
    driven.reset(seed=6)
    replayed.reset(seed=6)
    qpos, qvel = [], []
    for _ in range(40):
        driven.step(np.array([[0.0, 0.3]], np.float32))
        caption.watch(driven.task)
        qpos.append(driven.engine.qpos[0].copy())
        qvel.append(driven.engine.qvel[0].copy())
    path = tmp_path / "motion.npz"
    path.write_bytes(archive(qpos=qpos, qvel=qvel, command=[]))
    for moment in replay(read_motion(path, replayed), replayed):
        repeated.watch(moment)
    assert repeated.lines == caption.lines
    assert caption.lines[1] != "0 km/h" and caption.lines[2] != "lap 1, 0 %"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"something else", "is damaged"),
        (b"", "is damaged"),
        (archive(**STILL)[:-30], "is damaged"),
        (archive(other=np.zeros(3)), "is damaged"),
        (archive(qpos=STILL["qpos"]), "is damaged"),
        (archive(**STILL | {"qpos": np.array(["a"])}), "is damaged"),
        (archive(**STILL | {"qpos": np.array([{}])}), "is damaged"),
        (archive(qpos=[], qvel=[], command=[]), "holds no motion"),
        (archive(**STILL | {"qpos": np.zeros((3, 5))}), "is no recording of humanoid"),
        (archive(**STILL | {"qvel": np.zeros((2, 25))}), "is no recording of humanoid"),
        (archive(**STILL | {"command": np.zeros(2)}), "is no recording of humanoid"),
        (archive(**STILL | {"qpos": np.full((3, 26), np.nan)}), "holds numbers that are not"),
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
