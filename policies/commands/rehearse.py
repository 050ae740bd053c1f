"""Runs `sim2edge rehearse`: adapts a policy in simulation to what a robot has identified."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.progress import Progress

from edge_runtime.audit.signature import Signer
from edge_runtime.errors import UserError
from edge_runtime.files import check_output
from edge_runtime.learning.adapters.signed_adapter import Rehearsed, SignedAdapter
from edge_runtime.learning.kit import LearnerKit
from edge_runtime.learning.trimmed_policy import trim_policy
from edge_runtime.learning.trims import trims_to_undo
from edge_runtime.policy.inference import Policy, read_model
from edge_runtime.policy.shipped import kit_path
from policies.adaptation.rehearsal import Rehearsal, RehearsalConfig
from policies.evaluation.policy_file import PolicyFile
from sim.robots.wear import read_wear


@dataclass(frozen=True)
class RehearseConfig:
    """Adapt a policy in simulation to a worn robot, and sign the adapter for it."""

    policy: Path
    """The robot's untrimmed policy: a file, or the name of one that comes with sim2edge."""
    device: Path
    """What the robot has identified of itself, from its 'sim2edge learn' (TOML or JSON)."""
    server: Path = Path("server")
    """The folder whose key signs the adapter, which 'sim2edge audit server FOLDER' makes."""
    output: Path = Path("adapter.npz")
    """Where to write the signed adapter."""
    kit: Path | None = None
    """The policy's learner kit; by default the file beside it that ends in .kit."""
    seed: int = 0
    rehearsal: RehearsalConfig = field(default_factory=RehearsalConfig)


def main(config: RehearseConfig) -> int:
    """Runs the command.

    Raises:
        UserError: policy, kit, device and key do not fit together, or a file cannot be used.
    """
    check_output(config.output)
    signer = Signer(config.server)
    model = read_model(config.policy)
    untrimmed = PolicyFile.find(config.policy)
    sha256 = hashlib.sha256(model).hexdigest()
    kit = LearnerKit.load(config.kit or kit_path(config.policy), sha256)
    wear = read_wear(config.device, untrimmed.task.robot)
    trims = trims_to_undo(untrimmed.contract, wear.gains, wear.offsets)
    trimmed = trim_policy(Policy(model), model, trims) if trims else model
    policy = replace(untrimmed, model=trimmed, contract=Policy(trimmed).contract)
    rehearsal = Rehearsal(policy, kit, wear, config.rehearsal, config.seed)
    try:
        with Progress(transient=True) as progress:
            bar = progress.add_task("rehearsing", total=1.0)
            rehearsal.run(lambda share: progress.update(bar, completed=share))
    except KeyboardInterrupt:
        raise UserError("interrupted; nothing was written") from None
    about = Rehearsed(sha256, trims, kit.config.rank, rehearsal.steps, config.seed)
    SignedAdapter.sign(about, rehearsal.matrices, signer).save(config.output)
    print(f"{config.output}: {len(trims)} trims and an adapter from {rehearsal.steps:,} steps")
    print(
        f"on the robot: sim2edge adopt {config.output.name} {config.policy} --server-public "
        f"{signer.public} --slots FOLDER"
    )
    return 0
