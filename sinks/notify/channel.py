"""Where alerts go. A channel delivers one notification or raises; retries, order and offsets are the lane's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sinks.notify.alert import Alert


@dataclass(frozen=True, slots=True)
class Notification:
    """Alerts that are told together, oldest first. `labels` are what they have in common by the channel's grouping."""

    alerts: Sequence[Alert]
    group_key: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def latest(self) -> list[Alert]:
        """The last state of each alert, in the order of their first appearance."""
        return list({alert.fingerprint: alert for alert in self.alerts}.values())


class DeliveryError(Exception):
    """A receiver did not take it; try again, not before `retry_after_s` seconds where it said so.

    The text must hold no secret and nothing that a receiver said.
    """

    permanent = False

    def __init__(self, text: str, status_code: int | None = None, retry_after_s: float | None = None) -> None:
        self.status_code = status_code
        self.retry_after_s = retry_after_s
        super().__init__(text)


class RefusedError(DeliveryError):
    """It will never be taken: trying again is of no use."""

    permanent = True


class Channel(Protocol):
    """One way to reach people or programs."""

    @property
    def name(self) -> str:
        """What receivers, logs and deliveries call it."""
        ...

    @property
    def kind(self) -> str:
        """console, json, webhook, pagerduty, alertmanager or apprise."""
        ...

    async def deliver(self, notification: Notification) -> int | None:
        """Deliver, and say the HTTP status where there is one. Raises `DeliveryError`; any other exception is retried.

        The same notification may be given twice after a crash.
        """
        ...

    async def close(self) -> None:
        """Let go of connections. Idempotent."""
        ...
