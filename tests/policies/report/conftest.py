"""Provides the contract of a shipped policy."""

from pathlib import Path

import pytest

from edge_runtime.policy.contract import Contract
from edge_runtime.policy.inference import Policy

POLICIES = Path(__file__).parents[3] / "assets" / "policies"


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Policy.load(POLICIES / "HumanoidVelocity.onnx").contract
