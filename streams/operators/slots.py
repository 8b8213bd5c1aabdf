"""String keys to dense integer slots, so that everything after works on arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

Slots = npt.NDArray[np.int32]
"""i4[n]: slot of every row; -1 = unknown key (only from `lookup`)."""

UNKNOWN = -1


class KeySlots:
    """A growing dictionary of string keys; slots count up from 0 in the order in which keys were first assigned.

    Polars turns the strings of a batch into the codes of a category namespace that belongs to this object (about 30 ns
    a row), and `_slot_of_code` (i4[codes]) turns codes into slots. Codes are Polars' own business and depend on what
    was looked up; slots depend only on the order of `assign`, so they can stand in snapshots.
    """

    def __init__(self) -> None:
        self.keys: list[str] = []
        """Key of every slot."""
        self._dtype = pl.Categorical(pl.Categories.random("fleetpulse"))
        # Polars forgets the codes of a namespace with its last series, and begins again at 0: keep one series alive.
        self._anchor = pl.Series(["anchor"], dtype=self._dtype)
        self._slot_of_code: Slots = np.full(1024, UNKNOWN, np.int32)

    def __len__(self) -> int:
        return len(self.keys)

    def assign(self, keys: pl.Series) -> Slots:
        """Slots of `keys` (String[n], no nulls); a new key gets the next slot. Returns i4[n]."""
        codes = self._codes(keys)
        slots = self._slot_of_code[codes]
        if (slots < 0).any():
            self._add(codes[slots < 0], keys.filter(pl.Series(slots < 0)))
            slots = self._slot_of_code[codes]
        return slots

    def lookup(self, keys: pl.Series) -> Slots:
        """Slots of `keys` (String[n], no nulls), -1 where a key was never assigned. Returns i4[n]."""
        return self._slot_of_code[self._codes(keys)]

    def _codes(self, keys: pl.Series) -> npt.NDArray[np.uint32]:
        codes: npt.NDArray[np.uint32] = keys.cast(self._dtype).to_physical().to_numpy()
        if codes.size and (highest := int(codes.max())) >= self._slot_of_code.size:
            grown = np.full(max(highest + 1, 2 * self._slot_of_code.size), UNKNOWN, np.int32)
            grown[: self._slot_of_code.size] = self._slot_of_code
            self._slot_of_code = grown
        return codes

    def _add(self, codes: npt.NDArray[np.uint32], keys: pl.Series) -> None:
        """Give slots to unknown keys in the order of their first row."""
        fresh, first = np.unique(codes, return_index=True)
        order = np.argsort(first)
        self._slot_of_code[fresh[order]] = np.arange(len(self.keys), len(self.keys) + fresh.size, dtype=np.int32)
        self.keys.extend(keys.gather(first[order]).to_list())
