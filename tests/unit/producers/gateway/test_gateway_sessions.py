"""Numbers of agents that keep none: fresh, without holes, each with a fate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.access import Principal
from infra.runtime.clock import ManualClock
from producers.gateway.account import Account
from producers.gateway.encode import UnfitEventError
from producers.gateway.event import Event
from producers.gateway.identity import Refused
from producers.gateway.ingest import Ingest
from producers.gateway.owners import Owners
from producers.gateway.publisher import Parcel, Publisher, PublisherConfig, Unavailable
from producers.gateway.sessions import Sessions, repeatable_session
from producers.sdk.encode import Record
from sinks.lake.accounts import read_accounts

ACME = Principal("key:a", "acme", "acme", (), "ingest", False, "key")


class Noting(Publisher):
    """Takes everything and remembers it: what stands before the broker, without one."""

    def __init__(self) -> None:
        super().__init__(PublisherConfig("127.0.0.1:1"))
        self.rows: list[Record] = []

    def admit(self) -> None:
        """Room for all."""

    async def publish(self, parcels: list[Parcel]) -> None:  # type: ignore[override]  # a list is what it is given
        self.rows += [row for parcel in parcels for row in parcel.rows]


def ingest_of(publisher: Publisher) -> Ingest:
    return Ingest(publisher, Sessions("one"), "gate", Owners(), ManualClock(1_800_000_000.0))


def beat(agent_id: str, status: str = "healthy") -> Event:
    return Event("fleet.heartbeats", agent_id, {"status": status})


async def test_a_request_that_does_not_fit_takes_no_number() -> None:
    publisher = Noting()
    ingest = ingest_of(publisher)
    await ingest.accept(ACME, [beat("a")])
    with pytest.raises(UnfitEventError, match="no field"):
        await ingest.accept(ACME, [beat("a"), Event("fleet.logs", "a", {"massage": "?"})])
    with pytest.raises(Refused):
        await ingest.accept(ACME, [beat("a"), Event("fleet.logs", "a", {"message": "?"}, user_id="globex")])
    with pytest.raises(UnfitEventError, match="no topic"):
        await ingest.accept(ACME, [beat("a"), Event("fleet.alerts", "a", {})])
    await ingest.accept(ACME, [beat("a"), beat("b"), beat("a")])
    assert [(row.key, row.seq) for row in publisher.rows] == [(b"a", 0), (b"a", 1), (b"b", 0), (b"a", 2)]


async def test_a_second_try_is_the_same_rows_at_any_gateway_and_another_key_is_not() -> None:
    tries = []
    for who, key in (
        (ACME, "k"),
        (ACME, "k"),
        (ACME, "l"),
        (Principal("key:b", "b", "acme", (), "ingest", False, "key"), "k"),
    ):
        publisher = Noting()
        await ingest_of(publisher).accept(who, [beat("a"), beat("a")], key)
        tries.append([row.value for row in publisher.rows])
    assert tries[0] == tries[1]
    assert len({value for rows in tries for value in rows}) == 6
    assert repeatable_session("key:a", "k") != repeatable_session("key:", "ak")


async def test_an_idempotency_key_has_a_length() -> None:
    for key in ("", "k" * 256):
        with pytest.raises(Refused, match="Idempotency-Key"):
            await ingest_of(Noting()).accept(ACME, [beat("a")], key)


async def test_nothing_is_numbered_while_the_broker_is_away() -> None:
    ingest = ingest_of(Publisher(PublisherConfig("127.0.0.1:1")))
    with pytest.raises(Unavailable):
        await ingest.accept(ACME, [beat("a")])
    assert list(ingest.sessions.live()) == []


def test_sessions_end_when_there_are_too_many_and_are_told_once() -> None:
    sessions = Sessions("one", most=4)
    for number in range(4):
        sessions.of(f"a{number}").take()
    waiting = sessions.of("a0")
    for number in range(1, 4):
        sessions.of(f"a{number}").acknowledged += 1
    sessions.of("a4")
    assert sessions.of("a0") is waiting
    assert [session.agent_id for session in sessions.take_ended()] == ["a1"]
    assert sessions.take_ended() == []
    assert sessions.of("a1").session_id != "gw-one/a1"


async def test_the_account_closes_a_session_only_when_every_number_has_a_fate(tmp_path: Path) -> None:
    sessions = Sessions("one")
    done, open_ = sessions.of("done"), sessions.of("open")
    done.take(3)
    done.acknowledged, done.dropped = 2, 1
    open_.take()
    await Account(tmp_path, sessions, {"fleet.logs": 2, "fleet.metrics": 0}).write(closing=True)
    account = json.loads((tmp_path / "gateway-one.json").read_text())
    assert account["published"] == {"fleet.logs": 2}
    lines = account["sessions"]
    assert {line["agent_id"]: line["ended"] for line in lines} == {"done": True, "open": False}


async def test_an_account_of_many_sessions_is_bounded_in_memory_and_whole_on_disk(tmp_path: Path) -> None:
    sessions = Sessions("one")
    account = Account(tmp_path, sessions, {"fleet.heartbeats": 9}, most_ended=10)
    for number in range(35):
        session = sessions.of("bot")
        session.take()
        session.acknowledged += 1
        sessions.end("bot")
        if number % 6 == 0:
            await account.write()
    await account.write(closing=True)
    assert len(account._ended) <= 10
    found = read_accounts(tmp_path)
    assert len({session.session_id for session in found.sessions}) == len(found.sessions) == 35
    assert found.published == {"fleet.heartbeats": 9}
    assert all(session.ended and session.settled for session in found.sessions)


async def test_an_account_is_renewed_while_the_gateway_lives_and_not_more_often_than_it_changes(tmp_path: Path) -> None:
    clock = ManualClock(1_800_000_000.0)
    account = Account(tmp_path, Sessions("one"), {}, clock=clock)
    seen = []
    for _ in range(9):
        await account.write()
        seen.append(json.loads((tmp_path / "gateway-one.json").read_text())["as_of"] - 1_800_000_000.0)
        clock.advance(15.0)
    assert seen == [0.0] * 4 + [60.0] * 4 + [120.0]
