"""Keys over HTTP: what an admin may do with which, by `infra.access.desk`, which writes the audit trail first.

An admin of one tenant sees, makes and ends that tenant's keys and no others; what belongs to others is not there.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.errors import KafkaError
from fastapi import Request

from infra.access import KeyDirectory, KeyRecord
from infra.access.desk import KeyDesk, Made, RefusedKeyError, Wanted, state_of
from infra.access.keys import moment
from infra.access.principal import OWN_TENANT
from infra.runtime.durations import parse_duration_s
from infra.runtime.errors import FleetpulseError, SettingError
from infra.web.call import call_of, principal
from infra.web.problem import Problem, not_found, unavailable
from sinks.api.noting import asked
from sinks.api.settings.models import KeyOrder, RotateOrder
from sinks.api.times import iso
from sinks.api.world import World

ONCE_HEADER = b"idempotency-key"
_LONGEST_ONCE = 200
_MOST_ONCE = 1_000


class KeyOffice:
    """One order after the other: two of the same cannot both find that nothing was done yet."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._one_at_a_time = asyncio.Lock()
        self._done: OrderedDict[tuple[str, str], str] = OrderedDict()

    def lines(self, request: Request) -> list[dict[str, Any]]:
        """The keys that the caller may see, the newest first."""
        known = self._directory()
        return [self._line(request, record) for record in reversed(known.records()) if self._sees(request, record)]

    def refused_records(self, request: Request) -> int:
        """Of the whole fleet."""
        return 0 if principal(request).tenant is not None else self._directory().refused

    async def create(self, request: Request, order: KeyOrder) -> dict[str, Any]:
        """A new key. Raises `Problem`: 403 for another tenant, 409 where this very order was carried out, 422, 503."""
        wanted = _wanted(order, self._tenant(request, order.tenant))
        async with self._one_at_a_time, _told():
            self._not_again(request)
            made = await self._desk(request).create(wanted)
            return self._made(request, made)

    async def rotate(self, request: Request, lookup: str, order: RotateOrder) -> dict[str, Any]:
        """A successor. Raises `Problem`: 404, 409 where it has ended or has a successor that lives, 422, 503."""
        keep_s, lives_s = _duration(order.keep, "keep", or_zero=True), _lives_s(order.expires)
        async with self._one_at_a_time, _told():
            self._rotatable(self._found(request, lookup))
            return self._made(request, await self._desk(request).rotate(lookup, keep_s, lives_s))

    async def revoke(self, request: Request, lookup: str) -> dict[str, Any]:
        """End a key now; one that was revoked before stays so. Raises `Problem`: 404, 409, 503."""
        async with self._one_at_a_time, _told():
            record = self._found(request, lookup)
            if record.revoked is None:
                record = await self._desk(request).revoke(lookup)
                self._directory().put(record)
            return {"record": self._line(request, record)}

    def _rotatable(self, record: KeyRecord) -> None:
        state = state_of(self._directory(), record, self._world.clock.now_s())
        if state != "live":
            raise Problem(409, detail=f"the key is {state}: make a new one", type="unfit")
        if successor := self._successor(record):
            text = f"it has a successor that lives already: {successor}. Rotate that one, or revoke it first"
            raise Problem(409, detail=text, type="done-before")

    def _not_again(self, request: Request) -> None:
        """Raises `Problem` 409 where an order under the same Idempotency-Key has made a key."""
        known = self._done.get(self._once(request))
        if known is not None:
            text = f"this order has made the key {known}; its text was told then and is kept nowhere"
            raise Problem(409, detail=f"{text}. Where nobody saw it, revoke it and order another", type="done-before")

    def _made(self, request: Request, made: Made) -> dict[str, Any]:
        records = [made.record] if made.replaced is None else [made.record, made.replaced]
        for record in records:
            self._directory().put(record)  # the topic says so, too, a quarter of a second later
        if (name := self._once(request))[1]:
            self._done[name] = made.record.lookup
            if len(self._done) > _MOST_ONCE:
                self._done.popitem(last=False)
        replaced = None if made.replaced is None else self._line(request, made.replaced)
        return {"key": made.text, "record": self._line(request, made.record), "replaced": replaced}

    def _once(self, request: Request) -> tuple[str, str]:
        return principal(request).id, call_of(request).header(ONCE_HEADER)[:_LONGEST_ONCE]

    def _tenant(self, request: Request, wanted: str | None) -> str | None:
        """The tenant of a key to be made. Raises `Problem` 403."""
        own = principal(request).tenant
        if own is not None and wanted not in {None, own}:
            raise Problem(403, detail="a key of one tenant makes keys of that tenant alone", type="tenant")
        if wanted == OWN_TENANT:
            text = "the tenant of our own processes: make such a key on the server, with `fleetpulse keys create`"
            raise Problem(403, detail=text, type="tenant")
        return wanted if own is None else own

    def _found(self, request: Request, lookup: str) -> KeyRecord:
        entry = self._directory().entry(lookup)
        if entry is None or not self._sees(request, entry.record):
            raise not_found("there is no such key")
        if entry.other_secret:
            raise Problem(409, detail="the key was made under another server secret", type="unfit")
        return entry.record

    def _sees(self, request: Request, record: KeyRecord) -> bool:
        """What a record under another secret says of its tenant, anybody may have made up."""
        own = principal(request).tenant
        entry = self._directory().entry(record.lookup)
        return own is None or (record.tenant == own and entry is not None and not entry.other_secret)

    def _desk(self, request: Request) -> KeyDesk:
        who, secret = principal(request), self._directory().secret
        return KeyDesk(self._world.bootstrap, secret, who.id, self._world.clock, asked(request, "", None, None))

    def _directory(self) -> KeyDirectory:
        directory = self._world.directory
        if directory is None or not directory.ready.is_set():
            raise unavailable("the keys are still being read", type="starting")
        return directory

    def _successor(self, record: KeyRecord) -> str | None:
        """Look-up part of the live key that was rotated from this one."""
        known, now_s = self._directory(), self._world.clock.now_s()
        live = (each for each in known.records() if each.replaces == record.lookup)
        return next((each.lookup for each in live if state_of(known, each, now_s) == "live"), None)

    def _line(self, request: Request, record: KeyRecord) -> dict[str, Any]:
        known, now_s = self._directory(), self._world.clock.now_s()
        used_s = known.last_used_s(record.lookup)
        ends = {"expires": record.expires, "revoked": record.revoked}
        return {
            "lookup": record.lookup,
            "name": record.name,
            "role": record.role,
            "tenant": record.tenant,
            "agents": list(record.agents),
            "sql": record.sql,
            "state": state_of(known, record, now_s),
            "created": iso(record.created),
            **{name: None if at is None else iso(at) for name, at in ends.items()},
            "last_used": None if used_s is None else iso(moment(used_s)),
            "replaces": record.replaces,
            "replaced_by": self._successor(record),
            "own": principal(request).id == f"key:{record.lookup}",
        }


def _wanted(order: KeyOrder, tenant: str | None) -> Wanted:
    return Wanted(order.name, order.role, tenant, tuple(order.agents), order.sql, _lives_s(order.expires))


def _lives_s(text: str | None) -> float | None:
    return None if text is None else _duration(text, "expires")


def _duration(text: str, name: str, *, or_zero: bool = False) -> float:
    try:
        return parse_duration_s(text, name, or_zero=or_zero)
    except SettingError as error:
        finding = {"field": f"body.{name}", "message": error.problem}
        raise Problem(422, detail=f"{name}: {error.problem}", type="invalid", errors=[finding]) from error


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    """What the desk refuses, and a broker that is away, as a client is told."""
    try:
        yield
    except RefusedKeyError as error:
        raise Problem(422, detail=error.problem, type="invalid") from error
    except (KafkaError, OSError, TimeoutError, FleetpulseError) as error:
        raise unavailable(
            "keys cannot be changed at the moment: the broker or the audit trail is away", type="broker-away"
        ) from error
