"""When a partition's buffer is written: after an interval, the sooner the fuller it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sinks.lake.options import LakeOptions
from sinks.lake.schedule import due, due_at_s, until_due_s

OPTIONS = LakeOptions(Path("lake"), "127.0.0.1:1", flush_interval_s=2.0, flush_rows=100, flush_bytes=1000)


@dataclass
class Filled:
    rows: int = 1
    bytes: int = 0
    since_s: float = 10.0
    buffer: list[int] = field(default_factory=lambda: [1])


EMPTY = Filled(rows=0, buffer=[])


@pytest.mark.parametrize(
    ("rows", "size_bytes", "at_s"),
    [(0, 0, 12.0), (50, 0, 11.0), (0, 250, 11.5), (50, 750, 10.5), (100, 0, 10.0), (1000, 5000, 10.0)],
)
def test_a_fuller_buffer_is_due_sooner(rows: int, size_bytes: int, at_s: float) -> None:
    assert due_at_s(OPTIONS, Filled(rows, size_bytes)) == at_s


def test_nothing_is_written_before_one_is_due_and_then_all_that_soon_will_be() -> None:
    buffers = {"full": Filled(rows=100, since_s=10.0), "soon": Filled(rows=50, since_s=10.0), "new": Filled(rows=0)}
    assert due(OPTIONS, buffers, 9.9) == {}
    assert set(due(OPTIONS, buffers, 10.0)) == {"full", "soon"}
    assert set(due(OPTIONS, buffers, 12.0)) == {"full", "soon", "new"}, "fetches without rows have offsets to commit"
    assert due(OPTIONS, {"empty": EMPTY}, 99.0) == {}


def test_the_wait_is_short_enough_to_see_new_buffers() -> None:
    assert until_due_s(OPTIONS, {"a": EMPTY}, 0.0) == 0.5
    assert until_due_s(OPTIONS, {"a": Filled(rows=0)}, 11.75) == 0.25
    assert until_due_s(OPTIONS, {"a": Filled()}, 99.0) == 0.0
