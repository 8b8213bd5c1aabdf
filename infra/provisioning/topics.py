"""Create and verify topics on a broker; safe to run as often as one likes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, TopicAlreadyExistsError, for_code

from infra.broker.handshake import any_answers
from infra.provisioning.compare import Finding, compare, require_no_mismatch
from infra.provisioning.plan import TopicPlan
from infra.runtime.errors import FleetpulseError
from infra.runtime.kafka import partition_counts, unreachable

_NO_LEADER = -1
_BETWEEN_LOOKS_S = 0.05


class ProvisioningError(FleetpulseError):
    """The broker did not create a topic."""


async def provision(bootstrap: str, plans: Sequence[TopicPlan], *, deadline_s: float = 30.0) -> list[str]:
    """Verify the topics that exist, create the others, wait until every partition has a leader; names the new ones.

    Nothing is created when an existing topic does not match. Raises `TopicMismatchError` (number of partitions),
    `ProvisioningError` (refused, or not ready within `deadline_s`), `BrokerUnreachableError`.
    """
    findings = await verify(bootstrap, plans)
    missing = {f.name for f in findings if f.state == "missing"}
    async with _admin(bootstrap) as admin:
        await _create(admin, [plan for plan in plans if plan.name in missing])
        await _wait_for_leaders(admin, plans, deadline_s)
    # Somebody who provisioned at the same moment may have been first, with other numbers.
    await verify(bootstrap, plans)
    return sorted(missing)


async def inspect(bootstrap: str, plans: Sequence[TopicPlan]) -> list[Finding]:
    """How every planned topic stands on the broker; changes nothing. Raises `BrokerUnreachableError`."""
    return compare(plans, await list_topics(bootstrap))


async def verify(bootstrap: str, plans: Sequence[TopicPlan]) -> list[Finding]:
    """As `inspect`, but a number of partitions that differs raises `TopicMismatchError` (fault 17)."""
    findings = await inspect(bootstrap, plans)
    require_no_mismatch(findings)
    return findings


async def list_topics(bootstrap: str) -> dict[str, int]:
    """Number of partitions of every topic on the broker. Raises `BrokerUnreachableError`."""
    # Asked first, because the client writes an error of its own to the log for every address that does not answer.
    if not await asyncio.to_thread(any_answers, bootstrap):
        raise unreachable(bootstrap)
    return await partition_counts(bootstrap)


@contextlib.asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    try:
        await client.start()
        yield client
    except KafkaConnectionError as error:
        raise unreachable(bootstrap) from error
    finally:
        await client.close()


async def _create(admin: AIOKafkaAdminClient, plans: Sequence[TopicPlan]) -> None:
    if not plans:
        return
    wanted = [NewTopic(p.name, p.partitions, p.replication, topic_configs=dict(p.configs)) for p in plans]
    answer = await admin.create_topics(wanted)
    for name, code, *message in answer.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            said = next((m for m in message if m), for_code(code).__name__)
            raise ProvisioningError(f"the broker did not create topic {name}: {said}")


async def _wait_for_leaders(admin: AIOKafkaAdminClient, plans: Sequence[TopicPlan], deadline_s: float) -> None:
    names = {plan.name for plan in plans}
    try:
        async with asyncio.timeout(deadline_s):
            while names - await _led(admin, names):  # noqa: ASYNC110  # the broker offers nothing to wait on
                await asyncio.sleep(_BETWEEN_LOOKS_S)
    except TimeoutError as error:
        raise ProvisioningError(f"the new topics have no leaders after {deadline_s:g} s") from error


async def _led(admin: AIOKafkaAdminClient, names: Collection[str]) -> set[str]:
    """The topics of `names` that exist and of which every partition has a leader."""
    return {
        topic["topic"]
        for topic in await admin.describe_topics()
        if topic["topic"] in names
        and topic["partitions"]
        and all(part["leader"] != _NO_LEADER for part in topic["partitions"])
    }
