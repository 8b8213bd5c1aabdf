"""The real Alertmanager from Debian, and e-mail through Apprise to a real SMTP server."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import socket
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from alert_world import alert_bytes, notifying, publish

from infra.broker.interface import Broker
from infra.runtime.clock import SystemClock
from infra.runtime.errors import SettingError
from sinks.notify.alert import Alert
from sinks.notify.apprise_channel import AppriseChannel
from sinks.notify.build import build
from sinks.notify.channel import DeliveryError, Notification, RefusedError
from sinks.notify.notifier import NotifierConfig
from sinks.notify.settings import AlertmanagerSettings, AppriseSettings
from sinks.notify.webhook import AlertmanagerChannel

ALERT = Alert(
    "f" * 32, 7, "firing", "cpu_high", "critical", "agent-1", "cpu is 97",
    datetime.fromtimestamp(time.time() - 60, tz=UTC), None, 97.0, 80.0, {"team": "platform"}, {}, {"runbook": "r"},
)  # fmt: skip
# Apprise imports it while Python still has it.
pytestmark = pytest.mark.filterwarnings("ignore:.imghdr. is deprecated:DeprecationWarning")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _get(url: str) -> Any:  # noqa: ANN401  # whatever it holds
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


@pytest.fixture
async def alertmanager(tmp_path: Path) -> AsyncIterator[str]:
    """The URL of one that serves; its notifications go nowhere."""
    binary = shutil.which("prometheus-alertmanager")
    if binary is None:
        if os.environ.get("CI") == "true":
            pytest.fail("prometheus-alertmanager is not installed")
        pytest.skip("no prometheus-alertmanager here: apt-get install prometheus-alertmanager")
    (tmp_path / "am.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    port = _free_port()
    process = await asyncio.create_subprocess_exec(
        binary, f"--config.file={tmp_path}/am.yml", f"--storage.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(_is_ready, url):
                assert process.returncode is None, "it ended"
                await asyncio.sleep(0.05)
        yield url
    finally:
        process.terminate()
        await process.wait()


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _channel(url: str, **more: Any) -> AlertmanagerChannel:  # noqa: ANN401  # fields by name
    fields: dict[str, Any] = {"allow_private": True} | more
    return AlertmanagerChannel(AlertmanagerSettings(name="am", kind="alertmanager", url=url, **fields), SystemClock())


async def _active(url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await asyncio.to_thread(_get, f"{url}/api/v2/alerts?active=true")
    return found


async def test_the_real_alertmanager_takes_an_alert_and_its_end(alertmanager: str) -> None:
    channel = _channel(alertmanager)
    other = replace(ALERT, fingerprint="e" * 32, agent_id="agent-2")
    assert await channel.deliver(Notification([ALERT, other])) == 200
    found = {entry["labels"]["agent_id"]: entry for entry in await _active(alertmanager)}
    assert set(found) == {"agent-1", "agent-2"}
    assert found["agent-1"]["labels"]["alertname"] == "cpu_high"
    assert found["agent-1"]["annotations"]["summary"] == "cpu is 97"
    await channel.deliver(Notification([replace(ALERT, state="resolved", ends_at=datetime.now(UTC))]))
    assert [entry["labels"]["agent_id"] for entry in await _active(alertmanager)] == ["agent-2"]
    await channel.close()


async def test_one_that_became_graver_is_one_alert_there(alertmanager: str) -> None:
    channel = _channel(alertmanager)
    warning = replace(ALERT, severity="warning", cause="began")
    await channel.deliver(Notification([warning]))
    graver = replace(ALERT, cause="worse", seq=1)
    await channel.deliver(Notification([graver]))
    assert [entry["labels"]["severity"] for entry in await _active(alertmanager)] == ["critical"]
    await channel.deliver(
        Notification([replace(graver, state="resolved", cause="recovered", ends_at=datetime.now(UTC))])
    )
    assert await _active(alertmanager) == []
    both = [warning, graver, replace(graver, state="acknowledged", cause="acknowledged")]
    await channel.deliver(Notification([replace(alert, fingerprint="d" * 32) for alert in both]))
    assert [entry["labels"]["severity"] for entry in await _active(alertmanager)] == ["critical"]
    await channel.close()


async def test_what_is_not_told_again_ends_by_itself(alertmanager: str) -> None:
    channel = _channel(alertmanager, resend_s=0.5, timeout_s=4.5)
    await channel.deliver(Notification([ALERT]))
    assert len(await _active(alertmanager)) == 1
    async with asyncio.timeout(60):
        while await _active(alertmanager):  # noqa: ASYNC110  # another process's state
            await asyncio.sleep(0.05)
    await channel.close()


@pytest.mark.fault
async def test_what_fires_is_told_again_until_it_is_over(
    alertmanager: str, tansu: Broker, fresh_topics: Callable[..., Awaitable[list[str]]]
) -> None:
    """Alertmanager alone lets it end after 5 s; the notifier is a new one half-way, and learns what fires."""
    topics = await fresh_topics(tansu, "alerts", "deadletter", "deliveries", partitions=1)
    config = NotifierConfig(tansu.bootstrap, f"g-{uuid4().hex}", "earliest", *topics, session_timeout_ms=4_000)
    fields: dict[str, Any] = {"allow_private": True, "resend_s": 0.5, "timeout_s": 3.5}
    settings = AlertmanagerSettings(name="am", kind="alertmanager", url=alertmanager, **fields)  # type: ignore[arg-type]  # coerced

    async def kept_up_for(seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            assert len(await _active(alertmanager)) == 1
            await asyncio.sleep(0.1)

    async def number(count: int) -> None:
        async with asyncio.timeout(60):
            while len(await _active(alertmanager)) != count:  # noqa: ASYNC110  # another process's state
                await asyncio.sleep(0.05)

    await publish(config.bootstrap, config.topic, [alert_bytes("f" * 32)])
    async with notifying(config, settings):
        await number(1)
        await kept_up_for(6.0)
    await number(0)
    async with notifying(config, settings):
        await number(1)
        await kept_up_for(6.0)
        await publish(config.bootstrap, config.topic, [alert_bytes("f" * 32, "resolved", ends_at=datetime.now(UTC))])
        await number(0)
        await asyncio.sleep(1.0)  # re-sends that went on would show
        assert await _active(alertmanager) == []


class Mailbox:
    """Keeps what comes; refuses while told to."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.refusing = False

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        if self.refusing:
            return "451 not now, secret words"
        self.messages.append(envelope.original_content or b"")
        return "250 taken"


@contextmanager
def smtp() -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    # aiosmtpd connects to itself to see that it serves, so the number has to be known.
    controller = Controller(box, hostname="127.0.0.1", port=_free_port(), ready_timeout=60)
    controller.start()
    try:
        yield box, controller.port
    finally:
        controller.stop()


def _mail(port: int, **more: Any) -> AppriseChannel:  # noqa: ANN401  # fields by name
    url = f"mailto://127.0.0.1:{port}/?from=fleet@example.org&to=oncall@example.org&mode=insecure"
    fields: dict[str, Any] = {"allow_private": True} | more
    return AppriseChannel(AppriseSettings(name="mail", kind="apprise", urls=(url,), **fields), SystemClock())  # type: ignore[arg-type]  # coerced


async def test_an_alert_becomes_an_e_mail() -> None:
    with smtp() as (box, port):
        await _mail(port).deliver(Notification([ALERT]))
    [raw] = box.messages
    message = message_from_bytes(raw)
    assert message["To"] == "oncall@example.org"
    assert "cpu_high" in message["Subject"]
    text = b"".join(part.get_payload(decode=True) or b"" for part in message.walk() if not part.is_multipart())  # type: ignore[misc]  # bytes of a part
    assert b"cpu is 97" in text


async def test_a_refused_e_mail_is_tried_again_and_the_servers_words_are_not_shown() -> None:
    with smtp() as (box, port):
        box.refusing = True
        with pytest.raises(DeliveryError) as raised:
            await _mail(port).deliver(Notification([ALERT]))
    assert not raised.value.permanent
    assert "secret" not in str(raised.value)


async def test_apprise_may_not_reach_private_addresses_either() -> None:
    with smtp() as (box, port):
        with pytest.raises(RefusedError, match="allow_private"):
            await _mail(port, allow_private=False).deliver(Notification([ALERT]))
        assert box.messages == []


async def test_a_service_that_hangs_ends_with_the_deadline() -> None:
    writers: list[asyncio.StreamWriter] = []
    came = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        came.set()
        await reader.read()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    began_s = time.monotonic()
    with pytest.raises(DeliveryError, match="no answer within"):
        await _mail(server.sockets[0].getsockname()[1], timeout_s=0.3).deliver(Notification([ALERT]))
    assert time.monotonic() - began_s < 20
    async with asyncio.timeout(60):
        await came.wait()
    server.close()
    for writer in writers:
        writer.close()
        await writer.wait_closed()
    for thread in threading.enumerate():
        if thread.name == "notify-mail":
            await asyncio.to_thread(thread.join, 10)


def test_a_url_that_apprise_does_not_know_is_one_error_without_it() -> None:
    settings = AppriseSettings(name="m", kind="apprise", urls=("nonsense://T0KEN",))  # type: ignore[arg-type]  # coerced
    with pytest.raises(SettingError, match="urls, number 1") as raised:
        build(settings, SystemClock(), io.StringIO())
    assert "T0KEN" not in str(raised.value)
