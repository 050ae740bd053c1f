"""Files appear whole, or not at all."""

from pathlib import Path

import pytest

from edge_runtime.errors import UserError
from edge_runtime.files import write_file


def test_writes_into_new_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    write_file(path, "first")
    write_file(path, b"second")
    assert path.read_text() == "second"
    assert [p.name for p in path.parent.iterdir()] == ["b.txt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_one_line_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.json"
    write_file(path, "kept")
    monkeypatch.setattr("os.getpid", lambda: 7)
    (tmp_path / ".report.json.7").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"cannot write .*report\.json: No space left on device"):
        write_file(path, "x" * 100_000)
    assert path.read_text() == "kept"
