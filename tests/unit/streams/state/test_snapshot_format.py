"""Snapshots as bytes."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
import zstandard

from streams.state.snapshot import FORMAT_VERSION, Snapshot, SnapshotFormatError, StoreSnapshot, pack, unpack


def _some() -> Snapshot:
    columns = {"trust": {"good": np.array([1.5, np.nan]), "violations": np.array([3, 4])}, "empty": {}}
    return Snapshot({"fleet.metrics": 7}, {"agents": StoreSnapshot(["a", "b\x1fc"], columns)}, {"bucket": 5})


def _frame(head: object, body: bytes = b"") -> bytes:
    text = json.dumps(head).encode()
    return zstandard.compress(struct.pack("<I", len(text)) + text + body)


def test_a_round_trip_keeps_everything() -> None:
    found = unpack(pack(_some()))
    assert found.applied == {"fleet.metrics": 7}
    assert found.extra == {"bucket": 5}
    store = found.stores["agents"]
    assert store.keys == ["a", "b\x1fc"]
    np.testing.assert_array_equal(store.columns["trust"]["good"], [1.5, np.nan])
    assert store.columns["trust"]["violations"].dtype == np.int64


def _head(raw: bytes) -> dict[str, object]:
    data = zstandard.decompress(raw)
    (length,) = struct.unpack_from("<I", data)
    found: dict[str, object] = json.loads(data[4 : 4 + length])
    return found


def test_programs_from_before_the_epochs_of_owners_refuse_what_is_written_now() -> None:
    """They read version 1 alone, and would take snapshots of two epochs for two parts of one state."""
    assert _head(pack(_some()))["version"] == FORMAT_VERSION == 2


def test_what_such_a_program_wrote_is_still_read() -> None:
    found = unpack(_frame({"version": 1, "applied": {"fleet.metrics": 7}, "stores": {}, "extra": {"bucket": 5}}))
    assert found == Snapshot({"fleet.metrics": 7}, {}, {"bucket": 5})


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"garbage",
        zstandard.compress(b""),
        zstandard.compress(b"\xff\xff\xff\xff{}"),
        _frame({}),
        _frame([1]),
        _frame({"version": FORMAT_VERSION + 1, "applied": {}, "stores": {}, "extra": {}}),
        _frame({"version": FORMAT_VERSION, "applied": {}}),
        _frame({"version": FORMAT_VERSION, "applied": {}, "extra": {}, "stores": {"s": {"keys": [], "arrays": [1]}}}),
        _frame(
            {
                "version": FORMAT_VERSION,
                "applied": {},
                "extra": {},
                "stores": {"s": {"keys": ["a"], "arrays": [["x", "y", "<f8", [1]]]}},
            }
        ),
        _frame(
            {
                "version": FORMAT_VERSION,
                "applied": {},
                "extra": {},
                "stores": {"s": {"keys": ["a"], "arrays": [["x", "y", "|O", [1]]]}},
            },
            bytes(8),
        ),
        pack(_some())[:-3],
    ],
)
def test_what_is_no_snapshot_is_said_to_be_none(raw: bytes) -> None:
    with pytest.raises(SnapshotFormatError):
        unpack(raw)
