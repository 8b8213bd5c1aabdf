"""What the routes of one gateway process share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from infra.access import KeyDirectory
from producers.gateway.ingest import Ingest

_BUSY_TABLES = ("heartbeats", "metrics")


def _newest_hour(table: Path) -> Path | None:
    """The folder of a table's newest hour; two listings, however old the lake is."""
    day = max(table.glob("date=*"), default=None)
    return None if day is None else max(day.glob("hour=*"), default=None)


def _no_figures() -> bytes:
    return b""


@dataclass
class GatewayState:
    """`lake`: the folder of the lake, where this machine has it. `figures_text`: metrics, once there is a door."""

    ingest: Ingest
    directory: KeyDirectory
    owners_ready: asyncio.Event
    version: str
    lake: Path | None = None
    figures_text: Callable[[], bytes] = field(default=_no_figures)

    def trouble(self) -> str | None:
        """Why no event can be taken now; None where it can."""
        if not self.directory.ready.is_set():
            return "the keys are not read yet"
        if not self.owners_ready.is_set():
            return "whose agents are whose is not read yet"
        return self.ingest.publisher.trouble()

    def gauges(self) -> Iterator[tuple[str, str, Callable[[], float]]]:
        """Numbers for /metrics: name, what it is, how to read it."""
        publisher = self.ingest.publisher
        yield "waiting_bytes", "Bytes of events that wait for the broker", lambda: publisher.waiting_bytes
        yield "sessions", "Agents with a session", lambda: len(self.ingest.sessions)
        yield "ready", "1 while events can be taken", lambda: float(self.trouble() is None)

    def lake_health(self) -> dict[str, object]:
        """Whether the lake is on this machine, and how long ago something landed in it."""
        if self.lake is None or not self.lake.is_dir():
            return {"status": "unknown", "reason": "the lake is not on this machine"}
        hours = [hour for table in _BUSY_TABLES if (hour := _newest_hour(self.lake / table)) is not None]
        if not hours:
            return {"status": "unknown", "reason": "nothing has landed yet"}
        age_s = time.time() - max(hour.stat().st_mtime for hour in hours)
        return {"status": "healthy", "last_landed_s_ago": round(age_s, 1)}
