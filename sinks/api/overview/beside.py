"""What the lake is asked for beside, once for everybody: the ledger's sums, and falls of trust.

Asked again and again only while somebody looks; the longer an answer takes, the more rarely. What takes longer than the
lake's time limit is asked of the last day, then of the last hour, and says so; once answers come fast, of more again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from infra.runtime.clock import Clock
from infra.runtime.logs import get_logger
from infra.web.problem import Problem
from sinks.api.overview.changes import Row, read_changes, read_span
from sinks.api.overview.delivery import TABLES, Deliveries, Delivery, read_deliveries
from sinks.api.past.pool import LakePool
from sinks.api.scope import Scope
from sinks.api.times import Span, at_s, iso

LOOKED_AT_WITHIN_S = 120.0
LEDGER_EVERY_S, FALLS_EVERY_S = 15.0, 10.0
_SHARE_OF_TIME = 20
"""Pauses are at least so many times as long as the answer took."""
_FAST_ENOUGH_S, _WIDER_AFTER_S = 1.0, 60.0
"""A narrowed ledger that is answered within the first is asked of more again, so long after it was narrowed; twice as
long whenever more was too much once again, up to `_WIDER_AT_LAST_S`."""
_WIDER_AT_LAST_S = 3_600.0
_LEDGER_SPANS = (None, timedelta(days=1), timedelta(hours=1))
_FALLS_WITHIN = timedelta(hours=1)
_MOST_FALLS = 2_000
_AHEAD = timedelta(minutes=5)
_log = get_logger("api")


@dataclass(frozen=True, slots=True)
class _Ledger:
    at: datetime
    span: timedelta | None
    found: Deliveries
    every_s: float


class Beside:
    """`run` asks; `ledger` and `falls` tell what was answered last, by scope."""

    def __init__(self, past: LakePool, clock: Clock) -> None:
        self._past, self._clock = past, clock
        self._ledger: _Ledger | None = None
        self._falls: list[Row] | None = None
        self._narrowest = 0
        self._narrowed_s: float | None = None
        self._patience_s = _WIDER_AFTER_S
        self._wanted_s = clock.monotonic_s()
        self._wanted = asyncio.Event()
        self.version = 0
        """Grows with every answer."""

    def looked_at(self) -> None:
        """Somebody looks."""
        self._wanted_s = self._clock.monotonic_s()
        self._wanted.set()

    def is_looked_at(self) -> bool:
        """Whether somebody looked a short while ago."""
        return self._clock.monotonic_s() - self._wanted_s <= LOOKED_AT_WITHIN_S

    async def run(self) -> None:
        """Ask until cancelled; begins at once, so that the first who looks finds something."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._again(self.ask_ledger, LEDGER_EVERY_S))
            tasks.create_task(self._again(self.ask_falls, FALLS_EVERY_S))

    async def _again(self, ask: Callable[[], Coroutine[Any, Any, None]], every_s: float) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            await _told(ask())
            await asyncio.sleep(max(every_s, _SHARE_OF_TIME * (loop.time() - began_s)))
            if not self.is_looked_at():
                self._wanted.clear()
                await self._wanted.wait()

    async def ask_ledger(self) -> None:
        """The sums anew. Raises what `LakePool.ask` raises."""
        now, length = at_s(self._clock.now_s()), _LEDGER_SPANS[self._narrowest]
        span = None if length is None else Span(now - length, now + _AHEAD)
        question = read_deliveries(now, whole=span is None)
        began_s = self._clock.monotonic_s()
        try:
            found = await self._past.ask(question, scope=Scope(), tables=TABLES, span=span)
        except Problem as problem:
            if problem.type == "too-slow":
                self._narrow()
            raise
        took_s = self._clock.monotonic_s() - began_s
        self._ledger = _Ledger(now, length, found, max(LEDGER_EVERY_S, _SHARE_OF_TIME * took_s))
        self.version += 1
        self._widen(took_s)

    def _narrow(self) -> None:
        """What was asked takes too long: less is asked the next time, and more only after a longer while."""
        if self._narrowed_s is not None:
            self._patience_s = min(_WIDER_AT_LAST_S, 2 * self._patience_s)
        self._narrowest = min(self._narrowest + 1, len(_LEDGER_SPANS) - 1)
        self._narrowed_s = self._clock.monotonic_s()

    def _widen(self, took_s: float) -> None:
        """One slow moment is not for ever: a fast answer is followed by a wider question."""
        if self._narrowest == 0 or self._narrowed_s is None:
            self._narrowed_s, self._patience_s = None, _WIDER_AFTER_S
            return
        waited_s = self._clock.monotonic_s() - self._narrowed_s
        if took_s <= _FAST_ENOUGH_S and waited_s >= self._patience_s:
            self._narrowest -= 1

    async def ask_falls(self) -> None:
        """Falls of trust of the last hour anew. Raises what `LakePool.ask` raises."""
        now = at_s(self._clock.now_s())
        span = Span(now - _FALLS_WITHIN, now + _AHEAD)
        question = read_changes(span, ("trust",), None, _MOST_FALLS)
        self._falls = await self._past.ask(question, scope=Scope(), tables=("trust",), span=read_span(span), empty=[])
        self.version += 1

    def falls(self, scope: Scope) -> list[Row] | None:
        """Those of a scope, the newest first; None: not known yet."""
        if self._falls is None:
            return None
        return [row for row in self._falls if scope.sees(row["user_id"], row["agent_id"])]

    def ledger(self, scope: Scope) -> dict[str, Any] | None:
        """The sums of a scope; None: not known yet."""
        known = self._ledger
        if known is None:
            return None
        everything = scope == Scope()
        return {
            **_counts(known.found.of(scope)),
            "duplicates": known.found.duplicates if everything else None,
            "dead_letters": known.found.dead_letters if everything else None,
            "span_s": None if known.span is None else known.span.total_seconds(),
            "as_of": iso(known.at),
            "every_s": known.every_s,
        }

    def ledger_by_agent(self, scope: Scope, q: str, offset: int, limit: int) -> dict[str, Any] | None:
        """`items`: the sums of agents of a scope with `q` in their name, who misses the most first; `total`: how many
        these are. None: not known yet."""
        known = self._ledger
        if known is None:
            return None
        agents = known.found.agents_of(scope, q.lower())
        items = [
            {"agent_id": key[1], "user_id": key[0], **_counts(known.found.of_agent[key])}
            for key in agents[offset : offset + limit]
        ]
        span_s = None if known.span is None else known.span.total_seconds()
        age = {"as_of": iso(known.at), "every_s": known.every_s}
        return {"items": items, "total": len(agents), "span_s": span_s} | age


def _counts(each: Delivery) -> dict[str, int]:
    return {
        "sessions": each.sessions,
        "published": each.published,
        "landed": each.landed,
        "missing": each.missing,
        "expired": each.expired,
    }


async def _told(asking: Coroutine[Any, Any, None]) -> None:
    """Whatever became of a question: the next one may do better, and what was known is told with its age."""
    try:
        await asking
    except Problem as problem:
        _log.info("the lake was not asked for the overview", why=problem.detail)
    except (duckdb.Error, OSError) as error:
        _log.warning("the lake cannot be read for the overview", error=str(error)[:300])
