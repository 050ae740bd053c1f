"""Small models for the tests."""

import mujoco

INERTIAL = '<inertial pos="0 0 0" mass="1" diaginertia="1e-2 1e-2 1e-2"/>'


def model(bodies: str, rest: str = "", name: str = "robot") -> mujoco.MjModel:
    """A model of these bodies, in radians, with whatever else it has."""
    return mujoco.MjModel.from_xml_string(
        f'<mujoco model="{name}"><compiler angle="radian" autolimits="true"/>'
        f"<worldbody>{bodies}</worldbody>{rest}</mujoco>"
    )


def floating(inside: str, name: str = "torso") -> str:
    """A body that floats, with what is inside it."""
    return f'<body name="{name}"><freejoint/>{INERTIAL}{inside}</body>'


def arm(joint: str, inside: str = "", name: str = "arm") -> str:
    """A body on a joint."""
    return f'<body name="{name}" pos="0.1 0.2 0.3">{INERTIAL}{joint}{inside}</body>'


HINGE = '<joint name="shoulder" axis="0 1 0" range="-1 2"/>'
MOTOR = (
    '<actuator><motor joint="shoulder" gear="10" ctrlrange="-1 1" ctrllimited="true"/></actuator>'
)
