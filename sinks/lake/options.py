"""What the lake writer is told on its command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from schemas.catalogue import TOPICS


@dataclass(frozen=True)
class LakeOptions:
    """What the command line sets.

    A partition's buffer is written after `flush_interval_s`, the sooner the fuller it is: at once from `flush_rows`
    rows or `flush_bytes` on. While a round is at work buffers grow past that, up to `buffer_bytes` over all partitions.
    """

    lake: Path
    bootstrap: str
    group: str = "fleetpulse-lake"
    topics: tuple[str, ...] = tuple(TOPICS)
    flush_interval_s: float = 1.0
    flush_rows: int = 10_000
    flush_bytes: int = 32 * 1024 * 1024
    buffer_bytes: int = 256 * 1024 * 1024
    checkpoint_interval_s: float = 30.0
    progress_interval_s: float = 10.0
    compact: bool = True
    threads: int = 2
