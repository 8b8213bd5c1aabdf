"""Which sessions there are and which were ended, told to every API of a fleet by a topic that is kept for a day.

The topic is not compacted: who may write to it without the server's secret can take no end back. What is over is
forgotten, and nothing before: there are no more ends than sessions that were begun within twelve hours.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from aiokafka.errors import KafkaError

from infra.access.following import ABSENT_AGAIN_S, AGAIN_S, Follower
from infra.access.principal import Refusal
from infra.access.sealed import Seals
from infra.access.topic import TopicAbsentError, write
from infra.runtime.errors import FleetpulseError
from infra.runtime.logs import get_logger
from schemas.catalogue import ACCESS_SESSIONS

_PURPOSE = "session-book"
_AT_ONCE = 50
"""Records that are written by one producer; what ends meanwhile waits for so many and goes first then."""
_LAST_WITHIN_S = 5.0
_LAST_AGAIN_S = 0.25
_FEWEST_TO_LOOK_THROUGH = 1_000
_CLOCKS_DIFFER_S = 3_600.0
"""By so much may another server's clock be ahead: an end is forgotten so much later than the session is over."""
_log = get_logger("sessions")


@dataclass(frozen=True, slots=True)
class Begun:
    """A session as it is listed; times in seconds since the epoch. `who`: as `Principal.id`."""

    id: str
    who: str
    name: str
    role: str
    tenant: str | None
    address: str
    began_s: float
    until_s: float


class SessionBook:
    """Begins and ends of sessions. Without `follow` it knows those of this process alone."""

    def __init__(self, seals: Seals) -> None:
        self.ready = asyncio.Event()
        """Whether all that was ended elsewhere is known; nobody is recognised before."""
        self.ready.set()
        self._seals = seals
        self._begun: dict[str, Begun] = {}
        self._ended: dict[str, float] = {}
        self._look_through_at = _FEWEST_TO_LOOK_THROUGH
        self._untold_begins: dict[str, bytes] = {}
        self._untold_ends: dict[str, bytes] = {}
        self._something = asyncio.Event()
        self.follows = False
        """Whether it is told to others, and by them."""

    def __len__(self) -> int:
        return len(self._begun) + len(self._ended)

    def begin(self, begun: Begun) -> None:
        """There is a session."""
        self._note(begun.id, asdict(begun), self._untold_begins)

    def end(self, session_id: str, until_s: float, now_s: float) -> None:
        """A session that would be over at `until_s` is over."""
        self._untold_begins.pop(session_id, None)
        self._note(session_id, {"id": session_id, "until_s": until_s, "ended_s": now_s}, self._untold_ends)

    def is_ended(self, session_id: str) -> bool:
        """Whether it was ended before its time."""
        return session_id in self._ended

    def live(self, now_s: float) -> list[Begun]:
        """Sessions that are neither over nor ended, the newest first; their keys are looked at elsewhere."""
        found = [each for each in self._begun.values() if each.until_s > now_s and each.id not in self._ended]
        return sorted(found, key=lambda each: -each.began_s)

    def take(self, _key: str, value: bytes | None) -> None:
        """One record of the topic; what is not sealed by our secret does not count."""
        claims = self._seals.unseal(_PURPOSE, (value or b"").decode("ascii", "replace"))
        if not isinstance(claims, Refusal):
            self._put(claims)

    @property
    def untold(self) -> int:
        """How many begins and ends are still to be told to others."""
        return len(self._untold_begins) + len(self._untold_ends)

    def _note(self, session_id: str, claims: dict[str, Any], untold: dict[str, bytes]) -> None:
        if self.follows:
            untold[session_id] = self._seals.seal(_PURPOSE, claims).encode()
            self._something.set()
        self._put(claims)

    def _put(self, claims: dict[str, Any]) -> None:
        if "ended_s" in claims:
            self._ended[claims["id"]] = claims["until_s"]
            at_s = claims["ended_s"]
        else:
            begun = Begun(**claims)
            self._begun[begun.id] = begun
            at_s = begun.began_s
        if len(self) > self._look_through_at:
            self._forget_what_was_over(at_s - _CLOCKS_DIFFER_S)

    def _forget_what_was_over(self, at_s: float) -> None:
        self._begun = {key: each for key, each in self._begun.items() if each.until_s > at_s}
        self._ended = {key: until_s for key, until_s in self._ended.items() if until_s > at_s}
        for untold, known in ((self._untold_begins, self._begun), (self._untold_ends, self._ended)):
            for over in untold.keys() - known.keys():
                del untold[over]
        self._look_through_at = max(2 * len(self), _FEWEST_TO_LOOK_THROUGH)

    async def follow(self, bootstrap: str, topic: str = ACCESS_SESSIONS) -> None:
        """Read the topic from its beginning, set `ready`, go on reading, and write what begins and ends here.

        Until cancelled, and then for at most five seconds more, to tell what is still to be told: who was answered that
        a session has ended is not to find it alive after a restart. While no broker answers, ends count here, and are
        told to the others once one does.
        """
        self.ready.clear()
        self.follows = True
        follower = Follower(topic, self.take, self.ready, optional=True)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(follower.follow(bootstrap), name="sessions-read")
                both.create_task(self._write(bootstrap, topic), name="sessions-written")
        finally:
            await self._write_the_last(bootstrap, topic)

    async def _write(self, bootstrap: str, topic: str) -> None:
        away = False
        while True:
            await self._something.wait()
            self._something.clear()
            while self.untold:
                error = await self._try_to_tell(bootstrap, topic)
                if error is not None:
                    if not away:
                        _log.warning("sessions are told to other servers later", error=str(error))
                    await asyncio.sleep(ABSENT_AGAIN_S if isinstance(error, TopicAbsentError) else AGAIN_S)
                away = error is not None

    async def _write_the_last(self, bootstrap: str, topic: str) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WITHIN_S):
                while self.untold:
                    error = await self._try_to_tell(bootstrap, topic)
                    if isinstance(error, TopicAbsentError):
                        break
                    if error is not None:
                        await asyncio.sleep(_LAST_AGAIN_S)
        if self.untold:
            _log.error(
                "other servers are not told of sessions", begins=len(self._untold_begins), ends=len(self._untold_ends)
            )

    async def _try_to_tell(self, bootstrap: str, topic: str) -> Exception | None:
        """Write some of what is untold, ends before any begins; why not, where it could not be written."""
        untold = self._untold_ends or self._untold_begins
        values = dict(islice(untold.items(), _AT_ONCE))
        try:
            await write(bootstrap, values, topic)
        except (KafkaError, OSError, TimeoutError, FleetpulseError) as error:
            return error
        for session_id in values:
            untold.pop(session_id, None)
        return None
