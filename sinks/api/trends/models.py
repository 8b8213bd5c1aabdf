"""Answers about trends, as the OpenAPI document tells them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sinks.api.models import Answer, Moment


class TrendLine(Answer):
    """A group over time; one value a bucket, null where it has none."""

    group: str | None = Field(description="null: whose group is not known, or everything", examples=["eu-1"])
    total: float | None = Field(description="the same of the whole range at once", examples=[42.5])
    previous: float | None = Field(description="the same of the range before it; null unless asked for")
    rows: int = Field(ge=0, description="how many rows it is made of")
    values: list[float | None] = Field(examples=[[41.0, 44.0]])
    min: list[float | None] = Field(examples=[[40.0, 41.5]])
    max: list[float | None] = Field(examples=[[42.0, 46.5]])


class Trends(Answer):
    """A measure over time."""

    metric: str = Field(examples=["cpu_usage"])
    label: str = Field(examples=["CPU usage"])
    unit: str = Field(examples=["percent"])
    stat: str = Field(examples=["mean"])
    by: str = Field(description="empty: everything together", examples=["deployment"])
    from_: Moment = Field(alias="from")
    to: Moment
    bucket_s: int = Field(ge=1, examples=[3600])
    source: str = Field(
        description="raw rows, or roll-ups: hourly, daily (raw rows besides where there are none yet)", examples=["raw"]
    )
    at: list[Moment] = Field(description="begin of every bucket that has anything")
    lines: list[TrendLine]
    others: TrendLine | None = Field(description="of all groups that have no line of their own")
    groups: int = Field(ge=0, description="how many there are in all")
    took_ms: float = Field(ge=0)


class MeasureTold(Answer):
    """Something that has a trend."""

    name: str = Field(examples=["cpu_usage"])
    label: str = Field(examples=["CPU usage"])
    family: str = Field(examples=["system"])
    unit: str = Field(examples=["percent"])
    about: str
    stats: list[str] = Field(description="the usual one first", examples=[["mean", "max"]])
    by: list[str] = Field(examples=[["agent", "deployment"]])
    better: Literal["higher", "lower", "neither"]


class Measures(Answer):
    """Everything that has a trend."""

    measures: list[MeasureTold]
