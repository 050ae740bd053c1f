"""policies → sim → edge_runtime ← ros_ws, never the other way, and no package not declared."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROS_PACKAGE = ROOT / "ros_ws" / "src" / "sim2edge_ros"
BEHIND_KEY = {"mcap-ros2-support": ("mcap", "zstandard")}  # of rosdep
# Our packages that each may import, the front door's lazy imports aside.
MAY_IMPORT = {
    "edge_runtime": {"edge_runtime"},
    "sim": {"edge_runtime", "sim", "assets"},
    "policies": {"edge_runtime", "sim", "policies", "assets"},
    "sim2edge": {"edge_runtime", "sim2edge", "assets"},
}
# What the simulated robot is made of; nothing else of the ROS package knows it.
SIMULATOR = {"sim", "mujoco"}
# The optional dependencies that each may count on.
EXTRAS = {
    "edge_runtime": ["audit", "fusion", "learn", "lidar", "replay"],
    "sim": ["bullet", "sim"],
    "policies": ["sim", "train"],
    "sim2edge": [],
}
MODULE_OF = {"pillow": "PIL", "imageio-ffmpeg": "imageio_ffmpeg"}
BLOCKED = (
    *("assets", "policies", "sim", "sim2edge"),
    *(
        "cryptography",
        "gymnasium",
        "h5py",
        "imageio",
        "jinja2",
        "matplotlib",
        "mujoco",
        "numba",
        "onnx",
        "rich",
        "rosbags",
        "scipy",
        "small_gicp",
        "torch",
    ),
    "rclpy",
    "tyro",
)
# The learner's packages, and the only room of the edge runtime that may import them.
LEARNERS, LEARNING = {"onnx", "torch"}, ROOT / "edge_runtime" / "learning"


def imported_modules(source: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield node.module or "", node.lineno


def imports_a_learner(path: Path) -> bool:
    """Whether a file imports what a learner alone needs, itself or by another file of ours."""
    modules = {module for module, _ in imported_modules(path.read_text())}
    if not LEARNERS.isdisjoint(module.partition(".")[0] for module in modules):
        return True
    ours = (ROOT / f"{module.replace('.', '/')}.py" for module in modules)
    return any(imports_a_learner(file) for file in ours if LEARNING in file.parents)


EDGE_MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "edge_runtime").rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
    if not imports_a_learner(path)
)


def declared(package: str) -> set[str]:
    names = set()
    for requirement in requires("sim2edge") or ():
        name = re.match(r"[\w-]+", requirement)
        extra = re.search(r"extra == .(\w+)", requirement)
        if name and (extra is None or extra[1] in EXTRAS[package]):
            names.add(MODULE_OF.get(name[0], name[0].replace("-", "_")))
    return names


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_every_import_is_allowed_and_declared(package: str) -> None:
    allowed = MAY_IMPORT[package] | declared(package) | set(sys.stdlib_module_names)
    offences = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for module, line in imported_modules(path.read_text())
        if module.partition(".")[0] not in allowed
    ]
    assert not offences


def test_the_runtime_learns_in_one_room_alone() -> None:
    """So the control loop's process never waits for torch."""
    users = [path for path in (ROOT / "edge_runtime").rglob("*.py") if imports_a_learner(path)]
    assert users
    assert "edge_runtime.learning.beside.learning" in EDGE_MODULES
    assert [path for path in users if LEARNING not in path.parents] == []


def test_the_ros_package_needs_the_edge_runtime_and_what_it_declares_to_ros() -> None:
    document = (ROS_PACKAGE / "package.xml").read_text()
    keys = re.findall(r"<exec_depend>(?:python3-)?([\w-]+)</exec_depend>", document)
    declared = {module for key in keys for module in BEHIND_KEY.get(key, (key,))}
    allowed = declared | {"edge_runtime", "sim2edge_ros"} | set(sys.stdlib_module_names)
    package = ROS_PACKAGE / "sim2edge_ros"
    offences = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in sorted(package.rglob("*.py"))
        for module, line in imported_modules(path.read_text())
        if (name := module.partition(".")[0]) not in allowed
        and not (name in SIMULATOR and (package / "simulator") in path.parents)
    ]
    assert not offences


ALONE = f"""
import importlib, sys, traceback
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f'{{name}} is not on a robot', name=name)
sys.meta_path.insert(0, Absent())
for module in {EDGE_MODULES!r}:
    for name in list(sys.modules):
        if name.partition('.')[0] == 'edge_runtime':  # each is imported as if it were the first
            del sys.modules[name]
    try:
        importlib.import_module(module)
    except Exception:
        print(module, traceback.format_exc())
"""


def test_a_robot_needs_neither_simulator_nor_trainer() -> None:
    """Each module of the runtime imports with everything else made unimportable, but for those of
    the learner that compute with torch or take a policy file apart."""
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(EDGE_MODULES) > 50
