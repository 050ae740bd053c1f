"""Files of blocks: whatever is torn or damaged is left out and said, the rest is read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import UserError
from edge_runtime.recording.block_file import BlockFile, is_block_file, read_blocks

PAYLOADS = [b"first", b"", bytes(range(256)) * 10, b"last"]


def written(path: Path, payloads: list[bytes], limit: int = 10**6) -> Path:
    file = BlockFile(path, limit)
    for kind, payload in enumerate(payloads):
        file.append(kind, payload)
    file.close()
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "new folder" / "a.blocks", PAYLOADS)
    blocks, damage = read_blocks(path)
    assert damage == []
    assert [(b.kind, b.number, b.payload) for b in blocks] == [
        (k, k, payload) for k, payload in enumerate(PAYLOADS)
    ]
    assert is_block_file(path)
    assert not is_block_file(Path(__file__))


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_torn_tail_is_cut_off_and_said(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Cut anywhere: all whole blocks before are read, and only a cut between two is not seen."""
    path = written(tmp_path_factory.mktemp("torn") / "a.blocks", PAYLOADS)
    content = path.read_bytes()
    ends = [content.find(b"\x93s2e blk", 1 + at) for at in range(len(content))]
    starts = sorted({0, *(e for e in ends if e > 0)})
    cut = data.draw(st.integers(1, len(content) - 1))
    path.write_bytes(content[:cut])
    blocks, damage = read_blocks(path)
    assert [b.payload for b in blocks] == PAYLOADS[: sum(s <= cut for s in starts) - 1]
    if cut in starts:
        assert damage == []
    else:
        assert len(damage) == 1
        assert "torn off" in damage[0]


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_loses_its_block_alone(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = written(tmp_path_factory.mktemp("bit") / "a.blocks", PAYLOADS)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    blocks, damage = read_blocks(path)
    left = [b.number for b in blocks]
    assert len(left) == 3
    assert all(b.payload == PAYLOADS[b.number] for b in blocks)
    (hit,) = {0, 1, 2, 3} - set(left)
    assert len(damage) == 1
    assert (
        f"block {hit - 1} are torn off" in damage[0] if hit == 3 else f"block {hit} is" in damage[0]
    )


def test_several_lost_blocks_are_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.blocks", [b"aaaa", b"bbbb", b"cccc", b"dddd"])
    path.write_bytes(path.read_bytes().replace(b"bbbb", b"----").replace(b"cccc", b"----"))
    blocks, damage = read_blocks(path)
    assert [b.payload for b in blocks] == [b"aaaa", b"dddd"]
    assert damage == ["blocks 1 to 2 are damaged (56 bytes); left out"]


def test_the_limit_is_kept(tmp_path: Path) -> None:
    file = BlockFile(tmp_path / "a.blocks", 110)
    file.append(0, bytes(60))
    with pytest.raises(OSError, match=r"its limit of 0\.00011 MB is reached"):
        file.append(0, bytes(60))
    file.append(0, b"")
    file.close()
    assert file.path.stat().st_size == file.size <= 110
    blocks, damage = read_blocks(file.path)
    assert [len(b.payload) for b in blocks] == [60, 0]
    assert damage == []


def test_the_file_before_is_kept(tmp_path: Path) -> None:
    path = written(tmp_path / "a.blocks", [b"old"])
    written(path, [b"new"])
    assert [b.payload for b in read_blocks(path)[0]] == [b"new"]
    assert [b.payload for b in read_blocks(tmp_path / "a.blocks~")[0]] == [b"old"]


def test_a_file_without_a_block_was_never_there(tmp_path: Path) -> None:
    path = written(tmp_path / "a.blocks", [b"old"])
    written(path, [])
    assert [b.payload for b in read_blocks(path)[0]] == [b"old"]
    assert os.listdir(tmp_path) == ["a.blocks"]


def test_what_cannot_be_written_or_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, said in (
        (tmp_path / "file" / "a.blocks", "Not a directory; name another"),
        (tmp_path / "file" / "folder" / "a.blocks", "Not a directory; name another"),
        (tmp_path, "is a folder; name a file in it"),
        (Path("/proc/a.blocks"), "name another"),
    ):
        with pytest.raises(UserError, match=said):
            BlockFile(path, 100)
    with pytest.raises(UserError, match="is empty"):
        read_blocks(tmp_path / "file")
    with pytest.raises(UserError, match="No such file"):
        read_blocks(tmp_path / "none")


FILL = """
import resource, sys
from pathlib import Path
from edge_runtime.recording.block_file import BlockFile
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
file = BlockFile(Path(sys.argv[1]), 10**6)
file.append(0, bytes(700))
try:
    file.append(1, bytes(700))
except OSError as error:
    print(error.strerror)
file.append(2, b"small")
file.close()
"""


def test_a_write_that_fails_half_way_leaves_no_half(tmp_path: Path) -> None:
    """The system takes 272 bytes of the second block, then refuses."""
    path = tmp_path / "a.blocks"
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "File too large\n"
    blocks, damage = read_blocks(path)
    assert [b.kind for b in blocks] == [0, 2]
    assert damage == []
