"""The partitions that this lake writer owns, and what is fetched of them but not durable."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from infra.runtime.columnar_fetch import RecordColumns
from infra.runtime.kafka import TopicPartition
from sinks.lake.writer import PartitionWriter


@dataclass
class Owned:
    """An assigned partition: its writer, and its buffer.

    `verified`: the record before the position was seen, so the broker's log is the one that the lake knows. `since_s`:
    when the buffer began, by the monotonic clock. `committed`: the offset that the group has, -1 as long as unknown.
    """

    writer: PartitionWriter
    verified: bool
    assigned_s: float
    fetched_through: int
    buffer: list[RecordColumns] = field(default_factory=list)
    sizes_bytes: list[int] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0
    since_s: float = 0.0
    committed: int = -1

    def take(self, columns: RecordColumns, now_s: float) -> None:
        """Buffer fetched records."""
        if not self.buffer:
            self.since_s = now_s
        self.buffer.append(columns)
        self.rows += len(columns)
        self.sizes_bytes.append(sum(map(len, filter(None, columns.values))))
        self.bytes += self.sizes_bytes[-1]
        self.fetched_through = columns.next_offset

    def release(self, count: int) -> None:
        """Let go of the first `count` fetches, which are durable."""
        gone = self.buffer[:count]
        del self.buffer[:count]
        self.rows -= sum(map(len, gone))
        self.bytes -= sum(self.sizes_bytes[:count])
        del self.sizes_bytes[:count]


Partitions = dict[TopicPartition, Owned]


class Holdings:
    """All owned partitions. `writing` is held while files are made; `room` is set when buffers have become smaller."""

    def __init__(self, buffer_bytes: int) -> None:
        self.partitions: Partitions = {}
        self.writing = asyncio.Lock()
        self.room = asyncio.Event()
        self._buffer_bytes = buffer_bytes
        self._before: dict[str, int] = {}

    def holds(self, tp: TopicPartition, owned: Owned) -> bool:
        """Whether a partition is owned still, and by the same assignment."""
        return self.partitions.get(tp) is owned

    def is_full(self) -> bool:
        """Whether the buffers hold all that they may."""
        return sum(owned.bytes for owned in self.partitions.values()) >= self._buffer_bytes

    async def give_up_all(self) -> None:
        """Drop every buffer; a round that is naming files ends first."""
        async with self.writing:
            self.drop_all()

    def drop_all(self) -> None:
        """Forget all partitions, but not what was done for them."""
        self._before = self.counts()
        self.partitions.clear()
        self.room.set()

    def uncommitted(self) -> Partitions:
        """Partitions that are durable beyond what the group has committed."""
        return {tp: o for tp, o in self.partitions.items() if o.writer.position.next_offset not in {0, o.committed}}

    def counts(self) -> dict[str, int]:
        """Rows, duplicates, bad messages and files since the start, over all assignments."""
        totals = dict(self._before)
        for owned in self.partitions.values():
            for name, value in vars(owned.writer.counts).items():
                totals[name] = totals.get(name, 0) + value
        return totals

    def buffered(self) -> dict[str, int]:
        """Partitions, and rows and bytes that are not durable."""
        owned = self.partitions.values()
        return {
            "partitions": len(self.partitions),
            "buffered_rows": sum(o.rows for o in owned),
            "buffered_bytes": sum(o.bytes for o in owned),
        }
