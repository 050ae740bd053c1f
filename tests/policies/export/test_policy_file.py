"""A policy of many rows gives the same bits on however many cores."""

import os

import numpy as np
import pytest

from policies.export.policy_file import PolicyFile


@pytest.mark.parametrize("task", ["HumanoidVelocity", "VehicleTrack"])
def test_many_rows_do_not_depend_on_the_cores(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = PolicyFile.committed(task)
    size = (1000, policy.contract.observation_size)
    observations = np.random.default_rng(0).standard_normal(size).astype(np.float32)
    found = []
    for cores in (1, 2, 3, 8):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid, count=cores: set(range(count)))
        found.append(policy.actor(len(observations))(observations))
    for actions in found[1:]:
        np.testing.assert_array_equal(actions, found[0])
