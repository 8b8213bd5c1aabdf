"""Which alerts fire, for channels that want to be told again while they do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from infra.runtime.measured import NEEDED
from sinks.notify.alert import Alert


class Firing:
    """By partition, so that what another notifier takes over is forgotten here."""

    def __init__(self) -> None:
        self._by_partition: dict[int, dict[str, Alert]] = {}
        self._news: set[str] | None = None

    def note(self, partition: int, alert: Alert) -> None:
        """Remember its state: told of now, or that nobody is to be told of it any more."""
        if self._news is not None:
            self._news.add(alert.fingerprint)
        self._set(partition, alert)

    def _set(self, partition: int, alert: Alert) -> None:
        known = self._by_partition.setdefault(partition, {})
        if alert.resolved:
            known.pop(alert.fingerprint, None)
        elif alert.suppressed_by is None:
            # What explains it is not identity, and it may be kept for days; what was measured is told each time.
            evidence = {name: text for name, text in alert.evidence.items() if name in NEEDED}
            known[alert.fingerprint] = replace(alert, members=(), evidence=evidence)
        elif not alert.suppressed_by.startswith("acknowledged"):
            known.pop(alert.fingerprint, None)

    def forget(self, partition: int) -> None:
        """Another notifier tells of it now."""
        self._by_partition.pop(partition, None)

    @contextlib.contextmanager
    def learning(self) -> Iterator[None]:
        """While the past is read, news comes too, and wins."""
        self._news = set()
        try:
            yield
        finally:
            self._news = None

    def learn(self, partition: int, alert: Alert) -> None:
        """Remember a state of the past."""
        if self._news is None or alert.fingerprint not in self._news:
            self._set(partition, alert)

    def alerts(self) -> list[Alert]:
        """All that fire."""
        return [alert for known in self._by_partition.values() for alert in known.values()]
