"""What is told of sessions to other servers: ends first, also while a server stops, and only what still matters."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import pytest

from infra.access import session_book
from infra.access.sealed import Seals
from infra.access.session_book import Begun, SessionBook
from infra.access.topic import TopicAbsentError

NOBODY = "127.0.0.1:1"
DAY_S = 86_400.0


class Log:
    """A topic that can be absent, and that takes its time while it is held."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys: list[str] = []
        self.tries = 0
        self.asked = asyncio.Event()
        self.open = asyncio.Event()
        self.error: Exception | None = None
        monkeypatch.setattr(session_book, "write", self._write)

    async def _write(self, _bootstrap: str, values: Mapping[str, bytes | None], _topic: str) -> None:
        self.tries += 1
        self.asked.set()
        await self.open.wait()
        if self.error is not None:
            raise self.error
        self.keys += values


def begun(number: int, at_s: float = 0.0) -> Begun:
    return Begun(f"begun-{number}", "key:a", "a", "viewer", None, "", at_s, at_s + DAY_S / 2)


async def end_of(following: asyncio.Task[None]) -> None:
    with suppress(asyncio.CancelledError):
        await following


async def test_what_was_ended_is_told_before_the_server_stops_and_before_what_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session_book, "_LAST_WITHIN_S", 60.0)
    log, book = Log(monkeypatch), SessionBook(Seals(b"s" * 32))
    following = asyncio.create_task(book.follow(NOBODY))
    await asyncio.sleep(0)
    for number in range(200):
        book.begin(begun(number))
    await log.asked.wait()  # begins are being written, and the server is told to stop meanwhile
    book.end("ended", DAY_S, 1.0)
    book.end("begun-7", DAY_S, 1.0)
    log.asked.clear()
    following.cancel()
    await log.asked.wait()
    log.open.set()
    await end_of(following)
    assert log.keys[:2] == ["ended", "begun-7"]
    assert len(log.keys) == len(set(log.keys)) == 201  # of a session that was ended nobody needs to know that it began
    assert book.untold == 0


async def test_a_server_that_nobody_hears_stops_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_book, "_LAST_WITHIN_S", 0.05)
    log, book = Log(monkeypatch), SessionBook(Seals(b"s" * 32))
    following = asyncio.create_task(book.follow(NOBODY))
    await asyncio.sleep(0)
    book.end("ended", DAY_S, 1.0)
    await log.asked.wait()
    async with asyncio.timeout(60):
        following.cancel()
        await end_of(following)
    assert book.untold == 1


async def test_a_topic_that_nobody_made_is_not_asked_for_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_book, "AGAIN_S", 0.001)
    log, book = Log(monkeypatch), SessionBook(Seals(b"s" * 32))
    log.error = TopicAbsentError("no topic")
    log.open.set()
    following = asyncio.create_task(book.follow(NOBODY))
    await asyncio.sleep(0)
    book.end("ended", DAY_S, 1.0)
    await log.asked.wait()
    await asyncio.sleep(0.1)  # a hundred tries, where it were asked as a broker is that is away
    assert log.tries == 1
    following.cancel()
    await end_of(following)
    assert log.tries == 2  # once more at the end, and then no longer


def test_what_nobody_was_told_is_forgotten_once_it_would_be_over_anyhow() -> None:
    book = SessionBook(Seals(b"s" * 32))
    book.follows = True
    for number in range(4_000):
        at_s = number * DAY_S / 1_000
        book.begin(begun(number, at_s))
        if number % 2:
            book.end(f"begun-{number}", at_s + DAY_S / 2, at_s)
    assert book.untold < 2_500
