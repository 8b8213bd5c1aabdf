"""AgentReporter without a broker: governance, trust, metrics, beats."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sdk_world import agent, kinds, queued

from producers.sdk import GovernedResponse, TrustConfig
from producers.sdk.trust import TrustScore

_MAIL = "write to jane.doe@example.org"
# Trust fades from the moment a reporter is made: 1.0 is 0.999999 after a third of a second.
_FULL_TRUST = pytest.approx(1.0, abs=1e-3)
_POLICIES = [{"id": "no-personal-info", "severity": "high"}, {"id": "length", "type": "length", "max_length": 200}]


async def _awaited(text: str) -> str:
    await asyncio.sleep(0)
    return text


async def test_a_response_is_governed_before_it_leaves(tmp_path: Path) -> None:
    reporter = agent(tmp_path, policies=_POLICIES)
    async with reporter.run("r") as run:
        governed = await reporter.wrap_response("how do I reach her?", _MAIL, context={"channel": "chat"})
    assert isinstance(governed, GovernedResponse)
    assert "jane" not in governed.text
    assert (governed.allowed, governed.action) == (True, "redacted")
    assert [finding.policy_id for finding in governed.findings] == ["no-personal-info"]
    assert governed.trust_score == pytest.approx(0.9, abs=1e-3)
    events = queued(reporter)
    (violation,) = [fields for topic, fields in events if topic == "fleet.violations"]
    assert (violation["policy_id"], violation["severity"], violation["action"]) == (
        "no-personal-info",
        "high",
        "redacted",
    )
    assert violation["run_id"] == run.run_id
    assert violation["context"]["channel"] == "chat"
    assert violation["remediation_suggested"]
    assert "jane" not in str(events)


@pytest.mark.parametrize("make", [lambda: "fine", lambda: _awaited("fine"), lambda: lambda: _awaited("fine")])
async def test_a_response_may_be_made_on_the_way(tmp_path: Path, make: object) -> None:
    reporter = agent(tmp_path, policies=_POLICIES)
    response = make() if callable(make) else make
    governed = await reporter.wrap_response("q", response)
    assert (governed.text, governed.action, governed.findings) == ("fine", "allowed", ())
    reporter.report_metrics()
    (metrics,) = [fields for topic, fields in queued(reporter) if topic == "fleet.metrics"]
    assert (metrics["request_count"], metrics["policy_checks"], metrics["compliance_rate"]) == (1, 2, 1.0)
    assert metrics["response_time"] >= 0


async def test_what_fails_to_answer_is_a_failed_request_and_raises(tmp_path: Path) -> None:
    reporter = agent(tmp_path)

    def fail() -> str:
        raise LookupError("no model")

    with pytest.raises(LookupError, match="no model"):
        await reporter.wrap_response("q", fail)
    with pytest.raises(TypeError, match="not str"):
        await reporter.wrap_response("q", lambda: 5)  # type: ignore[arg-type, return-value]  # the mistake
    with pytest.raises(TypeError, match="NoneType, not str"):
        await reporter.wrap_response("q", None)  # type: ignore[arg-type]  # the mistake
    reporter.report_metrics()
    metrics = queued(reporter)[-1][1]
    assert (metrics["request_count"], metrics["error_rate"], metrics["success_rate"]) == (3, 1.0, 0.0)


async def test_without_policies_everything_passes(tmp_path: Path) -> None:
    reporter = agent(tmp_path)
    governed = await reporter.wrap_response("q", _MAIL)
    assert (governed.text, governed.allowed, governed.trust_score) == (_MAIL, True, _FULL_TRUST)


async def test_a_policy_that_raises_does_not_break_the_host(tmp_path: Path) -> None:
    def broken(_: object) -> bool:
        raise RuntimeError("a bug of the host's policy")

    reporter = agent(tmp_path, policies=[{"id": "own", "type": "callable", "check": broken}])
    governed = await reporter.wrap_response("q", "an answer")
    assert (governed.text, governed.action) == ("an answer", "flagged")
    assert [f["policy_id"] for topic, f in queued(reporter) if topic == "fleet.violations"] == ["own"]


def test_metrics_are_of_the_time_since_the_last(tmp_path: Path) -> None:
    reporter = agent(tmp_path, policies=_POLICIES)
    with reporter.track_task(), reporter.track_message_sent():
        reporter.govern("q", _MAIL)
    reporter.report_metrics()
    reporter.report_metrics()
    first, second = (fields for topic, fields in queued(reporter) if topic == "fleet.metrics")
    assert (first["request_count"], first["user_interactions"], first["violation_count"]) == (1, 1, 1)
    assert (first["compliance_rate"], first["policy_violations"]) == (0.5, ["no-personal-info"])
    assert 0 < first["memory_usage"] < 100
    assert first["cpu_usage"] >= 0
    assert (second["request_count"], second["policy_checks"]) == (0, 0)
    assert "response_time" not in second
    assert "compliance_rate" not in second


def test_in_threads_it_beats_where_it_works(tmp_path: Path) -> None:
    reporter = agent(tmp_path, heartbeat_interval_s=3_600, policies=_POLICIES)
    for _ in range(3):
        with reporter.track_task():
            pass
    beats = [fields for topic, fields in queued(reporter) if topic == "fleet.heartbeats"]
    assert len(beats) == 1
    assert (beats[0]["policies_loaded"], beats[0]["governance_enabled"]) == (2, True)
    assert beats[0]["trust_score"] == _FULL_TRUST


def test_a_scope_reports_although_nothing_is_started(tmp_path: Path) -> None:
    reporter = agent(tmp_path)
    with reporter.run("r"):
        pass
    assert kinds(reporter)
    assert reporter.close() is None


def test_trust_moves_as_the_settings_say() -> None:
    now_s = [0.0]
    trust = TrustScore(TrustConfig(initial_score=0.5, decay_rate=0.1), lambda: now_s[0])
    assert trust.note(0) == pytest.approx(0.55)
    assert trust.note(2) == pytest.approx(0.35)
    now_s[0] = 7_200.0
    assert trust.score == pytest.approx(0.35 * 0.9**2)
    assert trust.note(1) == pytest.approx(0.35 * 0.9**2 - 0.1)
    for _ in range(20):
        trust.note(1)
    assert trust.score == 0.0
    for _ in range(40):
        trust.note(0)
    assert trust.score == 1.0
