"""The benchmark of the dashboard: how it counts and judges. The rest of it is a browser."""

from __future__ import annotations

import asyncio
import os
import time

from infra.bench.dashboard import waits_s
from infra.bench.dashboard_load import PROBE, Sent
from infra.bench.dashboard_show import BARS, judge_dashboard
from infra.bench.dashboard_viewers import Viewer, viewers
from infra.bench.process_memory import peak_bytes


def test_a_change_waits_until_a_screen_shows_its_word() -> None:
    sent = [Sent(0, "late", 10.0), Sent(1, "late", 10.1), Sent(0, "online", 12.0), Sent(1, "online", 12.1)]
    seen = [
        {"probe": 0, "word": "online", "at_s": 9.0},
        {"probe": 0, "word": "late", "at_s": 10.25},
        {"probe": 0, "word": "online", "at_s": 12.5},
        {"probe": 1, "word": "late", "at_s": 10.0},
    ]
    assert waits_s(sent, seen) == [0.25, 0.5]


def test_streams_are_read_whatever_they_are_cut_into() -> None:
    told = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - 10))
    item = f'{{"agent_id":"{PROBE}7","user_id":"bench","status":"late","at":"{told}"}}'
    other = item.replace(PROBE, "bench-")
    text = f'event: status\ndata: {{"items":[{other},{item}]}}\n\nevent: frame\ndata: {{}}\n\n'.encode()
    for step in (1, 7, len(text)):
        viewer = Viewer(b"")
        for at in range(0, len(text), step):
            viewer.data_received(text[at : at + step])
        assert len(viewer.waits_s) == 1
        assert 5 < viewer.waits_s[0] < 300
        assert viewer.bytes_in == len(text)


async def test_viewers_ask_for_the_stream_with_their_cookie() -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with viewers(f"http://127.0.0.1:{port}", "a=b", 3) as watching:
            async with asyncio.timeout(60):
                while not all(each.lost for each in watching):  # noqa: ASYNC110  # a protocol of the benchmark's own
                    await asyncio.sleep(0.005)
    assert len(asked) == 3
    assert b"GET /api/live?topics=status,trust,alerts,fleet&snapshot=false" in asked[0]
    assert b"Cookie: a=b\r\n" in asked[0]


def test_bars_are_met_missed_or_not_measured() -> None:
    found = {
        "first_paint": {"cold": {"median_ms": 1_999.0}, "warm": {"median_ms": 1_000.0}},
        "viewers": {"worst_p95_ms": float("inf"), "peak_bytes": {"process": 5e8}},
    }
    judged = {bar["what"]: bar["met"] for bar in judge_dashboard(found)}
    assert len(judged) == len(BARS)
    assert {what for what, met in judged.items() if met} == {
        "first paint with data, cold",
        "100 viewers: memory of the process",
    }


def test_memory_is_that_of_the_process_and_its_children() -> None:
    found = peak_bytes(os.getpid())
    assert 0 < found["process"] <= found["with_children"]
