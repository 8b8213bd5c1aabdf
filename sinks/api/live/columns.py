"""Records of fleet.status and fleet.trust as columns by agent slot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from sinks.api.live.wordbook import WordBook, WordColumn

Slots = npt.NDArray[np.int32]
"""i4[n]: slot of every row."""
Array = npt.NDArray[Any]

STATUS_COLUMNS: Mapping[str, str] = {
    "timestamp": "i8", "status": "O", "previous": "O", "reason": "O", "last_beat": "i8", "deadline": "i8",
    "interval_s": "f8", "loss": "f8", "host": "O", "gateway": "O", "clock_skew_s": "f8", "deployment_id": "O",
}  # fmt: skip
"""Fields of fleet.status and their dtypes, O: text; times in microseconds since 1970, 0 = never; NaN = not known."""
TRUST_COLUMNS: Mapping[str, str] = {
    "timestamp": "i8", "trust": "f8", "p": "f8", "n": "f8", "compliant": "f8", "violating": "f8", "model": "O",
    "violations": "i8", "compliance": "f8", "reliability": "f8", "liveness": "f8", "behaviour": "f8",
    "deployment_id": "O",
}  # fmt: skip
"""Fields of fleet.trust and their dtypes."""
RECENT_COLUMNS: Mapping[str, str] = {
    "beat": "i8", "version": "O", "platform": "O", "runtime_version": "O", "governance": "f8", "policies_loaded": "f8",
    "metrics": "i8", "compliance_rate": "f8", "policy_checks": "f8",
}  # fmt: skip
"""What the newest files of the lake tell: times of the last heartbeat and report, and what they said last.
`governance`: 1 policies are evaluated, 0 they are not; `policy_checks`: of the last report that has them."""

_EMPTY: Mapping[str, Any] = {"i8": 0, "f8": np.nan}


class Columns:
    """Growing arrays of one length, texts ("O") as a `WordColumn`; `frame` (i8): number of the frame in which a slot
    changed last, 0 = never."""

    def __init__(self, kinds: Mapping[str, str], book: WordBook) -> None:
        self.kinds = kinds
        self.arrays: dict[str, Array] = {name: np.zeros(0, kind) for name, kind in kinds.items() if kind != "O"}
        self.words = {name: WordColumn(book) for name, kind in kinds.items() if kind == "O"}
        self.frame: npt.NDArray[np.int64] = np.zeros(0, np.int64)

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401  # an array of numbers, or a WordColumn
        return self.words[name] if name in self.words else self.arrays[name]

    def grow(self, size: int) -> None:
        """Have room for `size` slots at least."""
        if size <= self.frame.size:
            return
        size = max(1024, size, 2 * self.frame.size)
        for name, array in self.arrays.items():
            grown: Array = np.full(size, _EMPTY[self.kinds[name]], array.dtype)
            grown[: array.size] = array
            self.arrays[name] = grown
        for words in self.words.values():
            words.grow(size)
        self.frame = np.concatenate([self.frame, np.zeros(size - self.frame.size, np.int64)])

    def put(self, slots: Slots, values: Mapping[str, Any], frame: int) -> None:
        """Overwrite `slots`; of a slot that stands twice the later row counts."""
        for name, column in values.items():
            self[name][slots] = column
        self.frame[slots] = frame


def values_of(frame: pl.DataFrame, kinds: Mapping[str, str]) -> dict[str, Any]:
    """The columns of a decoded batch in the dtypes of `kinds`, texts as a list."""
    return {name: _values(frame[name], kind) for name, kind in kinds.items()}


def _values(column: pl.Series, kind: str) -> Array | list[str | None]:
    if kind == "O":
        return column.to_list()
    if column.dtype == pl.Datetime:
        column = column.dt.cast_time_unit("us").to_physical()
    kind_pl = pl.Int64 if kind == "i8" else pl.Float64
    return column.cast(kind_pl).fill_null(_EMPTY[kind]).to_numpy()
