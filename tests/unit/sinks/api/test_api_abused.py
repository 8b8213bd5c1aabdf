"""schemathesis over the API's own document: what it allows is answered as it says, what it does not is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from api_world import api, status, trust
from openapi_world import abuse

from infra.web.openapi import openapi_of
from sinks.api.app import create_app

NEED_A_BROKER = ("/alerts", "/silences", "/api/views", "/api/keys", "/api/ledger")
"""How paths begin that are 503 without one; tests/integration/infra/web/test_openapi_api.py asks them beside one."""
ENDLESS = "/api/live"


@pytest.mark.fault
async def test_the_document_holds_under_abuse(tmp_path: Path) -> None:
    async with api(tmp_path) as world:
        world.tell("fleet.status", status("bot"))
        world.tell("fleet.trust", trust("bot"))
        world.lake.add("logs", [{"agent_id": "bot", "user_id": "acme"}])
        document = openapi_of(create_app(world.world))
        left_out = [ENDLESS, *(path for path in document["paths"] if path.startswith(NEED_A_BROKER))]
        url = world.server.listening.url
        key = world.by("acme", "admin")
        sent = await asyncio.to_thread(abuse, document, url, key, examples=10, leave_out=left_out)
    assert sent > 100
