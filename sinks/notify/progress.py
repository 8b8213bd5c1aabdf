"""Which offsets of a partition are done, and up to where that lets the group commit."""

from __future__ import annotations

from collections import deque


class Progress:
    """Offsets come in order, end in any order. Holds only those at or after the first that is not done."""

    def __init__(self) -> None:
        self._order: deque[int] = deque()
        self._done: set[int] = set()
        self._known: set[int] = set()
        self._next: int | None = None
        self._committed: int | None = None

    def seen(self, offset: int) -> bool:
        """Whether it came before and the commit has not passed it: a fetch after a rebalance brings it again."""
        return offset in self._known

    def is_behind(self, offset: int) -> bool:
        """Whether it lies before what came last: the topic began anew, or a commit was refused."""
        return self._next is not None and offset < self._next

    def next_offset(self) -> int:
        """The one after the last that came."""
        return self._next or 0

    def begin(self, offset: int) -> None:
        """It came."""
        self._order.append(offset)
        self._known.add(offset)
        self._next = offset + 1

    def end(self, offset: int) -> None:
        """It is done; one that is not known (its partition went away and came back) is ignored."""
        if offset in self._known:
            self._done.add(offset)

    def committable(self) -> int | None:
        """The offset to commit, where it is another than the last one that was committed."""
        while self._order and self._order[0] in self._done:
            offset = self._order.popleft()
            self._done.remove(offset)
            self._known.remove(offset)
        at = self._order[0] if self._order else self._next
        return None if at == self._committed else at

    def committed(self, offset: int) -> None:
        """The group's position is there now."""
        self._committed = offset
