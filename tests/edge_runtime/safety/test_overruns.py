"""A stage that takes more than its share of the budget is reported, then stops the robot."""

import pytest

from edge_runtime.loop.budget import BudgetConfig, Stage
from edge_runtime.report.run_report import (
    as_dictionary,
    broken_rules,
    current_warnings,
    reason,
    table,
)
from edge_runtime.safety.rules import OVERRUNS, Reaction
from tests.edge_runtime.safety.bench import PERIOD, Bench


def slow_down(bench: Bench, stage: Stage, share: float) -> None:
    """Lets a stage take this share of the period longer, from now on."""
    loop = bench.loop
    owner, name = {
        Stage.SENSE: (bench.robot, "read"),
        Stage.FUSE: (loop.fusion, "update"),
        Stage.INFER: (loop.controller, "infer"),
        Stage.GUARD: (loop.guard, "check"),
        Stage.ACT: (bench.robot, "write"),
    }[stage]
    act = getattr(owner, name)

    def slow(*given: object) -> object:
        bench.clock.now += round(share * PERIOD)
        return act(*given)

    setattr(owner, name, slow)


@pytest.mark.parametrize("stage", Stage)
def test_a_stage_over_its_budget_warns_then_stops(bench: Bench, stage: Stage) -> None:
    """All stages together still fit in the period, so that no deadline is missed."""
    slow_down(bench, stage, 0.3)
    name = stage.name.lower()
    fault = OVERRUNS[stage]
    assert bench.tick(8) is Reaction.NONE
    assert bench.fault() is fault
    (warning,) = current_warnings(bench.loop)
    assert warning.startswith(
        f"share of ticks over about a second in which {name} took more than its budget of "
    )
    assert f"policy drives, over budget: {name}" in table(bench.loop, color=False)[-1]
    assert bench.tick(40) is Reaction.STOP
    assert reason(bench.loop).startswith(
        f"share of ticks over about a second in which {name} took more"
    )
    lines = broken_rules(bench.loop)
    assert [line.rpartition(": ")[2].split()[0] for line in lines] == ["warn", "stop"]
    report = as_dictionary(bench.loop)
    fired = {(r["fault"], r["reaction"]) for r in report["rules"] if r["ticks"]}
    assert fired == {(f"{name}_over_budget", "warn"), (f"{name}_over_budget", "stop")}
    assert report["missed"] == 0
    assert bench.loop.guard.trusts_policy, "so the policy brings the robot to rest"


@pytest.mark.parametrize("stage", Stage)
def test_a_stage_that_is_over_its_budget_now_and_then_is_borne(bench: Bench, stage: Stage) -> None:
    slow_down(bench, stage, 0.0)
    for _ in range(20):
        budget = bench.loop.budget
        before, budget.limits = budget.limits, (-1,) * len(Stage)
        bench.tick()
        budget.limits = before
        assert bench.tick(14) is Reaction.NONE
    assert current_warnings(bench.loop) == []


def test_after_a_reset_old_overruns_do_not_count(bench: Bench) -> None:
    budget = bench.loop.budget
    before, budget.limits = budget.limits, (-1,) * len(Stage)
    assert bench.tick(60) is Reaction.STOP
    budget.limits = before
    bench.loop.reset()
    assert bench.tick(5) is Reaction.NONE
    assert current_warnings(bench.loop) == []


def test_a_wider_share_is_no_overrun() -> None:
    bench = Bench(budget=BudgetConfig(fuse=0.4))
    slow_down(bench, Stage.FUSE, 0.3)
    assert bench.tick(100) is Reaction.NONE
    assert bench.loop.guard.ticks_tripped == [0] * len(bench.loop.guard.rules)
