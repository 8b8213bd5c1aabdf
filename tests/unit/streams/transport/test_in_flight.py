"""What may be committed."""

from __future__ import annotations

from stream_world import columns

from streams.transport.batch import Batch, InFlight

TOPIC = "fleet.metrics"


def _handed_out(count: int) -> tuple[InFlight, list[Batch]]:
    in_flight, batches = InFlight(), [Batch(columns(TOPIC, [b"x"] * 10, first=10 * n)) for n in range(count)]
    for batch in batches:
        in_flight.add(batch)
    return in_flight, batches


def test_nothing_is_committed_before_it_is_finished() -> None:
    in_flight, batches = _handed_out(2)
    assert in_flight.take_committable() is None
    batches[0].finish()
    assert in_flight.take_committable() == 10
    assert in_flight.take_committable() is None
    assert len(in_flight) == 1


def test_a_batch_that_is_finished_early_waits_for_those_before_it() -> None:
    in_flight, batches = _handed_out(3)
    batches[2].finish()
    batches[1].finish()
    assert in_flight.take_committable() is None
    batches[0].finish()
    assert in_flight.take_committable() == 30


def test_a_finished_batch_keeps_its_offset_and_gives_its_bodies_back() -> None:
    _, [batch] = _handed_out(1)
    batch.finish()
    assert batch.columns.next_offset == 10
    assert batch.columns.values == []


def test_batches_of_a_partition_that_was_taken_away_know_it() -> None:
    in_flight, batches = _handed_out(2)
    in_flight.abandon()
    assert all(batch.abandoned for batch in batches)
    batches[0].finish()
    assert in_flight.take_committable() is None


def test_the_oldest_unfinished_batch_tells_how_long_one_has_waited() -> None:
    in_flight, batches = _handed_out(3)
    for second, batch in enumerate(batches):
        batch.handed_out_s = float(second)
    assert in_flight.oldest_s == 0.0
    batches[0].finish()
    assert in_flight.oldest_s == 1.0
    batches[2].finish()
    batches[1].finish()
    assert in_flight.oldest_s is None
