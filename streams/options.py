"""Options of the command line that set the operators; a worker and a backtest of what it did take the same."""

from __future__ import annotations

from typing import Annotated

import typer

TrustModel = Annotated[
    str,
    typer.Option(envvar="FLEETPULSE_TRUST_MODEL", help="beta (evidence) or classic (the sources' running score)"),
]
AnomalyThreshold = Annotated[
    float | None, typer.Option(envvar="FLEETPULSE_ANOMALY_THRESHOLD", help="flag a value at this score or above")
]
AnomalySensitivity = Annotated[
    float | None,
    typer.Option(
        envvar="FLEETPULSE_ANOMALY_SENSITIVITY",
        help="share of values to flag, 0.00012 to 0.0025 (instead of a threshold)",
    ),
]
LeastInterval = Annotated[
    float,
    typer.Option(
        envvar="FLEETPULSE_LEAST_INTERVAL_S",
        help="of agents that declare no heartbeat interval learn none below, seconds",
    ),
]
