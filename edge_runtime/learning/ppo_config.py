"""Sets how an adapter learns by proximal policy optimization."""

from dataclasses import dataclass

from edge_runtime.config.fields import setting


@dataclass(frozen=True)
class PPOConfig:
    """Sets how an adapter learns from rollouts."""

    rollout: int = setting(2048, "Rows between two updates.", above=1)
    minibatch: int = setting(512, "Rows of a gradient step.", above=1)
    epochs: int = setting(8, "Passes over a rollout, at most.", at_least=1)
    learning_rate: float = setting(1e-3, "Step size of the adapter.", above=0)
    critic_learning_rate: float = setting(1e-3, "Step size of the critic.", above=0)
    critic_steps: int = setting(0, at_least=0)
    """Rows at the start from which the critic learns alone, where it knows nothing yet."""
    gamma: float = setting(0.99, "Discount of a control step.", at_least=0, at_most=1)
    decay: float = setting(0.95, "λ of the advantages.", at_least=0, at_most=1)
    clip: float = setting(0.2, "By how much a probability may change for gain.", above=0)
    largest_kl: float = setting(0.03, "Divergence at which the passes of an update end.", above=0)
    leash: float = setting(0.0, at_least=0)
    """Weight of the divergence from the policy at the start."""
    max_grad_norm: float = setting(0.5, "Largest norm of a gradient.", above=0)
