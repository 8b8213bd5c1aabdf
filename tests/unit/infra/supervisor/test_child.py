"""Child processes: readiness, last words, stopping, cost. Real ones: a small script in place of the console script."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.supervisor import child as children
from infra.supervisor.child import Child, ChildError
from infra.supervisor.watch import keep_alive

PROGRAM = """#!{python}
import json, os, signal, sys, time
def ready(more=""): print(json.dumps({{"event": "ready", "number": 7}}) + more, flush=True)
match sys.argv[1]:
    case "serve":
        print("before", flush=True); ready("\\nafter"); signal.pause()
    case "count":
        print(os.environ["FLEETPULSE_RESTARTS"], flush=True); ready(); signal.pause()
    case "long-line":
        sys.stdout.write("x" * 3_000_000 + "\\n"); ready(); signal.pause()
    case "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN); ready(); time.sleep(600)
    case "refuse":
        sys.stderr.write("a log line\\nfleetpulse: no \\x1b[2Jluck (setting --x)\\n"); sys.exit(2)
    case "silent":
        time.sleep(600)
    case "burn":
        ready(); data = bytearray(50_000_000)
        while True: sum(range(1000))
"""


@pytest.fixture
async def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Child]]:
    """`made[0]`'s arguments choose the program's behaviour; all are killed at the end."""
    script = tmp_path / "program"
    script.write_text(PROGRAM.format(python=sys.executable))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(children, "console_script", lambda: str(script))
    started: list[Child] = []
    yield started
    for child in started:
        if child.pid:
            os.kill(child.pid, signal.SIGKILL)
            await child.wait()


async def start(made: list[Child], tmp_path: Path, what: str) -> Child:
    child = Child(what, (what,), tmp_path / f"{what}.log", dict(os.environ))
    made.append(child)
    await child.start()
    return child


async def test_ready_line_and_a_clean_stop(made: list[Child], tmp_path: Path) -> None:
    child = await start(made, tmp_path, "serve")
    assert await child.wait_ready(60) == {"event": "ready", "number": 7}
    assert child.pid is not None
    assert await child.stop(60) == -signal.SIGTERM
    assert child.pid is None
    assert child.lines == ["before", "after"]
    assert await child.stop(60) == -signal.SIGTERM


async def test_it_can_be_started_again(made: list[Child], tmp_path: Path) -> None:
    child = await start(made, tmp_path, "serve")
    await child.wait_ready(60)
    first = child.pid
    await child.stop(60)
    await child.start()
    await child.wait_ready(60)
    assert child.pid not in (None, first)


async def test_it_knows_how_often_it_was_started_again(made: list[Child], tmp_path: Path) -> None:
    child = await start(made, tmp_path, "count")
    await child.wait_ready(60)
    assert child.lines == ["0"]
    kept = asyncio.create_task(keep_alive(child))
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    async with asyncio.timeout(60):
        while child.lines != ["0", "1"]:
            child.sample()
            await asyncio.sleep(0.02)
    kept.cancel()


async def test_who_does_not_stop_is_killed(made: list[Child], tmp_path: Path) -> None:
    child = await start(made, tmp_path, "stubborn")
    await child.wait_ready(60)
    assert await child.stop(0.2) == -signal.SIGKILL


async def test_last_words_of_this_start_without_what_moves_a_cursor(made: list[Child], tmp_path: Path) -> None:
    (tmp_path / "refuse.log").write_text("of an earlier run\n")
    child = await start(made, tmp_path, "refuse")
    with pytest.raises(ChildError) as caught:
        await child.wait_ready(60)
    assert str(caught.value) == (
        "refuse ended with exit code 2: no \N{REPLACEMENT CHARACTER}[2Jluck (setting --x). "
        f"Its log is {tmp_path / 'refuse.log'}"
    )


async def test_who_is_late_is_named(made: list[Child], tmp_path: Path) -> None:
    (tmp_path / "silent.log").write_text("of an earlier run\n")
    child = await start(made, tmp_path, "silent")
    with pytest.raises(ChildError, match="silent was not ready in 0 s: it said nothing"):
        await child.wait_ready(0.1)


async def test_a_line_without_end_does_not_hold_it_up(made: list[Child], tmp_path: Path) -> None:
    child = await start(made, tmp_path, "long-line")
    assert (await child.wait_ready(60))["number"] == 7


async def test_what_it_uses_is_measured(made: list[Child], tmp_path: Path) -> None:
    child = await start(made, tmp_path, "burn")
    await child.wait_ready(60)
    async with asyncio.timeout(60):
        while child.cost.cpu_s < 0.2 or child.cost.peak_rss_bytes < 1_000_000:
            child.sample()
            await asyncio.sleep(0.02)
    before = child.cost.cpu_s
    await child.stop(60)
    child.sample()
    assert child.cost.cpu_s >= before
