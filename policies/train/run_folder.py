"""Reads and writes the folder of a training run.

config.json     everything that was chosen
run.json        where it comes from: commit, seed, versions, hardware, command line
checkpoint.pt   all that is needed to go on, bit by bit
policy.onnx     the trained policy, once the training is over
events.out.*    TensorBoard
"""

import dataclasses
import fcntl
import io
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_runtime.config.config_file import from_json, to_json
from edge_runtime.config.document import read_table
from edge_runtime.errors import UserError
from edge_runtime.files import RUN_FILES, make_folder, write_file
from policies.train.algorithms import ALGORITHMS
from policies.train.config import TrainConfig
from sim.tasks import find_task

_LOG = logging.getLogger(__name__)
CONFIG, RECORD, CHECKPOINT = RUN_FILES
POLICY = "policy.onnx"
FORMAT = 2
KEYS = {"parameters", "counters", "last", "contract", "prior", "action_limit", "train_seconds"}
"""What a checkpoint holds at least, beside what its algorithm needs to go on."""


@dataclass(frozen=True)
class Origin:
    """Says where a run comes from; all of it is also the origin of its policy."""

    seed: int = 0
    commit: str = "unknown"
    commands: tuple[str, ...] = ()
    hardware: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


class RunFolder:
    """Reads and writes a run on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._events_before = self._events()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes from training in this folder, which is made where it is missing.

        Raises:
            UserError: another process trains in it, or it cannot be written.
        """
        make_folder(self.path)
        folder = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(folder)
            raise UserError(
                f"another process trains in {self.path}; wait for its end, or give another "
                "--run-dir"
            ) from None
        except OSError:
            _LOG.warning("%s lies on a disk without locks; let one process train in it", self.path)
        try:
            yield
        finally:
            os.close(folder)

    @classmethod
    def create(cls, path: Path, config: TrainConfig, record: dict[str, Any]) -> "RunFolder":
        """Starts a run; one that has saved nothing yet is started anew.

        Raises:
            UserError: there is one already, or the folder cannot be written.
        """
        run = cls(path)
        if run.has_checkpoint:
            raise UserError(run._taken(config))
        if strangers := run._strangers():
            raise UserError(
                f"{path} holds {' and '.join(strangers)} of something else; give another --run-dir"
            )
        write_file(path / CONFIG, config_to_json(config))
        write_file(path / RECORD, json.dumps(record, indent=2) + "\n")
        return run

    def _taken(self, config: TrainConfig) -> str:
        """Says which run is here already, and how to go on with it if it is the one asked for."""
        try:
            held = self.config
        except UserError:
            return f"{self.path} holds a run already; give another --run-dir"
        wanted, there = (f"{c.task.name}, {c.algorithm}, seed {c.seed}" for c in (config, held))
        if wanted != there:
            return f"{self.path} holds another run ({there}); give another --run-dir"
        return (
            f"{self.path} holds a run already; continue it with "
            f"'sim2edge train --resume {self.path}', or give another --run-dir"
        )

    def _events(self) -> frozenset[Path]:
        """Returns TensorBoard's files in the folder; none where it cannot be looked into."""
        try:
            return frozenset(self.path.glob("events.out.*"))
        except OSError:
            return frozenset()

    def _strangers(self) -> list[str]:
        """Returns the names of files that a run would replace, and that none has left here."""
        found = [POLICY] if (self.path / POLICY).exists() else []
        for name, read in ((CONFIG, lambda: self.config), (RECORD, lambda: self.record)):
            try:
                if (self.path / name).exists():
                    read()
            except UserError:
                found.append(name)
        return found

    def discard(self) -> None:
        """Removes a run that has saved nothing; what else is in its folder stays."""
        for path in (
            self.path / CONFIG,
            self.path / RECORD,
            *(self._events() - self._events_before),
        ):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Opens an existing run.

        Raises:
            UserError: it is not one.
        """
        if not (path / CONFIG).is_file():
            what = "is not a run folder" if path.exists() else "does not exist"
            raise UserError(f"{path} {what} (no {CONFIG}); 'sim2edge train TASK' makes one")
        return cls(path)

    @property
    def config(self) -> TrainConfig:
        """Returns the config that was chosen for this run.

        Raises:
            UserError: the file is damaged or from another version.
        """
        path = self.path / CONFIG
        return config_from_document(read_table(path, "config"), str(path))

    @property
    def has_checkpoint(self) -> bool:
        """Returns whether something was saved already."""
        return (self.path / CHECKPOINT).is_file()

    @property
    def record(self) -> dict[str, Any]:
        """Returns the origin of the run; empty if the file is lost.

        Raises:
            UserError: the file is damaged.
        """
        path = self.path / RECORD
        if not path.exists():
            return {}
        try:
            record = read_table(path, "the run's origin in")
            known = {of.name for of in dataclasses.fields(Origin)}
            from_json(Origin, {k: v for k, v in record.items() if k in known}, str(path))
        except UserError as error:
            reason = str(error).partition(";")[0]
            raise UserError(f"{reason}; restore it from a copy, or delete it") from None
        return record

    def save(self, checkpoint: dict[str, Any]) -> None:
        """Replaces the checkpoint in one go; on failure the previous one is still there."""
        content = io.BytesIO()
        torch.save({"format": FORMAT, **_to_tensors(checkpoint)}, content)
        write_file(self.path / CHECKPOINT, content.getvalue())

    def load(self) -> dict[str, Any]:
        """Loads the checkpoint; see `load_checkpoint`."""
        return load_checkpoint(self.path / CHECKPOINT)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Reports what a reader of the checkpoint stumbles over within this block.

        Raises:
            UserError: something in it is missing, or of another kind or shape.
        """
        try:
            yield
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
            raise _damaged(self.path / CHECKPOINT) from None


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Loads a checkpoint, its tensors as numpy arrays.

    Raises:
        UserError: there is none, or it is damaged.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist; the run has saved nothing yet, start it anew")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        checkpoint = None
    if not isinstance(checkpoint, dict) or checkpoint.pop("format", None) != FORMAT:
        raise _damaged(path)
    if not checkpoint.keys() >= KEYS:
        raise _damaged(path)
    loaded: dict[str, Any] = _to_arrays(checkpoint)
    return loaded


def _damaged(path: Path) -> UserError:
    return UserError(
        f"{path} is damaged or not a checkpoint of this version; restore it from a copy, "
        "or train anew"
    )


def config_to_json(config: TrainConfig) -> str:
    """Returns the text of config.json."""
    fields = to_json(config)
    fields.pop("resume")
    fields["task"] = {"name": config.task.name, **fields["task"]}
    return json.dumps(fields, indent=2) + "\n"


def task_name(document: Mapping[str, Any], where: str) -> str:
    """Returns the name of the task in what a config.json holds.

    Raises:
        UserError: there is none.
    """
    task = document.get("task")
    name = task.get("name") if isinstance(task, dict) else None
    if not isinstance(name, str):
        raise UserError(f"{where} is not a training's config: it has no task with a name")
    return name


def config_from_document(
    document: Mapping[str, Any], where: str, base: TrainConfig | None = None
) -> TrainConfig:
    """Returns the config that a config.json holds.

    Args:
        document: what the file holds.
        where: the file, for the error message.
        base: what holds for what the document leaves out; by default the defaults.

    Raises:
        UserError: it does not fit this version.
    """
    base = base or TrainConfig(task=find_task(task_name(document, where)))
    task = document.get("task", {})
    if not isinstance(task, dict):
        raise UserError(f"{where}: task: expected fields, found {repr(task)[:80]}")
    task = dict(task)
    name = task.pop("name", base.task.name)
    if name != base.task.name:
        raise UserError(f"{where} is of a training of {str(name)[:80]}, not of {base.task.name}")
    others = {key: value for key, value in document.items() if key != "settings"}
    config = from_json(TrainConfig, {**others, "task": task}, where, base)
    if "settings" not in document:
        return config
    settings = document["settings"]
    if settings is None:
        return dataclasses.replace(config, settings=None)
    algorithm = ALGORITHMS.find(config.algorithm)
    if algorithm.settings is None:
        raise UserError(
            f"{where}: settings: algorithm '{config.algorithm}' has none; leave them out"
        )
    config = dataclasses.replace(config, settings=algorithm.settings)
    return from_json(TrainConfig, {"settings": settings}, where, config)


def _to_tensors(tree: Any) -> Any:
    """Returns numpy arrays as tensors, which can be loaded without running any code from the
    file."""
    if isinstance(tree, dict):
        return {key: _to_tensors(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(_to_tensors(value) for value in tree)
    if isinstance(tree, (np.ndarray, np.generic)):
        return torch.from_numpy(np.array(tree))
    return tree


def _to_arrays(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _to_arrays(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(_to_arrays(value) for value in tree)
    return tree.numpy() if isinstance(tree, torch.Tensor) else tree
