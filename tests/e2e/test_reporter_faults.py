"""Faults 1 to 6 and 9 of the producers: what was acknowledged is there, what is not there was never claimed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from reporter_world import make_topics, seqs_of

from infra.broker.interface import Broker
from producers.sdk import FlushReport, Reporter

BROKERS = ["tansu", pytest.param("kafka", marks=pytest.mark.kafka)]
AWAY_S = 70.0
pytestmark = [pytest.mark.fault, pytest.mark.timeout(480)]
Factory = Callable[[str], Broker]


def _signal(broker: Broker, number: signal.Signals) -> None:
    assert broker.pid is not None
    os.kill(broker.pid, number)


async def _flushed(reporter: Reporter, enough: Callable[[FlushReport], bool]) -> FlushReport:
    """What has become of the events, once it is as wanted. Raises `TimeoutError`."""
    async with asyncio.timeout(90):
        while not enough(report := await reporter.aflush(0.5)):
            pass
    return report


async def _closed(reporter: Reporter, deadline_s: float) -> FlushReport:
    report = await reporter.aclose(deadline_s)
    assert report is not None
    return report


@pytest.mark.parametrize("kind", BROKERS)
async def test_1_broker_absent_at_start(kind: str, broker_factory: Factory, tmp_path: Path) -> None:
    broker = broker_factory(kind)
    await make_topics(broker)
    broker.kill()
    async with Reporter(
        "early", bootstrap=broker.bootstrap, spool_dir=tmp_path / "spool", slow_after_s=0.2
    ) as reporter:
        for i in range(5_000):
            reporter.metrics(cpu_usage=float(i))
        report = await _flushed(reporter, lambda it: it.spooled == 5_000)
        assert (report.acknowledged, report.spooled, report.complete) == (0, 5_000, False)
        await asyncio.to_thread(broker.restart)
        await make_topics(broker)
        reporter.log("info", "the broker is there")
        report = await reporter.aflush(90)
        assert report.complete, report
    assert (await seqs_of(broker.bootstrap, reporter.session_id, 5_002)).keys() == set(range(5_002))
    assert not list((tmp_path / "spool").iterdir())


async def _report_while(reporter: Reporter, seconds: float) -> float:
    """Report 250 events/s; the longest that one call took, in seconds."""
    end, slowest_s = time.monotonic() + seconds, 0.0
    while time.monotonic() < end:
        for _ in range(5):
            before = time.perf_counter()
            reporter.agent_thinking("run", "thread")
            slowest_s = max(slowest_s, time.perf_counter() - before)
        await asyncio.sleep(0.02)
    return slowest_s


@pytest.mark.parametrize("kind", BROKERS)
async def test_2_broker_away_longer_than_every_timeout(kind: str, broker_factory: Factory, tmp_path: Path) -> None:
    broker = broker_factory(kind)
    await make_topics(broker)
    async with Reporter("patient", bootstrap=broker.bootstrap, spool_dir=tmp_path / "spool") as reporter:
        await _report_while(reporter, 1.0)
        assert (await reporter.aflush(90)).complete
        _signal(broker, signal.SIGSTOP)
        try:
            slowest_s = await _report_while(reporter, AWAY_S)
            during = await _flushed(reporter, lambda it: it.spooled > 0.9 * it.unacknowledged)
        finally:
            _signal(broker, signal.SIGCONT)
        assert slowest_s < 8, "a call waits for nothing: not for a send, which may take 10 s"
        assert during.unacknowledged > 1_000
        assert during.dropped == 0
        await _report_while(reporter, 1.0)
        report = await reporter.aflush(90)
        assert report.complete, report
        issued = (await _closed(reporter, 60)).issued
    found = await seqs_of(broker.bootstrap, reporter.session_id, issued)
    assert found.keys() == set(range(issued))


@pytest.mark.kafka
async def test_2_broker_killed_and_restarted_under_load(broker_factory: Factory, tmp_path: Path) -> None:
    broker = broker_factory("kafka")
    await make_topics(broker)
    async with Reporter("patient", bootstrap=broker.bootstrap, spool_dir=tmp_path / "spool") as reporter:
        for _ in range(2):
            await _report_while(reporter, 1.0)
            broker.kill()
            await _report_while(reporter, 2.0)
            await asyncio.to_thread(broker.restart)
        report = await reporter.aflush(90)
        assert report.complete, report
        issued = (await _closed(reporter, 60)).issued
    assert (await seqs_of(broker.bootstrap, reporter.session_id, issued)).keys() == set(range(issued))


@pytest.mark.parametrize("kind", BROKERS)
async def test_3_spool_full(kind: str, broker_factory: Factory, tmp_path: Path) -> None:
    broker = broker_factory(kind)
    await make_topics(broker)
    async with Reporter(
        "chatty",
        bootstrap=broker.bootstrap,
        spool_dir=tmp_path / "spool",
        spool_bytes=200_000,
        segment_bytes=20_000,
        slow_after_s=0.2,
        request_timeout_s=3.0,
    ) as reporter:
        _signal(broker, signal.SIGSTOP)
        try:
            for _ in range(20):
                for _ in range(500):
                    reporter.agent_thinking("run", "thread")
                await asyncio.sleep(0.05)
            full = await _flushed(reporter, lambda it: it.dropped_by_reason.get("spool_full", 0) > 1_000)
        finally:
            _signal(broker, signal.SIGCONT)
        assert full.issued == 10_000
        assert sum(path.stat().st_size for path in (tmp_path / "spool").rglob("*.seg")) <= 200_000
        assert full.acknowledged + full.unacknowledged + full.dropped == full.issued
        end = await _closed(reporter, 90)
    assert end.unacknowledged == 0, end
    assert end.acknowledged + end.dropped == end.issued == 10_001
    found = await seqs_of(broker.bootstrap, reporter.session_id, end.acknowledged)
    assert len(found) == end.acknowledged, "what was claimed is there, what was dropped is a hole"
    assert not end.complete


@pytest.mark.parametrize("kind", BROKERS)
async def test_4_stop_with_a_full_queue(kind: str, broker_factory: Factory, tmp_path: Path) -> None:
    broker = broker_factory(kind)
    await make_topics(broker)
    first = Reporter("hasty", bootstrap=broker.bootstrap, spool_dir=tmp_path / "spool", request_timeout_s=3.0).start()
    _signal(broker, signal.SIGSTOP)
    try:
        for _ in range(20_000):
            first.agent_thinking("run", "thread")
        before = time.monotonic()
        report = await _closed(first, 1.0)
        took_s = time.monotonic() - before
    finally:
        _signal(broker, signal.SIGCONT)
    assert took_s < 1.0 + 30.0, "the deadline, and the time to put the rest on disk"
    assert (report.issued, report.dropped, report.complete) == (20_001, 0, False)
    assert report.spooled == report.unacknowledged > 0
    async with Reporter("hasty", bootstrap=broker.bootstrap, spool_dir=tmp_path / "spool") as second:
        assert (await seqs_of(broker.bootstrap, first.session_id, 20_001)).keys() == set(range(20_001))
        await second.aflush(90)
    (recovered,) = second.account()["recovered"]
    assert recovered["session_id"] == first.session_id
    assert recovered["acknowledged"] == report.spooled
    assert not list((tmp_path / "spool").iterdir())


_WRITER = """
import json, sys, time
from producers.sdk import Reporter
reporter = Reporter("doomed", bootstrap="127.0.0.1:1", spool_dir=sys.argv[1], slow_after_s=0.01, segment_bytes=8192)
reporter.start()
while True:
    for _ in range(500):
        reporter.agent_thinking("run", "thread")
    report = reporter.flush(0.02)
    print(json.dumps({"session": reporter.session_id, "spooled": report.spooled}), flush=True)
"""


def _kill_while_it_spools(spool: Path, reports: int) -> tuple[str, int]:
    """Run a writer until it reported `reports` times, SIGKILL it; its session and what it last counted as on disk."""
    command = [sys.executable, "-c", _WRITER, str(spool)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        told = [json.loads(child.stdout.readline()) for _ in range(reports)]
        while told[-1]["spooled"] < 100 * reports:
            told.append(json.loads(child.stdout.readline()))
        child.kill()
    return told[-1]["session"], told[-1]["spooled"]


@pytest.mark.parametrize("kind", ["tansu"])
async def test_5_kill_9_in_a_spool_write(kind: str, broker_factory: Factory, tmp_path: Path) -> None:
    broker = broker_factory(kind)
    await make_topics(broker)
    spool = tmp_path / "spool"
    killed = dict([await asyncio.to_thread(_kill_while_it_spools, spool, reports) for reports in (3, 7, 11, 15)])
    assert max(killed.values()) > 1_000
    torn = max((spool / next(iter(killed))).glob("*.seg"))
    torn.write_bytes(torn.read_bytes() + b"\x40\x00\x00\x00half a frame")
    async with Reporter("heir", bootstrap=broker.bootstrap, spool_dir=spool, close_deadline_s=60) as reporter:
        for session, spooled in killed.items():
            found = await seqs_of(broker.bootstrap, session, spooled, topics=("fleet.lifecycle",))
            assert len(found) >= spooled
            assert found.keys() == set(range(len(found))), "the oldest are kept, without a hole"
    recovered = {entry["session_id"]: entry["acknowledged"] for entry in reporter.account()["recovered"]}
    assert all(recovered[session] >= spooled for session, spooled in killed.items())
    assert not list(spool.iterdir())


_SMALL_DISK = """
import json, resource, sys
from producers.sdk import Reporter
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
reporter = Reporter("squeezed", bootstrap="127.0.0.1:1", spool_dir=sys.argv[1], slow_after_s=0.01).start()
for _ in range(10):
    for _ in range(500):
        reporter.agent_thinking("run", "thread")
    report = reporter.flush(0.2)
while report.dropped <= 1_000 or report.spooled == 0:
    report = reporter.flush(0.2)
print(json.dumps([report.issued, report.spooled, report.unacknowledged, report.dropped]), flush=True)
reporter.close(0.1)
"""


async def test_6_disk_full_under_the_spool(broker_factory: Factory, tmp_path: Path) -> None:
    """The limit on the size of a file stands for the full disk: a write ends in the middle with an error."""
    spool = tmp_path / "spool"
    command = [sys.executable, "-c", _SMALL_DISK, str(spool)]
    done = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, text=True, timeout=120)
    issued, spooled, unacknowledged, dropped = json.loads(done.stdout)
    assert issued == 5_000
    assert dropped > 1_000
    assert unacknowledged + dropped == issued
    broker = broker_factory("tansu")
    await make_topics(broker)
    async with Reporter("heir", bootstrap=broker.bootstrap, spool_dir=spool, close_deadline_s=60) as reporter:
        await reporter.aflush(90)
    assert sum(entry["acknowledged"] for entry in reporter.account()["recovered"]) >= spooled > 0


@pytest.mark.parametrize("kind", BROKERS)
async def test_9_oversize_events_among_others(kind: str, broker_factory: Factory, tmp_path: Path) -> None:
    broker = broker_factory(kind)
    await make_topics(broker)
    async with Reporter("large", bootstrap=broker.bootstrap, spool_dir=tmp_path / "spool") as reporter:
        for i in range(300):
            reporter.log("info", "x" * (1_500_000 if i % 10 == 0 else 900_000 if i % 10 == 5 else 10))
        end = await _closed(reporter, 90)
    assert end.dropped_by_reason == {"oversize": 30}
    assert (end.acknowledged, end.unacknowledged) == (271, 0)
    found = await seqs_of(broker.bootstrap, reporter.session_id, 271)
    assert found.keys() == set(range(301)) - set(range(0, 300, 10))
