from __future__ import annotations

from typing import Any

import pytest
from otlp_world import NOW_US, TRACE, logs, mapped, of, pairs

from producers.otlp.logs import LONGEST_MESSAGE, level_of


def record_of(**record: object) -> dict[str, Any]:
    (event,) = of(mapped("logs", logs(dict(record))), "fleet.logs")
    return dict(event.fields)


def test_a_record() -> None:
    found = record_of(
        timeUnixNano=str(NOW_US * 1000),
        severityNumber=17,
        body={"stringValue": "the till is stuck"},
        traceId=TRACE,
        attributes=pairs({"till": 4, "fleet.category": "business"}),
    )
    assert found == {
        "level": "error",
        "category": "business",
        "source": "desk",
        "message": "the till is stuck",
        "metadata": {"till": "4"},
        "run_id": TRACE,
    }


@pytest.mark.parametrize(
    ("number", "said", "level"),
    [
        (1, "", "debug"),
        (5, "", "debug"),
        (9, "", "info"),
        (13, "", "warn"),
        (17, "", "error"),
        (24, "", "critical"),
        (0, "WARNING", "warn"),
        (0, "whatever", "info"),
        (999, "", "critical"),
        (-5, "", "info"),
    ],
)
def test_levels(number: int, said: str, level: str) -> None:
    assert level_of(number, said) == level


def test_bodies_of_every_shape_are_text_of_bounded_length() -> None:
    assert record_of(body={"stringValue": "x" * 100_000})["message"].__len__() == LONGEST_MESSAGE
    listed = {"arrayValue": {"values": [{"intValue": "1"}, {"kvlistValue": {"values": pairs({"a": True})}}]}}
    assert record_of(body=listed)["message"] == '[1, {"a": true}]'
    assert record_of()["message"] == ""


def test_what_models_and_users_said_is_not_kept() -> None:
    found = record_of(
        eventName="gen_ai.user.message", body={"stringValue": "SECRET"}, attributes=pairs({"gen_ai.prompt": "SECRET"})
    )
    assert found["message"] == "gen_ai.user.message"
    assert "SECRET" not in repr(found)


def test_personal_data_is_redacted() -> None:
    found = record_of(
        body={"stringValue": "told bob@example.com"}, attributes=pairs({"who": "bob@example.com", "till": 4})
    )
    assert found["message"] == "told [EMAIL]"
    assert found["metadata"] == {"who": "[EMAIL]", "till": "4"}


def test_beats_and_violations() -> None:
    beat = {"eventName": "fleet.heartbeat", "attributes": pairs({"fleet.progress": 7, "fleet.status": "degraded"})}
    told = pairs({"fleet.policy.id": "no-pii", "fleet.severity": "made up", "fleet.context.rule": "mail"})
    violation = {"attributes": [*pairs({"event.name": "fleet.violation"}), *told], "traceId": TRACE}
    result = mapped("logs", logs(beat, violation))
    (found,) = of(result, "fleet.heartbeats")
    assert (found.fields["status"], found.fields["progress"]) == ("degraded", 7)
    (broken,) = of(result, "fleet.violations")
    assert (broken.fields["severity"], broken.fields["context"]) == ("medium", {"rule": "mail"})
    assert broken.fields["run_id"] == TRACE


def beats_of(*told: dict[str, object]) -> list[dict[str, Any]]:
    records = [
        {"eventName": "fleet.heartbeat", "timeUnixNano": str((NOW_US + at) * 1000), "attributes": pairs(said)}
        for at, said in enumerate(told)
    ]
    return [dict(each.fields) for each in of(mapped("logs", logs(*records)), "fleet.heartbeats")]


def test_of_beats_that_waited_together_the_newest_counts() -> None:
    told = [{"fleet.progress": number, "fleet.interval_s": 10} for number in range(4)]
    (beat,) = beats_of(*told)
    assert (beat["progress"], beat["interval_s"]) == (3, None)
    (alone,) = beats_of(told[0])
    assert alone["interval_s"] == 10
    (hasty,) = beats_of({"fleet.interval_s": 1})
    assert hasty["interval_s"] is None


def test_what_a_beat_says_besides_that_all_is_well_is_not_lost() -> None:
    said = [beat["status"] for beat in beats_of({"fleet.status": "failed"}, {}, {})]
    assert said == ["failed", "healthy"]


def test_a_record_of_another_time_is_rejected() -> None:
    result = mapped("logs", logs({"timeUnixNano": "1", "body": {"stringValue": "x"}}, {"body": {"stringValue": "y"}}))
    assert result.rejected.total() == 1
    assert [each.timestamp_us for each in result.events] == [NOW_US]
