"""`fleetpulse stream-worker`."""

from __future__ import annotations

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
) -> None:
    """Turn events into trust, anomaly flags, status and alerts. Start as many workers as you like: they share the work.

    Example:  fleetpulse stream-worker --bootstrap 127.0.0.1:9092
    """
    import asyncio  # commands load what is heavy when they are called

    from infra.runtime.logs import configure_logs
    from infra.runtime.settings import load_settings
    from streams.pipeline import pipeline_config
    from streams.worker import run_worker

    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format, "stream-worker")
    config = pipeline_config(trust_model=trust_model, anomaly_threshold=anomaly_threshold)
    asyncio.run(run_worker(bootstrap, commit_interval_s=commit_interval, config=config))
