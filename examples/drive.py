"""Drives a simulated robot with a policy, by the parts that `sim2edge run` is made of."""

import time
from contextlib import closing
from pathlib import Path

import tyro

from edge_runtime.connect import DriverRequest, connect
from edge_runtime.estimators import find_fusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.session import Session
from edge_runtime.policy.inference import Policy

SHIPPED = Path("VehicleTrack")  # by its name


def main(policy: Path = SHIPPED, robot: str = "sim", seconds: float = 10.0) -> None:
    """Drives for some seconds, and prints what the gyroscope read in the last tick."""
    loaded = Policy.load(policy)
    with (
        connect(robot, DriverRequest(loaded.contract.task)) as border,
        closing(find_fusion("auto", loaded.contract, border.description)) as fusion,
    ):
        session = Session(loaded, border, fusion, LoopConfig())
        session.start()
        try:
            time.sleep(seconds)
        finally:  # Ctrl-C brings the robot to rest too
            session.come_to_rest()
            session.end()
    print(f"{session.loop.ticks} ticks; gyroscope {session.loop.sensors.signals['imu_gyro'][0]}")


if __name__ == "__main__":
    tyro.cli(main)
