"""Times must not depend on the size of the batch that they came in: operator state is compared to the last bit."""

from __future__ import annotations

import numpy as np
import polars as pl

from streams.operators.heartbeat import beats_of
from streams.operators.times import seconds_or_nan

_MICROS = 1_795_000_000_000_000 + np.random.default_rng(0).integers(0, 10**12, 257)


def _frame(micros: list[int | None]) -> pl.DataFrame:
    times = pl.Series(micros, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
    return pl.DataFrame(
        {
            "timestamp": pl.Series(_MICROS[: len(micros)]).cast(pl.Datetime("us", "UTC")),
            "next_beat_by": times,
            "interval_s": pl.Series([None] * len(micros), dtype=pl.Float64),
            "progress": pl.Series([None] * len(micros), dtype=pl.Int64),
            "status": ["healthy"] * len(micros),
        }
    )


def test_one_at_a_time_equals_all_together() -> None:
    frame = _frame([None, *_MICROS[1:].tolist()])
    together = beats_of(frame)
    for row in range(frame.height):
        alone = beats_of(frame[row : row + 1])
        assert alone.event_time_s[0] == together.event_time_s[row] == _MICROS[row] / 1e6
        assert np.array_equal(alone.next_beat_by_s[0], together.next_beat_by_s[row], equal_nan=True)


def test_null_is_nan() -> None:
    assert np.isnan(seconds_or_nan(_frame([None])["next_beat_by"])).all()
