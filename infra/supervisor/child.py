"""A child process of the supervisor: console script, ready line, log file, restarts, what it cost."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from infra.health.pulse import Pulse, read_pulse
from infra.runtime.errors import FleetpulseError
from infra.runtime.text import printable

_PR_SET_PDEATHSIG = 1
_LONGEST_LINE_BYTES = 1024 * 1024
_LAST_WORDS_BYTES = 4096


def die_with_parent() -> Callable[[], None] | None:
    """What a child calls before exec so that the kernel asks it to end (SIGTERM) when its parent is gone.

    None elsewhere than on Linux. Linux sends the signal when the starting thread ends: start from the main one.
    """
    if sys.platform != "linux":
        return None
    # Looked up before the fork: between fork and exec only what is already loaded may be called.
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def before_exec() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the parent ended before the request was in force
            os.kill(os.getpid(), signal.SIGTERM)

    return before_exec


def console_script() -> str:
    """The `fleetpulse` script beside this interpreter."""
    beside = Path(sys.executable).with_name("fleetpulse")
    return str(beside) if beside.exists() else "fleetpulse"


class ChildError(FleetpulseError):
    """A part of the system did not start or ended with an error."""


@dataclass
class Cost:
    """What a process has used so far, over all its incarnations: peak resident bytes, CPU seconds."""

    peak_rss_bytes: int = 0
    cpu_s: float = 0.0


@dataclass
class Child:
    """One process: `arguments` after the console script; standard error goes to `log_file`.

    `pulse`: its newest sign of life, if it gives any in `pulse_file`; `hung`: how often it was ended for giving none.
    """

    name: str
    arguments: Sequence[str]
    log_file: Path
    environment: dict[str, str]
    restart: bool = True
    pulse_file: Path | None = None
    pulse: Pulse | None = None
    hung: int = 0
    cost: Cost = field(default_factory=Cost)
    restarts: int = 0
    ready: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    _process: asyncio.subprocess.Process | None = None
    _ready: asyncio.Event = field(default_factory=asyncio.Event)
    _reader: asyncio.Task[None] | None = None
    _spent_s: float = 0.0
    _log_start: int = 0

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the process; it gets a session of its own, so that Ctrl-C reaches the supervisor alone."""
        self._ready.clear()
        self._spent_s = self.cost.cpu_s
        environment = self.environment | {"FLEETPULSE_RESTARTS": str(self.restarts)}
        if self.pulse_file is not None:
            self.pulse_file.unlink(missing_ok=True)
            environment = environment | {"FLEETPULSE_PULSE_FILE": str(self.pulse_file)}
        with self.log_file.open("ab") as log:
            self._log_start = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                console_script(),
                *self.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,
                preexec_fn=die_with_parent(),
                limit=_LONGEST_LINE_BYTES,
            )
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while True:
            try:
                line = await self._process.stdout.readline()
            except ValueError:
                continue  # longer than the limit: thrown away, so that the process is not held up
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            with contextlib.suppress(ValueError):
                message = json.loads(text)
                if isinstance(message, dict) and message.get("event") == "ready":
                    self.ready = message
                    self._ready.set()
                    continue
            self.lines = [*self.lines[-199:], text]

    async def wait_ready(self, timeout_s: float) -> dict[str, Any]:
        """The ready line. Raises `ChildError` with the last lines of the log when the process ends or is late."""
        assert self._process is not None
        ready = asyncio.create_task(self._ready.wait())
        ended = asyncio.create_task(self._process.wait())
        try:
            done, _ = await asyncio.wait({ready, ended}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            ended.cancel()
        if ready in done:
            return self.ready
        late = f"{self.name} was not ready in {timeout_s:.0f} s: {self._last_words()}"
        raise ChildError(self.epitaph() if ended in done else late, way_out=f"Its log is {self.log_file}")

    def epitaph(self) -> str:
        """How an ended process ended: its exit code and the last line of its log."""
        assert self._process is not None
        return f"{self.name} ended with exit code {self._process.returncode}: {self._last_words()}"

    def _last_words(self) -> str:
        with self.log_file.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, end - _LAST_WORDS_BYTES))
            lines = log.read().decode(errors="replace").strip().splitlines()
        return printable(lines[-1][-300:].removeprefix("fleetpulse: ").rstrip(".")) if lines else "it said nothing"

    async def wait(self) -> int:
        """Wait for the end; the exit code."""
        assert self._process is not None
        code = await self._process.wait()
        if self._reader is not None:
            await self._reader
        return code

    async def stop(self, deadline_s: float) -> int:
        """Ask it to stop, wait, and kill it after `deadline_s`; the exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self.sample()
            self._process.terminate()
            try:
                async with asyncio.timeout(deadline_s):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
        return await self.wait()

    def feel(self) -> Pulse | None:
        """The newest sign of life of this very incarnation; None when it has given none."""
        found = read_pulse(self.pulse_file) if self.pulse_file is not None else None
        if found is None or found.pid != self.pid:
            return None
        self.pulse = found
        return found

    def sample(self) -> None:
        """Update the cost from what the kernel says of the process now, its children included."""
        if self.pid is None:
            return
        try:
            process = psutil.Process(self.pid)
            family = [process, *process.children(recursive=True)]
            times = [p.cpu_times() for p in family]
            rss = sum(p.memory_info().rss for p in family)
        except psutil.NoSuchProcess:
            return
        self.cost.peak_rss_bytes = max(self.cost.peak_rss_bytes, rss)
        self.cost.cpu_s = self._spent_s + sum(t.user + t.system for t in times)
