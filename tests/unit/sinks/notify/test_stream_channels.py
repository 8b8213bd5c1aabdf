"""What a person and a program see of an alert."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest

from infra.runtime.clock import ManualClock
from sinks.notify.alert import Alert, from_record
from sinks.notify.channel import Notification
from sinks.notify.settings import Retry
from sinks.notify.streams import ConsoleChannel, JsonChannel

CLOCK = ManualClock()


def _alert(**more: object) -> Alert:
    fields: dict[str, object] = {
        "fingerprint": "0" * 32,
        "epoch": 3,
        "state": "firing",
        "name": "trust_low",
        "severity": "critical",
        "agent_id": "agent-7",
        "summary": "trust 0.21 is below 0.40",
        "starts_at": datetime.fromtimestamp(CLOCK.now_s() - 185, tz=UTC),
        "ends_at": None,
        "value": 0.21,
        "threshold": 0.4,
        "labels": {"policy": "p1"},
        "evidence": {"violations": "12"},
    }
    return Alert(**(fields | more))  # type: ignore[arg-type]  # fields of the class by name


async def test_a_line_for_people_says_all_that_matters() -> None:
    stream = io.StringIO()
    await ConsoleChannel(stream, CLOCK).deliver(Notification([_alert()]))
    line = stream.getvalue()
    for part in ("22:13:20", "firing", "critical", "trust_low", "agent-7", "trust 0.21 is below 0.40", "3 min ago"):
        assert part in line


async def test_control_characters_do_not_reach_a_terminal() -> None:
    stream = io.StringIO()
    await ConsoleChannel(stream, CLOCK).deliver(
        Notification([_alert(summary="\x1b[2Jgone\nfake line\r", agent_id="a\u202eb")])
    )
    assert stream.getvalue().count("\n") == 1
    assert not {"\x1b", "\r", "\u202e"} & set(stream.getvalue())


async def test_a_line_for_programs_has_every_field() -> None:
    stream = io.StringIO()
    await JsonChannel(stream, CLOCK).deliver(Notification([_alert()]))
    line = json.loads(stream.getvalue())
    assert (line["event"], line["name"], line["labels"], line["age_s"], line["ends_at"]) == (
        "alert",
        "trust_low",
        {"policy": "p1"},
        185.0,
        None,
    )


def test_a_record_becomes_an_alert() -> None:
    record = {name: getattr(_alert(), name) for name in Alert.__dataclass_fields__}
    record |= {"labels": [{"name": "policy", "value": "p1"}], "evidence": [{"name": "violations", "value": "12"}]}
    record |= {"annotations": [], "receivers": [], "members": []}
    assert from_record(record) == _alert()


@pytest.mark.parametrize(("failures", "pause_s"), [(1, 0.5), (2, 1.0), (5, 8.0), (50, 60.0)])
def test_pauses_double_up_to_a_bound(failures: int, pause_s: float) -> None:
    assert Retry().pause_s(failures) == pause_s
