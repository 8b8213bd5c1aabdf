"""Topics of access, followed: from the beginning, for ever, and quietly while the broker is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiokafka.errors import KafkaError

from infra.access.topic import BegunAnewError, TopicAbsentError, reading
from infra.runtime.errors import FleetpulseError
from infra.runtime.kafka import unreachable
from infra.runtime.logs import get_logger

AGAIN_S = 1.0
ABSENT_AGAIN_S = 30.0
"""A topic that nobody has made is made by a person, who is not that quick."""
_READ_WITHIN_S = 30.0
_log = get_logger("access")


def _nothing() -> None:
    """For who forgets nothing when a topic begins anew: what has ended stays ended."""


@dataclass(frozen=True)
class Follower:
    """One topic: `take` gets the key and value of each record, `whole` is set once all has been read that there was.

    `optional`: where the broker has no such topic it counts as empty, and that is logged.
    """

    topic: str
    take: Callable[[str, bytes | None], None]
    whole: asyncio.Event
    begun_anew: Callable[[], None] = _nothing
    optional: bool = False

    async def read_all(self, bootstrap: str) -> None:
        """Read what the topic holds now. Raises `KafkaError`, `FleetpulseError`."""
        try:
            async with asyncio.timeout(_READ_WITHIN_S), reading(bootstrap, self.topic) as reader:
                while not await reader.caught_up():
                    for key, value in await reader.poll():
                        self.take(key, value)
        except TimeoutError as error:
            raise unreachable(bootstrap) from error
        except TopicAbsentError:
            if not self.optional:
                raise
        self.whole.set()

    async def follow(self, bootstrap: str) -> None:
        """Go on reading until cancelled; while no broker answers what is known stays known, which is logged once."""
        away = False
        while True:
            try:
                await self._read_on(bootstrap)
            except BegunAnewError as error:
                _log.warning("a topic of access has begun anew", topic=self.topic, error=str(error))
                self.begun_anew()
                continue
            except (KafkaError, OSError, TimeoutError, FleetpulseError) as error:
                absent = self.optional and isinstance(error, TopicAbsentError)
                if absent:
                    self.whole.set()
                if not away:
                    _log.warning("cannot be read and is tried again, quietly", topic=self.topic, error=str(error))
                away = True
                await asyncio.sleep(ABSENT_AGAIN_S if absent else AGAIN_S)

    async def _read_on(self, bootstrap: str) -> None:
        async with reading(bootstrap, self.topic) as reader:
            while True:
                if not self.whole.is_set() and await reader.caught_up():
                    self.whole.set()
                for key, value in await reader.poll():
                    self.take(key, value)
