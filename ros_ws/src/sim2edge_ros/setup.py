"""Installs the package with colcon; `pip install '.[ros]'` of the whole repository brings the same
one without it.

The edge runtime is not a ROS package: `pip install '.[fusion,record]'` of the repository beside it.
"""

from pathlib import Path

from setuptools import find_packages, setup

NAME = "sim2edge_ros"
SHARE = f"share/{NAME}"


def shared(folder: str, pattern: str = "*") -> tuple[str, list[str]]:
    """Returns the files of a folder, to be installed under share/ in one of its name."""
    paths = [str(path) for path in sorted(Path(folder).glob(pattern)) if path.is_file()]
    return f"{SHARE}/{folder.removeprefix(NAME + '/')}", paths


setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={
        NAME: ["py.typed", "config/*", "robots/*.json", "robots/*.urdf", "robots/*/*.stl"]
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (SHARE, ["package.xml"]),
        shared("launch", "*.launch.py"),
        shared(f"{NAME}/config"),
        shared(f"{NAME}/robots"),
        shared(f"{NAME}/robots/humanoid_meshes"),
        shared(f"{NAME}/robots/vehicle_meshes"),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    maintainer="sim2edge",
    description="Drive a robot with a sim2edge policy over ROS 2",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "edge_node = sim2edge_ros.processes.start:edge_node",
            "recorder = sim2edge_ros.processes.start:recorder",
            "sim_node = sim2edge_ros.processes.start:sim_node",
        ]
    },
)
