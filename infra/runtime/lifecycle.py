"""Start, run until asked to stop, stop: signals, a named clean-up stack, one deadline."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator

from infra.runtime.logs import get_logger

_log = get_logger("lifecycle")


@contextlib.contextmanager
def stop_on_signals(*signals: signal.Signals) -> Iterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set while the block runs; a second signal ends the process at once."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    wanted = signals or (signal.SIGINT, signal.SIGTERM)

    def ask(number: signal.Signals) -> None:
        if asked.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        asked.set()

    for number in wanted:
        loop.add_signal_handler(number, ask, number)
    try:
        yield asked
    finally:
        for number in wanted:
            loop.remove_signal_handler(number)


class CleanUps:
    """Named clean-ups, run in reverse order under one deadline; every failure is reported, none hides another."""

    def __init__(self) -> None:
        self._entries: list[tuple[str, Callable[[], Awaitable[object]]]] = []

    def add(self, name: str, clean_up: Callable[[], Awaitable[object]]) -> None:
        """Have `clean_up` awaited at the end, before what was added earlier."""
        self._entries.append((name, clean_up))

    async def run(self, deadline_s: float) -> None:
        """Run them all, each within what is left of `deadline_s`.

        Raises `ExceptionGroup` of what failed or did not end in time.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline_s
        failures: list[Exception] = []
        while self._entries:
            name, clean_up = self._entries.pop()
            try:
                async with asyncio.timeout_at(max(end, loop.time() + 0.05)):
                    await clean_up()
            except Exception as error:  # noqa: BLE001  # collected and raised below; later clean-ups must still run
                _log.error("clean-up failed", name=name, error=repr(error))
                failures.append(error)
        if failures:
            raise ExceptionGroup("clean-ups failed", failures)
