"""What can be watched: a name, its health, its metrics, and who wants to hear when its health changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


class HealthStatus(IntEnum):
    """How well a component does its work, the worse the higher."""

    HEALTHY = 0
    DEGRADED = 1
    FAILED = 2


@dataclass(frozen=True, slots=True)
class Health:
    """A status and, unless it is healthy, the reason in words for a person."""

    status: HealthStatus = HealthStatus.HEALTHY
    reason: str = ""


HEALTHY = Health()
Observer = Callable[[str, Health], None]
"""Hears a component's name and its new health; must return at once and not raise."""


class MonitorableComponent(Protocol):
    """A part of a process that can be asked how it is."""

    @property
    def name(self) -> str:
        """Unique within its process."""
        ...

    def health(self) -> Health:
        """How it is now; answers at once."""
        ...

    def progress(self) -> int:
        """A counter that stands still only while work waits and none gets done."""
        ...

    def metrics(self) -> Mapping[str, float]:
        """Numbers by name; one that ends in `_total` only grows, the others are as they are."""
        ...

    def add_observer(self, observer: Observer) -> None:
        """Have `observer` called when the health changes; adding it twice is adding it once."""
        ...

    def remove_observer(self, observer: Observer) -> None:
        """The opposite; removing who is not there does nothing."""
        ...


class Component:
    """The observers of a component, for those that derive from it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._observers: list[Observer] = []

    @property
    def name(self) -> str:
        """Unique within its process."""
        return self._name

    def add_observer(self, observer: Observer) -> None:
        """Have `observer` called when the health changes."""
        if observer not in self._observers:
            self._observers.append(observer)

    def remove_observer(self, observer: Observer) -> None:
        """Do not call `observer` any more."""
        if observer in self._observers:
            self._observers.remove(observer)

    def tell(self, health: Health) -> None:
        """Tell all observers; for a component that knows when it changes. Who does not know is asked every second."""
        for observer in tuple(self._observers):
            observer(self._name, health)


@dataclass
class StallWatch:
    """Tells since when work has been waiting while none got done; times in monotonic seconds."""

    _progress: int = -1
    _since_s: float = 0.0

    def waited_s(self, lag: int, progress: int, now_s: float) -> float:
        """Look: `lag` pieces of work wait, `progress` were done so far. 0 when something was done or nothing waits."""
        if lag <= 0 or progress != self._progress:
            self._progress, self._since_s = progress, now_s
        return now_s - self._since_s


def health_of_work(waited_s: float, lag: int, patience_s: float, what: str) -> Health:
    """Degraded when `lag` pieces of work have waited for longer than `patience_s` without any being done."""
    if waited_s <= patience_s:
        return HEALTHY
    return Health(HealthStatus.DEGRADED, f"{lag} {what} wait and none was processed for {waited_s:.0f} s")
