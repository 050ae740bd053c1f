"""Files that a user writes or a disk damages: each is read, or refused in one line."""

import codecs
import json
import os
import re
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.config.document import DEEPEST, parse_table, read_table
from edge_runtime.errors import UserError

TABLE = {"name": "Żółw", "count": 3}
TEXT = json.dumps(TABLE, ensure_ascii=False)


@pytest.mark.parametrize("mark", ["", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ending", [".json", ".toml"])
def test_editors_of_all_systems_are_understood(tmp_path: Path, mark: str, ending: str) -> None:
    if ending == ".toml" and sys.version_info < (3, 11):
        pytest.skip("TOML needs Python 3.11")
    text = TEXT if ending == ".json" else 'name = "Żółw"\r\ncount = 3\r\n'
    (tmp_path / f"x{ending}").write_bytes(text.encode(mark or "utf-8"))
    assert read_table(tmp_path / f"x{ending}", "config") == TABLE


DAMAGED: dict[str, tuple[bytes, str]] = {
    "not UTF-8": ('{"a": "é"}'.encode("latin-1"), "is not UTF-8 text; restore it from a copy"),
    "half a mark": (codecs.BOM_UTF16_LE + b"{", "is not UTF-8 text"),
    "empty": (b"", "cannot be read"),
    "zeros": (bytes(100), "cannot be read"),
    "cut": (TEXT.encode()[:-3], "cannot be read"),
    "list": (b"[]", "must hold values by name, not list"),
    "nothing": (b"null", "must hold values by name, not NoneType"),
    "number": (b"5", "must hold values by name, not int"),
    "deep lists": (b'{"a":' + b"[" * 100_000, "is nested more than 40 deep"),
    "deep objects": (b'{"a":' * 100_000, "is nested more than 40 deep"),
    "deep and closed": (
        b'{"a":' + b"[" * DEEPEST + b"]" * DEEPEST + b"}",
        "is nested more than 40 deep",
    ),
    "twice": (b'{"a": 1, "b": 2, "a": 3}', "'a' is there twice"),
    "digits": (b'{"a": ' + b"1" * 10_000 + b"}", "a number has 10000 digits"),
}


@pytest.mark.parametrize("ending", [".json", ".toml"])
@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_one_line(tmp_path: Path, name: str, ending: str) -> None:
    content, said = DAMAGED[name]
    path = tmp_path / f"x{ending}"
    path.write_bytes(content)
    if ending == ".toml":
        said = said if "UTF-8" in said else "config"
        if name == "empty":
            assert read_table(path, "config") == {}
            return
    with pytest.raises(UserError, match=re.escape(said)) as error:
        read_table(path, "config")
    assert "\n" not in str(error.value) or ending == ".toml"
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("what", ["missing", "folder", "pipe", "huge"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, what: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(UserError, match=what):
        read_table(tmp_path / what, "config")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), values))
def test_what_is_written_is_read(table: dict[str, object]) -> None:
    text = json.dumps(table)
    assert json.dumps(parse_table(text, "it")) == text


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for toml in (False, sys.version_info >= (3, 11)):
        with suppress(UserError):
            parse_table(text, "it", toml=toml)
