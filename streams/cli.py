"""`fleetpulse stream-worker`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.options import AnomalySensitivity, AnomalyThreshold, LeastInterval, TrustModel


def stream_worker(
    bootstrap: Annotated[
        str, typer.Option(envvar="FLEETPULSE_BOOTSTRAP", help="HOST:PORT of the broker")
    ] = "127.0.0.1:9092",
    commit_interval: Annotated[
        float, typer.Option(min=0.1, help="seconds between commits: snapshots, then source offsets")
    ] = 5.0,
    trust_model: TrustModel = "beta",
    anomaly_threshold: AnomalyThreshold = None,
    anomaly_sensitivity: AnomalySensitivity = None,
    least_interval: LeastInterval = 10.0,
    rules: Annotated[
        Path | None,
        typer.Option(envvar="FLEETPULSE_RULES", help="pack of rules, read again when it changes; else the default"),
    ] = None,
) -> None:
    """Turn events into trust, anomaly flags, status and alerts. Start as many workers as you like: they share the work.

    Example:  fleetpulse stream-worker --bootstrap 127.0.0.1:9092
    """
    import asyncio  # commands load what is heavy when they are called
    from dataclasses import replace

    from infra.runtime.logs import configure_logs
    from infra.runtime.settings import load_settings
    from streams.pipeline import pipeline_config
    from streams.rules.load import pack_of
    from streams.worker import run_worker

    settings = load_settings(bootstrap=bootstrap)
    configure_logs(settings.log_level, settings.log_format, "stream-worker")
    config = pipeline_config(
        trust_model=trust_model,
        anomaly_threshold=anomaly_threshold,
        anomaly_sensitivity=anomaly_sensitivity,
        least_interval_s=least_interval,
    )
    config = replace(config, rules=pack_of(rules))
    asyncio.run(run_worker(settings.bootstrap, commit_interval_s=commit_interval, config=config, rules=rules))
