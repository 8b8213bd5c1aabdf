"""Which tenant an agent belongs to: the one that fleet.status or fleet.trust names, else the first that wrote here.

Everything downstream knows agents by their ids alone: without this a key of one tenant could move trust and heartbeats
of another's agent by writing under its name. Agents that never beat, as those behind OTLP, are in fleet.trust alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError

from infra.access import Principal
from infra.access.topic import partitions_of
from infra.runtime.errors import FleetpulseError
from infra.runtime.kafka import AIOKafkaConsumer, TopicPartition, consumer
from infra.runtime.logs import get_logger
from producers.gateway.identity import Name, Refused
from schemas.catalogue import TOPICS
from schemas.columnar import decode_batch
from schemas.registry import SchemaBook

STATUS, TRUST = "fleet.status", "fleet.trust"
_AGAIN_S = 1.0
_FETCH_MS = 250
_log = get_logger("gateway.owners")


class Owners:
    """Tenants by agent id. What the topics say wins over what was claimed here; `most_claims` bounds the latter.
    `ready` is set once what fleet.status had at the start has been read; fleet.trust is long, and read beside."""

    def __init__(self, most_claims: int = 200_000) -> None:
        self._known: dict[str, str] = {}
        self._claimed: dict[str, str] = {}
        self._most_claims = most_claims
        self.ready = asyncio.Event()

    def owner(self, agent_id: str) -> str | None:
        """The tenant that an agent belongs to; None: to nobody so far."""
        return self._known.get(agent_id) or self._claimed.get(agent_id)

    def check(self, who: Principal, name: Name) -> None:
        """Let `who` write as `name`, to whom the agent belongs from now on if it was nobody's; a key of the whole fleet
        may write for every tenant. Raises `Refused` 403 for an agent of another tenant. Safe in threads."""
        owner = self._known.get(name.agent_id)
        if owner is None:
            owner = self._claimed.setdefault(name.agent_id, name.user_id)
            if len(self._claimed) > self._most_claims:
                self._forget_claims()
        if owner != name.user_id and who.tenant is not None:
            raise Refused(403, "other-agent", "the key does not write for this agent")

    def _forget_claims(self) -> None:
        """The older half: by now fleet.status knows those agents."""
        for agent_id in list(self._claimed)[: len(self._claimed) // 2]:
            self._claimed.pop(agent_id, None)

    def told(self, agents: Iterable[tuple[str, str]]) -> None:
        """(agent_id, user_id) as the topics have them, in their order; the newest counts."""
        for agent_id, user_id in agents:
            self._known[agent_id] = user_id
            self._claimed.pop(agent_id, None)

    async def follow(self, bootstrap: str) -> None:
        """Read fleet.status and fleet.trust from their beginning and go on, until cancelled; without a broker what is
        known stays."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._follow(bootstrap, STATUS), name="owners-status")
            both.create_task(self._follow(bootstrap, TRUST), name="owners-trust")

    async def _follow(self, bootstrap: str, topic: str) -> None:
        away = False
        while True:
            try:
                await self._read_on(bootstrap, topic)
            except (KafkaError, OSError, TimeoutError, FleetpulseError) as error:
                if not away:
                    _log.warning(
                        "owners of agents cannot be read and are tried again, quietly", topic=topic, error=str(error)
                    )
                away = True
            await asyncio.sleep(_AGAIN_S)

    async def _read_on(self, bootstrap: str, topic: str) -> None:
        partitions = [TopicPartition(topic, number) for number in range(await partitions_of(bootstrap, topic))]
        reader, book = consumer(bootstrap, fetch_max_wait_ms=_FETCH_MS), SchemaBook(TOPICS[topic].schema)
        await reader.start()
        try:
            reader.assign(partitions)
            await reader.seek_to_beginning(*partitions)
            ends = await reader.end_offsets(partitions)
            while True:
                if topic == STATUS and not self.ready.is_set() and await _caught_up(reader, ends):
                    self.ready.set()
                polled = await reader.getmany(timeout_ms=_FETCH_MS, max_records=10_000)
                if values := [each.value for records in polled.values() for each in records if self._wants(each)]:
                    self.told(decode_batch(book, values).frame.select("agent_id", "user_id").iter_rows())
        finally:
            await reader.stop()

    def _wants(self, record: ConsumerRecord) -> bool:
        """Whether it may say something new: scores come all the time, and an agent's owner is known by the first."""
        if record.value is None:
            return False
        return record.topic == STATUS or (record.key or b"").decode("utf-8", "replace") not in self._known


async def _caught_up(reader: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> bool:
    return all([await reader.position(partition) >= end for partition, end in ends.items()])
