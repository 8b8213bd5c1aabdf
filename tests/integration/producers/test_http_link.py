"""The HTTP transport over loopback: what gateways may answer, and what becomes of the events then."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import ssl
import subprocess
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sdk_world import LoopbackGateway, Request, Said, hello, loopback, taken, usual

from producers.sdk import AgentReporter, FlushReport, http_answers, http_link, http_wire
from schemas.record import decode_record
from schemas.registry import SchemaBook

KEY = "fp_i_abcdefghijkl_0123456789abcdef"


def _reporter(gateway: LoopbackGateway | str, folder: Path, **settings: Any) -> AgentReporter:  # noqa: ANN401  # any setting
    url = gateway if isinstance(gateway, str) else gateway.url
    quick = {"batch_wait_s": 0.01, "linger_ms": 5, "retry_delay_s": 0.02, "retry_max_s": 0.1, "slow_after_s": 0.3}
    quick["close_deadline_s"] = 60
    usual_settings = {"agent_id": "a", "user_id": "t", "gateway": url, "api_key": KEY, "spool_dir": folder}
    return AgentReporter(**(usual_settings | quick | settings))


async def _ended(reporter: AgentReporter) -> FlushReport:
    report = await reporter.aclose()
    assert report is not None
    return report


async def _flushed(reporter: AgentReporter, enough: Callable[[FlushReport], bool]) -> FlushReport:
    """What has become of the events, once it is as wanted. Raises `TimeoutError`."""
    async with asyncio.timeout(60):
        while not enough(report := await reporter.aflush(0.2)):
            pass
    return report


def _seqs(gateway: LoopbackGateway) -> list[int]:
    """Numbers of the events that came, from their own bytes."""
    books: dict[str, SchemaBook] = {}
    names = {"fleet.logs": "log", "fleet.metrics": "metrics", "fleet.heartbeats": "heartbeat", "fleet.runs": "run"}
    found = []
    for post in gateway.posts:
        topic = post.path.rpartition("/")[2]
        book = books.setdefault(topic, SchemaBook(names[topic]))
        found += [decode_record(book, record)["seq"] for record in post.records]
    return found


def _left(folder: Path) -> list[Path]:
    """Sessions that wait on disk."""
    return list(folder.iterdir())


async def test_a_session_arrives_whole_on_few_connections(tmp_path: Path) -> None:
    async with loopback() as gateway:
        async with _reporter(gateway, tmp_path) as reporter:
            for number in range(300):
                reporter.log("info", str(number))
                reporter.run_started(f"run-{number}")
                await asyncio.sleep(0.001)
        end = await _ended(reporter)
        assert end.complete, end
        assert sorted(_seqs(gateway)) == list(range(end.issued))
        assert len(gateway.posts) > 10
        assert gateway.connections <= 5
        assert {post.headers["x-api-key"] for post in gateway.posts} == {KEY}
        assert {post.headers["content-type"] for post in gateway.posts} == {"application/vnd.fleetpulse.events"}
    assert not _left(tmp_path)


async def test_connections_that_end_between_requests_are_no_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with loopback(hang_up_after_answer=True) as gateway:
        async with _reporter(gateway, tmp_path) as reporter:
            for number in range(20):
                reporter.log("info", str(number))
                assert (await reporter.aflush(60)).complete
        end = await _ended(reporter)
    assert end.complete
    assert sorted(_seqs(gateway)) == list(range(end.issued))
    assert not caplog.records


async def test_a_refused_key_is_said_once_and_nothing_is_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    valid = False

    def answer(request: Request) -> Said:
        return usual(request) if valid else (401, {}, json.dumps({"detail": "revoked"}).encode())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http_link, "PERSON_NEEDED_PAUSE_S", 0.02)
        async with loopback(answer) as gateway, _reporter(gateway, tmp_path, log_level="debug") as reporter:
            for number in range(50):
                reporter.log("info", str(number))
            await gateway.asked(lambda it: len(it.requests) >= 5)
            report = await _flushed(reporter, lambda it: it.spooled >= 50)
            assert (report.acknowledged, report.dropped) == (0, 0)
            assert not gateway.posts, "events go to nobody who refuses the key"
            valid = True
            assert (await reporter.aflush(60)).complete
    told = [r for r in caplog.records if r.name.startswith("fleetpulse")]
    loud = [r.getMessage() for r in told if r.levelno >= logging.ERROR]
    assert len(loud) == 1
    assert "revoked" in loud[0]
    assert "FLEETPULSE_API_KEY" in loud[0]
    assert KEY not in str([r.getMessage() for r in caplog.records])
    assert [r.getMessage() for r in told][-1].endswith("takes events again")


async def test_events_that_are_refused_wait_and_hold_up_no_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    allowed = False

    def answer(request: Request) -> Said:
        if request.path.endswith("fleet.logs") and not allowed:
            return 403, {}, json.dumps({"detail": "not for agent a"}).encode()
        return usual(request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http_answers, "PERSON_NEEDED_PAUSE_S", 0.05)
        async with loopback(answer) as gateway, _reporter(gateway, tmp_path) as reporter:
            for number in range(30):
                reporter.log("info", str(number))
                reporter.run_started(str(number))
            report = await _flushed(reporter, lambda it: it.topics["fleet.runs"].acknowledged == 30)
            assert report.topics["fleet.logs"].unacknowledged == 30
            allowed = True
            report = await reporter.aflush(60)
            assert report.complete, report
    assert [r.levelname for r in caplog.records if "not for agent a" in r.getMessage()] == ["ERROR"]


async def test_what_is_too_large_is_halved_until_it_is_alone(tmp_path: Path) -> None:
    def answer(request: Request) -> Said:
        if request.method == "GET":
            return 200, {}, b"{}"
        return (413, {}, b"") if len(request.body) > 20_000 else taken(request)

    async with loopback(answer) as gateway, _reporter(gateway, tmp_path, batch_wait_s=0.2) as reporter:
        for number in range(100):
            reporter.log("info", "x" * (50_000 if number == 42 else 1_000))
        report = await reporter.aflush(60)
        assert report.topics["fleet.logs"].acknowledged == 99
        assert report.dropped_by_reason == {"oversize": 1}


async def test_bodies_stay_within_what_the_gateway_said(tmp_path: Path) -> None:
    def answer(request: Request) -> Said:
        return hello(max_body_bytes=5_000) if request.method == "GET" else taken(request)

    async with loopback(answer) as gateway, _reporter(gateway, tmp_path, batch_wait_s=0.2) as reporter:
        for _ in range(100):
            reporter.log("info", "x" * 1_000)
        assert (await reporter.aflush(60)).complete
        assert max(len(post.body) for post in gateway.posts) <= 5_000


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_kept_to(status: int, tmp_path: Path) -> None:
    times_s: list[float] = []

    def answer(request: Request) -> Said:
        times_s.append(time.monotonic())
        busy = request.method == "POST" and sum(r.method == "POST" for r in gateway.requests) == 0
        return (status, {"retry-after": "1"}, b"") if busy else usual(request)

    async with loopback(answer) as gateway, _reporter(gateway, tmp_path) as reporter:
        reporter.log("info", "one")
        await gateway.asked(lambda it: len(it.posts) == 1)
        for number in range(20):
            reporter.log("info", str(number))
        report = await reporter.aflush(60)
        assert report.complete, report
    gaps_s = [after - before for before, after in itertools.pairwise(times_s)]
    before_it = list(itertools.takewhile(lambda gap_s: gap_s < 1.0, gaps_s))
    assert len(before_it) < len(gaps_s)
    assert sum(gap_s < 0.5 for gap_s in before_it) <= 2, "hello, and a POST of each topic"


async def test_metrics_come_by_themselves_and_at_the_end(tmp_path: Path) -> None:
    async with loopback() as gateway:
        reporter = _reporter(gateway, tmp_path, metrics_interval_s=0.1, heartbeat_interval_s=0.1)
        async with reporter, reporter.track_task():
            await gateway.asked(lambda it: sum("metrics" in post.path for post in it.posts) >= 2)
        book = SchemaBook("metrics")
        found = [decode_record(book, r) for post in gateway.posts if "metrics" in post.path for r in post.records]
    assert [values["request_count"] for values in found][-1] == 1
    assert sum(values["request_count"] for values in found) == 1
    assert all(values["uptime"] > 0 for values in found)


async def test_the_ledger_learns_of_what_could_not_be_sent(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts"
    async with _reporter(
        "http://127.0.0.1:1",
        tmp_path / "spool",
        agent_id="a/b",
        account_dir=accounts,
        spool_bytes=0,
        buffer_events=16,
        close_deadline_s=0.1,
    ) as reporter:
        for _ in range(100):
            reporter.log("info", "x")
    (path,) = _left(accounts)
    (session,) = json.loads(path.read_text())["sessions"]
    assert session["agent_id"] == "a/b"
    assert session["acknowledged"] == 0
    assert session["dropped"] >= 50


async def test_who_fails_again_and_again_is_asked_ever_more_rarely(tmp_path: Path) -> None:
    def answer(request: Request) -> Said:
        return hello() if request.method == "GET" else (500, {}, b"")

    async with loopback(answer) as gateway:
        async with _reporter(gateway, tmp_path, retry_max_s=5.0, close_deadline_s=0.0) as reporter:
            reporter.log("info", "one")
            await reporter.aflush(1.0)
            await gateway.asked(lambda it: len(it.requests) >= 2)
        assert len(gateway.requests) <= 24, "0.02 s, 0.04 s, ...: six attempts of two lanes"


async def test_large_bodies_to_another_machine_are_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_wire.Address, "local", False)

    def answer(request: Request) -> Said:
        if request.headers.get("content-encoding") == "gzip":
            packed.append(len(request.body))
            request.body = zlib.decompress(request.body, 31)
        return usual(request)

    packed: list[int] = []
    async with loopback(answer) as gateway, _reporter(gateway, tmp_path, batch_wait_s=0.2) as reporter:
        for _ in range(100):
            reporter.log("info", "x" * 1_000)
        assert (await reporter.aflush(60)).complete
    assert packed
    assert max(packed) < 50_000


async def test_redirects_are_not_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with loopback() as elsewhere:
        async with (
            loopback(lambda _: (307, {"location": elsewhere.url + "/v1/events"}, b"")) as gateway,
            _reporter(gateway, tmp_path, close_deadline_s=0.1) as reporter,
        ):
            reporter.log("info", "one")
            report = await _flushed(reporter, lambda _: any(r.levelno >= logging.ERROR for r in caplog.records))
            assert report.acknowledged == 0
        assert not elsewhere.requests
    (loud,) = [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]
    assert elsewhere.url in loud


@pytest.mark.parametrize("accepted", [b'{"accepted": 0}', b"", b"[]", b"\xff"])
async def test_an_acknowledgement_of_something_else_is_none(tmp_path: Path, accepted: bytes) -> None:
    def answer(request: Request) -> Said:
        return hello() if request.method == "GET" else (202, {}, accepted)

    async with loopback(answer) as gateway, _reporter(gateway, tmp_path, close_deadline_s=0.1) as reporter:
        reporter.log("info", "one")
        await gateway.asked(lambda it: bool(it.posts))
        assert (await reporter.aflush(0.2)).acknowledged == 0


@pytest.mark.parametrize("said", [b"SSH-2.0-x\r\n", b"HTTP/1.1 200\r\nbroken", b"\x00" * 100_000, b""])
async def test_what_is_no_gateway_breaks_nothing(said: bytes, tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with _reporter(url, tmp_path, close_deadline_s=0.1) as reporter:
            reporter.log("info", "one")
            report = await _flushed(reporter, lambda it: it.spooled == it.issued)
    assert report.acknowledged == 0
    assert report.unacknowledged == report.issued


async def test_nobody_there_is_said_once_after_some_attempts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with _reporter("http://127.0.0.1:1", tmp_path, retry_attempts=3, close_deadline_s=0.1) as reporter:
        reporter.log("info", "one")
        await _flushed(reporter, lambda it: it.spooled == it.issued and bool(caplog.records))
    assert [r.levelname for r in caplog.records if "127.0.0.1:1" in r.getMessage()] == ["WARNING"]
    async with loopback() as gateway, _reporter(gateway, tmp_path) as heir:
        assert (await heir.aflush(60)).complete
        await gateway.asked(lambda it: len(_seqs(it)) >= 3)
    assert heir.account()["recovered"][0]["session_id"] == reporter.session_id


async def test_what_another_agent_left_is_not_sent_under_this_ones_key(tmp_path: Path) -> None:
    for agent_id, user_id in (("other", "t"), ("a", "other")):
        with AgentReporter(
            agent_id, user_id, bootstrap="127.0.0.1:1", spool_dir=tmp_path, close_deadline_s=0.1
        ) as left:
            left.log("info", "left")
    async with loopback() as gateway:
        async with _reporter(gateway, tmp_path) as reporter:
            assert (await reporter.aflush(60)).complete
        assert len(_seqs(gateway)) == reporter.account()["sessions"][0]["issued"]
    assert len(_left(tmp_path)) == 2


async def test_another_tenants_key_is_said_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def answer(request: Request) -> Said:
        return hello(tenant="somebody") if request.method == "GET" else (403, {}, b"{}")

    async with loopback(answer) as gateway, _reporter(gateway, tmp_path, close_deadline_s=0.1) as reporter:
        reporter.log("info", "one")
        await gateway.asked(lambda it: bool(it.posts))
    assert any("'somebody'" in r.getMessage() and r.levelno == logging.ERROR for r in caplog.records)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key


async def test_tls_is_verified(
    certificate: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    async with loopback(tls=context) as gateway:
        async with _reporter(gateway, tmp_path, close_deadline_s=0.1) as doubtful:
            doubtful.log("info", "one")
            report = await _flushed(doubtful, lambda _: any("TLS" in r.getMessage() for r in caplog.records))
            assert report.acknowledged == 0
        assert not gateway.requests, "the key goes to nobody who is not known"
        async with _reporter(gateway, tmp_path, gateway_ca=certificate[0]) as reporter:
            reporter.log("info", "two")
            assert (await reporter.aflush(60)).complete


async def test_the_key_in_plain_text_to_another_machine_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with _reporter("http://gateway.invalid:1", tmp_path, close_deadline_s=0.1) as reporter:
        reporter.log("info", "one")
        await _flushed(reporter, lambda _: any("unencrypted" in r.getMessage() for r in caplog.records))
