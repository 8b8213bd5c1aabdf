"""What changed in the last hour, from memory: the newest of statuses, alerts and falls of trust together."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sinks.api.live.memory import Memory
from sinks.api.live.words import UNKNOWN, deployment, status_word
from sinks.api.overview.board import Alert
from sinks.api.overview.changes import Row, shown_change
from sinks.api.scope import Scope
from sinks.api.times import iso_us

HOUR_US = 3_600_000_000
NEWEST = 12
_EMPTY: dict[str, Any] = dict.fromkeys(
    (
        "kind", "at", "id", "agent_id", "user_id", "deployment_id", "status", "previous", "reason", "trust",
        "trust_before", "fingerprint", "name", "severity", "state", "cause", "summary",
    )
)  # fmt: skip


def newest_changes(
    memory: Memory, scope: Scope, alerts: Sequence[Alert], falls: Sequence[Row] | None, now_us: int
) -> dict[str, Any]:
    """Counts of the hour, and the newest dozen. `alerts`: of the scope, as `AlertBoard.seen` has them; `falls`: of the
    scope, None: not known yet."""
    since_us = now_us - HOUR_US
    slots = _changed(memory, scope, since_us)
    since = iso_us(since_us) or ""  # times of one form and zone: the order of their texts is theirs
    begun = [alert for alert in alerts if (alert["starts_at"] or "") >= since and alert["begun"]]
    ended = [alert for alert in alerts if alert["state"] == "resolved" and (alert["ends_at"] or "") >= since]
    items = [
        *(_of_status(memory, slot) for slot in _latest(memory, slots)),
        *_of_alerts(begun, "firing", "starts_at"),
        *_of_alerts(ended, "resolved", "ends_at"),
        *(shown_change(row) for row in (falls or ())[:NEWEST]),
    ]
    items.sort(key=lambda item: str(item["at"]), reverse=True)
    return {
        "since": since,
        "by_status": _by_status(memory, slots),
        "agents": int(slots.size),
        "alerts_begun": len(begun),
        "alerts_over": len(ended),
        "trust_falls": None if falls is None else len(falls),
        "newest": items[:NEWEST],
    }


def _changed(memory: Memory, scope: Scope, since_us: int) -> npt.NDArray[np.int64]:
    """Slots whose status is not older, and another one than before."""
    columns, size = memory.status, len(memory)
    other = columns["status"].codes[:size] != columns["previous"].codes[:size]
    return np.flatnonzero(other & (columns["timestamp"][:size] >= since_us) & memory.visible(scope))


def _latest(memory: Memory, slots: npt.NDArray[np.int64]) -> list[int]:
    """The few that changed last, the newest first."""
    times = memory.status["timestamp"][slots]
    if slots.size > NEWEST:
        slots = slots[np.argpartition(-times, NEWEST)[:NEWEST]]
        times = memory.status["timestamp"][slots]
    found: list[int] = slots[np.argsort(-times, kind="stable")].tolist()
    return found


def _by_status(memory: Memory, slots: npt.NDArray[np.int64]) -> dict[str, int]:
    codes, counts = np.unique(memory.status["status"].codes[slots], return_counts=True)
    return {memory.words.texts[code] or UNKNOWN: int(n) for code, n in zip(codes, counts, strict=True)}


def _of_status(memory: Memory, slot: int) -> dict[str, Any]:
    columns = memory.status
    at_us = int(columns["timestamp"][slot])
    return _EMPTY | {
        "kind": "status",
        "id": f"{memory.users[slot]}/{memory.agents[slot]}/{at_us}",
        "at": iso_us(at_us),
        "agent_id": memory.agents[slot],
        "user_id": memory.users[slot],
        "deployment_id": deployment(memory, slot),
        "status": status_word(memory, slot),
        "previous": columns["previous"][slot],
        "reason": columns["reason"][slot],
    }


def _of_alerts(alerts: Sequence[Alert], state: str, at: str) -> list[dict[str, Any]]:
    newest = heapq.nlargest(NEWEST, alerts, key=lambda alert: alert[at] or "")
    return [_of_alert(alert, state, at) for alert in newest]


def _of_alert(alert: Alert, state: str, at: str) -> dict[str, Any]:
    names = ("agent_id", "user_id", "deployment_id", "fingerprint", "name", "severity", "summary")
    found = {"kind": "alert", "id": f"{alert['fingerprint']}/{alert['epoch']}/{state}", "state": state}
    return _EMPTY | {name: alert[name] for name in names} | found | {"at": alert[at]}
