"""Records that a client has encoded itself, one after another with their lengths: what the SDK's HTTP link sends.

They are checked, every one to its last byte, and forwarded as they are: session, numbers and ids are the client's.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache

import polars as pl

from infra.access import Principal
from producers.gateway.encode import schema_of
from producers.gateway.identity import Ownership, Refused, name_of
from producers.sdk.encode import Record
from schemas.catalogue import TOPICS
from schemas.columnar import decode_batch
from schemas.record import MAX_BODY_BYTES
from schemas.registry import SchemaBook

LENGTH = struct.Struct(">I")
MOST_RECORDS = 100_000
RESERVED_SESSIONS = ("gw-", "idem-")
"""Begin the sessions that gateways number; whoever could write to one could hide its events as doubles."""
_LONGEST_SESSION = 128


class UnfitFramesError(ValueError):
    """The body is no sequence of records of this topic; the text names the first that is not."""


def split_frames(body: bytes) -> list[bytes]:
    """The records of a body `[u32 big-endian length][record]...`. Raises `UnfitFramesError`."""
    found: list[bytes] = []
    at, end = 0, len(body)
    while at < end:
        if at + LENGTH.size > end:
            raise UnfitFramesError(f"record {len(found)}: the body ends within a length")
        (size,) = LENGTH.unpack_from(body, at)
        at += LENGTH.size
        if not 0 < size <= MAX_BODY_BYTES or at + size > end:
            raise UnfitFramesError(f"record {len(found)}: {size} bytes announced, {end - at} are there")
        if len(found) == MOST_RECORDS:
            raise UnfitFramesError(f"more than {MOST_RECORDS} records")
        found.append(body[at : at + size])
        at += size
    return found


@cache
def _book(topic: str) -> SchemaBook:
    schema_of(topic)
    return SchemaBook(TOPICS[topic].schema)


def checked_records(who: Principal, topic: str, values: Sequence[bytes], owners: Ownership) -> list[Record]:
    """The records with their keys, all of them in a name that `who` may use (`name_of`). Blocks; for a thread.

    Raises `Refused`, `UnfitFramesError`, `UnfitEventError` for a topic that agents do not write.
    """
    decoded = decode_batch(_book(topic), values)
    if decoded.bad:
        bad = decoded.bad[0]
        raise UnfitFramesError(f"record {bad.row}: {bad.error}, {bad.detail}"[:300])
    _judge_names(who, decoded.frame, owners)
    columns = decoded.frame.select("agent_id", pl.col("timestamp").dt.epoch("ms").alias("ms"), "seq")
    return [
        Record(agent_id.encode(), value, stamp_ms, seq)
        for value, (agent_id, stamp_ms, seq) in zip(values, columns.iter_rows(), strict=True)
    ]


def _judge_names(who: Principal, frame: pl.DataFrame, owners: Ownership) -> None:
    for agent_id, user_id in frame.select("agent_id", "user_id").unique().iter_rows():
        name_of(who, agent_id, user_id, owners)
    sessions = frame["session_id"].unique()
    if (sessions.str.len_bytes() > _LONGEST_SESSION).any():
        raise UnfitFramesError(f"a session id has at most {_LONGEST_SESSION} bytes")
    if any(sessions.str.starts_with(prefix).any() for prefix in RESERVED_SESSIONS):
        raise Refused(403, "reserved-session", f"sessions {' and '.join(RESERVED_SESSIONS)} are numbered by gateways")
