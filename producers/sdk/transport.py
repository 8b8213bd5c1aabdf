"""What stands between a reporter's lanes and whoever takes its events: one interface, a Kafka link and an HTTP link."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from producers.sdk.config import ReporterConfig
    from producers.sdk.encode import Record


class BrokerAwayError(Exception):
    """The send was not acknowledged; the other side may or may not have the events."""


class TopicRefusedError(Exception):
    """The other side is there but does not take this topic, or these events; `pause_s` until it is asked again.

    `told`: the log has it already.
    """

    def __init__(self, detail: str, *, pause_s: float | None = None, told: bool = False) -> None:
        self.pause_s = 2.0 if pause_s is None else pause_s
        self.told = told
        super().__init__(detail)


class TooLargeError(Exception):
    """The other side does not take a message or batch of this size."""


class Link(Protocol):
    """A connection that mends itself.

    `ready` is set while sends may be tried. `away` is true while events had better wait on disk: from a failure, or a
    first attempt that takes longer than `slow_after_s`, until the other side answers again.
    """

    away: bool
    ready: asyncio.Event

    async def run(self) -> None:
        """Connect, and again whenever the connection is lost; until cancelled."""

    async def send(self, topic: str, records: Sequence[Record]) -> None:
        """Send and wait until all of `records` are acknowledged: durable at the broker.

        Raises `BrokerAwayError`, `TopicRefusedError`, `TooLargeError`; then none of the records counts as acknowledged,
        and some may have arrived.
        """


def make_link(config: ReporterConfig) -> Link:
    """The link that the settings name: HTTP when there is a `gateway`, else Kafka. Only that one's client is loaded."""
    if config.gateway is not None:
        from producers.sdk.http_link import HttpLink  # noqa: PLC0415  # aiokafka is not paid for over HTTP

        return HttpLink(config)
    from producers.sdk.link import BrokerLink  # noqa: PLC0415  # as above

    return BrokerLink(config, first_pause_s=config.retry_delay_s, tell_after=config.retry_attempts)
