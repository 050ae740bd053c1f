"""Finds a policy to evaluate or film, in a file or a run, and checks it against its task."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from edge_runtime.errors import ContractError
from edge_runtime.policy.contract import Contract
from edge_runtime.policy.inference import INPUT, NOT_WHILE_LOADING, Policy, read_model
from edge_runtime.policy.shipped import policy_path, shipped_policies
from edge_runtime.signals import Array
from policies.export.free_batch import free_batch
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks.task import TaskConfig, find_robot_task

Actor = Callable[[Array], Array]  # observations (N, n) -> actions before the clip (N, A)

# What must agree between a policy's contract and the world it is to act in.
BORDER = (
    "robot",
    "control_period",
    "action_clip",
    "commands",
    "observations",
    "signals",
    "actuators",
)


@dataclass(frozen=True)
class PolicyFile:
    """Holds a policy file's content, and the task it was trained for."""

    source: str
    model: bytes
    task: TaskConfig
    contract: Contract

    @classmethod
    def committed(cls, task: str) -> "PolicyFile":
        """Returns the policy that comes with the package for a task."""
        return cls.find(shipped_policies()[task])

    @classmethod
    def find(cls, path: Path) -> "PolicyFile":
        """Reads a policy file or a shipped policy, or exports a run or its checkpoint.

        Raises:
            UserError: there is none, or it is damaged.
        """
        at = policy_path(path)
        if at.is_dir() or at.suffix == ".pt":
            # Torch takes seconds to load, and a policy file needs none.
            from policies.export.run_export import export_run, find_run  # noqa: PLC0415

            run = find_run(at)
            model, task = export_run(run), run.config.task
            return cls(str(path), model, task, Policy(model, str(path)).contract)
        model = read_model(at)  # once, for it may be a pipe
        contract = Policy(model, str(path)).contract
        return cls(str(path), model, find_robot_task(contract.task), contract)

    def actor(self, rows: int) -> Actor:
        """Returns what computes actions for that many rows; for one row, the file as a robot
        runs it."""
        if rows == 1:
            return Policy(self.model, self.source)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1  # among several, how a sum is split follows the cores
        session = ort.InferenceSession(
            free_batch(self.model),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=NOT_WHILE_LOADING,
        )

        def act(observations: Array) -> Array:
            return np.asarray(session.run(None, {INPUT: observations})[0], np.float32)

        return act

    def drive(self, env: TaskVectorEnv) -> None:
        """Lets a world's actions do what they do on the robot: with the policy's own gains.

        Raises:
            ContractError: something else at the border differs; the message says what.
        """
        world = env.contract()
        self._check(world)
        if world.actuators != self.contract.actuators:
            env.drive_as(self.contract.actuators)

    def _check(self, world: Contract) -> None:
        for name in BORDER:
            if _at_border(self.contract, name) != _at_border(world, name):
                raise ContractError(
                    f"{self.source}: its {name} differ from those of {world.task} here, so it was "
                    "trained for another robot or version; train it anew, or give its run folder"
                )


def _at_border(contract: Contract, name: str) -> Any:
    """Returns what must agree; of actuators not what a policy trims to its robot."""
    if name != "actuators":
        return getattr(contract, name)
    return [
        (a.name, a.mode, a.lower, a.upper, a.max_velocity, a.max_effort) for a in contract.actuators
    ]
