"""What the alert manager knew when it last wrote, and whether one seems to be at work."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from infra.runtime.errors import TopicMismatchError
from infra.runtime.kafka import TopicPartition, consumer, partition_counts
from schemas.catalogue import ALERTS_CHANGELOG
from streams.manager import changelog, signals
from streams.manager.model import Alert, Silence
from streams.manager.state import State, restore

SIGNALS = TopicPartition(signals.TOPIC, 0)
_PATIENCE_S = 5.0
WAY_OUT = "Start one with `fleetpulse alert-manager`, or everything with `fleetpulse up`"


@dataclass(frozen=True)
class Picture:
    """`state` as of log time `state.now_s`; `read_s`: when it was read; `behind`: signals that it does not contain;
    `records`: the same as the changelog has it; `partitions` of every topic; `unheard_s`: since when the broker has not
    answered who asked last, 0 where it did."""

    state: State
    records: dict[str, bytes]
    partitions: dict[str, int]
    behind: int
    read_s: float
    unheard_s: float = 0.0

    @property
    def alerts(self) -> list[Alert]:
        """Active ones first, then those that ended of late; the worst and the newest first is the caller's choice."""
        return list(self.state.alerts.values())

    def silence(self, name: str) -> Silence | None:
        """A silence that is in force."""
        found = self.state.silences.get(name)
        return found if found is not None and found.until_s > self.read_s else None

    @property
    def silences(self) -> list[Silence]:
        """Those in force, the next to end first."""
        return sorted(filter(None, map(self.silence, self.state.silences)), key=lambda each: (each.until_s, each.id))

    @property
    def age_s(self) -> float:
        """Seconds since the alert manager last wrote."""
        return max(self.read_s - self.state.now_s, 0.0)

    @property
    def trouble(self) -> str | None:
        """Why this may not be how things are; None where nothing speaks against it."""
        if self.unheard_s > _PATIENCE_S:
            return f"the broker has not answered for {self.unheard_s:,.0f} s: this is how things were then"
        if not self.state.now_s:
            return f"no alert manager has written its state here yet. {WAY_OUT}"
        if self.behind and self.age_s > _PATIENCE_S:
            return (
                f"no alert manager seems to be running: {self.behind:,} signals wait, it last wrote "
                f"{self.age_s:,.0f} s ago. {WAY_OUT}"
            )
        return None


async def read_picture(bootstrap: str) -> Picture:
    """Raises `BrokerUnreachableError`, `TopicMismatchError` where topics are missing, `KafkaError`."""
    counts = await partition_counts(bootstrap)
    missing = [name for name in (signals.TOPIC, ALERTS_CHANGELOG) if not counts.get(name)]
    if missing:
        raise TopicMismatchError(
            f"topics are missing on {bootstrap}: {', '.join(missing)}",
            way_out="Create them with `fleetpulse topics create`, or start everything with `fleetpulse up`",
        )
    end, records = await asyncio.gather(_end_of_signals(bootstrap), changelog.read(bootstrap))
    state = restore(records)
    return Picture(state, records, counts, max(end - state.position, 0), time.time())


async def _end_of_signals(bootstrap: str) -> int:
    """Where fleet.signals ends; on Tansu possibly somewhat before that."""
    reader = consumer(bootstrap)
    await reader.start()
    try:
        return int((await reader.end_offsets([SIGNALS]))[SIGNALS])
    finally:
        await reader.stop()
