"""Every command on everything that may have happened to a run's folder."""

import fcntl
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from edge_runtime.errors import UserError
from edge_runtime.files import new_folder
from policies.commands import train
from policies.train.recipes import recipe
from policies.train.run_folder import (
    CHECKPOINT,
    CONFIG,
    RECORD,
    RunFolder,
    config_from_document,
    config_to_json,
)
from sim.envs import memory
from sim2edge.__main__ import main as sim2edge
from tests.policies.conftest import short

COMMANDS = (
    ("train", "--resume", "RUN"),
    ("train", "HumanoidVelocity", "--initial", "RUN"),
    ("export", "RUN"),
    ("eval", "RUN", "--episodes", "1"),
    ("render", "RUN"),
)
TEXTS: Mapping[str, bytes] = {
    "empty": b"",
    "zeros": bytes(1000),
    "list": b"[]",
    "nothing": b"null",
    "word": b'"run"',
    "latin-1": '{"hardware": "Prozessor mit 3 GHz und é"}'.encode("latin-1"),
    "deep": b'{"commands": ' + b"[" * 100_000,
    "twice": b'{"seed": 1, "seed": 2}',
}
CONFIGS = TEXTS | {
    "algorithm": b'{"task": {"name": "VehicleTrack"}, "algorithm": 5, "settings": {}}',
    "algorithms": b'{"task": {"name": "VehicleTrack"}, "algorithm": [], "settings": {}}',
    "settings": b'{"task": {"name": "VehicleTrack"}, "settings": 5}',
    "seed": b'{"task": {"name": "VehicleTrack"}, "seed": "three"}',
    "task": b'{"task": 5}',
    "task's name": b'{"task": {"name": []}}',
}
ORIGINS = TEXTS | {
    "seed": b'{"seed": "three"}',
    "commands": b'{"commands": "sim2edge train"}',
    "versions": b'{"versions": {"numpy": 2}}',
    "commit": b'{"commit": ["x"]}',
}


def damaged(trained: Path, folder: Path, **files: bytes | None) -> Path:
    run = folder / "run"
    run.mkdir()
    for name in (CONFIG, RECORD, CHECKPOINT):
        shutil.copy(trained / name, run)
    for name, content in files.items():
        path = run / {"config": CONFIG, "record": RECORD, "checkpoint": CHECKPOINT}[name]
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    return run


def one_line(capsys: pytest.CaptureFixture[str], run: Path, command: tuple[str, ...]) -> str:
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert sim2edge([word.replace("RUN", str(run)) for word in command]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and len(said) < 500, said
    assert before == {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    return said


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("damage", CONFIGS)
@pytest.mark.parametrize(
    "command",
    [*COMMANDS, ("train", "--config", f"RUN/{CONFIG}")],
    ids=lambda words: words[0] + words[1],
)
def test_a_damaged_config(
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
    damage: str,
) -> None:
    run = damaged(trained, tmp_path, config=CONFIGS[damage])
    assert CONFIG in one_line(capsys, run, command)


def places(fields: dict[str, Any], *above: str) -> Iterator[tuple[str, ...]]:
    for key, value in fields.items():
        yield *above, key
        if isinstance(value, dict):
            yield from places(value, *above, key)


STRANGE = [5, -1, 1.5, "x" * 1000, [], [5], {}, {"name": 5}, {"value": 5, "unit": 5}, None, 10**30]


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("others", [{}, {"settings": {}}, {"settings": 5}], ids=str)
def test_any_value_in_a_config_is_read_or_refused(value: Any, others: dict[str, Any]) -> None:
    text = config_to_json(recipe("VehicleTrack"))
    for *above, last in places(json.loads(text)):
        document = json.loads(text) | others
        inner = document
        for key in above:
            inner = inner[key]
        inner[last] = value
        said = ""
        try:
            config_from_document(document, "config.json")
        except UserError as error:
            said = str(error)
        assert len(said) < 500


@pytest.mark.parametrize("damage", ORIGINS)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0] + words[1])
def test_a_damaged_origin(
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
    damage: str,
) -> None:
    run = damaged(trained, tmp_path, record=ORIGINS[damage])
    if command[:2] == ("train", "--resume"):
        with pytest.raises(UserError, match=RECORD):
            _ = RunFolder(run).record
        return
    said = one_line(capsys, run, command)
    assert RECORD in said and "restore it from a copy, or delete it" in said


def test_a_byte_order_mark_is_no_damage_and_a_lost_origin_none(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marked = b"\xef\xbb\xbf" + (trained / CONFIG).read_bytes()
    run = damaged(trained, tmp_path, config=marked, record=None)
    assert sim2edge(["export", str(run), "-o", "policy.onnx"]) == 0
    assert "policy.onnx: HumanoidVelocity" in capsys.readouterr().out


def without(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda state: state.pop(key)


CHECKPOINTS: Mapping[str, Callable[[dict[str, Any]], object]] = {
    "only the format": lambda state: [state.pop(key) for key in set(state) - {"format"}],
    "no policy": lambda state: state["parameters"].pop("policy"),
    "a word": lambda state: state.update(parameters="x"),
    "no steps": lambda state: state["counters"].clear(),
    "no observations": lambda state: state.update(last={}),
    "no contract": without("contract"),
    "no scale": without("action_limit"),
    "time": lambda state: state.update(train_seconds="x"),
}


@pytest.mark.parametrize("damage", CHECKPOINTS)
@pytest.mark.parametrize("command", [COMMANDS[0], COMMANDS[2]], ids=["resume", "export"])
def test_a_checkpoint_that_lacks_something(
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
    damage: str,
) -> None:
    run = damaged(trained, tmp_path)
    state = torch.load(run / CHECKPOINT, weights_only=True)
    CHECKPOINTS[damage](state)
    torch.save(state, run / CHECKPOINT)
    said = one_line(capsys, run, command)
    assert f"{CHECKPOINT} is damaged or not a checkpoint of this version" in said


class TestOneRunOneProcess:
    def test_default_folders_are_new_each_time(self, tmp_path: Path) -> None:
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            asked = [(tmp_path / "runs", "2026-01-01_00-00-00")] * 20
            made = pool.starmap(new_folder, asked)
        assert len(set(made)) == 20
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match="cannot write"):
            new_folder(tmp_path / "file", "x")

    def test_a_run_in_progress_is_left_alone(
        self, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = damaged(trained, tmp_path)
        other = os.open(run, os.O_RDONLY)
        fcntl.flock(other, fcntl.LOCK_EX)
        for command in (
            ("train", "--resume", "RUN"),
            ("train", "HumanoidVelocity", "--run-dir", "RUN"),
        ):
            said = one_line(capsys, run, command)
            assert "another process trains in" in said and "--resume" not in said
        assert sim2edge(["export", str(run), "-o", "policy.onnx"]) == 0  # reading is free
        os.close(other)
        with RunFolder(run).locked():
            pass

    @pytest.mark.parametrize(("seed", "resumes"), [(0, True), (7, False)])
    def test_a_strangers_run_is_not_to_be_continued(
        self,
        trained: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        seed: int,
        resumes: bool,
    ) -> None:
        run = damaged(trained, tmp_path)
        stored = json.loads((run / CONFIG).read_text())
        stored["seed"] = 0
        (run / CONFIG).write_text(json.dumps(stored))
        words = ("train", "HumanoidVelocity", "--run-dir", "RUN", "--seed", str(seed))
        assert ("--resume" in one_line(capsys, run, words)) is resumes

    def test_what_saved_nothing_starts_anew_and_what_could_not_start_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = tmp_path / "run"
        RunFolder.create(run, short(run), {})
        train.main(short(run))
        assert RunFolder(run).has_checkpoint

        torchs = "[enforce fail] err == 0. DefaultCPUAllocator: Unable to allocate 9 GiB"
        for error in (MemoryError("Unable to allocate 9 GiB"), RuntimeError(torchs)):
            monkeypatch.setattr(train, "Training", Mock(side_effect=error))
            with pytest.raises(UserError, match=r"short for 8 simulations \(Unable to.*horizon"):
                train.main(short(tmp_path / "none"))
            assert not (tmp_path / "none").exists()
        monkeypatch.setattr(train, "Training", Mock(side_effect=RuntimeError("another fault")))
        with pytest.raises(RuntimeError, match="another fault"):
            train.main(short(tmp_path / "none"))

    @pytest.mark.parametrize(
        ("more", "largest"),
        [
            ("--num-envs 9000000", ""),
            ("--ppo.horizon 1000000000000", " times --num-envs 256"),
            ("--ppo.actor-layers 1000000 1000000", ""),
            ("--ppo.critic-layers 1000000 1000000", ""),
            ("--algorithm sac --sac.buffer-size 1000000000000", ""),
            ("--algorithm tqc --sac.batch 1000000000000", ""),
            ("--algorithm sac --sac.actor-layers 1000000 1000000", ""),
            ("--algorithm sac --sac.critic-layers 1000000 1000000", ""),
        ],
    )
    def test_more_than_memory_holds_is_refused_by_its_option(
        self,
        more: str,
        largest: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(train, "Training", Mock(side_effect=AssertionError("it was begun")))
        run = tmp_path / "run"
        assert sim2edge(["train", "VehicleTrack", "--run-dir", str(run), *more.split()]) == 2
        said = capsys.readouterr().err
        option = more[more.rindex("--") :] + largest
        assert f"{option} takes" in said and said.count("\n") == 1
        assert not run.exists()

    def test_a_buffer_for_the_tasks_own_observations_has_to_fit(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(memory, "free_memory", lambda: 3 * 10**9)
        words = ["train", "HumanoidVelocity", "--run-dir", str(tmp_path / "run")]
        words += ["--num-envs", "2", "--algorithm", "sac", "--sac.buffer-size", "10000000"]
        assert sim2edge(words) == 2  # 6 numbers of each transition would fit
        assert "--sac.buffer-size 10000000 takes" in capsys.readouterr().err
        assert not (tmp_path / "run").exists()
