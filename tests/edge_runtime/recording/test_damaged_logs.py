"""What is wrong with a log is said, and the rest of it is read."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from edge_runtime.errors import UserError
from edge_runtime.recording.block_file import BlockFile
from edge_runtime.replay import fuse
from edge_runtime.replay.fuse import FuseConfig
from edge_runtime.replay.readers.robot_run import read_run
from tests.edge_runtime.recording.logged import Logged, ticks


def test_a_damaged_block_is_named_and_the_rest_replayed(
    logged: Logged, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop, _, log = logged
    ticks(loop, log, 20)
    log.close()
    content = bytearray(path.read_bytes())
    content[-2000] ^= 1
    path.write_bytes(content)
    assert fuse.main(FuseConfig(path, out=path.parent, picture=False)) == 0
    said = capsys.readouterr().out
    assert "are damaged" in said or "is damaged" in said
    assert "1 ticks are missing" in said
    assert "19 readings" in said


def test_a_torn_tail_is_cut_off_and_said(
    logged: Logged, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop, _, log = logged
    ticks(loop, log, 20)
    log.close()
    path.write_bytes(path.read_bytes()[:-400])
    assert fuse.main(FuseConfig(path, out=path.parent, picture=False)) == 0
    said = capsys.readouterr().out
    assert "torn off" in said
    assert "was cut off: the last moments are missing" in said
    assert "as in the loop, to the bit" in said


def test_what_is_no_log_is_one_line(logged: Logged, path: Path) -> None:
    loop, _, log = logged
    with pytest.raises(UserError, match="holds no sample"):
        read_run(path)
    loop.tick()
    log.close()
    content = path.read_bytes()
    path.write_bytes(content.replace(b"sim2edge run log 1", b"sim2edge run log 2"))
    with pytest.raises(UserError, match="without its header"):
        read_run(path)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="is empty"):
        read_run(path)
    with pytest.raises(UserError, match="cannot read"):
        read_run(path.with_name("none.s2elog"))


def test_a_log_of_another_version_says_so(tmp_path: Path) -> None:
    with closing(BlockFile(tmp_path / "a.s2elog", 1000)) as file:
        file.append(0, json.dumps({"format": "sim2edge run log 9"}).encode())
    with pytest.raises(UserError, match="is a 'sim2edge run log 9', this reads a"):
        read_run(file.path)


@pytest.mark.parametrize("header", ["[" * 100_000, '{"a": ' * 100_000, "[]", "{", '"' * 3])
def test_a_header_that_is_none_is_one_line(tmp_path: Path, header: str) -> None:
    with closing(BlockFile(tmp_path / "a.s2elog", 1_000_000)) as file:
        file.append(0, header.encode())
    with pytest.raises(UserError) as error:
        read_run(file.path)
    assert str(file.path) in str(error.value) and "\n" not in str(error.value)
