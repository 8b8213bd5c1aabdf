"""`fleetpulse keys` as people and `up` use it, on a broker of its own with the catalogue's topics."""

from __future__ import annotations

import asyncio
import json
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import fleetpulse, running
from local_issuer import AUDIENCE, local_issuer

from infra.access import KeyDirectory, Principal, Refusal, verify
from infra.access.desk import KeyDesk, RefusedKeyError, Wanted
from infra.access.secret import server_secret
from infra.broker.interface import Broker
from infra.broker.resolve import resolve_broker
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.clock import ManualClock
from infra.runtime.kafka import TopicPartition, consumer
from infra.runtime.settings import load_settings
from schemas.record import decode_record
from schemas.registry import SchemaBook

HOUR_S = 3_600.0


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A Tansu with the topics of the catalogue, one partition each."""
    broker = resolve_broker("tansu", load_settings(data_dir=tmp_path_factory.mktemp("keys")))
    try:
        broker.start()
        broker.wait_ready()
        asyncio.run(provision(broker.bootstrap, plan_topics(load_settings(partitions=1))))
        yield broker
    finally:
        broker.stop(deadline_s=5)


def keys(fleet: Broker, data: Path, *arguments: str) -> Any:  # noqa: ANN401  # whatever JSON the command prints
    done = fleetpulse(data, "keys", *arguments, "--bootstrap", fleet.bootstrap, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def directory_of(fleet: Broker, data: Path) -> KeyDirectory:
    directory = KeyDirectory(server_secret(data, fleet.bootstrap))
    await directory.read_all(fleet.bootstrap)
    return directory


async def audited(fleet: Broker) -> list[dict[str, Any]]:
    """All events of fleet.audit."""
    reader = consumer(fleet.bootstrap)
    await reader.start()
    try:
        partition = TopicPartition("fleet.audit", 0)
        reader.assign([partition])
        end = (await reader.end_offsets([partition]))[partition]
        found: list[dict[str, Any]] = []
        while await reader.position(partition) < end:
            polled = await reader.getmany(partition, timeout_ms=300)
            found += [decode_record(SchemaBook("audit"), r.value) for r in polled.get(partition, ())]
        return found
    finally:
        await reader.stop()


async def test_a_key_from_its_making_to_its_end(fleet: Broker, tmp_path: Path) -> None:
    made = keys(
        fleet, tmp_path, "create", "--name", "crawler", "--role", "ingest", "--tenant", "acme", "--agent", "crawler-*",
        "--expires", "90d",
    )  # fmt: skip
    found = verify(made["key"], await directory_of(fleet, tmp_path), time.time())
    assert isinstance(found, Principal)
    assert (found.tenant, found.agents, found.role) == ("acme", ("crawler-*",), "ingest")
    rotated = keys(fleet, tmp_path, "rotate", "crawler", "--keep", "24h")
    assert (rotated["replaces"], rotated["replaced"]["lookup"]) == (made["lookup"], made["lookup"])
    directory = await directory_of(fleet, tmp_path)
    for text, after_s, lives in [(made["key"], 23, True), (made["key"], 25, False), (rotated["key"], 25, True)]:
        at_s = time.time() + after_s * HOUR_S
        assert isinstance(verify(text, directory, at_s), Principal if lives else Refusal)
    await KeyDesk(fleet.bootstrap, directory.secret, "local:test").revoke(rotated["lookup"])
    refused = verify(rotated["key"], await directory_of(fleet, tmp_path), time.time())
    assert refused == Refusal("revoked", rotated["lookup"])

    listed = {row["lookup"]: row for row in keys(fleet, tmp_path, "list")["keys"]}
    assert listed[made["lookup"]]["state"] == "live"
    assert listed[rotated["lookup"]]["state"] == "revoked"
    told = json.dumps(listed)
    assert made["key"].rpartition("_")[2] not in told
    assert not any("hash" in row for row in listed.values()), "look-up parts of a key may spell any word, fields do not"
    trail = [
        row for row in await audited(fleet) if made["lookup"] in row["detail"] or rotated["lookup"] in row["detail"]
    ]
    assert [row["action"] for row in trail] == ["keys.create", "keys.rotate", "keys.rotate", "keys.revoke"]
    assert {(row["via"], row["user_id"]) for row in trail} == {("local", "acme")}
    assert made["key"].rpartition("_")[2] not in str(trail)


async def test_ensure_makes_a_key_once_for_its_owner_alone(fleet: Broker, tmp_path: Path) -> None:
    file = tmp_path / "deep" / "admin-key"
    desk = KeyDesk(fleet.bootstrap, server_secret(tmp_path, fleet.bootstrap), "local:test")
    wanted = Wanted("local admin", "admin")
    assert keys(fleet, tmp_path, "ensure", "--file", str(file))["made"] is True
    first = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first not in str(await audited(fleet))
    assert await desk.ensure(wanted, file) is None
    assert file.read_text() == first

    await desk.revoke(first.strip())
    assert await desk.ensure(wanted, file) is not None
    second = file.read_text().strip()
    assert await desk.ensure(Wanted("reader", "viewer", "acme"), file) is not None
    assert file.read_text().startswith("fp_v_")
    assert isinstance(verify(second, await desk.directory(), time.time()), Principal)


async def test_what_cannot_be_is_refused(fleet: Broker, tmp_path: Path) -> None:
    secret = server_secret(tmp_path, fleet.bootstrap)
    clock = ManualClock(time.time())
    desk = KeyDesk(fleet.bootstrap, secret, "local:test", clock)
    for wanted, why in [
        (Wanted("x", "ingest"), "belongs to one tenant"),
        (Wanted("x", "viewer", "acme", ("a",)), "only a key of role ingest"),
        (Wanted("", "viewer"), "name"),
        (Wanted("x", "viewer", lives_s=1e15), "."),
    ]:
        with pytest.raises(RefusedKeyError, match=why):
            await desk.create(wanted)
    with pytest.raises(RefusedKeyError, match="no such key"):
        await desk.revoke("nobody")
    made = await desk.create(Wanted("twin", "viewer", "acme", lives_s=HOUR_S))
    await desk.create(Wanted("twin", "viewer", "acme", lives_s=HOUR_S))
    with pytest.raises(RefusedKeyError, match="2 keys that live"):
        await desk.revoke("twin")
    elsewhere = KeyDesk(fleet.bootstrap, b"another server secret of 32 bytes", "local:test", clock)
    with pytest.raises(RefusedKeyError, match="another server secret"):
        await elsewhere.revoke(made.record.lookup)
    clock.advance(2 * HOUR_S)
    with pytest.raises(RefusedKeyError, match="is expired"):
        await desk.rotate(made.record.lookup, 0.0)


@pytest.mark.fault  # nothing is killed, but it starts two servers
async def test_two_gateways_know_within_a_second_whom_to_let_in(fleet: Broker, tmp_path: Path) -> None:
    """Two processes, a key that is made and revoked while they run, a token of an issuer, a key of the sources."""
    desk = KeyDesk(fleet.bootstrap, server_secret(tmp_path, fleet.bootstrap), "local:test")
    gateway = ("gateway", "--bootstrap", fleet.bootstrap, "--port", "0", "--compat-keys")
    with (
        local_issuer() as issuer,
        running(tmp_path, *gateway, FLEETPULSE_OIDC_ISSUER=issuer.url, FLEETPULSE_OIDC_AUDIENCE=AUDIENCE) as one,
        running(tmp_path, *gateway) as other,
    ):
        urls = [f"{at.ready['url']}/v1/events" for at in (one, other)]

        async with httpx.AsyncClient(timeout=60) as client:

            async def answers(**headers: str) -> list[int]:
                return [(await client.get(url, headers=headers)).status_code for url in urls]

            async def until_both(wanted: int, **headers: str) -> float:
                began_s = time.monotonic()
                async with asyncio.timeout(60):
                    while await answers(**headers) != [wanted, wanted]:  # noqa: ASYNC110  # nobody tells
                        await asyncio.sleep(0.02)
                return time.monotonic() - began_s

            tries_s: list[float] = []
            while min(tries_s, default=2.0) > 1.0:  # a machine that is busy with other things may need some
                assert len(tries_s) < 40, tries_s
                made = await desk.create(Wanted("crawler", "ingest", "acme"))
                made_s = await until_both(200, **{"X-API-Key": made.text})
                await desk.revoke(made.record.lookup)
                tries_s.append(max(made_s, await until_both(401, Authorization=f"Bearer {made.text}")))
            token = issuer.token(time.time(), roles=["ingest"])
            assert await answers(Authorization=f"Bearer {token}") == [200, 401]
            assert await answers(Authorization=f"Bearer {issuer.token(time.time(), roles=['viewer'])}") == [403, 401]
            assert await answers(**{"X-API-Key": "promethios_acme_crawler_1672531200"}) == [200, 200]
            assert await answers() == [401, 401]

            refused: list[dict[str, Any]] = []
            async with asyncio.timeout(60):
                while not refused:
                    refused = [r for r in await audited(fleet) if r["detail"] == f"revoked {made.record.lookup}"]
    assert {row["action"] for row in refused} == {"refused"}
    assert {row["status"] for row in refused} == {401}
    assert {row["route"] for row in refused} == {"/v1/events"}
    assert {row["address"] for row in refused} == {"127.0.0.1"}


def test_mistakes_are_one_line(fleet: Broker, tmp_path: Path) -> None:
    wrong = fleetpulse(tmp_path, "keys", "create", "--name", "n", "--role", "root", "--bootstrap", fleet.bootstrap)
    assert wrong.returncode == 2
    assert "there is no role 'root'" in wrong.stderr
    missing = fleetpulse(tmp_path / "x", "keys", "list", "--bootstrap", "broker.example:9092")
    assert missing.returncode == 2
    assert "FLEETPULSE_SECRET" in missing.stderr
