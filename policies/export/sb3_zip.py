"""Reads the actor of a model's zip file of plain Stable-Baselines3, and writes one.

What such a file pickles is not unpickled, for that would run its code: the weights are read as
tensors, the rest as text.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.sac.policies import Actor as SACActor
from stable_baselines3.td3.policies import Actor as TD3Actor
from torch import nn

from edge_runtime.config.config_file import from_json
from edge_runtime.config.fields import setting
from edge_runtime.errors import UserError
from edge_runtime.files import check_file, write_file
from edge_runtime.learning.adapters.actor_network import ActorNetwork
from edge_runtime.signals import Array
from policies.export.vec_normalize import Normalizer
from policies.train.actor_critic import AsymmetricActorCritic, AsymmetricFeatures
from policies.train.actor_network import OPERATORS, gaussian_actor
from policies.train.config import SEEDS

_ACTIVATIONS = {kind.__name__: kind for kind in OPERATORS}
_GAUSSIAN, _SQUASHED, _DETERMINISTIC = "action_net.", "actor.log_std", "actor.mu."
_OURS = "features_extractor.normalizer.offset"  # in files that `write_ppo` wrote


@dataclass(frozen=True)
class SB3Settings:
    """Holds what a model's zip file says of its training, in SB3's names; None is not chosen."""

    num_timesteps: int | None = setting(None, at_least=0)
    seed: int | None = setting(None, at_least=0, at_most=SEEDS - 1)
    use_sde: bool | None = None
    policy_kwargs: Mapping[str, Any] | None = None  # what is pickled in it as text
    action_space: Mapping[str, Any] | None = None  # its bounds as text


@dataclass(frozen=True)
class SB3Model:
    """Holds what a model's zip file says of its actor."""

    source: str
    settings: SB3Settings
    weights: Mapping[str, torch.Tensor]  # of the policy, by SB3's names
    versions: Mapping[str, str]

    @property
    def steps(self) -> int:
        """Returns the number of environment steps that the model was trained for."""
        return self.settings.num_timesteps or 0

    @property
    def seed(self) -> int:
        return self.settings.seed or 0

    @property
    def normalizes(self) -> bool:
        """Returns whether the actor has a normalizer of its own, as `write_ppo` writes it."""
        return _OURS in self.weights

    @property
    def kind(self) -> str:
        """Returns the prefix of weights that tells which of SB3's three kinds of actor it is.

        Raises:
            UserError: it is none of them.
        """
        for prefix in (_GAUSSIAN, _SQUASHED, _DETERMINISTIC):
            if any(name.startswith(prefix) for name in self.weights):
                return prefix
        raise UserError(f"{self.source} has no actor of PPO, A2C, SAC, TQC, TD3 or DDPG")

    @property
    def action_bound(self) -> Array:
        """Returns the largest action of each joint, (A,); the smallest must be its opposite.

        Raises:
            UserError: it is not, or the file does not say.
        """
        space: Any = self.settings.action_space
        try:
            with np.errstate(over="ignore"):  # what is too large is beyond any clip
                low, high = (
                    np.array(space[k].strip("[]").split(), np.float32) for k in ("low", "high")
                )
        except (TypeError, KeyError, AttributeError, ValueError):
            raise UserError(f"{self.source} does not say what its actions are bounded by") from None
        fits = len(high) == len(self.layers[-1][1])
        if not fits or not np.array_equal(low, -high) or (high <= 0).any():
            raise UserError(
                f"{self.source} has actions from {low} to {high}, which are not ± a bound of each"
            )
        return high

    def check(self, size: int, actions: int, clip: float) -> None:
        """Refuses an actor that does not fit a task.

        Args:
            size: entries of the task's observation.
            actions: the task's number of actions.
            clip: the task clips actions to ± this.

        Raises:
            UserError: the message says what differs.
        """
        layers = self.layers
        seen, given = layers[0][0].shape[1], layers[-1][0].shape[0]
        if (seen, given) != (size, actions):
            raise UserError(
                f"{self.source} was trained with {seen} observations and {given} actions, the "
                f"task has {size} and {actions}"
            )
        bound = self.action_bound
        if (bound > clip).any() or (self.kind == _GAUSSIAN and (bound != clip).any()):
            raise UserError(
                f"{self.source} was trained with actions within ±{bound.max():g}, the task clips "
                f"them at {clip:g}; train it without a wrapper that scales or clips actions"
            )

    @property
    def layers(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Returns weight (out, in) and bias (out,) of each of the actor's layers.

        Raises:
            UserError: it is no plain multi-layer perceptron, or its layers do not fit together.
        """
        kind = self.kind
        parts = {
            _GAUSSIAN: ("mlp_extractor.policy_net.", "action_net."),
            _SQUASHED: ("actor.latent_pi.", "actor.mu."),
            _DETERMINISTIC: ("actor.mu.",),
        }[kind]
        names = [name for part in parts for name in self.weights if name.startswith(part)]
        weights = [name for name in names if _leaf(name) == "weight"]
        extracted = [n for n in self.weights if "features_extractor." in n]
        odd = [] if self.normalizes else extracted
        odd += [n for n in names if self.weights[n].ndim != {"weight": 2, "bias": 1}.get(_leaf(n))]
        if self.settings.use_sde:
            odd.append("use_sde")
        if odd:
            raise UserError(
                f"{self.source} has '{odd[0][:80]}': only an MlpPolicy without gSDE can be exported"
            )
        biases = [f"{n.removesuffix('weight')}bias" for n in weights]
        if not weights or not self.weights.keys() >= set(biases):
            raise self._damaged("its actor lacks weights")
        found = [(self.weights[n], self.weights[bias]) for n, bias in zip(weights, biases)]
        if any(len(weight) != len(bias) for weight, bias in found) or any(
            len(before) != after.shape[1] for (before, _), (after, _) in pairwise(found)
        ):
            raise self._damaged("its actor's layers do not fit together")
        return found

    @property
    def activation(self) -> type[nn.Module]:
        """Returns the activation between the layers; by default tanh for PPO and A2C, ReLU for the
        others.

        Raises:
            UserError: it is another.
        """
        chosen = (self.settings.policy_kwargs or {}).get("activation_fn")
        if chosen is None:
            return nn.Tanh if self.kind == _GAUSSIAN else nn.ReLU
        name = re.sub(r"\W+$", "", str(chosen)).rpartition(".")[2][:80]
        if name not in _ACTIVATIONS:
            raise UserError(
                f"{self.source} has the activation {name}; there are: {', '.join(_ACTIVATIONS)}"
            )
        return _ACTIVATIONS[name]

    def network(self, normalizer: Normalizer | None) -> ActorNetwork:
        """Returns the actor as the exporter writes it, with the normalizer in it.

        Raises:
            UserError: its weights do not fit together.
        """
        layers = self.layers
        size = layers[0][0].shape[1]
        offset, inverse_std, clip = np.zeros(size), np.ones(size), float("inf")
        if normalizer is not None:
            offset, clip = normalizer.mean, normalizer.clip
            inverse_std = 1.0 / np.sqrt(normalizer.variance + normalizer.epsilon)
        with self._computing():
            if self.normalizes:
                policy = self._policy()
                assert isinstance(policy, AsymmetricActorCritic)
                return gaussian_actor(policy, size)
            return ActorNetwork(
                offset=offset.astype(np.float32),
                inverse_std=inverse_std.astype(np.float32),
                layers=tuple((weight.numpy(), bias.numpy()) for weight, bias in layers),
                activation=OPERATORS[self.activation],
                limit=None if self.kind == _GAUSSIAN else self.action_bound,
                clip=clip,
            )

    def actions(self, observations: Array, normalizer: Normalizer | None) -> Array:
        """Returns what SB3's own policy gives to raw observations (N, n), before any clip, (N, A).

        Raises:
            UserError: its weights do not fit together.
        """
        seen = observations.astype(np.float64)
        if normalizer is not None:
            seen = (seen - normalizer.mean) / np.sqrt(normalizer.variance + normalizer.epsilon)
            seen = np.clip(seen, -normalizer.clip, normalizer.clip)
        inputs = torch.from_numpy(seen.astype(np.float32))
        with self._computing(), torch.no_grad():
            given = self._policy()._predict(inputs, deterministic=True).numpy()
        scale = 1.0 if self.kind == _GAUSSIAN else self.action_bound
        actions: Array = (given * scale).astype(np.float32)
        return actions

    def _damaged(self, why: str) -> UserError:
        return UserError(f"{self.source} is damaged: {why}; save it again with Stable-Baselines3")

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """Reports what SB3 or torch stumble over in weights of a foreign file."""
        try:
            yield
        except UserError:
            raise
        except Exception:  # theirs share no other base
            raise self._damaged("its weights do not make a policy") from None

    def _policy(self) -> BasePolicy:
        """Returns SB3's policy with these weights."""
        layers = self.layers
        sizes = [len(bias) for _, bias in layers[:-1]]
        space = spaces.Box(-np.inf, np.inf, (layers[0][0].shape[1],), np.float32)
        bound = self.action_bound
        actions = spaces.Box(-bound, bound, dtype=np.float32)
        if self.kind == _GAUSSIAN:
            return self._actor_critic(space, actions, sizes)
        kind = SACActor if self.kind == _SQUASHED else TD3Actor
        actor = kind(
            space, actions, sizes, FlattenExtractor(space), space.shape[0], self.activation
        )
        prefix = "actor."
        own = {n.removeprefix(prefix): w for n, w in self.weights.items() if n.startswith(prefix)}
        actor.load_state_dict(own)
        return actor.eval()

    def _actor_critic(self, space: spaces.Box, actions: spaces.Box, sizes: list[int]) -> BasePolicy:
        values = [w for n, w in self.weights.items() if re.match(r"mlp_extractor\.value.*bias", n)]
        kind: type[ActorCriticPolicy] = ActorCriticPolicy
        kwargs: dict[str, Any] = {}
        if self.normalizes:
            kind, prior = AsymmetricActorCritic, self.weights.get("features_extractor.prior")
            kwargs = _extractor(space.shape[0], None if prior is None else prior.numpy())
        policy = kind(
            space,
            actions,
            lambda _: 0.0,
            net_arch={"pi": sizes, "vf": [len(w) for w in values]},
            activation_fn=self.activation,
            **kwargs,
        )
        policy.load_state_dict(dict(self.weights))
        return policy.eval()


def read_sb3_model(path: Path) -> SB3Model:
    """Reads the model that `save` of SB3 wrote.

    Raises:
        UserError: the file is none, or damaged.
    """
    check_file(path, "model")
    try:
        with zipfile.ZipFile(path) as archive:
            data = json.loads(archive.read("data"))
            content = io.BytesIO(archive.read("policy.pth"))
            weights = torch.load(content, map_location="cpu", weights_only=True)
            names = archive.namelist()
            system = archive.read("system_info.txt").decode() if "system_info.txt" in names else ""
        if not all(isinstance(name, str) and _is_whole(w) for name, w in weights.items()):
            raise ValueError("weights of another kind")
        used = {key: data[key] for key in data.keys() & {of.name for of in fields(SB3Settings)}}
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception:
        raise UserError(f"{path} is no model of Stable-Baselines3, or damaged") from None
    settings = from_json(SB3Settings, used, f"{path}: data")
    versions = dict(re.findall(r"^- (\S+): (\S+)", system, re.MULTILINE))
    return SB3Model(str(path), settings, weights, versions)


def _is_whole(weight: Any) -> bool:
    """Returns whether a weight is a real tensor whose every number is stored, for a forged one
    may repeat a few."""
    return (
        isinstance(weight, torch.Tensor)
        and weight.layout == torch.strided
        and not (weight.is_complex() or weight.is_quantized)
        and weight.nbytes <= weight.untyped_storage().nbytes()
    )


def write_ppo(policy: AsymmetricActorCritic, actor_size: int, path: Path) -> None:
    """Writes a model that ``stable_baselines3.PPO.load`` reads where sim2edge is installed.

    Its actor, normalizer and exploration are the policy's. Its critic starts anew, for it sees
    what the actor sees, and not what is privileged.

    Args:
        policy: what our PPO trained.
        actor_size: entries of its observation that the robot has.
        path: where to write.
    """
    space = spaces.Box(-np.inf, np.inf, (actor_size,), np.float32)
    prior = policy.features_extractor.prior
    arch = policy.net_arch
    kwargs = {
        **_extractor(actor_size, None if prior is None else prior.numpy()),
        "net_arch": arch,
        "activation_fn": policy.activation_fn,
    }
    plain = AsymmetricActorCritic(space, policy.action_space, lambda _: 0.0, **kwargs)
    own = plain.state_dict()
    columns = ("mean", "variance", "offset", "inverse_std")
    for name, value in policy.state_dict().items():
        if _leaf(name) in columns and ".normalizer." in name:
            value = value[:actor_size]
        if "value_net" not in name:
            own[name] = value
    nowhere: Any = None  # its spaces are given below
    algorithm = PPO(AsymmetricActorCritic, nowhere, policy_kwargs=kwargs, _init_setup_model=False)
    algorithm.observation_space, algorithm.action_space = space, policy.action_space
    algorithm.n_envs = 1
    algorithm._setup_model()
    algorithm.policy.load_state_dict(own)
    content = io.BytesIO()
    algorithm.save(content)
    write_file(path, content.getvalue())


def _leaf(name: str) -> str:
    """Returns the last part of a weight's name."""
    return name.rpartition(".")[2]


def _extractor(size: int, prior: Array | None) -> dict[str, Any]:
    """Returns the features extractor of our actors without a privileged part."""
    return {
        "features_extractor_class": AsymmetricFeatures,
        "features_extractor_kwargs": {"actor_size": size, "prior": prior},
    }
