"""Dead letters published once more to the topic that they came from: once each, and told in the audit trail before.

What keeps it to once: a letter whose event stands in the lake is not sent, nor one that was sent a while ago and has
not landed yet, nor one event twice in an order; orders are carried out one after the other. Where two APIs are told the
same within that second, or one was restarted in between, the event comes twice under one session and number, and the
lake keeps one, as it does with everything that comes twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from aiokafka.errors import KafkaError

from infra.runtime.errors import FleetpulseError
from infra.runtime.kafka import partition_counts, producer, supports_idempotence
from infra.web.problem import Problem, unavailable
from sinks.api.pipeline.letters import KEPT, WHOLE, Judged, Letter, judge, read_letters
from sinks.api.times import Span
from sinks.api.world import World

UNDERWAY_S = 600.0
_MOST_UNDERWAY = 10_000
_SEND_WITHIN_S = 20.0
_REQUEST_MS = 5_000
Tell = Callable[[Sequence[Judged]], Awaitable[None]]
"""Has it written down what is about to be published; raises where it cannot be."""


@dataclass
class Replayer:
    """`carry_out` orders; `_sent`: events by session and number, and when they were sent (monotonic)."""

    world: World
    _sent: dict[tuple[str, int], float] = field(default_factory=dict)
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def carry_out(self, names: Sequence[str], *, dry_run: bool, tell: Tell) -> list[Judged]:
        """What became of each letter. Raises `Problem` 404, 409, 503, and what `tell` raises."""
        async with self._one_at_a_time:
            judged = _each_once(await self._judged(names))
            chosen = [each for each in judged if each.outcome == "accepted"]
            if dry_run or not chosen:
                return judged
            return await self._publish(judged, chosen, tell)

    async def known(self, judged: Sequence[Judged]) -> list[Judged]:
        """The same, with those of which this process knows that they are on their way."""
        self._forget()
        return [self._unless_underway(each) for each in judged]

    async def _judged(self, names: Sequence[str]) -> list[Judged]:
        now = self.world.now()
        span = Span(now - KEPT, now + timedelta(days=1))
        wanted = list(dict.fromkeys(names))
        nothing: list[Letter] = []
        letters = await self.world.past.ask(
            read_letters(wanted, span), scope=WHOLE, tables=("deadletter",), span=span, empty=nothing
        )
        missing = set(wanted) - {each.name for each in letters}
        if missing:
            raise Problem(404, detail=f"there is no dead letter {min(missing)}", type="not-found")
        return await self.known(await judge(self.world.past, letters, now))

    async def _publish(self, judged: list[Judged], chosen: Sequence[Judged], tell: Tell) -> list[Judged]:
        try:
            counts = await partition_counts(self.world.bootstrap)
            if gone := {each.letter.topic for each in chosen} - counts.keys():
                raise Problem(409, detail=f"the broker has no topic {min(gone)}", type="unfit")
            await tell(chosen)
            failed = await self._sent_all(chosen)
        except (KafkaError, OSError, TimeoutError, FleetpulseError) as error:
            raise unavailable("the broker does not take it: nothing is lost, try again", type="broker-away") from error
        if failed:
            text = f"{len(chosen) - failed} of {len(chosen)} were published; order it again for the others"
            raise unavailable(text, type="broker-away")
        return [replace(e, outcome="replayed", why="published again") if e in chosen else e for e in judged]

    async def _sent_all(self, chosen: Sequence[Judged]) -> int:
        """How many were not acknowledged. Raises `KafkaError` where none can be sent."""
        idempotent = await supports_idempotence(self.world.bootstrap)
        client = producer(self.world.bootstrap, idempotent=idempotent, request_timeout_ms=_REQUEST_MS)
        await client.start()
        # Before they are sent: what is cut off by a timeout may have arrived, and is not sent again for a while.
        events = [each.event for each in chosen]
        self._sent |= {event: self.world.clock.monotonic_s() for event in events if event is not None}
        try:
            async with asyncio.timeout(_SEND_WITHIN_S):
                sent = [
                    await client.send(each.letter.topic, each.letter.raw, key=(each.agent_id or "").encode())
                    for each in chosen
                ]
                results = await asyncio.gather(*sent, return_exceptions=True)
        finally:
            await client.stop()
        refused = [event for event, result in zip(events, results, strict=True) if isinstance(result, BaseException)]
        for event in filter(None, refused):
            del self._sent[event]
        return len(refused)

    def _unless_underway(self, judged: Judged) -> Judged:
        if judged.outcome != "accepted" or judged.event not in self._sent:
            return judged
        return replace(judged, outcome="underway", why="published again a moment ago; it has not landed yet")

    def _forget(self) -> None:
        limit_s = self.world.clock.monotonic_s() - UNDERWAY_S
        newest = list(self._sent.items())[-_MOST_UNDERWAY:]
        self._sent = {event: sent_s for event, sent_s in newest if sent_s > limit_s}


def _each_once(judged: Sequence[Judged]) -> list[Judged]:
    """Of letters with the same event the first is published."""
    seen: set[tuple[str, int] | None] = set()
    found = []
    for each in judged:
        again = each.outcome == "accepted" and each.event in seen
        found.append(replace(each, outcome="underway", why="the same event as another letter") if again else each)
        seen.add(each.event)
    return found
