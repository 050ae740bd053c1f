"""Describes a robot's hardware to ros2_control: the tag `<ros2_control>` of its URDF.

It names ros2_control's mock hardware, with which controllers can be tried without a robot; put the
plugin of your hardware component in its place (control.ros.org, "Writing a Hardware Component").
"""

from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

from edge_runtime.policy.contract import POSITION, Actuator
from edge_runtime.robot.robot_file import RobotFile
from edge_runtime.signals import JOINT_TORQUE

_MOCK = "mock_components/GenericSystem"
_GAINS = ("stiffness", "damping")
_AXES = "xyz"
# As the imu_sensor_broadcaster and the force_torque_sensor_broadcaster read them.
_IMU_READINGS = (
    *(f"orientation.{axis}" for axis in (*_AXES, "w")),
    *(f"{what}.{axis}" for what in ("angular_velocity", "linear_acceleration") for axis in _AXES),
)
_WRENCH = tuple(f"{what}.{axis}" for what in ("force", "torque") for axis in _AXES)


def with_control(urdf: str, robot: RobotFile, actuators: Sequence[Actuator]) -> str:
    """Returns a URDF with the tag at its end.

    Args:
        urdf: the file's text.
        robot: names of joints, wheels, feet and the IMU.
        actuators: what the robot is driven by. One that is no joint of the URDF stands for what
            drives several, and is a `<gpio>`, because all joints of the tag must be in the URDF.
    """
    joints = {joint.get("name") for joint in ElementTree.fromstring(urdf).iter("joint")}
    tag = ElementTree.Element("ros2_control", name=robot.description.name, type="system")
    ElementTree.SubElement(ElementTree.SubElement(tag, "hardware"), "plugin").text = _MOCK
    torque = any(signal.name == JOINT_TORQUE for signal in robot.description.signals)
    measured = ("position", "velocity", *(("effort",) if torque else ()))
    for actuator in actuators:
        is_joint = actuator.name in joints
        part = ElementTree.SubElement(tag, "joint" if is_joint else "gpio", name=actuator.name)
        moved = "position" if actuator.mode == POSITION else "velocity"
        _interfaces(part, "command_interface", (moved, *_GAINS))
        if is_joint:
            states = _interfaces(part, "state_interface", measured)
            ElementTree.SubElement(
                states[0], "param", name="initial_value"
            ).text = f"{actuator.default:g}"
    driven = {actuator.name for actuator in actuators}
    for name in (*robot.wheel_joints, *robot.passive_joints):
        if name not in driven:
            part = ElementTree.SubElement(tag, "joint", name=name)
            _interfaces(part, "state_interface", ("position", "velocity"))
    for name, readings in ((robot.imu_frame, _IMU_READINGS), *((f, _WRENCH) for f in robot.feet)):
        part = ElementTree.SubElement(tag, "sensor", name=name)
        _interfaces(part, "state_interface", readings)
    ElementTree.indent(tag, level=1)
    text = ElementTree.tostring(tag, encoding="unicode")
    return urdf.replace("</robot>", f"  {text}\n</robot>")


def _interfaces(
    part: ElementTree.Element, kind: str, names: Iterable[str]
) -> list[ElementTree.Element]:
    return [ElementTree.SubElement(part, kind, name=name) for name in names]
