"""Parts of the door by themselves: problems, bodies, origins, heads, figures, options, time limits."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as some
from prometheus_client.parser import text_string_to_metric_families
from web_world import options_of

from infra.runtime.errors import SettingError
from infra.web.body import Buffers, gunzip, read_body
from infra.web.call import Call
from infra.web.deadlines import Deadlines
from infra.web.figures import Figures
from infra.web.head import judge_head, request_id_of
from infra.web.options import load_options
from infra.web.origins import Cors, Proxies
from infra.web.problem import Problem, too_many, unavailable, whole_seconds


def test_a_problem_is_json_whatever_is_in_it() -> None:
    found = json.loads(Problem(422, detail="é", errors=[{"input": math.nan, "at": (1, math.inf)}]).body("r-1"))
    assert found["errors"] == [{"input": "nan", "at": [1, "inf"]}]
    assert (found["status"], found["title"], found["request_id"]) == (422, "Unprocessable Entity", "r-1")
    assert json.loads(Problem(599).body())["title"] == "Error"


def test_header_values_of_a_problem_hold_no_line_breaks() -> None:
    raw = Problem(400, headers={"X-A": "1\r\nX-B: 2\x00 ü"}).raw_headers()
    assert (b"x-a", b"1X-B: 2 \xfc") in raw


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "1"), (0.2, "1"), (1.2, "2"), (1e9, "86400"), (math.inf, "86400"), (math.nan, "1"), (-5, "1")],
)
def test_retry_after_is_whole_seconds(seconds: float, told: str) -> None:
    assert whole_seconds(seconds) == told
    assert too_many("", retry_after_s=seconds).headers["Retry-After"] == told
    assert unavailable("", retry_after_s=seconds).status == 503


@given(some.lists(some.binary(max_size=300), min_size=1, max_size=5))
def test_gzip_members_are_unpacked_one_after_another(parts: list[bytes]) -> None:
    assert gunzip(b"".join(map(gzip.compress, parts)), 10_000) == b"".join(parts)


@given(some.binary(max_size=200))
def test_whatever_is_no_gzip_is_a_problem(rubbish: bytes) -> None:
    with contextlib.suppress(Problem):  # and nothing else
        assert len(gunzip(rubbish, 1_000)) <= 1_000


def test_gzip_is_unpacked_up_to_the_limit_exactly() -> None:
    packed = gzip.compress(bytes(1_000))
    assert len(gunzip(packed, 1_000)) == 1_000
    with pytest.raises(Problem, match="413"):
        gunzip(packed, 999)


@given(some.lists(some.binary(max_size=40), max_size=8), some.integers(0, 200))
async def test_what_is_held_is_given_back(parts: list[bytes], limit: int) -> None:
    waiting = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})
    queue = iter(waiting)

    async def receive() -> dict[str, object]:
        return next(queue)

    buffers, call = Buffers(150), Call("r", "", secure=False, headers={})
    with contextlib.suppress(Problem):  # too large, or too many at once
        held = await read_body(call, receive, limit, buffers)
        assert call.body == b"".join(parts)
        assert buffers.held_bytes == held == len(call.body)
        buffers.give(held)
    assert buffers.held_bytes == 0


NAMED = Proxies(["10.0.0.0/8", "::1"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.9.9.9", "203.0.113.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "'; drop table, 10.2.2.2", "10.2.2.2"),
        ("10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("::1", "2001:db8::2", "2001:db8::2"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("", "203.0.113.9", ""),
    ],
)
def test_the_address_that_counts(peer: str, forwarded: str, client: str) -> None:
    assert NAMED.client(peer, {}, forwarded)[0] == client


def test_the_scheme_is_believed_of_named_proxies() -> None:
    said = {b"x-forwarded-proto": b"https"}
    assert NAMED.client("10.0.0.1", said, "")[1] is True
    assert NAMED.client("192.0.2.1", said, "")[1] is None
    assert not Proxies([])


def test_origins_are_exact() -> None:
    cors = Cors(["https://ops.example"])
    assert cors.preflight(b"https://ops.example.evil") is None
    assert cors.preflight(b"null") is None
    assert cors.preflight(b"https://OPS.example") is not None
    assert not Cors([])


def test_request_ids_of_clients_are_plain() -> None:
    assert request_id_of({b"x-request-id": b"abc-1.2_3"}) == "abc-1.2_3"
    for given_id in (b"", b"a b", b"a\xff", b"x" * 65):
        assert request_id_of({b"x-request-id": given_id}) == ""


def test_headers_that_may_repeat_do() -> None:
    given_headers = [(b"host", b"x"), (b"accept", b"a"), (b"accept", b"b")]
    scope = {"headers": given_headers, "http_version": "1.1", "path": "/", "raw_path": b"/"}
    judge_head(scope, Call("r", "", secure=False, headers=dict(given_headers)))


def test_figures_are_what_prometheus_reads() -> None:
    figures = Figures("fleetpulse_test")
    figures.of("/a/{id}").count("GET", 200, 0.0009)
    figures.of("/a/{id}").count("GET", 200, 99.0)
    figures.of("/a/{id}").count("GET", 503, 0.02)
    figures.refused["key"] += 1
    figures.gauge("in_flight", "now", lambda: 3.0)
    read = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(figures.text().decode())
        for sample in family.samples
    }
    route = ("route", "/a/{id}")
    assert read["fleetpulse_test_requests_total", ("method", "GET"), route, ("status", "200")] == 2
    assert read["fleetpulse_test_request_seconds_bucket", ("le", "0.001"), route] == 1
    assert read["fleetpulse_test_request_seconds_bucket", ("le", "0.02"), route] == 2
    assert read["fleetpulse_test_request_seconds_bucket", ("le", "+Inf"), route] == 3
    assert read["fleetpulse_test_request_seconds_count", route] == 3
    assert read["fleetpulse_test_refused_total", ("reason", "key")] == 1
    assert read[("fleetpulse_test_in_flight",)] == 3


def test_options_of_the_command_line_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETPULSE_X_PORT", "1234")
    monkeypatch.setenv("FLEETPULSE_X_CORS_ORIGINS", "https://a.example, https://b.example")
    monkeypatch.setenv("FLEETPULSE_X_MAX_BODY_BYTES", "5000")
    read = load_options("FLEETPULSE_X_", port=None, max_body=6_000, trusted_proxy=[])
    assert (read.port, read.max_body_bytes, read.trusted_proxies) == (1234, 6_000, ())
    assert read.cors_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    "wrong",
    [
        {"cors_origin": ["*"]},
        {"cors_origin": ["ops.example"]},
        {"trusted_proxy": ["anybody"]},
        {"port": 70_000},
        {"max_body": 1},
        {"request_timeout": 0},
    ],
)
def test_options_that_do_not_fit_are_said_in_one_line(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingError, match="FLEETPULSE_TEST_"):
        options_of(**wrong)


async def test_deadlines_end_who_takes_too_long() -> None:
    deadlines, one_is_over = Deadlines(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def visit(for_s: float, end: asyncio.Event) -> bool:
        slot = deadlines.begin(loop, loop.time() + for_s)
        try:
            await end.wait()
        except asyncio.CancelledError:
            slot.task.uncancel()
            one_is_over.set()
        finally:
            deadlines.finish(slot)
        return slot.expired

    async with asyncio.timeout(60):
        assert await asyncio.gather(visit(0.05, asyncio.Event()), visit(600.0, one_is_over)) == [True, False]
    assert len(deadlines) == 0
