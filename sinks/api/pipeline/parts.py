"""The parts of the pipeline: our own processes, which are agents of the fleet, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from infra.access.principal import OWN_AGENTS, OWN_TENANT
from infra.health.events import RESTARTS
from sinks.api.live.memory import Memory
from sinks.api.live.words import last_beat_us, number, status_word
from sinks.api.past.shown import shown
from sinks.api.scope import Scope
from sinks.api.times import Span, iso, iso_us

OWN = Scope(OWN_TENANT)
_WORST = ("offline", "degraded", "late", "unknown", "online")


@dataclass(frozen=True, slots=True)
class Told:
    """What a process said of itself last, and when; when it began, and how often it had been started again by then."""

    numbers: dict[str, float]
    at: datetime
    started_at: datetime | None
    restarts: int | None


Numbers = dict[str, Told]


def parts(memory: Memory, numbers: Numbers) -> list[dict[str, Any]]:
    """Every process in the shape of `Part`, what is worst first."""
    slots = [int(slot) for slot in memory.visible(OWN).nonzero()[0] if memory.agents[slot].startswith(OWN_AGENTS)]
    found = [_part(memory, slot, numbers) for slot in slots]
    return sorted(found, key=lambda part: (_WORST.index(part["status"]), part["agent_id"]))


def _part(memory: Memory, slot: int, numbers: Numbers) -> dict[str, Any]:
    agent_id, status = memory.agents[slot], memory.status
    told = numbers.get(agent_id)
    return {
        "agent_id": agent_id,
        "process": agent_id.removeprefix(OWN_AGENTS).partition(":")[0],
        "status": status_word(memory, slot),
        "since": iso_us(int(status["timestamp"][slot])),
        "reason": status["reason"][slot],
        "host": status["host"][slot],
        "version": memory.recent["version"][slot],
        "last_heartbeat": iso_us(last_beat_us(memory, slot)),
        "started_at": None if told is None or told.started_at is None else iso(told.started_at),
        "restarts": None if told is None else told.restarts,
        "numbers": {} if told is None else told.numbers,
        "numbers_at": None if told is None else iso(told.at),
        "interval_s": number(status["interval_s"][slot]) or None,
    }


def read_numbers(span: Span) -> Callable[[duckdb.DuckDBPyConnection], Numbers]:
    """The question: of every process the metrics that it told last in a span."""

    def ask(connection: duckdb.DuckDBPyConnection) -> Numbers:
        # Statistics of a file leave NaN out, so DuckDB may take what is between for granted: the cast has to bear it.
        rows = connection.execute(
            """SELECT agent_id, arg_max(custom, "timestamp") FILTER (len(custom) > 0), max("timestamp"),
              max_by(CASE WHEN uptime BETWEEN 0 AND epoch("timestamp")
                THEN "timestamp" - to_microseconds(TRY_CAST(uptime * 1e6 AS BIGINT)) END, "timestamp")
            FROM metrics WHERE "timestamp" >= ? AND "timestamp" < ? GROUP BY agent_id LIMIT 1000""",
            [span.start, span.end],
        ).fetchall()
        return {agent_id: _told(*row) for agent_id, *row in rows}

    return ask


def _told(custom: Any, at: datetime, started_at: datetime | None) -> Told:  # noqa: ANN401  # a list of records
    numbers = {name: value for name, value in (shown(custom) or {}).items() if value is not None}
    restarts = numbers.pop(RESTARTS, -1.0)
    return Told(numbers, at, started_at, int(restarts) if restarts >= 0 else None)
