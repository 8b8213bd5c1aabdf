"""Channels that speak HTTP natively."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from infra.runtime.clock import Clock
from sinks.notify.alert import Alert
from sinks.notify.alertmanager_body import api_alert, milder_ones, moment, webhook_body
from sinks.notify.channel import Notification
from sinks.notify.http import HttpClient
from sinks.notify.settings import AlertmanagerSettings, PagerDutySettings, WebhookSettings
from sinks.notify.signature import HEADER, sign
from sinks.notify.words import commands, value

_SUMMARY_CHARACTERS = 1_024
_DEDUP_CHARACTERS = 255
_HttpKind = WebhookSettings | PagerDutySettings | AlertmanagerSettings


def _json(body: Any) -> bytes:  # noqa: ANN401  # whatever JSON can hold
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def idempotency_key(notification: Notification) -> str:
    """The same for the same changes of the same alerts: receivers can leave out what comes twice."""
    changes = (f"{a.fingerprint}/{a.epoch}/{a.seq}/{a.state}" for a in notification.alerts)
    return hashlib.sha256("\n".join(changes).encode()).hexdigest()[:32]


class _HttpChannel:
    def __init__(self, settings: _HttpKind, clock: Clock) -> None:
        self.name = settings.name
        self.kind: str = settings.kind
        self._clock = clock
        self._url = settings.url.get_secret_value()
        self._headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
        self._headers["Content-Type"] = "application/json"
        self._headers["User-Agent"] = "fleetpulse"
        self._client = HttpClient(
            allow_private=settings.allow_private, timeout_s=settings.timeout_s, parallel=settings.parallel
        )

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()


class WebhookChannel(_HttpChannel):
    """One signed POST a notification, with Alertmanager's webhook body."""

    def __init__(self, settings: WebhookSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._secret = settings.secret.get_secret_value() if settings.secret else None

    async def deliver(self, notification: Notification) -> int | None:
        """Raises `DeliveryError`."""
        body = _json(webhook_body(self.name, notification))
        headers = self._headers | {"Idempotency-Key": idempotency_key(notification)}
        if self._secret is not None:
            headers[HEADER] = sign(self._secret, body, self._clock.now_s())
        return await self._client.post(self._url, body, headers)


class AlertmanagerChannel(_HttpChannel):
    """`POST /api/v2/alerts`; alerts that fire end by themselves when three re-sends were missed."""

    def __init__(self, settings: AlertmanagerSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._url = self._url.rstrip("/") + "/api/v2/alerts"
        self._ahead_s = 3 * settings.resend_s + settings.timeout_s

    async def deliver(self, notification: Notification) -> int | None:
        """Raises `DeliveryError`."""
        now_s = self._clock.now_s()
        alerts = [*notification.latest(), *milder_ones(notification, now_s)]
        return await self._client.post(
            self._url, _json([api_alert(alert, now_s + self._ahead_s) for alert in alerts]), self._headers
        )


_ACTIONS = {"resolved": "resolve", "acknowledged": "acknowledge"}


def pagerduty_event(routing_key: str, alert: Alert) -> dict[str, Any]:
    """One event of Events v2. One incident a firing: the epoch is in its `dedup_key`."""
    action = _ACTIONS.get(alert.state, "trigger")
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": f"{alert.fingerprint}/{alert.epoch}"[:_DEDUP_CHARACTERS],
    }
    if action == "trigger":
        event["payload"] = _payload(alert)
    return event


def _payload(alert: Alert) -> dict[str, Any]:
    severity = alert.severity if alert.severity in {"critical", "warning", "info"} else "error"
    compared = {"value": alert.value, "threshold": alert.threshold}
    # Of an anomaly or forecast the evidence's value is the metric's: it is not what the threshold is for.
    details = {**({} if "value" in alert.evidence else compared), **alert.labels, **alert.evidence}
    details |= {"measured": value(alert), "tenant": alert.user_id, **commands(alert)}
    details |= {"stands_for_alerts": alert.member_count, **_escalated_by(alert)}
    return {
        "summary": (alert.summary or alert.name)[:_SUMMARY_CHARACTERS],
        "source": alert.agent_id or "fleetpulse",
        "severity": severity,
        "timestamp": moment(alert.starts_at),
        "component": alert.name,
        "group": alert.deployment_id or "",
        "class": alert.rule_kind or "",
        "custom_details": {n: str(v) for n, v in (details | dict(alert.annotations)).items() if v not in (None, "")},
    }


def _escalated_by(alert: Alert) -> dict[str, str | None]:
    return {"escalated_by": alert.actor, "comment": alert.comment}


class PagerDutyChannel(_HttpChannel):
    """Events v2, one event an alert: the last state is enough, for PagerDuty keeps the incident."""

    def __init__(self, settings: PagerDutySettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._routing_key = settings.routing_key.get_secret_value()

    async def deliver(self, notification: Notification) -> int | None:
        """Raises `DeliveryError` at the first event that is not accepted; all are sent again, under the same keys."""
        status = None
        for alert in notification.latest():
            status = await self._client.post(self._url, _json(pagerduty_event(self._routing_key, alert)), self._headers)
        return status
