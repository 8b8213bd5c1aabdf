"""Settings of the operators in a pipeline, and what of them a person may set."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, cast

from infra.runtime.errors import SettingError
from streams.evidence import trust_config
from streams.operators import anomaly, heartbeat, silent, trust
from streams.operators.anomaly_sensitivity import threshold_for
from streams.operators.forecast import HOST_TARGETS, ForecastConfig, Target
from streams.rules.load import default_pack
from streams.rules.model import Pack


@dataclass(frozen=True)
class PipelineConfig:
    """Settings of the operators.

    A score is published when it differs from the last one by `publish_change` or more, and otherwise every
    `publish_every_s` as long as there is evidence: a thousand more good checks that change nothing are one row.
    `rules`: the pack at the beginning.
    """

    trust: trust.TrustConfig = field(default_factory=trust.TrustConfig)
    anomaly: anomaly.AnomalyConfig = field(default_factory=anomaly.AnomalyConfig)
    heartbeat: heartbeat.HeartbeatConfig = field(default_factory=heartbeat.HeartbeatConfig)
    silent: silent.SilentConfig = field(default_factory=silent.SilentConfig)
    forecast: ForecastConfig = field(default_factory=ForecastConfig)
    host_targets: tuple[Target, ...] = HOST_TARGETS
    rules: Pack = field(default_factory=default_pack)
    publish_change: float = 0.001
    publish_every_s: float = 10.0


def pipeline_config(
    *,
    trust_model: str = "beta",
    anomaly_threshold: float | None = None,
    anomaly_sensitivity: float | None = None,
    least_interval_s: float = heartbeat.HeartbeatConfig.least_interval_s,
) -> PipelineConfig:
    """The configuration for what a person may set. Raises `SettingError`."""
    if trust_model not in ("beta", "classic"):
        raise SettingError(
            f"no trust model {trust_model!r}",
            setting="--trust-model or FLEETPULSE_TRUST_MODEL",
            way_out="Choose beta or classic",
        )
    if anomaly_threshold is not None and not 0 < anomaly_threshold < 1000:
        raise SettingError(
            f"{anomaly_threshold} is no threshold",
            setting="--anomaly-threshold or FLEETPULSE_ANOMALY_THRESHOLD",
            way_out=f"Choose a number between 0 and 1000; the default is {anomaly.AnomalyConfig().threshold:g}",
        )
    detector = anomaly.AnomalyConfig()
    if anomaly_sensitivity is not None:
        anomaly_threshold = _threshold_for(anomaly_sensitivity, anomaly_threshold)
    if anomaly_threshold is not None:
        detector = replace(detector, threshold=anomaly_threshold)
    beats = _beats_for(least_interval_s)
    return PipelineConfig(trust_config(cast("Literal['beta', 'classic']", trust_model)), detector, beats)


def _beats_for(least_interval_s: float) -> heartbeat.HeartbeatConfig:
    if not 0 <= least_interval_s <= heartbeat.HeartbeatConfig.default_interval_s:
        raise SettingError(
            f"{least_interval_s:g} s is no least interval of heartbeats",
            setting="--least-interval or FLEETPULSE_LEAST_INTERVAL_S",
            way_out="Choose 0 to 30 seconds; the default is 10",
        )
    return heartbeat.HeartbeatConfig(least_interval_s=least_interval_s)


def _threshold_for(sensitivity: float, threshold: float | None) -> float:
    setting = "--anomaly-sensitivity or FLEETPULSE_ANOMALY_SENSITIVITY"
    if threshold is not None:
        raise SettingError(
            "sensitivity and threshold of anomalies are one setting", setting=setting, way_out="Give only one of them"
        )
    try:
        return threshold_for(sensitivity)
    except ValueError as error:
        raise SettingError(
            str(error), setting=setting, way_out="Choose the share of values to flag; the default is about 0.001"
        ) from error
