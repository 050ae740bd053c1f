"""Tampers with a store of experience, and counts what is found, and what is read all the same."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from figures import Figure
from power_cut.experience import KEY, LAYOUT, LIMIT, rows_of

from edge_runtime.errors import UserError
from edge_runtime.experience.layout import Rows
from edge_runtime.experience.reader import ExperienceReader, segment_paths
from edge_runtime.experience.segment import OVERHEAD
from edge_runtime.experience.store import ExperienceStore

_BLOCK = 10  # rows of a record
_SEGMENTS, _RECORDS = 3, 4
_RECORD = OVERHEAD + _BLOCK * LAYOUT.dtype.itemsize  # bytes
_END = OVERHEAD  # bytes of the record that closes a segment
Change = Callable[[dict[int, bytes], int, int, bytes], None]


def tampered_experience(folder: Path, flips: int) -> list[Figure]:
    """Changes a store in every way that needs no key; no altered row may be read."""
    rng = random.Random(2)
    _write(folder / "store")
    _write(folder / "other")
    foreign = segment_paths(folder / "other")[1].read_bytes()
    paths = segment_paths(folder / "store")
    sound = {number: path.read_bytes() for number, path in paths.items()}
    ways = found = wrong = 0
    for change in (_altered, _cut_out, _swapped, _replayed, _put_in, _moved):
        for segment in sound:
            for place in range(_RECORDS - 1):
                content = dict(sound)
                change(content, segment, place, foreign)
                for number, path in paths.items():
                    path.write_bytes(content[number])
                damage, is_wrong = _read(folder / "store")
                ways, found, wrong = ways + 1, found + damage, wrong + is_wrong
    bits = 0
    for _ in range(flips):
        for number, path in paths.items():
            path.write_bytes(sound[number])
        number = rng.choice(list(sound))
        flipped = bytearray(sound[number])
        flipped[rng.randrange(len(flipped) - _RECORD - _END)] ^= 1 << rng.randrange(8)
        paths[number].write_bytes(flipped)
        damage, is_wrong = _read(folder / "store")
        bits, wrong = bits + damage, wrong + is_wrong
    shutil.rmtree(folder)
    return [
        Figure(
            f"{ways} records of experience changed, cut out, swapped, replayed, foreign or moved: "
            "found and named",
            100 * found / ways,
            "%",
            100,
        ),
        Figure(
            f"{flips} random bits flipped in experience: found and named",
            100 * bits / flips,
            "%",
            100,
            "but in its last record, which may be a power cut's",
        ),
        Figure("altered rows that were read", wrong, "stores", 0, at_least=False),
    ]


def _write(folder: Path) -> None:
    """Writes a store of some segments with some records each."""
    first = 0
    for _ in range(_SEGMENTS):  # each start begins a segment
        with ExperienceStore(folder, KEY, LAYOUT, LIMIT) as store:
            for _ in range(_RECORDS):
                store.append(rows_of(first, _BLOCK))
                first += _BLOCK


def _read(folder: Path) -> tuple[bool, bool]:
    """Returns whether something was found, and whether a row was read that nobody wrote."""
    try:
        reader = ExperienceReader(folder, KEY)
        rows: list[Rows] = list(reader.read())
    except UserError:
        return True, False
    joined = np.concatenate([np.zeros(0, LAYOUT.dtype), *rows])
    authentic = all(np.array_equal(rows_of(int(r["number"]), 1)[0], r) for r in joined)
    in_order = bool(np.all(np.diff(joined["number"]) > 0))
    return bool(reader.damage), not (authentic and in_order)


def _parts(content: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Splits a segment into its header, its records, and the one that closes it."""
    start = len(content) - _END - _RECORDS * _RECORD
    records = [content[start + n * _RECORD :][:_RECORD] for n in range(_RECORDS)]
    return content[:start], records, content[-_END:]


def _put(content: dict[int, bytes], segment: int, records: list[bytes]) -> None:
    header, _, end = _parts(content[segment])
    content[segment] = header + b"".join(records) + end


def _altered(content: dict[int, bytes], segment: int, place: int, _foreign: bytes) -> None:
    records = _parts(content[segment])[1]
    records[place] = records[place][:-1] + bytes([records[place][-1] ^ 1])
    _put(content, segment, records)


def _cut_out(content: dict[int, bytes], segment: int, place: int, _foreign: bytes) -> None:
    records = _parts(content[segment])[1]
    _put(content, segment, records[:place] + records[place + 1 :])


def _swapped(content: dict[int, bytes], segment: int, place: int, _foreign: bytes) -> None:
    records = _parts(content[segment])[1]
    records[place], records[place + 1] = records[place + 1], records[place]
    _put(content, segment, records)


def _replayed(content: dict[int, bytes], segment: int, place: int, _foreign: bytes) -> None:
    records = _parts(content[segment])[1]
    _put(content, segment, [*records, records[place]])


def _put_in(content: dict[int, bytes], segment: int, place: int, foreign: bytes) -> None:
    """Puts in the record of another store with the same master key, at its own place."""
    records = _parts(content[segment])[1]
    records[place] = _parts(foreign)[1][place]
    _put(content, segment, records)


def _moved(content: dict[int, bytes], segment: int, _place: int, _foreign: bytes) -> None:
    """Puts a segment in the place of another."""
    content[segment] = content[segment % _SEGMENTS + 1]
