"""The pages over HTTP: one shell, files with tags, and a policy under which nothing foreign runs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from api_world import Api, api
from web_world import Keys, app_of, running

from infra.web.table import assert_every_route_has_a_rule
from sinks.api.app import create_app
from sinks.dashboard.csp import PAGE
from sinks.dashboard.routes import Pages, dashboard_router


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with running(app_of(dashboard_router(Pages())), Keys()) as server:
        yield server.client


async def test_every_address_beneath_ui_is_the_same_shell(client: httpx.AsyncClient) -> None:
    first = await client.get("/ui/")
    assert first.status_code == 200
    assert first.headers["content-type"] == "text/html; charset=utf-8"
    for path in ("/ui/agents", "/ui/agents/a%2Fb", "/ui/alerts/%3Cscript%3E", "/ui/no/such/page"):
        assert (await client.get(path)).content == first.content


@pytest.mark.parametrize("path", ["/", "/ui"])
async def test_the_root_leads_to_the_pages_relatively(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "ui/")


async def test_the_policy_lets_nothing_inline_and_nothing_foreign_run(client: httpx.AsyncClient) -> None:
    headers = (await client.get("/ui/")).headers
    assert headers["content-security-policy"] == PAGE
    for fault in ("unsafe-inline", "unsafe-eval", "unsafe-hashes", "*", "http:", "https:"):
        assert fault not in PAGE
    assert "script-src 'self';" in PAGE
    assert "require-trusted-types-for 'script'" in PAGE
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


async def test_what_the_shell_names_is_there_and_may_be_kept_for_ever(client: httpx.AsyncClient) -> None:
    shell = (await client.get("/ui/")).text
    named = re.findall(r'(?:src|href)="(/ui-assets/[^"]+)"', shell)
    assert len(named) > 10
    for path in named:
        answer = await client.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "<!-- head -->" not in shell


async def test_who_has_a_file_is_told_that_it_is_the_same(client: httpx.AsyncClient) -> None:
    first = await client.get("/ui-assets/js/main.js")
    assert first.headers["cache-control"] == "no-cache"
    tag = first.headers["etag"]
    for given in (tag, f"W/{tag}", f'"other", {tag}'):
        again = await client.get("/ui-assets/js/main.js", headers={"if-none-match": given})
        assert (again.status_code, again.content) == (304, b"")
    assert (await client.get("/ui-assets/js/main.js", headers={"if-none-match": '"other"'})).status_code == 200


async def test_a_file_comes_packed_only_to_who_takes_that(client: httpx.AsyncClient) -> None:
    packed = await client.get("/ui-assets/css/all.css", headers={"accept-encoding": "gzip"})
    plain = await client.get("/ui-assets/css/all.css", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
    assert packed.headers["vary"] == "Accept-Encoding"


OUTWARD = """../csp.py %2e%2e/csp.py js/%2e%2e/%2e%2e/csp.py js/..%2f..%2fcsp.py /etc/passwd no.js
    vendor/echart/../../../csp.py"""


@pytest.mark.parametrize("path", ["", *OUTWARD.split()])
async def test_no_path_leads_out_of_the_files(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"/ui-assets/{path}")
    assert answer.status_code in {400, 404}
    assert b"DIRECTIVES" not in answer.content


async def test_head_and_foreign_methods(client: httpx.AsyncClient) -> None:
    answer = await client.head("/ui-assets/js/main.js")
    assert (answer.status_code, answer.content) == (200, b"")
    assert (await client.post("/ui/")).status_code == 405


async def test_the_api_has_the_pages_unless_told_otherwise_and_each_route_has_its_rule(tmp_path: Path) -> None:
    async with api(tmp_path) as world:
        with_pages = _paths(world, dashboard=True)
        without = _paths(world, dashboard=False)
    assert with_pages - without == {"/", "/ui", "/ui/{path}", "/ui-assets/{path}"}


def _paths(world: Api, *, dashboard: bool) -> set[str]:
    app = create_app(world.world, dashboard=dashboard)
    return {entry.template for entry in assert_every_route_has_a_rule(app).entries}
