"""What is appended is read again, in order and within the limit, and never as something else."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import UserError
from edge_runtime.experience.cipher import Cipher
from edge_runtime.experience.layout import Flag, Layout
from edge_runtime.experience.reader import ExperienceReader, segment_paths
from edge_runtime.experience.store import ExperienceStore
from edge_runtime.experience.wrapped_keys import KEYS_FILE, SLOT_SIZE
from tests.edge_runtime.experience.rows import KEY, LAYOUT, OTHER, SMALLEST, joined, rows_of


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 5), st.integers(0, 3)), max_size=3),
    blocks=st.lists(st.integers(0, 130), min_size=1, max_size=4),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_appended_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[tuple[int, int, int]],
    blocks: list[int],
    seed: int,
) -> None:
    """Holds for any layouts and any bits, those of NaN too."""
    folder, random = tmp_path_factory.mktemp("store"), np.random.default_rng(seed)
    written: dict[Layout, list[bytes]] = {}
    for number, (observation, action, parts) in enumerate(sizes):
        names = tuple(f"part {place}" for place in range(parts))
        layout = Layout(f"{number:064x}", "leg", observation, action + 1, names)
        with ExperienceStore(folder, KEY, layout) as store:
            for count in blocks:
                content = random.bytes(count * layout.dtype.itemsize)
                store.append(np.frombuffer(content, layout.dtype))
                written.setdefault(layout, []).append(content)
    for layout, contents in written.items():
        reader = ExperienceReader(folder, KEY)
        found = joined(reader.read(layout.policy), layout)
        assert found.tobytes() == b"".join(contents)
        assert reader.damage == []


def test_it_goes_on_in_a_new_segment_with_a_new_key(tmp_path: Path) -> None:
    for start in range(5):
        with ExperienceStore(tmp_path, KEY, LAYOUT) as store:
            store.append(rows_of(LAYOUT, 60 * start, 60))
    with ExperienceStore(tmp_path, KEY, LAYOUT) as store:
        assert np.array_equal(joined(store.read()), rows_of(LAYOUT, 0, 300))
    assert len(segment_paths(tmp_path)) == 5  # one that reads alone makes none


def test_experience_of_several_policies_is_kept_apart(tmp_path: Path) -> None:
    with ExperienceStore(tmp_path, KEY, OTHER) as store:
        store.append(rows_of(OTHER, 0, 30))
    with ExperienceStore(tmp_path, KEY, LAYOUT) as store:
        store.append(rows_of(LAYOUT, 100, 20))
        assert np.array_equal(joined(store.read()), rows_of(LAYOUT, 100, 20))
        assert np.array_equal(joined(store.read(OTHER.policy), OTHER), rows_of(OTHER, 0, 30))
        assert list(store.read("00" * 32)) == []


def test_rows_are_readable_while_they_are_written(tmp_path: Path) -> None:
    with ExperienceStore(tmp_path, KEY, LAYOUT) as store:
        reader = ExperienceReader(tmp_path, KEY)
        for count in range(1, 4):
            store.append(rows_of(LAYOUT, 10 * (count - 1), 10))
            assert len(joined(reader.read())) == 10 * count
            assert reader.damage == []


def test_the_oldest_rows_go_so_that_the_limit_holds(tmp_path: Path) -> None:
    """At each moment, with all files; the keys of what is removed go too."""
    limit = 2 * SMALLEST
    with ExperienceStore(tmp_path, KEY, LAYOUT, limit_bytes=limit) as store:
        for first in range(0, 4000, 40):
            store.append(rows_of(LAYOUT, first, 40))
            assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= limit
        found = joined(store.read())
        assert np.array_equal(found, rows_of(LAYOUT, 4000 - len(found), len(found)))
        assert len(found) * LAYOUT.dtype.itemsize > 0.6 * limit
        assert store.damage == []
    slots = (tmp_path / KEYS_FILE).stat().st_size / SLOT_SIZE
    assert slots <= len(segment_paths(tmp_path)) + 1


def test_a_file_that_is_missing_is_forgotten_with_those_of_its_time(tmp_path: Path) -> None:
    with ExperienceStore(tmp_path, KEY, LAYOUT, limit_bytes=SMALLEST) as store:
        for first in range(0, 400, 40):
            store.append(rows_of(LAYOUT, first, 40))
            if first == 120:
                list(segment_paths(tmp_path).values())[1].unlink()
                list(store.read())
                assert store.damage == ["segment 2 is missing"]
        list(store.read())
        assert store.damage == []


def test_many_starts_do_not_break_the_limit(tmp_path: Path) -> None:
    for first in range(40):
        with ExperienceStore(tmp_path, KEY, LAYOUT, limit_bytes=SMALLEST) as store:
            store.append(rows_of(LAYOUT, first, 1))
    assert len(segment_paths(tmp_path)) <= 8
    with ExperienceStore(tmp_path, KEY, LAYOUT, limit_bytes=SMALLEST) as store:
        assert joined(store.read())["number"][-1] == 39
        assert store.damage == []


def test_no_row_lies_there_in_the_clear(tmp_path: Path) -> None:
    rows = rows_of(LAYOUT, 0, 50)
    rows["observation"] = np.frombuffer(b"a secret that is here", np.uint8)[:3] * 1e-3
    with ExperienceStore(tmp_path, KEY, LAYOUT) as store:
        store.append(rows)
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert KEY not in content
    assert all(row["observation"].tobytes() not in content for row in rows)
    assert all(path.stat().st_mode & 0o77 == 0 for path in segment_paths(tmp_path).values())


def test_no_nonce_meets_a_key_twice_over_starts(tmp_path: Path) -> None:
    seen = set()
    for _ in range(6):
        with ExperienceStore(tmp_path, KEY, LAYOUT, limit_bytes=SMALLEST) as store:
            store.append(rows_of(LAYOUT, 0, 200))
        pairs = used(tmp_path)
        keys = {key for key, _ in pairs}
        assert len(pairs) > len(keys) == len(segment_paths(tmp_path)), "one key a segment"
        seen |= {(path.name, key) for path, key in keyed(tmp_path).items()}
    assert len({key for _, key in seen}) == len(seen), "no key for two segments"


def keyed(folder: Path) -> dict[Path, bytes]:
    """The data key of each segment, found by the format alone."""
    keys = (folder / KEYS_FILE).read_bytes()
    found = {}
    for number, path in segment_paths(folder).items():
        content = path.read_bytes()
        header = content[: 12 + int.from_bytes(content[8:12], "big")]
        for at in range(0, len(keys), SLOT_SIZE):
            slot = keys[at : at + SLOT_SIZE]
            if int.from_bytes(slot[:4], "big") == number:
                key = Cipher(KEY).open(slot[4:16], slot[16:], header)
                if key is not None:  # a power cut may leave a part of it
                    found[path] = key
    return found


def used(folder: Path) -> list[tuple[bytes, int]]:
    """All pairs of key and nonce of a store's records; none is there twice."""
    pairs = []
    for path, key in keyed(folder).items():
        content = path.read_bytes()
        at = 12 + int.from_bytes(content[8:12], "big")
        while at + 20 <= len(content):  # a power cut may leave a part
            number, size = struct.unpack(">QI", content[at + 8 : at + 20])
            pairs.append((key, number))
            at += 20 + size
    assert len(set(pairs)) == len(pairs)
    return pairs


def test_flags_and_parts_have_their_place(tmp_path: Path) -> None:
    rows = np.zeros(1, LAYOUT.dtype)
    rows["flags"], rows["reward"] = Flag.END | Flag.CORRECTED, [1.5, -2]
    with ExperienceStore(tmp_path, KEY, LAYOUT) as store:
        store.append(rows)
        (found,) = joined(store.read())
    assert Flag(int(found["flags"])) == Flag.END | Flag.CORRECTED
    assert found["reward"].tolist() == [1.5, -2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"policy": "AB" * 32}, "no SHA-256"),
        ({"observation": 0}, "an observation has 0 numbers"),
        ({"action": 10**6}, "an action has 1000000 numbers"),
        ({"reward": ("a", "a")}, "different names"),
    ],
)
def test_a_layout_that_cannot_be_is_refused(change: dict[str, object], message: str) -> None:
    fields = {"policy": "ab" * 32, "robot": "leg", "observation": 1, "action": 1, "reward": ()}
    with pytest.raises(UserError, match=message):
        Layout(**{**fields, **change})  # type: ignore[arg-type]
