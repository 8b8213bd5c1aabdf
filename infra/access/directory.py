"""The keys that there are, in memory: what the topic says, a quarter of a second after it says so."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from aiokafka.errors import KafkaError
from pydantic import ValidationError

from infra.access.ends import Ends
from infra.access.following import Follower
from infra.access.keys import LETTERS, KeyRecord, moment, secret_id
from infra.access.principal import Principal
from infra.access.topic import USED, write
from infra.runtime.errors import FleetpulseError
from infra.runtime.logs import get_logger
from schemas.catalogue import ACCESS_ENDED, ACCESS_KEYS

USED_EVERY_S = 60.0
"""How often at most the last use of a key is written down."""
_WRITE_EVERY_S = 2.0
MOST_STRANGE = 10_000
"""Records under other server secrets, and uses of keys that are not known, that are kept: anybody may make them up."""
_log = get_logger("access")


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as `verify` wants it: times in seconds since the epoch, infinite where there is none."""

    record: KeyRecord
    principal: Principal
    hash: bytes
    letter: str
    expires_s: float
    revoked_s: float
    other_secret: bool

    @classmethod
    def of(cls, record: KeyRecord, own_secret_id: str) -> Entry:
        """The entry of a record."""
        return cls(
            record,
            record.principal(),
            bytes.fromhex(record.hash),
            LETTERS[record.role],
            math.inf if record.expires is None else record.expires.timestamp(),
            math.inf if record.revoked is None else record.revoked.timestamp(),
            record.secret_id != own_secret_id,
        )


class KeyDirectory:
    """Every key by its look-up part. `records` given: ready at once, for tests and for who has read them already;
    else `follow` fills it from the topic."""

    def __init__(self, secret: bytes, records: Iterable[KeyRecord] | None = None) -> None:
        self.secret = secret
        self.ready = asyncio.Event()
        self._secret_id = secret_id(secret)
        self._entries: dict[str, Entry] = {}
        self._ends = Ends()
        self._ends_for_ever = Ends()
        self._used_s: dict[str, float] = {}
        self._unwritten: dict[str, float] = {}
        self._strange = 0
        self.refused = 0
        """Records of the topic that were not taken: unreadable, or changed by who does not have the secret."""
        if records is not None:
            for record in records:
                self.put(record)
            self.ready.set()

    def put(self, record: KeyRecord) -> bool:
        """Take a record in, in place of an older one; False where its seal is not of our secret.

        What is revoked stays revoked, and what ends does not end later, whatever comes afterwards: an older record that
        is written once more is no way back. A record of another server's secret is kept to be listed; no key fits it.
        """
        other_secret = record.secret_id != self._secret_id
        if not other_secret and not record.is_sealed_by(self.secret):
            return False
        known = self._entries.get(record.lookup)
        if other_secret and not self._has_room_for_strange(known):
            return False
        if not other_secret:
            record = self._ends.kept(record)
        self._entries[record.lookup] = Entry.of(record, self._secret_id)
        return True

    def _has_room_for_strange(self, known: Entry | None) -> bool:
        if known is not None:
            return known.other_secret
        self._strange += 1
        return self._strange <= MOST_STRANGE

    def remove(self, lookup: str) -> None:
        """Forget a key, but not that it has ended: its old record may be written once more."""
        self._entries.pop(lookup, None)

    def entry(self, lookup: str) -> Entry | None:
        """The key with this look-up part."""
        return self._entries.get(lookup)

    def records(self) -> list[KeyRecord]:
        """Every record, the oldest first."""
        return sorted((entry.record for entry in self._entries.values()), key=lambda record: record.created)

    def used(self, lookup: str, now_s: float) -> None:
        """The key was shown and accepted; is to be written down if it was not within the last minute."""
        if now_s - self._used_s.get(lookup, -math.inf) >= USED_EVERY_S:
            self._used_s[lookup] = self._unwritten[lookup] = now_s

    def last_used_s(self, lookup: str) -> float | None:
        """When the key was used last, to the minute, as far as is known."""
        return self._used_s.get(lookup)

    def take(self, key: str, value: bytes | None) -> None:
        """One record of the topic."""
        try:
            if key.startswith(USED):
                self._take_use(key.removeprefix(USED), value)
            elif value is None:
                self.remove(key)
            elif not self._take_record(key, value):
                self._refuse(key, "not sealed by this server's secret, or not under its own key")
        except (ValidationError, ValueError, KeyError, TypeError) as error:
            self._refuse(key, type(error).__name__)

    def _take_record(self, key: str, value: bytes) -> bool:
        record = KeyRecord.model_validate_json(value)
        return record.lookup == key and self.put(record)

    def _take_use(self, lookup: str, value: bytes | None) -> None:
        if value is None:
            self._used_s.pop(lookup, None)
            return
        if lookup not in self._entries and len(self._used_s) > len(self._entries) + MOST_STRANGE:
            return
        at_s = datetime.fromisoformat(json.loads(value)["used"]).timestamp()
        self._used_s[lookup] = max(at_s, self._used_s.get(lookup, at_s))

    def _refuse(self, key: str, why: str) -> None:
        self.refused += 1
        _log.warning("a record of the keys is not taken", key=key[:64], why=why)

    def take_end(self, key: str, value: bytes | None) -> None:
        """One record of the topic of ends: what is sealed by our secret counts, whatever the topic of keys says."""
        try:
            record = KeyRecord.model_validate_json(value or b"")
        except ValidationError:
            return self._refuse(key, "no record of a key that has ended")
        if record.secret_id != self._secret_id:
            return None  # of a secret before ours: no key fits it anyhow
        if record.lookup != key or not record.is_sealed_by(self.secret):
            return self._refuse(key, "an end that is not sealed by this server's secret, or not under its own key")
        self._ends.kept(record)
        self._ends_for_ever.kept(record)
        if (known := self._entries.get(key)) is not None and not known.other_secret:
            self._entries[key] = Entry.of(self._ends.kept(known.record), self._secret_id)
        return None

    def ends_to_copy(self) -> list[KeyRecord]:
        """Records, sealed, of keys that were revoked or rotated and whose end the topic of ends does not hold: they
        ended before there was one. To be asked once both topics were read."""
        own = [entry.record for entry in self._entries.values() if not entry.other_secret]
        rotated = {record.replaces for record in own}
        cut_short = [each for each in own if each.revoked is not None or (each.expires and each.lookup in rotated)]
        return [each.sealed(self.secret) for each in cut_short if not self._ends_for_ever.covers(each)]

    async def follow(self, bootstrap: str, topic: str = ACCESS_KEYS, ended: str = ACCESS_ENDED) -> None:
        """Read the topics from their beginning, set `ready`, go on reading, and write down which keys are used.

        Until cancelled. While no broker answers what is known stays known; that is logged once.
        """
        parts = self._followers(topic, ended)
        async with asyncio.TaskGroup() as together:
            for part in parts:
                together.create_task(part.follow(bootstrap), name=part.topic)
            together.create_task(self._write_uses(bootstrap, topic), name="keys-used")
            for part in parts:
                await part.whole.wait()
            self.ready.set()

    async def read_all(self, bootstrap: str, topic: str = ACCESS_KEYS, ended: str = ACCESS_ENDED) -> None:
        """Read what the topics hold now, and set `ready`. Raises `KafkaError`, `FleetpulseError`."""
        for part in self._followers(topic, ended):
            await part.read_all(bootstrap)
        self.ready.set()

    def _followers(self, topic: str, ended: str) -> tuple[Follower, Follower]:
        keys = Follower(topic, self.take, asyncio.Event(), begun_anew=self._forget_all)
        return Follower(ended, self.take_end, asyncio.Event(), optional=True), keys

    def _forget_all(self) -> None:
        """What is not in a topic that has begun anew is no key any more; what had ended has ended."""
        self._entries.clear()
        self._strange = 0

    async def _write_uses(self, bootstrap: str, topic: str) -> None:
        while True:
            await asyncio.sleep(_WRITE_EVERY_S)
            if not (used := self.to_write_down()):
                continue
            values = {f"{USED}{k}": json.dumps({"used": moment(s).isoformat()}).encode() for k, s in used.items()}
            try:
                await write(bootstrap, dict(values), topic)
            except (KafkaError, OSError, TimeoutError, FleetpulseError) as error:
                self._unwritten = used | self._unwritten
                _log.debug("the use of keys is written down later", error=str(error))

    def to_write_down(self) -> dict[str, float]:
        """Uses since the last call, by look-up part."""
        taken, self._unwritten = self._unwritten, {}
        return taken
