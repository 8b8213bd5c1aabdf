"""Alerts, silences and orders, as the OpenAPI document tells them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sinks.api.models import Answer, Moment

MAX_YAML_CHARS = 200_000
Name = Annotated[str, Field(min_length=1, max_length=200)]
Comment = Annotated[str, Field(max_length=1_000, description="why, for the others")]
Fingerprints = Annotated[
    list[Name], Field(min_length=1, max_length=100, description="or how they begin", examples=[["5f3a09c1"]])
]
State = Literal["firing", "acknowledged", "resolved"]


class AlertAnswer(Answer):
    """One alert in its present or last firing."""

    fingerprint: str = Field(description="same rule, same subject: same fingerprint")
    epoch: int = Field(description="number of the firing")
    name: str = Field(examples=["cpu_high"])
    severity: str = Field(examples=["warning"])
    summary: str
    agent_id: str
    user_id: str = Field(description="the tenant; empty: of the fleet")
    deployment_id: str | None
    rule_kind: str | None
    labels: dict[str, str]
    annotations: dict[str, str]
    evidence: dict[str, str]
    told: bool = Field(description="whether people know that it fires")
    suppressed_by: str | None = Field(description="why nobody is told", examples=["silence:741e98d3"])
    receivers: list[str]
    flapping: bool
    actor: str | None
    comment: str | None
    state: State
    starts_at: Moment | None
    ends_at: Moment | None
    value: float | None
    threshold: float | None
    steps_done: int
    held: bool
    incident: str | None = Field(description="fingerprint of the outage or incident that it is part of")
    members: list[str]
    member_count: int
    open_members: int


class Manager(Answer):
    """How fresh an answer is."""

    last_wrote_at: Moment | None
    behind: int = Field(ge=0, description="signals that the alert manager has yet to decide on")
    trouble: str | None = Field(description="why this may not be how things are")


class AlertPage(Answer):
    """Alerts, the gravest and newest first."""

    items: list[AlertAnswer]
    total: int
    next: str | None = Field(description="cursor of the next page")
    hidden: dict[str, int] = Field(
        description="how many others fit, by why they are not shown", examples=[{"silence": 2}]
    )
    manager: Manager


class Change(Answer):
    """What was written of an alert."""

    timestamp: Moment | None
    epoch: int
    seq: int
    state: str
    cause: str | None
    severity: str
    summary: str
    suppressed_by: str | None
    receivers: list[str]
    escalation_step: int | None
    correlation_id: str | None
    actor: str | None
    comment: str | None


class Attempt(Answer):
    """An attempt to tell somebody; `error` only for those who see the whole fleet."""

    timestamp: Moment | None
    epoch: int
    state: str
    channel: str
    channel_kind: str
    attempt: int
    outcome: str
    status_code: int | None
    error: str | None
    duration_s: float


class AlertDetails(Answer):
    """Everything of one alert; `complete`: its topics were read to their end."""

    alert: AlertAnswer
    members: list[AlertAnswer]
    changes: list[Change]
    deliveries: list[Attempt]
    complete: bool
    manager: Manager


class SilenceAnswer(Answer):
    """A silence in force."""

    id: str = Field(examples=["741e98d3c0aa"])
    matchers: list[str] = Field(examples=[["name=cpu_high", "user_id=company_xyz"]])
    until: Moment | None
    created_at: Moment | None
    by: str
    comment: str
    alerts: list[str] = Field(description="fingerprints of alerts that fire and fit")


class SilenceList(Answer):
    """Silences, the next to end first."""

    silences: list[SilenceAnswer]
    manager: Manager


class HistoryEntry(Answer):
    """A change of an alert, or an attempt to tell somebody of it; members of the other kind are null."""

    kind: Literal["change", "delivery"]
    at: Moment | None
    fingerprint: str
    epoch: int
    state: str
    name: str
    agent_id: str
    user_id: str
    severity: str | None
    summary: str | None
    cause: str | None
    suppressed_by: str | None
    receivers: list[str] | None
    escalation_step: int | None
    actor: str | None
    comment: str | None
    channel: str | None
    attempt: int | None
    outcome: str | None
    status_code: int | None
    error: str | None


class HistoryPage(Answer):
    """The newest first."""

    items: list[HistoryEntry]
    next: str | None


class DeliveryEntry(Answer):
    """An attempt to tell somebody, from the lake; `error` only for those who see the whole fleet."""

    at: Moment | None
    fingerprint: str
    epoch: int = Field(description="number of the firing")
    state: str = Field(description="what was told", examples=["firing"])
    channel: str
    channel_kind: str
    attempt: int = Field(description="from 1")
    outcome: str = Field(description="delivered, failed (tried again), dead (given up), unknown_channel")
    status_code: int | None
    error: str | None
    duration_s: float = Field(description="how long the attempt took")
    grouped: int = Field(description="how many alerts were told together")
    since_event_s: float | None = Field(description="from the event that fired the alert to this attempt")


class DeliveryPage(Answer):
    """The newest first."""

    items: list[DeliveryEntry]
    next: str | None


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OfAlerts(_Order):
    """acknowledge: somebody looks after it. unacknowledge: nobody does. resolve: it is over, whatever its rule says.
    escalate: whom the next step of its route names is told now."""

    action: Literal["acknowledge", "unacknowledge", "resolve", "escalate"]
    fingerprints: Fingerprints
    comment: Comment = ""


class MakeSilence(_Order):
    """Tell nobody of what fits all matchers, for a while. A tenant's silence has `user_id=TENANT` besides."""

    action: Literal["silence"]
    matchers: list[Name] = Field(min_length=1, max_length=20, examples=[["name=cpu_high", "host=~web-.*"]])
    lasting: str = Field(alias="for", max_length=40, examples=["2h"], description="30m, 2h, 1h30m, 7d; at most 365d")
    comment: Comment = ""


class EndSilence(_Order):
    """End silences: people are told of what still fires."""

    action: Literal["unsilence"]
    ids: list[Name] = Field(min_length=1, max_length=100, examples=[["741e98d3"]])


class ReplaceRules(_Order):
    """Replace the file of rules; workers and the alert manager take it up within seconds. For admins of the fleet."""

    action: Literal["rules"]
    yaml: str = Field(min_length=1, max_length=MAX_YAML_CHARS, examples=["version: 1\nrules: []\n"])
    replaces: str | None = Field(
        default=None, max_length=64, description="`version` of the text that this one is made of: 409 if it is another"
    )


Order = Annotated[OfAlerts | MakeSilence | EndSilence | ReplaceRules, Field(discriminator="action")]


class Carried(Answer):
    """What became of an order. `done` false: it is kept, and carried out once an alert manager works."""

    action: str
    done: bool
    alerts: list[str] = Field(default=[], description="fingerprints that it was about")
    silences: list[str] = Field(default=[], description="ids of silences that were made or ended")
    silence: SilenceAnswer | None = None
    unknown_fields: list[str] = Field(default=[], description="fields of matchers that no known alert has: misspelt?")
    rules: int | None = Field(default=None, description="rules of the new file")
