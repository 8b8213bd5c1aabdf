"""What a stream of this transport carries, and the rule of what may be committed."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from infra.runtime.columnar_fetch import RecordColumns


@dataclass(slots=True, eq=False)
class Batch:
    """The records of one partition from one poll, and whether all that follows from them has been done.

    `ahead` is work on the bodies that was begun when they came, for example their decoding, and runs beside what is
    done with earlier batches. `finished` is set by the consumer of the stream, by nobody else: Faust acknowledges
    messages that it skips while partitions move, and counts offsets that it never saw as done (faust-streaming issue
    606). `abandoned`: the partition was taken away after the batch was handed out; it is read again, so it must not be
    applied. `generation`: the group's when the fetch began; `handed_out_s`: when, monotonic.
    """

    columns: RecordColumns
    finished: bool = False
    abandoned: bool = False
    ahead: Future[Any] | None = None
    generation: int = 0
    handed_out_s: float = 0.0

    def finish(self) -> None:
        """All that follows has been done: give the bodies back now, the commit needs only the offset."""
        self.finished = True
        self.ahead = None
        for column in (self.columns.values, self.columns.offsets, self.columns.timestamps_ms):
            column.clear()


class InFlight:
    """Batches handed out for one partition, oldest first. Pure bookkeeping, no Kafka."""

    __slots__ = ("_batches",)

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()

    def add(self, batch: Batch) -> None:
        """Remember a batch that was handed out after all the others."""
        self._batches.append(batch)

    def take_committable(self) -> int | None:
        """Drop the finished batches at the front; return the offset after the last of them, None if there is none.

        A batch that is finished behind one that is not stays: committing past it would lose the one in front.
        """
        offset: int | None = None
        while self._batches and self._batches[0].finished:
            offset = self._batches.popleft().columns.next_offset
        return offset

    def abandon(self) -> None:
        """The partition is taken away: none of the batches counts any more."""
        while self._batches:
            self._batches.popleft().abandoned = True

    @property
    def oldest_s(self) -> float | None:
        """When the first unfinished batch was handed out, monotonic; None when all are finished."""
        return next((batch.handed_out_s for batch in self._batches if not batch.finished), None)

    def __len__(self) -> int:
        return len(self._batches)
