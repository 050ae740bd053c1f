"""Runs `sim2edge export`: writes a policy as one self-contained ONNX file with its contract."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from edge_runtime.console import plain
from edge_runtime.errors import UserError
from edge_runtime.files import check_output, write_file
from edge_runtime.policy.contract import Contract, from_metadata
from edge_runtime.policy.inference import Policy, read_model
from edge_runtime.policy.shipped import policy_path
from policies.evaluation.policy_file import PolicyFile
from policies.export.run_export import export_run, find_run, restore_policy
from policies.export.sb3_export import export_sb3
from policies.export.sb3_zip import write_ppo
from policies.learner_kit.make_kit import KitSettings, make_kit
from policies.train.actor_critic import AsymmetricActorCritic
from policies.train.run_folder import POLICY, RunFolder
from sim.tasks.task import TaskConfig, find_robot_task


@dataclass(frozen=True)
class ExportConfig:
    """Write a policy as one self-contained ONNX file."""

    run: Path
    """A run folder, its checkpoint.pt, the model.zip of a training by Stable-Baselines3, or the
    name of a policy that comes with sim2edge, whose file is copied."""
    output: Path | None = None
    """Where to write; by default RUN/policy.onnx, model.onnx beside model.zip, or NAME.onnx."""
    task: str = ""
    """The task that a model.zip was trained for."""
    normalizer: Path | None = None
    """The pickled VecNormalize that a model.zip was trained behind; by default the
    vecnormalize.pkl beside it or in a folder of its name or of RL Zoo, if there is one."""
    sb3: Path | None = None
    """Write a run's PPO policy here too, for PPO.load of Stable-Baselines3."""
    kit: Path | None = None
    """Write the policy's learner kit here too, with which a robot goes on learning: takes about
    ten minutes of simulation."""


def main(config: ExportConfig) -> int:
    """Runs the command.

    Raises:
        UserError: it is not a run, holds no whole checkpoint, or the file cannot be written.
    """
    for path in filter(None, (config.output, config.sb3, config.kit)):
        check_output(path)
    if config.run.suffix == ".zip":
        model, output = _export_zip(config)
    else:
        model, output = _export_own(config)
    write_file(output, model)
    contract = Policy(model, str(output)).contract
    if contract.provenance.normalizer_file:
        print(f"normalizer: {plain(contract.provenance.normalizer_file)}")
    what = f"{output}: {contract.task} on {contract.robot}, {contract.provenance.steps:,} steps"
    sizes = f"{contract.observation_size} observations -> {len(contract.actuators)} actions"
    print(plain(f"{what}, {sizes}, {len(model) / 1e3:.0f} kB"))
    if config.kit is not None:
        task = _task(config.run, contract)
        _write_kit(PolicyFile(str(output), model, task, contract), config.kit)
    return 0


def _export_own(config: ExportConfig) -> tuple[bytes, Path]:
    """Returns the policy file of a run or a shipped policy, and where to write it."""
    if config.task or config.normalizer is not None:
        raise UserError("--task and --normalizer are for a model.zip; a run knows its own")
    shipped = policy_path(config.run)
    if shipped != config.run and config.sb3 is None:
        return read_model(shipped), config.output or Path(shipped.name)
    run = find_run(config.run)
    model = export_run(run)
    output = config.output or run.path / POLICY
    if config.sb3 is not None:
        _write_sb3(run, config.sb3)
    return model, output


def _export_zip(config: ExportConfig) -> tuple[bytes, Path]:
    """Returns the policy file of a model.zip, and where to write it."""
    if not config.task:
        raise UserError(f"{config.run} does not say what it was trained for; give --task NAME")
    if config.sb3 is not None:
        raise UserError("--sb3 is for a run; a model.zip is one of Stable-Baselines3 already")
    task = find_robot_task(config.task)
    model = export_sb3(config.run, task, config.normalizer)
    return model, config.output or config.run.with_suffix(".onnx")


def _write_sb3(run: RunFolder, path: Path) -> None:
    checkpoint = run.load()
    size = from_metadata(checkpoint["contract"], str(run.path)).observation_size
    policy = restore_policy(checkpoint, run.config, size)
    if not isinstance(policy, AsymmetricActorCritic):
        raise UserError(
            f"--sb3: {run.path} learns by {run.config.algorithm}; only PPO's is written"
        )
    write_ppo(policy, size, path)


def _task(of: Path, contract: Contract) -> TaskConfig:
    """Returns the task that a policy was trained for, as its run set it."""
    at = policy_path(of)
    if at.is_dir() or at.suffix == ".pt":
        task: TaskConfig = find_run(at).config.task
        return task
    return find_robot_task(contract.task)


def _write_kit(policy: PolicyFile, path: Path) -> None:
    console = Console()
    with console.status("") as status:
        kit = make_kit(policy, KitSettings(), progress=lambda said: status.update(plain(said)))
    kit.save(path)
    print(plain(f"{path}: learner kit, {path.stat().st_size / 1e3:.0f} kB"))
    print("on-board reward against the training's, correlation on held-out devices:")
    for name, of in (("as their model", kit.config.unworn), ("worn", kit.config.worn)):
        print(f"  {name:14}  {of.second:.3f} per second, {of.episode:.3f} per episode")
