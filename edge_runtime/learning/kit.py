"""Holds what a learner on the robot needs beside the policy that it adapts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.config.config_file import from_json, to_json
from edge_runtime.config.document import parse_table
from edge_runtime.config.fields import setting
from edge_runtime.errors import UserError
from edge_runtime.learning.array_file import read_arrays, write_arrays
from edge_runtime.learning.ppo_config import PPOConfig
from edge_runtime.learning.reward.onboard_reward import RewardConfig
from edge_runtime.signals import Array

FORMAT = 1
_KIND = "learner kit"
_ABOUT, _CRITIC, _EXTRA = "kit", "critic/", "extra/"


@dataclass(frozen=True)
class Agreement:
    """Says how well the on-board reward agrees with the training reward, by Pearson's r."""

    second: float = setting(0.0, "Correlation of sums over a second.")
    episode: float = setting(0.0, "Correlation of sums over an episode.")


@dataclass(frozen=True)
class KitConfig:
    """Describes a learner kit, all but its arrays."""

    policy: str = setting(sentence="SHA-256 of the policy's file, hexadecimal.")
    robot: str = setting(sentence="Name of the robot that the policy drives.")
    reward: RewardConfig = RewardConfig()
    rank: int = setting(4, "Rank of the adapters, on all layers and biases.", above=0, at_most=64)
    ppo: PPOConfig = PPOConfig()
    largest_tilt: float = setting(0.35, unit="rad", above=0)
    """Tilt from upright beyond which the robot does not explore."""
    unworn: Agreement = Agreement()
    """On robots as their model says."""
    worn: Agreement = Agreement()
    """On robots that are worn."""


@dataclass(frozen=True)
class LearnerKit:
    """Holds a policy's learner kit: critic, exploration, adapter layout and on-board reward."""

    config: KitConfig
    std: Array
    """Standard deviation of the exploration, of each action, (A,)."""
    critic: Mapping[str, Array]
    """What `edge_runtime.learning.adapters.critic.Critic` is made of."""
    extra: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    """What other learners keep here, by name."""

    def save(self, path: Path) -> None:
        """Writes the kit as a whole.

        Raises:
            UserError: the file cannot be written.
        """
        about = json.dumps({"format": FORMAT, **to_json(self.config)}, sort_keys=False)
        write_arrays(
            path,
            {
                _ABOUT: np.array(about),
                "std": self.std,
                **{f"{_CRITIC}{name}": array for name, array in self.critic.items()},
                **{f"{_EXTRA}{name}": array for name, array in self.extra.items()},
            },
        )

    @classmethod
    def load(cls, path: Path, policy_sha256: str) -> "LearnerKit":
        """Reads the kit of a policy.

        Args:
            path: the kit's file.
            policy_sha256: the SHA-256 of the policy's file, hexadecimal.

        Raises:
            UserError: the file cannot be read, is damaged or no kit, or is another policy's.
        """
        arrays = read_arrays(path, _KIND)
        try:
            about = parse_table(str(arrays.pop(_ABOUT)), f"{path}: {_ABOUT}")
            std = arrays.pop("std")
        except KeyError:
            raise UserError(f"{path} is no {_KIND}, or damaged; copy it again") from None
        if about.pop("format", None) != FORMAT:
            raise UserError(f"{path} is a {_KIND} of another version; export it again with --kit")
        config = from_json(KitConfig, about, str(path))
        if config.policy != policy_sha256:
            raise UserError(
                f"{path} is the {_KIND} of another policy ({config.policy[:12]}, not "
                f"{policy_sha256[:12]}); make one with 'sim2edge export POLICY --kit FILE'"
            )
        return cls(config, std, _within(arrays, _CRITIC), _within(arrays, _EXTRA))


def _within(arrays: Mapping[str, npt.NDArray[Any]], prefix: str) -> dict[str, npt.NDArray[Any]]:
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
