"""Kafka clients with the settings that nothing-is-lost needs; aiokafka's defaults lose data (see faults, ADR 4)."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError

from infra.runtime.errors import BrokerUnreachableError

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
SESSION_TIMEOUT_MS = 6_000
"""Tansu holds a join for half of the session timeout, and a dead member's partitions wait for all of it."""


async def supports_idempotence(bootstrap: str) -> bool:
    """Whether the broker grants producer ids (Apache Kafka does, Tansu 0.6 does not).

    Raises `BrokerUnreachableError` when nothing answers.
    """
    probe = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, request_timeout_ms=5_000)
    try:
        async with asyncio.timeout(8):
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
    return AIOKafkaProducer(**(settings | more))


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
    return AIOKafkaConsumer(*topics, **(settings | more))


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
