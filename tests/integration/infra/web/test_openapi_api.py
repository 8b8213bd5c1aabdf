"""The query API against its own OpenAPI document: no 5xx, nothing undocumented, no route without its key."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from api_world import Api, Lake, ago_us, status, trust
from api_world import api as api_by_hand
from broker_fixtures import BrokerFactory
from openapi_world import abuse
from web_world import NOW_S, options_of

from infra.access import make_key
from infra.access.secret import server_secret
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.settings import load_settings
from infra.runtime.trust_settings import TrustSettings
from infra.web.openapi import openapi_of
from infra.web.serve import serving
from sinks.api.service import ApiConfig, api

pytestmark = [
    pytest.mark.timeout(600),
    # Hypothesis takes the server's own use of `random`, in the loop's thread, for that of a strategy.
    pytest.mark.filterwarnings("ignore:Do not use the `random` module"),
]
STREAM = "/api/live"
"""Goes on until its reader leaves, so that no generated request ends."""


@pytest_asyncio.fixture
async def filled(tmp_path: Path) -> AsyncIterator[Api]:
    """An API without broker that knows two agents and has some history."""
    async with api_by_hand(tmp_path) as found:
        found.tell("fleet.status", status("a1"), status("b1", "other"))
        found.tell("fleet.trust", trust("a1"), trust("b1", "other"))
        found.lake.add("metrics", [{"agent_id": "a1", "user_id": "acme", "timestamp": ago_us(minutes=5)}])
        yield found


async def test_the_api_does_what_its_document_says(filled: Api) -> None:
    document: dict[str, Any] = openapi_of(filled.server.door.app)  # type: ignore[arg-type]  # a FastAPI, as `create_app` says
    # What asks the alert manager or a broker is 503 without one.
    asks = ("/alerts", "/silences", "/api/views", "/api/keys", "/api/ledger")
    left = [STREAM, *(path for path in document["paths"] if path.startswith(asks))]
    url, keys = filled.server.listening.url, filled.by(role="admin")
    assert await asyncio.to_thread(abuse, document, url, keys, examples=1, leave_out=left) > 20


@contextlib.asynccontextmanager
async def _whole(bootstrap: str, data_dir: Path) -> AsyncIterator[tuple[dict[str, Any], str, dict[str, str]]]:
    """The document of an API with broker and alert manager's memory, its address, the header of a key that may all."""
    await provision(bootstrap, plan_topics(load_settings(partitions=1)))
    Lake(data_dir / "lake").add("metrics", [{"agent_id": "a1", "user_id": "acme", "timestamp": ago_us(minutes=5)}])
    config = ApiConfig(bootstrap, data_dir, data_dir / "lake", options_of(), TrustSettings())
    async with api(config) as served, serving(served.door) as listening:
        text, record = make_key(
            server_secret(data_dir, bootstrap), name="all", role="admin", tenant="acme", now_s=NOW_S
        )
        assert served.door.access.directory.put(record)
        keys = {"X-API-Key": text}
        await asyncio.to_thread(_await_alerts, listening.url, keys)
        yield openapi_of(served.door.app), listening.url, keys  # type: ignore[arg-type]  # a FastAPI


def _await_alerts(url: str, keys: dict[str, str]) -> None:
    """Wait until the alert manager's memory has been read."""
    for _ in range(600):
        if httpx.get(f"{url}/alerts", headers=keys, timeout=60).status_code == 200:
            return
        time.sleep(0.1)
    raise TimeoutError


@pytest.mark.fault
async def test_the_api_does_what_its_document_says_for_long(broker_factory: BrokerFactory, tmp_path: Path) -> None:
    broker = await asyncio.to_thread(broker_factory, "tansu")
    async with _whole(broker.bootstrap, tmp_path) as (document, url, keys):
        assert await asyncio.to_thread(abuse, document, url, keys, examples=20, leave_out=[STREAM]) > 400
