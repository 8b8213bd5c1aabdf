"""The gateway against its own OpenAPI document, with a broker behind it: no 5xx, nothing undocumented."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from broker_fixtures import BrokerFactory
from openapi_world import abuse
from web_world import NOW_S, options_of

from infra.access import make_key
from infra.access.secret import server_secret
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.settings import load_settings
from infra.web.openapi import openapi_of
from infra.web.serve import serving
from producers.gateway.config import GatewayConfig
from producers.gateway.service import gateway

pytestmark = [
    pytest.mark.timeout(600),
    # Hypothesis takes the server's own use of `random`, in the loop's thread, for that of a strategy.
    pytest.mark.filterwarnings("ignore:Do not use the `random` module"),
]


@contextlib.asynccontextmanager
async def _served(bootstrap: str, data_dir: Path) -> AsyncIterator[tuple[dict[str, object], str, dict[str, str]]]:
    """Its document, its address, the header of a key that may all."""
    await provision(bootstrap, plan_topics(load_settings(partitions=1)))
    config = GatewayConfig(bootstrap, data_dir, options_of())
    async with gateway(config) as served, serving(served.door) as listening:
        directory = served.door.access.directory
        secret = server_secret(data_dir, bootstrap)
        text, record = make_key(secret, name="all", role="admin", tenant="acme", now_s=NOW_S)
        assert directory.put(record)
        yield openapi_of(served.door.app), listening.url, {"X-API-Key": text}  # type: ignore[arg-type]  # a FastAPI


async def _abuse(factory: BrokerFactory, data_dir: Path, examples: int) -> int:
    broker = await asyncio.to_thread(factory, "tansu")
    async with _served(broker.bootstrap, data_dir) as (document, url, headers):
        return await asyncio.to_thread(abuse, document, url, headers, examples=examples, lenient=True)


async def test_the_gateway_does_what_its_document_says(broker_factory: BrokerFactory, tmp_path: Path) -> None:
    assert await _abuse(broker_factory, tmp_path, examples=1) > 20


@pytest.mark.fault
async def test_the_gateway_does_what_its_document_says_for_long(broker_factory: BrokerFactory, tmp_path: Path) -> None:
    assert await _abuse(broker_factory, tmp_path, examples=30) > 400
