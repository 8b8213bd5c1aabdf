"""What waits for the broker: the rows of one request for one topic, and the receipt that its client waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from producers.gateway.sessions import Session
from producers.sdk.encode import Record

ROW_OVERHEAD_BYTES = 96
"""What a row costs in memory besides its bytes, about."""


class Receipt:
    """Told once, when all lots of a request have a fate; given up by the client when its time is over."""

    __slots__ = ("_lots", "future", "given_up")

    def __init__(self, lots: int) -> None:
        self._lots = lots
        self.given_up = False
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def acknowledge(self) -> None:
        """One lot was acknowledged."""
        self._lots -= 1
        if not self._lots and not self.future.done():
            self.future.set_result(None)

    def refuse(self, error: Exception) -> None:
        """One lot will not be delivered: the request has failed."""
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(slots=True, eq=False)
class Lot:
    """Rows of one topic. `sessions`: whose number each row carries; empty where the gateway gave none."""

    topic: str
    rows: Sequence[Record]
    sessions: Sequence[Session]
    receipt: Receipt
    size_bytes: int = 0

    def __post_init__(self) -> None:
        self.size_bytes = sum(len(row.value) for row in self.rows) + ROW_OVERHEAD_BYTES * len(self.rows)

    def acknowledged(self) -> None:
        """The broker has all rows."""
        for session in self.sessions:
            session.acknowledged += 1
        self.receipt.acknowledge()

    def dropped(self, error: Exception) -> None:
        """The rows are not sent again; their numbers stay holes."""
        for session in self.sessions:
            session.dropped += 1
        self.receipt.refuse(error)
