"""The questions of docs/questions.md: each runs, and the small lake below has an answer to each."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from small_lake import SmallLake

from sinks.lake.sql_guard import check_select
from sinks.lake.views import open_lake

PAGE = Path(__file__).parents[4] / "docs" / "questions.md"
QUESTIONS = re.findall(r"## ([^\n]+)\n\n```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
Moment = Callable[[float], datetime]


@pytest.fixture
def small_world(lake: SmallLake, moment: Moment) -> Path:
    def events(table: str, *rows: dict[str, Any]) -> None:
        lake.add(
            table,
            [
                {"timestamp": moment(60 * n), "session_id": table, "seq": 2 * n, "deployment_id": "d"} | row
                for n, row in enumerate(rows)
            ],
        )

    events("trust", {"trust": 0.9}, {"agent_id": "b", "trust": 0.2, "n": 4.0})
    events(
        "status",
        {"status": "online"},
        {"agent_id": "b", "status": "offline", "reason": "deadline_missed", "interval_s": 5.0},
    )
    events(
        "anomalies",
        {"metric": "cpu_usage", "score": 9.0},
        {"metric": "cpu_usage", "score": 12.0},
        {"metric": "revenue", "score": 8.0},
    )
    events("metrics", *({"response_time": 100.0 + n, "error_rate": n / 100, "request_count": 5.0} for n in range(10)))
    events(
        "violations",
        {"policy_name": "pii", "severity": "high", "action": "blocked"},
        {"policy_name": "pii", "severity": "high"},
    )
    done = {"kind": "tool_completed", "tool": "search", "latency_ms": 80.0}
    events("lifecycle", done | {"status": "failure"}, done | {"status": "success"})
    alert = {"name": "trust_low", "severity": "critical", "fingerprint": "f", "epoch": 1, "starts_at": moment(0)}
    events("alerts", alert | {"state": "firing", "ends_at": None}, alert | {"state": "resolved", "ends_at": moment(30)})
    muted = {"name": "cpu_high", "fingerprint": "g", "starts_at": moment(0), "state": "firing", "ends_at": None}
    events(
        "alerts",
        muted | {"epoch": 1, "suppressed_by": "silence:42"},
        muted | {"epoch": 2, "suppressed_by": "silence:42"},
        muted | {"epoch": 3, "suppressed_by": "maintenance:night"},
    )
    sent = {"channel": "ops", "name": "trust_low", "fingerprint": "f", "epoch": 1, "attempt": 1}
    events(
        "deliveries",
        # Two of them: of outcomes that came as often, any may be first, by how many processors there are.
        sent | {"outcome": "failed", "error": "HTTP 500", "oldest_source_timestamp": moment(-1)},
        sent | {"outcome": "failed", "attempt": 2, "error": "HTTP 503", "oldest_source_timestamp": moment(59)},
        sent | {"outcome": "delivered", "attempt": 3, "oldest_source_timestamp": moment(118)},
        sent | {"outcome": "dead", "epoch": 2, "attempt": 9, "error": "gone", "oldest_source_timestamp": moment(179)},
    )
    held = {"name": "cpu_high", "rule_kind": "threshold"}
    order = {"kind": "command", "actor": "ann", "command": "silence", "arguments": "{}"}
    events("signals", held | {"kind": "firing"}, held | {"kind": "resolved"}, order)
    leak = {"metric": "disk_usage", "kind": "leak", "horizon_s": 604_800.0, "threshold": 90.0, "value": 71.04}
    soon = {"metric": "memory_usage", "kind": "threshold", "horizon_s": 60.0, "threshold": 85.0, "value": 80.0}
    events(
        "forecasts",
        leak | {"probability": 0.93, "expected_at": moment(9999)},
        soon | {"probability": 0.7, "expected_at": None},
    )
    events("metrics", *({"memory_usage": 70.0 + 10 * n} for n in range(4)))
    events("hosts", {"host": "h", "cpu_usage": 30.0, "memory_usage": 60.0})
    events("heartbeats", {"agent_id": "b", "trust_score": 0.95})
    folder: Path = lake.folder
    return folder


ANSWERS: dict[str, tuple[Any, ...]] = {
    "Whom do we trust least now?": ("b", 0.2, 4.0),
    "Which agents are late or offline, and since when?": ("b", "offline", "deadline_missed"),
    "Which metrics were most anomalous in the last hour of data?": ("cpu_usage", 2, 1, 12.0),
    "How slow are the deployments for the slowest twentieth?": ("d", 14, 102.5, pytest.approx(108.4, abs=0.06)),
    "Which policies are violated, and how badly?": ("pii", "high", 2, 1, 1),
    "Which tools fail most?": ("search", 2, 1, 50.0, 80.0),
    "Did every event arrive?": ("a", "metrics", 19, 10, 9),
    "Which alerts fired, and how long did they last?": ("cpu_high", "", 3, 3),
    "Why was nobody told of an alert?": ("cpu_high", "silence", 2, 1),
    "Which alerts come and go most?": ("cpu_high", "g", 3),
    "Do the channels deliver, and how fast?": ("ops", "failed", 2, 2, 1.0, "HTTP 503"),
    "Which firing reached nobody?": ("trust_low", "f", 2),
    "Which rules held, whether somebody was told or not?": ("cpu_high", "threshold", 1, 1, 1),
    "What will run full soonest?": ("a", "disk_usage", "leak", 71.0, 90.0, 0.93, 168.0),
    "Were the forecasts right?": (pytest.approx(1 / 60), 0.6, 1, 1.0),
    "Which agents say that they are well, and are not?": ("b", 0.95, 0.2, "offline"),
}


@pytest.mark.parametrize(("question", "sql"), QUESTIONS, ids=[question for question, _ in QUESTIONS])
def test_every_question_of_the_page_has_an_answer(small_world: Path, question: str, sql: str) -> None:
    with duckdb.connect(":memory:") as parser:
        check_select(parser, sql)
    with open_lake(small_world) as connection:
        first = connection.execute(sql).fetchone()
    assert first is not None
    expected = ANSWERS.get(question, ())
    assert first[: len(expected)] == expected


def test_the_page_has_the_ten_questions_and_all_expected_ones() -> None:
    assert len(QUESTIONS) >= 10
    assert ANSWERS.keys() <= {question for question, _ in QUESTIONS}
