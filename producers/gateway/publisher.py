"""From requests to acknowledgements: one producer, bounded memory, a quick no while the broker is away."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from producers.gateway.lane import ROUND_ROWS, Lane, Undelivered
from producers.gateway.lot import Lot, Receipt
from producers.gateway.patience import Patience
from producers.gateway.sessions import Session
from producers.sdk.encode import Record
from producers.sdk.link import BrokerLink

BULK_ROWS = 64
"""Requests with more rows of a topic go through a lane of their own, so that beats do not queue behind them."""


@dataclass(frozen=True, slots=True)
class PublisherConfig:
    """`collect_s`: how long a batch collects. `give_up_s`: how long a request waits for its acknowledgement.
    `stalled_after_s`: a batch that takes longer means that the broker is away. The other fields are the link's."""

    bootstrap: str
    collect_s: float = 0.001
    give_up_s: float = 8.0
    stalled_after_s: float = 1.5
    max_waiting_bytes: int = 64 * 1024 * 1024
    request_timeout_s: float = 5.0
    slow_after_s: float = 1.0
    retry_max_s: float = 1.0


class Unavailable(Exception):  # noqa: N818  # an answer to a client, not a fault
    """No event can be taken now; try again after `retry_after_s`."""

    def __init__(self, detail: str, retry_after_s: int = 2) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(detail)


@dataclass(slots=True)
class Parcel:
    """Rows of one topic; `sessions`: whose number each carries, empty where the gateway gave none."""

    topic: str
    rows: list[Record]
    sessions: list[Session]

    def add(self, row: Record, session: Session | None = None) -> None:
        """One more row."""
        self.rows.append(row)
        if session is not None:
            self.sessions.append(session)

    def lots(self) -> Iterator[tuple[Sequence[Record], Sequence[Session]]]:
        """The rows in pieces of at most `ROUND_ROWS`."""
        for at in range(0, len(self.rows), ROUND_ROWS):
            yield self.rows[at : at + ROUND_ROWS], self.sessions[at : at + ROUND_ROWS]


class Publisher:
    """Publishes rows and waits for the broker; `run` must be running."""

    def __init__(self, config: PublisherConfig) -> None:
        self.config = config
        self.link = BrokerLink(config)
        self._patience = Patience(config.give_up_s)
        self._lanes: dict[tuple[str, bool], Lane] = {}
        self._running: dict[Lane, asyncio.Task[None]] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self.waiting_bytes = 0
        self.acknowledged_rows = 0
        self.published: Counter[str] = Counter()
        """Acknowledged rows by topic, of those that carry a number of this gateway."""
        self.dropped_rows = 0

    async def run(self) -> None:
        """Keep connected and send, until cancelled."""
        try:
            await self.link.run()
        finally:
            for task in self._running.values():
                task.cancel()
            if self._running:
                await asyncio.wait(self._running.values())

    def trouble(self) -> str | None:
        """Why nothing can be published now; None where it can."""
        if self.link.away or not self.link.ready.is_set():
            return "the broker does not answer"
        sending = [lane.sending_since_s for lane in self._lanes.values() if lane.sending_since_s is not None]
        if sending and asyncio.get_running_loop().time() - min(sending) > self.config.stalled_after_s:
            return "the broker does not acknowledge"
        return None

    def admit(self) -> None:
        """Raises `Unavailable` where a request would only wait in vain, before it has cost anything."""
        if (why := self.trouble()) is not None:
            raise Unavailable(why)
        if self.waiting_bytes > self.config.max_waiting_bytes:
            raise Unavailable("more events wait for the broker than memory is set aside for", 1)

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        """Return when the broker has acknowledged all rows.

        Raises `Unavailable` after `give_up_s`; then some rows may have arrived. Raises `Undelivered` for what the
        broker refuses. Rows of a caller that is cancelled are dropped unless they are on their way already.
        """
        pieces = [(parcel, *piece) for parcel in parcels for piece in parcel.lots()]
        if not pieces:
            return
        receipt = Receipt(len(pieces))
        for parcel, rows, sessions in pieces:
            lot = Lot(parcel.topic, rows, sessions, receipt)
            self.waiting_bytes += lot.size_bytes
            self._idle.clear()
            self._lane(parcel.topic, bulk=len(parcel.rows) > BULK_ROWS).put(lot)
        await self._wait(receipt)

    async def _wait(self, receipt: Receipt) -> None:
        try:
            await self._patience.wait(receipt)
        except TimeoutError:
            raise Unavailable("the broker has not acknowledged in time; some of it may have arrived") from None
        except Undelivered as error:
            if error.final:
                raise
            raise Unavailable(str(error)) from error
        finally:
            receipt.given_up = True

    def _lane(self, topic: str, *, bulk: bool) -> Lane:
        lane = self._lanes.get((topic, bulk))
        if lane is None:
            lane = self._lanes[topic, bulk] = Lane(topic, self.link, self.config.collect_s, self._settled)
            self._running[lane] = asyncio.create_task(lane.run(), name=f"lane {topic}")
        return lane

    def _settled(self, lot: Lot, acknowledged: bool) -> None:
        self.waiting_bytes -= lot.size_bytes
        if not self.waiting_bytes:
            self._idle.set()
        if acknowledged:
            self.acknowledged_rows += len(lot.rows)
            self.published[lot.topic] += len(lot.sessions)
        else:
            self.dropped_rows += len(lot.rows)

    async def drain(self, deadline_s: float) -> bool:
        """Wait until nothing waits, at most `deadline_s`; whether that is so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                await self._idle.wait()
        return not self.waiting_bytes

    def statistics(self) -> Mapping[str, float]:
        """Numbers by name, as `infra.health` wants them."""
        return {
            "waiting_bytes": self.waiting_bytes,
            "acknowledged_total": self.acknowledged_rows,
            "dropped_total": self.dropped_rows,
        }
