"""Alerts that a lane has fetched and not told yet, in the groups that they are told in.

One message of a group is under way at a time, so the states of an alert are told in their order; groups do not wait
for each other. Pure: time is an argument, seconds of a clock that never goes back.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from sinks.notify.alert import Alert


@dataclass(slots=True, eq=False)
class Item:
    """An alert with where it came from. `timestamp_ms` is Kafka's, `attempts` how often it was tried."""

    partition: int
    offset: int
    timestamp_ms: int
    raw: bytes
    alert: Alert
    attempts: int = 0


@dataclass(slots=True, eq=False)
class Group:
    """Items that share a key, oldest first; the first `taken` are under way, the first `alone` are told one by one."""

    key: str
    labels: dict[str, str]
    due_s: float
    items: deque[Item] = field(default_factory=deque)
    taken: int = 0
    failures: int = 0
    alone: int = 0


class InHand:
    """All groups of a lane."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}
        self._heap: list[tuple[float, int, Group]] = []
        self._count = 0
        self._pushed = 0

    def __len__(self) -> int:
        """Items that are not settled."""
        return self._count

    def add(self, item: Item, key: str, labels: dict[str, str], due_s: float) -> None:
        """Put an item to its group; a new group is due at `due_s`."""
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(key, labels, due_s)
            self._push(group)
        group.items.append(item)
        self._count += 1

    def next_due_s(self) -> float | None:
        """When the next group wants to be told; None while none waits."""
        while self._heap and not self._waits(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now_s: float, most: int) -> tuple[Group, list[Item]] | None:
        """The group that has been due for longest and its oldest items, now under way; None where none is due."""
        due_s = self.next_due_s()
        if due_s is None or due_s > now_s:
            return None
        group = heapq.heappop(self._heap)[2]
        group.taken = min(1 if group.alone else most, len(group.items))
        return group, list(group.items)[: group.taken]

    def settle(self, group: Group, now_s: float) -> None:
        """What was under way is done. The rest of the group is due at once."""
        for _ in range(group.taken):
            group.items.popleft()
        self._count -= group.taken
        group.alone = max(0, group.alone - group.taken)
        group.taken = group.failures = 0
        self._go_on(group, now_s)

    def postpone(self, group: Group, given_up: Iterable[Item], due_s: float) -> None:
        """What was under way failed: all but `given_up` stays in its place and is tried again at `due_s`."""
        gone = set(map(id, given_up))
        kept = deque(item for item in group.items if id(item) not in gone)
        self._count -= len(group.items) - len(kept)
        group.alone = max(0, group.alone - (len(group.items) - len(kept)))
        group.items, group.taken = kept, 0
        group.failures = group.failures + 1 if kept else 0
        self._go_on(group, due_s)

    def forget(self, partition: int) -> None:
        """The partition belongs to another notifier now. What is under way is let end, and counts for nobody."""
        for group in list(self._groups.values()):
            under_way = list(group.items)[: group.taken]
            rest = [item for item in list(group.items)[group.taken :] if item.partition != partition]
            self._count -= len(group.items) - len(under_way) - len(rest)
            group.items = deque([*under_way, *rest])
            if not group.items:
                del self._groups[group.key]

    def _go_on(self, group: Group, due_s: float) -> None:
        if group.items:
            group.due_s = due_s
            self._push(group)
        elif self._groups.get(group.key) is group:
            del self._groups[group.key]

    def _push(self, group: Group) -> None:
        self._pushed += 1
        heapq.heappush(self._heap, (group.due_s, self._pushed, group))

    def _waits(self, entry: tuple[float, int, Group]) -> bool:
        due_s, _, group = entry
        return self._groups.get(group.key) is group and not group.taken and bool(group.items) and group.due_s == due_s
