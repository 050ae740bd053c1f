"""The lidar against MuJoCo's own ray casts on walls of the same shape."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.racing.tracks import make_tracks
from sim.robots.vehicle import LIDAR_POSITION
from sim.sensors.lidar import Lidar, LidarConfig

CONFIG = LidarConfig()
TRACKS = make_tracks(3, 0)
NO_MOUNT = np.zeros(3)


def scene(k: int) -> mujoco.MjModel:
    """The walls of a track on a plane, without thickness, seen from both sides."""
    spec = mujoco.MjSpec()
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1])
    for name, wall in (("left", TRACKS.left[k]), ("right", TRACKS.right[k])):
        low = np.column_stack([wall, np.zeros(len(wall))])
        here = np.arange(len(wall))
        after = np.roll(here, -1)
        faces = [(here, after, after + len(wall)), (here, after + len(wall), here + len(wall))]
        faces += [face[::-1] for face in faces]
        mesh = spec.add_mesh(
            name=name,
            uservert=np.concatenate([low, low + np.array([0, 0, CONFIG.wall_height])])
            .ravel()
            .tolist(),
            userface=np.concatenate([np.column_stack(face) for face in faces]).ravel().tolist(),
        )
        mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
        spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name)
    return spec.compile()


MODELS = [scene(k) for k in range(len(TRACKS))]


def mujoco_ranges(
    k: int, origin: np.ndarray, rotation: np.ndarray, beams: np.ndarray
) -> np.ndarray:
    model, data = MODELS[k], mujoco.MjData(MODELS[k])
    mujoco.mj_forward(model, data)
    geom = np.zeros(1, np.int32)
    hits = []
    for x, y in beams:
        direction = rotation @ np.array([x, y, 0.0])
        hit = mujoco.mj_ray(model, data, origin, direction, None, 1, -1, geom)
        hits.append(hit if 0 <= hit <= CONFIG.max_range else CONFIG.max_range)
    return np.array(hits)


def rotation_of(quat: np.ndarray) -> np.ndarray:
    matrix = np.zeros(9)
    mujoco.mju_quat2Mat(matrix, quat)
    return matrix.reshape(3, 3)


def attitude(yaw: float, pitch: float, roll: float) -> np.ndarray:
    quat = np.zeros(4)
    mujoco.mju_euler2Quat(quat, np.array([yaw, pitch, roll]), "ZYX")
    return quat


def cast(k: int, index: int, pose: np.ndarray, mount: np.ndarray) -> np.ndarray:
    lidar = Lidar(CONFIG, TRACKS, mount)
    out = np.full((1, CONFIG.beams), np.nan, np.float32)
    lidar.cast(np.zeros(1, np.int64), np.array([k]), np.array([index]), pose[None], out)
    return out[0]


def differing(ours: np.ndarray, theirs: np.ndarray) -> int:
    """Beams that differ; a beam through a joint or over an edge may fall on either side of it."""
    return int((np.abs(ours - theirs) > 1e-4).sum())


@settings(max_examples=40)
@given(
    k=st.integers(0, 2),
    index=st.integers(0, TRACKS.points - 1),
    offset=st.floats(-1.8, 1.8),
    yaw=st.floats(-3.1, 3.1),
    pitch=st.floats(-0.1, 0.1),
    roll=st.floats(-0.15, 0.15),
    height=st.floats(0.1, 0.55),
)
def test_equals_mujoco_within_the_walls(
    k: int, index: int, offset: float, yaw: float, pitch: float, roll: float, height: float
) -> None:
    heading = TRACKS.heading[k, index]
    place = TRACKS.center[k, index] + offset * np.array([-np.sin(heading), np.cos(heading)])
    quat = attitude(heading + yaw, pitch, roll)
    pose = np.array([*place, height, *quat])
    ours = cast(k, index, pose, NO_MOUNT)
    beams = Lidar(CONFIG, TRACKS, NO_MOUNT).beams
    theirs = mujoco_ranges(k, pose[:3], rotation_of(quat), beams)
    assert differing(ours, theirs) <= 1


@pytest.mark.parametrize("height", [0.3, 1.4])
@pytest.mark.parametrize("offset", [-4.0, 0.0, 4.0])
def test_equals_mujoco_beyond_and_above_the_walls(offset: float, height: float) -> None:
    index, heading = 40, TRACKS.heading[1, 40]
    place = TRACKS.center[1, index] + offset * np.array([-np.sin(heading), np.cos(heading)])
    quat = attitude(heading, 0.05, 0.1)
    ours = cast(1, index, np.array([*place, height, *quat]), NO_MOUNT)
    beams = Lidar(CONFIG, TRACKS, NO_MOUNT).beams
    theirs = mujoco_ranges(1, np.array([*place, height]), rotation_of(quat), beams)
    assert differing(ours, theirs) <= 1
    assert len(np.unique(ours)) > 10


def test_is_cast_from_its_mount() -> None:
    heading = TRACKS.heading[0, 10]
    quat = attitude(heading, 0.0, 0.0)
    pose = np.array([*TRACKS.center[0, 10], 0.2, *quat])
    mounted = pose.copy()
    mounted[:3] += rotation_of(quat) @ LIDAR_POSITION
    assert cast(0, 10, pose, LIDAR_POSITION) == pytest.approx(cast(0, 10, mounted, NO_MOUNT))


def test_beams_run_from_right_to_left_around_the_front() -> None:
    beams = Lidar(CONFIG, TRACKS, NO_MOUNT).beams
    assert len(beams) >= 64
    angle = np.unwrap(np.arctan2(beams[:, 1], beams[:, 0]))
    assert angle[-1] - angle[0] == pytest.approx(CONFIG.field_of_view)
    assert (np.diff(angle) > 0).all()
    assert angle.mean() == pytest.approx(0.0, abs=1e-9)


def test_only_the_asked_rows_are_written() -> None:
    lidar = Lidar(CONFIG, TRACKS, NO_MOUNT)
    out = np.full((3, CONFIG.beams), -1.0, np.float32)
    pose = np.tile([*TRACKS.center[0, 0], 0.3, 1.0, 0.0, 0.0, 0.0], (3, 1))
    lidar.cast(np.array([1]), np.zeros(3, np.int64), np.zeros(3, np.int64), pose, out)
    assert (out[[0, 2]] == -1).all()
    assert (out[1] > 0).all()


def test_noise_is_as_configured_and_stays_in_range() -> None:
    lidar = Lidar(LidarConfig(std=0.05, dropout=0.1), TRACKS, NO_MOUNT)
    exact = np.full((400, 64), 5.0, np.float32)
    exact[:, :8] = CONFIG.max_range  # no echo: nothing to disturb
    noisy = lidar.add_noise(exact, np.random.default_rng(0))
    lost = noisy[:, 8:] == CONFIG.max_range
    assert lost.mean() == pytest.approx(0.1, abs=0.01)
    assert (noisy[:, 8:][~lost] - 5.0).std() == pytest.approx(0.05, rel=0.05)
    assert (noisy[:, :8] == CONFIG.max_range).all()
    assert (noisy <= CONFIG.max_range).all()


def test_a_blind_sector_gives_no_echo_for_a_whole_episode() -> None:
    rows, width = 200, 0.4
    config = replace(CONFIG, blind=(0.0, width))
    lidar = Lidar(config, TRACKS, NO_MOUNT, rows)
    rng = np.random.default_rng(0)
    lidar.reset(np.arange(rows), rng)
    exact = np.full((rows, config.beams), 3.0, np.float32)
    for _ in range(2):
        seen = lidar.add_noise(exact, rng, lidar.blind)
        assert (seen[lidar.blind] == config.max_range).all()
        assert (seen[~lidar.blind] < 4.0).mean() > 0.99
    spacing = config.field_of_view / (config.beams - 1)
    beams = lidar.blind.sum(axis=1)
    assert beams.max() <= width / spacing + 1 and beams.min() == 0
    assert beams.mean() == pytest.approx(0.5 * width / spacing, rel=0.2)
    before = lidar.blind.copy()
    lidar.reset(np.array([3]), rng)
    np.testing.assert_array_equal(np.delete(lidar.blind, 3, 0), np.delete(before, 3, 0))
