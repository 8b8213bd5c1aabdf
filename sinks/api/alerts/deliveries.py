"""Who was told of an alert, from the lake: every attempt, on every channel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb

from sinks.api.scope import Scope
from sinks.api.times import iso_us

TABLES = ("deliveries",)
_COLUMNS = (
    "at_us", "kafka_offset", "fingerprint", "epoch", "state", "channel", "channel_kind", "attempt", "outcome",
    "status_code", "error", "duration_s", "grouped", "source_us",
)  # fmt: skip
_SQL = f"""SELECT {", ".join(_COLUMNS)} FROM (
  SELECT * REPLACE (coalesce(grouped, 1) AS grouped), epoch_us("timestamp") AS at_us,
    epoch_us(oldest_source_timestamp) AS source_us FROM deliveries)
WHERE at_us >= $start AND at_us < $end AND starts_with(lower(fingerprint), $fingerprint)
  AND outcome <> 'suppressed' AND ($at IS NULL OR (at_us, kafka_offset, fingerprint) < ($at, $offset, $last))
ORDER BY at_us DESC, kafka_offset DESC, fingerprint DESC LIMIT $most"""  # noqa: S608  # our own names
Place = tuple[int, int, str]


@dataclass(frozen=True)
class Asked:
    """Event times in micros, the end is excluded. `fingerprint`: how it begins. `after`: the last row of the page
    before. `scope`: whether errors of channels may be shown."""

    start_us: int
    end_us: int
    fingerprint: str
    after: Place | None
    most: int
    scope: Scope


def deliveries(asked: Asked) -> Callable[[duckdb.DuckDBPyConnection], tuple[list[dict[str, Any]], Place | None]]:
    """A question to the lake: attempts of one page, the newest first, and where the next begins."""

    def question(connection: duckdb.DuckDBPyConnection) -> tuple[list[dict[str, Any]], Place | None]:
        rows = connection.execute(_SQL, _values(asked)).fetchall()
        found = [dict(zip(_COLUMNS, row, strict=True)) for row in rows[: asked.most]]
        last = found[-1] if len(rows) > asked.most else None
        place = None if last is None else (last["at_us"], last["kafka_offset"], last["fingerprint"])
        return [_shown(row, asked.scope) for row in found], place

    return question


def _values(asked: Asked) -> dict[str, Any]:
    at, offset, last = asked.after or (None, None, None)
    return {
        "start": asked.start_us, "end": asked.end_us, "fingerprint": asked.fingerprint.strip().lower(),
        "at": at, "offset": offset, "last": last, "most": asked.most + 1,
    }  # fmt: skip


def _shown(row: dict[str, Any], scope: Scope) -> dict[str, Any]:
    at_us, source_us, _ = row.pop("at_us"), row.pop("source_us"), row.pop("kafka_offset")
    since_s = None if source_us is None else round((at_us - source_us) / 1e6, 3)
    hidden = {} if scope.tenant is None else {"error": None}  # it names machines of those who run the fleet
    return {**row, "at": iso_us(at_us), "since_event_s": since_s, **hidden}
