"""The files for a Jetson are well-formed, as far as can be checked without one."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import pytest

from edge_runtime.safety.watchdog import ServiceWatchdog
from sim2edge.commands import COMMANDS
from sim2edge.options import parse

ROOT = Path(__file__).parents[2]
PROCESSES = ROOT / "ros_ws" / "src" / "sim2edge_ros" / "sim2edge_ros" / "processes"
DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "sim2edge@.service"
RUN_UNIT = DEPLOY / "sim2edge-run@.service"
INSTRUCTIONS = {
    *("ARG", "FROM", "ENV", "SHELL", "RUN", "WORKDIR", "COPY", "VOLUME", "STOPSIGNAL"),
    *("ENTRYPOINT", "CMD"),
}


def instructions(text: str) -> list[tuple[str, str]]:
    """A Dockerfile's instructions, continued lines joined, comments left out.

    Raises:
        ValueError: a line is no instruction.
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found = []
    for line in joined.splitlines():
        name, _, rest = line.partition(" ")
        if name not in INSTRUCTIONS or not rest.strip():
            raise ValueError(f"no instruction: {line}")
        found.append((name, rest.strip()))
    return found


@pytest.fixture(scope="module")
def dockerfile() -> list[tuple[str, str]]:
    return instructions((DEPLOY / "Dockerfile").read_text())


def test_begins_with_a_pinned_base(dockerfile: list[tuple[str, str]]) -> None:
    (first, base), (second, image) = dockerfile[:2]
    assert (first, second, image) == ("ARG", "FROM", "${BASE}")
    assert re.fullmatch(r"BASE=nvcr\.io/nvidia/l4t-[a-z]+:r36\.\d+\.\d+", base)


def test_every_line_is_an_instruction_and_the_check_can_tell() -> None:
    with pytest.raises(ValueError, match="no instruction: apt-get update"):
        instructions("FROM a:1\napt-get update\n")
    with pytest.raises(ValueError, match="no instruction: && b"):
        instructions("RUN a\n    && b\n".replace("    ", ""))


def test_what_it_copies_is_there(dockerfile: list[tuple[str, str]]) -> None:
    copied = [word for name, rest in dockerfile if name == "COPY" for word in rest.split()[:-1]]
    assert {"edge_runtime", "assets", "ros_ws", "deploy/entrypoint.sh"} <= set(copied)
    assert [path for path in copied if not (ROOT / path).exists()] == []


def test_its_shell_is_sound(dockerfile: list[tuple[str, str]]) -> None:
    scripts = [rest for name, rest in dockerfile if name == "RUN"]
    scripts.append((DEPLOY / "entrypoint.sh").read_text())
    assert len(scripts) > 3
    for script in scripts:
        done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
        assert (done.returncode, done.stderr) == (0, "")
        for install in re.findall(r"apt-get install [^&]*", script):
            assert "-y --no-install-recommends" in install
        if "apt-get update" in script:
            assert "rm -rf /var/lib/apt/lists/*" in script


def test_what_has_no_wheel_for_arm_can_be_compiled(dockerfile: list[tuple[str, str]]) -> None:
    runs = [rest for name, rest in dockerfile if name == "RUN"]
    built = next(place for place, run in enumerate(runs) if "pip install -" in run)
    before = " ".join(runs[:built]).split()
    assert {"g++", "python3-dev"} <= set(before)  # for vqf


def test_numpy_is_of_the_release_that_ros_messages_are_compiled_for(
    dockerfile: list[tuple[str, str]],
) -> None:
    """Humble's and Jazzy's cannot be imported beside numpy 2; the package itself takes either."""
    (install,) = (rest for name, rest in dockerfile if name == "RUN" and "pip install -" in rest)
    script = install.partition("&& pip install")[0]
    constraints = (ROOT / "constraints.txt").read_text()
    done = subprocess.run(
        ["bash", "-c", f"cat > constraints.txt && {script} && cat constraints.txt"],
        input=constraints,
        text=True,
        capture_output=True,
        cwd=tempfile.mkdtemp(),
    )
    pinned = [line for line in done.stdout.splitlines() if line.startswith("numpy")]
    assert pinned == ["numpy==1.26.4"], done.stderr
    declared = (ROOT / "pyproject.toml").read_text()
    assert re.search(r'"numpy>=1\.(\d+)"', declared)[1] == "26"  # type: ignore[index]


def test_its_nodes_run_in_the_environment_that_has_what_they_need(
    dockerfile: list[tuple[str, str]], tmp_path: Path
) -> None:
    """colcon installs as here, with the system's Python; the scripts must not name it."""
    package = shutil.copytree(ROOT / "ros_ws" / "src" / "sim2edge_ros", tmp_path / "package")
    install = [sys.executable, "setup.py", "-q", "install", "--single-version-externally-managed"]
    places = ["--root", str(tmp_path / "root"), "--prefix", "/p", "--record", "installed.txt"]
    subprocess.run([*install, *places], cwd=package, check=True, capture_output=True)
    for name in ("edge_node", "sim_node", "recorder"):
        script = (tmp_path / "root" / "p" / "lib" / "sim2edge_ros" / name).read_text()
        assert script.splitlines()[0] == "#!/usr/bin/env python3"
    paths = [rest for name, rest in dockerfile if name == "ENV" and rest.startswith("PATH=")]
    assert paths == ["PATH=/opt/sim2edge/bin:${PATH}"]


def test_its_lists_are_json(dockerfile: list[tuple[str, str]]) -> None:
    lists = [rest for name, rest in dockerfile if name in ("SHELL", "VOLUME", "ENTRYPOINT", "CMD")]
    assert len(lists) == 4
    for rest in lists:
        assert all(isinstance(word, str) for word in json.loads(rest))


def test_its_variables_are_set_before_they_are_used(dockerfile: list[tuple[str, str]]) -> None:
    known = {"PATH", "VERSION_CODENAME"}  # of the base, and of /etc/os-release
    for name, rest in dockerfile:
        used = set(re.findall(r"\$\{(\w+)\}", rest))
        assert used <= known, (name, used - known)
        if name in ("ARG", "ENV"):
            known |= set(re.findall(r"(?:^|\s)(\w+)=", rest))


def test_what_it_installs_of_this_package_exists(dockerfile: list[tuple[str, str]]) -> None:
    extras = next(e for _, rest in dockerfile if (e := re.search(r"'\.\[([\w,]+)\]'", rest)))
    declared = (ROOT / "pyproject.toml").read_text()
    for extra in extras[1].split(","):
        assert re.search(rf"^{extra} = \[", declared, re.MULTILINE)


def verify(unit: str, folder: Path) -> str:
    """What systemd complains of; what it starts is taken for granted, as is what it comes after."""
    text = re.sub(r"(?<==)(-?)/usr/bin/\w+", r"\1/bin/true", unit)
    text = re.sub(r"^(After|Requires|Wants)=.*\n", "", text, flags=re.MULTILINE)
    path = folder / "sim2edge@humanoid.service"
    path.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)], text=True, capture_output=True
    )
    shown = [line for line in done.stderr.splitlines() if "sim2edge" in line]
    return "\n".join(shown)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = UNIT.read_text()
    assert verify(unit, tmp_path) == ""
    assert "Unknown" in verify(unit.replace("TimeoutStopSec=40", "TimeoutStop=40"), tmp_path)
    assert verify(unit.replace("Type=exec", "Type=forever"), tmp_path) != ""


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
def test_systemd_takes_the_unit_without_docker(tmp_path: Path) -> None:
    unit = RUN_UNIT.read_text().replace("/opt/sim2edge/bin/sim2edge", "/bin/true")
    assert verify(unit, tmp_path) == ""
    assert "Unknown" in verify(unit.replace("WatchdogSec", "WatchdogSeconds"), tmp_path)


def test_the_unit_without_docker_runs_a_command_that_is_there(tmp_path: Path) -> None:
    """What it starts is taken as this version takes it, and its watchdog is fed in time."""
    unit = RUN_UNIT.read_text()
    assert "Type=notify\n" in unit
    command = re.findall(r"^ExecStart=\S+/sim2edge (.*)$", unit, re.MULTILINE)[0]
    words = command.replace("${SLOTS}", str(tmp_path)).replace("${ROBOT}", "leg").split()[:-1]
    name, *options = words
    config = parse(name, COMMANDS[name], import_module(COMMANDS[name].module), options)
    assert (config.policy, config.robot, config.seconds) == (tmp_path, "leg", 0)
    seconds = int(re.findall(r"WatchdogSec=(\d+)", unit)[0])
    environment = {"WATCHDOG_USEC": f"{seconds}000000"}
    assert ServiceWatchdog(lambda: 0, environment).every < seconds / 3
    variables = set(re.findall(r"\$\{?(\w+)\}?", unit))
    given = set(re.findall(r"(\w+)=", unit[unit.index("Environment=") :].splitlines()[0]))
    assert variables - given == {"ROBOT"}


def test_the_unit_gives_what_the_loop_asks_for() -> None:
    unit = UNIT.read_text()
    run = unit[unit.index("ExecStart=/usr/bin/docker run") : unit.index("# The nodes")]
    for needed in (
        *("--cap-add SYS_NICE", "--cap-add IPC_LOCK", "rtprio=99", "memlock=-1"),
        *("--network host", "--ipc host", "--runtime nvidia"),
    ):
        assert needed in run
    stop = int(re.findall(r"docker stop --time (\d+)", unit)[0])
    assert stop < int(re.findall(r"TimeoutStopSec=(\d+)", unit)[0])
    processes = (PROCESSES / "child_processes.py").read_text()
    assert stop > float(re.findall(r"^GRACE = ([\d.]+)", processes, re.MULTILINE)[0])
    # Whatever it puts into the command is set, here or in the robot's own file.
    variables = set(re.findall(r"\$\{?(\w+)\}?", unit))
    given = set(re.findall(r"(\w+)=", unit[unit.index("Environment=") :].splitlines()[0]))
    assert variables - given == {"POLICY"}
    assert all(f"/{folder}/sim2edge" in run for folder in ("etc", "var/cache", "var/lib"))


def test_the_guide_names_what_is_there() -> None:
    page = (ROOT / "docs" / "guides" / "jetson.md").read_text()
    assert len(page.splitlines()) < 90  # a page
    for name in (
        *("deploy/Dockerfile", "deploy/sim2edge@.service"),
        "deploy/sim2edge-run@.service",
    ):
        assert name in page and (ROOT / name).exists()
    builds = re.findall(r"--build-arg (\w+)=", page)
    declared = re.findall(r"^ARG (\w+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert builds and set(builds) <= set(declared)
