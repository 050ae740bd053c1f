"""The estimators, by name."""

from collections.abc import Callable

from edge_runtime.contract import Contract
from edge_runtime.errors import ContractError, UserError
from edge_runtime.fusion import Fusion
from edge_runtime.fusion.attitude import READING, AttitudeFusion
from edge_runtime.fusion.none import NoFusion
from edge_runtime.robot import RobotDescription
from edge_runtime.signal import IMU_BURST


def _vqf(contract: Contract, robot: RobotDescription) -> Fusion:
    size = next((s.size for s in robot.signals if s.name == IMU_BURST), 0)
    if size % READING:
        raise ContractError(
            f"robot '{robot.name}': signal '{IMU_BURST}' has {size} entries; it must hold whole "
            f"readings of gyroscope and accelerometer, {READING} entries each"
        )
    return AttitudeFusion(contract.control_period, size // READING)


def _robot(contract: Contract, robot: RobotDescription) -> Fusion:
    return NoFusion()


FUSIONS: dict[str, Callable[[Contract, RobotDescription], Fusion]] = {"vqf": _vqf, "robot": _robot}


def find_fusion(name: str, contract: Contract, robot: RobotDescription) -> Fusion:
    """The estimator of that name, for a policy on a robot.

    Raises:
        UserError: there is none.
        ContractError: the robot's sensors are not as it needs them.
    """
    if name not in FUSIONS:
        raise UserError(f"unknown fusion '{name}'; there are: {', '.join(FUSIONS)}")
    return FUSIONS[name](contract, robot)
