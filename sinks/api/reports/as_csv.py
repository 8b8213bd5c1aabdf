"""The compliance report as one CSV file: a column `section` says what a row is, so that a spreadsheet can filter.

Text that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, "CSV Injection").
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from infra.runtime.text import printable

COLUMNS = (
    "section", "date", "timestamp", "policy_id", "policy_name", "severity", "action", "agent_id", "user_id",
    "violations", "critical", "agents", "policies", "reports", "checks", "compliance_rate", "description", "context",
    "remediation", "run_id", "event_id", "type", "severities", "actions", "first_at", "last_at",
)  # fmt: skip
_FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
Report = Mapping[str, Any]


def as_csv(report: Report) -> str:
    """RFC 4180 with a header line."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows({name: cell(value) for name, value in row.items()} for row in _rows(report))
    return text.getvalue()


def cell(value: object) -> object:
    """A value as a spreadsheet may have it: numbers are numbers, text is never a formula, and on one line."""
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    risky = text[:1] in {"\t", "\r", "\n"} or text.lstrip().startswith(_FORMULA_STARTS)
    shown = printable(text.replace("\r", " ").replace("\n", " ").replace("\t", " "))
    return f"'{shown}" if risky else shown


def _rows(report: Report) -> Iterator[Mapping[str, Any]]:
    yield {"section": "total", **report["totals"]}
    yield from ({"section": "policy", **row} for row in report["by_policy"])
    yield from ({"section": "severity", **row, "severity": row["name"]} for row in report["by_severity"])
    yield from ({"section": "action", **row, "action": row["name"]} for row in report["by_action"])
    yield from ({"section": "agent", **row} for row in report["by_agent"])
    yield from ({"section": "day", **row} for row in report["by_day"])
    yield from ({"section": "evidence", **row} for row in report["evidence"])
