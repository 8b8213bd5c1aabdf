"""Event ids: UUIDv7 (RFC 9562) as 16 bytes, made from what an event already has, so that making one costs no entropy.

48 bits of milliseconds, then the version, the low bits of the sequence number, the variant and the session's own
random bits with the rest of the sequence number. Unique because (session, seq) is; and columns of them compress.
"""

from __future__ import annotations

import hashlib
import os

_VERSION = 7 << 76
_VARIANT = 2 << 62


def new_session_bits() -> int:
    """30 random bits that tell sessions apart within a millisecond and sequence number."""
    return int.from_bytes(os.urandom(4), "big") >> 2


def event_id(timestamp_us: int, session_bits: int, seq: int) -> bytes:
    """The id of event `seq` of a session: 16 bytes, ordered by `timestamp_us` (micros since the epoch)."""
    millis = (timestamp_us // 1000) & ((1 << 48) - 1)
    low = seq & 0xFFF
    rest = (seq >> 12) & 0xFFFF_FFFF
    return (millis << 80 | _VERSION | low << 64 | _VARIANT | session_bits << 32 | rest).to_bytes(16, "big")


def derived_id(timestamp_us: int, *parts: object) -> bytes:
    """The id of an event that follows from others: the same parts give the same id, so a replay re-emits it.

    UUIDv7 shape: milliseconds of `timestamp_us`, then 74 bits of a BLAKE2b digest of `parts`.
    """
    digest = int.from_bytes(hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=16).digest(), "big")
    millis = (timestamp_us // 1000) & ((1 << 48) - 1)
    a, b = (digest >> 64) & 0xFFF, digest & ((1 << 62) - 1)
    return (millis << 80 | _VERSION | a << 64 | _VARIANT | b).to_bytes(16, "big")
