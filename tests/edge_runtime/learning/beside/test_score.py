"""A canary's score is the reward that the learner computes of the same ticks."""

import time
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.connect import DriverRequest
from edge_runtime.estimators import find_fusion
from edge_runtime.learning.beside.score import OnboardScore
from edge_runtime.learning.feed.feed import Feed, FeedReader
from edge_runtime.learning.feed.feed_layout import FeedLayout
from edge_runtime.learning.kit import LearnerKit
from edge_runtime.learning.process.episodes import Episodes
from edge_runtime.learning.reward.onboard_reward import OnboardReward
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.tick import Tick
from edge_runtime.policy.inference import Policy
from edge_runtime.policy.shipped import kit_path
from sim.server.robot_process import simulated_robot


class Scores:
    """Keeps the score of each tick."""

    def __init__(self, score: OnboardScore) -> None:
        self.score, self.found = score, list[float]()

    def observe(self, tick: Tick) -> None:
        self.found.append(self.score(tick))


@pytest.mark.parametrize(
    ("name", "fusion"), [("VehicleTrack", "robot"), ("HumanoidVelocity", "robot")]
)
def test_scores_are_rewards(name: str, fusion: str) -> None:
    policy = Policy.load(name)
    contract = policy.contract
    with simulated_robot(DriverRequest(task=name, lockstep=True)) as robot:
        loop = ControlLoop(policy, robot, find_fusion("robot", contract, robot.description))
        kit = LearnerKit.load(kit_path(Path(name)), policy.sha256)
        reward = OnboardReward(kit.config.reward, contract, robot.description)
        order = tuple(range(len(contract.actuators)))
        scores = Scores(OnboardScore(reward, order))
        layout = FeedLayout.of(loop, 10.0)
        feed = Feed(f"test-{time.monotonic_ns()}", layout)
        reader, episodes = FeedReader(feed.name, layout), Episodes(layout, order, reward)
        loop.add_observer(feed)
        loop.add_observer(scores)
        parts = []
        for _ in range(5):  # as they come, block by block
            for _ in range(12):
                loop.tick()
            parts.append(episodes.take(reader.read(100)).rows.reward)
        rewards = np.concatenate(parts) @ reward.weights / reward.period
        assert len(rewards) == 59 and np.abs(rewards).max() > 0.1
        np.testing.assert_allclose(scores.found[1:], rewards, rtol=1e-4, atol=1e-4)
        reader.close()
        feed.close()
