"""Sets what can be chosen about a training, with its defaults."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from edge_runtime.config import fields
from edge_runtime.config.fields import LONGEST, setting
from edge_runtime.policy.shipped import policy_path

SEEDS = 2**32  # of a training; what numpy's old generator, which SB3 uses, can take


@dataclass(frozen=True)
class PPOConfig:
    """Sets proximal policy optimization (Schulman et al., 2017)."""

    horizon: int = setting(64, "Control steps of each simulation in one rollout.", above=0)
    epochs: int = setting(5, "Passes over each rollout.", above=0)
    minibatch: int = setting(2048, "Samples in one gradient step.", above=0)
    learning_rate: float = setting(1e-3, above=0)
    """Learning rate of Adam; where it starts, if it adapts."""
    desired_kl: float | None = setting(0.02, above=0)
    """KL divergence that one rollout's updates should cause; the learning rate follows it. None:
    the learning rate is fixed."""
    gamma: float = setting(0.99, "Discount of one control step.", at_least=0, at_most=1)
    gae_lambda: float = setting(0.95, at_least=0, at_most=1)
    """Bias against variance in the advantage (Schulman et al., 2016)."""
    clip_range: float = setting(0.2, "How far the probability ratio may count.", above=0, at_most=1)
    entropy: float = setting(0.0005, "Weight of the entropy bonus.", at_least=0)
    value: float = setting(1.0, "Weight of the value loss.", at_least=0)
    critic_first: int = setting(20, at_least=0)
    """Rollouts in which the critic learns alone, after an --initial policy file, which has none."""
    symmetry: float = setting(0.0, at_least=0)
    """Weight of the loss that makes left and right do the same, mirrored; for a robot that is
    itself symmetric."""
    max_grad_norm: float = setting(1.0, "Gradients are scaled down to this norm.", above=0)
    initial_log_std: float = -0.5
    """Logarithm of the exploration's standard deviation at the start."""
    actor_layers: tuple[int, ...] = setting((128, 128), above=0)
    """Hidden units of the policy network."""
    critic_layers: tuple[int, ...] = setting((128, 128), above=0)
    """Hidden units of the value network."""
    activation: Literal["elu", "tanh", "relu"] = setting("elu", "Nonlinearity of both networks.")


@dataclass(frozen=True)
class SACConfig:
    """Sets soft actor-critic (Haarnoja et al., 2018), and TQC (Kuznetsov et al., 2020) too."""

    learning_rate: float = setting(3e-4, "Learning rate of Adam.", above=0)
    buffer_size: int = setting(300_000, "Transitions kept for replay.", above=0)
    learning_starts: int = setting(10_000, "Random steps before the first update.", at_least=0)
    batch: int = setting(512, "Transitions in one gradient step.", above=0)
    gradient_steps: int = setting(8, "Updates after each control step of all simulations.", above=0)
    gamma: float = setting(0.99, "Discount of one control step.", at_least=0, at_most=1)
    tau: float = setting(0.005, above=0, at_most=1)
    """Share of the critic that the target critic takes over at each update."""
    initial_entropy: float = setting(0.005, above=0)
    """Weight of the entropy at the start, then adapted; rewards are scaled to returns around 1."""
    action_limit: float = setting(2.0, above=0)
    """Actions stay within ± this, if the robot's own clip is not tighter."""
    actor_layers: tuple[int, ...] = setting((256, 256), above=0)
    """Hidden units of the policy network."""
    critic_layers: tuple[int, ...] = setting((256, 256), "Hidden units of each critic.", above=0)


@dataclass(frozen=True)
class TrainConfig:
    """Train a policy for a task, or continue a training."""

    task: Any
    """The task; each of its fields can be set."""
    algorithm: str = "ppo"
    """Which algorithm learns: ppo, sac, tqc, or one that another package brings."""
    seed: int = setting(0, at_least=0, at_most=SEEDS - 1)
    """Same seed, same machine: same policy, bit by bit, on however many cores."""
    steps: int = setting(5_000_000, "Control steps in all, counted over all simulations.", above=0)
    num_envs: int = setting(256, "Simulations side by side.", above=0)
    threads: int = setting(0, "Threads for physics; 0: one for each core.", at_least=0)
    learning_threads: int = setting(2, above=0, at_most=1024)
    """Threads for learning. Sums are split among them, so that another number gives other bits; it
    does not follow the cores, of which the next start may see more or fewer."""
    run_dir: Path | None = None
    """Where the run is kept; by default runs/TASK/DATE."""
    minutes: float | None = setting(
        None, "Stop after this long, as Ctrl-C would.", "min", above=0, at_most=LONGEST
    )
    checkpoint_seconds: float = setting(
        60.0, "Time between two checkpoints.", "s", at_least=0, at_most=LONGEST
    )
    ppo: PPOConfig = field(default_factory=PPOConfig)
    sac: SACConfig = field(default_factory=SACConfig)
    settings: Any = None
    """Settings of an algorithm that another package brings."""
    initial: Path | None = None
    """Start with what the policy of this run, policy file or shipped policy's name has learnt, for
    the same robot and observations; exploration, learning rate and everything else start anew."""
    resume: Path | None = None
    """Continue this run as if it had never stopped; of its settings only --steps, --minutes,
    --threads and --checkpoint-seconds may be others."""

    @property
    def begins_with_policy(self) -> bool:
        """Returns whether `initial` is a policy file, rather than a run."""
        return self.initial is not None and policy_path(self.initial).suffix == ".onnx"


def check(config: TrainConfig) -> None:
    """Refuses numbers that no training can have.

    Raises:
        UserError: names the option.
    """
    fields.check(config, "--")
    config.task.check()
