"""What goes on beside a run: measuring it, counting its ledger, starting again what ended by itself."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from aiokafka.errors import KafkaError

from infra.runtime.logs import get_logger
from infra.runtime.offsets import OffsetReader, Offsets
from infra.supervisor.ask import run_json
from infra.supervisor.child import Child, ChildError
from infra.supervisor.running import ALERTS_GROUP, GROUPS, LAKE_GROUP, STREAMS_GROUP, Run
from schemas.catalogue import TOPICS

_log = get_logger("up")
_LEDGER_FIRST_S, _LEDGER_EVERY_S = 5.0, 10.0
_STABLE_S, _LONGEST_WAIT_S = 30.0, 30.0


async def keep_alive(child: Child) -> None:
    """Start a process again when it ends by itself, more slowly each time it does so at once."""
    wait_s = 1.0
    while True:
        began_s = time.monotonic()
        code = await child.wait()
        if child.restart:
            wait_s = 1.0 if time.monotonic() - began_s > _STABLE_S else min(wait_s * 2, _LONGEST_WAIT_S)
            _log.warning("process ended, starting it again", process=child.name, exit_code=code, wait_s=wait_s)
            await asyncio.sleep(wait_s)
        if not child.restart:
            return
        child.restarts += 1
        await child.start()


def _states(run: Run) -> dict[str, str]:
    return {name: _state(child) for name, child in run.children.items()}


def _state(child: Child) -> str:
    if not child.pid:
        return "restarting" if child.restart else "ended"
    if child.pulse is not None and child.pulse.health != "healthy":
        return f"{child.pulse.health}: {child.pulse.reason}"
    return "running"


def _show(run: Run, offsets: Offsets, now_s: float) -> None:
    """Put what was measured into the picture."""
    picture = run.picture
    picture.totals = {topic: offsets.total(topic) for topic in TOPICS}
    picture.lags = {
        name: offsets.lag(group, GROUPS[group])
        for name, group in (("streams", STREAMS_GROUP), ("alerts", ALERTS_GROUP), ("lake", LAKE_GROUP))
    }
    picture.elapsed_s = now_s - run.started_s
    picture.status = run.fleet.counts()
    picture.lowest_trust = run.fleet.lowest_trust(5)
    picture.alerts = run.fleet.newest_alerts(8)
    picture.firing, picture.suppressed = run.fleet.firing, run.fleet.suppressed


async def measure(run: Run, reader: OffsetReader) -> None:
    """Rates, lags and costs, once a second."""
    last: tuple[float, dict[str, int]] | None = None
    while True:
        for child in run.children.values():
            child.sample()
            child.feel()
        run.picture.processes = _states(run)
        try:
            offsets = await reader.read()
        except KafkaError as error:
            run.picture.message = f"the broker does not answer: {type(error).__name__}"
            await asyncio.sleep(1.0)
            continue
        run.picture.message = ""
        now_s = time.monotonic()
        totals = {topic: offsets.total(topic) for topic in TOPICS}
        if last is not None:
            run.picture.rates = {t: max(totals[t] - last[1][t], 0) / (now_s - last[0]) for t in TOPICS}
        last = (now_s, totals)
        _show(run, offsets, now_s)
        run.looks += 1
        await asyncio.sleep(1.0)


async def count_ledger(run: Run) -> None:
    """The delivery ledger, counted from the lake every few seconds by the command that a user would call."""
    wait_s, counted_s = _LEDGER_FIRST_S, 0.0
    arguments = ("ledger", "--lake", str(run.plan.lake), "--json", "--limit", "1")
    while True:
        await asyncio.sleep(wait_s)
        try:
            found = await run_json(*arguments, environment=run.environment)
        except ChildError as error:
            _log.warning("the ledger could not be counted", error=str(error))
            continue
        run.picture.ledger = {name: int(count) for name, count in found["total"].items() if count is not None}
        counted_s = time.monotonic()
        run.picture.ledger_counted_s = counted_s - run.started_s
        wait_s = _LEDGER_EVERY_S


def _complain(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a watcher of the run failed", watcher=task.get_name(), error=repr(error))


@contextlib.asynccontextmanager
async def background(**work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Named tasks that live as long as the block; a failure is logged when it happens, the run goes on."""
    tasks = [asyncio.create_task(coroutine, name=name) for name, coroutine in work.items()]
    for task in tasks:
        task.add_done_callback(_complain)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
