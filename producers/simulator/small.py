"""What the rare events say: violations and log lines."""

from __future__ import annotations

import random
from typing import Any

VERSION = "2.4.1"
POLICIES = (
    ("pol-pii-01", "No personal data in answers", "An e-mail address stood in the answer", "redacted"),
    ("pol-scope-02", "Stay within the task", "The answer left the subject it was asked about", "flagged"),
    ("pol-tool-03", "Only allowed tools", "A tool was called that the policy does not list", "blocked"),
    ("pol-cost-04", "Budget of a run", "The run used more tokens than it may", "flagged"),
    ("pol-safe-05", "No instructions that do harm", "The answer described a forbidden procedure", "blocked"),
)
_CLEAN = (("low", 0.75), ("medium", 0.24), ("high", 0.01))
_GRAVE = (("high", 0.6), ("critical", 0.4))
_LINES = (
    ("info", "performance", "planner", "plan has {n} steps"),
    ("info", "business", "dialogue", "conversation {n} closed by the user"),
    ("info", "system", "cache", "evicted {n} entries"),
    ("debug", "performance", "retriever", "ranked {n} passages"),
    ("warn", "performance", "model", "answer took {n} ms, retried once"),
    ("warn", "governance", "policy", "rule set is {n} minutes old"),
    ("error", "system", "tools", "tool ended with code {n}"),
)
_WEIGHTS = (30, 20, 15, 20, 8, 4, 3)


def violation_fields(rng: random.Random, *, grave: bool) -> dict[str, Any]:
    """A violation; a grave one is high or critical."""
    policy_id, policy_name, description, action = rng.choice(POLICIES)
    severities = _GRAVE if grave else _CLEAN
    severity = rng.choices([name for name, _ in severities], [weight for _, weight in severities])[0]
    return {
        "type": "policy_violation",
        "policy_id": policy_id,
        "policy_name": policy_name,
        "severity": severity,
        "description": description,
        "action": action,
        "context": [{"name": "rule", "value": policy_id}],
        "remediation_suggested": "Review the prompt and the tools of this agent" if grave else None,
    }


def stopping_fields(uptime_s: float, host: str) -> dict[str, Any]:
    """The last beat of a session that ends while others go on."""
    return {"status": "stopping", "version": VERSION, "uptime_s": uptime_s, "host": host}


def log_fields(rng: random.Random) -> dict[str, Any]:
    """A log line."""
    level, category, source, text = rng.choices(_LINES, _WEIGHTS)[0]
    number = rng.randint(1, 900)
    return {
        "level": level,
        "category": category,
        "source": source,
        "message": text.format(n=number),
        "metadata": [{"name": "n", "value": str(number)}],
    }
