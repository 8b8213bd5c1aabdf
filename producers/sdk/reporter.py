"""`Reporter`: what an agent's author holds. Calls only queue; a thread of its own does everything else."""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import threading
import uuid
from concurrent.futures import CancelledError, Future
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from producers.sdk.buffer import EventBuffer
from producers.sdk.events import EventMethods
from producers.sdk.report import FlushReport, Tally

if TYPE_CHECKING:
    from producers.sdk.config import ReporterConfig
    from producers.sdk.folder import SpoolFolder
    from producers.sdk.sender import Periodic, Sender

_log = logging.getLogger("fleetpulse.sdk")
_OVERTIME_S = 10.0


class Reporter(EventMethods):
    """Reports the events of one agent in one session.

    In asyncio::

        async with Reporter("my-agent", heartbeat_interval_s=10) as reporter:
            reporter.agent_started(run_id, thread_id)

    In threads: `with Reporter("my-agent") as reporter:`, or `start()` and `close()`. Every method for events may be
    called from any thread, costs about a microsecond and neither waits nor raises; values that it is given are read
    later, by the sender. Events wait in a bounded buffer, then on disk, while the broker is away.

    With `heartbeat_interval_s` the asyncio form beats by itself, from a task in the agent's own loop: when that loop
    hangs, the beats stop, which is their meaning. In threads call `heartbeat()` from the agent's loop.

    Keyword arguments are the fields of `producers.sdk.config.ReporterConfig`. Raises `SettingError` that names the
    argument. Does not survive `fork()`: make it in the child.
    """

    def __init__(
        self,
        agent_id: str,
        user_id: str = "default",
        deployment_id: str | None = None,
        *,
        bootstrap: str | None = None,
        spool_dir: str | os.PathLike[str] | None = None,
        spool_bytes: int | None = None,
        buffer_events: int | None = None,
        heartbeat_interval_s: float | None = None,
        host: str | None = None,
        version: str | None = None,
        **more: Any,  # noqa: ANN401  # checked by ReporterConfig
    ) -> None:
        from producers.sdk.config import make_config  # noqa: PLC0415  # pydantic is paid for here, not at import

        self._begin(
            make_config(
                agent_id=agent_id,
                user_id=user_id,
                deployment_id=deployment_id,
                bootstrap=bootstrap,
                spool_dir=spool_dir,
                spool_bytes=spool_bytes,
                buffer_events=buffer_events,
                heartbeat_interval_s=heartbeat_interval_s,
                host=host,
                version=version,
                **more,
            )
        )

    def _begin(self, config: ReporterConfig) -> None:
        """A new session, not yet started."""
        self.config = config
        self.session_id = str(uuid.uuid4())
        self._buffer = EventBuffer(self.config.buffer_events)
        self._put = self._buffer.put
        self._put_at = self._buffer.put_at
        self._tally = Tally(self.session_id)
        self._lock = threading.Lock()
        self._sender: Sender | None = None
        self._leftovers: list[SpoolFolder] = []
        self._closing: Future[FlushReport] | None = None
        self._beats: asyncio.Task[None] | None = None
        self._periodic: tuple[Periodic, ...] = ()

    def start(self) -> Self:
        """Start the sender. The broker need not be there. Raises `SettingError` when the spool cannot be written."""
        from producers.sdk.sender import Sender  # noqa: PLC0415  # aiokafka is paid for here, not at import

        with self._lock:
            if self._sender is None:
                folder = self._open_spool()
                self._sender = Sender(self.config, self._buffer, self._tally, folder, self._leftovers, self._periodic)
                self._sender.start()
                atexit.register(self.close)
        return self

    def _open_spool(self) -> SpoolFolder | None:
        from producers.sdk.folder import adopt_leftovers, claim  # noqa: PLC0415  # as above

        if not self.config.spool_bytes:
            return None
        # A gateway's key writes for its own agent and tenant; what others left would be refused for ever.
        mine = None if self.config.gateway is None else (self.config.agent_id, self.config.user_id)
        self._leftovers = list(adopt_leftovers(self.config.spool_dir, mine))
        try:
            return claim(self.config.spool_dir, self.session_id, self.config.agent_id, self.config.user_id)
        except OSError as error:
            _log.warning("no spool, the disk is full: %s", error)
            return None

    def flush(self, deadline_s: float = 5.0) -> FlushReport:
        """Wait until the broker has what was queued before, at most `deadline_s`; what it has and what it has not.

        Blocks the calling thread; in asyncio use `aflush`. Raises `RuntimeError` before `start`.
        """
        return self._await_report(self._begin_flush(deadline_s), deadline_s)

    async def aflush(self, deadline_s: float = 5.0) -> FlushReport:
        """`flush` for asyncio."""
        return await asyncio.to_thread(self.flush, deadline_s)

    def _begin_flush(self, deadline_s: float) -> Future[FlushReport]:
        if self._sender is None:
            raise RuntimeError("the Reporter is not started: use `with Reporter(...)` or call start()")
        return self._closing or self._sender.flush(deadline_s)

    def close(self, deadline_s: float | None = None) -> FlushReport | None:
        """Say `stopping`, flush for at most `deadline_s`, put the rest on disk, end the thread.

        The report is that of the end; a second call returns the same. None when it was never started. Blocks; in
        asyncio use `aclose`.
        """
        wait_s = self.config.close_deadline_s if deadline_s is None else deadline_s
        with self._lock:
            if self._sender is None:
                return None
            if self._closing is None:
                atexit.unregister(self.close)
                self._closing = self._sender.stop(self._buffer.close(), wait_s)
        report = self._await_report(self._closing, wait_s)
        self._sender.join(_OVERTIME_S)
        return report

    async def aclose(self, deadline_s: float | None = None) -> FlushReport | None:
        """`close` for asyncio; ends the automatic beats first."""
        if self._beats is not None:
            self._beats.cancel()
            self._beats = None
        return await asyncio.to_thread(self.close, deadline_s)

    def _await_report(self, coming: Future[FlushReport], deadline_s: float) -> FlushReport:
        """The sender keeps the deadline itself; should it be dead, the counts are still true."""
        assert self._sender is not None
        try:
            return coming.result(deadline_s + _OVERTIME_S)
        except (TimeoutError, CancelledError):
            _log.exception("the sender does not answer")
            return self._sender.report(complete=False)

    async def _beat(self, interval_s: float) -> None:
        while True:
            self.heartbeat()
            await asyncio.sleep(interval_s)

    def account(self) -> dict[str, Any]:
        """What this process published: `{"process", "published", "sessions", "recovered"}`.

        `published`: events by topic that the broker acknowledged, those of earlier sessions in the spool among them.
        `sessions`: this session's `issued`, `acknowledged` and `dropped` counts. `recovered`: events that earlier
        sessions left in the spool and this process sent, by session.
        """
        tally = self._tally
        dropped = tally.dropped.total() + self._buffer.dropped_full
        session = {
            "session_id": self.session_id,
            "agent_id": self.config.agent_id,
            "issued": self._buffer.issued,
            "acknowledged": tally.acknowledged.total(),
            "dropped": dropped,
        }
        agents = {folder.session_id: folder.agent_id for folder in self._leftovers}
        return {
            "process": f"{self.config.agent_id}-{os.getpid()}",
            "published": dict(sorted((tally.acknowledged + tally.recovered).items())),
            "sessions": [session],
            "recovered": [
                {"session_id": session_id, "agent_id": agents[session_id], "acknowledged": events}
                for session_id, events in tally.recovered_by_session.items()
            ],
        }

    def write_account(self, path: str | os.PathLike[str]) -> None:
        """Write `account()` as JSON, whole or not at all; makes the folder. Raises `OSError`."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = target.with_name(f".{target.name}.{os.getpid()}")
        scratch.write_text(json.dumps(self.account(), indent=1), encoding="utf-8")
        scratch.replace(target)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        if self.config.heartbeat_interval_s is not None:
            self._beats = asyncio.create_task(self._beat(self.config.heartbeat_interval_s))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
