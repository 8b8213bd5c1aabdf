"""Hostile ids, ranges and cursors: told what is wrong, never a 5xx, never somebody else's rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
import pytest_asyncio
from api_world import NOW_US, Api, api, status, trust

from sinks.api.pages import encode_cursor
from sinks.api.times import TimeError, iso_us, parse_time

pytestmark = pytest.mark.asyncio(loop_scope="module")
IDS = (
    "' OR 1=1 --", "x'; DROP VIEW metrics; --", "../../etc/passwd", "a\0b", "%", "*", "[a-z]*",
    "getvariable('scope_tenant')", "🤖", "\r\nSet-Cookie: x=1", "a" * 501, "$1",
)  # fmt: skip
OF_AN_AGENT = ("status/{}", "{}/metrics", "{}/violations", "{}/logs", "{}/forecasts", "{}/trust", "{}/ledger")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with api(tmp_path_factory.mktemp("api")) as found:
        found.tell("fleet.status", status("bot"))
        found.tell("fleet.trust", trust("bot"))
        for table in ("metrics", "violations", "logs", "runs", "forecasts"):
            found.lake.add(table, [{"agent_id": "bot", "user_id": "acme", "run_id": "r", "kind": "run_started"}])
        yield found


@pytest.mark.parametrize("name", IDS)
async def test_no_id_is_more_than_a_name(world: Api, name: str) -> None:
    key = world.by()
    for path in (*(f"/api/agents/{each}" for each in OF_AN_AGENT), "/v1/runs/{}"):
        answer = await world.client.get(path.format(quote(name, safe="")), headers=key)
        assert answer.status_code in {400, 404, 422}, (path, name, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("name", ["\0", "' OR ''='", "*", "%", "_", "a" * 300])
async def test_no_filter_is_more_than_a_text(world: Api, name: str) -> None:
    for path, parameter in (
        ("/api/agents", "q"),
        ("/api/agents", "deployment"),
        ("/v1/runs", "agent"),
        ("/api/agents/bot/logs", "q"),
        ("/api/agents/bot/violations", "policy"),
        ("/api/agents/bot/forecasts", "metric"),
    ):
        answer = await world.get(path, **{parameter: name})
        assert answer.status_code in {200, 422}, (path, name, answer.text)
        assert answer.status_code == 422 or answer.json()["items"] == []


@pytest.mark.parametrize(
    "asked",
    [
        {"range": "-1h"}, {"range": "0s"}, {"range": "1e9d"}, {"range": "99999d"}, {"range": "nan"}, {"range": ""},
        {"range": "9" * 39}, {"from": "yesterday"}, {"from": "0000-00-00"}, {"from": "0001-01-01T00:00:00Z"},
        {"from": "9999-12-31T23:59:59Z"}, {"from": "2026-11-21", "to": "2026-11-20"},
        {"range": "1h", "from": "2026-11-21"}, {"from": "2020-01-01", "to": "2026-01-01"},
        {"to": "2026-11-21T00:00:00+99:99"}, {"limit": "0"}, {"limit": "-1"}, {"limit": "99999999999999999999"},
        {"limit": "1.5"}, {"from": "٢٠٢٦-11-21"},
    ],
)  # fmt: skip
async def test_a_span_that_makes_no_sense_is_refused(world: Api, asked: dict[str, str | int]) -> None:
    for path in ("/api/agents/bot/violations", "/api/agents/bot/logs", "/v1/runs"):
        answer = await world.get(path, **asked)
        assert answer.status_code == 422, (path, asked, answer.text)
        assert answer.json()["type"] in {"bad-range", "invalid"}


@pytest.mark.parametrize(
    "cursor",
    [
        "x", "====", "bm9wZQ", "W10", "🤖", "\0", "A" * 1_999, "A" * 2_001, "e30", "bnVsbA",
        encode_cursor([NOW_US]), encode_cursor([NOW_US, "no-uuid"]), encode_cursor([2**62, "0" * 32]),
        encode_cursor([-(2**62), "0" * 32]), encode_cursor(["agent_id", 0.0, "bot"]), encode_cursor([None, None]),
        encode_cursor([2**62, "r", "acme"]), encode_cursor(["trust", 0.5, "bot", "acme"]),
        "W1tbW1tbW1tbW1tbW1tbW1tbW1tb" * 60, "WzFlOTk5LCJhIl0", "W05hTiwiYSJd",
    ],
)  # fmt: skip
async def test_a_cursor_that_nobody_gave_breaks_nothing(world: Api, cursor: str) -> None:
    for path in ("/api/agents", "/v1/runs", "/api/agents/bot/violations", "/api/agents/bot/logs"):
        answer = await world.get(path, cursor=cursor)
        assert answer.status_code in {200, 400, 422}, (path, cursor, answer.text)


@pytest.mark.parametrize("names", ["", ",", ",".join(map(str, range(41))), "\0", "x" * 4_001])
async def test_metrics_that_cannot_be_named_are_refused(world: Api, names: str) -> None:
    assert (await world.get("/api/agents/bot/metrics", metrics=names)).status_code == 422


async def test_a_metric_is_a_value_never_sql(world: Api) -> None:
    name = "x') OR true; DROP VIEW metrics; --"
    found = await world.json("/api/agents/bot/metrics", metrics=name)
    assert found["series"][name]["mean"] == [None]


async def test_other_methods_and_paths_are_problems(world: Api) -> None:
    key = world.by("acme", "admin")
    for method, path, expected in (
        ("POST", "/api/agents", 405),
        ("DELETE", "/v1/runs/r", 405),
        ("GET", "/api/nothing", 404),
    ):
        answer = await world.client.request(method, path, headers=key)
        assert answer.status_code == expected
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.asyncio(loop_scope="function")
async def test_times_are_utc_whatever_they_say() -> None:
    assert parse_time("2026-11-21T20:30:00 01:00", "from") == parse_time("2026-11-21T19:30:00Z", "from")
    assert parse_time("2026-11-21", "from") == parse_time("2026-11-21T00:00:00", "from")
    with pytest.raises(TimeError, match="write it like"):
        parse_time("soon", "from")
    assert iso_us(2**62) is None
    assert iso_us(1) == "1970-01-01T00:00:00.000001Z"
