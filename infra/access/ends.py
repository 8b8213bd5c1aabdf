"""When keys end: the earliest that was ever said counts, so that an old record brings no key back."""

from __future__ import annotations

from datetime import datetime

from infra.access.keys import KeyRecord


class Ends:
    """By look-up part, of sealed records alone: as many as there are keys that end."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[datetime | None, datetime | None]] = {}

    def kept(self, record: KeyRecord) -> KeyRecord:
        """The record with the earliest end that is known, which its own may be, and which is known from now on.

        Where that is another than its own, its seal does not fit any more: it is for looking at.
        """
        revoked, expires = self._known.get(record.lookup, (None, None))
        revoked, expires = _earlier(revoked, record.revoked), _earlier(expires, record.expires)
        if (revoked, expires) == (None, None):
            return record
        self._known[record.lookup] = (revoked, expires)
        if (revoked, expires) == (record.revoked, record.expires):
            return record
        return record.model_copy(update={"revoked": revoked, "expires": expires})

    def covers(self, record: KeyRecord) -> bool:
        """Whether the key of the record ends no earlier by the record than by what is known."""
        revoked, expires = self._known.get(record.lookup, (None, None))
        earliest = (_earlier(revoked, record.revoked), _earlier(expires, record.expires))
        return earliest == (revoked, expires)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((each for each in (one, other) if each is not None), default=None)
