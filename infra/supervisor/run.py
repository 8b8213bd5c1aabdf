"""One run of the whole system: start in the order of the flow, watch, stop in the order of the flow, report."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError

from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.errors import LakeError
from infra.runtime.lifecycle import stop_on_signals
from infra.runtime.logs import get_logger
from infra.runtime.settings import Settings
from infra.supervisor import plan as plans
from infra.supervisor.child import Child, ChildError, console_script
from infra.supervisor.fleet_state import FleetState, follow
from infra.supervisor.offsets import OffsetReader, drained
from infra.supervisor.view import Picture
from schemas.catalogue import STREAM_SOURCES, TOPICS

_log = get_logger("up")
STREAMS_GROUP, LAKE_GROUP = "fleetpulse-streams", "fleetpulse-lake"
_READY_S = 60.0
_LEDGER_EVERY_S = 10.0


@dataclass
class Run:
    """The moving parts of a run."""

    plan: plans.RunPlan
    environment: dict[str, str]
    children: dict[str, Child] = field(default_factory=dict)
    broker: dict[str, Any] = field(default_factory=dict)
    fleet: FleetState = field(default_factory=FleetState)
    picture: Picture = field(default_factory=Picture)
    started_s: float = field(default_factory=time.monotonic)

    def child(self, part: plans.Part, *, restart: bool = True) -> Child:
        """Prepare the process of a part."""
        log = self.plan.data_dir / "logs" / f"{part.name}.log"
        child = Child(part.name, part.arguments, log, self.environment, restart=restart)
        self.children[part.name] = child
        return child


def prepare_folders(data_dir: Path, lake: Path) -> None:
    """Make the folders of a run. Raises `LakeError` where one cannot be written, naming the setting."""
    for folder, setting in ((data_dir, "--data-dir or FLEETPULSE_DATA_DIR"), (lake, "FLEETPULSE_LAKE")):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f".writable-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise LakeError(
                f"cannot write to {folder}: {error.strerror}",
                setting=setting,
                way_out="Choose a folder that you may write to",
            ) from error
    for name in ("logs", "accounts"):
        (data_dir / name).mkdir(exist_ok=True)


async def _start(run: Run, parts: list[plans.Part], say: Callable[[str], None]) -> None:
    """Start parts together and wait until each is ready."""
    fresh = [run.child(part, restart=part.name != "simulator") for part in parts]
    for child in fresh:
        await child.start()
    for child in fresh:
        say(f"waiting for {child.name}")
        await child.wait_ready(_READY_S)


async def _keep_alive(child: Child) -> None:
    """Start a process again when it ends by itself, more slowly each time it does so at once."""
    wait_s = 1.0
    while True:
        began_s = time.monotonic()
        code = await child.wait()
        if not child.restart:
            return
        wait_s = 1.0 if time.monotonic() - began_s > 30 else min(wait_s * 2, 30.0)
        _log.warning("process ended, starting it again", process=child.name, exit_code=code, wait_s=wait_s)
        await asyncio.sleep(wait_s)
        child.restarts += 1
        await child.start()


async def _measure(run: Run, reader: OffsetReader) -> None:
    """Rates, lags and costs, once a second."""
    last: tuple[float, dict[str, int]] | None = None
    while True:
        try:
            offsets = await reader.read()
        except KafkaError as error:
            run.picture.message = f"the broker does not answer: {type(error).__name__}"
            await asyncio.sleep(1.0)
            continue
        now_s = time.monotonic()
        totals = {topic: offsets.total(topic) for topic in TOPICS}
        if last is not None:
            run.picture.rates = {t: max(totals[t] - last[1][t], 0) / (now_s - last[0]) for t in TOPICS}
        last = (now_s, totals)
        run.picture.totals = totals
        run.picture.lags = {
            "streams": offsets.lag(STREAMS_GROUP, STREAM_SOURCES),
            "lake": offsets.lag(LAKE_GROUP, TOPICS),
        }
        run.picture.elapsed_s = now_s - run.started_s
        run.picture.status = run.fleet.counts()
        run.picture.lowest_trust = run.fleet.lowest_trust(5)
        run.picture.alerts = list(run.fleet.alerts)[:8]
        run.picture.firing = len(run.fleet.firing)
        for child in run.children.values():
            child.sample()
        run.picture.processes = {
            name: "running" if child.pid else "ended" if not child.restart else "restarting"
            for name, child in run.children.items()
        }
        await asyncio.sleep(1.0)


async def run_json(*arguments: str, environment: dict[str, str]) -> dict[str, Any]:
    """The JSON that a `fleetpulse` command prints. Raises `ChildError` when it fails."""
    process = await asyncio.create_subprocess_exec(
        console_script(),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    out, err = await process.communicate()
    if process.returncode:
        raise ChildError(f"`fleetpulse {arguments[0]}` failed: {err.decode(errors='replace').strip()[-500:]}")
    found: dict[str, Any] = json.loads(out)
    return found


async def _count_ledger(run: Run) -> None:
    """The delivery ledger, counted from the lake every few seconds by the command that a user would call."""
    counted_s: float | None = None
    while True:
        await asyncio.sleep(_LEDGER_EVERY_S if counted_s is not None else 5.0)
        try:
            found = await run_json(
                "ledger", "--lake", str(run.plan.lake), "--json", "--limit", "1", environment=run.environment
            )
        except ChildError as error:
            run.picture.message = str(error)
            continue
        run.picture.ledger = {k: int(v) for k, v in found["total"].items() if v is not None}
        counted_s = time.monotonic()


@contextlib.asynccontextmanager
async def _background(*work: Any) -> AsyncIterator[list[asyncio.Task[None]]]:  # noqa: ANN401  # coroutines of several types
    """Tasks that live as long as the block; their failures are logged, the run goes on."""
    tasks = [asyncio.create_task(w) for w in work]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                _log.error("a watcher of the run failed", error=repr(result))


async def _stop(run: Run, reader: OffsetReader, say: Callable[[str], None]) -> None:
    """Stop along the flow: producers, then streams when they have caught up, then the lake when all has landed."""
    names = list(run.children)
    say("stopping the producers")
    await asyncio.gather(*(run.children[n].stop(15.0) for n in ("simulator", "example-agent", "probe") if n in names))
    say("streams catch up")
    if not await drained(reader, STREAMS_GROUP, STREAM_SOURCES, 60.0):
        _log.warning("streams had not caught up; the rest is processed at the next start")
    await asyncio.gather(*(run.children[n].stop(25.0) for n in names if n.startswith("stream-worker")))
    say("the lake takes in the rest")
    if not await drained(reader, LAKE_GROUP, tuple(TOPICS), 60.0):
        _log.warning("the lake had not caught up; the rest lands at the next start")
    await asyncio.gather(*(run.children[n].stop(25.0) for n in ("lake-writer", "notifier") if n in names))


def _write_costs(run: Run) -> Path:
    """What each process has used, for the report."""
    costs = {
        name: {
            "peak_rss_bytes": child.cost.peak_rss_bytes,
            "cpu_s": round(child.cost.cpu_s, 3),
            "restarts": child.restarts,
        }
        for name, child in run.children.items()
    }
    path = run.plan.data_dir / "processes.json"
    path.write_text(json.dumps(costs))
    return path


async def _report(run: Run) -> dict[str, Any]:
    """The report of a bounded run, by the command that a user would call."""
    plan = run.plan
    arguments = ["report", "--lake", str(plan.lake), "--accounts", str(plan.accounts), "--json"]
    arguments += ["--processes", str(_write_costs(run)), "--broker", str(run.broker["kind"])]
    if plan.truth.exists():
        arguments += ["--truth", str(plan.truth)]
    return await run_json(*arguments, environment=run.environment)


async def run_system(
    plan: plans.RunPlan,
    settings: Settings,
    *,
    broker_choice: str,
    with_report: bool,
    say: Callable[[str], None],
    on_run: Callable[[Run], None],
) -> dict[str, Any] | None:
    """Run everything until the time is over or somebody asks to stop; the report of the run if one was asked for.

    `say` gets a line for each step of starting and stopping, `on_run` the run as soon as there is something to show.
    Raises `FleetpulseError` when a part does not start.
    """
    prepare_folders(plan.data_dir, plan.lake)
    environment = os.environ | {"FLEETPULSE_DATA_DIR": str(plan.data_dir), "FLEETPULSE_LAKE": str(plan.lake)}
    environment |= {"FLEETPULSE_PARTITIONS": str(settings.partitions), "FLEETPULSE_LOG_FORMAT": settings.log_format}
    run = Run(plan, environment)
    with stop_on_signals() as asked:
        starting = asyncio.create_task(_start_all(run, settings, broker_choice, say))
        stopping = asyncio.create_task(asked.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
                return None
            reader = await starting
            on_run(run)
            try:
                async with _background(
                    _measure(run, reader),
                    _count_ledger(run),
                    follow(run.plan.bootstrap, run.fleet),
                    *(
                        _keep_alive(child)
                        for name, child in run.children.items()
                        if name not in ("broker", "simulator")
                    ),
                ) as tasks:
                    await _until_over(run, stopping, tasks)
                for child in run.children.values():
                    child.restart = False
                await _stop(run, reader, say)
            finally:
                await reader.stop()
            if not with_report:
                return None
            say("counting what landed")
            return await _report(run)
        finally:
            stopping.cancel()
            for name in [n for n in reversed(run.children) if run.children[n].pid]:
                say(f"stopping {name}")
                await run.children[name].stop(20.0)


async def _start_all(run: Run, settings: Settings, broker_choice: str, say: Callable[[str], None]) -> OffsetReader:
    """Broker, topics, sinks and streams, producers, in this order; the reader of offsets."""
    say("starting the broker")
    broker = run.child(plans.Part("broker", ("broker", "start", "--broker", broker_choice)))
    await broker.start()
    run.broker = await broker.wait_ready(_READY_S)
    run.plan = replace(run.plan, bootstrap=str(run.broker["bootstrap"]))
    run.picture.broker = f"{run.broker['kind']} at {run.plan.bootstrap}"
    run.picture.lake = str(run.plan.lake)
    say(f"broker: {run.broker['kind']} at {run.plan.bootstrap} ({run.broker.get('why', '')})")
    await provision(run.plan.bootstrap, plan_topics(settings))
    await _start(run, plans.sinks_and_streams(run.plan), say)
    await _start(run, plans.producers(run.plan), say)
    reader = OffsetReader(run.plan.bootstrap, {STREAMS_GROUP: STREAM_SOURCES, LAKE_GROUP: tuple(TOPICS)})
    await reader.start()
    run.started_s = time.monotonic()
    return reader


async def _until_over(run: Run, stopping: asyncio.Task[Any], watchers: list[asyncio.Task[None]]) -> None:
    """Wait for the end of a bounded run, for a signal, or for the simulator when it is what bounds the run."""
    waits: set[asyncio.Task[Any]] = {stopping}
    if run.plan.run_for_s is not None:
        simulator = run.children.get("simulator")
        waits.add(asyncio.create_task(simulator.wait() if simulator else asyncio.sleep(run.plan.run_for_s)))
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in waits - {stopping}:
        task.cancel()
    for watcher in watchers:
        if watcher.done() and not watcher.cancelled() and (error := watcher.exception()):
            _log.error("a watcher of the run had failed", error=repr(error))
