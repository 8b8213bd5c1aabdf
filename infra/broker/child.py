"""A child process that does not outlive its parent, with its output in a file."""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from infra.runtime.logs import get_logger

_PR_SET_PDEATHSIG = 1
_log = get_logger("broker")


def _die_with_parent() -> Callable[[], None] | None:
    """What a child calls before exec so that the kernel kills it when its parent is gone (Linux: prctl(2))."""
    if sys.platform != "linux":
        return None
    # Looked up before the fork: between fork and exec only what is already loaded may be called.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def before_exec() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent ended before the request was in force
            os.kill(os.getpid(), signal.SIGKILL)

    return before_exec


class Child:
    """One running program.

    Start it from a thread that lives as long as the program is needed: Linux sends the death signal when the starting
    *thread* ends. The program gets a session of its own, so Ctrl-C in a terminal reaches the parent alone, which then
    stops things in order.
    """

    def __init__(self, command: Sequence[str], output: Path, environment: Mapping[str, str]) -> None:
        self.output = output
        with output.open("wb") as sink:
            self._process = subprocess.Popen(  # noqa: S603  # our own command line, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
                preexec_fn=_die_with_parent(),  # noqa: PLW1509  # calls nothing but prctl and kill
            )
        atexit.register(self.kill)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def exit_code(self, wait_s: float = 0.0) -> int | None:
        """The exit code, waiting for it at most `wait_s`; None while it runs."""
        try:
            return self._process.wait(timeout=wait_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, deadline_s: float) -> None:
        """Ask it to end; after `deadline_s` end it by force."""
        self._signal(signal.SIGTERM)
        if self.exit_code(deadline_s) is None:
            _log.warning("did not end in time, killed", pid=self.pid, deadline_s=deadline_s)
        self.kill()

    def kill(self) -> None:
        """End it at once (SIGKILL) and collect it."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        atexit.unregister(self.kill)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)

    def last_output(self, longest_bytes: int = 2_000) -> str:
        """The end of what it wrote to standard output and error."""
        return self.output.read_bytes()[-longest_bytes:].decode("utf-8", "replace").strip()
