"""`fleetpulse up` as a process, watched from outside."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

SCRIPT = str(Path(sys.executable).with_name("fleetpulse"))


def environment(**more: str) -> dict[str, str]:
    """The tests' own environment without settings of whoever runs them, but for the cache of the jars."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("FLEETPULSE_") or k == "FLEETPULSE_CACHE_DIR"}
    return kept | more


def until(holds: Callable[[], bool], what: str, within_s: float = 60) -> None:
    """Wait for a condition of another process, which has no way to tell us."""
    end_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end_s, f"not within {within_s:.0f} s: {what}"
        time.sleep(0.05)


@dataclass
class Up:
    """A running `fleetpulse up`; what it prints is in `output`, its logs in `folder`."""

    process: subprocess.Popen[bytes]
    output: Path
    folder: Path

    def said(self) -> str:
        """What it has printed so far, on both streams."""
        return self.output.read_text(errors="replace")

    def wait_for(self, text: str, within_s: float = 300) -> None:
        """Wait until it has printed `text`."""
        until(lambda: text in self.said() or self.process.poll() is not None, text, within_s)
        assert text in self.said(), self.said()

    def family(self) -> list[psutil.Process]:
        """Every process below it."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def part(self, *arguments: str) -> psutil.Process | None:
        """The process that runs `fleetpulse ARGUMENTS...`, if there is one now."""
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                line = process.cmdline()
                if any(line[i : i + len(arguments)] == list(arguments) for i in range(len(line))):
                    return process
        return None

    def kill(self, *arguments: str) -> None:
        """SIGKILL a part, and wait until another one runs in its place."""
        self.strike(signal.SIGKILL, *arguments)

    def strike(self, blow: signal.Signals, *arguments: str, within_s: float = 90) -> None:
        """Send a part a signal that ends or stops it, and wait until another one runs in its place."""
        victim = self.part(*arguments)
        assert victim is not None, f"nothing runs {arguments}"
        victim.send_signal(blow)
        until(lambda: self.part(*arguments) not in (None, victim), f"{arguments} runs again", within_s)

    def end(self, within_s: float = 300) -> int:
        """Ctrl-C, and the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(within_s)


@contextlib.contextmanager
def running_up(folder: Path, *arguments: str, **variables: str) -> Iterator[Up]:
    """`fleetpulse up ARGUMENTS` with its data in `folder`; whatever is left of it at the end of the block is killed."""
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / "output.txt"
    command = [SCRIPT, "up", "--plain", "--data-dir", str(folder / "data"), *arguments]
    with output.open("wb") as sink:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, env=environment(**variables)
        )
    up = Up(process, output, folder / "data")
    try:
        yield up
    finally:
        family = up.family() if process.poll() is None else []
        process.kill()
        process.wait()
        for left in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()


def all_gone(family: list[psutil.Process], within_s: float = 90) -> None:
    """Every one of these has ended, or ends in time."""
    _, alive = psutil.wait_procs(family, timeout=within_s)
    assert not alive, [p.cmdline() for p in alive]
