"""Loads policies while the humanoid walks. Part of `ros.py`."""

import time
from collections.abc import Callable

from figures import Figure
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from std_srvs.srv import Trigger

from ros_nodes.listener import Listener
from ros_nodes.robots import Motion, up
from sim2edge_ros.settings.robot_file import default_policy

RELOADS = 20
_FORWARD = 0.5  # m/s
_FALLEN = 0.5  # m, height of the pelvis
_STARTING = 5.0  # s


def under_motion(pause: float) -> Figure:
    """Counts missed deadlines while a policy is loaded repeatedly, against the same time without.

    Args:
        pause: s between two loads.
    """
    motion, missed = Motion(), {False: 0, True: 0}
    with up("humanoid", motion) as listener:
        listener.drive(lambda: (_FORWARD, 0.0, 0.0))
        time.sleep(_STARTING)
        set_candidate(listener, str(default_policy("humanoid")))
        swaps = _count(listener, "policy", "swaps")
        for loading in (False, True) * 2:  # in turns, so that both meet the same noise
            before = _count(listener, "control loop", "missed")
            for _ in range(RELOADS // 2):
                _each(pause, (lambda: load_candidate(listener)) if loading else (lambda: None))
            missed[loading] += _count(listener, "control loop", "missed") - before
        loaded = _count(listener, "policy", "swaps") - swaps
        upright = motion.place[-1][2] > _FALLEN
    if loaded != RELOADS or not upright:
        raise RuntimeError(f"{loaded} policies were taken over; still upright: {upright}")
    return Figure(
        f"missed in {RELOADS} policy reloads while walking, beyond none",
        max(0, missed[True] - missed[False]),
        "deadlines",
        0,
        f"without {missed[False]}, with {missed[True]}",
        at_least=False,
    )


def set_candidate(listener: Listener, file: str) -> None:
    """Names the policy that `load_candidate` loads."""
    value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=file)
    request = SetParameters.Request(parameters=[Parameter(name="candidate", value=value)])
    answer = listener.call(SetParameters, "edge_node/set_parameters", request)
    if not answer.results[0].successful:
        raise RuntimeError(answer.results[0].reason)


def load_candidate(listener: Listener) -> None:
    """Lets the candidate drive."""
    answer = listener.call(Trigger, "edge_node/load")
    if not answer.success:
        raise RuntimeError(answer.message)


def _count(listener: Listener, part: str, of: str) -> int:
    return int(listener.diagnostics(part)[of])


def _each(pause: float, act: Callable[[], None]) -> None:
    began = time.monotonic()
    act()
    time.sleep(max(0.0, began + pause - time.monotonic()))
