"""E-mail, Slack, Teams, Telegram and more through Apprise, in a thread with a deadline.

Apprise connects by itself, with sockets of Python: an audit hook checks the address of every connection that such a
thread makes, so names that resolve anew and redirects cannot get around it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from typing import Any

from apprise import Apprise, AppriseAsset, NotifyBase, NotifyFormat, NotifyType

from infra.runtime.clock import Clock
from infra.runtime.text import printable
from sinks.notify import words
from sinks.notify.addresses import BlockedAddressError, check
from sinks.notify.alert import Alert
from sinks.notify.channel import DeliveryError, Notification, RefusedError
from sinks.notify.settings import AppriseSettings

_BUSY_MOST = 4
_PARAGRAPHS_MOST, _NAMES_MOST = 20, 3
_guarded = threading.local()


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and getattr(_guarded, "on", False):
        address = arguments[1]
        try:
            check(str(address[0]) if isinstance(address, tuple) else "")
        except BlockedAddressError as error:
            _guarded.blocked = True
            # Of this family libraries expect failures to connect, and close their sockets.
            raise PermissionError(str(error)) from error


class _Hook:
    """Hooks stay for the life of a process: one is enough."""

    installed = False

    @classmethod
    def install(cls) -> None:
        if not cls.installed:
            sys.addaudithook(_audit)
            cls.installed = True


_TYPES = {"critical": NotifyType.FAILURE, "warning": NotifyType.WARNING, "info": NotifyType.INFO}


def title(alerts: list[Alert]) -> str:
    """What stands above the message: one alert's words, or how many there are and of what."""
    if len(alerts) == 1:
        return words.title(alerts[0])
    firing = sum(not alert.resolved for alert in alerts)
    names = sorted({alert.name for alert in alerts})
    of_what = printable(", ".join(names[:_NAMES_MOST])) + (" and others" if len(names) > _NAMES_MOST else "")
    return f"[fleetpulse] {firing} firing, {len(alerts) - firing} resolved: {of_what}"


def body(alerts: list[Alert], now_s: float) -> str:
    """A paragraph an alert, the gravest that fire first; after the first twenty only how many more there are."""
    ordered = sorted(alerts, key=lambda alert: (alert.resolved, not alert.at_least("critical"), alert.starts_at))
    more = len(alerts) - _PARAGRAPHS_MOST
    told = [words.paragraph(alert, now_s) for alert in ordered[:_PARAGRAPHS_MOST]]
    return "\n\n".join([*told, *([f"and {more} more: fleetpulse alerts list"] if more > 0 else [])])


def _type(alerts: list[Alert]) -> NotifyType:
    if all(alert.resolved for alert in alerts):
        return NotifyType.SUCCESS
    worst = "critical" if any(a.at_least("critical") for a in alerts) else "warning"
    return _TYPES[worst if any(a.at_least("warning") for a in alerts) else "info"]


class AppriseChannel:
    """All URLs of a channel are told one after the other up to the first that fails; then all are told again."""

    kind = "apprise"

    def __init__(self, settings: AppriseSettings, clock: Clock) -> None:
        """Raises `RefusedError` for a URL that Apprise does not know."""
        self.name = settings.name
        self._clock = clock
        self._guard = not settings.allow_private
        self._timeout_s = settings.timeout_s
        self._busy = threading.Semaphore(_BUSY_MOST)
        # It logs URLs and what servers say.
        logging.getLogger("apprise").disabled = True
        self._apprise = Apprise(asset=AppriseAsset(async_mode=False, secure_logging=True, storage_mode="memory"))
        for position, url in enumerate(settings.urls):
            if not self._apprise.add(url.get_secret_value()):
                raise RefusedError(f"urls, number {position + 1}, is no URL that Apprise knows")
        if self._guard:
            _Hook.install()

    async def deliver(self, notification: Notification) -> int | None:
        """Raises `DeliveryError`: refused, no answer in time, or too many calls that never ended."""
        alerts = notification.latest()
        if not self._busy.acquire(blocking=False):
            raise DeliveryError(f"{_BUSY_MOST} earlier calls have not ended yet")
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[str] = loop.create_future()
        # A daemon: a call that hangs must not keep the process from ending.
        threading.Thread(target=self._tell, args=(alerts, loop, ended), daemon=True, name=f"notify-{self.name}").start()
        try:
            async with asyncio.timeout(self._timeout_s):
                outcome = await ended
        except TimeoutError:
            raise DeliveryError(f"no answer within {self._timeout_s:g} s") from None
        if outcome == "blocked":
            raise RefusedError("the address is private; allow_private: true would allow it")
        if outcome != "delivered":
            raise DeliveryError(outcome)
        return None

    def _tell(self, alerts: list[Alert], loop: asyncio.AbstractEventLoop, ended: asyncio.Future[str]) -> None:
        _guarded.on, _guarded.blocked = self._guard, False
        try:
            # Not through Apprise.notify: its pool's threads would escape the guard, and hold up the end of the process.
            taken = all(self._tell_service(service, alerts) for service in self._apprise)
            outcome = "delivered" if taken else "the service did not take it"
        except Exception as error:  # noqa: BLE001  # whatever a plug-in raises is a failed attempt, told without its text
            outcome = f"the service failed: {type(error).__name__}"
        finally:
            self._busy.release()
        self._report("blocked" if _guarded.blocked else outcome, loop, ended)

    def _tell_service(self, service: NotifyBase, alerts: list[Alert]) -> bool:
        return bool(
            service.notify(
                body=body(alerts, self._clock.now_s()),
                title=title(alerts),
                notify_type=_type(alerts),
                body_format=NotifyFormat.TEXT,
            )
        )

    @staticmethod
    def _report(outcome: str, loop: asyncio.AbstractEventLoop, ended: asyncio.Future[str]) -> None:
        def settle() -> None:
            if not ended.done():
                ended.set_result(outcome)

        if not loop.is_closed():
            loop.call_soon_threadsafe(settle)

    async def close(self) -> None:
        """Nothing is kept open."""
