"""Kafka clients with the settings that nothing-is-lost needs; aiokafka's defaults lose data (see faults, ADR 4)."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from infra.runtime.errors import BrokerUnreachableError

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
SESSION_TIMEOUT_MS = 6_000
"""Tansu holds a join for half of the session timeout, and a dead member's partitions wait for all of it."""


async def supports_idempotence(bootstrap: str) -> bool:
    """Whether the broker grants producer ids (Apache Kafka does, Tansu 0.6 does not).

    Raises `BrokerUnreachableError` when nothing answers.
    """
    probe = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, request_timeout_ms=10_000)
    try:
        async with asyncio.timeout(13):  # who refuses does so at once, who is busy grants it late
            await probe.start()
    except KafkaConnectionError as error:
        raise unreachable(bootstrap) from error
    except (KafkaError, TimeoutError):
        return False
    finally:
        await probe.stop()
    return True


async def partition_counts(bootstrap: str) -> dict[str, int]:
    """Number of partitions of every topic on the broker. Raises `BrokerUnreachableError`."""
    from aiokafka.admin import AIOKafkaAdminClient  # noqa: PLC0415  # an agent that sends does not ask

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    try:
        await admin.start()
        # All topics at once: to ask for a topic by name makes Tansu create it.
        return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
    except KafkaError as error:
        raise unreachable(bootstrap) from error
    finally:
        await admin.close()


def unreachable(bootstrap: str) -> BrokerUnreachableError:
    """The error for a broker that does not answer."""
    return BrokerUnreachableError(
        f"no broker answers at {bootstrap}",
        setting="--broker or FLEETPULSE_BOOTSTRAP",
        way_out="Start one with `fleetpulse broker start`, or correct the address",
    )


def producer(bootstrap: str, *, idempotent: bool, **more: Any) -> AIOKafkaProducer:  # noqa: ANN401  # aiokafka's own keyword arguments
    """A producer that is acknowledged by all replicas. `idempotent` needs a broker that grants producer ids."""
    settings: dict[str, Any] = {
        "bootstrap_servers": bootstrap,
        "acks": "all",
        "enable_idempotence": idempotent,
        "max_request_size": MAX_MESSAGE_BYTES,
        "max_batch_size": 512 * 1024,
        "linger_ms": 5,
        "request_timeout_ms": 20_000,
    }
    return _Producer(**(settings | more))


def consumer(bootstrap: str, *topics: str, group_id: str | None = None, **more: Any) -> AIOKafkaConsumer:  # noqa: ANN401  # aiokafka's own keyword arguments
    """A consumer that starts at the earliest record, commits only when told, and takes large messages."""
    settings: dict[str, Any] = {
        "bootstrap_servers": bootstrap,
        "group_id": group_id,
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "max_partition_fetch_bytes": 4 * 1024 * 1024,
        "session_timeout_ms": SESSION_TIMEOUT_MS,
        "heartbeat_interval_ms": 1_000,
    }
    return _Consumer(*topics, **(settings | more))


class _StartsOrStops:
    """A client that is stopped where it cannot start, or whoever starts it is cancelled: nobody has it who could."""

    async def start(self) -> None:
        """Connect. Raises `KafkaError`."""
        try:
            await super().start()  # type: ignore[misc]  # of the client that comes after this
        except BaseException:
            await self.stop()  # type: ignore[attr-defined]  # the same
            raise


class _Producer(_StartsOrStops, AIOKafkaProducer):  # type: ignore[misc]  # aiokafka ships no usable types
    """aiokafka's, which is closed wherever nobody has it."""


class _Consumer(_StartsOrStops, AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka ships no usable types
    """One that can be stopped while its broker is away.

    aiokafka's `stop` cancels its fetches; one that pauses after a failure passes that on, as if whoever stops were
    cancelled: a task that would have tried again ended without a word, and connections were tried for ever.
    """

    async def stop(self) -> None:
        """Leave the group, close the connections."""
        try:
            await super().stop()
        except asyncio.CancelledError:
            await self._client.close()
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise


__all__ = [
    "AIOKafkaConsumer",
    "AIOKafkaProducer",
    "TopicPartition",
    "consumer",
    "partition_counts",
    "producer",
    "supports_idempotence",
    "unreachable",
]
