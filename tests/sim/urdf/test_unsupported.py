"""What URDF cannot express is named, with the nearest that it can."""

import pytest

from edge_runtime.errors import UserError
from sim.commands.urdf import load
from sim.urdf import convert
from tests.sim.urdf.mjcf import HINGE, MOTOR, arm, floating, model

SITE = '<site name="tip" pos="0 0 0.1"/>'
SECOND = arm('<joint name="elbow" axis="0 1 0" range="-1 1"/>', SITE, name="forearm")
TWO = floating(arm(HINGE, SECOND))


def hinge(more: str) -> str:
    return f'<joint name="shoulder" axis="0 1 0" range="-1 2" {more}/>'


@pytest.mark.parametrize(
    ("bodies", "rest", "severity", "what", "nearest"),
    [
        (
            floating(arm(hinge('stiffness="3"'))),
            MOTOR,
            "warning",
            "spring of joint 'shoulder'",
            "springref",
        ),
        (
            floating(arm(hinge('armature="0.1"'))),
            MOTOR,
            "warning",
            "armature of joint 'shoulder'",
            "rotor",
        ),
        (
            floating(arm(hinge('damping="1 2"'))),
            MOTOR,
            "warning",
            "polynomial damping of joint",
            "linear",
        ),
        (
            TWO,
            MOTOR + '<equality><connect site1="tip" site2="tip2"/></equality>',
            "warning",
            "equality constraint",
            "tree",
        ),
        (
            TWO,
            MOTOR
            + '<equality><joint joint1="elbow" joint2="shoulder" polycoef="0 1 2 0 0"/></equality>',
            "warning",
            "joint 'elbow' follows 'shoulder' nonlinearly",
            "8 rad or m off",
        ),
        (
            TWO,
            MOTOR + '<tendon><fixed name="cable" stiffness="1">'
            '<joint joint="elbow" coef="1"/></fixed></tendon>',
            "warning",
            "tendon 'cable'",
            "damping and a range",
        ),
        (
            TWO,
            '<tendon><fixed name="cable"><joint joint="elbow" coef="1"/>'
            '<joint joint="shoulder" coef="2"/></fixed></tendon>'
            '<actuator><motor name="winch" tendon="cable" ctrlrange="-1 1"/></actuator>',
            "warning",
            "actuator 'winch'",
            "share",
        ),
        (
            TWO,
            '<actuator><muscle name="biceps" joint="elbow" lengthrange="0 1"/></actuator>',
            "warning",
            "muscle 'biceps'",
            "motor",
        ),
        (
            TWO,
            '<actuator><motor name="jet" site="tip" gear="0 0 1 0 0 0"/></actuator>',
            "warning",
            "actuator 'jet'",
            "motor on a joint",
        ),
        (TWO, "", "warning", "no actuators", "effort limit is 0"),
        (
            TWO,
            '<actuator><position joint="elbow" kp="1"/></actuator>',
            "warning",
            "largest effort of joint elbow",
            "forcerange",
        ),
        (TWO, MOTOR, "note", "largest speed of joint shoulder", "100 rad/s"),
        (
            floating('<geom name="head" type="ellipsoid" size="0.1 0.2 0.3"/>' + arm(HINGE)),
            MOTOR,
            "note",
            "ellipsoid 'head'",
            "mesh",
        ),
        (
            f'<body><geom name="bench" type="plane" size="1 1 1"/>{arm(HINGE)}</body>',
            MOTOR,
            "warning",
            "'bench'",
            "thin box",
        ),
        (
            floating(arm(HINGE).replace('name="arm"', 'name="arm" gravcomp="1"')),
            MOTOR,
            "warning",
            "body 'arm'",
            "upwards",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "<" not in value else "",
)
def test_is_named_with_the_nearest(
    bodies: str, rest: str, severity: str, what: str, nearest: str
) -> None:
    if "tip2" in rest:
        bodies = bodies.replace("<freejoint/>", '<freejoint/><site name="tip2"/>')
    gaps = convert(model(bodies, rest)).unsupported
    found = [gap for gap in gaps if what in gap.what]
    assert found, [str(gap) for gap in gaps]
    assert found[0].severity == severity
    assert nearest in found[0].nearest


def test_a_ball_joint_is_refused() -> None:
    built = model(floating(arm('<joint name="neck" type="ball"/>')))
    with pytest.raises(UserError, match="^ball joint 'neck': .* three hinges"):
        convert(built)


def test_a_plain_robot_has_only_notes() -> None:
    gaps = convert(model(floating('<geom size="0.1"/>' + arm(HINGE)), MOTOR)).unsupported
    assert {gap.severity for gap in gaps} == {"note"}


def test_an_exact_mimic_is_supported() -> None:
    line = '<equality><joint joint1="elbow" joint2="shoulder" polycoef="0.5 2 0 0 0"/></equality>'
    conversion = convert(model(TWO, MOTOR + line))
    assert not [gap for gap in conversion.unsupported if "follows" in gap.what]
    mimic = next(j.mimic for j in conversion.tree.joints if j.name == "elbow")
    assert mimic is not None and (mimic.multiplier, mimic.offset) == (2.0, 0.5)


def test_the_cars_unsupported_elements_are_named() -> None:
    built, actuators = load("vehicle")
    warnings = [str(g) for g in convert(built, actuators).unsupported if g.severity == "warning"]
    assert [w.split(" of joint")[0] for w in warnings[:2]] == [
        "warning: spring",
        "warning: armature",
    ]
    assert "'front_left_knuckle' follows 'steering'" in warnings[2]
    assert any("actuator 'drive': it drives several joints" in w for w in warnings)


def test_the_most_severe_come_first() -> None:
    severities = [gap.severity for gap in convert(load("vehicle")[0]).unsupported]
    assert severities == sorted(severities, key=("error", "warning", "note").index)
