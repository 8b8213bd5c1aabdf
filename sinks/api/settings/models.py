"""Settings and keys, as the OpenAPI document tells them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sinks.api.models import Answer, Moment

Role = Literal["ingest", "viewer", "operator", "admin"]
Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Duration = Annotated[str, Field(max_length=40, examples=["90d"])]


class Setting(Answer):
    """One setting of this process as it counts. Secrets never: of them only whether they are set."""

    group: Literal["process", "server", "access", "trust"]
    name: str = Field(description="the variable that sets it", examples=["FLEETPULSE_TRUST_HALF_LIFE_S"])
    value: Any = Field(examples=[604800.0])
    default: Any = Field(examples=[604800.0])
    source: Literal["environment", "option", "default"]
    meaning: str = Field(examples=["after it evidence weighs half"])
    secret: bool


class Retention(Answer):
    """How long a kind of event is kept, and what it takes now."""

    table: str = Field(examples=["metrics"])
    topic: str | None = Field(examples=["fleet.metrics"])
    summary: str
    lake_s: int = Field(description="seconds that the lake keeps its rows", examples=[7776000])
    default_s: int = Field(description="the same, where nobody decided otherwise", examples=[7776000])
    shortest_s: int | None = Field(description="the shortest that may be decided; null: it is not for people to decide")
    decided_by: str | None = Field(description="who decided otherwise; null: nobody", examples=["key:abcdefgh2345"])
    decided_at: Moment | None
    applied_s: int | None = Field(description="what the lake writer went by last; null: it has not left word")
    topic_s: int | None = Field(description="seconds that the broker keeps it; null: the latest of every key")
    stored_bytes: int | None = Field(description="of its files now; null: it is of the whole fleet, and the key is not")
    files: int | None
    oldest: Moment | None = Field(description="begin of its oldest hour")


class WouldGo(Answer):
    """What the lake would lose: whole hours, between two moments."""

    table: str = Field(examples=["metrics"])
    keep_s: int = Field(examples=[2592000])
    hours: int
    files: int
    stored_bytes: int
    from_: Moment | None = Field(alias="from")
    to: Moment | None


class KeepOrder(BaseModel):
    """How long to keep a table; `was_s`: how long it is kept now, as far as who orders knows."""

    model_config = ConfigDict(extra="forbid")

    keep: Duration = Field(description="a duration, or `default`", examples=["30d"])
    was_s: int = Field(examples=[7776000])


class RetentionKept(Answer):
    """What is in force now, and what goes by it within a minute."""

    retention: Retention
    hours: int
    files: int
    stored_bytes: int
    from_: Moment | None = Field(alias="from")
    to: Moment | None


class SettingsTold(Answer):
    """What counts. `settings` is empty for who is limited to a tenant: they are of the server."""

    version: str
    settings: list[Setting]
    retention: list[Retention]
    applied_at: Moment | None = Field(description="when the lake writer last looked for hours to remove")
    keep_trouble: str | None = Field(description="why it cannot be read what was decided; nothing is removed meanwhile")
    rules_file: bool = Field(description="whether this API may replace the file of alert rules")


class SessionLine(Answer):
    """Somebody who is signed in with a browser."""

    id: str = Field(examples=["5f0c3a..."])
    who: str = Field(description="names them in the audit trail", examples=["key:abcdefgh2345", "oidc:alice"])
    name: str
    role: Role
    tenant: str | None = Field(description="null: the whole fleet")
    address: str = Field(description="that they signed in from")
    began: Moment
    ends: Moment
    own: bool = Field(description="whether it is of who asks")
    current: bool = Field(description="whether it is the one that asks")


class SessionList(Answer):
    """Sessions that the caller may see, the newest first, a thousand at most."""

    items: list[SessionLine]
    total: int


class KeyLine(Answer):
    """A key without its secret."""

    lookup: str = Field(description="its public part", examples=["abcdefgh2345"])
    name: str = Field(examples=["crawler"])
    role: Role
    tenant: str | None = Field(description="null: the whole fleet")
    agents: list[str]
    sql: bool
    state: Literal["live", "expired", "revoked", "foreign"]
    created: Moment
    expires: Moment | None
    revoked: Moment | None
    last_used: Moment | None = Field(description="to the minute")
    replaces: str | None
    replaced_by: str | None
    own: bool = Field(description="whether it is the key of who asks")


class KeyList(Answer):
    """The keys that the caller may see, the newest first."""

    items: list[KeyLine]
    refused_records: int = Field(ge=0, description="records of the topic that nobody with the server's secret wrote")


class KeyOrder(BaseModel):
    """A key to be made. `expires`: how long it lives; without: until it is revoked."""

    model_config = ConfigDict(extra="forbid")

    name: Text
    role: Role
    tenant: Text | None = None
    agents: Annotated[list[Text], Field(max_length=100)] = []
    sql: bool = False
    expires: Duration | None = None


class RotateOrder(BaseModel):
    """How long the old key lives beside the new one, and how long the new one does."""

    model_config = ConfigDict(extra="forbid")

    keep: Duration = "24h"
    expires: Duration | None = None


class KeyMade(Answer):
    """A key. Its text is told this once and kept nowhere."""

    key: str = Field(examples=["fp_v_abcdefgh2345_..."])
    record: KeyLine
    replaced: KeyLine | None


class KeyEnded(Answer):
    """A key that has ended."""

    record: KeyLine
