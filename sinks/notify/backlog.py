"""Old alerts at a cold start: nobody is flooded with what is long over.

While a partition is read from far behind, alerts older than a bound are held back. One that ended in the same backlog
is only recorded. What still fires at its end, and the end of what was told before, is told, all in one group.
"""

from __future__ import annotations

from sinks.notify.in_hand import Item

GROUP = "backlog"


class Backlog:
    """Old items of one partition. Pure."""

    def __init__(self) -> None:
        self._last: dict[str, Item] = {}
        self._began_here: set[str] = set()

    def __len__(self) -> int:
        return len(self._last)

    def add(self, item: Item) -> list[Item]:
        """Hold it back; what need not be told any more because of it."""
        fingerprint = item.alert.fingerprint
        before = self._last.pop(fingerprint, None)
        over = [before] if before is not None else []
        if not item.alert.resolved:
            self._began_here.add(fingerprint)
        elif fingerprint in self._began_here:
            self._began_here.discard(fingerprint)
            return [*over, item]
        self._last[fingerprint] = item
        return over

    def flush(self) -> list[Item]:
        """What is to be told after all, oldest first."""
        found = sorted(self._last.values(), key=lambda item: item.offset)
        self._last.clear()
        self._began_here.clear()
        return found
