"""Lines to records by columns: equal to what one event at a time gives, and every mistake named by its line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.access import Principal
from producers.gateway.bulk import encode_numbered, read_named
from producers.gateway.encode import encode_event
from producers.gateway.identity import Refused
from producers.gateway.ndjson.read import TooManyFaultsError, line_numbers, read_lines
from producers.gateway.owners import Owners
from producers.gateway.sessions import Session
from schemas.catalogue import TOPICS
from schemas.record import decode_record
from schemas.registry import SchemaBook

ACME = Principal("key:a", "acme", "acme", (), "ingest", False, "key")
LINES: list[dict[str, Any]] = [
    {"topic": "fleet.metrics", "agent_id": "a", "response_time": 12.5, "custom": {"tokens": 3, "cost": 0.5}},
    {
        "topic": "metrics",
        "agent_id": "b",
        "cpu_usage": 7,
        "policy_violations": ["p1", "p2"],
        "timestamp": 1_700_000_000_000_000,
    },
    {
        "topic": "heartbeats",
        "agent_id": "a",
        "timestamp": "2025-07-01T20:00:00.25+02:00",
        "progress": 4,
        "governance_enabled": True,
    },
    {"topic": "violations", "agent_id": "a", "policy_id": "pii", "context": {"input": "x", "count": 2}},
    {"topic": "logs", "agent_id": "b", "message": 'grüße \u2028 "quoted"', "metadata": [{"name": "k", "value": "v"}]},
    {
        "topic": "runs",
        "agent_id": "c",
        "kind": "step",
        "run_id": "r",
        "step_id": "s",
        "retries": 1,
        "ended_at": "2025-07-01T20:00:00Z",
    },
    {
        "topic": "lifecycle",
        "agent_id": "c",
        "kind": "agent_started",
        "run_id": "r",
        "thread_id": "t",
        "user_id": "acme",
    },
]


def body_of(lines: list[Any]) -> bytes:
    return b"\n".join(json.dumps(line).encode() for line in lines) + b"\n"


def records_of(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    read = read_named(ACME, body_of(lines), None, Owners())
    assert not read.faults
    agents = sorted({line["agent_id"] for line in lines})
    taken = {agent: (Session(f"gw-x/{agent}", agent, bits=5), 10) for agent in agents}
    records = []
    for parcel in encode_numbered(read, taken, 1_000_000):
        book = SchemaBook(TOPICS[parcel.topic].schema)
        for row, session in zip(parcel.rows, parcel.sessions, strict=True):
            record = decode_record(book, row.value)
            assert record["session_id"] == session.session_id
            assert row.key.decode() == record["agent_id"]
            records.append({"topic": parcel.topic, **record})
    return records


def test_the_numbers_of_an_agent_follow_its_lines_over_all_topics() -> None:
    numbers = {(each["agent_id"], each["topic"]): each["seq"] for each in records_of(LINES)}
    assert [numbers["a", f"fleet.{table}"] for table in ("metrics", "heartbeats", "violations")] == [10, 11, 12]
    assert [numbers["c", f"fleet.{table}"] for table in ("runs", "lifecycle")] == [10, 11]


def test_a_line_is_what_the_same_event_alone_is() -> None:
    by_topic = {each["topic"]: each for each in records_of(LINES) if each["agent_id"] != "b"}
    violation = by_topic["fleet.violations"]
    envelope = {
        name: violation[name] for name in ("event_id", "agent_id", "user_id", "deployment_id", "session_id", "seq")
    }
    alone = encode_event(
        "fleet.violations",
        envelope | {"timestamp": 1_000_000},
        {
            "type": "policy_violation",
            "policy_id": "pii",
            "policy_name": "pii",
            "severity": "medium",
            "description": "",
            "action": "flagged",
            "context": {"input": "x", "count": "2"},
        },
    )
    assert decode_record(SchemaBook("violation"), alone.value) == {k: v for k, v in violation.items() if k != "topic"}
    assert by_topic["fleet.heartbeats"]["timestamp"].isoformat() == "2025-07-01T18:00:00.250000+00:00"
    assert by_topic["fleet.heartbeats"]["governance_enabled"] is True
    assert by_topic["fleet.metrics"]["custom"] == [{"name": "tokens", "value": 3.0}, {"name": "cost", "value": 0.5}]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b'{"topic":"metrics","cpu_usage":"much"}', "cpu_usage"),
        (b'{"topic":"metrics","cpu_usage":1e999}', "cpu_usage"),
        (b'{"topic":"metrics","cpu_usage":NaN}', "cpu_usage"),
        (b'{"topic":"heartbeats","progress":1.5}', "progress"),
        (b'{"topic":"heartbeats","status":"so so"}', "status"),
        (b'{"topic":"heartbeats","timestamp":"yesterday"}', "timestamp"),
        (b'{"topic":"violations"}', "policy_id"),
        (b'{"topic":"violations","policy_id":"p","context":[1]}', "context"),
        (b'{"topic":"metrics","custom":{"a":"b"}}', "custom"),
        (b'{"topic":"metrics","custom":{"a":1e400}}', "custom"),
        (b'{"topic":"metrics","policy_violations":[1]}', "policy_violations"),
        (b'{"topic":"fleet.alerts"}', "topic"),
        (b'{"topic":"fleet.audit"}', "topic"),
        (b"{}", "topic"),
        (b"[]", ""),
        (b"5", ""),
        (b'{"topic":', ""),
        (b'{"topic":"\xff"}', ""),
        (b'{"topic":"metrics","zzz":' + b"[" * 5000 + b"]" * 5000 + b"}", ""),
    ],
)
def test_a_line_that_does_not_fit_is_named(line: bytes, field: str) -> None:
    good = b'{"topic":"logs","agent_id":"a","message":"fine"}'
    read = read_lines(b"\n".join([good, line, good]))
    assert {(fault.row, fault.field) for fault in read.faults} == {(1, field)}
    assert read.lines == 3
    assert read.tables["fleet.logs"].height == 2


def test_lines_are_counted_with_the_blank_ones() -> None:
    assert line_numbers(b'\n{"a":1}\n\n  \n{"a":2}\r\n') == [2, 5]


def test_a_body_of_nonsense_is_given_up_soon() -> None:
    with pytest.raises(TooManyFaultsError, match="line 1"):
        read_lines(b"nonsense\n" * 20_000)


def test_another_tenant_or_agent_refuses_the_whole_body() -> None:
    with pytest.raises(Refused, match="another tenant"):
        read_named(ACME, body_of([LINES[0], {**LINES[1], "user_id": "globex"}]), None, Owners())
    one = Principal("key:b", "one", "acme", ("a", "c-*"), "ingest", False, "key")
    with pytest.raises(Refused, match="this agent"):
        read_named(one, body_of(LINES), None, Owners())


def test_without_an_agent_the_header_or_the_key_decides() -> None:
    sole = Principal("key:b", "one", "acme", ("a",), "ingest", False, "key")
    line = {"topic": "logs", "message": "fine"}
    assert read_named(sole, body_of([line]), None, Owners()).tables["fleet.logs"]["agent_id"].to_list() == ["a"]
    assert read_named(ACME, body_of([line]), "z", Owners()).tables["fleet.logs"]["agent_id"].to_list() == ["z"]
    missing = read_named(ACME, body_of([line]), None, Owners())
    assert [(fault.row, fault.field) for fault in missing.faults] == [(0, "agent_id")]


def test_tables_without_a_fit_line_are_left_out() -> None:
    lines = [{"topic": "metrics", "cpu_usage": 1}, {"topic": "logs", "agent_id": "a", "message": "fine"}]
    read = read_named(ACME, body_of(lines), None, Owners())
    assert list(read.tables) == ["fleet.logs"]
    assert [fault.row for fault in read.faults] == [0]


def test_only_of_the_first_lines_that_cannot_be_read_the_field_is_looked_for() -> None:
    """Each costs as much as hundreds of others: a body of a thousand took half a minute of a core."""
    lines = read_lines(b"\n".join([b'{"topic":"metrics","agent_id":"a","cpu_usage":{}}'] * 60))
    named = [fault.field for fault in sorted(lines.faults, key=lambda each: each.row)]
    assert len(named) == 60
    assert set(named[:20]) == {"cpu_usage"}
    assert set(named[20:]) == {""}
