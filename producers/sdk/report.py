"""What happened to the events: counts that are moved only by an acknowledgement or a refusal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TopicReport:
    """Events of one topic: acknowledged by the broker; not (`spooled` of them are safe on disk); dropped for good."""

    acknowledged: int
    unacknowledged: int
    spooled: int
    dropped: int


@dataclass(frozen=True)
class FlushReport:
    """Events of this session when the flush ended.

    `acknowledged` is what the broker said it has, never more. `unacknowledged` is everything else that may still
    arrive, `spooled` the part of it that is on disk and outlives the process. `dropped` will not arrive, by reason in
    `dropped_by_reason`. `complete`: every event that was issued before the call is acknowledged; false once one was
    dropped.
    """

    session_id: str
    issued: int
    acknowledged: int
    unacknowledged: int
    spooled: int
    dropped: int
    complete: bool
    topics: Mapping[str, TopicReport] = field(default_factory=dict)
    dropped_by_reason: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Tally:
    """Running counts of the sender: own session per topic, earlier sessions per session, drops per reason."""

    session_id: str
    accepted: Counter[str] = field(default_factory=Counter)
    acknowledged: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    dropped_by_reason: Counter[str] = field(default_factory=Counter)
    recovered: Counter[str] = field(default_factory=Counter)
    recovered_by_session: Counter[str] = field(default_factory=Counter)

    def accept(self, topic: str, events: int) -> None:
        """Count events of this session as encoded and on their way."""
        self.accepted[topic] += events

    def acknowledge(self, topic: str, session_id: str, events: int) -> None:
        """Count events that the broker has."""
        if session_id == self.session_id:
            self.acknowledged[topic] += events
        else:
            self.recovered[topic] += events
            self.recovered_by_session[session_id] += events

    def refuse(self, topic: str, reason: str) -> None:
        """Count an event of this session that cannot be encoded."""
        self.refused[topic] += 1
        self.drop(topic, reason)

    def drop(self, topic: str, reason: str, events: int = 1) -> None:
        """Count events of this session that will not arrive."""
        self.dropped[topic] += events
        self.dropped_by_reason[reason] += events
