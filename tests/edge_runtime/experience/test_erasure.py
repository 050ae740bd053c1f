"""What was erased cannot be opened any more, not even with copies of its files."""

import shutil
from pathlib import Path

import pytest

from edge_runtime.errors import UserError
from edge_runtime.experience import wrapped_keys
from edge_runtime.experience.erasure import erase
from edge_runtime.experience.identity import IDENTITY_FILE
from edge_runtime.experience.reader import ExperienceReader
from edge_runtime.experience.store import ExperienceStore
from edge_runtime.experience.wrapped_keys import KEYS_FILE, WrappedKeys
from edge_runtime.keys.key_file import new_key
from sim2edge.__main__ import main
from tests.edge_runtime.experience.rows import KEY, LAYOUT, joined, rows_of


def filled(folder: Path) -> Path:
    for first in (0, 20, 40):
        with ExperienceStore(folder, KEY, LAYOUT) as store:
            store.append(rows_of(LAYOUT, first, 20))
    return folder


def test_an_erased_store_is_gone_and_begins_anew(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    done = erase(folder, KEY)
    assert (done.keys, done.segments, done.opened_before, done.opened_after) == (3, 3, 3, 0)
    assert [path.name for path in folder.iterdir()] == ["lock"]
    with ExperienceStore(folder, new_key(), LAYOUT) as store:  # of another key
        assert list(store.read()) == []
        store.append(rows_of(LAYOUT, 0, 5))
        assert len(joined(store.read())) == 5


def test_the_store_that_is_written_can_be_erased(tmp_path: Path) -> None:
    with ExperienceStore(filled(tmp_path), KEY, LAYOUT) as store:
        store.append(rows_of(LAYOUT, 60, 20))
        assert store.erase().keys == 4
        store.append(rows_of(LAYOUT, 80, 20))
        assert joined(store.read())["number"].tolist() == list(range(80, 100))
        assert store.damage == []


def test_copies_of_segments_are_of_no_use_afterwards(tmp_path: Path) -> None:
    """The keys were overwritten in their place on the disk, which another name still shows."""
    folder, copy = filled(tmp_path / "store"), tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / KEYS_FILE).unlink()
    (copy / KEYS_FILE).hardlink_to(folder / KEYS_FILE)
    assert len(joined(ExperienceReader(copy, KEY).read())) == 60
    erase(folder)
    assert set((copy / KEYS_FILE).read_bytes()) == {0}
    reader = ExperienceReader(copy, KEY)
    assert list(reader.read()) == []
    assert reader.damage == [f"segment {number}: its key was destroyed" for number in (1, 2, 3)]


def test_an_interrupted_erasure_is_finished_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = filled(tmp_path)

    def cut(_path: object, **_options: bool) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(WrappedKeys, "size", cut)  # before a key is overwritten
        with pytest.raises(KeyboardInterrupt):
            erase(folder, KEY)
    assert len(joined(ExperienceReader(folder, KEY).read())) == 60
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", cut)  # after that, before a file is removed
        with pytest.raises(KeyboardInterrupt):
            erase(folder, KEY)
    assert list(ExperienceReader(folder, KEY).read()) == []
    done = erase(folder, KEY)
    assert (done.keys, done.segments, done.opened_before) == (0, 3, 0)


def test_a_disk_that_keeps_the_keys_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = filled(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(wrapped_keys.os, "pwrite", lambda _file, content, _at: len(content))
        with pytest.raises(UserError, match="still holds keys after it was overwritten"):
            erase(folder, KEY)
    assert len(joined(ExperienceReader(folder, KEY).read())) == 60


def test_only_a_store_is_erased_and_not_while_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(UserError, match="is no experience store; nothing was erased"):
        erase(tmp_path)
    assert (tmp_path / "mine").exists()
    with ExperienceStore(tmp_path / "store", KEY, LAYOUT) as store:
        store.append(rows_of(LAYOUT, 0, 5))
        with pytest.raises(UserError, match="another process writes"):
            erase(tmp_path / "store")
        assert len(joined(store.read())) == 5
    with pytest.raises(UserError, match="the key is not that of"):
        erase(tmp_path / "store", new_key())


def test_a_store_that_lost_its_identity_can_be_erased(tmp_path: Path) -> None:
    (filled(tmp_path) / IDENTITY_FILE).unlink()
    with pytest.raises(UserError, match="is no experience store"):
        ExperienceStore(tmp_path, KEY, LAYOUT)
    assert erase(tmp_path).keys == 3


def test_the_command_makes_a_key_shows_and_erases(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, folder = tmp_path / "store.key", tmp_path / "store"

    def said(*words: object, code: int = 0) -> str:
        assert main(["experience", *map(str, words)]) == code
        out = capsys.readouterr()
        return out.out if code != 2 else out.err

    said("new", key)
    assert key.stat().st_mode & 0o777 == 0o600
    assert "exists" in said("new", key, code=2)
    with ExperienceStore(folder, bytes.fromhex(key.read_text()), LAYOUT) as store:
        store.append(rows_of(LAYOUT, 0, 100))
    shown = said("show", folder, "--key", key)
    assert "100 rows in 1 segments, of robot leg\n" in shown
    assert f"policy {'ab' * 6} on leg: 100 rows (2 s) in 1 segments, 50 ends" in shown
    assert "the key is missing" in said("show", folder, code=2)
    assert "add --yes" in said("erase", folder, "--key", key, code=2)
    proof = said("erase", folder, "--key", key, "--yes")
    assert "1 keys were overwritten, and read again from the disk as zeros" in proof
    assert "of 1 segments the master key opened 1 before, and 0 after that" in proof
    assert "no experience store" in said("show", folder, "--key", key, code=2)


def test_the_command_says_what_is_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, key = filled(tmp_path / "store"), tmp_path / "k"
    key.write_text(KEY.hex())
    key.chmod(0o600)
    (folder / "experience-0000000002").unlink()
    assert main(["experience", "show", str(folder), "--key", str(key)]) == 1
    assert "DAMAGED: segment 2 is missing" in capsys.readouterr().out
