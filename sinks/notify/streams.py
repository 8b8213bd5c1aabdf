"""Channels that write to a text stream: lines for people, JSON lines for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TextIO

from infra.runtime.clock import Clock
from infra.runtime.text import printable
from sinks.notify.alert import Alert
from sinks.notify.channel import Notification
from sinks.notify.words import sentence, since


def line_for_people(alert: Alert, now_s: float) -> str:
    """What an alert says in one line; it ends with what `fleetpulse alerts show` takes."""
    moment = datetime.fromtimestamp(now_s, tz=UTC).strftime("%H:%M:%S")
    more = f"  [{alert.member_count} alerts]" if alert.member_count else ""
    return printable(
        f"{moment} {alert.state:<12} {alert.severity:<8} {alert.name:<22} {sentence(alert)}"
        f"  ({since(alert, now_s)}){more}  {alert.fingerprint[:8]}"
    )


def _plain(value: Any) -> Any:  # noqa: ANN401  # whatever an alert's field holds
    return value.isoformat() if isinstance(value, datetime) else value


def line_for_programs(alert: Alert, now_s: float) -> str:
    """One JSON object, `{"event": "alert", ...}`."""
    fields = {name: _plain(value) for name, value in asdict(alert).items()}
    return json.dumps({"event": "alert", **fields, "age_s": round(alert.age_s(now_s), 3)}, allow_nan=False, default=str)


class ConsoleChannel:
    """One line an alert on a text stream, for people."""

    kind = "console"
    _line = staticmethod(line_for_people)

    def __init__(self, stream: TextIO, clock: Clock, name: str = "console") -> None:
        self._stream = stream
        self._clock = clock
        self.name = name

    async def deliver(self, notification: Notification) -> int | None:
        """Write the lines and flush. Raises `OSError` when nobody reads."""
        now_s = self._clock.now_s()
        self._stream.write("".join(self._line(alert, now_s) + "\n" for alert in notification.alerts))
        self._stream.flush()
        return None

    async def close(self) -> None:
        """Nothing to let go of: the stream is its owner's."""


class JsonChannel(ConsoleChannel):
    """One JSON object an alert and line, for programs."""

    kind = "json"
    _line = staticmethod(line_for_programs)

    def __init__(self, stream: TextIO, clock: Clock, name: str = "json") -> None:
        super().__init__(stream, clock, name)
