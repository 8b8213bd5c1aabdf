"""Rows for messages that cannot be accepted."""

from __future__ import annotations

import pytest
from stream_world import NOW_S, columns, event, pipeline

from schemas.record import encode_single_object
from schemas.registry import topic_schema
from streams.deadletters import RAW_LIMIT_BYTES
from streams.outputs import DEADLETTER, Row
from streams.pipeline import SOURCES

METRICS = "fleet.metrics"
GOOD = event(METRICS, "a", NOW_S, policy_checks=1, compliance_rate=1.0)


def _letters(values: list[bytes | None], first: int = 100, topic: str = METRICS) -> list[Row]:
    line = pipeline()
    outputs = line.apply(line.restore(3), columns(topic, values, first=first, partition=3), NOW_S)
    return outputs.rows[DEADLETTER]


def test_a_row_says_where_and_why_and_can_be_published() -> None:
    [row] = _letters([GOOD, GOOD[:-3], GOOD])
    assert (row["topic"], row["partition"], row["offset"]) == (METRICS, 3, 101)
    assert (row["session_id"], row["seq"]) == ("fleet.metrics/3", 101)
    assert row["error"] == "truncated"
    assert row["raw"] == GOOD[:-3]
    assert encode_single_object(topic_schema(DEADLETTER), row)


@pytest.mark.parametrize("topic", SOURCES)
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"\xc3\x01", "unknown_format"),
        (b"{}", "unknown_format"),
        (b"\xc3\x01" + bytes(8) + b"x", "unknown_schema"),
        (b"\x00\x00\x00\x00\x07x", "unknown_schema"),
        (b"\x00" * (2 << 20), "too_large"),
    ],
    ids=["tombstone", "nothing", "a marker cut off", "json", "an unknown schema", "an unknown number", "two megabytes"],
)
def test_what_cannot_be_read_is_named(topic: str, value: bytes | None, error: str) -> None:
    [row] = _letters([value], topic=topic)
    assert row["error"] == error
    assert row["raw_size_bytes"] == len(value or b"")
    assert len(row["raw"] or b"") <= RAW_LIMIT_BYTES
    assert encode_single_object(topic_schema(DEADLETTER), row)


def test_the_same_message_met_again_has_the_same_id() -> None:
    [one], [other] = _letters([None]), _letters([None])
    assert one["event_id"] == other["event_id"]
    assert one["event_id"] != _letters([None], first=101)[0]["event_id"]
