"""Whether a log is still the one that was read: a broker may come back with other logs under the same names."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from infra.runtime.columnar_fetch import RecordColumns, fetch_columns
from infra.runtime.kafka import TopicPartition, consumer

_SUSPECT_AFTER = 3
_ANSWER_WITHIN_S = 5.0


class AnotherLogError(Exception):
    """What was read is not of the log that the broker has now."""


@dataclass(slots=True)
class _Anchor:
    """The first record of what was fetched last; `seen`: it came again since the connection was made."""

    offset: int
    timestamp_ms: int
    seen: bool = True


class SameLog:
    """Looked at once a second. After a new connection what was fetched last is fetched again: it has to be the same.

    On one connection, Kafka sends a consumer that is past the end to the beginning; Tansu answers nothing. An end
    before the position is no proof: Tansu tells as the end the first offset of the last batch, and one. So that batch
    is read, when this goes on: of the log that was read, it goes up to the position.
    """

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._anchors: dict[TopicPartition, _Anchor] = {}
        self._read: Mapping[TopicPartition, int] = {}
        self._suspected: dict[TopicPartition, int] = {}
        self._known: dict[TopicPartition, tuple[int, int]] = {}

    def connected(self) -> dict[TopicPartition, int]:
        """A new connection: where it goes on reading."""
        self._read = {}
        for anchor in self._anchors.values():
            anchor.seen = False
        return {tp: anchor.offset for tp, anchor in self._anchors.items()}

    def arrived(self, tp: TopicPartition, columns: RecordColumns) -> None:
        """Records came. Raises `AnotherLogError` where they are not those that were there before."""
        anchor = self._anchors.get(tp)
        first = columns.first_offset, columns.timestamps_ms[0]
        if anchor is not None and not anchor.seen and first != (anchor.offset, anchor.timestamp_ms):
            raise AnotherLogError(f"{_name(tp)} holds other records than before")
        self._anchors[tp] = _Anchor(*first)

    async def check(self, read: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> None:
        """`read`: positions, `ends`: asked for after them. Raises `AnotherLogError`, `KafkaError`."""
        for tp, position in read.items():
            anchor = self._anchors.get(tp)
            if anchor is not None and not anchor.seen and ends[tp] <= anchor.offset:
                raise AnotherLogError(f"{_name(tp)} ends at {ends[tp]}, before what was read of it")
            if position < self._read.get(tp, 0):
                raise AnotherLogError(f"{_name(tp)} was read from its beginning again")
            await self._check_end(tp, position, ends[tp])
        self._read = dict(read)

    async def _check_end(self, tp: TopicPartition, position: int, end: int) -> None:
        if position <= end or self._known.get(tp) == (position, end):
            self._suspected.pop(tp, None)
            return
        self._suspected[tp] = self._suspected.get(tp, 0) + 1 if self._read.get(tp) == position else 1
        if self._suspected[tp] < _SUSPECT_AFTER:
            return
        last = await self._last_offset(tp, end) if end else -1
        if last is None:
            return  # no answer is no proof either: asked again with the next look
        if last < position - 1:
            raise AnotherLogError(f"{_name(tp)} ends at {last + 1}, before what was read of it")
        self._known[tp] = (position, end)

    async def _last_offset(self, tp: TopicPartition, end: int) -> int | None:
        client = consumer(self._bootstrap)
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                await client.start()
            client.assign([tp])
            client.seek(tp, end - 1)
            found = await fetch_columns(client, timeout_s=_ANSWER_WITHIN_S)
            return max((columns.last_offset for columns in found.values()), default=None)
        finally:
            await client.stop()


def _name(tp: TopicPartition) -> str:
    return f"{tp.topic}/{tp.partition}"
