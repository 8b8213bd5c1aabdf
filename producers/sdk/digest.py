"""Digests of a tool's arguments: equal arguments, equal digest, and nothing of them to be read or guessed from it."""

from __future__ import annotations

import hashlib
import itertools
import os
from typing import Any

_MOST_PARTS = 10_000
_MOST_TEXT_CHARS = 65_536
_MOST_DEPTH = 32


class ArgumentDigest:
    """Keyed with random bytes of its own: the digest of a short secret (a card number) cannot be found by trying all.

    So digests are comparable within one reporter, which is what finding repeated calls needs.
    """

    def __init__(self) -> None:
        self._key = os.urandom(16)

    def of(self, arguments: object) -> str:
        """32 hex digits. Containers and plain values count by value, any other object by its type alone.

        Bounded: of long texts the first 65,536 characters and the length count, of large structures 10,000 parts.
        """
        hasher = hashlib.blake2b(key=self._key, digest_size=16)
        left = [_MOST_PARTS]
        hasher.update(repr(_plain(arguments, left, 0)).encode("utf-8", "surrogatepass"))
        return hasher.hexdigest()


def _plain(value: Any, left: list[int], depth: int) -> object:  # noqa: ANN401  # whatever a tool is called with
    """A value without addresses in its repr and without order where it has none; `left`: parts that may still come."""
    left[0] -= 1
    if left[0] < 0 or depth > _MOST_DEPTH:
        return "..."
    kind = type(value)
    if value is None or kind in {bool, int, float}:
        return value
    if kind in {str, bytes}:
        return value if len(value) <= _MOST_TEXT_CHARS else (value[:_MOST_TEXT_CHARS], len(value))
    if kind in {list, tuple, dict, set, frozenset}:
        return _plain_container(value, left, depth + 1)
    return (kind.__module__, kind.__qualname__)


def _plain_container(value: Any, left: list[int], depth: int) -> object:  # noqa: ANN401  # as above
    parts = itertools.islice(value.items() if isinstance(value, dict) else value, max(left[0], 0))
    if isinstance(value, dict):
        named = [(repr(_plain(name, left, depth)), _plain(part, left, depth)) for name, part in parts]
        return ("dict", sorted(named, key=lambda pair: pair[0]))
    plain = [_plain(part, left, depth) for part in parts]
    return plain if isinstance(value, list | tuple) else ("set", sorted(map(repr, plain)))
