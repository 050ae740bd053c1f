"""Runs `sim2edge train`: trains a policy for a task, or continues a training."""

import dataclasses
import errno
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_runtime.errors import UserError
from edge_runtime.files import new_folder, write_file
from edge_runtime.policy.inference import Policy
from edge_runtime.stop_signals import interruptible
from policies.commands.train_progress import TrainProgress, make_display
from policies.export.run_export import export_run
from policies.train.algorithms import ALGORITHMS, find_learner
from policies.train.config import TrainConfig, check
from policies.train.provenance import cores, describe_origin
from policies.train.recipes import recipe, trainings
from policies.train.run_folder import (
    CONFIG,
    POLICY,
    RECORD,
    RunFolder,
    config_from_document,
    config_to_json,
    task_name,
)
from policies.train.training import StoppedError, Training
from sim.envs.memory import check_memory

_LOG = logging.getLogger(__name__)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TORCH_ALLOCATOR = "DefaultCPUAllocator: "  # what torch says where another raises MemoryError
_STOPPING = "stopping; the last whole iteration is saved; once more to stop without saving"
MAY_CHANGE = ("steps", "minutes", "threads", "checkpoint_seconds", "resume")


def defaults(
    options: list[str], document: Mapping[str, Any], where: str
) -> tuple[TrainConfig, list[str]]:
    """Returns what the command line starts from: a task's recipe, or the config of the run to
    resume.

    Args:
        options: the command line after `sim2edge train`.
        document: what the file of --config holds, over the recipe.
        where: that file, or nothing.

    Returns:
        The config, and the options that remain to be read.

    Raises:
        UserError: no task is named, there is none of that name, there is no run to resume, or it
            is of another task.
    """
    config, rest = _defaults(options, document, where)
    name = _given(rest, "--algorithm") or config.algorithm
    if config.resume is None and (config.settings is None or name != config.algorithm):
        config = dataclasses.replace(config, settings=ALGORITHMS.find(name).settings)
    return config, rest


def _defaults(
    options: list[str], document: Mapping[str, Any], where: str
) -> tuple[TrainConfig, list[str]]:
    task = options[0] if options and not options[0].startswith("-") else None
    rest = options if task is None else options[1:]
    resumed = _given(rest, "--resume")
    if resumed is not None:
        if where:
            raise UserError(f"--resume keeps the settings of its run; leave out --config {where}")
        run = Path(resumed)
        config = RunFolder.open(run).config
        if task is not None and recipe(task).task.name != config.task.name:
            raise UserError(f"{run} is a training of {config.task.name}, not of {task}")
        return dataclasses.replace(config, resume=run), rest
    if where:
        base = recipe(task or task_name(document, where))
        config = config_from_document(document, where, base)
        if config.run_dir and (config.run_dir / CONFIG).resolve() == Path(where).resolve():
            config = dataclasses.replace(config, run_dir=None)  # that is another run's folder
        return config, rest
    if task is not None:
        return recipe(task), rest
    if "-h" in options or "--help" in options:
        return recipe(trainings()[0]), options
    raise UserError(
        f"which task? 'sim2edge train TASK' with one of {', '.join(trainings())}; "
        "or 'sim2edge train --resume RUN'"
    )


def main(config: TrainConfig) -> int:
    """Runs the command.

    Raises:
        UserError: the run cannot be started, resumed or saved.
    """
    check(config)
    learner = find_learner(config)
    learner.check()
    check_memory(config.num_envs, "--num-envs", learner.memory())
    origin = _origin(config) if config.resume is None else {}
    run = RunFolder(_new_folder(config)) if config.resume is None else RunFolder.open(config.resume)
    with run.locked():
        try:
            return _train_in(run, config, origin)
        except (MemoryError, RuntimeError) as error:
            _, torchs, why = str(error).rpartition(_TORCH_ALLOCATOR)
            if not (torchs or isinstance(error, MemoryError)):
                raise
            if not run.has_checkpoint:
                run.discard()
            too_much = ", ".join((f"--num-envs {config.num_envs}", *learner.memory()))
            raise UserError(
                f"memory is too short for {config.num_envs} simulations ({why}); make one of these "
                f"smaller: {too_much}"
            ) from None


def _train_in(run: RunFolder, config: TrainConfig, origin: dict[str, Any]) -> int:
    if config.resume is not None:
        _check_unchanged(config, run)
        training = Training(config, run)
    else:
        RunFolder.create(run.path, config, origin)
        try:
            training = Training(config, run)
        except BaseException:
            run.discard()
            raise
    try:
        if config.resume is not None:  # only now: a damaged checkpoint must not change its run
            _record_resumption(config, run)
        finished = _train(training, config)
    except (OSError, UserError) as raised:
        error = raised if isinstance(raised, OSError) else raised.__cause__
        if not isinstance(error, OSError) or error.errno not in FULL:
            raise
        kept = "the last checkpoint is whole" if run.has_checkpoint else "nothing was saved yet"
        go_on = f"--resume {run.path}" if run.has_checkpoint else config.task.name
        raise UserError(
            f"{run.path}: {error.strerror}; {kept}: make room, then 'sim2edge train {go_on}'"
        ) from None
    finally:
        training.close()
    if not finished:
        print(
            f"stopped after {training.steps:,} of {config.steps:,} steps; go on with:\n"
            f"  sim2edge train --resume {run.path}"
        )
        return 0
    result = run.path
    if training.contract:
        result = run.path / POLICY
        write_file(result, export_run(run))
    print(f"trained {training.steps:,} steps in {training.seconds / 60:.1f} min: {result}")
    return 0


def _train(training: Training, config: TrainConfig) -> bool:
    """Iterates until done (True) or asked to stop (False); the state is saved either way."""
    end = time.monotonic() + 60 * config.minutes if config.minutes else float("inf")
    saved = time.monotonic()
    progress = TrainProgress(training.steps, config.steps)
    title = f"{config.task.name}, {config.algorithm}, seed {config.seed}"
    with interruptible(1, _STOPPING) as stop, make_display(title, training.run.path) as display:
        while training.steps < config.steps:
            try:
                means = training.iterate(stop.is_set)
            except StoppedError:
                training.save()
                break
            progress.take(training.steps, means)
            display.show(progress)
            last = training.steps >= config.steps or stop.is_set() or time.monotonic() > end
            if last or time.monotonic() - saved > config.checkpoint_seconds:
                training.save()
                saved = time.monotonic()
            if last:
                break
    return training.steps >= config.steps


def _new_folder(config: TrainConfig) -> Path:
    """Returns the folder of a new run; by default one that no other run has."""
    if config.run_dir is not None:
        return config.run_dir
    return new_folder(Path("runs") / config.task.name, time.strftime("%Y-%m-%d_%H-%M-%S"))


def _origin(config: TrainConfig) -> dict[str, Any]:
    """Returns what run.json holds of a new run."""
    origin = describe_origin()
    origin["commands"] = [*_commands_before(config), origin.pop("command")]
    return {"seed": config.seed, "threads": _threads(config), **origin}


def _threads(config: TrainConfig) -> dict[str, int]:
    return {"physics": config.threads or cores(), "learning": config.learning_threads}


def _commands_before(config: TrainConfig) -> list[str]:
    """Returns the command lines of what a run begins with."""
    initial = config.initial
    if initial is None:
        return []
    if config.begins_with_policy:
        return [Policy.load(initial).contract.provenance.command]
    commands: list[str] = RunFolder.open(initial).record.get("commands", [])
    return commands


def _check_unchanged(config: TrainConfig, run: RunFolder) -> None:
    stored = run.config
    for field in dataclasses.fields(TrainConfig):
        old, new = getattr(stored, field.name), getattr(config, field.name)
        if old != new and field.name not in MAY_CHANGE:
            raise UserError(
                f"{run.path} was started with another --{field.name.replace('_', '-')}; "
                "a resumed run keeps its settings, of which only --steps, --minutes, --threads and "
                "--checkpoint-seconds may change"
            )


def _record_resumption(config: TrainConfig, run: RunFolder) -> None:
    write_file(run.path / CONFIG, config_to_json(config))
    record = run.record
    if "threads" not in record:
        _LOG.warning(
            "%s does not say how many threads learned before; it goes on with %d, so that its last "
            "bits may differ from those of a run that never stopped",
            run.path / RECORD,
            config.learning_threads,
        )
    record["threads"] = _threads(config)
    record["commands"] = [*record.get("commands", []), describe_origin()["command"]]
    write_file(run.path / RECORD, json.dumps(record, indent=2) + "\n")


def _given(options: list[str], flag: str) -> str | None:
    """Returns what follows a flag on the command line; None without it."""
    for i, option in enumerate(options):
        if option == flag and i + 1 < len(options):
            return options[i + 1]
        if option.startswith(f"{flag}="):
            return option.partition("=")[2]
    return None
