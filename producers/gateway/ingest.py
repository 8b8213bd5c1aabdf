"""One door for events: identity, numbers, encoding, publishing. Every route that takes events ends here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infra.access import Principal
from infra.runtime.clock import Clock, SystemClock
from infra.runtime.ids import derived_id, event_id
from producers.gateway.encode import HEARTBEATS, encode_event
from producers.gateway.event import Event
from producers.gateway.identity import Name, Ownership, Refused, name_of
from producers.gateway.publisher import Parcel, Publisher
from producers.gateway.sessions import Sessions, repeatable_session

LONGEST_IDEMPOTENCY_KEY = 255


class Ingest:
    """Takes events of one gateway process. `name`: what heartbeats say they came through. `owners`: see `name_of`."""

    def __init__(
        self,
        publisher: Publisher,
        sessions: Sessions,
        name: str,
        owners: Ownership,
        clock: Clock | None = None,
    ) -> None:
        self.publisher = publisher
        self.owners = owners
        self.sessions = sessions
        self.name = name
        self._clock = clock or SystemClock()

    async def accept(self, who: Principal, events: Sequence[Event], idempotency_key: str | None = None) -> int:
        """Publish events in the name of `who`; how many, once the broker has acknowledged them all.

        Events of one request are taken or refused together. With `idempotency_key` a second try, at this or another
        gateway, is the same events. Raises `Refused` (another's name) and `UnfitEventError` (another shape), and then
        nothing was taken; `Unavailable` (try again, a part may have arrived); `Undelivered` (the broker refuses them).
        """
        self.publisher.admit()
        names = [name_of(who, event.agent_id, event.user_id, self.owners) for event in events]
        if idempotency_key is not None:
            parcels = self._repeatable(who, events, names, idempotency_key)
        else:
            parcels = self._numbered(events, names)
        await self.publisher.publish(parcels)
        return len(events)

    def _numbered(self, events: Sequence[Event], names: Sequence[Name]) -> list[Parcel]:
        """Encode with fresh numbers, which count as issued only when all events have turned out to fit."""
        now_us = round(self._clock.now_s() * 1e6)
        parcels: dict[str, Parcel] = {}
        taken: dict[str, int] = {}
        for event, name in zip(events, names, strict=True):
            session = self.sessions.of(name.agent_id)
            seq = session.issued + taken.get(name.agent_id, 0)
            taken[name.agent_id] = taken.get(name.agent_id, 0) + 1
            stamp_us = now_us if event.timestamp_us is None else event.timestamp_us
            envelope = self._envelope(
                event, name, session.session_id, seq, stamp_us, event_id(stamp_us, session.bits, seq)
            )
            parcel = parcels.setdefault(event.topic, Parcel(event.topic, [], []))
            parcel.add(encode_event(event.topic, envelope, self._fields(event)), session)
        for agent_id, count in taken.items():
            self.sessions.of(agent_id).take(count)
        self._end_stopped(events, names)
        return list(parcels.values())

    def _repeatable(
        self, who: Principal, events: Sequence[Event], names: Sequence[Name], idempotency_key: str
    ) -> list[Parcel]:
        """Encode such that a second try has the same session, numbers and ids: they follow from the key alone."""
        check_idempotency_key(idempotency_key)
        session_id = repeatable_session(who.id, idempotency_key)
        now_us = round(self._clock.now_s() * 1e6)
        parcels: dict[str, Parcel] = {}
        for seq, (event, name) in enumerate(zip(events, names, strict=True)):
            stamp_us = now_us if event.timestamp_us is None else event.timestamp_us
            unique = derived_id(event.timestamp_us or 0, session_id, seq)
            envelope = self._envelope(event, name, session_id, seq, stamp_us, unique)
            parcel = parcels.setdefault(event.topic, Parcel(event.topic, [], []))
            parcel.add(encode_event(event.topic, envelope, self._fields(event)))
        return list(parcels.values())

    @staticmethod
    def _envelope(
        event: Event, name: Name, session_id: str, seq: int, timestamp_us: int, unique: bytes
    ) -> Mapping[str, Any]:
        return {
            "event_id": unique,
            "agent_id": name.agent_id,
            "user_id": name.user_id,
            "deployment_id": event.deployment_id,
            "timestamp": timestamp_us,
            "session_id": session_id,
            "seq": seq,
        }

    def _fields(self, event: Event) -> Mapping[str, Any]:
        return {"gateway": self.name, **event.fields} if event.topic == HEARTBEATS else event.fields

    def _end_stopped(self, events: Sequence[Event], names: Sequence[Name]) -> None:
        """An agent that said `stopping` has ended its session: what it says next is a new life."""
        for event, name in zip(events, names, strict=True):
            if event.topic == HEARTBEATS and event.fields.get("status") == "stopping":
                self.sessions.end(name.agent_id)


def check_idempotency_key(key: str | None) -> None:
    """Raises `Refused` 422 for a key that is empty, too long or not of printable ASCII."""
    if key is not None and not (0 < len(key) <= LONGEST_IDEMPOTENCY_KEY and key.isascii() and key.isprintable()):
        raise Refused(
            422, "idempotency-key", f"Idempotency-Key has 1 to {LONGEST_IDEMPOTENCY_KEY} printable characters of ASCII"
        )
