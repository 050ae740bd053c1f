"""Compares each tick's measures with the declared rules."""

import math
from collections.abc import Sequence

from edge_runtime.safety.rules import Fault, Reaction, Rule


class Guard:
    """Compares each tick's measures with the rules.

    The loop writes `measures[fault]` in its stages, then calls `check`.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self.measures = [0.0] * len(Fault)
        self.ticks_tripped = [0] * len(self.rules)  # in how many ticks each rule was broken
        self.first_tripped: list[int | None] = [None] * len(self.rules)  # number of the first tick
        self.latched = Reaction.NONE
        self.latched_by: int | None = None  # index of the rule that latched
        self.broken: tuple[Rule, ...] = ()  # by the last tick that was checked
        self.due_by: int | None = None  # index of the most severe rule that was broken last
        self.trusts_policy = True  # whether all broken rules leave the policy sound
        self._distrusts = False  # whether a latched rule does not leave the policy sound
        self._limits = [(index, rule.fault, rule.limit) for index, rule in enumerate(self.rules)]
        # By fault, the limit below which no rule is broken.
        self._lowest = [
            min((rule.limit for rule in self.rules if rule.fault is fault), default=math.inf)
            for fault in Fault
        ]

    def check(self, tick: int) -> Reaction:
        """Returns the reaction due in this tick; a measure that is NaN exceeds every limit."""
        for measure, lowest in zip(self.measures, self._lowest):
            if not measure <= lowest:
                return self._react(tick)
        self.trusts_policy = not self._distrusts
        self.broken = ()
        return self.latched

    def _react(self, tick: int) -> Reaction:
        """Returns the reaction due in a tick in which some rule is broken."""
        due = self.latched
        measures = self.measures
        self.trusts_policy = not self._distrusts
        worst, broken = Reaction.NONE, []
        for index, fault, limit in self._limits:
            if not measures[fault] <= limit:
                reaction = self._trip(index, tick)
                broken.append(self.rules[index])
                if reaction > worst:
                    worst, self.due_by = reaction, index
                due = max(due, reaction)
                self.trusts_policy &= self.rules[index].by_policy
        self.broken = tuple(broken)
        return due

    def reset(self) -> None:
        """Releases the latched reaction; only the operator may decide this."""
        self.latched, self.latched_by, self._distrusts = Reaction.NONE, None, False
        self.measures[:] = [0.0] * len(Fault)

    def _trip(self, index: int, tick: int) -> Reaction:
        rule = self.rules[index]
        self.ticks_tripped[index] += 1
        if self.first_tripped[index] is None:
            self.first_tripped[index] = tick
        if rule.latch:
            if rule.reaction > self.latched:
                self.latched, self.latched_by = rule.reaction, index
            self._distrusts |= not rule.by_policy
        return rule.reaction
