"""Binds a policy to a robot: from signals to actuator targets in the robot's own order."""

import math
from collections.abc import Callable

import numpy as np

from edge_runtime.finite import all_finite
from edge_runtime.fusion import Fusion
from edge_runtime.observation.builder import ObservationBuilder
from edge_runtime.policy.action_map import ActionMap
from edge_runtime.policy.binding import PER_JOINT, bind
from edge_runtime.policy.contract import Contract
from edge_runtime.policy.inference import Policy
from edge_runtime.robot.robot import RobotDescription
from edge_runtime.signals import (
    COMMAND,
    CONTROL_STEP,
    DEFAULT_TARGET,
    LAST_ACTION,
    Array,
    Signals,
)


class Controller:
    """Runs one policy on one robot.

    Args:
        policy: the policy to run.
        robot: the robot's description.
        fusion: the estimator whose outputs are among `signals`.
        signals: signals of robot and estimator, (1, size) each, in the robot's order: fixed
            buffers that hold the newest values at each call.

    Raises:
        ContractError: they do not fit.
    """

    def __init__(
        self, policy: Policy, robot: RobotDescription, fusion: Fusion, signals: Signals
    ) -> None:
        contract = policy.contract
        binding = bind(contract, robot, fusion, policy.source)
        self.policy = policy
        self.contract = contract
        self.actuators = tuple(contract.actuators[index] for index in binding.to_robot)
        self.stiffness = np.array([a.stiffness for a in self.actuators], np.float32)
        self.damping = np.array([a.damping for a in self.actuators], np.float32)
        self.command = np.zeros((1, len(contract.commands)), np.float32)
        self._set: Array | None = None
        self.last_action = np.zeros((1, len(contract.actuators)), np.float32)
        self.step = np.zeros((1, 1), np.float32)
        self.explore: Callable[[Array], None] | None = None
        """Changes an action, (1, A), before the clip, in place; nothing does by default."""
        self._map = ActionMap(contract.actuators, contract.action_clip)
        self._action_clip = contract.action_clip
        self._to_robot = None if binding.same_order else binding.to_robot
        self._to_policy = binding.to_policy
        self._permuted: list[tuple[Array, Array]] = []  # from the robot's order to the policy's
        self.signals = self._own_signals(signals)
        self._builder = ObservationBuilder(
            contract.observations, contract.signals, 1, policy.observation
        )
        self._lower = np.array([c.lower for c in contract.commands], np.float32)
        self._upper = np.array([c.upper for c in contract.commands], np.float32)

    def set_command(self, command: Array) -> None:
        """Sets the operator's command, (commands,), clipped to the trained range.

        The same array object must hold the same values as before.
        """
        if command is self._set:
            return
        self._set = command
        np.clip(command, self._lower, self._upper, out=self.command[0])

    def continue_from(self, other: "Controller") -> None:
        """Continues from the control step and last action of another controller of this robot.

        It takes over the history too if it observes the same; otherwise the history starts anew.
        What explores goes on.
        """
        self.explore = other.explore
        self.step[:] = other.step
        self.last_action[:] = other.last_action[:, _order(other, self)]
        if self._observes_as(other):
            self._builder.restore(other._builder.state())
        else:
            self._builder.reset()

    def observe_after(self, other: "Controller") -> bool:
        """Observes in a tick that the controller it continues from has observed already.

        Returns:
            Whether all of it is finite.
        """
        if self._observes_as(other):
            return all_finite(self._builder.last()[0])
        return self.observe()

    def action_in_robot_order(self) -> Array:
        """Returns the last clipped action, (A,), in the robot's order: a copy or a buffer."""
        last: Array = self.last_action[0]
        return last if self._to_robot is None else np.take(last, self._to_robot)

    def set_last_action(self, action: Array) -> None:
        """Sets the last action from one in the robot's order, (A,)."""
        np.take(action, self._to_policy, out=self.last_action[0])

    def restart(self) -> None:
        """Clears history and last action, as at the start of an episode; the gait clock goes on."""
        self.last_action[:] = 0
        self._builder.reset()

    def observe(self) -> bool:
        """Builds the observation in the network's input; returns whether all of it is finite."""
        for robot_order, policy_order in self._permuted:
            np.take(robot_order, self._to_policy, axis=1, out=policy_order)
        return all_finite(self._builder.build(self.signals)[0])

    def infer(self) -> float:
        """Runs the network on the observation.

        Returns:
            The largest action as a multiple of the clip; NaN if an action is not finite.
        """
        self.policy.run()
        actions = self.policy.action[0].tolist()
        if not math.isfinite(sum(actions)):
            return math.nan
        return max(max(actions), -min(actions)) / self._action_clip

    def target(self) -> Array:
        """Explores, clips and keeps the action; returns its target, (A,), in the robot's order."""
        if self.explore is not None:
            self.explore(self.policy.action)
        self._map.clip(self.policy.action, out=self.last_action)
        target: Array = self._map.target(self.last_action)[0]
        return target if self._to_robot is None else np.take(target, self._to_robot)

    def _observes_as(self, other: "Controller") -> bool:
        """Returns whether another controller's history is what this one would have seen."""
        same = self.contract.observations == other.contract.observations
        return same and _poses(self.contract) == _poses(other.contract)

    def _own_signals(self, signals: Signals) -> dict[str, Array]:
        own = dict(signals)
        if self._to_robot is not None:
            read = {signal.name for signal in self.contract.signals}
            for name in PER_JOINT:
                if name in own and name in read:
                    own[name] = np.zeros_like(own[name])
                    self._permuted.append((signals[name], own[name]))
        own[COMMAND] = self.command
        own[LAST_ACTION] = self.last_action
        own[CONTROL_STEP] = self.step
        own[DEFAULT_TARGET] = self._map.default[None]
        return own


def _poses(contract: Contract) -> list[tuple[str, float]]:
    return [(actuator.name, actuator.default) for actuator in contract.actuators]


def _order(of: Controller, wanted: Controller) -> list[int]:
    names = of.contract.joint_names
    return [names.index(name) for name in wanted.contract.joint_names]
