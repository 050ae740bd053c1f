"""Stands in for programs that a test must not run, or that this machine lacks, by their name,
which is the first argument.

Each looks at its arguments as far as the repository can tell that they are right, and ends with an
error if they are not. `sim2edge` is the real one, with small sizes if SMALL is set.
"""

import importlib
import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
ROS = ROOT / "ros_ws" / "src" / "sim2edge_ros" / "sim2edge_ros"
TRANSITIONS = ("configure", "activate", "deactivate", "cleanup", "shutdown")


def sim2edge(arguments: list[str]) -> None:
    sys.path.insert(0, str(ROOT))
    from tests.docs.blocks import shrunk

    if os.environ.get("SMALL"):
        arguments = shrunk(arguments)
    print("$ sim2edge", shlex.join(arguments), flush=True)
    done = subprocess.run([sys.executable, "-m", "sim2edge", *arguments])
    if done.returncode == 1 and arguments[0] in ("eval", "run", "up"):
        return  # it did its work; a gate or the guard had something to say
    sys.exit(done.returncode)


def make(arguments: list[str]) -> None:
    subprocess.run(["/usr/bin/make", "--dry-run", "-C", str(ROOT), *arguments], check=True)


def pip(arguments: list[str]) -> None:
    assert arguments[0] == "install"
    project = (ROOT / "pyproject.toml").read_text()
    for word in arguments[1:]:
        if extras := re.fullmatch(r"(?:\.|sim2edge)\[(.*)\]", word):
            assert all(f"\n{extra} = [" in project for extra in extras[1].split(",")), word
    if "-c" in arguments:
        assert (ROOT / arguments[arguments.index("-c") + 1]).exists()


def git(arguments: list[str]) -> None:
    assert arguments[0] in ("clone", "commit", "config", "pull", "push", "switch"), arguments


def docker(arguments: list[str]) -> None:
    assert arguments[0] == "build"
    dockerfile = ROOT / arguments[arguments.index("-f") + 1]
    declared = re.findall(r"^ARG (\w+)", dockerfile.read_text(), re.MULTILINE)
    for flag, value in pairwise(arguments):
        assert flag != "--build-arg" or value.partition("=")[0] in declared, value


def colcon(arguments: list[str]) -> None:
    assert arguments == ["build"]
    assert (ROOT / "ros_ws" / "src" / "sim2edge_ros" / "package.xml").exists()
    Path("install").mkdir()
    Path("install", "setup.bash").touch()


def sudo(arguments: list[str]) -> None:
    if arguments[0] == "cp":
        assert (ROOT / arguments[1]).exists(), arguments[1]
    elif arguments[0] == "systemctl":
        systemctl(arguments[1:])
    else:
        assert arguments[0] in ("mkdir", "tee", "apt-get"), arguments


def systemctl(arguments: list[str]) -> None:
    _unit(arguments[-1])


def journalctl(arguments: list[str]) -> None:
    _unit(arguments[-1])


def _unit(instance: str) -> None:
    unit, _, robot = instance.partition("@")
    assert (ROOT / "deploy" / f"{unit}@.service").exists(), instance
    assert (ROS.parent / "launch" / f"{robot}.launch.py").exists(), robot


def ros2(arguments: list[str]) -> None:
    verb = arguments[0], arguments[1]
    if verb == ("launch", "sim2edge_ros"):
        assert (ROS.parent / "launch" / arguments[2]).exists(), arguments[2]
        declared = (ROS / "processes" / "launching.py").read_text()
        for argument in arguments[3:]:
            name = argument.partition(":=")[0]
            by_constant = ("--show-args", "name", "import", "robot_state_publisher")
            known = f'("{name}", ' in declared or name in by_constant
            assert known, argument
    elif verb == ("topic", "pub"):
        topic, kind, message = arguments[-3:]
        assert topic == "/cmd_vel"
        package, name = kind.split("/")
        _fits(yaml.safe_load(message), getattr(importlib.import_module(f"{package}.msg"), name))
    elif verb == ("topic", "echo"):
        assert arguments[2] in ("/edge_node/status", "/diagnostics"), arguments
    elif verb == ("lifecycle", "set"):
        assert arguments[2:][0] == "/edge_node" and arguments[3] in TRANSITIONS, arguments
    elif verb in (("param", "set"), ("param", "describe")):
        document = yaml.safe_load((ROS / "config" / "humanoid.yaml").read_text())
        node = arguments[2].removeprefix("/")
        parameters = next(v for k, v in document.items() if k.endswith(node))["ros__parameters"]
        assert arguments[3] in parameters, arguments[3]
    elif verb == ("service", "call"):
        services = (ROS / "edge" / "policy_services.py").read_text()
        assert f'("{arguments[2].removeprefix("/edge_node/")}", ' in services, arguments[2]
        assert arguments[3] == "std_srvs/srv/Trigger"
    else:
        raise AssertionError(f"nothing is known of 'ros2 {' '.join(arguments)}'")


def _fits(value: object, kind: type) -> None:
    """Every key of a message as YAML is a field of its type."""
    if isinstance(value, dict):
        for key, inner in value.items():
            _fits(inner, type(getattr(kind(), key)))


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2:])
