"""Mirrors a robot's observation and action, left to right.

What is right for the left foot is right for the right one, in the mirrored world; a policy
that knows it learns twice from each step (Yu, Turk and Liu, "Learning Symmetric and Low-Energy
Locomotion", ACM Transactions on Graphics 37(4), 2018, from where the loss is).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from edge_runtime.errors import UserError
from edge_runtime.policy.contract import Contract

# Across the plane of forward and up, vectors turn over sideways, rotations about the other axes.
_VECTOR, _ROTATION = (1.0, -1.0, 1.0), (-1.0, 1.0, -1.0)
_OF_TERM = {
    "angular_velocity": _ROTATION,
    "projected_gravity": _VECTOR,
    "base_velocity": _VECTOR,
    "gait_clock": (-1.0, -1.0),  # half a cycle later
}
_OF_COMMAND = {"forward": 1.0, "lateral": -1.0, "yaw_rate": -1.0}
_PER_JOINT = ("joint_pos_rel", "joint_vel", "last_action")


class Reflection(NamedTuple):
    """Mirrors a vector: element i of the mirrored one is sign[i] times element source[i]."""

    source: torch.Tensor
    sign: torch.Tensor

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Returns the array with its last axis mirrored."""
        return values[..., self.source] * self.sign


class Mirror(NamedTuple):
    """Mirrors what a policy reads and does."""

    observation: Reflection
    action: Reflection


def find_mirror(contract: Contract, signs: Sequence[float]) -> Mirror:
    """Finds the mirror of a robot whose joints come in pairs, or lie in the middle.

    Args:
        contract: the task's contract.
        signs: for each joint 1 if its mirror image turns the same way, else -1.

    Raises:
        UserError: the task has a term or command whose mirror is not known.
    """
    names = contract.joint_names
    joints = np.array([names.index(_other_side(name)) for name in names])
    turns = np.asarray(signs)
    sources, turned, start = [], [], 0
    for term, size in zip(contract.observations, contract.term_sizes):
        source, sign = _reflect(term.name, contract, joints, turns)
        if size != term.history * len(sign):
            raise UserError(f"--ppo.symmetry: term '{term.name}' has no known mirror; leave it 0")
        for past in range(term.history):
            sources.append(start + past * len(sign) + source)
            turned.append(sign)
        start += size
    observation = _reflection(np.concatenate(sources), np.concatenate(turned))
    return Mirror(observation, _reflection(joints, turns))


def _reflect(
    term: str, contract: Contract, joints: np.ndarray, signs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    if term in _PER_JOINT:
        return joints, signs
    if term == "command":
        sign = np.array([_OF_COMMAND.get(c.name, np.nan) for c in contract.commands])
        if np.isnan(sign).any():
            sign = np.zeros(0)
    else:
        sign = np.array(_OF_TERM.get(term, ()))
    return np.arange(len(sign)), sign


def _other_side(joint: str) -> str:
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if joint.startswith(side):
            return other + joint.removeprefix(side)
    return joint


def _reflection(source: np.ndarray, sign: np.ndarray) -> Reflection:
    return Reflection(torch.from_numpy(source), torch.from_numpy(sign.astype(np.float32)))
