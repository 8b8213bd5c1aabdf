"""The lake writer's consumer: connected to a broker that has every topic."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiokafka.errors import KafkaError

from infra.runtime.errors import TopicMismatchError
from infra.runtime.kafka import AIOKafkaConsumer, consumer, unreachable

_CONNECT_WITHIN_S = 15


async def connect(bootstrap: str, group: str, topics: Iterable[str]) -> AIOKafkaConsumer:
    """A started consumer without a subscription. Raises `BrokerUnreachableError`, `TopicMismatchError`."""
    client = consumer(bootstrap, group_id=group)
    try:
        async with asyncio.timeout(_CONNECT_WITHIN_S):
            await client.start()
        missing = sorted(set(topics) - await client.topics())
    except BaseException as error:
        await client.stop()
        if isinstance(error, KafkaError | OSError | TimeoutError):
            raise unreachable(bootstrap) from error
        raise
    if missing:
        await client.stop()
        raise TopicMismatchError(
            f"the broker at {bootstrap} has no topic {', '.join(missing)}",
            setting="--topics",
            way_out="Create them with `fleetpulse topics create`",
        )
    return client


async def cluster_id(client: AIOKafkaConsumer) -> str:
    """The broker's cluster id; empty where it does not tell one."""
    from aiokafka.protocol.metadata import MetadataRequest  # noqa: PLC0415  # aiokafka's protocol classes are heavy

    try:
        response = await client._client._send_request_to_any(MetadataRequest[2]([]))
    except (KafkaError, AttributeError):
        return ""
    return str(response.cluster_id or "")
