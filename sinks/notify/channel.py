"""Where alerts go. A channel delivers one alert or raises; retries, order and offsets are the notifier's."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Protocol, TextIO

from infra.runtime.clock import Clock
from infra.runtime.text import printable
from sinks.notify.alert import Alert


class Channel(Protocol):
    """The seam for real channels."""

    @property
    def name(self) -> str:
        """What logs call it."""
        ...

    async def deliver(self, alert: Alert) -> None:
        """Deliver, or raise; then the same alert is given again later. May be given twice after a crash."""
        ...


def _age(seconds: float) -> str:
    """12 s, 3 min, 5 h or 2 d: the unit that says it in few digits."""
    for unit, size in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


class ConsoleChannel:
    """One line an alert on a text stream, for people."""

    name = "console"

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock

    async def deliver(self, alert: Alert) -> None:
        """Write the line and flush. Raises `OSError` when nobody reads."""
        now_s = self._clock.now_s()
        moment = datetime.fromtimestamp(now_s, tz=UTC).strftime("%H:%M:%S")
        line = (
            f"{moment} {alert.state:<12} {alert.severity:<8} {alert.name:<22} {alert.agent_id}  {alert.summary}"
            f"  (began {_age(alert.age_s(now_s))} ago)"
        )
        self._stream.write(printable(line) + "\n")
        self._stream.flush()


def _plain(value: Any) -> Any:  # noqa: ANN401  # whatever an alert's field holds
    return value.isoformat() if isinstance(value, datetime) else value


class JsonChannel:
    """One JSON object an alert and line, `{"event": "alert", ...}`, for programs."""

    name = "json"

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock

    async def deliver(self, alert: Alert) -> None:
        """Write the line and flush. Raises `OSError` when nobody reads."""
        fields = {name: _plain(value) for name, value in asdict(alert).items()}
        line = {"event": "alert", **fields, "age_s": round(alert.age_s(self._clock.now_s()), 3)}
        self._stream.write(json.dumps(line, allow_nan=False, default=str) + "\n")
        self._stream.flush()
