"""What `fleetpulse notify test` sends, and what `fleetpulse notify channels` shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from infra.runtime.clock import Clock
from sinks.notify.alert import Alert
from sinks.notify.channel import Channel, DeliveryError, Notification
from sinks.notify.redact import Redactor, show_url
from sinks.notify.settings import AnyChannel, AppriseSettings, ChannelSettings, ConsoleSettings, JsonSettings


@dataclass(frozen=True)
class Trial:
    """How a test alert fared: delivered or failed."""

    channel: str
    kind: str
    outcome: str
    duration_s: float
    status_code: int | None = None
    error: str | None = None


def make_test_alert(now_s: float) -> Alert:
    """An alert that says of itself that it is none."""
    return Alert(
        fingerprint=uuid4().hex,
        epoch=int(now_s * 1000),
        state="firing",
        name="fleetpulse_test",
        severity="info",
        agent_id="fleetpulse:test",
        summary="This is a test of the channel: nothing is wrong, nothing is to be done",
        starts_at=datetime.fromtimestamp(now_s, tz=UTC),
        ends_at=None,
        value=None,
        threshold=None,
        labels={"test": "true"},
        evidence={},
    )


async def give_test_alert(channel: Channel, settings: ChannelSettings, clock: Clock) -> Trial:
    """Send it and, so that nothing stays open, its end. Both have to be taken. Closes the channel."""
    alert, began_s = make_test_alert(clock.now_s()), clock.monotonic_s()
    over = replace(alert, state="resolved", ends_at=alert.starts_at, seq=1)
    status, failure = None, None
    try:
        for each in (alert, over) if settings.send_resolved else (alert,):
            status = await channel.deliver(Notification([each], "test"))
    except DeliveryError as error:
        status, failure = error.status_code, str(error)
    except OSError as error:
        failure = type(error).__name__
    finally:
        await channel.close()
    clean = None if failure is None else Redactor(settings.secrets()).clean(failure)
    took_s = round(clock.monotonic_s() - began_s, 3)
    return Trial(channel.name, channel.kind, "failed" if failure else "delivered", took_s, status, clean)


def describe(settings: AnyChannel) -> dict[str, Any]:
    """What may be shown of a channel: of URLs scheme and host, of Apprise's only the scheme."""
    return {
        "name": settings.name,
        "kind": settings.kind,
        "default": settings.default,
        "min_severity": settings.min_severity,
        "send_resolved": settings.send_resolved,
        "group_by": list(settings.group_by),
        "to": _target(settings),
    }


def _target(settings: AnyChannel) -> str:
    if isinstance(settings, ConsoleSettings | JsonSettings):
        return "standard output"
    if isinstance(settings, AppriseSettings):
        return ", ".join(f"{url.get_secret_value().partition('://')[0]}://..." for url in settings.urls)
    return show_url(settings.url.get_secret_value())
