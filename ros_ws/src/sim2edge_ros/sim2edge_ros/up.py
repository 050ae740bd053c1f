"""`sim2edge up`: a robot's nodes as processes of their own, without `launch`."""

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import IO

from edge_runtime.errors import UserError
from sim2edge_ros.robot_file import shipped

_GRACE = 15.0  # s for a node to end; the edge node brings the robot to rest first
_LOOK = 0.1  # s between two looks at the processes
_RESPAWN = 1.0  # s before a node that failed is started again
_REFUSED = 2  # exit code of a node that will not do better the next time
_CLOCK = "/clock"
_SIM, _EDGE, _RECORDER = "sim_node", "edge_node", "recorder"
_MODULES = {
    _SIM: "sim2edge_ros.simulator.sim_node",
    _EDGE: "sim2edge_ros.edge_node",
    _RECORDER: "sim2edge_ros.recorder.recorder_node",
}


@dataclass(frozen=True)
class UpConfig:
    """Bring a robot up as ROS 2 nodes: simulated or real, estimator, policy and guard."""

    robot: str
    """humanoid or vehicle."""
    policy: Path | None = None
    """The policy file (.onnx); by default the one that comes with the product."""
    real: bool = False
    """Do not start the simulated robot: its topics come from elsewhere."""
    params: Path | None = None
    """Parameters of the nodes (YAML); by default those that come with the package."""
    set: tuple[str, ...] = ()
    """Parameters of the nodes, as NAME:=VALUE or NODE:NAME:=VALUE, over those of the file."""
    record: Path | None = None
    """Folder in which to record all topics, in MCAP bags that `ros2 bag` reads."""
    namespace: str = ""
    """Of all nodes and topics; one for each robot of a graph."""
    domain: int = -1
    """The ROS domain; -1 for that of ROS_DOMAIN_ID."""
    seconds: float = 0.0
    """How long; 0 until interrupted."""
    lockstep: bool = False
    """Simulated time, as fast as the machine can, with /clock; else real time."""
    respawn: bool = True
    """Start a node again that failed."""


def main(config: UpConfig) -> int:
    """Run the command; 0 at the end, 1 if a node failed and was not started again.

    Raises:
        UserError: ROS is not installed, an option does not fit, or a node refused its parameters.
    """
    commands = {name: _command(name, config) for name in _nodes(config)}
    environment = dict(os.environ)
    if config.domain >= 0:
        environment["ROS_DOMAIN_ID"] = str(config.domain)
    with _asked_to_end() as ending:
        graph = Graph(commands, environment, config.respawn)
        try:
            return graph.run(config.seconds, ending)
        finally:
            graph.close()


def default_policy(robot: str) -> Path:
    """The policy that comes with the product for one of its robots."""
    task = {"humanoid": "HumanoidVelocity", "vehicle": "VehicleTrack"}[robot]
    return Path(str(files("assets") / "policies" / f"{task}.onnx"))


def default_parameters(robot: str) -> Path:
    """The parameter file that comes with the package for one of its robots."""
    return Path(str(files("sim2edge_ros") / "config" / f"{robot}.yaml"))


def _nodes(config: UpConfig) -> tuple[str, ...]:
    if importlib.util.find_spec("rclpy") is None:
        raise UserError("ROS 2 is not installed; pip install 'sim2edge[ros]', or source your ROS")
    if config.robot not in shipped():
        raise UserError(f"no robot '{config.robot}'; there are {', '.join(shipped())}")
    if not config.real and importlib.util.find_spec("mujoco") is None:
        raise UserError("the simulated robot is not installed; pip install 'sim2edge[sim]'")
    simulated = () if config.real else (_SIM,)
    recorded = () if config.record is None else (_RECORDER,)
    return (*recorded, *simulated, _EDGE)  # what is recorded is so from the beginning


def _command(node: str, config: UpConfig) -> list[str]:
    """A node's command line."""
    parameters = config.params or default_parameters(config.robot)
    if not parameters.is_file():
        raise UserError(f"no parameter file {parameters}")
    policy = config.policy or default_policy(config.robot)
    given = [] if node == _RECORDER else [f"robot:={config.robot}"]
    if node == _RECORDER:
        given.append(f"folder:={config.record}")
    if node == _EDGE:
        given += [f"policy:={policy}", "autostart:=true"]
    if config.lockstep:
        given += ["clock:=true", "speed:=0.0"] if node == _SIM else ["use_sim_time:=true"]
    for setting in config.set:
        name, separator, _value = setting.partition(":=")
        of, _, short = name.rpartition(":")
        if not separator:
            raise UserError(f"--set {setting}: write NAME:=VALUE or NODE:NAME:=VALUE")
        if of == node or (not of and node != _RECORDER):
            given.append(f"{short}:={setting.partition(':=')[2]}")
        elif of not in _MODULES:
            raise UserError(f"--set {setting}: no node '{of}'; there are {', '.join(_MODULES)}")
    command = [sys.executable, "-m", _MODULES[node], "--ros-args"]
    command += ["--params-file", str(parameters)]
    for parameter in given:
        command += ["-p", parameter]
    if config.lockstep:
        command += ["-r", f"{_CLOCK}:={_CLOCK.strip('/')}"]  # each simulated robot has its own time
    if config.namespace:
        command += ["-r", f"__ns:=/{config.namespace.strip('/')}"]
    return command


class Graph:
    """The nodes' processes: started together, started again when they fail, ended in order.

    Args:
        commands: of each node, in the order of starting.
        environment: of all.
        respawn: whether a node that fails is started again.
    """

    def __init__(
        self, commands: dict[str, list[str]], environment: dict[str, str], respawn: bool
    ) -> None:
        self._commands, self._environment, self._respawn = commands, environment, respawn
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._again: dict[str, float] = {}  # when to start a node again
        self._respawned: set[str] = set()
        self._said: dict[str, str] = {}  # the last line of each

    def run(self, seconds: float, ending: threading.Event) -> int:
        """Until the time is over, the end is asked for, or a node ends for good.

        Raises:
            UserError: a node refused what it was given.
        """
        for name in self._commands:
            self._start(name)
        until = time.monotonic() + seconds if seconds else float("inf")
        while time.monotonic() < until and not ending.wait(_LOOK):
            for name, process in list(self._processes.items()):
                if process.poll() is not None and not self._ended(name, process.returncode):
                    return 1
            for name, moment in list(self._again.items()):
                if time.monotonic() > moment:
                    del self._again[name]
                    self._start(name)
        return 0

    def close(self) -> None:
        """End what runs; the edge node first, which needs the robot to come to rest."""
        for name in reversed(list(self._processes)):
            process = self._processes[name]
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
            if process.poll() is None:
                process.kill()
                process.wait()

    def _start(self, name: str) -> None:
        # In sessions of their own, so that Ctrl-C reaches this process alone, which ends them.
        process = subprocess.Popen(
            self._commands[name],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            errors="replace",
        )
        self._processes[name] = process
        assert process.stdout is not None
        threading.Thread(target=self._tell, args=(name, process.stdout), daemon=True).start()

    def _tell(self, name: str, output: IO[str]) -> None:
        for line in output:
            self._said[name] = line.strip()
            print(f"{name}: {line.rstrip()}", flush=True)

    def _ended(self, name: str, code: int) -> bool:
        """A node's process is gone; whether the others go on."""
        del self._processes[name]
        if code == _REFUSED:
            time.sleep(_LOOK)  # for what it said last
            said = self._said.get(name, f"{name} refused its parameters")
            if name != _RECORDER or name not in self._respawned:
                raise UserError(said)
            print(f"{name}: the robot goes on without it", flush=True)  # its disk may be full
            return True
        how = f"signal {-code}" if code < 0 else f"code {code}"
        if not self._respawn:
            print(f"{name}: ended with {how}", flush=True)
            return False
        print(f"{name}: ended with {how}; it is started again", flush=True)
        self._respawned.add(name)
        self._again[name] = time.monotonic() + _RESPAWN
        return True


@contextlib.contextmanager
def _asked_to_end() -> Iterator[threading.Event]:
    """Set by SIGINT and SIGTERM."""
    event = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: event.set()) for number in numbers]
    try:
        yield event
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)
