"""What `fleetpulse bench api` sends: payloads as the sources write them, of many agents in turn."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from infra.bench.wrk import Route

AGENTS, BATCH_LINES = 100, 5_000
TENANT, PREFIX = "bench", "bench-"
WRITE_CONNECTIONS, READ_CONNECTIONS, BATCH_CONNECTIONS = 16, 8, 2
NAMES = [f"{PREFIX}{number:03}" for number in range(AGENTS)]


def _heartbeat(agent: str) -> dict[str, Any]:
    return {
        "agentId": agent,
        "status": "healthy",
        "version": "1.0.0",
        "uptime": 3600,
        "systemInfo": {
            "platform": "linux",
            "memory": {"used": 2_147_483_648, "total": 4_294_967_296},
            "cpu": {"usage": 45.2, "cores": 4},
        },
        "governanceStatus": {"enabled": True, "policiesLoaded": 5, "trustScore": 0.85},
    }


def _metrics(agent: str) -> dict[str, Any]:
    return {
        "agentId": agent,
        "userId": TENANT,
        "governance_metrics": {"trust_score": 0.85, "compliance_rate": 0.92, "violation_count": 2},
        "performance_metrics": {"response_time": 250.5, "throughput": 45.2, "error_rate": 0.02, "uptime": 3600},
        "system_metrics": {"cpu_usage": 45.2, "memory_usage": 67.8, "disk_usage": 23.4, "network_io": 1_024_000},
        "business_metrics": {"request_count": 150, "user_interactions": 89, "success_rate": 94.5, "revenue": 1250.75},
    }


def _violation(agent: str) -> dict[str, Any]:
    return {
        "agentId": agent,
        "type": "policy_violation",
        "policy_id": "hipaa-compliance",
        "policy_name": "HIPAA Compliance",
        "severity": "low",
        "description": "Attempted to share patient SSN",
        "context": {"input": "What is the SSN?", "response": "[BLOCKED]", "rule": "no-personal-info"},
        "remediation_suggested": "Redirect to privacy-compliant information sources",
    }


def _line(number: int) -> dict[str, Any]:
    return {
        "topic": "fleet.logs",
        "agent_id": NAMES[number % AGENTS],
        "level": "info",
        "category": "system",
        "source": "bench",
        "message": f"line {number} of a batch",
    }


def _write_lines(file: Path, documents: Iterable[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(document) + "\n" for document in documents), encoding="utf-8")
    return file


def ingest_routes(folder: Path, key: str) -> list[Route]:
    """Routes of the gateway, the files that they send in `folder`."""
    headers = {"Content-Type": "application/json", "X-API-Key": key}
    makers = {"heartbeat": _heartbeat, "metrics": _metrics, "violations": _violation}
    routes = [
        Route(
            name,
            "POST",
            f"/api/agents/{name}",
            _write_lines(folder / f"{name}.jsonl", map(make, NAMES)),
            "bodies",
            WRITE_CONNECTIONS,
            headers,
        )
        for name, make in makers.items()
    ]
    lines = _write_lines(folder / "batch.ndjson", map(_line, range(BATCH_LINES)))
    ndjson = headers | {"Content-Type": "application/x-ndjson"}
    return [*routes, Route("batch", "POST", "/v1/batch", lines, "whole", BATCH_CONNECTIONS, ndjson)]


def status_route(folder: Path, key: str) -> Route:
    """The status of the agents in turn."""
    names = folder / "agents.txt"
    names.write_text("".join(f"{name}\n" for name in NAMES), encoding="utf-8")
    return Route("status", "GET", "/api/agents/status/", names, "paths", READ_CONNECTIONS, {"X-API-Key": key})
