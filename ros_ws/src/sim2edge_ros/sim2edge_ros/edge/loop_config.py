"""Makes the control loop's config from the edge node's parameters."""

import os

from edge_runtime.errors import UserError
from edge_runtime.loop.budget import BudgetConfig, Stage
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.heading_hold import HeadingHoldConfig
from edge_runtime.loop.realtime import RealtimeConfig
from edge_runtime.policy.contract import Contract
from edge_runtime.safety.rules import OVERRUNS, default_rules
from sim2edge_ros.settings.parameters import EdgeParameters


def loop_config(
    parameters: EdgeParameters, contract: Contract, *, simulated_time: bool
) -> LoopConfig:
    """Returns the config of the loop that runs the contract's policy.

    Args:
        parameters: the edge node's.
        contract: the policy's.
        simulated_time: whether the loop follows simulated time, as fast as that passes: it has no
            deadlines then, and no priority.

    Raises:
        UserError: the machine has no such CPU.
    """
    _check_cpu(parameters.cpu)
    wanted = RealtimeConfig(parameters.fifo, parameters.cpu, parameters.lock_memory)
    shares = (getattr(parameters, f"{stage.name.lower()}_share") for stage in Stage)
    rules = default_rules(contract)
    return LoopConfig(
        BudgetConfig(*shares),
        heading=HeadingHoldConfig(parameters.heading_gain),
        # Simulated time stands still within a tick, or jumps by a period.
        rules=tuple(r for r in rules if r.fault not in OVERRUNS or not simulated_time),
        realtime=RealtimeConfig() if simulated_time else wanted,
        stop_seconds=parameters.stop_seconds,
        phase=parameters.phase,
    )


def _check_cpu(cpu: int) -> None:
    """Refuses a CPU that does not exist.

    Raises:
        UserError: the CPU does not exist.
    """
    last = (os.cpu_count() or 1) - 1  # sched_getaffinity would leave out isolated CPUs
    if cpu > last:
        raise UserError(f"parameter 'cpu' is {cpu}, which is not there; the last is {last}")
