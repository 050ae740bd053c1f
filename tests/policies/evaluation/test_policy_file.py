"""A policy file is evaluated without torch, and with the same bits on however many cores."""

import os
import subprocess
import sys

import numpy as np
import pytest

from policies.evaluation.policy_file import PolicyFile


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


def test_a_policy_file_is_evaluated_without_torch() -> None:
    """It takes seconds to load, and an evaluation on a robot's board has none."""
    code = (
        "import sys, policies.commands.evaluate_suite, policies.commands.render\n"
        "from policies.evaluation.policy_file import PolicyFile\n"
        "PolicyFile.committed('VehicleTrack').actor(2)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
