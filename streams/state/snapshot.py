"""Snapshots as bytes: a format version, the offsets that they contain, and the raw arrays, compressed.

Layout after decompression: 4 bytes little-endian length of a JSON head, the head, then the arrays end to end. The head:
`version`, `applied` (source topic -> last offset contained), `stores` (name -> keys and array descriptions), `extra`
(operator state that is not arrays).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

FORMAT_VERSION = 2
"""2: the key says whose it is (`streams.state.epochs`), nothing else; so programs that read no such keys stop here."""
_READ = (1, FORMAT_VERSION)
_LEVEL = -3
"""Fast: most of a young state is zeros, and the rest hardly compresses."""


class SnapshotFormatError(Exception):
    """Bytes that are no snapshot, or of a version that this program does not read."""


@dataclass
class StoreSnapshot:
    """Keys and columns of one store: `columns[array][field]` has the keys' axis first."""

    keys: list[str]
    columns: Mapping[str, Mapping[str, npt.NDArray[Any]]]


@dataclass
class Snapshot:
    """One bucket of one partition. `applied`: topic -> last offset contained."""

    applied: dict[str, int]
    stores: dict[str, StoreSnapshot] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


def pack(snapshot: Snapshot) -> bytes:
    """A snapshot as compressed bytes."""
    bodies: list[bytes] = []
    stores: dict[str, Any] = {}
    for name, store in snapshot.stores.items():
        described = []
        for array, fields in store.columns.items():
            for field_name, values in fields.items():
                contiguous = np.ascontiguousarray(values)
                described.append([array, field_name, contiguous.dtype.str, list(contiguous.shape)])
                bodies.append(contiguous.tobytes())
        stores[name] = {"keys": store.keys, "arrays": described}
    head = json.dumps(
        {"version": FORMAT_VERSION, "applied": snapshot.applied, "stores": stores, "extra": snapshot.extra}
    ).encode()
    return zstandard.ZstdCompressor(level=_LEVEL).compress(struct.pack("<I", len(head)) + head + b"".join(bodies))


def unpack(raw: bytes) -> Snapshot:
    """The snapshot in these bytes. Raises `SnapshotFormatError`."""
    try:
        data = zstandard.ZstdDecompressor().decompress(raw)
        (length,) = struct.unpack_from("<I", data)
        head = json.loads(data[4 : 4 + length])
        version = head["version"]
        if version in _READ:
            return Snapshot(head["applied"], _stores(data, 4 + length, head["stores"]), head["extra"])
    except (zstandard.ZstdError, struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SnapshotFormatError(f"not a snapshot: {type(error).__name__}: {error}") from error
    raise SnapshotFormatError(f"format {version}, this program reads {' and '.join(map(str, _READ))}")


def _stores(data: bytes, position: int, described_stores: Mapping[str, Any]) -> dict[str, StoreSnapshot]:
    """The stores whose arrays lie one after the other from `position`; raises whatever does not fit."""
    stores: dict[str, StoreSnapshot] = {}
    for name, described in described_stores.items():
        columns: dict[str, dict[str, npt.NDArray[Any]]] = {}
        for array, field_name, dtype, shape in described["arrays"]:
            kind = np.dtype(dtype)
            count = int(np.prod(shape))
            columns.setdefault(array, {})[field_name] = np.frombuffer(data, kind, count, position).reshape(shape)
            position += count * kind.itemsize
        stores[name] = StoreSnapshot(described["keys"], columns)
    return stores
