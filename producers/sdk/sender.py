"""The one thread that encodes and sends: an asyncio loop of its own, fed from the buffer.

It looks for events every `linger_ms` (less often when idle), because waking it would cost the caller more than all
the rest of a call. Encoding goes in small slices, so that the interpreter lock is free again within a millisecond or
two.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from producers.sdk.buffer import EventBuffer, RawEvent
from producers.sdk.config import ReporterConfig
from producers.sdk.encode import HEARTBEATS, Encoder, Record, RefusedEventError
from producers.sdk.folder import SpoolFolder
from producers.sdk.lane import Lane
from producers.sdk.quiet import THREAD_NAME, quiet_client_logs
from producers.sdk.report import FlushReport, Tally, TopicReport
from producers.sdk.spool import Budget
from producers.sdk.transport import make_link

_log = logging.getLogger("fleetpulse.sdk")
_SLICE_EVENTS = 128
_IDLE_S = 0.1
_UNHURRIED_S, _ROOM_EVENTS = 0.2, 50_000
"""How long few events may go unlooked at where the buffer has room for what a burst brings meanwhile."""


class Periodic(NamedTuple):
    """What the sender's thread does every `interval_s` besides: `call` only queues events."""

    interval_s: float
    call: Callable[[], None]


class Sender:
    """Owns the thread, the lanes and the connection of one session."""

    def __init__(
        self,
        config: ReporterConfig,
        buffer: EventBuffer,
        tally: Tally,
        folder: SpoolFolder | None,
        leftovers: Sequence[SpoolFolder],
        periodic: Sequence[Periodic] = (),
    ) -> None:
        self._config = config
        self._buffer = buffer
        self._tally = tally
        self._folder = folder
        self._leftovers = list(leftovers)
        self._periodic = periodic
        self._waiting_since_s: float | None = None
        self._budget = Budget(config.spool_bytes)
        self._encoder = Encoder(config, tally.session_id)
        self._lanes: dict[str, Lane] = {}
        self._lane_tasks: list[asyncio.Task[None]] = []
        self._running: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)

    def start(self) -> None:
        """Start the thread and wait until its loop runs."""
        self._thread.start()
        self._running.result()

    def flush(self, deadline_s: float) -> Future[FlushReport]:
        """Have everything that was queued before now sent; from any thread. Cancelled when the sender is dead."""
        return self._ask(self._flush(deadline_s))

    def stop(self, last_seq: int, deadline_s: float) -> Future[FlushReport]:
        """Send the session's last event, flush, put the rest on disk and end the thread; from any thread, once."""
        return self._ask(self._stop(last_seq, deadline_s))

    def _ask(self, coroutine: Coroutine[Any, Any, FlushReport]) -> Future[FlushReport]:
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._running.result())
        except RuntimeError:  # its loop is closed
            coroutine.close()
            dead: Future[FlushReport] = Future()
            dead.cancel()
            return dead

    def join(self, timeout_s: float) -> None:
        """Wait for the thread's end."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        quiet_client_logs()
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001  # nobody above in this thread; the host application goes on
            _log.exception("the reporter's sender died; events are no longer sent")
            if not self._running.done():
                self._running.set_exception(error)

    async def _main(self) -> None:
        self._link = make_link(self._config)
        self._stopped = asyncio.Event()
        self._inherit()
        try:
            await self._serve()
        finally:
            if not self._stopped.is_set():  # it dies: what it holds goes to disk for the next process
                for lane in self._lanes.values():
                    lane.stow()

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            background = [tasks.create_task(self._link.run()), tasks.create_task(self._pump())]
            background += [tasks.create_task(_repeat(periodic)) for periodic in self._periodic]
            self._lane_tasks += [tasks.create_task(lane.run()) for lane in self._lanes.values()]
            self._running.set_result(asyncio.get_running_loop())
            await self._stopped.wait()
            for task in (*background, *self._lane_tasks):
                task.cancel()

    def _inherit(self) -> None:
        for folder in self._leftovers:
            for topic in folder.topics():
                lane = self._lanes.get(topic) or self._new_lane(topic)
                lane.inherit(folder.session_id, folder.spool(topic, self._budget, self._config.segment_bytes))

    def _new_lane(self, topic: str) -> Lane:
        lane = Lane(topic, self._config, self._link, self._tally)
        if self._folder is not None:
            lane.own_spool(self._folder.spool(topic, self._budget, self._config.segment_bytes))
        self._lanes[topic] = lane
        return lane

    def _lane(self, topic: str) -> Lane:
        if (lane := self._lanes.get(topic)) is None:
            lane = self._new_lane(topic)
            self._lane_tasks.append(self._tasks.create_task(lane.run()))
        return lane

    async def _pump(self) -> None:
        """Move events from the buffer to their lanes for as long as the session lasts."""
        pause_s = self._config.linger_ms / 1000
        while True:
            pause_s = self._pause_s(pause_s)
            if self._worth_a_batch():
                while len(self._buffer) and not self._held_up():
                    self._move(self._buffer.take(_SLICE_EVENTS))
                    await asyncio.sleep(0)
            for lane in self._lanes.values():
                lane.guard()
            await asyncio.sleep(pause_s)

    def _pause_s(self, last_s: float) -> float:
        """How long until the next look: `linger_ms` while events stream in, less and less often while there are none,
        and in between, when a batch will be full at the pace so far or has waited long enough."""
        linger_s, waiting = self._config.linger_ms / 1000, len(self._buffer)
        if not waiting:
            return min(last_s * 1.2, max(_IDLE_S, linger_s))
        if self._waiting_since_s is None:
            return linger_s
        waited_s = time.monotonic() - self._waiting_since_s
        full_s = waited_s * (self._config.batch_size / waiting - 1)
        if (left_s := self._config.batch_wait_s - waited_s) <= 0:
            return max(linger_s, min(full_s, _IDLE_S))
        longest_s = _UNHURRIED_S if self._config.buffer_events >= _ROOM_EVENTS else _IDLE_S
        return max(linger_s, min(left_s, full_s, longest_s))

    def _worth_a_batch(self) -> bool:
        """Whether as many events wait as are to be sent together, or some have waited long enough."""
        waiting, now_s = len(self._buffer), time.monotonic()
        if not waiting:
            self._waiting_since_s = None
            return False
        if self._waiting_since_s is None:
            self._waiting_since_s = now_s
        if waiting < self._config.batch_size and now_s - self._waiting_since_s < self._config.batch_wait_s:
            return False
        self._waiting_since_s = None
        return True

    @property
    def _spill(self) -> bool:
        return len(self._buffer) > self._config.buffer_events // 2

    def _held_up(self) -> bool:
        """Whether events rather stay in the buffer for now: it has room, or there is no disk to move them to."""
        if self._spill and self._folder is not None:
            return False
        return any(lane.congested for lane in self._lanes.values())

    def _move(self, events: Sequence[RawEvent]) -> None:
        by_topic: defaultdict[str, list[Record]] = defaultdict(list)
        for event in events:
            try:
                by_topic[event[2]].append(self._encoder.encode(event, self._dropped()))
            except RefusedEventError as error:
                self._tally.refuse(event[2], error.reason)
                if self._tally.dropped_by_reason[error.reason] <= 10:
                    _log.warning("an event was dropped: %s", error)
        for topic, records in by_topic.items():
            self._lane(topic).accept(records, spill=self._spill)

    def _dropped(self) -> int:
        return self._tally.dropped.total() + self._buffer.dropped_full

    async def _flush(self, deadline_s: float) -> FlushReport:
        """Wait until what was issued before is settled, at most `deadline_s`; then say how things stand."""
        end = asyncio.get_running_loop().time() + deadline_s
        left = len(self._buffer)
        while left > 0:
            events = self._buffer.take(min(left, _SLICE_EVENTS))
            left -= len(events) or left
            self._move(events)
            await asyncio.sleep(0)
        targets = {lane: lane.accepted for lane in self._lanes.values()}
        try:
            async with asyncio.timeout_at(end):
                for lane, target in targets.items():
                    await lane.settled_through(target)
        except TimeoutError:
            _log.info("a flush did not end within %s s", deadline_s)
        settled = all(lane.settled >= target for lane, target in targets.items())
        return self.report(complete=settled and not self._dropped())

    async def _stop(self, last_seq: int, deadline_s: float) -> FlushReport:
        while len(self._buffer):
            self._move(self._buffer.take(_SLICE_EVENTS))
            await asyncio.sleep(0)
        self._move([(last_seq, time.time_ns(), HEARTBEATS, {"status": "stopping"})])
        complete = (await self._flush(deadline_s)).complete
        for task in self._lane_tasks:
            task.cancel()
        await asyncio.gather(*self._lane_tasks, return_exceptions=True)
        for lane in self._lanes.values():
            lane.stow()
        for folder in (*self._leftovers, *([self._folder] if self._folder is not None else [])):
            folder.release()
        report = self.report(complete=complete)
        self._stopped.set()
        return report

    def report(self, *, complete: bool) -> FlushReport:
        """How things stand. Only the sender's loop, or anyone after its end, calls this."""
        tally, lanes = self._tally, self._lanes
        topics = {}
        for topic in sorted({*tally.accepted, *tally.dropped}):
            acknowledged, dropped = tally.acknowledged[topic], tally.dropped[topic]
            lost_late = dropped - tally.refused[topic]
            topics[topic] = TopicReport(
                acknowledged,
                tally.accepted[topic] - acknowledged - lost_late,
                lanes[topic].spooled if topic in lanes else 0,
                dropped,
            )
        issued, acknowledged, dropped = self._buffer.issued, tally.acknowledged.total(), self._dropped()
        reasons = dict(tally.dropped_by_reason)
        if self._buffer.dropped_full:
            reasons["buffer_full"] = self._buffer.dropped_full
        return FlushReport(
            session_id=tally.session_id,
            issued=issued,
            acknowledged=acknowledged,
            unacknowledged=issued - acknowledged - dropped,
            spooled=sum(lane.spooled for lane in lanes.values()),
            dropped=dropped,
            complete=complete,
            topics=topics,
            dropped_by_reason=reasons,
        )


async def _repeat(periodic: Periodic) -> None:
    while True:
        await asyncio.sleep(periodic.interval_s)
        try:
            periodic.call()
        except Exception:  # noqa: BLE001  # what cannot be measured once must not end the sender
            _log.exception("periodic metrics could not be made")
