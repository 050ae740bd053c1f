"""Rows reach a sink in order, and their giver never waits for it."""

import threading
import time

from edge_runtime.loop.row_writer import RowWriter


def rows(*numbers: int) -> bytes:
    return b"".join(n.to_bytes(4, "little") for n in numbers)


def test_rows_come_in_order_over_the_rings_end() -> None:
    got: list[bytes] = []
    writer = RowWriter(4, 5, got.append, 0.001)
    for number in range(100):
        writer.put(rows(number))
        while writer.given - writer.written >= 5:
            time.sleep(1e-4)
    writer.close()
    assert b"".join(got) == rows(*range(100))
    assert (writer.given, writer.written, writer.failure) == (100, 100, "")


def test_what_a_hanging_sink_cannot_take_is_lost_and_counted() -> None:
    got: list[bytes] = []
    entered, released = threading.Event(), threading.Event()

    def hang(content: bytes) -> None:
        entered.set()
        released.wait(30)
        got.append(content)

    writer = RowWriter(4, 5, hang, 0.001)
    writer.put(rows(0))
    assert entered.wait(10)
    longest = 0.0
    for number in range(1, 20):
        began = time.perf_counter()
        writer.put(rows(number))
        longest = max(longest, time.perf_counter() - began)
    assert longest < 1.0  # it waits for nothing; the sink hangs until below
    released.set()
    writer.close()
    assert b"".join(got) == rows(0, 1, 2, 3, 4)
    assert (writer.given, writer.written) == (20, 5)


def test_a_failing_sink_ends_the_writing_and_is_reported() -> None:
    def fail(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    writer = RowWriter(4, 5, fail, 0.001)
    for number in range(20):
        writer.put(rows(number))
    writer.close()
    assert writer.failure == "No space left on device"
    assert (writer.given, writer.written) == (20, 0)


def test_a_sink_that_never_returns_does_not_hang_the_end() -> None:
    released = threading.Event()

    def hang(_: bytes) -> None:
        released.wait(60)

    writer = RowWriter(4, 5, hang, 0.001)
    writer.patience = 0.2
    writer.put(rows(1))
    try:
        writer.close()
        assert "did not end within 0.2 s" in writer.failure
    finally:
        released.set()
