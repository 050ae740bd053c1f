"""Describes one tick of the control loop as a value."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from edge_runtime.fusion import Fusion
from edge_runtime.fusion.estimate import Estimate
from edge_runtime.loop.budget import Stage
from edge_runtime.policy.controller import Controller
from edge_runtime.policy.inference import Policy
from edge_runtime.robot.images import Image
from edge_runtime.robot.robot import ActuatorCommand
from edge_runtime.robot.sensors import Sensors
from edge_runtime.safety.rules import Reaction, Rule
from edge_runtime.signals import Array


class Tick:
    """Holds what one tick read, estimated, wanted, decided and sent.

    The loop owns a single object and refreshes it in each tick, so that a tick allocates nothing.
    The arrays are views of the loop's own buffers, float32, valid during `Observer.observe` only.
    """

    __slots__ = (
        *("broken", "controller", "drove", "fused", "fusion", "marks", "missed", "number"),
        *("observed", "reaction", "sensed_and_estimated", "sensors", "sent", "was_reset"),
    )

    def __init__(self, sensors: Sensors, fusion: Fusion, controller: Controller) -> None:
        self.sensors, self.fusion = sensors, fusion
        self.controller = controller  # the policy at work, bound to the robot
        self.number = 0  # ticks before this one, counted from the first good sample
        # When the tick began and each stage ended, ns by the loop's clock. Observers are a part of
        # the last stage, so its end is that of the tick before.
        self.marks = [0] * (len(Stage) + 1)
        self.missed = 0  # periods skipped right before
        self.fused = 0  # periods by which the estimator went on; 0: it did not
        self.was_reset = False  # whether the estimator was reset before that
        self.observed = False  # whether the policy observed this tick's sample
        self.drove = False  # whether the policy's target was sent
        self.broken: tuple[Rule, ...] = ()  # the guard's rules that this tick broke
        self.reaction = Reaction.NONE  # of the guard
        self.sent: ActuatorCommand | None = None  # None before anything is known of the robot
        # The sample, then each estimate in the order of `Fusion.provides`, (size,) each.
        estimates = (fusion.estimates[signal.name][0] for signal in fusion.provides)
        self.sensed_and_estimated: tuple[Array, ...] = (sensors.values, *estimates)

    def begin(self, number: int, missed: int) -> None:
        """Begins the next tick: nothing was fused or observed in it yet."""
        self.number, self.missed, self.fused = number, missed, 0
        self.was_reset = self.observed = False

    @property
    def began(self) -> int:
        """Returns when the tick began, ns by the loop's clock."""
        return self.marks[0]

    @property
    def stage_times(self) -> tuple[int, ...]:
        """Returns how long each stage before the last took, ns, in the order of `Stage`."""
        return tuple(end - begin for begin, end in pairwise(self.marks[:-1]))

    @property
    def sequence(self) -> int:
        """Returns the number of the newest sample; it stays the same in a tick without a new
        one."""
        return self.sensors.sequence

    @property
    def stamp(self) -> float:
        """Returns when the newest sample was measured, s by the robot's clock."""
        return self.sensors.stamp

    @property
    def signals(self) -> Mapping[str, Array]:
        """Returns the newest sample by the name of the sensor's signal, (1, size) each."""
        return self.sensors.signals

    @property
    def images(self) -> Mapping[str, Image]:
        """Returns the newest image of each camera, by name; pixels stay the robot's: see
        `Image.copy`."""
        return self.sensors.images

    @property
    def estimates(self) -> Mapping[str, Array]:
        """Returns what the estimator provides, by name, (1, size) each."""
        return self.fusion.estimates

    @property
    def states(self) -> Sequence[Estimate]:
        """Returns state and covariance of the estimator; empty if it does not give them."""
        return self.fusion.states

    @property
    def lost(self) -> bool:
        """Returns whether the estimator cannot be trusted."""
        return self.fusion.lost

    @property
    def policy(self) -> Policy:
        """Returns the policy at work."""
        return self.controller.policy

    @property
    def observation(self) -> Array:
        """Returns the network's input, (observation_size,), in the policy's order."""
        observation: Array = self.controller.policy.observation[0]
        return observation

    @property
    def command(self) -> Array:
        """Returns the operator's command within the trained range, (commands,)."""
        command: Array = self.controller.command[0]
        return command

    @property
    def action(self) -> Array:
        """Returns the last action after the clip, (joints,), in the robot's order."""
        return self.controller.action_in_robot_order()
