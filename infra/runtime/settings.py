"""Settings of every process: `FLEETPULSE_*` environment variables over the defaults here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.runtime.errors import SettingError

PREFIX = "FLEETPULSE_"
_ADDRESS = re.compile(r"([^\s,:\[\]]+|\[[0-9a-fA-F:.%]+\])(:(?P<port>[0-9]{1,5}))?")


def _addresses(text: str) -> str:
    """Addresses of brokers as they are. Raises `ValueError`: Kafka clients end with a traceback for such."""
    for each in text.split(",") if text else ():
        found = _ADDRESS.fullmatch(each.strip())
        if found is None or not 0 < int(found["port"] or 1) < 65_536:
            raise ValueError("not HOST:PORT[,HOST:PORT]")
    return text


class Settings(BaseSettings):
    """What is common to the processes; a process's own knobs are options of its command."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    bootstrap: Annotated[str, AfterValidator(_addresses)] = Field(
        default="", description="HOST:PORT[,HOST:PORT] of the Kafka brokers; empty: start one locally"
    )
    data_dir: Path = Field(
        default=Path(".fleetpulse"), description="folder for the lake, the spools, the local broker, logs"
    )
    lake: Path | None = Field(default=None, description="folder of the lake; default: DATA_DIR/lake")
    cache_dir: Path = Field(
        default=Path("~/.cache/fleetpulse"), description="where `fleetpulse broker fetch` keeps the jars"
    )
    partitions: int = Field(default=4, ge=1, le=1024, description="partitions of the event topics that are created")
    replication: int = Field(default=1, ge=1, le=9, description="replicas of every topic that is created")
    self_audit: bool = Field(
        default=True, description="processes publish heartbeats and metrics of their own, as agents fleetpulse:*"
    )
    self_audit_interval_s: float = Field(default=5.0, ge=0.2, le=3600, description="how often they beat, seconds")
    pulse_file: Path | None = Field(
        default=None, description="where a process says every second that its loop turns; set by who starts it"
    )
    restarts: int | None = Field(
        default=None, ge=0, description="how often a process was started again; set by who starts it"
    )
    hung_after_s: float = Field(
        default=60.0, ge=0, le=86_400, description="`up` restarts a process without sign of life for so long; 0: never"
    )
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    log_format: str = Field(default="console", pattern="^(console|json)$")

    @property
    def lake_dir(self) -> Path:
        """The folder of the lake."""
        return self.lake if self.lake is not None else self.data_dir / "lake"


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment; keyword arguments that are not None win.

    Raises `SettingError`, naming the variable, when a value does not fit.
    """
    try:
        return Settings(**{k: v for k, v in overrides.items() if v is not None})  # type: ignore[arg-type]  # validated here
    except ValidationError as error:
        raise unfit(error, PREFIX) from error


def unfit(error: ValidationError, prefix: str) -> SettingError:
    """The first value of `error` that does not fit, as an error that names its variable."""
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "?"
    why = first["msg"].removeprefix("Value error, ")
    return SettingError(
        f"{why}: got {first['input']!r}", setting=f"{prefix}{name.upper()}", way_out="Correct or unset it"
    )
