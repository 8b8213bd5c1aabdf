"""The reporter's settings, checked once. Read without pydantic-settings, which alone would take 15 MB of the host."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from infra.runtime.errors import SettingError
from producers.plainly import made_plainly
from schemas.record import MAX_BODY_BYTES

DEFAULT_BOOTSTRAP = "127.0.0.1:9092"
PREFIX = "FLEETPULSE_"
_NAME = r"\A[^\x00-\x1f\x7f]+\Z"


class ReporterConfig(BaseModel):
    """What a `Reporter` is made of. Frozen; unknown names are refused."""

    # Python's own engine for regular expressions is there already; pydantic's would take half a megabyte more.
    model_config = ConfigDict(frozen=True, extra="forbid", regex_engine="python-re", defer_build=True)

    agent_id: str = Field(min_length=1, max_length=256, pattern=_NAME, description="the agent; key of its messages")
    user_id: str = Field(default="default", min_length=1, max_length=256, description="the tenant that owns the agent")
    deployment_id: str | None = Field(default=None, max_length=256)
    bootstrap: str = Field(
        default=DEFAULT_BOOTSTRAP, pattern=r"\A[^\s,:]+:\d+(,[^\s,:]+:\d+)*\Z", description="HOST:PORT[,HOST:PORT]"
    )
    gateway: str | None = Field(
        default=None, max_length=2_048, description="http(s)://HOST[:PORT][/PREFIX] of a gateway; None: Kafka"
    )
    api_key: SecretStr | None = Field(default=None, description="key for the gateway; never logged")
    gateway_ca: Path | None = Field(default=None, description="PEM file of who signed the gateway's certificate")
    spool_dir: Path = Field(default=Path(".fleetpulse/spool"), description="folder that reporters may share")
    spool_bytes: int = Field(default=256 * 1024 * 1024, ge=0, description="bound of this reporter's spool; 0: none")
    segment_bytes: int = Field(default=1024 * 1024, ge=4096, le=64 * 1024 * 1024)
    buffer_events: int = Field(default=50_000, ge=16, le=10_000_000, description="bound of the buffer in memory")
    batch_size: int = Field(
        default=1, ge=1, le=10_000, description="send once so many events wait, or after batch_wait_s"
    )
    batch_wait_s: float = Field(default=0.25, gt=0, le=60, description="how long fewer than batch_size events may wait")
    linger_ms: int = Field(default=10, ge=1, le=1_000, description="how often the sender looks for events")
    request_timeout_s: float = Field(default=10.0, gt=0.1, le=120, description="how long one send may take")
    slow_after_s: float = Field(default=1.0, gt=0, le=60, description="a send that takes longer makes events spool")
    retry_attempts: int = Field(
        default=1, ge=1, le=1_000, description="attempts to connect that fail before it is said"
    )
    retry_delay_s: float = Field(
        default=0.1, gt=0, le=60, description="first pause between attempts to connect; it grows"
    )
    retry_max_s: float = Field(default=5.0, gt=0.05, le=60, description="longest pause between attempts to connect")
    max_event_bytes: int = Field(default=1_000_000, ge=1_024, le=MAX_BODY_BYTES, description="larger ones are refused")
    heartbeat_interval_s: float | None = Field(default=None, gt=0, le=86_400)
    close_deadline_s: float = Field(default=5.0, ge=0, le=3_600, description="how long leaving the block may take")
    host: str | None = Field(default=None, max_length=256, description="default: the name of this machine")
    version: str = Field(default="0", max_length=128, description="version of the agent")

    @model_validator(mode="after")
    def _check_gateway(self) -> Self:
        if self.gateway is not None:
            check_gateway(self.gateway)
        if self.api_key is not None:
            _check_key(self.api_key.get_secret_value())
        return self


def check_gateway(url: str) -> None:
    """Raises `ValueError`, which says what is wrong, unless `url` is http(s)://HOST[:PORT][/PREFIX]."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or any(c <= " " or c > "~" for c in url):
        raise ValueError("gateway is not http://HOST[:PORT] or https://HOST[:PORT]")
    if parts.username is not None or parts.password is not None:
        raise ValueError("gateway holds a user or password; the key goes into api_key")
    if parts.query or parts.fragment:
        raise ValueError("gateway ends in a query or fragment")
    _ = parts.port  # raises ValueError itself when it is none


def _check_key(key: str) -> None:
    if not key or any(c <= " " or c > "~" for c in key):
        raise ValueError("api_key is empty or holds spaces or characters outside of ASCII")


_Config = TypeVar("_Config", bound=ReporterConfig)


def from_environment(names: tuple[str, ...]) -> dict[str, str]:
    """`FLEETPULSE_<NAME>` of each name that is set and not empty."""
    return {name: value for name in names if (value := os.environ.get(PREFIX + name.upper()))}


def build(kind: type[_Config], of: str, given: dict[str, object], names: tuple[str, ...]) -> _Config:
    """A checked configuration: what is given, else the variables of `names`, else defaults; None is not given.

    `spool_dir` is DATA_DIR/spool where only that is known. Raises `SettingError` that names `of` (a class) and the
    setting, never with a key in it.
    """
    values: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    values = {**from_environment(tuple(name for name in names if name not in values)), **values}
    if "spool_dir" not in values and (data_dir := os.environ.get(PREFIX + "DATA_DIR")):
        values["spool_dir"] = Path(data_dir) / "spool"
    # The one validator looks at these two.
    if not {"gateway", "api_key"} & values.keys() and (made := made_plainly(kind, values)) is not None:
        return made
    try:
        return kind(**values)  # type: ignore[arg-type]  # this call is what validates them
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "gateway"
        # Of the key, and of errors about all settings together, nothing is shown: the input would be in it.
        secret = not first["loc"] or name == "api_key"
        shown = "" if secret else f": got {str(first['input'])[:80]!r}"
        raise SettingError(
            f"{first['msg']}{shown}",
            setting=f"{of}({name}=...)",
            way_out="Correct it where the reporter is made",
        ) from (None if secret else error)


def make_config(**given: object) -> ReporterConfig:
    """Check the settings of a reporter; what is None takes the environment's or the default value.

    `bootstrap` comes from FLEETPULSE_BOOTSTRAP, `spool_dir` from FLEETPULSE_DATA_DIR, `gateway`, `api_key` and
    `gateway_ca` from FLEETPULSE_GATEWAY, FLEETPULSE_API_KEY and FLEETPULSE_GATEWAY_CA unless a `bootstrap` is given.
    Raises `SettingError` that names the setting.
    """
    kafka = given.get("bootstrap") is not None
    return build(
        ReporterConfig,
        "Reporter",
        given,
        ("bootstrap",) if kafka else ("bootstrap", "gateway", "api_key", "gateway_ca"),
    )
