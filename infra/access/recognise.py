"""Who shows a key."""

from __future__ import annotations

import hmac

from infra.access.directory import Entry, KeyDirectory
from infra.access.keys import LONGEST_KEY, SHAPE, hash_of
from infra.access.principal import Principal, Refusal

_NO_HASH = bytes(32)


def verify(text: str, directory: KeyDirectory, now_s: float) -> Principal | Refusal:
    """Who shows the key `text` at `now_s` (seconds since the epoch).

    Takes the same time whether the look-up part is known or not, and wherever the secrets differ.
    """
    if not directory.ready.is_set():
        return Refusal("not_ready")
    found = SHAPE.fullmatch(text) if len(text) <= LONGEST_KEY else None
    if found is None:
        return Refusal("malformed")
    entry = directory.entry(found[2])
    same = hmac.compare_digest(hash_of(directory.secret, text), _NO_HASH if entry is None else entry.hash)
    if entry is None:
        return Refusal("unknown", found[2])
    if (reason := _refused(entry, same=same, letter=found[1], now_s=now_s)) is not None:
        return Refusal(reason, found[2])
    directory.used(found[2], now_s)
    return entry.principal


def _refused(entry: Entry, *, same: bool, letter: str, now_s: float) -> str | None:
    """Why a key is refused whose look-up part is known; None: it is not."""
    if not entry.other_secret and (not same or letter != entry.letter):
        return "mismatch"
    return ended(entry, now_s)


def ended(entry: Entry, now_s: float) -> str | None:
    """Why nobody stands for a key any more at `now_s`; None: somebody does."""
    if entry.other_secret:
        return "other_secret"
    if now_s >= entry.revoked_s:
        return "revoked"
    return "expired" if now_s >= entry.expires_s else None
