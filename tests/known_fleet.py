"""A fleet of which every fact is known: what the dashboard has to show. Times are relative to `now_us`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

Record = dict[str, Any]
MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
HOSTILE = '"><img src=x onerror="window.hacked=1">'
"""Stands in every text that an agent may write: it has to stay text."""
FORMULA = '=HYPERLINK("http://203.0.113.9","x")'
HOSTILE_AGENT = f"evil-{HOSTILE}"
FALLEN = "crawler-03"
"""The agent whose score fell, with flags, violations, a failed run, a forecast, and one event that never came."""
OFFLINE = ("indexer-01", "indexer-02")
LATE = "summarizer-01"
DEGRADED = "planner-02"
TENANT, OTHER_TENANT = "acme", "globex"
FOREIGN = "globex-bot"
AGENTS = [f"{kind}-{number:02}" for kind in ("crawler", "indexer", "planner", "summarizer") for number in range(1, 6)]
"""Of the tenant `TENANT`; beside them there are `HOSTILE_AGENT`, and `FOREIGN` of the other tenant."""
HOSTS = ("web-1", "web-2", "gpu-1")
DEPLOYMENTS = {"crawler": "eu-1", "indexer": "eu-1", "planner": "us-1", "summarizer": "canary"}

AGENTS_YAML = """
version: 1
agents:
  - {match: "crawler-*", labels: {department: search, tier: gold}}
  - {match: "planner-*", labels: {department: planning}}
  - {match: planner-01, position: [0, 0, -4]}
"""
"""Labels and places of some."""


def host_of(agent: str) -> str:
    """The host on which an agent runs."""
    return HOSTS[sum(agent.encode()) % len(HOSTS)]


def deployment_of(agent: str) -> str:
    """The deployment that an agent belongs to."""
    return DEPLOYMENTS.get(agent.split("-", maxsplit=1)[0], "lab")


def everybody() -> list[tuple[str, str]]:
    """Agents with their tenants."""
    return [*((agent, TENANT) for agent in AGENTS), (HOSTILE_AGENT, TENANT), (FOREIGN, OTHER_TENANT)]


def _of(agent: str, user: str = TENANT, **more: object) -> Record:
    return {"agent_id": agent, "user_id": user, "deployment_id": deployment_of(agent), **more}


def word_of(agent: str) -> str:
    """The status of an agent."""
    if agent in OFFLINE:
        return "offline"
    return {LATE: "late", DEGRADED: "degraded"}.get(agent, "online")


def score_of(agent: str) -> float:
    """The score of an agent: 0.31 of the one that fell, 0.80 to 0.99 of the others."""
    return 0.31 if agent == FALLEN else 0.80 + (sum(agent.encode()) % 20) / 100


def statuses(now_us: int) -> list[Record]:
    """fleet.status: the latest of everybody, since ten minutes (offline: twenty)."""
    found = []
    for agent, user in everybody():
        since_us = now_us - (20 if agent in OFFLINE else 10) * MINUTE_US
        word = word_of(agent)
        reason = {"online": "beat", "degraded": "explicit_failure"}.get(word, "deadline_missed")
        found.append(
            _of(
                agent, user, timestamp=since_us, status=word, previous="online", reason=reason, last_beat=since_us,
                deadline=since_us + 90_000_000, interval_s=30.0, loss=0.01, host=host_of(agent),
            )
        )  # fmt: skip
    return found


def past_statuses(now_us: int) -> list[Record]:
    """What the lake has of fleet.status besides: the one that fell was late for half an hour, five hours ago."""
    words = ((6 * HOUR_US, "online", "unknown", "first_beat"), (5 * HOUR_US, "late", "online", "deadline_missed"),
             (5 * HOUR_US - 30 * MINUTE_US, "online", "late", "beat_late"))  # fmt: skip
    return [
        _of(FALLEN, timestamp=now_us - ago, status=word, previous=before, reason=reason, last_beat=now_us - ago,
            deadline=now_us - ago + 90_000_000, interval_s=30.0, host=host_of(FALLEN))
        for ago, word, before, reason in words
    ]  # fmt: skip


def scores(now_us: int) -> list[Record]:
    """fleet.trust: the latest of everybody."""
    return [_score(agent, user, now_us - 5 * MINUTE_US, score_of(agent)) for agent, user in everybody()]


def past_scores(now_us: int) -> list[Record]:
    """The fall of `FALLEN` over three hours, from 0.93 to 0.31."""
    steps = range(36)
    return [_score(FALLEN, TENANT, now_us - (185 - 5 * step) * MINUTE_US, 0.93 - 0.62 * step / 35) for step in steps]


def _score(agent: str, user: str, at_us: int, score: float) -> Record:
    return _of(
        agent, user, timestamp=at_us, trust=score, p=min(score + 0.04, 1.0), n=120.0, compliant=120.0 * score,
        violating=120.0 * (1 - score), model="beta", violations=7 if agent == FALLEN else 0, compliance=score,
        reliability=0.9, liveness=0.99, behaviour=0.95, oldest_source_timestamp=at_us,
    )  # fmt: skip


def beats(now_us: int) -> list[Record]:
    """fleet.heartbeats of the last quarter of an hour."""
    return [
        _of(
            agent, user, timestamp=now_us - minute * MINUTE_US, status="healthy", version="2.3.1", uptime_s=86_400.0,
            interval_s=30.0, host=host_of(agent), platform="linux-x86_64", runtime_version="python 3.11",
            memory_used_bytes=220_000_000, memory_total_bytes=8_000_000_000, cpu_usage=12.5, cpu_cores=4,
            governance_enabled=agent != LATE, policies_loaded=12, session_id=f"s-{agent}", seq=15 - minute,
        )
        for agent, user in everybody()
        for minute in range(15, 0, -1)
        if agent not in OFFLINE
    ]  # fmt: skip


def reports(now_us: int) -> list[Record]:
    """fleet.metrics of six hours, every five minutes, of four agents; response_time of `FALLEN` jumps an hour ago."""
    agents = [(FALLEN, TENANT), ("planner-01", TENANT), (HOSTILE_AGENT, TENANT), (FOREIGN, OTHER_TENANT)]
    return [
        _report(agent, user, now_us - ago * 5 * MINUTE_US, ago) for agent, user in agents for ago in range(72, 0, -1)
    ]


def _report(agent: str, user: str, at_us: int, ago: int) -> Record:
    wave = math.sin(ago / 6)
    slow = agent == FALLEN and ago <= 12
    return _of(
        agent, user, timestamp=at_us, session_id=f"m-{agent}", seq=72 - ago, trust_score=0.9, compliance_rate=0.97,
        violation_count=0.0, policy_checks=40.0, response_time=(900.0 if slow else 120.0) + 10 * wave,
        throughput=50 + wave,
        error_rate=0.02, uptime=99.9, cpu_usage=40 + 5 * wave, memory_usage=55.0, disk_usage=70.0, network_io=1_000.0,
        request_count=300.0, user_interactions=20.0, success_rate=98.0, revenue=12.5,
        custom=[{"name": "queue_depth", "value": 5.0 + wave}, {"name": HOSTILE[:40], "value": 1.0}],
    )  # fmt: skip


def flags(now_us: int) -> list[Record]:
    """fleet.anomalies: three points of response_time out of their band."""
    return [
        _of(
            FALLEN, timestamp=now_us - minutes * MINUTE_US, metric="response_time", value=905.0, expected=121.0,
            lower=95.0, upper=150.0, score=8.7, threshold=4.14, term_fast=8.7, term_medium=5.0, term_slow=4.2,
            term_record=6.1, term_record_smooth=5.5, source_event_id="", confidence=0.98,
        )
        for minutes in (60, 55, 50)
    ]  # fmt: skip


def forecasts(now_us: int) -> list[Record]:
    """fleet.forecasts: the disk of `FALLEN` will be full."""
    return [
        _of(
            FALLEN, timestamp=now_us - 4 * MINUTE_US, metric="disk_usage", horizon_s=3_600.0, threshold=90.0,
            probability=0.83, value=70.0, expected_at=now_us + 40 * MINUTE_US, kind="threshold", p_walk=0.8,
            p_trend=0.85, p_exceed=0.83, slope_per_hour=20.0,
        )
    ]  # fmt: skip


def violations(now_us: int) -> list[Record]:
    """fleet.violations: seven of `FALLEN` (two critical), one with hostile texts, one of others; all of half an hour,
    so that they are of the last hour for as long again."""
    found = [
        _violation(FALLEN, TENANT, now_us - (6 + 4 * n) * MINUTE_US, "critical" if n < 2 else "high") for n in range(7)
    ]
    hostile = _violation(HOSTILE_AGENT, TENANT, now_us - 9 * MINUTE_US, "medium")
    for name in ("policy_id", "policy_name", "description", "remediation_suggested", "type"):
        hostile[name] = HOSTILE
    hostile["context"] = [{"name": HOSTILE, "value": FORMULA}]
    return [*found, hostile, _violation(FOREIGN, OTHER_TENANT, now_us - 8 * MINUTE_US, "low")]


def _violation(agent: str, user: str, at_us: int, severity: str) -> Record:
    return _of(
        agent, user, timestamp=at_us, type="data_access", policy_id="pii-001", policy_name="No personal data",
        severity=severity, description="an e-mail address in the answer", action="blocked",
        context=[{"name": "prompt", "value": "send it to [redacted]"}], remediation_suggested="mask addresses",
        run_id="run-7",
    )  # fmt: skip


def logs(now_us: int) -> list[Record]:
    """fleet.logs: an error of `FALLEN`, one line with markup and control characters."""
    lines = (
        (FALLEN, "error", "tool search failed: timed out after 30 s"),
        (FALLEN, "info", "retrying with backoff"),
        (HOSTILE_AGENT, "warning", f"{HOSTILE} \x1b[31mred\x1b[0m \u202egnp.exe"),
    )
    return [
        _of(agent, timestamp=now_us - (9 + n) * MINUTE_US, level=level, category="performance", source="tools",
            message=message, metadata=[{"name": "attempt", "value": "3"}], run_id="run-7")
        for n, (agent, level, message) in enumerate(lines)
    ]  # fmt: skip


def runs(now_us: int) -> list[Record]:
    """fleet.runs: run-7 of `FALLEN` failed in its second step; run-8 went well."""
    began_us = now_us - 30 * MINUTE_US
    bad: Record = {"run_id": "run-7", "started_at": began_us}
    good: Record = {"run_id": "run-8", "started_at": began_us}
    at = [began_us + n * 10_000_000 for n in range(8)]
    return [
        _of(FALLEN, timestamp=at[0], kind="run_started", name="nightly crawl", **bad),
        _of(FALLEN, timestamp=at[1], kind="step", step_id="s1", step_index=0, name="plan", status="success",
            latency_ms=800.0, retries=0, ended_at=at[1], **bad),
        _of(FALLEN, timestamp=at[2], kind="step", step_id="s2", step_index=1, name="search", status="failure",
            latency_ms=30_000.0, retries=2, ended_at=at[2], **bad),
        _of(FALLEN, timestamp=at[3], kind="failure", step_id="s2", failure_type="tool_error", failure_code="TIMEOUT",
            message="search did not answer", **bad),
        _of(FALLEN, timestamp=at[4], kind="run_finished", name="nightly crawl", status="failure", latency_ms=40_000.0,
            ended_at=at[4], **bad),
        _of("planner-01", timestamp=at[5], kind="run_started", name="plan the day", **good),
        _of("planner-01", timestamp=at[6], kind="run_finished", name="plan the day", status="success",
            latency_ms=9_000.0, ended_at=at[6], **good),
    ]  # fmt: skip


def turns(now_us: int) -> list[Record]:
    """fleet.lifecycle of run-7: the tool of its second step failed."""
    began_us = now_us - 30 * MINUTE_US
    steps: tuple[Record, ...] = (
        {"kind": "agent_started"},
        {"kind": "tool_executing", "tool": "search", "tool_call_id": "c1", "deadline_s": 30.0},
        {"kind": "tool_completed", "tool": "search", "tool_call_id": "c1", "status": "failure", "latency_ms": 30_000.0},
        {"kind": "agent_completed", "claimed_health": "healthy"},
    )
    return [
        _of(FALLEN, timestamp=began_us + n * 10_000_000, run_id="run-7", thread_id="t-1", **step)
        for n, step in enumerate(steps)
    ]


def _numbered(stem: str, records: list[Record], lost: int = -1) -> list[Record]:
    """Records as events of one session of each agent, in their order; of `FALLEN` the number `lost` never came."""
    counts: Counter[str] = Counter()
    found = []
    for record in records:
        agent = record["agent_id"]
        counts[agent] += agent == FALLEN and counts[agent] == lost
        found.append(record | {"session_id": f"{stem}-{agent}", "seq": counts[agent]})
        counts[agent] += 1
    return found


def host_reports(now_us: int) -> list[Record]:
    """fleet.hosts of two hours; the disk of gpu-1 is nearly full."""
    return [
        {
            "agent_id": f"host:{host}", "user_id": "fleetpulse", "deployment_id": None, "host": host,
            "timestamp": now_us - ago * MINUTE_US, "session_id": f"h-{host}", "seq": 120 - ago,
            "cpu_usage": 30.0 + 10 * math.sin(ago / 9), "load_1m": 1.2, "memory_usage": 61.0,
            "memory_used_bytes": 9_700_000_000, "memory_total_bytes": 16_000_000_000, "swap_usage": 0.0,
            "disk_usage": 93.0 if host == "gpu-1" else 48.0, "disk_free_bytes": 35_000_000_000, "disk_read_rate": 1e6,
            "disk_write_rate": 2e6, "network_receive_rate": 3e6, "network_send_rate": 4e6, "processes": 212,
            "gpu_usage": 77.0 if host == "gpu-1" else None, "gpu_count": 1 if host == "gpu-1" else None, "cpu_cores": 8,
        }
        for host in HOSTS
        for ago in range(120, 0, -1)
    ]  # fmt: skip


def dead_letters(now_us: int) -> list[Record]:
    """fleet.deadletter: three that could not be read."""
    return [
        {
            "agent_id": "fleetpulse:lake", "user_id": "fleetpulse", "timestamp": now_us - (11 + n) * MINUTE_US,
            "topic": "fleet.metrics", "partition": 0, "offset": 1_000 + n, "key": b"crawler-01",
            "raw": b"\x00<b>not avro</b>",
            "raw_size_bytes": 16, "error": "undecodable", "detail": f"unknown fingerprint {HOSTILE}",
        }
        for n in range(3)
    ]  # fmt: skip


def signals(now_us: int) -> Iterator[tuple[str, str, str, str, str]]:
    """Of the alerts that fire: fingerprint, tenant, agent, name, severity."""
    del now_us
    yield "a1" + "0" * 30, TENANT, FALLEN, "trust_low", "critical"
    yield "a2" + "0" * 30, TENANT, OFFLINE[0], "agent_offline", "warning"
    yield "a3" + "0" * 30, TENANT, HOSTILE_AGENT, HOSTILE, "info"
    yield "b1" + "0" * 30, OTHER_TENANT, FOREIGN, "cpu_high", "warning"


def deliveries(now_us: int) -> list[Record]:
    """fleet.deliveries: the first alert was told at the second attempt."""
    return [
        _of(
            FALLEN, timestamp=now_us - (4 - n) * MINUTE_US, fingerprint="a1" + "0" * 30,
            epoch=(now_us - 5 * MINUTE_US) // 1_000,
            state="firing", name="trust_low", channel="on-call", channel_kind="webhook", attempt=n + 1, outcome=outcome,
            status_code=code, error=error, duration_s=0.4, grouped=1,
        )
        for n, (outcome, code, error) in enumerate((("retry", 503, f"503 {HOSTILE}"), ("delivered", 200, None)))
    ]  # fmt: skip


TABLES = {
    "status": lambda now: [*past_statuses(now), *statuses(now)], "trust": lambda now: [*past_scores(now), *scores(now)],
    "heartbeats": beats, "metrics": reports, "anomalies": flags, "forecasts": forecasts,
    "violations": lambda now: _numbered("v", violations(now)),
    "logs": lambda now: _numbered("l", logs(now)), "runs": lambda now: _numbered("r", runs(now), lost=3),
    "lifecycle": lambda now: _numbered("t", turns(now)), "hosts": host_reports,
    "deadletter": dead_letters, "deliveries": deliveries,
}  # fmt: skip
"""By the lake's table: its records."""
