"""The probe's loop: read, report, beat, wait."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from infra.health import publishing
from infra.runtime.clock import SystemClock
from infra.runtime.lifecycle import stop_on_signals
from producers.probe.gpu import GpuReader
from producers.probe.reading import HostReader
from producers.sdk import Reporter
from producers.sdk.health import ReporterHealth

_MOST_WAITING = 100
"""Events beyond which what is read does not get away: minutes' worth of readings."""


@dataclass(frozen=True)
class ProbeOptions:
    """What the command line gave; `run_for_s` None runs until a signal, `agent_id` None is `host:<name>`."""

    bootstrap: str
    data_dir: Path
    interval_s: float
    agent_id: str | None
    run_for_s: float | None
    account: Path


async def run_probe(options: ProbeOptions) -> None:
    """Probe until SIGINT, SIGTERM or `run_for_s`; then say goodbye and write the account."""
    gpu = GpuReader()
    reader = HostReader(SystemClock(), options.data_dir, gpu)
    reporter = Reporter(
        options.agent_id if options.agent_id is not None else f"host:{reader.host}",
        bootstrap=options.bootstrap or None,
        spool_dir=options.data_dir / "spool",
        host=reader.host,
        version=_version(),
    )
    try:
        with stop_on_signals() as asked:
            async with reporter:
                _say_ready(reporter)
                health = ReporterHealth("probe", reporter, what="readings", most_waiting=_MOST_WAITING)
                async with publishing(health, reporter.config.bootstrap, process="probe"):
                    await _probe_until(asked, reader, reporter, health, options)
    finally:
        gpu.close()
        reporter.write_account(options.account)


async def _probe_until(
    asked: asyncio.Event, reader: HostReader, reporter: Reporter, health: ReporterHealth, options: ProbeOptions
) -> None:
    loop = asyncio.get_running_loop()
    end_s = loop.time() + options.run_for_s if options.run_for_s is not None else float("inf")
    due_s = loop.time()
    while not asked.is_set() and loop.time() < end_s:
        fields = reader.read()
        reporter.emit("fleet.hosts", fields)
        beat = ("memory_used_bytes", "memory_total_bytes", "cpu_usage", "cpu_cores")
        reporter.heartbeat(interval_s=options.interval_s, **{name: fields[name] for name in beat})
        health.done += 1
        # From when it was due, so that the time a reading takes does not add up; after a long sleep from now.
        due_s = max(due_s + options.interval_s, loop.time())
        try:
            async with asyncio.timeout_at(min(due_s, end_s)):
                await asked.wait()
        except TimeoutError:
            continue


def _say_ready(reporter: Reporter) -> None:
    line = {
        "event": "ready",
        "process": "probe",
        "agent_id": reporter.config.agent_id,
        "session_id": reporter.session_id,
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415  # only here

    return version("fleetpulse")
