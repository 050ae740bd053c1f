"""What can be chosen about a training, with its defaults."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from edge_runtime.errors import UserError

SEEDS = 2**32  # of a training; what numpy's old generator, which SB3 uses, can take


@dataclass(frozen=True)
class PPOConfig:
    """Proximal policy optimization (Schulman et al., 2017)."""

    horizon: int = 64
    """Control steps of each simulation in one rollout."""
    epochs: int = 5
    """Passes over each rollout."""
    minibatch: int = 2048
    """Samples in one gradient step."""
    learning_rate: float = 1e-3
    """Learning rate of Adam; where it starts, if it adapts."""
    desired_kl: float | None = 0.02
    """KL divergence that one rollout's updates should cause; the learning rate follows it. None:
    the learning rate is fixed."""
    gamma: float = 0.99
    """Discount of one control step."""
    gae_lambda: float = 0.95
    """Bias against variance in the advantage (Schulman et al., 2016)."""
    clip_range: float = 0.2
    """How far the probability ratio may count."""
    entropy: float = 0.0005
    """Weight of the entropy bonus."""
    value: float = 1.0
    """Weight of the value loss."""
    symmetry: float = 0.0
    """Weight of the loss that makes left and right do the same, mirrored; for a robot that is
    itself symmetric."""
    max_grad_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    initial_log_std: float = -0.5
    """Logarithm of the exploration's standard deviation at the start."""
    actor_layers: tuple[int, ...] = (128, 128)
    """Hidden units of the policy network."""
    critic_layers: tuple[int, ...] = (128, 128)
    """Hidden units of the value network."""
    activation: Literal["elu", "tanh", "relu"] = "elu"
    """Nonlinearity of both networks."""


@dataclass(frozen=True)
class SACConfig:
    """Soft actor-critic (Haarnoja et al., 2018); also what TQC (Kuznetsov et al., 2020) uses."""

    learning_rate: float = 3e-4
    """Learning rate of Adam."""
    buffer_size: int = 300_000
    """Transitions kept for replay."""
    learning_starts: int = 10_000
    """Random steps before the first update."""
    batch: int = 512
    """Transitions in one gradient step."""
    gradient_steps: int = 8
    """Updates after each control step of all simulations."""
    gamma: float = 0.99
    """Discount of one control step."""
    tau: float = 0.005
    """Share of the critic that the target critic takes over at each update."""
    initial_entropy: float = 0.005
    """Weight of the entropy at the start, then adapted; rewards are scaled to returns around 1."""
    action_limit: float = 2.0
    """Actions stay within ± this, if the robot's own clip is not tighter."""
    actor_layers: tuple[int, ...] = (256, 256)
    """Hidden units of the policy network."""
    critic_layers: tuple[int, ...] = (256, 256)
    """Hidden units of each critic."""


@dataclass(frozen=True)
class TrainConfig:
    """Train a policy for a task, or continue a training."""

    task: Any
    """The task; each of its fields can be set."""
    algorithm: str = "ppo"
    """Which algorithm learns: ppo, sac, tqc, or one that another package brings."""
    seed: int = 0
    """Same seed, same machine: same policy, bit by bit."""
    steps: int = 5_000_000
    """Control steps in all, counted over all simulations."""
    num_envs: int = 256
    """Simulations side by side."""
    threads: int = 0
    """Threads for physics and learning; 0: one for each core."""
    run_dir: Path | None = None
    """Where the run is kept; by default runs/TASK/DATE."""
    minutes: float | None = None
    """Stop after this long, as Ctrl-C would."""
    checkpoint_seconds: float = 60.0
    """Time between two checkpoints."""
    ppo: PPOConfig = field(default_factory=PPOConfig)
    sac: SACConfig = field(default_factory=SACConfig)
    settings: Any = None
    """Of an algorithm that another package brings."""
    initial: Path | None = None
    """Start with what the policy of this run has learnt, for the same robot and observations;
    exploration, learning rate and everything else start anew."""
    resume: Path | None = None
    """Continue this run as if it had never stopped; of the other flags only --steps, --minutes
    and --checkpoint-seconds count then."""


def check(config: TrainConfig) -> None:
    """Refuse numbers that no training can have.

    Raises:
        UserError: names the option.
    """
    if not 0 <= config.seed < SEEDS:
        raise UserError(f"--seed is {config.seed}; it must be between 0 and {SEEDS - 1}")
    for name, value in _positive(config).items():
        if value is not None and not 0 < value < math.inf:
            raise UserError(f"{name} is too small or not finite; it must be positive")
    for name, value in _not_negative(config).items():
        if not 0 <= value < math.inf:
            raise UserError(f"{name} is {value:g}; it must be finite and not negative")
    for name, value in _shares(config).items():
        if not 0 <= value <= 1:
            raise UserError(f"{name} is {value:g}; it must be between 0 and 1")
    if not math.isfinite(config.ppo.initial_log_std):
        raise UserError("--ppo.initial-log-std must be finite")
    config.task.check()
    # The advantages of a minibatch are scaled by their standard deviation.
    minibatch, rollout = config.ppo.minibatch, config.ppo.horizon * config.num_envs
    if config.algorithm == "ppo" and 1 in (minibatch, rollout, rollout % minibatch):
        raise UserError(
            f"a rollout of {rollout} samples (--ppo.horizon times --num-envs) cannot be cut into "
            f"minibatches of {minibatch}, for one of them would hold a single sample"
        )


def _positive(config: TrainConfig) -> dict[str, float | None]:
    ppo, sac = config.ppo, config.sac
    return {
        "--steps": config.steps,
        "--num-envs": config.num_envs,
        "--minutes": config.minutes,
        "--ppo.horizon": ppo.horizon,
        "--ppo.epochs": ppo.epochs,
        "--ppo.minibatch": ppo.minibatch,
        "--ppo.learning-rate": ppo.learning_rate,
        "--ppo.desired-kl": ppo.desired_kl,
        "--ppo.clip-range": ppo.clip_range,
        "--ppo.max-grad-norm": ppo.max_grad_norm,
        "--ppo.actor-layers": min(ppo.actor_layers, default=0),
        "--ppo.critic-layers": min(ppo.critic_layers, default=0),
        "--sac.buffer-size": sac.buffer_size // max(config.num_envs, 1),
        "--sac.batch": sac.batch,
        "--sac.gradient-steps": sac.gradient_steps,
        "--sac.learning-rate": sac.learning_rate,
        "--sac.tau": sac.tau,
        "--sac.initial-entropy": sac.initial_entropy,
        "--sac.action-limit": sac.action_limit,
        "--sac.actor-layers": min(sac.actor_layers, default=0),
        "--sac.critic-layers": min(sac.critic_layers, default=0),
    }


def _not_negative(config: TrainConfig) -> dict[str, float]:
    return {
        "--threads": config.threads,
        "--checkpoint-seconds": config.checkpoint_seconds,
        "--ppo.entropy": config.ppo.entropy,
        "--ppo.value": config.ppo.value,
        "--ppo.symmetry": config.ppo.symmetry,
        "--sac.learning-starts": config.sac.learning_starts,
    }


def _shares(config: TrainConfig) -> dict[str, float]:
    return {
        "--ppo.gamma": config.ppo.gamma,
        "--ppo.gae-lambda": config.ppo.gae_lambda,
        "--ppo.clip-range": config.ppo.clip_range,
        "--sac.gamma": config.sac.gamma,
        "--sac.tau": config.sac.tau,
    }
