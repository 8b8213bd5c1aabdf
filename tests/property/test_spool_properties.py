"""The spool: what was counted as written comes back, in order, whatever happens to the bytes behind it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from producers.sdk.encode import Record
from producers.sdk.frames import MAGIC, Tail, encode_frame, encode_frames, read_frames
from producers.sdk.spool import Budget, TopicSpool

TOPIC = "fleet.logs"
RECORDS = st.builds(
    Record,
    st.binary(min_size=1, max_size=20),
    st.binary(max_size=300),
    st.integers(0, 2**62),
    st.integers(0, 2**62),
)


def _drain(spool: TopicSpool) -> list[Record]:
    drained: list[Record] = []
    while (found := spool.head()) is not None:
        segment, records = found
        drained += records
        spool.settle(segment, len(records))
    return drained


@given(st.lists(RECORDS, max_size=20), st.data())
def test_a_file_that_is_cut_gives_every_whole_frame(records: list[Record], data: st.DataObject) -> None:
    whole = MAGIC + b"".join(encode_frames(TOPIC.encode(), records))
    cut = data.draw(st.integers(0, len(whole)))
    content = read_frames(TOPIC.encode(), whole[:cut])
    ends = [len(MAGIC)]
    for record in records:
        ends.append(ends[-1] + len(encode_frame(TOPIC.encode(), record)))
    expected = sum(1 for end in ends[1:] if end <= cut)
    assert content.records == records[:expected]
    assert content.tail is (Tail.WHOLE if cut in ends else Tail.TORN)


@given(st.lists(RECORDS, min_size=1, max_size=10), st.data())
def test_a_flipped_bit_is_never_taken_for_an_event(records: list[Record], data: st.DataObject) -> None:
    whole = bytearray(MAGIC + b"".join(encode_frames(TOPIC.encode(), records)))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    content = read_frames(TOPIC.encode(), bytes(whole))
    assert content.records == records[: len(content.records)]
    assert content.tail is not Tail.WHOLE


@given(st.binary(max_size=200))
def test_any_bytes_are_survived(data: bytes) -> None:
    read_frames(TOPIC.encode(), data)
    read_frames(TOPIC.encode(), MAGIC + data)
    assert read_frames(TOPIC.encode(), MAGIC + bytes(len(data) or 1)).records == []


@given(st.lists(st.lists(RECORDS, max_size=8), max_size=8), st.integers(0, 30_000))
def test_what_fits_comes_back_in_order_and_the_budget_holds(batches: list[list[Record]], limit_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        budget = Budget(limit_bytes)
        spool = TopicSpool(Path(folder), TOPIC, budget, 4096)
        kept: list[Record] = []
        for batch in batches:
            written = spool.append(batch)
            kept += batch[:written]
            on_disk = sum(path.stat().st_size for path in Path(folder).iterdir())
            assert on_disk == budget.used_bytes <= limit_bytes
            assert spool.events == len(kept)
        assert _drain(spool) == kept
        assert (budget.used_bytes, spool.events, spool.empty) == (0, 0, True)
        assert list(Path(folder).iterdir()) == []


@given(
    st.lists(RECORDS, min_size=1, max_size=8),
    st.lists(RECORDS, min_size=1, max_size=8),
    st.lists(RECORDS, min_size=1, max_size=8),
    st.data(),
)
def test_what_is_put_before_comes_first_and_a_restart_finds_it_all(
    first: list[Record], second: list[Record], third: list[Record], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spool = TopicSpool(Path(folder), TOPIC, Budget(10**6), 4096)
        spool.append(second)
        assert spool.prepend(first) == len(first)
        spool.append(third)
        found = spool.head()
        assert found is not None
        sent = data.draw(st.integers(0, len(first)))
        spool.settle(found[0], sent)
        assert spool.events == len(first) + len(second) + len(third) - sent
        spool.close()
        again = TopicSpool(Path(folder), TOPIC, Budget(10**6), 4096)
        again.load()
        left = first if sent < len(first) else []
        assert _drain(again) == [*left, *second, *third]


@given(
    st.lists(RECORDS, min_size=1, max_size=8),
    st.lists(RECORDS, min_size=1, max_size=8),
    st.binary(min_size=1, max_size=30),
)
def test_bad_bytes_in_one_segment_do_not_stop_the_next(first: list[Record], second: list[Record], junk: bytes) -> None:
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "session"
        folder.mkdir()
        spool = TopicSpool(folder, TOPIC, Budget(10**6), 4096)
        spool.append(second)
        spool.prepend(first)
        spool.close()
        oldest = min(folder.iterdir())
        oldest.write_bytes(oldest.read_bytes() + junk)
        budget = Budget(10**6)
        again = TopicSpool(folder, TOPIC, budget, 4096)
        again.load()
        assert _drain(again) == [*first, *second]
        assert budget.used_bytes == 0
