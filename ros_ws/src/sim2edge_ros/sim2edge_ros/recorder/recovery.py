"""Finishes an MCAP file whose writer was killed, in place (mcap.dev/spec).

All records up to the last chunk with a correct checksum are kept; what follows is cut off and
replaced by the summary that readers look for. If this is interrupted, it can be repeated.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO

import zstandard
from mcap.data_stream import ReadDataStream, RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    Chunk,
    ChunkIndex,
    DataEnd,
    Footer,
    MessageIndex,
    Schema,
    Statistics,
    SummaryOffset,
)
from mcap.writer import MCAP0_MAGIC

_HEAD = struct.Struct("<BQ")  # opcode and length of a record
_MESSAGE = struct.Struct("<HIQ")  # channel, sequence and log time, at a message's beginning


@dataclass
class _Contents:
    """Collects what the summary must list."""

    end: int = 0  # bytes, end of what is kept
    tail: bytes = b""  # the last chunk's indexes, if they are not on disk
    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    chunks: list[ChunkIndex] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)


def recover(path: Path) -> int:
    """Finishes the file at `path`.

    Returns:
        The number of messages it holds; 0 if nothing can be read, and then the file is left as it
        is.

    Raises:
        OSError: it cannot be read or written.
    """
    with path.open("r+b") as file:
        contents = _read(file)
        count = sum(contents.counts.values())
        if count:
            file.truncate(contents.end)
            file.seek(contents.end)
            file.write(contents.tail)
            file.write(_summary(contents, contents.end + len(contents.tail)))
            file.flush()
            os.fsync(file.fileno())
    return count


def _read(file: IO[bytes]) -> _Contents:
    size = os.fstat(file.fileno()).st_size
    contents = _Contents()
    if file.read(len(MCAP0_MAGIC)) != MCAP0_MAGIC:
        return contents
    for opcode, start, data in _records(file, size):
        if opcode == Opcode.HEADER and not contents.end:
            contents.end = start + _HEAD.size + len(data)
        elif opcode == Opcode.CHUNK and contents.end == start:
            if not _add_chunk(contents, start, data, file):
                break
        else:
            break
    return contents


def _records(file: IO[bytes], size: int) -> Iterator[tuple[int, int, bytes]]:
    """Yields whole records from the present position: opcode, start, content."""
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        opcode, length = _HEAD.unpack(head)
        start = file.tell() - _HEAD.size
        if length > size - file.tell():
            return
        yield opcode, start, file.read(length)


def _add_chunk(contents: _Contents, start: int, data: bytes, file: IO[bytes]) -> bool:
    """Takes a chunk and its indexes over; returns whether what follows may be valid too."""
    end = start + _HEAD.size + len(data)
    try:
        chunk = _parse_chunk(data)
        records = zstandard.decompress(chunk.data, max_output_size=chunk.uncompressed_size)
    except (EOFError, ValueError, struct.error, zstandard.ZstdError, MemoryError):
        return False
    if zlib.crc32(records) != chunk.uncompressed_crc:
        return False
    indexes = _index_messages(contents, records)
    builder, offsets = RecordBuilder(), {}
    for channel, index in indexes.items():
        offsets[channel] = end + builder.count
        index.write(builder)
        contents.counts[channel] = contents.counts.get(channel, 0) + len(index.records)
    expected = builder.end()
    contents.chunks.append(
        ChunkIndex(
            chunk_length=end - start,
            chunk_start_offset=start,
            compression=chunk.compression,
            compressed_size=len(chunk.data),
            message_end_time=chunk.message_end_time,
            message_index_length=len(expected),
            message_index_offsets=offsets,
            message_start_time=chunk.message_start_time,
            uncompressed_size=chunk.uncompressed_size,
        )
    )
    if file.read(len(expected)) != expected:
        contents.end, contents.tail = end, expected
        return False
    contents.end = end + len(expected)
    return True


def _parse_chunk(data: bytes) -> Chunk:
    start, end, size, crc, length = struct.unpack_from("<QQQII", data)
    at = 32 + length
    compression = data[32:at].decode()
    (count,) = struct.unpack_from("<Q", data, at)
    content = data[at + 8 :]
    if compression != "zstd" or count != len(content) or size > 1 << 30:
        raise ValueError("not a chunk of a recorder's")
    return Chunk(compression, content, end, start, crc, size)


def _index_messages(contents: _Contents, records: bytes) -> dict[int, MessageIndex]:
    """Collects a chunk's schemas and channels; returns its messages' index by channel."""
    indexes: dict[int, MessageIndex] = {}
    at = 0
    while at < len(records):
        opcode, length = _HEAD.unpack_from(records, at)
        body = at + _HEAD.size
        if opcode == Opcode.MESSAGE:
            channel, _sequence, log_time = _MESSAGE.unpack_from(records, body)
            index = indexes.setdefault(channel, MessageIndex(channel, []))
            index.records.append((log_time, at))
        elif opcode == Opcode.SCHEMA:
            schema = Schema.read(_stream(records[body : body + length]))
            contents.schemas[schema.id] = schema
        elif opcode == Opcode.CHANNEL:
            described = Channel.read(_stream(records[body : body + length]))
            contents.channels[described.id] = described
        at = body + length
    return indexes


def _stream(data: bytes) -> ReadDataStream:
    return ReadDataStream(BytesIO(data))


def _summary(contents: _Contents, start: int) -> bytes:
    """Returns all that follows the last chunk of a finished file, which begins at `start`."""
    builder = RecordBuilder()
    DataEnd(0).write(builder)
    ended = builder.end()
    start += len(ended)
    statistics = Statistics(
        attachment_count=0,
        channel_count=len(contents.channels),
        channel_message_counts=contents.counts,
        chunk_count=len(contents.chunks),
        message_count=sum(contents.counts.values()),
        message_end_time=max(c.message_end_time for c in contents.chunks),
        message_start_time=min(c.message_start_time for c in contents.chunks),
        metadata_count=0,
        schema_count=len(contents.schemas),
    )
    groups = (
        (Opcode.SCHEMA, list(contents.schemas.values())),
        (Opcode.CHANNEL, list(contents.channels.values())),
        (Opcode.STATISTICS, [statistics]),
        (Opcode.CHUNK_INDEX, contents.chunks),
    )
    offsets = []
    for opcode, records in groups:
        begun = builder.count
        for record in records:
            record.write(builder)
        offsets.append(SummaryOffset(opcode, start + begun, builder.count - begun))
    offsets_start = start + builder.count
    for offset in offsets:
        offset.write(builder)
    summary = builder.end()
    # The checksum covers the footer's beginning too.
    footer = _HEAD.pack(Opcode.FOOTER, 20) + struct.pack("<QQ", start, offsets_start)
    Footer(start, offsets_start, zlib.crc32(footer, zlib.crc32(summary))).write(builder)
    return ended + summary + builder.end() + MCAP0_MAGIC
