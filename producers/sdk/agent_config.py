"""Settings of an `AgentReporter`: those of a `Reporter`, governance, trust, intervals; also in the sources' shape."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from infra.runtime.errors import SettingError
from producers.sdk.config import PREFIX, ReporterConfig, build, from_environment

LogLevel = Literal["debug", "info", "warning", "error"]


class TrustConfig(BaseModel):
    """How the agent's own view of its trust moves; `producers.sdk.trust` has the formula."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    initial_score: float = Field(default=1.0, ge=0, le=1)
    violation_penalty: float = Field(default=0.1, ge=0, le=1, description="taken off for a violation")
    compliance_bonus: float = Field(default=0.05, ge=0, le=1, description="given for a response that complies")
    decay_rate: float = Field(default=0.01, ge=0, le=1, description="share of it that an hour without a check takes")


class AgentConfig(ReporterConfig):
    """What an `AgentReporter` is made of. Frozen; unknown names are refused."""

    policies: tuple[Any, ...] = Field(default=(), description="producers.governance.Policy, or mappings of its shapes")
    metrics_interval_s: float = Field(default=60.0, ge=0.1, le=86_400, description="how often metrics are reported")
    heartbeat_interval_s: float | None = Field(default=30.0, gt=0, le=86_400, description="how often it beats")
    linger_ms: int = Field(default=50, ge=1, le=1_000, description="how often the sender looks for events")
    batch_size: int = Field(default=10, ge=1, le=10_000, description="send once so many wait, or after batch_wait_s")
    retry_attempts: int = Field(
        default=3, ge=1, le=1_000, description="attempts to connect that fail before it is said"
    )
    retry_delay_s: float = Field(default=1.0, gt=0, le=60, description="first pause between attempts; it grows")
    trust: TrustConfig = Field(default=TrustConfig.model_construct())
    account_dir: Path | None = Field(
        default=None,
        description="where it leaves its counts for the ledger; DATA_DIR/accounts where the spool is in DATA_DIR",
    )
    log_level: LogLevel = Field(default="warning", description="of the logger fleetpulse.sdk")
    enable_console_logging: bool = Field(default=False, description="log to standard error if the host has no handler")

    @field_validator("log_level", mode="before")
    @classmethod
    def _accept_warn(cls, level: object) -> object:
        return "warning" if level == "warn" else level


_MILLISECONDS = 1_000
_CAMEL = {
    "apiKey": "api_key",
    "apiBaseUrl": "gateway",
    "agentId": "agent_id",
    "userId": "user_id",
    "deploymentId": "deployment_id",
    "logLevel": "log_level",
    "enableConsoleLogging": "enable_console_logging",
}
_CAMEL_REPORTING = {
    "metricsInterval": ("metrics_interval_s", _MILLISECONDS),
    "heartbeatInterval": ("heartbeat_interval_s", _MILLISECONDS),
    "batchSize": ("batch_size", 1),
    "retryAttempts": ("retry_attempts", 1),
    "retryDelay": ("retry_delay_s", _MILLISECONDS),
}
_CAMEL_TRUST = {
    "initialScore": "initial_score",
    "violationPenalty": "violation_penalty",
    "complianceBonus": "compliance_bonus",
    "decayRate": "decay_rate",
}
_PLAIN = (
    *("agent_id", "user_id", "deployment_id", "gateway", "api_key", "gateway_ca", "bootstrap", "spool_bytes"),
    *("metrics_interval_s", "heartbeat_interval_s", "batch_size", "retry_attempts", "retry_delay_s"),
    *("log_level", "enable_console_logging", "version"),
)
_TRUST = tuple(f"trust_{name}" for name in TrustConfig.model_fields)


def from_camel(given: Mapping[str, Any]) -> dict[str, Any]:
    """The sources' shape (`apiBaseUrl`, `reportingConfig.metricsInterval` in ms, ...) as our settings; ours pass.

    Raises `SettingError` where an inner part is no mapping or a number no number.
    """
    settings = {_CAMEL.get(name, name): value for name, value in given.items()}
    for name, value in _inner(settings, "reportingConfig").items():
        if name not in _CAMEL_REPORTING:
            raise SettingError(f"reportingConfig has no {name!r}", setting=f"AgentReporter(reportingConfig.{name})")
        ours, divisor = _CAMEL_REPORTING[name]
        settings[ours] = _number(name, value) / divisor if divisor != 1 else value
    if "trustConfig" in settings:
        settings["trust"] = {_CAMEL_TRUST.get(k, k): v for k, v in _inner(settings, "trustConfig").items()}
    return settings


def _inner(settings: dict[str, Any], name: str) -> Mapping[str, Any]:
    inner = settings.pop(name, {})
    if not isinstance(inner, Mapping):
        raise SettingError(f"{name} is not a mapping", setting=f"AgentReporter({name}=...)")
    return inner


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SettingError(f"not a number of ms: {value!r:.80}", setting=f"AgentReporter(reportingConfig.{name})")
    return float(value)


def make_agent_config(**given: object) -> AgentConfig:
    """Check settings; what is None comes from FLEETPULSE_<NAME> or is the default value.

    FLEETPULSE_POLICIES is a JSON list or the path of a file that holds one, FLEETPULSE_TRUST_<NAME> a part of `trust`;
    FLEETPULSE_GATEWAY and its key count only where no `bootstrap` is given. Raises `SettingError` naming the setting.
    """
    kafka = given.get("bootstrap") is not None
    if given.get("spool_dir") is None and given.get("account_dir") is None:
        given["account_dir"] = Path(os.environ.get(PREFIX + "DATA_DIR") or ".fleetpulse") / "accounts"
    names = tuple(n for n in _PLAIN if not (kafka and n in {"gateway", "api_key", "gateway_ca"}))
    if given.get("policies") is None:
        given["policies"] = _policies_from_environment()
    if given.get("trust") is None and (parts := from_environment(_TRUST)):
        given["trust"] = {name.removeprefix("trust_"): value for name, value in parts.items()}
    return build(AgentConfig, "AgentReporter", given, names)


def _policies_from_environment() -> list[object] | None:
    text = from_environment(("policies",)).get("policies")
    if text is None:
        return None
    try:
        found = json.loads(text if text.lstrip().startswith("[") else Path(text).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingError(f"no policies in it: {error}", setting=f"{PREFIX}POLICIES") from error
    if not isinstance(found, list):
        raise SettingError("not a JSON list", setting=f"{PREFIX}POLICIES", way_out="Give a list of policies")
    return found
