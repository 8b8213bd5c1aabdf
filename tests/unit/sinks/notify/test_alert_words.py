"""What somebody who is woken reads: golden texts, read by a person when they were written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("apprise", reason="the extra notify is not installed")

from sinks.notify import words
from sinks.notify.alert import Alert
from sinks.notify.alertmanager_body import texts
from sinks.notify.apprise_channel import body, title
from sinks.notify.firing import Firing
from sinks.notify.webhook import pagerduty_event
from sinks.notify.words import paragraph, since

# Apprise imports it while Python still has it.
pytestmark = pytest.mark.filterwarnings("ignore:.imghdr. is deprecated:DeprecationWarning")
BEGAN = datetime(2026, 3, 1, 3, 12, 5, tzinfo=UTC)
NOW_S = BEGAN.timestamp() + 300
FIRING = Alert(
    "5f3a09c1" + "0" * 24, 7, "firing", "cpu_high", "critical", "agent-7", "cpu_usage 97 is above 80 for 5 min",
    BEGAN, None, 97.0, 80.0, {"host": "host-3", "agent_id": "agent-7"}, {"samples": "12"},
    {"description": "The agent computes without end.", "runbook": "https://runbooks.example.org/cpu"},
    user_id="acme", deployment_id="prod-eu",
)  # fmt: skip
OVER = replace(FIRING, state="resolved", ends_at=BEGAN + timedelta(minutes=12), seq=1)


def test_one_that_fires_says_what_why_since_when_where_and_what_to_do() -> None:
    assert paragraph(FIRING, NOW_S).splitlines() == [
        "[FIRING critical] cpu_high: agent-7: cpu_usage 97 is above 80 for 5 min",
        "  what: The agent computes without end.",
        "  value: 97 (limit 80)",
        "  since: 2026-03-01 03:12:05 UTC (began 5 min ago)",
        "  where: agent agent-7, deployment prod-eu, tenant acme, host host-3",
        "  evidence: samples 12",
        "  runbook: https://runbooks.example.org/cpu",
        "  look: fleetpulse alerts show 5f3a09c1",
        "  acknowledge: fleetpulse alerts ack 5f3a09c1",
    ]


def test_one_that_is_over_says_how_long_it_lasted_and_asks_for_nothing() -> None:
    told = paragraph(OVER, NOW_S)
    assert told.startswith("[RESOLVED] cpu_high: agent-7: ")
    assert "2026-03-01 03:12:05 UTC to 2026-03-01 03:24:05 UTC (lasted 12 min)" in told
    assert "alerts ack" not in told
    assert since(OVER, NOW_S) == "lasted 12 min"
    assert texts(OVER)["lasted"] == "12 min"
    assert "to_acknowledge" not in texts(OVER)
    assert texts(FIRING)["to_acknowledge"] == "fleetpulse alerts ack 5f3a09c1"


def test_who_looks_after_it_and_what_an_incident_stands_for_are_said() -> None:
    told = paragraph(replace(FIRING, state="acknowledged", actor="ann", comment="restarting it"), NOW_S)
    assert "  looked after by: ann: restarting it" in told
    assert "alerts ack" not in told
    assert "  stands for: 40 other alerts, not told" in paragraph(replace(FIRING, member_count=40), NOW_S)
    assert "  stands for: 1 other alert\n" in paragraph(replace(FIRING, member_count=1), NOW_S)


def test_who_ended_it_by_hand_and_who_told_it_on_is_said() -> None:
    ended = replace(OVER, actor="ann", comment="decommissioned")
    assert "  ended by: ann: decommissioned" in paragraph(ended, NOW_S)
    assert (texts(ended)["resolved_by"], texts(ended)["comment"]) == ("ann", "decommissioned")
    told_on = replace(FIRING, actor="ann", comment="too big", cause="escalated")
    assert "  told on by: ann: too big" in paragraph(told_on, NOW_S)
    assert texts(told_on)["escalated_by"] == "ann"
    payload = pagerduty_event("key", told_on)["payload"]["custom_details"]
    assert (payload["escalated_by"], payload["comment"]) == ("ann", "too big")
    assert "by:" not in paragraph(FIRING, NOW_S)


def test_what_is_over_does_not_say_what_was_the_matter() -> None:
    assert [line.split(":")[0].strip() for line in paragraph(OVER, NOW_S).splitlines()[1:]] == [
        "since", "where", "look",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("agent", "summary", "told"),
    [
        ("agent-7", "agent-7 is offline: no heartbeat for 42 s", "agent-7 is offline: no heartbeat for 42 s"),
        ("agent-7", "agent-7: trust fell to 0.12", "agent-7: trust fell to 0.12"),
        ("agent-7", "agent-77 is offline", "agent-7: agent-77 is offline"),
        ("a", "all is lost", "a: all is lost"),
        (
            "host:web-1",
            "host web-1: 30 of 40 agents down (no heartbeat)",
            "host web-1: 30 of 40 agents down (no heartbeat)",
        ),
        ("name:cpu_high", "cpu_high: 5 alerts began within 30 s", "cpu_high: 5 alerts began within 30 s"),
        ("fleet", "fleet: 75 % of the agents are online", "fleet: 75 % of the agents are online"),
        ("fleetpulse:probe:h", "fleetpulse:probe:h is late: no", "fleetpulse:probe:h is late: no"),
        ("agent-7", "", "agent-7"),
    ],
)
def test_whom_it_is_about_is_said_once(agent: str, summary: str, told: str) -> None:
    alert = replace(FIRING, agent_id=agent, summary=summary)
    assert title([alert]) == f"[FIRING critical] cpu_high: {told}"
    assert paragraph(alert, NOW_S).splitlines()[0] == title([alert])


def test_a_group_is_no_agent() -> None:
    outage = replace(
        FIRING, name="outage", agent_id="host:web-1", labels={"host": "web-1"}, rule_kind="outage", user_id="",
        deployment_id=None, value=0.75, threshold=0.05,
    )  # fmt: skip
    told = paragraph(outage, NOW_S).splitlines()
    assert "  where: host web-1" in told
    assert "  value: 75 % of its agents down (limit 5 %)" in told
    assert texts(outage)["measured"] == "75 % of its agents down (limit 5 %)"
    spender = replace(FIRING, rule_kind="budget", labels={"agent_id": "agent-7"})
    assert "  where: agent agent-7, deployment prod-eu, tenant acme" in paragraph(spender, NOW_S).splitlines()


def test_a_limit_stands_beside_what_it_is_for() -> None:
    """The value of an anomaly's evidence is the metric's, its limit that of strangeness."""
    strange = replace(
        FIRING, rule_kind="anomaly", value=12.3, threshold=9.0, evidence={"value": "97", "expected": "20"}
    )
    details = pagerduty_event("key", strange)["payload"]["custom_details"]
    assert details["measured"] == "97, expected 20; strangeness 12.3 (limit 9)"
    assert "threshold" not in details
    assert pagerduty_event("key", FIRING)["payload"]["custom_details"]["threshold"] == "80.0"


def test_a_long_summary_is_cut_in_the_title_alone() -> None:
    long = replace(FIRING, summary="agent-7: " + "x" * 500)
    assert (len(title([long])), title([long])[-4:]) == (200, "x...")
    assert "x" * 500 in paragraph(long, NOW_S)


def test_many_are_told_gravest_first_and_not_without_end() -> None:
    warning = replace(FIRING, severity="warning", name="memory_high", fingerprint="e" * 32)
    many = [OVER, warning, FIRING, *(replace(warning, fingerprint=f"{n:032x}") for n in range(30))]
    told = body(many, NOW_S)
    assert told.startswith("[FIRING critical] cpu_high")
    assert told.endswith("and 13 more: fleetpulse alerts list")
    assert title(many) == "[fleetpulse] 32 firing, 1 resolved: cpu_high, memory_high"
    assert title([FIRING]) == "[FIRING critical] cpu_high: agent-7: cpu_usage 97 is above 80 for 5 min"


def test_what_agents_send_cannot_forge_lines() -> None:
    forged = replace(
        FIRING, summary="x\n[RESOLVED] all is well", evidence={"a\r": "b\u202e"}, annotations={"d\n": "e\n"}
    )
    assert len(paragraph(forged, NOW_S).splitlines()) == len(paragraph(FIRING, NOW_S).splitlines()) - 1
    assert "\u202e" not in paragraph(forged, NOW_S)


def test_what_is_told_again_while_it_fires_says_the_same_of_what_was_measured() -> None:
    evidence = {"value": "97", "expected": "20", "lower": "12", "upper": "31", "run_id": "x" * 100}
    strange = replace(FIRING, rule_kind="anomaly", value=12.3, threshold=9.0, evidence=evidence)
    silent = replace(
        FIRING, fingerprint="e" * 32, rule_kind="status", value=42.0, evidence={"silent_s": "42", "loss": "0"}
    )
    firing = Firing()
    for alert in (strange, silent):
        firing.note(0, alert)
    assert [words.value(alert) for alert in firing.alerts()] == [words.value(strange), words.value(silent)]
    assert [len(alert.evidence) for alert in firing.alerts()] == [4, 1]
