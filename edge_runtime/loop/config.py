"""Declares the settings of the control loop."""

from dataclasses import dataclass, field

from edge_runtime.config.fields import LONGEST, setting
from edge_runtime.loop.budget import BudgetConfig
from edge_runtime.loop.heading_hold import HeadingHoldConfig
from edge_runtime.loop.realtime import RealtimeConfig
from edge_runtime.safety.rules import Rule


@dataclass(frozen=True)
class LoopConfig:
    """Sets how the control loop runs."""

    budget: BudgetConfig = field(default_factory=BudgetConfig)
    realtime: RealtimeConfig = field(default_factory=RealtimeConfig)
    heading: HeadingHoldConfig = HeadingHoldConfig()
    rules: tuple[Rule, ...] | None = None
    """The guard's rules; None: `default_rules` for the policy."""
    stop_seconds: float = setting(1.0, unit="s", at_least=0.1, at_most=10)
    """The duration of a controlled stop."""
    first_sample_seconds: float = setting(10.0, unit="s", above=0, at_most=LONGEST)
    """The time that the robot has for its first sample."""
    rest_seconds: float = setting(2.0, unit="s", at_least=0, at_most=LONGEST)
    """The time that the policy of a legged robot has to come to a stand. It replaces the controlled
    stop after faults that leave senses and policy sound."""
    phase: float = setting(0.1, at_least=0, at_most=0.4)
    """The delay from a sample's arrival to the tick that uses it, as a share of the control
    period."""
