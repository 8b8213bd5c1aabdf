"""The buffer: numbers without a hole, a bound that holds, an end that nothing gets behind."""

from __future__ import annotations

import threading
import time

from producers.sdk.buffer import EventBuffer


def test_events_come_out_in_order_with_consecutive_numbers() -> None:
    buffer = EventBuffer(16)
    before_ns = time.time_ns()
    for i in range(5):
        buffer.put("fleet.logs", {"i": i})
    taken = buffer.take(3) + buffer.take(10)
    assert [event[0] for event in taken] == [0, 1, 2, 3, 4]
    assert [event[3]["i"] for event in taken] == [0, 1, 2, 3, 4]
    assert all(before_ns <= event[1] <= time.time_ns() for event in taken)
    assert (buffer.issued, buffer.dropped_full) == (5, 0)


def test_a_full_buffer_drops_the_newest_and_their_numbers_stay_used() -> None:
    buffer = EventBuffer(16)
    for _ in range(20):
        buffer.put("fleet.logs", {})
    assert (len(buffer), buffer.dropped_full, buffer.issued) == (16, 4, 20)
    buffer.take(1)
    buffer.put("fleet.logs", {})
    assert buffer.take(100)[-1][0] == 20


def test_a_given_time_is_kept() -> None:
    buffer = EventBuffer(16)
    buffer.put_at("fleet.logs", {}, 1_700_000_000_000_123)
    assert buffer.take(1)[0][1] == 1_700_000_000_000_123_000


def test_after_the_end_nothing_is_numbered() -> None:
    buffer = EventBuffer(16)
    buffer.put("fleet.logs", {})
    assert buffer.close() == 1
    buffer.put("fleet.logs", {})
    assert [event[0] for event in buffer.take(10)] == [0]
    assert (buffer.issued, buffer.refused_closed, buffer.dropped_full) == (2, 1, 0)


def test_threads_share_the_numbers_without_a_hole() -> None:
    buffer = EventBuffer(1_000_000)
    start = threading.Barrier(4)

    def report() -> None:
        start.wait()
        for _ in range(5_000):
            buffer.put("fleet.logs", {})

    threads = [threading.Thread(target=report) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(event[0] for event in buffer.take(10**6)) == list(range(20_000))
