"""Alerts in memory, so that how many there are costs no question to the alert manager's child."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from infra.web.problem import Problem
from sinks.api.scope import Scope

SEVERITIES = ("critical", "warning", "info")
_PAGE = 500
_AGAIN_S = 1.0
_SHOWN = frozenset({"", "acknowledged", "flapping", "delayed"})
"""Why nobody is told of an alert that a list shows all the same."""
_QUIET = frozenset({"silence", "maintenance", "inhibited"})
"""Why nobody is told of an alert that a list leaves out, and that is no line of another one."""
_WATCHDOG = "watchdog"
Alert = Mapping[str, Any]
Ask = Callable[..., Awaitable[dict[str, Any]]]


class AlertBoard:
    """Hears what the desk tells; every time the desk is ready it reads all there is, as it was away before."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._alerts: dict[str, Alert] = {}
        self._fresh: dict[str, Alert | None] = {}
        self._stale = asyncio.Event()
        self.whole = False
        """Whether everything was read; False while the desk is away, too."""
        self.version = 0
        """Grows with every change."""

    def hear(self, news: Mapping[str, Any]) -> None:
        """A listener of the desk."""
        if news["event"] == "alert":
            self._put(news["alert"]["fingerprint"], news["alert"])
        elif news["event"] == "forgotten":
            self._put(news["fingerprint"], None)
        elif news["event"] == "ready":
            self._stale.set()
        else:
            self.whole = False
            self.version += 1

    def _put(self, fingerprint: str, alert: Alert | None) -> None:
        self._fresh[fingerprint] = alert
        self._apply(fingerprint, alert)
        self.version += 1

    def _apply(self, fingerprint: str, alert: Alert | None) -> None:
        if alert is None:
            self._alerts.pop(fingerprint, None)
        else:
            self._alerts[fingerprint] = self._with_begun(alert)

    def _with_begun(self, alert: Alert) -> Alert:
        """`begun`: whether this firing was shown to people, even if a silence came later or it is over by now."""
        before = self._alerts.get(alert["fingerprint"])
        known = before is not None and before["epoch"] == alert["epoch"] and before["begun"]
        return {**alert, "begun": known or alert["told"] or _kind(alert) in _SHOWN}

    async def run(self) -> None:
        """Read everything whenever the desk is ready, until cancelled."""
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                await self._read()
            except Problem:  # it has gone again, or is slow: its next word, or a second, tries anew
                await asyncio.sleep(_AGAIN_S)
                self._stale.set()

    async def _read(self) -> None:
        self._fresh = {}
        found: dict[str, Alert] = {}
        after = None
        while True:
            page = await self._ask("list", Scope(), everything=True, most=_PAGE, after=after)
            found |= {alert["fingerprint"]: self._with_begun(alert) for alert in page["alerts"]}
            after = page["next"]
            if after is None:
                break
        self._alerts = found
        for fingerprint, alert in self._fresh.items():  # told while it was read: newer than what was read
            self._apply(fingerprint, alert)
        self.whole = True
        self.version += 1

    def of(self, scope: Scope) -> dict[str, Any]:
        """How many a list of `GET /alerts` holds: in all, and with each severity as its filter."""
        seen = list(self.seen(scope))
        severity_of = {alert["fingerprint"]: alert["severity"] for alert in seen}
        active = [alert for alert in seen if alert["state"] != "resolved" and not _is_watchdog(alert)]
        listed = [alert for alert in active if _is_listed(alert, severity_of.get(_root(alert)) is not None)]
        by_severity = {
            word: sum(
                alert["severity"] == word and _is_listed(alert, severity_of.get(_root(alert)) == word)
                for alert in active
            )
            for word in SEVERITIES
        }
        return {
            "total": len(listed),
            "by_severity": by_severity,
            "acknowledged": sum(alert["state"] == "acknowledged" for alert in listed),
            "quiet": {word: sum(_kind(alert) == word for alert in active) for word in sorted(_QUIET)},
            "whole": self.whole,
        }

    def seen(self, scope: Scope) -> Iterator[Alert]:
        """The alerts of a scope. One of no agent is for who sees all agents of its tenant."""
        for alert in self._alerts.values():
            agent_id = alert["agent_id"]
            if scope.sees_tenant(alert["user_id"]) and (scope.sees_agent(agent_id) if agent_id else not scope.agents):
                yield alert


def _is_watchdog(alert: Alert) -> bool:
    return bool(alert["name"] == alert["rule_kind"] == _WATCHDOG)


def _kind(alert: Alert) -> str:
    """Why nobody is told, in a word; empty: people are."""
    return str((alert["suppressed_by"] or "").partition(":")[0])


def _root(alert: Alert) -> str:
    """The incident that an alert is kept quiet for; empty: none."""
    kind, _, name = (alert["suppressed_by"] or "").partition(":")
    return name if kind == "incident" else ""


def _is_listed(alert: Alert, beside_its_root: bool) -> bool:
    """As the alert manager's list has it: a member is a line of its incident, where the list holds that."""
    kind = _kind(alert)
    return kind in _SHOWN or (kind == "incident" and not beside_its_root)
