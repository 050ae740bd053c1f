"""Brings back what a simulation has rehearsed for a robot: trims and an adapter, signed."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edge_runtime.audit.signature import Signer, is_signed
from edge_runtime.config.config_file import from_json, to_json
from edge_runtime.config.document import parse_table
from edge_runtime.config.fields import setting
from edge_runtime.errors import UserError
from edge_runtime.learning.adapters.actor_network import read_network
from edge_runtime.learning.adapters.adapter import AdaptedActor
from edge_runtime.learning.adapters.merged_policy import merged_policy
from edge_runtime.learning.array_file import read_arrays, write_arrays
from edge_runtime.learning.trimmed_policy import trim_policy
from edge_runtime.policy.inference import Policy

_KIND = "signed adapter"
_ABOUT, _MATRICES = "about", "adapter/"
_MEANING = b"sim2edge learning: adapter "


@dataclass(frozen=True)
class Rehearsed:
    """Says what a simulation has rehearsed."""

    policy: str = setting(sentence="SHA-256 of the robot's untrimmed policy, hexadecimal.")
    trims: dict[str, float] = field(default_factory=dict)
    rank: int = setting(4, "Rank of the adapter.", above=0, at_most=64)
    steps: int = setting(0, "Simulated control steps that it learned from.", at_least=0)
    seed: int = setting(0, at_least=0)


@dataclass(frozen=True)
class SignedAdapter:
    """Holds trims and an adapter for one policy, and who signed them.

    Args:
        about: what was rehearsed.
        matrices: the adapter's, by name.
        public: the signer's public key, hexadecimal.
        signature: over all of the above, hexadecimal.
    """

    about: Rehearsed
    matrices: dict[str, npt.NDArray[np.float32]]
    public: str
    signature: str

    @classmethod
    def sign(
        cls, about: Rehearsed, matrices: dict[str, npt.NDArray[np.float32]], signer: Signer
    ) -> "SignedAdapter":
        """Signs what a simulation has rehearsed."""
        signature = signer.sign(_digest(about, matrices), _MEANING)
        return cls(about, matrices, signer.public, signature)

    def save(self, path: Path) -> None:
        """Writes it as a whole.

        Raises:
            UserError: the file cannot be written.
        """
        about = to_json(self.about) | {"public": self.public, "signature": self.signature}
        arrays = {f"{_MATRICES}{name}": matrix for name, matrix in self.matrices.items()}
        write_arrays(path, {_ABOUT: np.array(json.dumps(about)), **arrays})

    @classmethod
    def load(cls, path: Path, public: str) -> "SignedAdapter":
        """Reads an adapter that a trusted key has signed.

        Args:
            path: its file.
            public: the trusted public key, hexadecimal.

        Raises:
            UserError: the file is damaged, or another key or none has signed it.
        """
        arrays = read_arrays(path, _KIND)
        about = parse_table(str(arrays.pop(_ABOUT, "")), f"{path}: {_ABOUT}")
        signer, signature = str(about.pop("public", "")), str(about.pop("signature", ""))
        matrices = {name.removeprefix(_MATRICES): matrix for name, matrix in arrays.items()}
        found = cls(from_json(Rehearsed, about, str(path)), matrices, signer, signature)
        if signer != public:
            raise UserError(f"{path} is signed by {signer[:16] or 'nobody'}, not by {public[:16]}")
        if not is_signed(public, _digest(found.about, matrices), signature, _MEANING):
            raise UserError(f"{path} was changed after it was signed; copy it again")
        return found

    def applied_to(self, model: bytes) -> bytes:
        """Returns the policy file with these trims and this adapter.

        Args:
            model: the robot's untrimmed policy.

        Raises:
            UserError: it is for another policy, or does not fit its network.
        """
        policy, about = Policy(model), self.about
        if policy.sha256 != about.policy:
            raise UserError(
                f"the adapter is for policy {about.policy[:12]}, not for {policy.sha256[:12]}"
            )
        trimmed = trim_policy(policy, model, about.trims) if about.trims else model
        if not self.matrices:
            return trimmed
        network = read_network(trimmed, policy.source)
        actor = AdaptedActor(network, about.rank, torch.Generator().manual_seed(0))
        shapes = {name: tuple(v.shape) for name, v in actor.state_dict().items()}
        if {name: matrix.shape for name, matrix in self.matrices.items()} != shapes:
            raise UserError(f"the adapter's matrices do not fit rank {about.rank} of this policy")
        actor.load_state_dict({name: torch.from_numpy(m) for name, m in self.matrices.items()})
        return merged_policy(trimmed, actor, "rehearsed ppo", about.steps, about.seed)


def _digest(about: Rehearsed, matrices: dict[str, npt.NDArray[Any]]) -> str:
    """Returns the hash of all that is signed."""
    found = hashlib.sha256(json.dumps(to_json(about), sort_keys=True).encode())
    for name in sorted(matrices):
        matrix = np.ascontiguousarray(matrices[name], "<f4")
        found.update(f"\n{name} {matrix.shape}\n".encode() + matrix.tobytes())
    return found.hexdigest()
