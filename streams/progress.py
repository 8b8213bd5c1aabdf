"""What a worker has done, and whether it still does: alive means that records which are there get processed."""

from __future__ import annotations

from dataclasses import dataclass, field

from infra.runtime.clock import Clock
from infra.runtime.columnar_fetch import RecordColumns


@dataclass
class Progress:
    """Counters of one worker.

    `records` by topic; `position` (topic, partition) -> next offset; `arrived_ms` the same -> when the last processed
    record reached the broker, ms since the epoch; `last_s` monotonic seconds of the last batch.
    """

    records: dict[str, int] = field(default_factory=dict)
    position: dict[tuple[str, int], int] = field(default_factory=dict)
    arrived_ms: dict[tuple[str, int], int] = field(default_factory=dict)
    emitted: int = 0
    batches: int = 0
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

    @property
    def total(self) -> int:
        """Records processed, all topics."""
        return sum(self.records.values())


def is_stalled(lag: int, last_s: float | None, now_s: float, patience_s: float) -> bool:
    """Whether there are records to process and none was for `patience_s`; a worker that never had one has not begun.

    Consumers of Faust can die without a word (faust-streaming issues 175, 523, 640): a stalled worker exits, so that
    another takes its partitions.
    """
    return lag > 0 and last_s is not None and now_s - last_s > patience_s
