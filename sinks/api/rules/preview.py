"""What a text of rules would have raised on the last hours: `fleetpulse backtest` in a child, told line by line.

The answer goes on while the child works, as JSON lines, so no API keeps a job, and who leaves ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.runtime.console import command
from infra.runtime.logs import get_logger
from sinks.api.times import at_s, iso, iso_us
from sinks.lake.naming import HOUR_S, folder_hour, list_folders

TAKES_AT_MOST_S = 180.0
EXAMPLES = 50
_LONGEST_LINE_BYTES = 16 * 1024 * 1024
_NICE = 10
_STEPS = ((6, 2), (24, 5), (168, 10))
"""Up to so many hours, so many seconds."""
_REPLAYED = ("heartbeats", "metrics")
"""Of what is replayed, the tables that every fleet has."""
_log = get_logger("api")
News = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A text that was checked, how far back it is tried, on which agents (a pattern)."""

    text: str
    hours: int
    agent: str


async def preview(lake: Path, asked: Asked, within_s: float = TAKES_AT_MOST_S) -> AsyncGenerator[News, None]:
    """`started`, `progress` once a second, then `done` with the result, or `failed` with a `detail` for people.

    The child ends with the iteration, whatever ends it.
    """
    with tempfile.TemporaryDirectory(prefix="fleetpulse-rules-") as folder:
        file = Path(folder) / "rules.yaml"
        file.write_text(asked.text, encoding="utf-8", newline="")
        async with _child(lake, file, asked) as process:
            yield {"event": "started", "hours": asked.hours, "step_s": step_s(asked.hours)}
            async with contextlib.aclosing(limited(_told(process), within_s)) as lines:
                async for news in lines:
                    yield news


async def limited(lines: AsyncGenerator[News, None], within_s: float) -> AsyncGenerator[News, None]:
    """The same, for so long: then `failed`. Where its reader is slow the time goes on, and they are told as well."""
    end_s = asyncio.get_running_loop().time() + within_s
    async with contextlib.aclosing(lines):
        while True:
            try:
                # Around what is waited for alone: a limit that holds while a line is sent would cancel who sends it.
                async with asyncio.timeout_at(end_s):
                    news = await anext(lines, None)
            except TimeoutError:
                yield _failed(f"It took longer than {within_s:g} s and was ended: choose fewer hours, or fewer agents.")
                return
            if news is None:
                return
            yield news


def oldest(lake: Path) -> str | None:
    """Begin of the oldest hour that can be replayed; None: nothing is there. Blocks."""
    folders = (folder for table in _REPLAYED for folder in list_folders(lake, table))
    hour = min((hour for folder in folders if (hour := folder_hour(folder)) is not None), default=None)
    return None if hour is None else iso(at_s(hour * HOUR_S))


def step_s(hours: int) -> int:
    """Seconds of arrivals that are replayed at once: what a tick costs is the same for a quiet second as for a busy
    one, so a week in steps of a second would take minutes."""
    return next(step for most, step in _STEPS if hours <= most)


@contextlib.asynccontextmanager
async def _child(lake: Path, file: Path, asked: Asked) -> AsyncIterator[asyncio.subprocess.Process]:
    span = ("--since", f"{asked.hours}h", "--step", f"{step_s(asked.hours)}s")
    options = ("--rules", str(file), *span, "--lake", str(lake), "--agent", asked.agent)
    process = await asyncio.create_subprocess_exec(
        *command("backtest", *options, "--json", "--examples", str(EXAMPLES), "--json-progress"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # it has children of its own, which end with the group
        limit=_LONGEST_LINE_BYTES,
    )
    try:
        with contextlib.suppress(OSError):  # where it has ended already
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _told(process: asyncio.subprocess.Process) -> AsyncGenerator[News, None]:
    assert process.stdout is not None
    assert process.stderr is not None
    whole = asyncio.create_task(process.stdout.read())
    said: deque[str] = deque(maxlen=3)
    try:
        async for line in process.stderr:
            if (news := _progress(line)) is not None:
                yield news
            else:
                said.append(line.decode(errors="replace").strip())
        yield _ended(await process.wait(), await whole, said)
    finally:
        whole.cancel()


def _progress(line: bytes) -> News | None:
    if not line.startswith(b'{"event": "progress"'):
        return None
    found = json.loads(line)
    return {
        "event": "progress",
        "share": found["share"],
        "left_s": None if found["left_s"] is None else round(found["left_s"], 1),
        "rows": found["rows"],
        "alerts": found["alerts"],
        "seconds": round(found["seconds"], 1),
        "at": iso_us(found["at_us"]),
    }


def _ended(status: int, out: bytes, said: deque[str]) -> News:
    if status:
        _log.warning("a preview of rules has failed", status=status, said=list(said))
        return _failed(next((line for line in reversed(said) if line), "The replay ended without a word."))
    return {"event": "done", "result": _result(json.loads(out))}


def _failed(detail: str) -> News:
    return {"event": "failed", "detail": detail}


def _result(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: found[name] for name in ("rows", "seconds", "gaps", "rules", "rules_not_replayed", "reasons")},
        "per_hour": {name: [[iso_us(at), count] for at, count in row] for name, row in found["per_hour"].items()},
        "only_now": [_example(one) for one in found["only_now"]],
        "only_then": [_example(one) for one in found["only_then"]],
    }


def _example(one: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: one[name] for name in ("name", "agent_id", "metric", "why")}
    ended_us = one["ended_us"]
    ended_at = None if ended_us is None else iso_us(ended_us)
    return kept | {"started_at": iso_us(one["started_us"]), "ended_at": ended_at}
