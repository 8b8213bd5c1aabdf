"""Keys made, rotated, revoked: what `fleetpulse keys` does. Every change is in the audit trail."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from aiokafka.errors import KafkaError
from pydantic import ValidationError

from infra.access.audit import AuditEvent
from infra.access.directory import KeyDirectory
from infra.access.keys import KeyRecord, lookup_of, make_key
from infra.access.principal import Principal, Role
from infra.access.recognise import verify
from infra.access.topic import write
from infra.access.trail import write_down
from infra.runtime.clock import Clock, SystemClock
from infra.runtime.errors import FleetpulseError
from infra.runtime.logs import get_logger
from schemas.catalogue import ACCESS_ENDED

_log = get_logger("keys")


class RefusedKeyError(FleetpulseError):
    """There is no such key, or it cannot be made so."""


@dataclass(frozen=True)
class Wanted:
    """A key to be made; `lives_s` None: until it is revoked. See `KeyRecord`."""

    name: str
    role: Role
    tenant: str | None = None
    agents: tuple[str, ...] = ()
    sql: bool = False
    lives_s: float | None = None


@dataclass(frozen=True)
class Made:
    """A key: its text, to be shown once, its record, and that of the one that it replaces."""

    text: str
    record: KeyRecord
    replaced: KeyRecord | None = None


@dataclass(frozen=True)
class KeyDesk:
    """The keys of the fleet behind `bootstrap`. `actor`: who gives the orders, for the audit trail; `asked`: who gives
    them and how they came, where that is known better.

    Methods raise `KafkaError` and `FleetpulseError`; once one has returned, servers know within a second.
    """

    bootstrap: str
    secret: bytes = field(repr=False)
    actor: str
    clock: Clock = field(default_factory=SystemClock)
    asked: AuditEvent | None = None

    async def directory(self) -> KeyDirectory:
        """All keys as they are now.

        Ends that only the compacted topic of keys holds, from before there was one of ends, are copied there once.
        """
        found = KeyDirectory(self.secret)
        await found.read_all(self.bootstrap)
        if older := found.ends_to_copy():
            try:
                await write(self.bootstrap, _values(older), ACCESS_ENDED)
            except (KafkaError, OSError, TimeoutError, FleetpulseError) as error:
                _log.warning("ends of keys are not kept for ever yet", keys=len(older), error=str(error))
        return found

    async def create(self, wanted: Wanted) -> Made:
        """A new key."""
        made = self._make(wanted)
        await self._write("keys.create", [made.record])
        return made

    async def rotate(self, which: str, keep_s: float, lives_s: float | None = None) -> Made:
        """A successor of the key `which`, like it; the old one ends in `keep_s`. Both live until then.

        `lives_s` None: the successor lives as long as the old one was made for.
        """
        directory, now_s = await self.directory(), self.clock.now_s()
        old = find(directory, which, now_s)
        if (state := state_of(directory, old, now_s)) != "live":
            raise RefusedKeyError(f"the key {old.lookup} is {state}", way_out="Make a new one: fleetpulse keys create")
        if lives_s is None and old.expires is not None:
            lives_s = (old.expires - old.created).total_seconds()
        made = self._make(Wanted(old.name, old.role, old.tenant, old.agents, old.sql, lives_s), old.lookup)
        ending = old.ending(now_s + keep_s).sealed(self.secret)
        await self._write("keys.rotate", [made.record, ending], ends=[ending])
        return Made(made.text, made.record, ending)

    async def revoke(self, which: str) -> KeyRecord:
        """The key `which` ends now."""
        now_s = self.clock.now_s()
        record = find(await self.directory(), which, now_s).revoked_at(now_s).sealed(self.secret)
        await self._write("keys.revoke", [record], ends=[record])
        return record

    async def ensure(self, wanted: Wanted, file: Path) -> Made | None:
        """See that `file` (0600) holds a key as `wanted` that lives; None where it did."""
        if is_as(wanted, verify(_private_text(file), await self.directory(), self.clock.now_s())):
            return None
        made = await self.create(wanted)
        _write_private(file, made.text + "\n")
        return made

    def _make(self, wanted: Wanted, replaces: str | None = None) -> Made:
        try:
            text, record = make_key(
                self.secret,
                name=wanted.name,
                role=wanted.role,
                tenant=wanted.tenant,
                agents=wanted.agents,
                sql=wanted.sql,
                now_s=self.clock.now_s(),
                lives_s=wanted.lives_s,
                replaces=replaces,
            )
        except (ValueError, OverflowError) as error:
            raise RefusedKeyError(f"no such key can be made: {_told(error)}") from error
        return Made(text, record)

    async def _write(self, action: str, records: Sequence[KeyRecord], ends: Sequence[KeyRecord] = ()) -> None:
        """The audit trail first: nothing is changed that it does not tell. Then ends, where they are kept for ever."""
        who = Principal(self.actor, self.actor, None, (), "admin", False, "local")
        told = self.asked or AuditEvent("", who)
        events = [
            replace(told, action=action, detail=record.model_dump_json(exclude={"hash", "seal"}), about=record.tenant)
            for record in records
        ]
        await write_down(self.bootstrap, f"fleetpulse:keys:{socket.gethostname()}", events, self.clock)
        if ends:
            await write(self.bootstrap, _values(ends), ACCESS_ENDED)
        await write(self.bootstrap, _values(records))


def _values(records: Sequence[KeyRecord]) -> dict[str, bytes | None]:
    return {record.lookup: record.model_dump_json().encode() for record in records}


def _told(error: ValueError | OverflowError) -> str:
    if not isinstance(error, ValidationError):
        return "it would live too long"
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"].removeprefix("Value error, ")


def find(directory: KeyDirectory, which: str, now_s: float) -> KeyRecord:
    """The key that `which` names: its look-up part, its text, or the name of one that lives.

    Raises `RefusedKeyError`, also where it was made under another server secret.
    """
    lookup = lookup_of(which)
    entry = directory.entry(lookup) if lookup is not None else None
    if entry is not None:
        if entry.other_secret:
            raise RefusedKeyError("the key was made under another server secret", setting="FLEETPULSE_SECRET")
        return entry.record
    live = [
        record
        for record in directory.records()
        if record.name == which and state_of(directory, record, now_s) == "live"
    ]
    if len(live) == 1:
        return live[0]
    known = ", ".join(record.lookup for record in live)
    raise RefusedKeyError(
        f"{len(live)} keys that live are called so: {known}" if live else "there is no such key",
        way_out="Name it by its look-up part, the third part of its text: fleetpulse keys list",
    )


def state_of(directory: KeyDirectory, record: KeyRecord, now_s: float) -> str:
    """live, expired, revoked, or foreign: made under another server secret, so that it fits nobody here."""
    entry = directory.entry(record.lookup)
    if entry is None or entry.other_secret:
        return "foreign"
    if now_s >= entry.revoked_s:
        return "revoked"
    return "expired" if now_s >= entry.expires_s else "live"


def is_as(wanted: Wanted, found: object) -> bool:
    """Whether a key stands for what is wanted; its name and its end are no matter."""
    if not isinstance(found, Principal):
        return False
    return (found.role, found.tenant, found.agents, found.sql) == (
        wanted.role,
        wanted.tenant,
        wanted.agents,
        wanted.sql,
    )


def _private_text(file: Path) -> str:
    """What the file holds, from now on for its owner alone; empty where there is none."""
    if not file.exists():
        return ""
    file.chmod(0o600)
    return file.read_text(encoding="utf-8", errors="replace").strip()


def _write_private(file: Path, text: str) -> None:
    """Whole or not at all, and readable by nobody else at any moment."""
    file.parent.mkdir(parents=True, exist_ok=True)
    own = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
            opened.write(text)
        own.replace(file)
    finally:
        own.unlink(missing_ok=True)
