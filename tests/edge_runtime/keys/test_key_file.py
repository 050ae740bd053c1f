"""A key's file is its owner's alone."""

import os
from pathlib import Path

import pytest

from edge_runtime.errors import UserError
from edge_runtime.keys.key_file import check_private, new_key, read_key, write_key


def test_a_key_is_read_as_it_was_written_and_never_replaced(tmp_path: Path) -> None:
    path, key = tmp_path / "k", new_key()
    write_key(path, key)
    check_private(path)
    assert read_key(path, "a test", "x") == key
    with pytest.raises(UserError, match="exists"):
        write_key(path, new_key())
    assert read_key(path, "a test", "x") == key


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_key_that_others_may_reach_is_refused(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "k"
    write_key(path, new_key())
    path.chmod(mode)
    with pytest.raises(UserError, match=f"mode {mode:04o}.*chmod 600"):
        check_private(path)


@pytest.mark.parametrize("content", [b"", b"00" * 31, b"00" * 33, b"zz" * 32, b"\xff" * 64])
def test_what_is_no_key_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(content)
    with pytest.raises(UserError, match="no key of a test; 'make one' writes one"):
        read_key(tmp_path / "k", "a test", "make one")


def test_a_key_may_come_through_a_pipe() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"ab" * 32)
    os.close(writing)
    path = Path(f"/dev/fd/{reading}")
    check_private(path)
    assert read_key(path, "a test", "x") == b"\xab" * 32
    os.close(reading)
