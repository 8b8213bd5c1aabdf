"""What a pack says to the alert manager: inhibition, routes, maintenance, correlation, flapping, watchdog."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from streams.rules.values import Duration, Patterns, Share, Strict

_Days = Literal[
    "day", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "weekday", "weekend"
]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"no time zone {name!r}: write one like Europe/Berlin, or UTC") from error
    return name


def _clock(text: str) -> str:
    try:
        time.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no time of day: write 02:00") from error
    return text


class Inhibit(Strict):
    """While an alert that fits `source` fires, those that fit `target` and agree in `equal` tell nobody."""

    source: Patterns
    target: Patterns
    equal: tuple[str, ...] = ()


class Step(Strict):
    """`channels` are told when the alert has fired for `after_s` and nobody has acknowledged it."""

    after_s: Duration = Field(default=0.0, alias="after")
    channels: tuple[str, ...] = Field(min_length=1)


class Route(Strict):
    """Alerts that fit `match` go these steps; the first route that fits decides unless `go_on`."""

    match: Patterns = Field(default_factory=dict)
    steps: tuple[Step, ...] = Field(min_length=1)
    go_on: bool = False


class Maintenance(Strict):
    """From one time of day to another in `zone`, alerts that fit `match` tell nobody; over midnight where to < from."""

    name: str = Field(min_length=1)
    match: Patterns = Field(default_factory=dict)
    every: _Days = "day"
    begins: Annotated[str, AfterValidator(_clock)] = Field(alias="from")
    ends: Annotated[str, AfterValidator(_clock)] = Field(alias="to")
    zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"


class Correlation(Strict):
    """At least `least` alerts within `window_s` that share something are one incident, as many as `share` of the agents
    that share it, and more than is usual of late; more than `outage_share` and at least `outage_least` of a host's,
    gateway's or deployment's agents overdue are one outage."""

    window_s: Duration = Field(default=30.0, alias="window")
    least: int = Field(default=5, ge=2)
    share: Share = 0.005
    outage_share: Share = 0.05
    outage_least: int = Field(default=3, ge=1)


class Watchdog(Strict):
    """An alert that always fires, told to `channels` every `every_s`: for a switch outside, which alarms without it."""

    every_s: Duration = Field(default=60.0, alias="every", ge=1.0)
    channels: tuple[str, ...] = Field(min_length=1)


class Flapping(Strict):
    """An alert that changes `changes` times within `within_s` flaps until it is the same for `calm_s`."""

    changes: int = Field(default=6, ge=2)
    within_s: Duration = Field(default=600.0, alias="within")
    calm_s: Duration = Field(default=300.0, alias="calm")
