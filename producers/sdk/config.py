"""The reporter's settings, checked once."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infra.runtime.errors import SettingError
from infra.runtime.settings import load_settings
from schemas.record import MAX_BODY_BYTES

DEFAULT_BOOTSTRAP = "127.0.0.1:9092"
_NAME = r"^[^\x00-\x1f\x7f]+$"


class ReporterConfig(BaseModel):
    """What a `Reporter` is made of. Frozen; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agent_id: str = Field(min_length=1, max_length=256, pattern=_NAME, description="the agent; key of its messages")
    user_id: str = Field(default="default", min_length=1, max_length=256, description="the tenant that owns the agent")
    deployment_id: str | None = Field(default=None, max_length=256)
    bootstrap: str = Field(
        default=DEFAULT_BOOTSTRAP, pattern=r"^[^\s,:]+:\d+(,[^\s,:]+:\d+)*$", description="HOST:PORT[,HOST:PORT]"
    )
    spool_dir: Path = Field(default=Path(".fleetpulse/spool"), description="folder that reporters may share")
    spool_bytes: int = Field(default=256 * 1024 * 1024, ge=0, description="bound of this reporter's spool; 0: none")
    segment_bytes: int = Field(default=1024 * 1024, ge=4096, le=64 * 1024 * 1024)
    buffer_events: int = Field(default=50_000, ge=16, le=10_000_000, description="bound of the buffer in memory")
    linger_ms: int = Field(default=10, ge=1, le=1_000, description="how often the sender looks for events")
    request_timeout_s: float = Field(default=10.0, gt=0.1, le=120, description="how long one send may take")
    slow_after_s: float = Field(default=1.0, gt=0, le=60, description="a send that takes longer makes events spool")
    retry_max_s: float = Field(default=5.0, gt=0.05, le=60, description="longest pause between attempts to connect")
    max_event_bytes: int = Field(default=1_000_000, ge=1_024, le=MAX_BODY_BYTES, description="larger ones are refused")
    heartbeat_interval_s: float | None = Field(default=None, gt=0, le=86_400)
    close_deadline_s: float = Field(default=5.0, ge=0, le=3_600, description="how long leaving the block may take")
    host: str | None = Field(default=None, max_length=256, description="default: the name of this machine")
    version: str = Field(default="0", max_length=128, description="version of the agent")


def make_config(**given: object) -> ReporterConfig:
    """Check the settings of a reporter; what is None takes the environment's or the default value.

    `bootstrap` comes from FLEETPULSE_BOOTSTRAP, `spool_dir` from FLEETPULSE_DATA_DIR. Raises `SettingError` that names
    the setting.
    """
    values = {name: value for name, value in given.items() if value is not None}
    if "bootstrap" not in values or "spool_dir" not in values:
        settings = load_settings()
        values.setdefault("spool_dir", settings.data_dir / "spool")
        values.setdefault("bootstrap", settings.bootstrap or DEFAULT_BOOTSTRAP)
    try:
        return ReporterConfig(**values)  # type: ignore[arg-type]  # this call is what validates them
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "?"
        raise SettingError(
            f"{first['msg']}: got {str(first['input'])[:80]!r}",
            setting=f"Reporter({name}=...)",
            way_out="Correct it where the reporter is made",
        ) from error
