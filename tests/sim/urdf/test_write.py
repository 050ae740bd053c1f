"""The URDF file holds the robot's links, joints, shapes and limits."""

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import mujoco
import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.policy.contract import Actuator
from sim.commands.urdf import load
from sim.urdf import Parts, convert, write, write_urdf
from tests.sim.urdf.mjcf import HINGE, INERTIAL, MOTOR, arm, floating, model

ROBOTS = ("humanoid", "vehicle")


def written(built: mujoco.MjModel, folder: Path, **options: object) -> Element:
    """The document written of a model."""
    return ElementTree.parse(write_urdf(built, folder / "robot.urdf", **options)).getroot()


def find(document: Element, tag: str, name: str) -> Element:
    found = document.find(f"{tag}[@name='{name}']")
    assert found is not None, f"no {tag} {name}"
    return found


def attributes(document: Element, joint: str, tag: str) -> dict[str, float]:
    found = find(document, "joint", joint).find(tag)
    assert found is not None
    return {key: float(value) for key, value in found.attrib.items()}


@pytest.mark.parametrize("robot", ROBOTS)
def test_links_and_joints_are_a_tree_from_base_link(robot: str, tmp_path: Path) -> None:
    built, actuators = load(robot)
    document = written(built, tmp_path, actuators=actuators)
    links = [link.attrib["name"] for link in document.findall("link")]
    joints = [joint.attrib["name"] for joint in document.findall("joint")]
    assert len({*links}) == len(links) and len({*joints}) == len(joints)
    parents = {
        joint.find("child").attrib["link"]: joint.find("parent").attrib["link"]  # type: ignore[union-attr]
        for joint in document.findall("joint")
    }
    assert {*parents} == {*links} - {"base_link"}
    for link in links:
        above = link
        for _ in links:
            above = parents.get(above, above)
        assert above == "base_link"


@pytest.mark.parametrize("robot", ROBOTS)
def test_every_joint_of_the_model_keeps_its_name(robot: str, tmp_path: Path) -> None:
    built, _ = load(robot)
    document = written(built, tmp_path)
    moving = {j.attrib["name"] for j in document.findall("joint") if j.attrib["type"] != "fixed"}
    free = mujoco.mjtJoint.mjJNT_FREE
    assert moving == {built.joint(j).name for j in range(built.njnt) if built.jnt_type[j] != free}


@pytest.mark.parametrize(
    ("robot", "frames"),
    [
        ("humanoid", ("imu", "left_sole", "right_sole", "left_foot_frame", "pelvis")),
        ("vehicle", ("imu", "lidar", "gnss", "chassis")),
    ],
)
def test_sensors_are_links_without_mass(
    robot: str, frames: tuple[str, ...], tmp_path: Path
) -> None:
    document = written(load(robot)[0], tmp_path)
    for name in frames:
        mass = find(document, "link", name).find("inertial/mass")
        assert mass is not None and float(mass.attrib["value"]) == 0.0
        assert find(document, "joint", f"{name}_fixed").attrib["type"] == "fixed"
    without = written(load(robot)[0], tmp_path, parts=Parts(frames=False))
    assert without.find(f"link[@name='{frames[0]}']") is None


def test_limits_come_from_the_model_and_the_drive(tmp_path: Path) -> None:
    built, actuators = load("humanoid")
    document = written(built, tmp_path, actuators=actuators)
    limits = attributes(document, "left_knee", "limit")
    assert limits == {"lower": -0.05, "upper": 2.3, "effort": 140.0, "velocity": 18.0}
    assert attributes(document, "left_knee", "dynamics") == {"damping": 0.4, "friction": 0.0}


def test_a_motor_on_an_axle_gives_each_wheel_its_share(tmp_path: Path) -> None:
    built, actuators = load("vehicle")
    document = written(built, tmp_path, actuators=actuators)
    assert find(document, "joint", "rear_left_wheel").attrib["type"] == "continuous"
    assert attributes(document, "rear_left_wheel", "limit") == {"effort": 60.0, "velocity": 84.0}
    assert attributes(document, "front_left_wheel", "limit")["effort"] == 0.0


@pytest.mark.parametrize(
    ("actuator", "joint", "effort"),
    [
        ('<motor joint="shoulder" gear="10" ctrlrange="-1 2"/>', "", 20.0),
        ('<position joint="shoulder" kp="50" forcerange="-7 5" gear="2"/>', "", 14.0),
        ('<motor joint="shoulder" ctrlrange="-9 9"/>', 'actuatorfrcrange="-3 3"', 3.0),
        ('<motor joint="shoulder" ctrlrange="-9 9"/>' * 2, "", 18.0),
        ('<position joint="shoulder" kp="50"/>', "", 0.0),
    ],
)
def test_effort(actuator: str, joint: str, effort: float, tmp_path: Path) -> None:
    hinge = f'<joint name="shoulder" axis="0 1 0" range="-1 2" {joint}/>'
    built = model(floating(arm(hinge)), f"<actuator>{actuator}</actuator>")
    assert attributes(written(built, tmp_path), "shoulder", "limit")["effort"] == effort


def test_a_described_speed_is_written(tmp_path: Path) -> None:
    motor = '<actuator><motor name="m" joint="shoulder" ctrlrange="-1 1"/></actuator>'
    built = model(floating(arm(HINGE)), motor)
    document = written(built, tmp_path, actuators=[Actuator("m", max_velocity=7.5)])
    assert attributes(document, "shoulder", "limit")["velocity"] == 7.5


def test_joint_types(tmp_path: Path) -> None:
    joints = (
        '<joint name="wheel" axis="0 1 0"/>',
        '<joint name="lift" type="slide" axis="0 0 1" range="0 1"/>',
        '<joint name="rail" type="slide" axis="1 0 0"/>',
        HINGE,
    )
    inside = "".join(arm(joint, name=f"b{k}") for k, joint in enumerate(joints))
    weld = f'<body name="weld">{INERTIAL}</body>'
    document = written(model(floating(inside + weld)), tmp_path)
    types = {j.attrib["name"]: j.attrib["type"] for j in document.findall("joint")}
    assert types["wheel"] == "continuous" and types["shoulder"] == "revolute"
    assert types["lift"] == types["rail"] == "prismatic" and types["weld_fixed"] == "fixed"
    assert attributes(document, "rail", "limit")["lower"] < -1e6


def test_several_joints_of_one_body_are_links_without_mass_between(tmp_path: Path) -> None:
    document = written(load("humanoid")[0], tmp_path)
    chain = ("base_link", "left_hip_yaw_link", "left_hip_roll_link", "left_thigh")
    for joint, parent, child in zip(("yaw", "roll", "pitch"), chain, chain[1:]):
        element = find(document, "joint", f"left_hip_{joint}")
        assert element.find("parent").attrib["link"] == parent  # type: ignore[union-attr]
        assert element.find("child").attrib["link"] == child  # type: ignore[union-attr]


def test_a_joint_that_follows_another_is_a_mimic(tmp_path: Path) -> None:
    knuckle = find(written(load("vehicle")[0], tmp_path), "joint", "front_left_knuckle")
    mimic = knuckle.find("mimic")
    assert mimic is not None
    assert mimic.attrib == {"joint": "steering", "multiplier": "1.0026", "offset": "0"}


def test_colours_are_the_models(tmp_path: Path) -> None:
    document = written(load("humanoid")[0], tmp_path)
    colours = {m.attrib["name"]: m[0].attrib["rgba"] for m in document.findall("material")}
    assert colours["shell"] == "0.92 0.93 0.95 1"
    used = {m.attrib["name"] for m in document.findall("link/visual/material")}
    assert used == {*colours}


def test_two_materials_of_one_name_keep_their_colours(tmp_path: Path) -> None:
    shapes = "".join(
        f'<geom size="0.1" rgba="{c} 0 0 1"/><geom size="0.1" material="colour_2"/>' for c in (1, 0)
    )
    assets = '<asset><material name="colour_2" rgba="0 0 1 1"/></asset>'
    document = written(model(floating(shapes), assets), tmp_path)
    colours = [m.attrib["name"] for m in document.findall("material")]
    assert len(colours) == 3 == len({*colours})


def test_what_collides_and_what_is_seen(tmp_path: Path) -> None:
    geoms = (
        '<geom size="0.1" contype="0" conaffinity="0"/>'  # seen alone
        '<geom type="box" size="0.1 0.2 0.3" group="3"/>'  # collides alone
        '<geom type="cylinder" size="0.1 0.2" rgba="0 0 0 0"/>'  # likewise
    )
    document = written(model(floating(geoms)), tmp_path)
    base = find(document, "link", "base_link")
    assert [e[0].tag for e in base.findall("visual/geometry")] == ["sphere"]
    assert [e[0].tag for e in base.findall("collision/geometry")] == ["box", "cylinder"]
    box, cylinder = (e[0].attrib for e in base.findall("collision/geometry"))
    assert box == {"size": "0.2 0.4 0.6"} and cylinder == {"radius": "0.1", "length": "0.4"}
    unseen = written(model(floating(geoms)), tmp_path, parts=Parts(visuals=False))
    assert unseen.find("link/visual") is None


def test_a_pair_collides(tmp_path: Path) -> None:
    geom = '<geom name="{}" size="0.1" contype="0" conaffinity="0"/>'
    built = model(
        floating(geom.format("one") + arm(HINGE, geom.format("two"))),
        '<contact><pair geom1="one" geom2="two"/></contact>',
    )
    assert len(written(built, tmp_path).findall("link/collision")) == 2


def test_a_capsule_is_three_shapes_or_bullets_own(tmp_path: Path) -> None:
    built = model(floating('<geom type="capsule" size="0.1 0.3" group="3"/>'))
    base = find(written(built, tmp_path), "link", "base_link")
    assert [e[0].tag for e in base.findall("collision/geometry")] == [
        "cylinder",
        "sphere",
        "sphere",
    ]
    ends = [e.attrib["xyz"] for e in base.findall("collision/origin")]
    assert ends == ["0 0 0", "0 0 -0.3", "0 0 0.3"]
    own = written(built, tmp_path, parts=Parts(capsules="native"))
    capsule = own.find("link/collision/geometry/capsule")
    assert capsule is not None and capsule.attrib == {"radius": "0.1", "length": "0.6"}


def test_a_mesh_is_a_file_beside_it(tmp_path: Path) -> None:
    tetrahedron = '<asset><mesh name="rock" vertex="0 0 0  1 0 0  0 1 0  0 0 1"/></asset>'
    built = model(floating('<geom type="mesh" mesh="rock"/>'), tetrahedron)
    mesh = written(built, tmp_path).find("link/visual/geometry/mesh")
    assert mesh is not None
    content = (tmp_path / mesh.attrib["filename"]).read_bytes()
    count = int.from_bytes(content[80:84], "little")
    assert count == built.mesh_facenum[0] == 4 and len(content) == 84 + 50 * count
    faces = np.frombuffer(content[84:], [("n", "<f4", 3), ("c", "<f4", (3, 3)), ("a", "<u2")])
    volume = np.linalg.det(faces["c"].astype(float)).sum() / 6
    assert volume == pytest.approx(1 / 6, rel=1e-5)  # and so the faces look outwards


def test_meshes_may_be_said_to_be_in_a_ros_package(tmp_path: Path) -> None:
    path = write(convert(load("vehicle")[0]), tmp_path / "car.urdf", "package://racer/urdf/")
    mesh = ElementTree.parse(path).find("link/visual/geometry/mesh")
    assert mesh is not None
    assert mesh.attrib["filename"] == "package://racer/urdf/car_meshes/tub_0.stl"
    assert (tmp_path / "car_meshes" / "tub_0.stl").exists()


def test_the_same_model_gives_the_same_file(tmp_path: Path) -> None:
    texts = [
        write_urdf(load("vehicle")[0], tmp_path / str(k) / "car.urdf").read_bytes() for k in (0, 1)
    ]
    assert texts[0] == texts[1]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    built = model(floating(arm(HINGE)), MOTOR)
    path = write_urdf(built, tmp_path / "robot.urdf")
    before = path.read_bytes()
    with pytest.raises(UserError, match="cannot write"):
        write_urdf(built, path / "inside.urdf")
    assert path.read_bytes() == before
