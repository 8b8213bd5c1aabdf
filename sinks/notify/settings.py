"""`channels.yaml`: which channels there are and how each is to be treated."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from infra.runtime.errors import SettingError
from infra.runtime.placed_errors import mistakes_of
from infra.runtime.positioned_yaml import Document, Mistake, YamlMistakeError, parse_document, read_document
from sinks.notify.variables import filled_from

VARIABLE = "FLEETPULSE_CHANNELS"
PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"
_HTTP_URL = r"^https?://[^\s/@]+(/\S*)?$"

ChannelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Rate(_Strict):
    """At most `per_minute` messages, `burst` of them at once."""

    per_minute: float = Field(gt=0)
    burst: int = Field(default=5, ge=1)


class Retry(_Strict):
    """Pauses double from `first_s` to `longest_s`; given up after `give_up_after_s` or `attempts`, if that is set."""

    first_s: Seconds = 0.5
    longest_s: Seconds = 60.0
    give_up_after_s: float = Field(default=86_400.0, gt=0)
    attempts: int | None = Field(default=None, ge=1)

    def pause_s(self, failures: int) -> float:
        """How long to rest after the n-th failure in a row, n from 1, before jitter."""
        return float(min(self.longest_s, self.first_s * 2 ** min(failures - 1, 30)))


class ChannelSettings(_Strict):
    """What every kind has. `group_by`: fields or labels whose equal values make alerts one message."""

    name: ChannelName
    kind: str
    default: bool = True
    min_severity: Literal["info", "warning", "critical"] = "info"
    send_resolved: bool = True
    rate: Rate | None = None
    retry: Retry = Retry()
    timeout_s: Seconds = 10.0
    group_by: tuple[str, ...] = ("name",)
    group_wait_s: float = Field(default=0.0, ge=0, le=3_600)
    alerts_per_message: int = Field(default=100, ge=1, le=1_000)
    parallel: int = Field(default=4, ge=1, le=64)

    @property
    def again_after_s(self) -> float | None:
        """How often alerts that still fire are told again; None: once."""
        return None

    def secrets(self) -> tuple[str, ...]:
        """What must never be seen in logs, errors and deliveries."""
        return ()


class ConsoleSettings(ChannelSettings):
    """Lines for people on standard output."""

    kind: Literal["console"]
    group_by: tuple[str, ...] = ()


class JsonSettings(ChannelSettings):
    """Lines for programs on standard output."""

    kind: Literal["json"]
    group_by: tuple[str, ...] = ()


class _HttpSettings(ChannelSettings):
    url: SecretStr
    allow_private: bool = False
    parallel: int = Field(default=8, ge=1, le=64)
    headers: dict[str, SecretStr] = Field(default_factory=dict)

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: SecretStr) -> SecretStr:
        if not re.match(_HTTP_URL, url.get_secret_value()):
            raise ValueError("has to begin with http:// or https://; user and password, if any, belong into headers")
        return url

    def secrets(self) -> tuple[str, ...]:
        """The URL and what headers hold."""
        return (self.url.get_secret_value(), *(value.get_secret_value() for value in self.headers.values()))


class WebhookSettings(_HttpSettings):
    """A signed POST with Alertmanager's body."""

    kind: Literal["webhook"]
    secret: SecretStr | None = Field(default=None, min_length=16)

    def secrets(self) -> tuple[str, ...]:
        """The URL, what headers hold, and the key of the signature."""
        return (*super().secrets(), *((self.secret.get_secret_value(),) if self.secret else ()))


class PagerDutySettings(_HttpSettings):
    """Events v2."""

    kind: Literal["pagerduty"]
    url: SecretStr = SecretStr(PAGERDUTY_URL)
    routing_key: SecretStr = Field(min_length=1)
    group_by: tuple[str, ...] = ("fingerprint",)

    def secrets(self) -> tuple[str, ...]:
        """The URL, what headers hold, and the routing key."""
        return (*super().secrets(), self.routing_key.get_secret_value())


class AlertmanagerSettings(_HttpSettings):
    """Prometheus' Alertmanager; `url` is where its own pages begin. Firing alerts are told again every `resend_s`."""

    kind: Literal["alertmanager"]
    resend_s: Seconds = 60.0

    @property
    def again_after_s(self) -> float | None:
        """Alertmanager forgets what is not told again."""
        return self.resend_s


class AppriseSettings(ChannelSettings):
    """E-mail, Slack, Teams, Telegram and a hundred more, by Apprise's URLs."""

    kind: Literal["apprise"]
    urls: tuple[SecretStr, ...] = Field(min_length=1)
    allow_private: bool = False

    def secrets(self) -> tuple[str, ...]:
        """All URLs: they hold passwords and tokens."""
        return tuple(url.get_secret_value() for url in self.urls)


AnyChannel = Annotated[
    ConsoleSettings | JsonSettings | WebhookSettings | PagerDutySettings | AlertmanagerSettings | AppriseSettings,
    Field(discriminator="kind"),
]


class Channels(_Strict):
    """The whole file. Alerts older than `old_after_s` are told together, and only if they still fire."""

    version: Literal[1]
    channels: tuple[AnyChannel, ...] = Field(min_length=1)
    old_after_s: float = Field(default=3_600.0, gt=0)

    @model_validator(mode="after")
    def _is_of_use(self) -> Self:
        names = [channel.name for channel in self.channels]
        if len(set(names)) < len(names):
            raise ValueError("two channels have the same name")
        if not any(channel.default for channel in self.channels):
            raise ValueError("no channel is a default: alerts without receivers would reach nobody")
        return self

    def named(self, name: str) -> AnyChannel:
        """A channel by its name. Raises `SettingError`."""
        for channel in self.channels:
            if channel.name == name:
                return channel
        known = ", ".join(channel.name for channel in self.channels)
        raise SettingError(f"there is no channel {name}", setting="CHANNEL", way_out=f"Known are: {known}")


def load_channels(file: Path | None, *, as_json: bool = False) -> Channels:
    """Read `file`, or what FLEETPULSE_CHANNELS names; without either the console (or JSON lines) is the only channel.

    Raises `SettingError` with file, line and column.
    """
    if file is None and os.environ.get(VARIABLE):
        file = Path(os.environ[VARIABLE])
    if file is None:
        kind = "json" if as_json else "console"
        return Channels.model_validate({"version": 1, "channels": [{"name": kind, "kind": kind}]})
    try:
        return _channels(read_document(file, filled_from(os.environ)), str(file))
    except YamlMistakeError as error:
        raise _wrong(str(file), error.mistakes[0]) from error
    except OSError as error:
        raise SettingError(f"{file} cannot be read: {error.strerror}", setting=f"--channels or {VARIABLE}") from error


def parse_channels(text: str, file: str) -> Channels:
    """The channels of a file's text. Raises `SettingError` with file, line and column."""
    try:
        return _channels(parse_document(text, filled_from(os.environ)), file)
    except YamlMistakeError as error:
        raise _wrong(file, error.mistakes[0]) from error


def _channels(document: Document, file: str) -> Channels:
    try:
        return Channels.model_validate(document.value)
    except ValidationError as error:
        # The cause would show what was given, which may be a secret.
        raise _wrong(file, mistakes_of(error, Channels, document)[0]) from None


def _wrong(file: str, mistake: Mistake) -> SettingError:
    where = f"{mistake.where}: " if mistake.where else ""
    return SettingError(
        f"{file}, line {mistake.line}, column {mistake.column}: {where}{mistake.problem}",
        setting=f"--channels or {VARIABLE}",
        way_out="docs/channels.md describes every field",
    )
