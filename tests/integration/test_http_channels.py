"""Channels that speak HTTP against receivers that fail in every way (faults 43, 52)."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from notify_world import (
    Answer,
    dribbles,
    endless,
    garbage,
    hangs_up,
    never_reads,
    receiver,
    resets,
    silent,
    status,
)

from infra.runtime.clock import SystemClock
from sinks.notify.addresses import is_public
from sinks.notify.alert import Alert
from sinks.notify.channel import DeliveryError, Notification, RefusedError
from sinks.notify.http import HttpClient
from sinks.notify.settings import PagerDutySettings, WebhookSettings
from sinks.notify.try_channel import give_test_alert
from sinks.notify.webhook import PagerDutyChannel, WebhookChannel

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ALERT = Alert(
    "f" * 32, 7, "firing", "cpu_high", "critical", "agent-1", "cpu is 97", NOW, None, 97.0, 80.0,
    {"team": "platform", "bad-name!": "x"}, {"samples": "12"}, {"runbook": "https://r"}, user_id="u",
)  # fmt: skip
OVER = replace(ALERT, state="resolved", ends_at=NOW, seq=1)
SECRET = "a secret of some length"


def webhook(url: str, **more: Any) -> WebhookChannel:  # noqa: ANN401  # fields by name
    fields: dict[str, Any] = {"allow_private": True, "timeout_s": 30, "secret": SECRET} | more
    return WebhookChannel(WebhookSettings(name="ops", kind="webhook", url=url, **fields), SystemClock())


async def attempt(url: str, notification: Notification | None = None, **more: Any) -> int | None:  # noqa: ANN401  # fields by name
    channel = webhook(url, **more)
    try:
        return await channel.deliver(notification or Notification([ALERT]))
    finally:
        await channel.close()


def documented() -> Mapping[str, Any]:
    """What the page for receivers tells them to paste."""
    page = (Path(__file__).parents[2] / "docs" / "channels.md").read_text(encoding="utf-8")
    [snippet] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(snippet, namespace)
    return namespace


async def test_the_body_is_alertmanagers_and_the_signature_verifies_as_documented() -> None:
    async with receiver() as there:
        group = Notification([ALERT, OVER, replace(ALERT, fingerprint="e" * 32)], "{name}", {"name": "cpu_high"})
        assert await attempt(there.url, group, headers={"X-Own": "yes"}) == 200
    [request] = there.requests
    body = request.json
    assert (body["version"], body["status"], body["groupKey"], body["receiver"]) == ("4", "firing", "{name}", "ops")
    first, second = body["alerts"]
    assert (first["status"], first["endsAt"]) == ("resolved", "2026-03-01T00:00:00Z")
    assert (second["status"], second["endsAt"]) == ("firing", "0001-01-01T00:00:00Z")
    assert first["labels"]["alertname"] == "cpu_high"
    assert first["labels"]["bad_name_"] == "x"
    assert first["annotations"]["evidence_samples"] == "12"
    assert body["commonLabels"]["team"] == "platform"
    assert request.headers["x-own"] == "yes"
    verify, header = documented()["verify"], request.headers["x-fleetpulse-signature"]
    assert verify(SECRET, header, request.body, time.time())
    assert not verify(SECRET, header, request.body + b" ", time.time())
    assert not verify("another", header, request.body, time.time())
    assert not verify(SECRET, header, request.body, time.time() + 301)
    assert not verify(SECRET, "nonsense", request.body, time.time())


@pytest.mark.parametrize("code", [500, 502, 503, 429, 408])
async def test_trouble_is_worth_another_try_and_the_wait_is_heard(code: int) -> None:
    async with receiver(status(code, "Retry-After: 17\r\n")) as there:
        with pytest.raises(DeliveryError, match=str(code)) as raised:
            await attempt(there.url)
    assert (raised.value.permanent, raised.value.retry_after_s, raised.value.status_code) == (False, 17.0, code)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410])
async def test_a_refusal_is_final_and_the_answer_is_not_shown(code: int) -> None:
    async with receiver(status(code)) as there:
        with pytest.raises(RefusedError) as raised:
            await attempt(there.url)
    assert str(raised.value) == f"status {code}"


@pytest.mark.parametrize("code", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(code: int) -> None:
    async with receiver() as target, receiver(status(code, f"Location: {target.url}\r\n")) as there:
        with pytest.raises(RefusedError, match="redirects are not followed"):
            await attempt(there.url)
        assert target.connections == 0


@pytest.mark.parametrize("how", [silent, dribbles, resets, hangs_up, garbage], ids=lambda how: how.__name__)
async def test_every_other_failure_ends_in_time_without_the_url(how: Answer) -> None:
    began_s = time.monotonic()
    async with receiver(how) as there:
        with pytest.raises(DeliveryError) as raised:
            await attempt(there.url, timeout_s=0.5)
    assert not raised.value.permanent
    assert "T0KEN" not in str(raised.value)
    assert time.monotonic() - began_s < 20


async def test_one_who_does_not_read_is_left_in_time() -> None:
    async with receiver(never_reads) as there:
        big = replace(ALERT, annotations={"description": "x" * 30_000_000})
        with pytest.raises(DeliveryError, match="no answer within"):
            await attempt(there.url, Notification([big]), timeout_s=0.5)


async def test_an_answer_without_end_is_cut_off() -> None:
    async with receiver(endless) as there:
        assert await attempt(there.url) == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"])
async def test_private_addresses_are_refused_by_number_and_by_name(host: str) -> None:
    async with receiver() as there:
        with pytest.raises(DeliveryError) as raised:
            await attempt(f"http://{host}:{there.port}/T0KEN", allow_private=False)
        assert there.connections == 0
    assert "T0KEN" not in str(raised.value)
    assert "allow_private" in str(raised.value)
    assert raised.value.permanent


class Rebinding(AbstractResolver):
    """A name server in the attacker's hand: the first answer is public, all later ones are loopback."""

    def __init__(self) -> None:
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        address = "8.8.8.8" if self.asked == 1 else "127.0.0.1"
        return [ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is kept."""


async def test_a_name_that_is_public_when_it_is_checked_and_loopback_when_it_is_connected_to() -> None:
    resolver = Rebinding()
    async with receiver() as there:
        [checked] = await resolver.resolve("rebind.example", there.port)
        assert is_public(checked["host"])  # whoever checks before connecting would let it pass
        client = HttpClient(allow_private=False, timeout_s=2, parallel=1, resolver=resolver)
        with pytest.raises(RefusedError, match="allow_private"):
            await client.post(f"http://rebind.example:{there.port}/T0KEN", b"{}")
        await client.close()
        assert (resolver.asked, there.connections) == (2, 0)
        allowed = HttpClient(allow_private=True, timeout_s=2, parallel=1, resolver=resolver)
        assert await allowed.post(f"http://rebind.example:{there.port}/T0KEN", b"{}") == 200
        await allowed.close()


async def test_nobody_listens(unused_tcp_port: int) -> None:
    with pytest.raises(DeliveryError, match="refused"):
        await attempt(f"http://127.0.0.1:{unused_tcp_port}/T0KEN")
    with pytest.raises(RefusedError, match="not valid"):
        await attempt("http://2130706433/T0KEN")
    with pytest.raises(DeliveryError, match="host name"):
        await attempt("http://no-such-host.invalid/T0KEN")


async def test_pagerduty_is_triggered_acknowledged_and_resolved_under_one_key() -> None:
    settings = {"name": "oncall", "kind": "pagerduty", "routing_key": "R0UTE", "allow_private": True}
    async with receiver(status(202)) as there:
        channel = PagerDutyChannel(PagerDutySettings(**settings, url=there.url), SystemClock())  # type: ignore[arg-type]  # by name
        for alert in (replace(ALERT, summary="x" * 2_000), replace(ALERT, state="acknowledged"), OVER):
            assert await channel.deliver(Notification([alert])) == 202
        await channel.close()
    events = [request.json for request in there.requests]
    assert [event["event_action"] for event in events] == ["trigger", "acknowledge", "resolve"]
    assert len({event["dedup_key"] for event in events}) == 1
    assert {event["routing_key"] for event in events} == {"R0UTE"}
    payload = events[0]["payload"]
    assert (len(payload["summary"]), payload["severity"], payload["source"]) == (1_024, "critical", "agent-1")


async def test_a_trial_says_what_came_of_it() -> None:
    settings = WebhookSettings(name="ops", kind="webhook", url="http://127.0.0.1:1/T0KEN", allow_private=True)  # type: ignore[arg-type]  # coerced
    trial = await give_test_alert(WebhookChannel(settings, SystemClock()), settings, SystemClock())
    assert (trial.outcome, trial.status_code, trial.error) == ("failed", None, "connection refused")
    async with receiver() as there:
        settings = WebhookSettings(name="ops", kind="webhook", url=there.url, allow_private=True)  # type: ignore[arg-type]  # coerced
        trial = await give_test_alert(WebhookChannel(settings, SystemClock()), settings, SystemClock())
    assert (trial.outcome, trial.status_code) == ("delivered", 200)
    assert [state for _, state in there.told()] == ["firing", "resolved"]
    assert there.requests[0].json["alerts"][0]["labels"]["test"] == "true"
