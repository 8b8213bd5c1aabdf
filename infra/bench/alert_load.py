"""Alerts for benchmarks: made once, published at once or at a pace."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from uuid import uuid4

from infra.runtime.batch_send import send_records
from infra.runtime.kafka import AIOKafkaProducer, partition_counts, producer
from schemas.record import encode_single_object
from schemas.registry import topic_schema

TOPIC = "fleet.alerts"


def alert_bytes(fingerprint: str, number: int) -> bytes:
    """One that fires, with the texts that a real one has."""
    now = datetime.now(UTC)
    record = {
        "event_id": uuid4().bytes, "agent_id": f"agent-{number % 1_000}", "user_id": "tenant", "deployment_id": "prod",
        "timestamp": now, "session_id": f"alerts/{fingerprint}/1", "seq": 0, "fingerprint": fingerprint, "epoch": 1,
        "state": "firing", "name": "cpu_high", "severity": "warning", "summary": "cpu_usage 93 is above 80 for 60 s",
        "starts_at": now, "value": 93.0, "threshold": 80.0, "rule_kind": "threshold", "oldest_source_timestamp": now,
        "labels": [{"name": "host", "value": f"host-{number % 100}"}, {"name": "metric", "value": "cpu_usage"}],
        "evidence": [{"name": "samples", "value": "12"}],
    }  # fmt: skip
    return encode_single_object(topic_schema(TOPIC), record)


class Load:
    """Publishes alerts, each with a fingerprint of its own, over all partitions."""

    def __init__(self, sender: AIOKafkaProducer, partitions: int) -> None:
        self._sender = sender
        self._partitions = partitions
        self._number = 0

    async def at_once(self, count: int) -> dict[str, float]:
        """When each was sent, by fingerprint; all are acknowledged."""
        sent, rows = {}, []
        for _ in range(count):
            fingerprint, self._number = uuid4().hex, self._number + 1
            sent[fingerprint] = time.time()
            value = alert_bytes(fingerprint, self._number)
            rows.append((self._number % self._partitions, fingerprint.encode(), value, int(time.time() * 1000)))
        await send_records(self._sender, TOPIC, rows)
        return sent


async def open_load(bootstrap: str) -> tuple[Load, AIOKafkaProducer]:
    """A load and the producer that its owner stops."""
    partitions = (await partition_counts(bootstrap))[TOPIC]
    sender = producer(bootstrap, idempotent=False, linger_ms=0)
    await sender.start()
    return Load(sender, partitions), sender
