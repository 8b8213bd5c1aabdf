"""Encoding: envelope and defaults are filled in, what does not fit is refused with a word."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from producers.sdk.buffer import RawEvent
from producers.sdk.config import make_config
from producers.sdk.encode import Encoder, RefusedEventError
from producers.sdk.events import EventMethods
from schemas.catalogue import TOPICS
from schemas.record import decode_record
from schemas.registry import SchemaBook

NOW_NS = 1_700_000_000_123_456_789


class Recorder(EventMethods):
    """Keeps what the methods queue."""

    def __init__(self) -> None:
        self.events: list[RawEvent] = []
        self._put = lambda topic, fields: self.events.append((len(self.events), NOW_NS, topic, fields))


@pytest.fixture
def encoder(tmp_path: Path) -> Encoder:
    config = make_config(
        agent_id="agent", user_id="tenant", bootstrap="h:1", spool_dir=tmp_path, version="1.2", host="box"
    )
    return Encoder(config, "session")


def _decoded(encoder: Encoder, event: RawEvent, dropped: int = 0) -> dict[str, Any]:
    return decode_record(SchemaBook(TOPICS[event[2]].schema), encoder.encode(event, dropped).value)


CALLS: dict[str, Callable[[Recorder], None]] = {
    "heartbeat": lambda r: r.heartbeat("degraded", progress=3),
    "metrics": lambda r: r.metrics(cpu_usage=12.5, custom={"queue": 3}, policy_violations=["p1"]),
    "violation": lambda r: r.violation("p1", "said a name", severity="high", action="redacted", context={"rule": "7"}),
    "log": lambda r: r.log("warn", "slow", category="performance", metadata={"k": "v"}, run_id="r"),
    "run_started": lambda r: r.run_started("r", name="nightly", attributes={"k": "v"}),
    "run_finished": lambda r: r.run_finished("r", "failure", latency_ms=3.0),
    "step": lambda r: r.step("r", "s", step_index=0, attributes={"k": "v"}),
    "failure": lambda r: r.failure("r", "tool", "timeout", message="no answer"),
    "agent_started": lambda r: r.agent_started("r", "t", claimed_health="healthy"),
    "agent_thinking": lambda r: r.agent_thinking("r", "t"),
    "tool_executing": lambda r: r.tool_executing("r", "t", "search", tool_call_id="c", deadline_s=3.0),
    "tool_completed": lambda r: r.tool_completed("r", "t", "search", "failure", tool_call_id="c", latency_ms=2.0),
    "agent_completed": lambda r: r.agent_completed("r", "t", latency_ms=9.0),
    "message_sent": lambda r: r.message_sent("r", "t"),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_method_makes_a_valid_event_with_its_envelope(name: str, encoder: Encoder) -> None:
    recorder = Recorder()
    CALLS[name](recorder)
    record = _decoded(encoder, recorder.events[0])
    assert (record["agent_id"], record["user_id"], record["session_id"], record["seq"]) == (
        "agent",
        "tenant",
        "session",
        0,
    )
    assert int(record["timestamp"].timestamp() * 1e6) == NOW_NS // 1000
    assert uuid.UUID(bytes=record["event_id"]).version == 7


def test_named_values_become_arrays(encoder: Encoder) -> None:
    recorder = Recorder()
    CALLS["metrics"](recorder)
    record = _decoded(encoder, recorder.events[0])
    assert record["custom"] == [{"name": "queue", "value": 3.0}]
    assert record["policy_violations"] == ["p1"]


def test_a_heartbeat_says_what_the_reporter_knows(encoder: Encoder) -> None:
    recorder = Recorder()
    recorder.heartbeat()
    first = _decoded(encoder, recorder.events[0])
    assert (first["progress"], first["last_activity"], first["version"], first["host"]) == (None, None, "1.2", "box")
    recorder.agent_started("r", "t")
    recorder.tool_completed("r", "t", "search")
    recorder.tool_completed("r", "t", "search", "failure")
    recorder.heartbeat()
    for event in recorder.events[1:4]:
        encoder.encode(event, 0)
    second = _decoded(encoder, recorder.events[4], dropped=7)
    assert (second["progress"], second["events_dropped"]) == (1, 7)
    assert second["last_activity"] is not None


@pytest.mark.parametrize(
    ("topic", "fields", "reason"),
    [
        ("fleet.metrics", {"cpu_use": 1.0}, "invalid"),
        ("fleet.metrics", {"cpu_usage": "much"}, "invalid"),
        ("fleet.metrics", {"custom": {"a": "not a number"}}, "invalid"),
        ("fleet.metrics", {"agent_id": "somebody else"}, "invalid"),
        ("fleet.metrics", {1: 2}, "invalid"),
        ("fleet.logs", {"message": "level is missing"}, "invalid"),
        ("fleet.heartbeats", {"status": 5}, "invalid"),
        ("fleet.heartbeats", {"status": "x", "progress": 2**70}, "invalid"),
        ("fleet.violations", {"type": "\ud800"}, "invalid"),
        ("fleet.metrics", None, "invalid"),
        ("fleet.nothing", {}, "unknown_topic"),
        ("fleet.runs", {"kind": "step", "run_id": "r", "message": "x" * 1_000_001}, "oversize"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(
    topic: str, fields: dict[str, Any], reason: str, encoder: Encoder
) -> None:
    with pytest.raises(RefusedEventError) as refused:
        encoder.encode((0, NOW_NS, topic, fields), 0)
    assert refused.value.reason == reason


def test_times_may_be_given_as_aware_datetimes(encoder: Encoder) -> None:
    recorder = Recorder()
    due = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    recorder.heartbeat(next_beat_by=due)
    recorder.heartbeat(next_beat_by=int(due.timestamp() * 1e6))
    assert [_decoded(encoder, event)["next_beat_by"] for event in recorder.events] == [due, due]
