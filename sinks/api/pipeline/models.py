"""The pipeline, as the OpenAPI document tells it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sinks.api.models import Answer, Moment, Status


class TopicFlow(Answer):
    """A topic."""

    topic: str = Field(examples=["fleet.metrics"])
    summary: str
    written_by: str = Field(examples=["producers"])
    records: int | None = Field(description="so far; null while the broker does not answer")
    records_per_s: float | None = Field(description="over the last 10 s; null until it was read twice")


class PartitionLag(Answer):
    """Records of a partition that a group has still to read."""

    partition: int
    committed: int | None = Field(description="next offset; null: none was committed")
    end: int
    lag: int = Field(ge=0)


class TopicLag(Answer):
    """The same of a topic."""

    topic: str
    lag: int = Field(ge=0)
    partitions: list[PartitionLag] = Field(description="those with the most first, at most 64")


class GroupLag(Answer):
    """A consumer group of ours."""

    group: str = Field(examples=["fleetpulse-lake"])
    reader: str = Field(description="who reads, in words", examples=["lake writer"])
    lag: int = Field(ge=0, description="records that it has still to read")
    topics: list[TopicLag]


class FlowPoint(Answer):
    """One reading."""

    at: Moment
    records_per_s: float | None = Field(description="of what producers send")
    lag: dict[str, int] = Field(description="by group")


class Part(Answer):
    """A process of ours, as the agent of the fleet that it is."""

    agent_id: str = Field(examples=["fleetpulse:lake-writer:web-1-1"])
    process: str = Field(examples=["lake-writer"])
    status: Status
    since: Moment | None
    reason: str | None
    host: str | None
    version: str | None
    last_heartbeat: Moment | None
    started_at: Moment | None = Field(description="since when this process runs; null: it said nothing lately")
    restarts: int | None = Field(
        ge=0,
        description="how often `fleetpulse up` started it again; null: nobody counts, or it said nothing lately",
    )
    numbers: dict[str, float] = Field(description="what it said of itself last", examples=[{"lag": 0.0}])
    numbers_at: Moment | None = Field(description="when it said so")
    interval_s: float | None = Field(description="how often it speaks of itself; null: not known", examples=[5.0])


class Reason(Answer):
    """Dead letters of a kind."""

    topic: str = Field(examples=["fleet.metrics"])
    error: str = Field(examples=["unknown_schema"])
    letters: int = Field(ge=1, examples=[3])
    first_at: Moment
    last_at: Moment


class Pipeline(Answer):
    """Our own lag, rates, parts and errors."""

    as_of: Moment | None = Field(description="of the offsets; null: they could not be read")
    trouble: str = Field(description="why offsets cannot be read; empty: they can")
    topics: list[TopicFlow]
    groups: list[GroupLag]
    history: list[FlowPoint] = Field(description="readings while somebody looked, the oldest first")
    parts: list[Part] = Field(description="what is worst first")
    dead_letters: list[Reason] = Field(description="of the last 14 days, the most first")
    counted_at: Moment = Field(description="when the lake was asked for dead letters and numbers of parts")


class Letter(Answer):
    """A message that could not be accepted."""

    letter: str = Field(description="its coordinates: TOPIC/PARTITION/OFFSET", examples=["fleet.metrics/0/17"])
    topic: str
    timestamp: Moment
    error: str = Field(examples=["unknown_schema"])
    detail: str
    size_bytes: int = Field(ge=0)
    beginning: str = Field(description="of the body, what is not printable as dots")
    outcome: str = Field(description="what a replay would do now", examples=["accepted"])
    why: str = Field(description="in words")
    agent_id: str | None = Field(description="whose event it is, where it can be read now")
    user_id: str | None


class LetterPage(Answer):
    """A page of dead letters, the newest first."""

    items: list[Letter]
    next: str | None = Field(description="`cursor` of the next page; null: this was the last")


MOST_REPLAYED = 200
Coordinates = Annotated[str, Field(pattern=r"^[a-z0-9.-]{1,200}/\d{1,9}/\d{1,18}$", examples=["fleet.metrics/0/17"])]


class ReplayOrder(BaseModel):
    """Which dead letters are to be published once more to where they came from."""

    model_config = ConfigDict(extra="forbid")

    letters: Annotated[list[Coordinates], Field(min_length=1, max_length=MOST_REPLAYED)]
    dry_run: bool = Field(default=False, description="only tell what would become of each")


class Replayed(Answer):
    """What became of one letter."""

    letter: str
    outcome: Literal["replayed", "accepted", "landed", "underway", "unreadable", "cut", "derived", "unknown"]
    why: str
    agent_id: str | None
    user_id: str | None


class ReplayDone(Answer):
    """What became of all."""

    dry_run: bool
    replayed: int = Field(ge=0)
    letters: list[Replayed]
