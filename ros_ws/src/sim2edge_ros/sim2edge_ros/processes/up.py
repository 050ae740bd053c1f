"""Runs `sim2edge up`: a robot's nodes as processes of their own, without `launch`."""

import importlib.util
import os
import re
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from edge_runtime.child_program import child_program
from edge_runtime.config.fields import LONGEST, setting
from edge_runtime.errors import UserError, suggestion
from edge_runtime.extras import install_line
from edge_runtime.policy.inference import Policy
from edge_runtime.slots.slot_folder import SlotFolder, is_slot_folder
from sim2edge_ros.settings.parameters import NODES, names
from sim2edge_ros.settings.robot_file import find, model, shipped, written
from sim2edge_ros.settings.sections import sections, without_effect

_CLOCK = "/clock"
_SIM, _EDGE, _RECORDER, _MODEL = ("sim_node", "edge_node", "recorder", "model_node")
_STARTED_BY = {
    _SIM: "leave out --real",
    _RECORDER: "give --record FOLDER",
    _MODEL: "give --real --model",
}
_MODULES = {
    _SIM: "sim2edge_ros.simulator.sim_node",
    _EDGE: "sim2edge_ros.edge.edge_node",
    _RECORDER: "sim2edge_ros.recorder.recorder_node",
    _MODEL: "sim2edge_ros.model.model_node",
}
# The edge node's log line, whatever stands before it, and not that of a task of that name.
_ACTIVE = re.compile(r"^(?!.*configured: ).*\bactive$")
_LAST_DOMAIN = 232  # the next one would need UDP ports beyond 65535
_NAMESPACE = re.compile(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*/?", re.ASCII)


@dataclass(frozen=True)
class UpConfig:
    """Bring a robot up as ROS 2 nodes: simulated or real, estimator, policy and guard.

    Raises:
        UserError: a value makes no sense.
    """

    robot: str
    """The robot: humanoid, vehicle, or one that another package brings."""
    policy: Path | None = None
    """The policy file (.onnx), the name of a policy that comes with sim2edge, or a folder of
    'sim2edge slots'; by default the one in the parameters, else this robot's own."""
    real: bool = False
    """Start no simulated robot: the topics come from a real one."""
    model: bool = False
    """Publish a real robot's model and frames, where no robot_state_publisher does; a simulated
    one publishes its own."""
    params: tuple[Path, ...] = ()
    """Files with parameters of the nodes (YAML), over those that come with the package; of two that
    give a parameter, the last counts."""
    set: tuple[str, ...] = ()
    """Parameters of the nodes, as NAME:=VALUE or NODE:NAME:=VALUE, over those of the file."""
    record: Path | None = None
    """Record all topics in this folder, in MCAP bags that `ros2 bag` reads."""
    namespace: str = ""
    """The namespace of all nodes and topics; one for each robot of a graph."""
    domain: int | None = setting(None, at_least=0, at_most=_LAST_DOMAIN)
    """The ROS domain; by default that of ROS_DOMAIN_ID."""
    seconds: float = setting(
        0.0, "How long to run; 0 until interrupted.", "s", at_least=0, at_most=LONGEST
    )
    lockstep: bool = False
    """Simulate in lockstep, as fast as the machine can, with /clock; else in real time."""
    respawn: bool = True
    """Restart a node that failed."""

    def __post_init__(self) -> None:
        if self.namespace and not _NAMESPACE.fullmatch(self.namespace):
            raise UserError(
                f"--namespace '{self.namespace}': write letters, digits and _, not beginning with "
                "a digit, as 'h1' or 'fleet/h1'"
            )
        if self.model and not self.real:
            raise UserError("--model needs --real; a simulated robot publishes its own model")


def main(config: UpConfig) -> int:
    """Runs the command.

    Returns:
        The exit code: 1 if a node failed and was not restarted, or if the robot was never driven.

    Raises:
        UserError: ROS is not installed, an option does not fit, or a node refused its parameters.
    """
    commands = {name: _command(name, config) for name in _nodes(config)}
    _check_policy(config)
    lost = parameters_without_effect(config.namespace, commands, *config.params)
    for line in lost + _settings_without_effect(config.set, commands):
        print(f"without effect: {line}", file=sys.stderr)
    # These modules need ROS, which `_nodes` has found.
    from sim2edge_ros.node_process import PARENT, end_event  # noqa: PLC0415
    from sim2edge_ros.processes.child_processes import ChildProcesses  # noqa: PLC0415

    environment = {**os.environ, PARENT: str(os.getpid())}
    if config.domain is not None:
        environment["ROS_DOMAIN_ID"] = str(config.domain)
    ending = end_event()
    drove = threading.Event()

    def listen(name: str, line: str) -> None:
        if name == _EDGE and _ACTIVE.search(line):
            drove.set()

    processes = ChildProcesses(commands, environment, config.respawn, (_RECORDER, _MODEL), listen)
    try:
        code = processes.run(config.seconds, ending)
    finally:
        processes.close()
    if code == 0 and config.seconds and not ending.is_set() and not drove.is_set():
        print(f"the robot was not active within {config.seconds:g} s", file=sys.stderr)
        return 1
    return code


def prepare(robot: str) -> None:
    """Writes the files of a robot that does not come with the package.

    Raises:
        UserError: there is no such robot, or ROS cannot represent it.
    """
    if robot in shipped():
        return
    if importlib.util.find_spec("mujoco") is None:
        described = find(robot)
        if not described.is_file():
            raise UserError(f"unknown robot '{robot}'; {suggestion(robot, shipped())}")
        for path in (model(robot), default_parameters(robot)):
            if not path.is_file():
                raise UserError(
                    f"{path} is missing; copy it from where the robot is simulated, where it lies "
                    f"beside {described.name}"
                )
        return
    from sim2edge_ros.simulator import robot_files  # noqa: PLC0415  a robot has no simulator

    robot_files.write_robot(robot)


def default_parameters(robot: str) -> Path:
    """Returns the parameter file of a robot: the package's, or the one written for another's."""
    if robot in shipped():
        return Path(str(files("sim2edge_ros") / "config" / f"{robot}.yaml"))
    return written() / f"{robot}.yaml"


def parameter_files(robot: str, *given: str | Path) -> tuple[Path, ...]:
    """Returns the parameter files of a robot's nodes; a later one overrides an earlier.

    Raises:
        UserError: a given file cannot be read, or holds no parameters.
    """
    paths = [Path(file).expanduser() for file in given]
    for path in paths:
        sections(path)
    return (default_parameters(robot), *paths)


def parameters_without_effect(
    namespace: str, nodes: Iterable[str], *given: str | Path
) -> list[str]:
    """Returns a line for each part of the given parameter files that none of the nodes reads."""
    before = f"/{namespace.strip('/')}" if namespace.strip("/") else ""
    known = {f"{before}/{node}": names(node) for node in nodes}
    return [line for file in given for line in without_effect(Path(file).expanduser(), known)]


def _nodes(config: UpConfig) -> tuple[str, ...]:
    if importlib.util.find_spec("rclpy") is None:
        raise UserError(f"ROS 2 is not installed; {install_line('ros')}, or source your ROS")
    prepare(config.robot)
    if not config.real and importlib.util.find_spec("mujoco") is None:
        raise UserError(f"the simulated robot is not installed; {install_line('sim')}")
    simulated = () if config.real else (_SIM,)
    recorded = () if config.record is None else (_RECORDER,)
    modelled = (_MODEL,) if config.model else ()
    # The recorder starts first, so that its bag is complete.
    return (*recorded, *simulated, *modelled, _EDGE)


def _command(node: str, config: UpConfig) -> list[str]:
    """Returns a node's command line."""
    command = [*child_program(_MODULES[node]), "--ros-args"]
    for file in parameter_files(config.robot, *config.params):
        command += ["--params-file", str(file)]
    for parameter in _given(node, config):
        command += ["-p", parameter]
    if not config.real:
        command += ["-r", f"{_CLOCK}:={_CLOCK.strip('/')}"]  # each simulated robot has its own time
    if config.namespace:
        command += ["-r", f"__ns:=/{config.namespace.strip('/')}"]
    return command


def _given(node: str, config: UpConfig) -> list[str]:
    """Returns a node's parameters from the options; files give the others."""
    given = [f"folder:={config.record}"] if node == _RECORDER else []
    if node == _EDGE and config.policy is not None:
        given.append(f"policy:={config.policy}")
    if config.lockstep:
        given += ["clock:=true", "speed:=0.0"] if node == _SIM else ["use_sim_time:=true"]
    for assignment in config.set:
        to, name, value = _assignment(assignment)
        if node in to:
            given.append(f"{name}:={value}")
    return given


def _settings_without_effect(settings: Iterable[str], nodes: Iterable[str]) -> list[str]:
    """Returns a line for each setting that no node takes of those that start."""
    lines = []
    for assignment in settings:
        to, _, _ = _assignment(assignment)
        if not to.intersection(nodes):
            ways = "; or ".join(f"for {node}, {_STARTED_BY[node]}" for node in sorted(to))
            lines.append(f"--set {assignment} is for none of {', '.join(sorted(nodes))}; {ways}")
    return lines


def _check_policy(config: UpConfig) -> None:
    """Refuses a policy file that the edge node could not read, before any node starts."""
    given = [word for word in _given(_EDGE, config) if word.startswith("policy:=")]
    if given:
        path = Path(given[-1].removeprefix("policy:=")).expanduser()
        if is_slot_folder(path):
            SlotFolder(path).status()
        else:
            Policy.load(path)


def _assignment(text: str) -> tuple[set[str], str, str]:
    """Splits an argument of `--set` into the nodes that take it, name and value.

    Raises:
        UserError: the argument has another form.
    """
    left, separator, value = text.partition(":=")
    of, _, name = left.rpartition(":")
    if not separator or not value:
        raise UserError(f"--set {text}: write NAME:=VALUE or NODE:NAME:=VALUE")
    if of and of not in NODES:
        raise UserError(f"--set {text}: no node '{of}'; there are {', '.join(NODES)}")
    known = list(dict.fromkeys(n for node in ([of] if of else NODES) for n in names(node)))
    if name not in known:
        raise UserError(f"--set {text}: no parameter '{name}'; {suggestion(name, known)}")
    return {of} if of else {node for node in NODES if name in names(node)}, name, value
