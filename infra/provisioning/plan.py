"""What every topic should be, from the catalogue and the settings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from infra.runtime.kafka import MAX_MESSAGE_BYTES
from infra.runtime.settings import Settings
from schemas.catalogue import (
    ACCESS_ENDED,
    ACCESS_KEYS,
    ACCESS_SESSIONS,
    ALERTS_CHANGELOG,
    SAVED_VIEWS,
    STREAMS_CHANGELOG,
    TOPICS,
    Topic,
)

KEPT_FOR_EVER_MS = -1
_HOUR_MS = 3_600_000
SESSIONS_KEPT_MS = 24 * _HOUR_MS
"""Twice as long as the longest session lives: what ends one outlives it."""
_LONGEST_SEGMENT_MS = 6 * _HOUR_MS
_SEGMENTS_IN_RETENTION = 8
_WAITED_FOR_SEGMENT_BYTES = 16 * 1024 * 1024
"""What is read from its beginning by who then goes to work: the alert manager's changelog by each `fleetpulse alerts`,
the keys by each gateway."""


@dataclass(frozen=True)
class TopicPlan:
    """One topic to be.

    `retention_ms` is `KEPT_FOR_EVER_MS` or a duration, and means nothing where `compacted` keeps the latest record of a
    key. `broker_time` stamps records on arrival, else they keep the time that their sender gave them.
    `segment_bytes`: a compacted topic that people wait for is compacted in parts so small; None: as the broker likes.
    """

    name: str
    partitions: int
    replication: int
    retention_ms: int = KEPT_FOR_EVER_MS
    compacted: bool = False
    broker_time: bool = False
    segment_bytes: int | None = None

    @property
    def configs(self) -> Mapping[str, str]:
        """The topic's configuration in Kafka's words."""
        return MappingProxyType(
            {
                "cleanup.policy": "compact" if self.compacted else "delete",
                "retention.ms": str(self.retention_ms),
                "segment.ms": str(self._segment_ms()),
                "max.message.bytes": str(MAX_MESSAGE_BYTES),
                # With three replicas one may be away and every acknowledged record still has two homes.
                "min.insync.replicas": "2" if self.replication >= 3 else "1",
                # An agent's clock must neither make the broker refuse a record nor expire it on arrival.
                "message.timestamp.type": "LogAppendTime" if self.broker_time else "CreateTime",
            }
            | self._small_segments()
        )

    def _small_segments(self) -> dict[str, str]:
        """The segment that is written to is not compacted, nor less than the dirty ratio: both bound what is read."""
        if self.segment_bytes is None:
            return {}
        return {"segment.bytes": str(self.segment_bytes), "min.cleanable.dirty.ratio": "0.2"}

    def _segment_ms(self) -> int:
        """The segment that is written to is neither expired nor compacted, so it must end well within the retention."""
        if self.compacted or self.retention_ms == KEPT_FOR_EVER_MS:
            return _LONGEST_SEGMENT_MS
        return min(_LONGEST_SEGMENT_MS, max(self.retention_ms // _SEGMENTS_IN_RETENTION, 1))


def plan_topics(settings: Settings, extra: Iterable[TopicPlan] = ()) -> tuple[TopicPlan, ...]:
    """Every topic of the catalogue, changelogs of stream workers and alert manager, access, saved views, then
    `extra`."""
    catalogue = [_plan(topic, settings) for topic in TOPICS.values()]
    waited_for = [
        TopicPlan(name, 1, settings.replication, compacted=True, segment_bytes=_WAITED_FOR_SEGMENT_BYTES)
        for name in (ALERTS_CHANGELOG, ACCESS_KEYS, SAVED_VIEWS)
    ]
    access = (
        TopicPlan(ACCESS_ENDED, 1, settings.replication, broker_time=True),
        TopicPlan(ACCESS_SESSIONS, 1, settings.replication, retention_ms=SESSIONS_KEPT_MS, broker_time=True),
    )
    return (*catalogue, changelog_plan(STREAMS_CHANGELOG, settings), *waited_for, *access, *extra)


def changelog_plan(name: str, settings: Settings) -> TopicPlan:
    """A changelog: compacted, as many partitions as the event topics."""
    return TopicPlan(name, settings.partitions, settings.replication, compacted=True)


def _plan(topic: Topic, settings: Settings) -> TopicPlan:
    return TopicPlan(
        topic.name,
        topic.partitions or settings.partitions,
        settings.replication,
        retention_ms=topic.retention_s * 1000,
        compacted=topic.compacted,
        broker_time=True,
    )
