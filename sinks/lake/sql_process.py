"""Processes for SQL from people: started, handed a request, ended. Each answers one request and ends.

A few can be kept ready: started, their libraries read, behind the walls that need no request, waiting for it. What
keeps one from outliving whoever started it is its standard input, which ends with them, however they end.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping

from infra.runtime.logs import get_logger

SPARES, IDLE_S = 2, 600.0
"""So many are kept ready, of some 70 MB each, until nobody has asked anything for so long."""
_INHERITED = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
_log = get_logger("sql")


def start_worker() -> subprocess.Popen[bytes]:
    """A process that waits for its request. Raises `OSError`."""
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "sinks.lake.sql_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment | {"HOME": "/nonexistent"},
        start_new_session=True,  # Ctrl-C is for the parent, which ends the worker
    )


def hand_over(process: subprocess.Popen[bytes], request: Mapping[str, object]) -> None:
    """The only request that a process gets."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin:  # a worker that died at once is reported by its exit
        process.stdin.write(json.dumps(request).encode())


def end_worker(process: subprocess.Popen[bytes]) -> None:
    """End a process that was handed nothing, and wait for its end."""
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


class Spares:
    """`most` processes that wait for a request, from the first `refill` until `idle_s` after the last. Thread-safe."""

    def __init__(self, most: int = SPARES, idle_s: float = IDLE_S) -> None:
        self._most = most
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._waiting: deque[subprocess.Popen[bytes]] = deque()
        self._idle: threading.Timer | None = None
        self._closed = False

    def take(self) -> subprocess.Popen[bytes]:
        """The process that has waited longest, which is the caller's from now on; a new one where none waits.

        Raises `OSError`.
        """
        with self._lock:
            while self._waiting:
                process = self._waiting.popleft()
                if process.poll() is None:
                    return process
                end_worker(process)
        return start_worker()

    def refill(self) -> None:
        """Somebody asks, or is about to: have as many as there are to be."""
        with self._lock:
            if self._closed:
                return
            try:
                while len(self._waiting) < self._most:
                    self._waiting.append(start_worker())
            except OSError as error:  # the next question starts its own, and says what is wrong
                _log.warning("no process for SQL can be kept ready", error=str(error))
            self._wait_for_idle()

    def waiting(self) -> list[int]:
        """Ids of the processes that wait, the oldest first."""
        with self._lock:
            return [process.pid for process in self._waiting]

    def close(self) -> None:
        """End all of them, for good."""
        with self._lock:
            self._closed = True
            if self._idle is not None:
                self._idle.cancel()
        self._end_all()

    def _wait_for_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = threading.Timer(self._idle_s, self._end_all)
        self._idle.daemon = True
        self._idle.start()

    def _end_all(self) -> None:
        with self._lock:
            while self._waiting:
                end_worker(self._waiting.popleft())
