"""An issuer that does not answer costs one thread, however many people want to sign in there."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from infra.access.code_flow import Trip, code_flow
from infra.access.jwks import IssuerError
from infra.access.settings import load_access_settings

URL = "http://127.0.0.1:9"
TRIP = Trip("state", "nonce", "verifier", "http://127.0.0.1/session/oidc/callback")


async def test_an_issuer_that_hangs_holds_one_thread_and_is_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    answering, asked, away = threading.Event(), [], [True]

    def slow(issuer: str) -> dict[str, Any]:
        asked.append(issuer)
        answering.wait(10)
        if away[0]:
            raise IssuerError("it is away")
        return {"issuer": issuer, "authorization_endpoint": f"{issuer}/authorize"}

    monkeypatch.setattr("infra.access.code_flow.discover", slow)
    flow = code_flow(load_access_settings(oidc_issuer=URL, oidc_audience="here", oidc_client_id="dashboard"))
    assert flow is not None
    leaving = [asyncio.create_task(flow.begin(TRIP)) for _ in range(20)]
    await asyncio.sleep(0)
    answering.set()
    found = await asyncio.gather(*leaving, return_exceptions=True)
    assert [type(each) for each in found] == [IssuerError] * 20
    assert asked == [URL]
    away[0] = False
    urls = await asyncio.gather(*(flow.begin(TRIP) for _ in range(20)))
    assert all(url.startswith(f"{URL}/authorize?") for url in urls)
    assert asked == [URL] * 2
