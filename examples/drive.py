"""Drives a simulated robot with a policy, by the parts that `sim2edge run` is made of."""

import time
from contextlib import closing

import tyro

from edge_runtime.connect import DriverRequest, connect
from edge_runtime.estimators import find_fusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.session import Session
from edge_runtime.policy.inference import Policy


def main(policy: str = "VehicleTrack", robot: str = "sim", seconds: float = 10.0) -> None:
    """Drives for some seconds, brings the robot to rest, and prints its last turning rate."""
    loaded = Policy.load(policy)
    with (
        connect(robot, DriverRequest(loaded.contract.task)) as border,
        closing(find_fusion("auto", loaded.contract, border.description)) as fusion,
        Session(loaded, border, fusion, LoopConfig()) as session,  # Ctrl-C ends it at rest too
    ):
        time.sleep(seconds)
    print(f"{session.loop.ticks} ticks; gyroscope {session.loop.sensors.signals['imu_gyro'][0]}")


if __name__ == "__main__":
    tyro.cli(main)
