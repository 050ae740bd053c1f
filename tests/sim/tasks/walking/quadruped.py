"""A quadruped of eight joints, without arms, whose MJCF names sites and joints but no sensors."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, ClassVar

from edge_runtime.config.fields import setting
from sim.robots.legs import Legs
from sim.robots.mjcf import robot_from_mjcf
from sim.robots.robot import SimRobot
from sim.tasks.randomization import DomainRandomization
from sim.tasks.walking.config import WalkingConfig

_LEG = """
      <body name="{leg}_thigh" pos="{x} {y} 0">
        <joint name="{leg}_hip" axis="0 1 0" range="-1.5 1.5"/>
        <geom type="capsule" fromto="0 0 0 0 0 -0.15" size="0.02" mass="0.4"/>
        <body name="{leg}_shank" pos="0 0 -0.15">
          <joint name="{leg}_knee" axis="0 1 0" range="-2.5 -0.1"/>
          <geom type="capsule" fromto="0 0 0 0 0 -0.15" size="0.015" mass="0.2"/>
          <geom type="sphere" pos="0 0 -0.15" size="0.02" mass="0.05" conaffinity="1"/>
          <site name="{leg}_foot" pos="0 0 -0.17" size="0.03"/>
        </body>
      </body>"""
_LEGS = {"front_left": 1, "front_right": -1, "rear_left": 1, "rear_right": -1}
_BODY = """<mujoco>
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.005" integrator="implicitfast"/>
  <default>
    <geom contype="0" conaffinity="0"/>
    <joint armature="0.01" damping="0.1"/>
    <position kp="40" kv="1" forcerange="-20 20" inheritrange="1"/>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 0.05" contype="1" priority="1"/>
    <body name="trunk" pos="0 0 0.3">
      <freejoint/>
      <geom type="box" size="0.2 0.1 0.05" mass="6" conaffinity="1"/>
      <site name="imu" pos="0 0 0.02"/>
      {legs}
    </body>
  </worldbody>
  <actuator>{actuators}</actuator>
</mujoco>"""


def mjcf() -> str:
    """The robot in its scene."""
    legs = "".join(
        _LEG.format(leg=leg, x=0.18 if "front" in leg else -0.18, y=0.1 * side)
        for leg, side in _LEGS.items()
    )
    actuators = "".join(
        f'<position name="{leg}_{joint}" joint="{leg}_{joint}"/>'
        for leg in _LEGS
        for joint in ("hip", "knee")
    )
    return _BODY.format(legs=legs, actuators=actuators)


@cache
def _scene() -> Path:
    path = Path(mkdtemp()) / "quadruped.xml"
    path.write_text(mjcf())
    return path


FACTS = Legs(
    feet=tuple(f"{leg}_foot" for leg in _LEGS),
    leading=("front_left_foot", "rear_right_foot"),
    stepping={"hip": -0.2, "knee": -0.3},
    feet_apart=0.15,
)


def quadruped(
    action_scale: float = 0.3, path: Path | None = None, legs: Legs = FACTS, **facts: Any
) -> SimRobot:
    """The robot; `action_scale` is in rad per unit of action, `facts` go to `robot_from_mjcf`."""
    return robot_from_mjcf(
        "quadruped",
        path or _scene(),
        action_scale=action_scale,
        legs=legs,
        **{"default": {"hip": 0.6, "knee": -1.2}, **facts},
    )


@dataclass(frozen=True)
class QuadrupedVelocity(WalkingConfig):
    """Track a commanded velocity on four legs."""

    name: ClassVar[str] = "QuadrupedVelocity"

    swing_height: float = setting(0.04, "Height of the sole at mid swing.", "m", at_least=0)
    randomization: DomainRandomization = DomainRandomization(payload=(-0.5, 1.0))

    @property
    def robot(self) -> SimRobot:
        return quadruped(self.action_scale)
