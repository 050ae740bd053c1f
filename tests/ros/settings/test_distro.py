"""Which release of ROS 2 runs here, whether it was sourced or installed by pip."""

import importlib.metadata

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from sim2edge_ros.settings import distro
from sim2edge_ros.settings.distro import DISTROS, find_distro


@pytest.mark.parametrize("name", list(DISTROS))
def test_what_was_sourced_counts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DISTRO", name)
    assert find_distro() is DISTROS[name]


def test_one_that_is_not_known_is_taken_for_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DISTRO", "rolling")
    assert find_distro().name == "lyrical"


@pytest.mark.parametrize(
    ("version", "name"),
    [("3.3.15", "humble"), ("7.1.9", "jazzy"), ("9.1.2", "kilted"), ("11.0.1", "lyrical")],
)
def test_without_ros_distro_rclpys_version_decides(
    version: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    monkeypatch.setattr(importlib.metadata, "version", lambda package: version)
    assert find_distro().name == name


def test_it_is_the_one_that_pip_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    packages = {p.metadata["Name"] for p in importlib.metadata.distributions()}
    installed = [name for name in DISTROS if f"ros-{name}-rclpy" in packages]
    if not installed:
        pytest.skip("ROS was not installed by pip")
    assert [find_distro().name] == installed


@pytest.mark.parametrize(
    ("middleware", "fast_dds"),
    [
        ("rmw_fastrtps_cpp", True),
        ("rmw_fastrtps_dynamic_cpp", True),
        ("rmw_cyclonedds_cpp", False),
        ("rmw_zenoh_cpp", False),
        (None, False),  # it cannot be loaded
    ],
)
def test_fast_dds_is_recognized(
    middleware: str | None, fast_dds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distro, "get_rmw_implementation_identifier", lambda: middleware)
    assert distro.uses_fast_dds() is fast_dds
