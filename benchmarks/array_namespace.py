"""Computes both tasks' rewards from the same states on NumPy and on PyTorch, and compares them."""

import statistics
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from types import ModuleType
from typing import Any, cast

import array_api_compat.torch
import numpy as np
import numpy.typing as npt
import torch
from figures import Figure, interleaved, parse_arguments, report

from sim.envs.vector_env import TaskVectorEnv
from sim.tasks.driving.config import VehicleTrack
from sim.tasks.driving.rewards import reward as driving
from sim.tasks.driving.state import DrivingState
from sim.tasks.reward_terms import RewardTerms
from sim.tasks.walking.config import HumanoidVelocity
from sim.tasks.walking.rewards import reward as walking
from sim.tasks.walking.state import WalkingState

SIMULATIONS = 256
ROUNDINGS = 8.0  # apart at most: sums of 19 joints in another order differ by 2 to 3
TASKS: dict[str, tuple[Any, RewardTerms[Any]]] = {
    "walking": (HumanoidVelocity(), walking),
    "driving": (VehicleTrack(tracks=16), driving),
}

Terms = dict[str, npt.NDArray[np.float64]]


def main() -> int:
    """Prints the figures; returns 0 if all targets are reached."""
    arguments = parse_arguments(__doc__)
    torch.set_num_threads(1)
    steps, rounds = (20, 20) if arguments.quick else (100, 200)
    figures = [row for name in TASKS for row in compared(name, steps, rounds)]
    return report(figures, arguments.json)


def compared(name: str, steps: int, rounds: int) -> list[Figure]:
    """Returns how far the results are apart over a rollout, and how long a control step's take.

    A rounding is the machine epsilon of the term's type, times the term's largest value.
    """
    task, reward = TASKS[name]
    env = TaskVectorEnv(task, SIMULATIONS, threads=1, stagger=True)
    env.reset(seed=0)
    now = state_of(env)
    weights, period = every_weight(task), task.control_period
    apart: dict[str, float] = {field.name: 0.0 for field in fields(weights)}
    equal: dict[str, bool] = dict.fromkeys(apart, True)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        env.step(rng.uniform(-0.5, 0.5, env.action_space.shape).astype(np.float32))
        ours = reward.weighted(weights, now, period)
        theirs = on_numpy(reward.weighted(weights, on_torch(now), period))
        for term, value in ours.items():
            rounding = np.finfo(value.dtype).eps * (np.abs(value).max() or 1.0)
            apart[term] = max(apart[term], float(np.abs(value - theirs[term]).max() / rounding))
            equal[term] &= bool((value == theirs[term]).all())
    moved = on_torch(now)
    took = interleaved(
        {
            "numpy": lambda: reward.weighted(weights, now, period),
            "torch": lambda: reward.weighted(weights, moved, period),
        },
        rounds,
    )
    numpy, torch_ = (1e6 * statistics.median(took[k]) for k in ("numpy", "torch"))
    worst = max(apart, key=lambda term: apart[term])
    return [
        Figure(
            f"{name}: PyTorch's rewards from NumPy's",
            apart[worst],
            "roundings",
            ROUNDINGS,
            f"most apart: {worst}",
            at_least=False,
        ),
        Figure(f"{name}: terms equal to the last bit", sum(equal.values()), f"of {len(equal)}"),
        Figure(
            f"{name}: rewards of {SIMULATIONS} simulations on NumPy",
            numpy,
            "µs",
            peer=f"PyTorch on one core {torch_:.0f} µs",
            at_least=False,
        ),
    ]


def every_weight(task: Any) -> Any:
    """Returns the weights of a task's rewards, with 1 for the terms that it leaves out."""
    weights = task.rewards
    return replace(weights, **{f.name: getattr(weights, f.name) or 1.0 for f in fields(weights)})


def state_of(env: TaskVectorEnv) -> WalkingState | DrivingState:
    """Returns what the reward terms of a task read."""
    task: Any = env.task
    return cast(WalkingState | DrivingState, task.now)


def on_torch(state: Any) -> Any:
    """Returns a task's state with a copy of each array as a tensor, and PyTorch's functions."""
    changed: dict[str, Any] = {}
    for field in fields(state):
        value = getattr(state, field.name)
        if isinstance(value, np.ndarray):
            changed[field.name] = torch.from_numpy(value.copy())
        elif isinstance(value, ModuleType):
            changed[field.name] = array_api_compat.torch
        elif is_dataclass(value):
            changed[field.name] = on_torch(value)
    given = {f.name for f in fields(state) if f.init}
    moved = replace(state, **{name: changed[name] for name in changed if name in given})
    for name in changed.keys() - given:
        setattr(moved, name, changed[name])
    return moved


def on_numpy(terms: Mapping[str, Any]) -> Terms:
    """Returns tensors as arrays."""
    return {name: value.numpy() for name, value in terms.items()}


if __name__ == "__main__":
    sys.exit(main())
