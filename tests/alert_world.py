"""Alerts on a broker, and a notifier over them in this process."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from infra.runtime.clock import SystemClock
from infra.runtime.kafka import producer
from schemas.record import encode_single_object
from schemas.registry import topic_schema
from sinks.notify.build import build
from sinks.notify.notifier import Notifier, NotifierConfig
from sinks.notify.settings import AnyChannel

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def alert_bytes(identity: str, state: str = "firing", **more: Any) -> bytes:  # noqa: ANN401  # fields by name
    """The message of an alert of agent `a`."""
    record = {
        "event_id": uuid4().bytes, "agent_id": "a", "user_id": "", "timestamp": NOW, "session_id": "s", "seq": 0,
        "fingerprint": identity, "epoch": 1, "state": state, "name": "cpu_high", "severity": "warning",
        "summary": "s", "starts_at": NOW, "oldest_source_timestamp": NOW, "labels": [], "evidence": [],
    }  # fmt: skip
    return encode_single_object(topic_schema("fleet.alerts"), record | more)


async def publish(bootstrap: str, topic: str, values: Sequence[bytes], partition: int = 0, age_s: float = 0.0) -> None:
    """Messages in their order, acknowledged; they look `age_s` old."""
    sender = producer(bootstrap, idempotent=False)
    await sender.start()
    at_ms = int((time.time() - age_s) * 1000)
    try:
        for waiting in [
            await sender.send(topic, value, key=b"a", partition=partition, timestamp_ms=at_ms) for value in values
        ]:
            await waiting
    finally:
        await sender.stop()


@asynccontextmanager
async def notifying(config: NotifierConfig, *settings: AnyChannel) -> AsyncIterator[Notifier]:
    """A notifier at work while the block runs; the block's end stops it cleanly."""
    clock = SystemClock()
    notifier = Notifier(config, [(each, build(each, clock, sys.stdout)) for each in settings], clock)
    asked = asyncio.Event()
    try:
        await notifier.start()
        task = asyncio.create_task(notifier.run(asked))
        yield notifier
        asked.set()
        await task
    finally:
        await notifier.stop()
