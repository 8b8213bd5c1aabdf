"""What a worker has done, and whether it still does: alive means that records which are there get processed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from infra.runtime.clock import Clock
from infra.runtime.columnar_fetch import RecordColumns


@dataclass
class Progress:
    """Counters of one worker.

    `records` by topic; `position` (topic, partition) -> next offset; `arrived_ms` the same -> when the last processed
    record reached the broker, ms since the epoch; `last_s` monotonic seconds of the last batch;
    `idle_turns` looks at the clock that found nothing to do.
    """

    records: dict[str, int] = field(default_factory=dict)
    position: dict[tuple[str, int], int] = field(default_factory=dict)
    arrived_ms: dict[tuple[str, int], int] = field(default_factory=dict)
    emitted: int = 0
    batches: int = 0
    idle_turns: int = 0
    last_s: float | None = None

    def begun(self) -> None:
        """A batch is about to be applied."""

    def processed(self, columns: RecordColumns, clock: Clock) -> None:
        """Count a finished batch."""
        self.records[columns.topic] = self.records.get(columns.topic, 0) + len(columns)
        self.position[columns.topic, columns.partition] = columns.next_offset
        self.arrived_ms[columns.topic, columns.partition] = columns.timestamps_ms[-1]
        self.batches += 1
        self.last_s = clock.monotonic_s()

    def forget(self, partitions: Collection[int]) -> None:
        """Partitions that were taken away: should they come back, they are read from somewhere else."""
        for known in (self.position, self.arrived_ms):
            for key in [key for key in known if key[1] in partitions]:
                del known[key]

    @property
    def total(self) -> int:
        """Records processed, all topics."""
        return sum(self.records.values())


class StallWatch:
    """Tells whether records have been waiting for `patience_s` while none was processed.

    Consumers of Faust can die without a word (faust-streaming issues 175, 523, 640): a stalled worker exits, so that
    another takes its partitions. A worker that was idle has the same patience from the first look that saw records.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._batches = -1
        self._since_s = 0.0

    def is_stalled(self, lag: int, batches: int, now_s: float) -> bool:
        """Look: `lag` records wait, `batches` were processed so far, `now_s` is monotonic."""
        if lag <= 0 or batches != self._batches:
            self._batches, self._since_s = batches, now_s
            return False
        return now_s - self._since_s > self._patience_s
