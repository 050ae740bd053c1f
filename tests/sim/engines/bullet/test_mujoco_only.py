"""What Bullet cannot simulate is named."""

import mujoco
import pytest

from edge_runtime.errors import UserError
from sim.engines.choice import make_engine
from tests.sim.engines.bullet.robots_in_both import bullet

pytest.importorskip("pybullet")


def edited(old: str, new: str) -> mujoco.MjModel:
    text = """<mujoco><worldbody><geom name="floor" type="plane" size="0 0 1"/>
    <body name="base" pos="0 0 1"><freejoint/><geom size="0.1"/><site name="s"/>
    <body name="arm" pos="0.2 0 0"><joint name="a" axis="0 1 0"/><geom size="0.05"/>
    <body name="hand" pos="0.2 0 0"><joint name="b" axis="0 1 0"/><geom size="0.05"/></body>
    </body></body></worldbody>
    <actuator><motor name="m" joint="a"/></actuator>
    <sensor><gyro name="g" site="s"/></sensor></mujoco>"""
    assert old in text
    return mujoco.MjModel.from_xml_string(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('<gyro name="g" site="s"/>', '<force name="g" site="s"/>', "'g'"),
        ('<motor name="m" joint="a"/>', '<intvelocity name="m" joint="a" actrange="-1 1"/>', "'m'"),
        ("</worldbody>", '</worldbody><equality><weld name="w" body1="base"/></equality>', "'w'"),
        ("<freejoint/>", "", "free joint"),
        ('type="plane" size="0 0 1"', 'type="ellipsoid" size="1 1 1"', "'floor'"),
        ('<joint name="b" axis="0 1 0"/>', '<joint name="b" type="slide" armature="1"/>', "'b'"),
        ("<freejoint/>", '<joint name="f" type="free" damping="1"/>', "free joint 'f'"),
        ('<joint name="b"', '<joint name="b" stiffness="1 2 3"', "stiffness of joint 'b'"),
        ('<joint name="b"', '<joint name="b" damping="1 2 3"', "damping of joint 'b'"),
        ('<joint name="b"', '<joint name="b" actuatorfrcrange="-1 1"', "frcrange of joint 'b'"),
        ('<body name="hand"', '<body name="hand" gravcomp="1"', "body 'hand'"),
        ('<motor name="m"', '<motor name="m" damping="1"', "damping or armature of actuator 'm'"),
        ('<motor name="m"', '<motor name="m" delay="0.01" nsample="6"', "delay of actuator 'm'"),
        ("<worldbody>", '<worldbody><body><geom name="wall" size="1"/></body>', "geom 'wall'"),
        ('name="floor"', 'name="floor" condim="6"', "condim of geom 'floor'"),
        ("<worldbody>", '<option viscosity="1"/><worldbody>', "viscosity"),
        ("<worldbody>", '<option><flag gravity="disable"/></option><worldbody>', "flag gravity"),
        (
            "<actuator>",
            '<tendon><fixed name="t" damping="1"><joint joint="a" coef="1"/></fixed></tendon>'
            "<actuator>",
            "limit of tendon 't'",
        ),
    ],
)
def test_names_what_bullet_cannot_simulate(old: str, new: str, named: str) -> None:
    with pytest.raises(UserError, match=named), bullet(edited(old, new)):
        pass


def test_names_a_field_that_cannot_differ_and_an_engine_that_is_not_there() -> None:
    model = edited("<gyro", "<gyro")
    with bullet(model) as engine, pytest.raises(UserError, match="geom_size"):
        engine.field("geom_size")
    with pytest.raises(UserError, match="'havok'; there are: mujoco, bullet"):
        make_engine("havok", model, 1, substeps=1)
