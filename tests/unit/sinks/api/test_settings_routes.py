"""Settings and keys over HTTP, as far as no broker is needed: who sees what, what is refused, that secrets stay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from api_world import NOW, Api, ago_us, api
from web_world import NOW_S, SECRET

from infra.access import make_key
from infra.access.settings import AccessSettings
from infra.runtime.trust_settings import TrustSettings
from sinks.api.settings.effective import effective
from sinks.api.settings.models import KeyList, SettingsTold

THEIRS = "of-globex-alone"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with api(tmp_path_factory.mktemp("api")) as found:
        yield found


def own(world: Api, **given: Any) -> str:  # noqa: ANN401  # arguments of make_key
    """The look-up part of a new key."""
    _, record = make_key(SECRET, **{"name": "k", "role": "viewer", "tenant": "acme", "now_s": NOW_S, **given})
    assert world.server.keys.directory.put(record)
    return record.lookup


async def told(world: Api, path: str, tenant: str | None = "acme") -> Any:  # noqa: ANN401  # JSON
    answer = await world.client.get(path, headers=world.by(tenant, "admin"))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_settings_say_where_they_come_from(world: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETPULSE_SECRET", "a secret of thirty-two characters or more")
    world.world.trust = TrustSettings(half_life_s=60.0)
    world.lake.add("logs", [{"agent_id": "a", "user_id": "acme", "timestamp": ago_us(hours=2)}])
    found = await told(world, "/api/settings", None)
    SettingsTold.model_validate(found)
    by_name = {each["name"]: each for each in found["settings"]}
    assert by_name["FLEETPULSE_SECRET"]["value"] == "set"
    assert by_name["FLEETPULSE_SECRET"]["source"] == "environment"
    assert "thirty-two" not in str(found)
    half_life = by_name["FLEETPULSE_TRUST_HALF_LIFE_S"]
    assert (half_life["value"], half_life["default"], half_life["source"]) == (60.0, 604_800.0, "option")
    logs = next(each for each in found["retention"] if each["table"] == "logs")
    assert (logs["files"], logs["oldest"], logs["lake_s"]) == (1, "2026-11-21T17:00:00.000Z", 30 * 86_400)
    assert logs["stored_bytes"] > 0


async def test_a_tenants_admin_is_told_nothing_of_the_server(world: Api) -> None:
    found = await told(world, "/api/settings")
    SettingsTold.model_validate(found)
    assert found["settings"] == []
    assert {each["stored_bytes"] for each in found["retention"]} == {None}


async def test_nothing_secret_is_told_of_any_setting() -> None:
    user = ":".join(("me", "hidden"))
    given = AccessSettings(secret="s" * 40, oidc_issuer=f"https://{user}@issuer.example/realm")
    found = {each["name"]: each for each in effective("access", "FLEETPULSE_", given, {"fleetpulse_oidc_issuer": "x"})}
    assert found["FLEETPULSE_OIDC_ISSUER"]["value"] == "https://***@issuer.example/realm"
    assert found["FLEETPULSE_OIDC_ISSUER"]["source"] == "environment"
    assert "hidden" not in str(found)
    assert "sss" not in str(found)


async def test_keys_are_those_of_the_own_tenant(world: Api) -> None:
    theirs, fleets = own(world, tenant="globex", name=THEIRS), own(world, tenant=None, role="admin")
    mine = own(world, name="<b>mine</b>")
    found = await told(world, "/api/keys")
    KeyList.model_validate(found)
    listed = {each["lookup"]: each for each in found["items"]}
    assert listed[mine]["name"] == "<b>mine</b>"
    assert {theirs, fleets}.isdisjoint(listed)
    assert [each["own"] for each in found["items"]].count(True) == 1
    assert THEIRS not in str(found)
    everything = {each["lookup"] for each in (await told(world, "/api/keys", None))["items"]}
    assert {theirs, fleets, mine} <= everything
    for text in (record.hash for record in world.server.keys.directory.records()):
        assert text not in str(found)


@pytest.mark.parametrize("what", ["rotate", "revoke"])
async def test_keys_of_others_are_not_there(world: Api, what: str) -> None:
    headers = world.by("acme", "admin")
    for lookup in (own(world, tenant="globex"), own(world, tenant=None, role="admin"), "abcdefgh2345"):
        answer = await world.client.post(f"/api/keys/{lookup}/{what}", json={}, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (404, "not-found")
    assert (await world.client.post(f"/api/keys/x/{what}", json={}, headers=headers)).status_code == 422


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"name": "k", "role": "viewer", "tenant": "globex"}, 403),
        ({"name": "k", "role": "viewer", "tenant": "fleetpulse"}, 403),
        ({"name": "k", "role": "god"}, 422),
        ({"name": "", "role": "viewer"}, 422),
        ({"name": "a\nb", "role": "viewer"}, 422),
        ({"name": "k", "role": "viewer", "agents": ["a*"]}, 422),
        ({"name": "k", "role": "ingest", "sql": True}, 422),
        ({"name": "k", "role": "viewer", "expires": "soon"}, 422),
        ({"name": "k", "role": "viewer", "id": "x"}, 422),
        ({"name": "k", "role": "viewer"}, 503),  # all is well, but no broker is there
    ],
)
async def test_orders_that_are_not_carried_out(world: Api, order: dict[str, object], code: int) -> None:
    count = len(world.server.keys.directory.records())
    answer = await world.client.post("/api/keys", json=order, headers=world.by("acme", "admin"))
    assert answer.status_code == code, answer.text
    assert "fp_" not in answer.text
    assert len(world.server.keys.directory.records()) == count + 1  # that of who asked


async def test_a_fleets_ingest_key_needs_a_tenant(world: Api) -> None:
    answer = await world.client.post("/api/keys", json={"name": "k", "role": "ingest"}, headers=world.by(None, "admin"))
    assert (answer.status_code, "tenant" in answer.json()["detail"]) == (422, True)


async def test_what_has_ended_or_has_a_successor_is_not_rotated(world: Api) -> None:
    headers = world.by("acme", "admin")
    ended, replaced = own(world, now_s=NOW.timestamp() - 100, lives_s=1.0), own(world)
    successor = own(world, replaces=replaced)
    for lookup, kind in ((ended, "unfit"), (replaced, "done-before")):
        answer = await world.client.post(f"/api/keys/{lookup}/rotate", json={}, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (409, kind)
    listed = {each["lookup"]: each for each in (await told(world, "/api/keys"))["items"]}
    assert (listed[replaced]["replaced_by"], listed[ended]["state"]) == (successor, "expired")


@pytest.mark.parametrize("role", ["viewer", "operator", "ingest"])
async def test_only_admins(world: Api, role: Any) -> None:  # noqa: ANN401  # a role
    headers = world.by("acme", role)
    for path in ("/api/settings", "/api/keys"):
        assert (await world.client.get(path, headers=headers)).status_code == 403
    for path in ("/api/keys", "/api/keys/abcdefgh2345/revoke", "/api/keys/abcdefgh2345/rotate"):
        assert (await world.client.post(path, json={}, headers=headers)).status_code == 403
