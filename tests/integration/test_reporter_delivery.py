"""The reporter against real brokers: everything arrives once, and no report says more than the topics hold."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from reporter_world import events, make_topics, seqs_of

from infra.broker.interface import Broker
from producers.sdk import FlushReport, Reporter


async def _flushed(reporter: Reporter, enough: Callable[[FlushReport], bool]) -> FlushReport:
    """What has become of the events, once it is as wanted. Raises `TimeoutError`."""
    async with asyncio.timeout(60):
        while not enough(report := await reporter.aflush(0.2)):
            pass
    return report


async def test_a_session_arrives_whole_from_asyncio(any_broker: Broker, tmp_path: Path) -> None:
    await make_topics(any_broker)
    async with Reporter(
        "async-agent",
        bootstrap=any_broker.bootstrap,
        spool_dir=tmp_path / "spool",
        heartbeat_interval_s=0.05,
        close_deadline_s=60,
    ) as reporter:
        for turn in range(200):
            run = f"run-{turn}"
            reporter.agent_started(run, "t")
            reporter.tool_executing(run, "t", "search")
            reporter.tool_completed(run, "t", "search")
            reporter.agent_completed(run, "t")
            reporter.metrics(cpu_usage=float(turn))
        report = await reporter.aflush(60)
        assert report.complete, report
        assert (report.dropped, report.spooled) == (0, 0)
        assert report.acknowledged >= 1_000
        await _flushed(reporter, lambda it: it.topics["fleet.heartbeats"].acknowledged >= 3)
    end = await reporter.aclose()
    assert end is not None
    assert end.complete
    account = reporter.account()
    issued = account["sessions"][0]["issued"]
    assert sum(account["published"].values()) == issued == end.acknowledged
    assert account["published"]["fleet.heartbeats"] >= 4, "beats come by themselves, and a last one says stopping"
    seqs = await seqs_of(any_broker.bootstrap, reporter.session_id, issued)
    assert seqs == dict.fromkeys(range(issued), 1)
    assert not list((tmp_path / "spool").iterdir()), "a session that got everything through leaves nothing behind"


async def test_the_last_event_says_stopping(tansu: Broker, tmp_path: Path) -> None:
    await make_topics(tansu)

    def work() -> tuple[str, int]:
        with Reporter(
            "thread-agent", bootstrap=tansu.bootstrap, spool_dir=tmp_path / "spool", close_deadline_s=60
        ) as reporter:
            threads = [
                threading.Thread(target=lambda: [reporter.log("info", "x") for _ in range(300)]) for _ in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        reporter.heartbeat()
        return reporter.session_id, reporter.account()["sessions"][0]["issued"]

    session, issued = await asyncio.to_thread(work)
    assert issued == 1_201
    statuses = {}
    seen = 0
    async with aclosing(events(tansu.bootstrap, ("fleet.heartbeats", "fleet.logs"), 60)) as stream:
        async for topic, record in stream:
            if record["session_id"] == session:
                seen += 1
                if topic == "fleet.heartbeats":
                    statuses[record["seq"]] = record["status"]
                if seen == issued:
                    break
    assert statuses == {1_200: "stopping"}


async def test_bad_events_are_counted_and_the_others_go_on(any_broker: Broker, tmp_path: Path) -> None:
    await make_topics(any_broker)
    async with Reporter(
        "oversize-agent", bootstrap=any_broker.bootstrap, spool_dir=tmp_path / "spool", close_deadline_s=60
    ) as reporter:
        for i in range(30):
            reporter.log("info", f"before {i}")
            reporter.log("info", "x" * 2_000_000)
            reporter.metrics(cpu_usage="not a number")  # type: ignore[typeddict-item]  # that is the point
            reporter.log("info", f"after {i}")
        reporter.heartbeat()
        report = await reporter.aflush(60)
    assert (report.issued, report.acknowledged, report.dropped) == (121, 61, 60)
    assert report.dropped_by_reason == {"oversize": 30, "invalid": 30}
    assert not report.complete
    assert report.topics["fleet.metrics"].dropped == 30
    dropped = []
    async with aclosing(events(any_broker.bootstrap, ("fleet.heartbeats",), 60)) as stream:
        async for _, record in stream:
            if record["session_id"] == reporter.session_id:
                dropped.append(record["events_dropped"])
                if record["status"] == "stopping":
                    break
    assert dropped == [60, 60]


@pytest.mark.kafka
async def test_what_the_broker_finds_too_large_is_found_out_and_dropped_alone(kafka: Broker, tmp_path: Path) -> None:
    """Apache Kafka takes 1,048,588 bytes a batch by default; here the client is allowed to try more."""
    await make_topics(kafka)
    async with Reporter(
        "large-agent", bootstrap=kafka.bootstrap, spool_dir=tmp_path / "spool", max_event_bytes=1_048_576
    ) as reporter:
        for i in range(50):
            reporter.log("info", f"small {i}")
        reporter.log("info", "y" * 1_048_300)
        for i in range(50):
            reporter.log("info", f"small again {i}")
        report = await reporter.aflush(60)
    assert report.acknowledged + report.dropped == 101, report
    assert report.dropped in {0, 1}
    assert report.unacknowledged == 0


async def test_without_a_broker_nothing_waits_and_nothing_is_claimed(tmp_path: Path) -> None:
    async with Reporter("lonely", bootstrap="127.0.0.1:1", spool_dir=tmp_path / "spool", slow_after_s=0.05) as reporter:
        started = time.perf_counter()
        for _ in range(1_000):
            reporter.heartbeat()
        assert time.perf_counter() - started < 10, "a hundredth of a second for each would be a wait"
        report = await _flushed(reporter, lambda it: it.spooled == 1_000)
        assert (report.issued, report.acknowledged, report.unacknowledged, report.complete) == (1_000, 0, 1_000, False)
        end = await reporter.aclose(0.2)
    assert end is not None
    assert (end.issued, end.acknowledged, end.spooled) == (1_001, 0, 1_001)
    assert reporter.account()["published"] == {}


async def test_without_a_spool_the_buffer_is_the_bound(tmp_path: Path) -> None:
    async with Reporter(
        "lonely", bootstrap="127.0.0.1:1", spool_dir=tmp_path, spool_bytes=0, buffer_events=100
    ) as reporter:
        for _ in range(1_000):
            reporter.heartbeat()
            await asyncio.sleep(0)
        report = await reporter.aflush(0.3)
        assert (report.issued, report.acknowledged, report.spooled) == (1_000, 0, 0)
        assert report.unacknowledged + report.dropped == 1_000
        assert report.unacknowledged <= 300
        assert report.dropped_by_reason["buffer_full"] == report.dropped
        await reporter.aclose(0.1)


async def test_the_account_is_written_whole(tansu: Broker, tmp_path: Path) -> None:
    await make_topics(tansu)
    async with Reporter(
        "account-agent", bootstrap=tansu.bootstrap, spool_dir=tmp_path / "spool", close_deadline_s=60
    ) as reporter:
        reporter.log("info", "x")
    reporter.write_account(tmp_path / "accounts" / "it.json")
    assert [path.name for path in (tmp_path / "accounts").iterdir()] == ["it.json"]
    account = json.loads((tmp_path / "accounts" / "it.json").read_text())
    assert account["published"] == {"fleet.heartbeats": 1, "fleet.logs": 1}
    assert account["sessions"] == [
        {"session_id": reporter.session_id, "agent_id": "account-agent", "issued": 2, "acknowledged": 2, "dropped": 0}
    ]


@pytest.mark.kafka
async def test_a_topic_that_is_missing_holds_no_other_up(
    broker_factory: Callable[[str], Broker], tmp_path: Path
) -> None:
    broker = broker_factory("kafka")
    await make_topics(broker, only={"fleet.logs", "fleet.heartbeats"})
    async with Reporter(
        "patient",
        bootstrap=broker.bootstrap,
        spool_dir=tmp_path / "spool",
        request_timeout_s=1.0,
        retry_max_s=0.5,
        close_deadline_s=60,
    ) as reporter:
        for i in range(100):
            reporter.metrics(cpu_usage=float(i))
            reporter.log("info", str(i))
        report = await _flushed(reporter, lambda it: it.topics["fleet.logs"].acknowledged == 100)
        assert report.topics["fleet.metrics"].acknowledged == 0
        assert not report.complete
        await make_topics(broker)
        report = await reporter.aflush(60)
        assert report.complete, report
    assert len(await seqs_of(broker.bootstrap, reporter.session_id, 201)) == 201
