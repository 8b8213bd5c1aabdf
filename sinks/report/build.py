"""The report of a run: delivery, detection and latencies in one JSON object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from infra.runtime.errors import SettingError
from sinks.lake.accounts import Accounts, read_accounts
from sinks.lake.ledger import PRODUCER_TABLES
from sinks.lake.views import BASE_TABLES, ask_lake
from sinks.report.bars import detection_bars
from sinks.report.delivery import measure_delivery
from sinks.report.detection import DEFAULT_GRACE_S, Detections, read_firings, read_status_changes
from sinks.report.latencies import measure_latencies
from sinks.report.truth import GroundTruth, read_truth

_SPAN = " UNION ALL ".join(
    f'SELECT min(epoch_us("timestamp")) AS a, max(epoch_us("timestamp")) AS b FROM {table}'  # noqa: S608  # names of the catalogue
    for table in PRODUCER_TABLES
)


@dataclass(frozen=True)
class ReportInputs:
    """Where a report is made from: the lake, and what producers, the simulator and the supervisor wrote."""

    lake: Path
    truths: Sequence[Path] = ()
    accounts: Path | None = None
    processes: Path | None = None
    broker: str | None = None
    grace_s: float = DEFAULT_GRACE_S


def _processes(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingError(f"cannot read {path}: {error}", setting="--processes") from error
    return found if isinstance(found, dict) else {}


def _seconds(connection: duckdb.DuckDBPyConnection, truths: Sequence[GroundTruth]) -> float:
    """Length of the run: from the truths where they say it, else from the first to the last event."""
    starts = [t.started_at_us for t in truths if t.started_at_us is not None]
    ends = [t.ended_at_us for t in truths if t.ended_at_us is not None]
    if starts and ends:
        return (max(ends) - min(starts)) / 1e6
    row = connection.execute(f"SELECT max(b) - min(a) FROM ({_SPAN})").fetchone()  # noqa: S608  # our own text
    return float(row[0]) / 1e6 if row and row[0] is not None else 0.0


def _knowing_agents(truth: GroundTruth, accounts: Accounts | None) -> GroundTruth:
    """A truth knows the simulated agents and no others: of this host's probe and of real agents it says nothing."""
    simulated = accounts.agents_of("simulator") if accounts is not None else frozenset[str]()
    return replace(truth, agents=simulated) if truth.agents is None and simulated else truth


def build_report(inputs: ReportInputs) -> dict[str, Any]:
    """Make the report. Raises `LakeError` without a lake, `SettingError` for a file that cannot be read."""
    accounts: Accounts | None = read_accounts(inputs.accounts) if inputs.accounts is not None else None
    truths = [_knowing_agents(read_truth(path), accounts) for path in inputs.truths]
    processes = _processes(inputs.processes)
    return ask_lake(inputs.lake, BASE_TABLES, lambda connection: _measure(connection, inputs, truths, accounts)) | {
        "broker": inputs.broker,
        "processes": processes,
    }


def _measure(
    connection: duckdb.DuckDBPyConnection,
    inputs: ReportInputs,
    truths: Sequence[GroundTruth],
    accounts: Accounts | None,
) -> dict[str, Any]:
    delivery = measure_delivery(connection, accounts)
    detections = Detections(truths, read_firings(connection), read_status_changes(connection), inputs.grace_s)
    clocks_off = {incident.agent_id for incident in detections.incidents if incident.kind == "clock_skew"}
    latencies = measure_latencies(connection, inputs.lake.resolve(), clocks_off)
    seconds = _seconds(connection, truths)
    false_alarms, outside = detections.false_alarms(), detections.outside_truth()
    share_found, per_hour = detections.share_found(), detections.false_alarms_per_hour(seconds)
    return delivery.as_json() | {
        "incidents": detections.by_kind(),
        "false_alarms": false_alarms.total(),
        "false_alarms_by_name": dict(sorted(false_alarms.items())),
        "share_found": share_found,
        "false_alarms_per_hour": per_hour,
        "bars": detection_bars(share_found, per_hour),
        "held_up_s": round(detections.held_up_s(), 3),
        "alerts_outside_truth": dict(sorted(outside.items())),
        "latency_s": latencies,
        "seconds": round(seconds, 3),
        "events_per_s": round(delivery.landed["total"] / seconds, 1) if seconds > 0 else None,
    }
