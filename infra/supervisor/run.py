"""One run of the whole system: start in the order of the flow, watch, stop in the order of the flow, report."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from infra.health import publishing
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.lifecycle import stop_on_signals
from infra.runtime.logs import get_logger
from infra.runtime.offsets import OffsetReader
from infra.runtime.settings import Settings
from infra.runtime.whole_file import write_whole
from infra.supervisor import plan as plans
from infra.supervisor.alone import alone_in
from infra.supervisor.ask import run_json
from infra.supervisor.child import Child, ChildError
from infra.supervisor.files import check_files
from infra.supervisor.fleet_state import follow
from infra.supervisor.hang import end_when_hung
from infra.supervisor.health import SupervisorHealth
from infra.supervisor.offsets import drained
from infra.supervisor.ports import free_ports
from infra.supervisor.running import (
    ALERTS_GROUP,
    GROUPS,
    LAKE_GROUP,
    LAKE_WRITER,
    PRODUCERS,
    STREAMS_GROUP,
    Run,
    prepare_folders,
)
from infra.supervisor.watch import background, count_ledger, keep_alive, measure
from schemas.catalogue import TOPICS

_log = get_logger("up")
_READY_S = 120.0
_DRAIN_S = 60.0
_STOP_S = 25.0
_TELL_S = 10.0
"""How long a stop waits for channels: one whose receiver is away would hold it up for nothing."""
Say = Callable[[str], None]


async def run_system(
    plan: plans.RunPlan,
    settings: Settings,
    *,
    broker_choice: str,
    with_report: bool,
    say: Say,
    on_run: Callable[[Run], None],
) -> dict[str, Any] | None:
    """Run everything until the time is over or somebody asks to stop; the report of the run if one is wanted.

    `say` gets a line for each step of starting and stopping, `on_run` the run as soon as there is something to show.
    Raises `FleetpulseError` when a part does not start, or when the broker ends.
    """
    prepare_folders(plan.data_dir, plan.lake)
    environment = os.environ | {"FLEETPULSE_DATA_DIR": str(plan.data_dir), "FLEETPULSE_LAKE": str(plan.lake)}
    environment |= {"FLEETPULSE_PARTITIONS": str(settings.partitions), "FLEETPULSE_LOG_FORMAT": settings.log_format}
    run = Run(plan, environment)
    with alone_in(plan.data_dir), stop_on_signals() as asked:
        try:
            reader = await _unless(asked, _start_all(run, settings, broker_choice, say))
            if reader is None:
                return None
            on_run(run)
            try:
                async with background(**_watchers(run, reader, settings.hung_after_s)):
                    async with publishing(SupervisorHealth(run), run.plan.bootstrap, process="up"):
                        await _until_over(run, asked, say)
                    await _stop(run, reader, say)
            finally:
                await reader.stop()
            if not with_report:
                return None
            say("counting what landed")
            return await _report(run)
        finally:
            await _stop_rest(run, say)


async def _unless(asked: asyncio.Event, starting: Any) -> OffsetReader | None:  # noqa: ANN401  # a coroutine
    """What `starting` returns; None, and `starting` cancelled, when somebody asks to stop before."""
    start, stop = asyncio.create_task(starting), asyncio.create_task(asked.wait())
    try:
        await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not start.done():
            return None
        reader: OffsetReader = await start
        return reader
    finally:
        start.cancel()
        stop.cancel()
        await asyncio.wait({start, stop})


async def _start_all(run: Run, settings: Settings, broker_choice: str, say: Say) -> OffsetReader:
    """Broker, topics, sinks and streams, producers, in this order; the reader of offsets.

    Raises `SettingError` before any of them for files of the plan that cannot be used.
    """
    await check_files(run.plan, run.environment)
    say("starting the broker")
    broker = run.child(plans.Part("broker", ("broker", "start", "--broker", broker_choice)), restart=False)
    await broker.start()
    run.broker = await broker.wait_ready(_READY_S)
    run.plan = replace(run.plan, bootstrap=str(run.broker["bootstrap"]))
    run.picture.broker = f"{run.broker['kind']} at {run.plan.bootstrap}"
    run.picture.lake = str(run.plan.lake)
    say(f"broker: {run.broker['kind']} at {run.plan.bootstrap} ({run.broker.get('why', '')})")
    await provision(run.plan.bootstrap, plan_topics(settings))
    await _start(run, plans.sinks_and_streams(run.plan), say)
    await _open_doors(run, say)
    await _start(run, plans.producers(run.plan), say)
    reader = OffsetReader(run.plan.bootstrap, {**GROUPS, **run.notifier_groups()}, TOPICS)
    await reader.start()
    run.started_s = time.monotonic()
    return reader


async def _open_doors(run: Run, say: Say) -> None:
    """A key for who runs this, the gateway, the API."""
    run.plan = free_ports(run.plan, say)
    if not (parts := plans.doors(run.plan)):
        return
    await run_json(*plans.admin_key(run.plan), environment=run.environment)
    await _start(run, parts, say)
    run.picture.doors = run.doors()
    run.picture.admin_key = str(run.plan.admin_key)
    told = ", ".join(f"{name} {url}" for name, url in run.picture.doors.items())
    say(f"{told}; the key to both is in {run.plan.admin_key}")


async def _start(run: Run, parts: list[plans.Part], say: Say) -> None:
    """Start parts together and wait until each is ready."""
    fresh = [run.child(part, restart=part.name != "simulator") for part in parts]
    for child in fresh:
        await child.start()
    for child in fresh:
        say(f"waiting for {child.name}")
        await child.wait_ready(_READY_S)


def _watchers(run: Run, reader: OffsetReader, hung_after_s: float) -> dict[str, Any]:
    """What goes on beside the run, by name."""
    kept = {f"keep {name} alive": keep_alive(child) for name, child in run.children.items() if child.restart}
    kept |= {
        f"watch whether {name} hangs": end_when_hung(child, hung_after_s)
        for name, child in run.children.items()
        if child.restart and hung_after_s
    }
    return kept | {
        "measure": measure(run, reader),
        "count the ledger": count_ledger(run),
        "follow the fleet": follow(run.plan.bootstrap, run.fleet),
    }


async def _until_over(run: Run, asked: asyncio.Event, say: Say) -> None:
    """Wait for a signal, for the end of a bounded run (of its simulator, if it has one), or of the broker.

    Raises `ChildError` when the broker ended: nothing can go on without it.
    """
    broker, simulator = run.children["broker"], run.children.get("simulator")
    waits: dict[str, asyncio.Task[Any]] = {
        "asked": asyncio.create_task(asked.wait()),
        "broker": asyncio.create_task(broker.wait()),
    }
    if run.plan.run_for_s is not None:
        bound = simulator.wait() if simulator else asyncio.sleep(run.plan.run_for_s)
        waits["bound"] = asyncio.create_task(bound)
    try:
        await asyncio.wait(waits.values(), return_when=asyncio.FIRST_COMPLETED)
        if waits["broker"].done() and not asked.is_set():
            raise ChildError(broker.epitaph(), way_out=f"Its log is {broker.log_file}")
        if "bound" in waits and waits["bound"].done() and simulator and waits["bound"].result():
            say(f"{simulator.epitaph()}; its log is {simulator.log_file}")
    finally:
        for task in waits.values():
            task.cancel()
        await asyncio.wait(waits.values())


async def _end(children: list[Child], deadline_s: float) -> None:
    """Stop processes together, for good."""
    for child in children:
        child.restart = False
    await asyncio.gather(*(child.stop(deadline_s) for child in children))


async def _stop(run: Run, reader: OffsetReader, say: Say) -> None:
    """Stop along the flow, each part once it has taken in what those before it wrote."""
    run.picture.stopping = True
    say("stopping the producers")
    await _end(run.named(PRODUCERS), _STOP_S)
    say("streams catch up")
    if not await drained(reader, [STREAMS_GROUP], _DRAIN_S):
        _log.warning("streams had not caught up; the rest is processed at the next start")
    await _end(run.workers(), _STOP_S)
    say("the alert manager decides on the rest")
    if not await drained(reader, [ALERTS_GROUP], _DRAIN_S):
        _log.warning("the alert manager had not caught up; it decides on the rest at the next start")
    await _end(run.named([plans.ALERT_MANAGER]), _STOP_S)
    if not await drained(reader, list(run.notifier_groups()), _TELL_S):
        _log.warning("some channel has not taken every alert; it gets them at the next start")
    await _end(run.named([plans.NOTIFIER, plans.API]), _STOP_S)
    say("the lake takes in the rest")
    if not await drained(reader, [LAKE_GROUP], _DRAIN_S):
        _log.warning("the lake had not caught up; the rest lands at the next start")
    await _end(run.named([LAKE_WRITER]), _STOP_S)


async def _stop_rest(run: Run, say: Say) -> None:
    """Stop whatever still runs: after a full stop that is the broker, after a failure it may be anything."""
    broker = run.named(["broker"])
    for children in ([child for child in run.children.values() if child not in broker], broker):
        alive = [child for child in children if child.pid]
        if alive:
            say(f"stopping {', '.join(child.name for child in alive)}")
            await _end(alive, _STOP_S)


def _write_costs(run: Run) -> Path:
    """What each process has used, for the report."""
    costs = {
        name: {
            "peak_rss_bytes": child.cost.peak_rss_bytes,
            "cpu_s": round(child.cost.cpu_s, 3),
            "restarts": child.restarts,
            "hung": child.hung,
            "health": child.pulse.health if child.pulse is not None else None,
            "health_reason": child.pulse.reason if child.pulse is not None else None,
        }
        for name, child in run.children.items()
    }
    path = run.plan.data_dir / "processes.json"
    write_whole(path, json.dumps(costs))
    return path


async def _report(run: Run) -> dict[str, Any]:
    """The report of a bounded run, by the command that a user would call."""
    plan = run.plan
    arguments = ["report", "--lake", str(plan.lake), "--accounts", str(plan.accounts), "--json"]
    arguments += ["--processes", str(_write_costs(run)), "--broker", str(run.broker["kind"])]
    if plan.truth.exists():
        arguments += ["--truth", str(plan.truth)]
    return await run_json(*arguments, environment=run.environment)
