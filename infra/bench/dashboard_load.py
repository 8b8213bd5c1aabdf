"""What `fleetpulse bench dashboard` puts on the broker: a fleet of 100,000, then changes at a pace, probes among them.

A probe is an agent that sorts before all others, so that the first page of the list shows it. Its status goes to and
fro; each time it is noted when that was handed to the broker.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from infra.runtime.batch_send import partition_of, send_records
from infra.runtime.ids import event_id, new_session_bits
from infra.runtime.kafka import AIOKafkaProducer, partition_counts, producer
from schemas.record import encode_single_object
from schemas.registry import topic_schema

AGENTS, PROBES = 100_000, 40
TENANT, PROBE = "bench", "aa-probe-"
STATUS, TRUST = "fleet.status", "fleet.trust"
EVENTS_PER_S = 1_000
TICK_S, PROBE_EVERY_S = 0.02, 0.1
_BATCH = 5_000
_SHARES = (("online", 94), ("late", 3), ("offline", 2), ("degraded", 1))
_WORDS = [word for word, weight in _SHARES for _ in range(weight)]


@dataclass
class Sent:
    """A change of a probe: its number, the word that it shows from now on, and when it went out (epoch seconds)."""

    probe: int
    word: str
    at_s: float


@dataclass
class FleetLoad:
    """Records of a fleet on their way to the broker."""

    sender: AIOKafkaProducer
    partitions: dict[str, int]
    sent: list[Sent] = field(default_factory=list)
    events: int = 0
    _bits: int = field(default_factory=new_session_bits)
    _seq: Iterator[int] = field(default_factory=itertools.count)
    _random: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311  # which agent, no secret

    async def fill(self) -> None:
        """Every agent has a status and a score."""
        names = [f"{PROBE}{n}" for n in range(PROBES)] + [_name(n) for n in range(AGENTS - PROBES)]
        for part in (names[at : at + _BATCH] for at in range(0, len(names), _BATCH)):
            words = ["online" if name.startswith(PROBE) else self._random.choice(_WORDS) for name in part]
            await self._send(STATUS, [self._status(name, word) for name, word in zip(part, words, strict=True)])
            await self._send(TRUST, [self._trust(name) for name in part])

    async def run(self, seconds: float) -> float:
        """`EVENTS_PER_S` changes for so long, a probe among them every 0.1 s; how many a second they truly were."""
        loop = asyncio.get_running_loop()
        began_s, done, probed = loop.time(), 0, 0
        while (past_s := loop.time() - began_s) < seconds:
            due = int(past_s * EVENTS_PER_S) - done
            if past_s >= probed * PROBE_EVERY_S:
                await self._probe(probed % PROBES)
                probed, due = probed + 1, due - 1
                done += 1
            await self._others(max(0, due))
            done += max(0, due)
            await asyncio.sleep(TICK_S)
        self.events += done
        return done / (loop.time() - began_s)

    async def _probe(self, number: int) -> None:
        last = next((each.word for each in reversed(self.sent) if each.probe == number), "online")
        word = "late" if last == "online" else "online"
        self.sent.append(Sent(number, word, time.time()))
        await self._send(STATUS, [self._status(f"{PROBE}{number}", word)])

    async def _others(self, count: int) -> None:
        names = [_name(self._random.randrange(AGENTS - PROBES)) for _ in range(count)]
        half = count // 2
        await self._send(STATUS, [self._status(name, self._random.choice(_WORDS)) for name in names[:half]])
        await self._send(TRUST, [self._trust(name) for name in names[half:]])

    async def _send(self, topic: str, records: Sequence[dict[str, Any]]) -> None:
        schema, count, now_ms = topic_schema(topic), self.partitions[topic], int(time.time() * 1_000)
        rows = []
        for record in records:
            key = str(record["agent_id"]).encode()
            rows.append((partition_of(key, count), key, encode_single_object(schema, record), now_ms))
        if rows:
            await send_records(self.sender, topic, rows)

    def _envelope(self, name: str) -> dict[str, Any]:
        seq, now_us = next(self._seq), int(time.time() * 1e6)
        deployment = f"zone-{sum(name.encode()) % 20:02}"
        return {
            "event_id": event_id(now_us, self._bits, seq), "agent_id": name, "user_id": TENANT,
            "deployment_id": deployment, "timestamp": now_us, "session_id": f"bench/{self._bits:x}", "seq": seq,
        }  # fmt: skip

    def _status(self, name: str, word: str) -> dict[str, Any]:
        known = self._envelope(name)
        now_us, host = known["timestamp"], f"host-{sum(name.encode()) % 500}"
        return known | {
            "status": word, "previous": "late" if word == "online" else "online", "reason": "beat", "last_beat": now_us,
            "deadline": now_us + 60_000_000, "interval_s": 30.0, "loss": 0.01, "host": host,
            "gateway": None, "clock_skew_s": None,
        }  # fmt: skip

    def _trust(self, name: str) -> dict[str, Any]:
        known = self._envelope(name)
        score = round(self._random.betavariate(18, 2), 4)
        return known | {
            "trust": score, "p": score, "n": 100.0, "compliant": 90.0, "violating": 3.0, "model": "beta",
            "violations": 3, "compliance": score, "reliability": 0.99, "liveness": 1.0, "behaviour": 0.98,
            "oldest_source_timestamp": known["timestamp"],
        }  # fmt: skip


def _name(number: int) -> str:
    return f"bench-{number:06}"


@asynccontextmanager
async def fleet_load(bootstrap: str) -> AsyncIterator[FleetLoad]:
    """A load to a broker that has the topics."""
    sender = producer(bootstrap, idempotent=False, linger_ms=0)
    await sender.start()
    try:
        yield FleetLoad(sender, await partition_counts(bootstrap))
    finally:
        await sender.stop()
