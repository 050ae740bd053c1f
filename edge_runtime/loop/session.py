"""Drives a robot with a policy from the first sample until it is at rest."""

import threading
import time
from collections.abc import Callable

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.fusion import Fusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.deadline_pace import DeadlinePace
from edge_runtime.loop.rehearsal import Rehearsal
from edge_runtime.policy.inference import Policy
from edge_runtime.robot.robot import Robot

_SLOWING_SECONDS, _STANDING_SECONDS = 1.0, 1.0  # under the policy, before the controlled stop
_PATIENCE_SECONDS = 3.0  # for a controlled stop, over its length


class Session:
    """Joins robot, estimator and policy in a control loop, and brings the robot to rest.

    The operator's thread calls the methods; as a context, it starts, and ends at rest. The caller
    closes robot and estimators.

    Args:
        policy: the policy that drives.
        robot: the robot to drive.
        fusion: the estimator of that robot.
        config: how the loop runs.
        clock: monotonic time, ns.
        spare: another estimator of the same kind, with which each tick is rehearsed; None for no
            rehearsal.

    Raises:
        ContractError: policy, estimator and robot do not fit together.
    """

    def __init__(
        self,
        policy: Policy,
        robot: Robot,
        fusion: Fusion,
        config: LoopConfig,
        clock: Callable[[], int] = time.monotonic_ns,
        spare: Fusion | None = None,
    ) -> None:
        self.robot, self.fusion, self.config = robot, fusion, config
        self._clock, self._spare = clock, spare
        self.loop = self._make_loop(policy)

    def __enter__(self) -> "Session":
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        try:
            self.come_to_rest()
        finally:  # an impatient Ctrl-C skips what is left of that
            self.end()

    @property
    def policy(self) -> Policy:
        """Returns the policy that drives, or will from the next start on."""
        return self.loop.controller.policy

    def start(self, pace: Callable[[], None] | None = None) -> None:
        """Starts the loop.

        Args:
            pace: ticks the loop until it has ended; by default at absolute deadlines, one a period.
        """
        self.loop.start(pace or DeadlinePace(self.loop, self.rehearsal()))

    def rehearsal(self) -> Rehearsal | None:
        """Returns a new rehearsal of the loop's ticks, or None without a spare estimator."""
        if self._spare is None:
            return None
        self._spare.reset()
        return Rehearsal(self.loop, self._spare)

    def renew(self, policy: Policy | None = None) -> None:
        """Makes a new loop with the same observers, to start again after an end.

        Args:
            policy: the policy that drives from the next start on; by default the one before.

        Raises:
            ContractError: it does not fit the robot or the loop before, which stays.
        """
        before = self.loop
        if policy is not None:
            before.controller_for(policy, before.signals)
        self.loop = self._make_loop(policy or self.policy)
        for observer in before.observers:
            self.loop.add_observer(observer)
        self.fusion.reset()

    def swap(self, policy: Policy, timeout: float = 5.0) -> None:
        """Lets another policy drive, from the next tick on or, after an end, from the next start.

        Raises:
            ContractError: it does not fit the robot or the running loop.
            UserError: the loop did not take it within `timeout` s.
        """
        loop = self.loop
        if not loop.running and (loop.stopping or loop.error):
            self.renew(policy)
        else:
            loop.swap(policy, timeout)

    def come_to_rest(self, hurry: threading.Event | None = None) -> None:
        """Slows the robot down under its policy until it stands, within two seconds.

        A walking robot that goes straight to a pose falls, so this comes before `end`. It does
        nothing where the policy takes no command or does not drive.

        Args:
            hurry: skips what is left, once it is set.
        """
        loop, hurry = self.loop, threading.Event() if hurry is None else hurry
        if not (loop.running and loop.ticks and loop.controller.contract.commands):
            return
        if loop.reaction:
            return
        command = loop.command.get()
        for share in (0.75, 0.5, 0.25, 0.0):
            loop.command.put(np.float32(share) * command)
            hurry.wait(_SLOWING_SECONDS / 4)
        hurry.wait(_STANDING_SECONDS)

    def end(self) -> None:
        """Ends the loop with a controlled stop.

        Raises:
            UserError: the robot's driver does not return from a call.
            Exception: what the robot's driver raised, if that ended the loop.
        """
        loop = self.loop
        loop.stop()
        patience = self.config.stop_seconds + _PATIENCE_SECONDS
        if not loop.join(patience):
            raise UserError(
                f"robot '{self.robot.description.name}' did not stop within {patience:g} s: a call "
                "of its driver hangs; cut its power if it does not damp itself"
            )

    def _make_loop(self, policy: Policy) -> ControlLoop:
        return ControlLoop(policy, self.robot, self.fusion, self.config, self._clock)
