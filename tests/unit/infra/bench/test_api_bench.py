"""The benchmark of the doors: what it reads from wrk and /metrics, and how it judges. wrk itself where it is."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from infra.bench.api_load import AGENTS, BATCH_LINES, ingest_routes, status_route
from infra.bench.api_peer import doing_nothing
from infra.bench.api_show import BARS, judge
from infra.bench.prometheus import mean_ms
from infra.bench.wrk import Route, find_wrk, load, read_report
from infra.runtime.errors import FleetpulseError

_REPORT = (
    "Running 4s test\n  1 threads and 16 connections\n"
    '{"requests": 8000, "took_us": 4000000, "bytes": 9, "p50_us": 7500, "p90_us": 9000, "p99_us": 19000, '
    '"max_us": 31000, "refused": 2, "failed": 1}\n'
)


def test_the_report_of_the_script_is_read() -> None:
    measured = read_report(_REPORT)
    assert (measured.requests_per_s, measured.p50_ms, measured.p99_ms, measured.max_ms) == (2_000.0, 7.5, 19.0, 31.0)
    assert (measured.requests, measured.refused, measured.failed) == (8_000, 2, 1)


def test_a_report_that_is_none_is_an_error() -> None:
    with pytest.raises(FleetpulseError, match="nothing that can be read"):
        read_report("Running 4s test\nunable to connect")


def test_a_missing_wrk_is_said_with_the_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FleetpulseError, match="apt-get install wrk"):
        find_wrk()


def test_bars_are_met_missed_or_not_measured() -> None:
    found = {
        "routes": {"heartbeat": {"p99_ms": 19.9, "requests_per_s": 1_999.0}, "batch": {"events_per_s": 50_000}},
        "policies": {"p99_ms": 1.0},
    }
    judged = {bar["what"]: bar["met"] for bar in judge(found)}
    assert len(judged) == len(BARS)
    assert {what for what, met in judged.items() if met} == {"heartbeat p99", "NDJSON batches"}


def test_means_of_routes_are_read_from_prometheus_text() -> None:
    text = (
        'f_request_seconds_bucket{le="0.001",route="/a"} 1.0\n'
        'f_request_seconds_count{route="/a"} 4.0\nf_request_seconds_sum{route="/a"} 0.02\n'
        'f_request_seconds_count{route="/b"} 0.0\nf_request_seconds_sum{route="/b"} 0.0\n'
        'g_request_seconds_count{route="/a"} 9.0\n'
    )
    assert mean_ms(text, "f_request_seconds") == {"/a": 5.0}


@pytest.mark.skipif(
    shutil.which("wrk") is None and not os.environ.get("CI"), reason="wrk is not installed: apt-get install wrk"
)
async def test_wrk_sends_every_kind_of_route_to_the_peer(tmp_path: Path) -> None:
    routes = ingest_routes(tmp_path, "key")
    assert len(routes[-1].file.read_text(encoding="utf-8").splitlines()) == BATCH_LINES
    status = status_route(tmp_path, "key")
    assert len(status.file.read_text(encoding="utf-8").split()) == AGENTS
    async with doing_nothing(tmp_path) as peer:

        async def answered(route: Route) -> None:
            requests = 0
            while not requests:  # a second may pass on a busy machine without one answer
                measured = await load(peer.ready["url"], route, 1)
                assert (measured.refused, measured.failed) == (0, 0)
                requests = measured.requests

        async with asyncio.timeout(240):
            await asyncio.gather(*(answered(route) for route in (*routes, status)))
