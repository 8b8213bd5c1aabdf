"""The alert manager within a backtest: signals of the replayed workers come in, alerts as people have them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.registry import topic_schema
from streams.backtest.compare import Raised
from streams.backtest.lake import metric_of
from streams.manager.config import ManagerConfig
from streams.manager.core import decide, resume, tick
from streams.manager.model import FIRING, RESOLVED, Event, Signal
from streams.manager.state import State
from streams.rules.model import Pack

_FIELDS: Mapping[str, Any] = {
    field["name"]: field.get("default") for field in topic_schema("fleet.signals").raw["fields"]
}
_NAMED = ("labels", "annotations", "evidence")


class Deciding:
    """One alert manager in memory, its time that of the replay."""

    def __init__(self, pack: Pack) -> None:
        self._config = ManagerConfig(pack=pack)
        self._state = State()
        self._raised: dict[tuple[str, int], Raised] = {}
        resume(self._config, self._state)

    @property
    def raised(self) -> list[Raised]:
        """What fired so far, oldest first."""
        return sorted(self._raised.values(), key=lambda raised: raised.started_us)

    def take(self, rows: Iterable[Mapping[str, Any]], now_s: float) -> None:
        """Rows of fleet.signals, as if the broker had got them at `now_s`."""
        for row in rows:
            self._note(decide(self._config, self._state, _signal(row), now_s).events)

    def pass_time(self, now_s: float) -> None:
        """What is due by then."""
        self._note(tick(self._config, self._state, now_s))

    def _note(self, events: Iterable[Event]) -> None:
        for event in events:
            key = str(event["fingerprint"]), int(event["epoch"])
            known = self._raised.get(key)
            if known is None and event["state"] != FIRING:
                continue
            started_us = known.started_us if known is not None else int(event["starts_at"])
            ended_us = int(event["ends_at"] or event["timestamp"]) if event["state"] == RESOLVED else None
            name, agent, kind = str(event["name"]), str(event["agent_id"]), str(event["rule_kind"] or "")
            self._raised[key] = Raised(name, agent, started_us, ended_us, metric_of(event), kind)


def _signal(row: Mapping[str, Any]) -> Signal:
    """A row that has not been encoded as the core sees it."""
    signal = {name: row.get(name, default) for name, default in _FIELDS.items()}
    return signal | {name: {pair["name"]: pair["value"] for pair in signal[name]} for name in _NAMED}
