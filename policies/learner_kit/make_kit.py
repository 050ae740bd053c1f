"""Makes the learner kit of a policy: an on-board reward, a critic that knows it, exploration."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge_runtime.config.fields import setting
from edge_runtime.errors import UserError
from edge_runtime.experience.layout import Layout
from edge_runtime.learning.adapters.actor_network import read_network
from edge_runtime.learning.kit import Agreement, KitConfig, LearnerKit
from edge_runtime.learning.ppo_config import PPOConfig
from edge_runtime.learning.reward.driving import DRIVING, DrivingFacts
from edge_runtime.learning.reward.onboard_reward import OnboardReward, RewardConfig, is_cost
from edge_runtime.learning.reward.walking import WALKING, WalkingFacts
from edge_runtime.policy.inference import Policy
from edge_runtime.signals import Array, Float
from policies.evaluation.policy_file import PolicyFile
from policies.learner_kit.critic import train_critic
from policies.learner_kit.identification import IdentificationConfig, identification
from policies.learner_kit.reward_weights import fit_weights
from policies.learner_kit.rollouts import Recorder, Rollout, devices
from sim.envs.vector_env import TaskVectorEnv
from sim.robots.wear import Wear
from sim.tasks.description import describe
from sim.tasks.driving.settings import DrivingSettings
from sim.tasks.task import TaskConfig
from sim.tasks.walking.settings import WalkingSettings
from sim.tasks.walking.task import WalkingTask


@dataclass(frozen=True)
class KitSettings:
    """Sets what a learner kit is made from."""

    devices: int = setting(15, "Simulated devices, a third of them as their model.", at_least=6)
    robots: int = setting(16, "Robots of each device, side by side.", above=0)
    seconds: float = setting(10.0, "How long each drives.", "s", at_least=2)
    exploration: float = setting(0.04, "Exploration, in shares of the action's clip.", above=0)
    rank: int = setting(4, "Rank of the adapters.", above=0, at_most=64)
    seed: int = setting(0, "Seed of everything random.", at_least=0)
    identification: IdentificationConfig = field(default_factory=IdentificationConfig)


@dataclass(frozen=True)
class _Recorded:
    """Holds what the robots of one device did, and the parts of their on-board reward."""

    wear: Wear
    rollout: Rollout
    parts: Float  # (T, N, r)


def make_kit(
    policy: PolicyFile,
    settings: KitSettings,
    ppo: PPOConfig | None = None,
    progress: Callable[[str], None] = lambda said: None,
) -> LearnerKit:
    """Plays the policy on simulated devices, and makes of it what a robot needs to go on learning.

    Args:
        policy: the policy.
        settings: how much to play.
        ppo: how the robot is to learn; the defaults if it is None.
        progress: called with a line of what is done.

    Raises:
        UserError: the task is neither walking nor driving, or the policy's network is another
            program's.
    """
    ppo = ppo or PPOConfig()
    network = read_network(policy.model, policy.source)
    contract = policy.contract
    std = np.full(len(contract.actuators), settings.exploration * contract.action_clip, np.float32)
    terms = reward_terms(policy.task)
    recorded = _record(policy, settings, std, terms, progress)
    held_out = recorded[-len(recorded) * 2 // 5 :]  # of which every third is unworn, too
    learned = recorded[: len(recorded) - len(held_out)]
    period = contract.control_period
    weights = _fit(learned, terms, policy.task, period)
    fitted = RewardConfig(dict(zip(terms.weights, weights.tolist())), terms.walking, terms.driving)
    progress(f"on-board reward of {len(weights)} terms is fitted; its critic learns")
    layout = Layout(
        Policy(policy.model).sha256, contract.robot, contract.observation_size, len(std), ()
    )
    rows = [of.rollout.rows(robot, layout) for of in learned for robot in range(of.rollout.robots)]
    rewards = [
        of.parts[:, robot] @ weights * period
        for of in learned
        for robot in range(of.rollout.robots)
    ]
    critic = train_critic(rows, rewards, network, ppo, settings.seed)
    config = KitConfig(
        layout.policy,
        contract.robot,
        fitted,
        rank=settings.rank,
        ppo=ppo,
        unworn=_agreement([of for of in held_out if of.wear == Wear()], weights, period),
        worn=_agreement([of for of in held_out if of.wear != Wear()], weights, period),
    )
    extra = identification(policy, settings.identification, progress)
    return LearnerKit(config, std, critic.arrays(), extra)


def reward_terms(task: TaskConfig) -> RewardConfig:
    """Returns the on-board reward of a task's robot, each term with its weight in training, or 0.

    Raises:
        UserError: the task is neither walking nor driving.
    """
    rewards = task.rewards if isinstance(task, WalkingSettings | DrivingSettings) else None
    if isinstance(task, WalkingSettings):
        env = TaskVectorEnv(task, 1, threads=1)
        assert isinstance(env.task, WalkingTask)
        robot, legs = env.task.now.robot, task.robot.find_legs()
        env.close()
        facts = WalkingFacts(
            robot.weight,
            robot.nominal_height,
            robot.feet_apart,
            task.swing_height,
            legs.leading,
            tuple((robot.posture_weight**2).tolist()),
        )
        return RewardConfig({n: float(getattr(rewards, n, 0.0)) for n in WALKING}, walking=facts)
    if isinstance(task, DrivingSettings):
        reach = max(abs(y) for _, y in task.robot.find_car().outline)
        driving = DrivingFacts(task.room, reach)
        return RewardConfig({n: float(getattr(rewards, n, 0.0)) for n in DRIVING}, driving=driving)
    raise UserError(f"{task.name} neither walks nor drives, so no on-board reward is known for it")


def _record(
    policy: PolicyFile,
    settings: KitSettings,
    std: Array,
    terms: RewardConfig,
    progress: Callable[[str], None],
) -> list[_Recorded]:
    found = []
    worn = devices(policy.task.robot, settings.devices, settings.seed)
    for number, wear in enumerate(worn):
        recorder = Recorder(policy, wear, settings.robots, std, settings.seed * 1000 + number)
        reward = OnboardReward(terms, policy.contract, describe(policy.task, recorder.substeps))
        rollout = recorder.record(round(settings.seconds / policy.contract.control_period))
        recorder.close()
        parts = [reward.parts(rollout.steps(robot)) for robot in range(rollout.robots)]
        found.append(_Recorded(wear, rollout, np.stack(parts, axis=1)))
        progress(f"device {number + 1} of {len(worn)} is recorded")
    return found


def _fit(
    recorded: Sequence[_Recorded], terms: RewardConfig, task: TaskConfig, period: float
) -> Float:
    """Returns the weights (r,), per second, that fit the training's reward of each second."""
    costs = np.array([is_cost(terms, name) for name in terms.weights])
    near = np.array([*terms.weights.values()])
    sums = [_sums(of, round(1 / period)) for of in recorded]
    parts, reward = (np.concatenate(of) for of in zip(*sums))
    return fit_weights(parts * period, reward, near, costs)


def _sums(of: _Recorded, length: int) -> tuple[Float, Float]:
    """Returns sums over so many steps: of the parts, (M, r), and of the training's reward, (M,)."""
    blocks = len(of.parts) // length
    parts, reward = of.parts[: blocks * length], of.rollout.reward[: blocks * length]
    count = parts.shape[2]
    return (
        parts.reshape(blocks, length, -1, count).sum(axis=1).reshape(-1, count),
        reward.reshape(blocks, length, -1).sum(axis=1, dtype=np.float64).ravel(),
    )


def _agreement(recorded: Sequence[_Recorded], weights: Float, period: float) -> Agreement:
    """Returns how well the on-board reward goes along with the training's."""

    def correlation(length: int) -> float:
        sums = [_sums(of, length) for of in recorded]
        parts, reward = (np.concatenate(of) for of in zip(*sums))
        return float(np.corrcoef(parts @ weights, reward)[0, 1])

    whole = min(len(of.parts) for of in recorded)
    return Agreement(correlation(round(1 / period)), correlation(whole))
