"""`fleetpulse stream-worker`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def stream_worker(
    bootstrap: Annotated[
        str, typer.Option(envvar="FLEETPULSE_BOOTSTRAP", help="HOST:PORT of the broker")
    ] = "127.0.0.1:9092",
    commit_interval: Annotated[
        float, typer.Option(min=0.1, help="seconds between commits: snapshots, then source offsets")
    ] = 5.0,
    trust_model: Annotated[str, typer.Option(help="beta (evidence) or classic (the sources' running score)")] = "beta",
    anomaly_threshold: Annotated[float | None, typer.Option(help="flag a value at this score or above")] = None,
    anomaly_sensitivity: Annotated[
        float | None, typer.Option(help="share of values to flag, 0.00012 to 0.0025 (instead of a threshold)")
    ] = None,
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

    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format, "stream-worker")
    config = pipeline_config(
        trust_model=trust_model, anomaly_threshold=anomaly_threshold, anomaly_sensitivity=anomaly_sensitivity
    )
    config = replace(config, rules=pack_of(rules))
    asyncio.run(run_worker(bootstrap, commit_interval_s=commit_interval, config=config, rules=rules))
