"""One channel's way through fleet.alerts: a consumer group of its own, so that no other channel can hold it back.

1. Fetch. What the channel is not to tell is done at once; the rest waits in its group (`in_hand`).
2. Tell: every group that is due, some at a time, as fast as the rate allows. A failure postpones its group alone.
3. Record every attempt in fleet.deliveries; meanwhile others, also of the same group, are told. What will never be
   taken, or is too old, becomes a dead letter.
4. Commit up to the first alert that is not done. Killed anywhere: what was not committed comes again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace

from aiokafka import ConsumerRecord

from infra.runtime.clock import Clock
from infra.runtime.crash import crash_point
from infra.runtime.logs import get_logger
from schemas.record import UndecodableError
from sinks.lake.dead_letters import DeadLetter
from sinks.notify.again import Again
from sinks.notify.alert import AlertReader
from sinks.notify.backlog import GROUP, Backlog
from sinks.notify.channel import Channel, DeliveryError, Notification
from sinks.notify.deliveries import Outcome, Recorder
from sinks.notify.in_hand import Group, InHand, Item
from sinks.notify.membership import Membership
from sinks.notify.rate import TokenBucket
from sinks.notify.redact import Redactor
from sinks.notify.settings import ChannelSettings
from sinks.notify.statistics import Statistics

_POLL_MS = 300
_BATCH_RECORDS = 500
_IN_HAND_MOST = 5_000
_END_WITHIN_S = 5.0
_COMMIT_EVERY_S = 0.2
_BAD_CONTENT = frozenset({400, 413, 422})
_log = get_logger("notify")


class Lane:
    """`run` until asked to stop; `membership` is started and stopped by the owner."""

    def __init__(
        self,
        membership: Membership,
        channel: Channel,
        settings: ChannelSettings,
        recorder: Recorder,
        clock: Clock,
        reader: AlertReader,
        *,
        old_after_s: float,
    ) -> None:
        self._membership = membership
        self._channel = channel
        self._settings = settings
        self._recorder = recorder
        self._clock = clock
        self._old_after_s = old_after_s
        self._reader = reader
        self._redactor = Redactor(settings.secrets())
        self._in_hand = InHand()
        self._backlogs: dict[int, Backlog] = {}
        self._bucket = TokenBucket(settings.rate, clock.monotonic_s())
        self._again = Again(membership, settings, self._give, self._understood)
        self._rest_until_s = 0.0
        self._changed = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._telling = 0
        self._unrecorded = 0
        self._committed_s = clock.monotonic_s()
        self.statistics = Statistics()

    async def run(self, asked: asyncio.Event) -> None:
        """Tell alerts until asked to stop. Raises `ExceptionGroup` for what the Kafka client cannot mend itself."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._fetch_on(asked))
            tasks.create_task(self._tell_on(asked, tasks))
            tasks.create_task(self._again.run(asked))
        await self._membership.commit()

    async def _fetch_on(self, asked: asyncio.Event) -> None:
        while not asked.is_set():
            for partition in await self._membership.follow():
                self._forget(partition)
            self._membership.hold(self._waiting() >= _IN_HAND_MOST)
            polled = await self._membership.poll(_POLL_MS, _BATCH_RECORDS)
            for partition, records in polled.items():
                await self._accept(partition.partition, records)
            self._flush_backlogs({partition.partition for partition in polled})
            await self._commit_now_and_then()
            self.statistics.idle_turns += not self._waiting()
        self._changed.set()

    async def _commit_now_and_then(self) -> None:
        """Not after every fetch: under load these follow each other by milliseconds."""
        now_s = self._clock.monotonic_s()
        if now_s - self._committed_s >= _COMMIT_EVERY_S:
            self._committed_s = now_s
            await self._membership.commit()

    def _waiting(self) -> int:
        return len(self._in_hand) + self._unrecorded

    def lag(self) -> int:
        """Alerts that came and are not done: in hand, being recorded, or still at the broker."""
        return self._waiting() + self._membership.behind()

    def _forget(self, partition: int) -> None:
        self._in_hand.forget(partition)
        self._again.forget(partition)
        self._backlogs.pop(partition, None)

    async def _accept(self, partition: int, records: Sequence[ConsumerRecord]) -> None:
        now_s = self._clock.now_s()
        suppressed: list[Item] = []
        for record in records:
            if not self._membership.begin(partition, record.offset):
                continue
            item = self._understood(record)
            if item is None:
                self._membership.end(partition, record.offset)
            elif item.alert.suppressed_by is not None:
                self._again.note(item.partition, item.alert)
                suppressed.append(item)
            elif now_s - record.timestamp / 1000 > self._old_after_s:
                suppressed += self._backlogs.setdefault(partition, Backlog()).add(item)
            else:
                self._put(item)
        await self._leave_out(suppressed)
        self._changed.set()

    def _understood(self, record: ConsumerRecord) -> Item | None:
        """The alert; None for one that the channel is not to hear of, and for what is no alert (see the journal)."""
        try:
            alert = self._reader.read(record.value)
        except UndecodableError:
            return None
        item = Item(record.partition, record.offset, record.timestamp, record.value, alert)
        return item if self._is_for_us(item) else None

    def _is_for_us(self, item: Item) -> bool:
        alert, settings = item.alert, self._settings
        named = settings.name in alert.receivers if alert.receivers else settings.default
        return named and alert.at_least(settings.min_severity) and (settings.send_resolved or not alert.resolved)

    def _put(self, item: Item, group: str | None = None) -> None:
        words = {name: item.alert.word(name) for name in self._settings.group_by} if group is None else {}
        key = group or "{" + ",".join(f'{name}="{value}"' for name, value in words.items()) + "}"
        self._in_hand.add(item, key, words, self._clock.monotonic_s() + self._settings.group_wait_s)

    def _flush_backlogs(self, fetched: set[int]) -> None:
        """A partition that brought nothing, or something new, is no longer behind."""
        for partition, backlog in list(self._backlogs.items()):
            if partition not in fetched or len(backlog) + len(self._in_hand) >= _IN_HAND_MOST:
                for item in backlog.flush():
                    self._put(item, GROUP)
                del self._backlogs[partition]
                self._changed.set()

    async def _leave_out(self, items: Sequence[Item]) -> None:
        """Record what nobody is told of."""
        for item in items:
            why = item.alert.suppressed_by or "over before it could be told"
            await self._recorder.write([item], self._outcome("suppressed", error=why))
            self._membership.end(item.partition, item.offset)
        self.statistics.suppressed += len(items)

    async def _tell_on(self, asked: asyncio.Event, tasks: asyncio.TaskGroup) -> None:
        while not asked.is_set():
            self._changed.clear()
            wait_s = self._start_what_is_due(tasks)
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                continue
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_END_WITHIN_S)
        for task in self._under_way:
            task.cancel()

    def _start_what_is_due(self, tasks: asyncio.TaskGroup) -> float | None:
        """Start attempts; how many seconds until there is more to start, None while nothing waits."""
        while self._telling < self._settings.parallel:
            now_s = self._clock.monotonic_s()
            due_s = self._in_hand.next_due_s()
            if due_s is None:
                return None
            if max(due_s, self._rest_until_s) > now_s:
                return max(due_s, self._rest_until_s) - now_s
            if wait_s := self._bucket.take(now_s):
                return wait_s
            taken = self._in_hand.take(now_s, self._settings.alerts_per_message)
            assert taken is not None, "it was due"
            self._telling += 1
            task = tasks.create_task(self._attempt(*taken))
            self._under_way.add(task)
            task.add_done_callback(self._over)
        return None

    def _over(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._changed.set()

    async def _attempt(self, group: Group, items: list[Item]) -> None:
        notification = Notification([item.alert for item in items], group.key, group.labels)
        began_s = self._clock.monotonic_s()
        try:
            error, status = await self._give(notification)
        finally:
            self._telling -= 1
            self._changed.set()
        for item in items:
            item.attempts += 1
        outcome = self._outcome(
            "delivered" if error is None else "failed",
            status_code=status,
            error=None if error is None else self._redactor.clean(str(error)),
            duration_s=self._clock.monotonic_s() - began_s,
            group_key=group.key,
            grouped=len(items),
        )
        crash_point("notify.sent")
        if error is None:
            await self._told(group, items, outcome)
        else:
            await self._not_told(group, items, outcome, error)

    async def _give(self, notification: Notification) -> tuple[DeliveryError | None, int | None]:
        """How it ended: an error or none, and the status where there is one."""
        try:
            # Channels have a deadline of their own; this one is for those that forget it.
            async with asyncio.timeout(self._settings.timeout_s * max(1, len(notification.alerts)) + 1):
                return None, await self._channel.deliver(notification)
        except DeliveryError as error:
            return error, error.status_code
        except TimeoutError:
            return DeliveryError("no end within the deadline"), None
        except Exception as error:  # noqa: BLE001  # a channel may raise what it likes; it is recorded and tried again
            return DeliveryError(type(error).__name__), None

    async def _told(self, group: Group, items: list[Item], outcome: Outcome) -> None:
        # What is recorded is not told any faster for waiting: the group goes on, only the commit waits.
        self._in_hand.settle(group, self._clock.monotonic_s())
        self._unrecorded += len(items)
        try:
            await self._recorder.write(items, outcome)
        finally:
            self._unrecorded -= len(items)
        crash_point("notify.recorded")
        self.statistics.note_success(len(items))
        for item in items:
            self._again.note(item.partition, item.alert)
            self._membership.end(item.partition, item.offset)

    async def _not_told(self, group: Group, items: list[Item], outcome: Outcome, error: DeliveryError) -> None:
        # One bad alert must not take the others of its message with it: each is tried alone before it is given up.
        alone = len(items) if error.status_code in _BAD_CONTENT and len(items) > 1 else 0
        given_up = [item for item in items if not alone and (error.permanent or self._is_spent(item))]
        gone = set(map(id, given_up))
        again = [item for item in items if id(item) not in gone]
        await self._recorder.write(again, outcome)
        await self._give_up(given_up, outcome)
        now_s = self._clock.monotonic_s()
        self.statistics.note_failure(len(again), len(given_up), outcome.error or "", now_s)
        pause_s = 0.0 if alone else self._pause_s(group.failures + 1, error)
        group.alone = max(group.alone, alone)
        _log.warning(
            "alerts were not delivered",
            channel=self._channel.name,
            again=len(again),
            given_up=len(given_up),
            pause_s=round(pause_s, 3),
            error=outcome.error,
        )
        self._in_hand.postpone(group, given_up, now_s + (pause_s if again else 0.0))

    def _is_spent(self, item: Item) -> bool:
        retry = self._settings.retry
        too_often = retry.attempts is not None and item.attempts >= retry.attempts
        return too_often or self._clock.now_s() - item.timestamp_ms / 1000 > retry.give_up_after_s

    def _pause_s(self, failures: int, error: DeliveryError) -> float:
        """Exponential, with jitter from a half to the whole; what the receiver asks for holds for all its alerts."""
        pause_s = self._settings.retry.pause_s(failures) * random.uniform(0.5, 1.0)  # noqa: S311  # no secret hangs on it
        if error.retry_after_s is not None:
            self._rest_until_s = max(self._rest_until_s, self._clock.monotonic_s() + error.retry_after_s)
            return max(pause_s, error.retry_after_s)
        return pause_s

    async def _give_up(self, items: Sequence[Item], outcome: Outcome) -> None:
        detail = f"channel {outcome.channel}: {outcome.error}"
        topic = self._membership.topic
        await self._recorder.bury(
            DeadLetter(topic, item.partition, item.offset, item.timestamp_ms, item.raw, "undeliverable", detail)
            for item in items
        )
        await self._recorder.write(items, replace(outcome, outcome="dead"))
        for item in items:
            self._membership.end(item.partition, item.offset)

    def _outcome(self, outcome: str, **more: object) -> Outcome:
        return Outcome(self._channel.name, self._channel.kind, outcome, **more)  # type: ignore[arg-type]  # fields by name
