"""Keys and the audit trail on real brokers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from infra.access import AuditEvent, KeyDirectory, KeyRecord, Principal, Refusal, auditing, make_key, verify
from infra.access import trail as audit_trail
from infra.access.desk import KeyDesk, Wanted
from infra.access.topic import USED, TopicAbsentError, reading, write
from infra.broker.interface import Broker
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.kafka import TopicPartition, consumer
from infra.runtime.settings import load_settings
from schemas.catalogue import ACCESS_ENDED, ACCESS_KEYS
from schemas.record import decode_record
from schemas.registry import SchemaBook

SECRET = b"s" * 32
FreshTopics = Callable[..., Awaitable[list[str]]]


@contextlib.asynccontextmanager
async def following(broker: Broker, topic: str, ended: str) -> AsyncIterator[KeyDirectory]:
    directory = KeyDirectory(SECRET)
    task = asyncio.create_task(directory.follow(broker.bootstrap, topic, ended))
    try:
        async with asyncio.timeout(60):
            await directory.ready.wait()
        yield directory
    finally:
        task.cancel()
        await asyncio.wait({task})


async def until(holds: Callable[[], bool], within_s: float = 60) -> float:
    """Seconds until it holds. Raises `TimeoutError`."""
    began_s = time.monotonic()
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110  # what holds is a state of the directory, which tells nobody of changes
            await asyncio.sleep(0.01)
    return time.monotonic() - began_s


async def put(broker: Broker, topic: str, record: KeyRecord) -> None:
    await write(broker.bootstrap, {record.lookup: record.model_dump_json().encode()}, topic)


async def test_two_directories_know_within_a_second_what_is_made_and_revoked(
    any_broker: Broker, fresh_topics: FreshTopics
) -> None:
    topic, ended = await fresh_topics(any_broker, "keys", "ended", partitions=1, compacted=True)
    text, record = make_key(SECRET, name="early", role="viewer", tenant="acme", now_s=time.time())
    await put(any_broker, topic, record)
    async with following(any_broker, topic, ended) as one, following(any_broker, topic, ended) as other:
        both = (one, other)
        assert all(isinstance(verify(text, d, time.time()), Principal) for d in both)

        tries_s: list[float] = []
        while min(tries_s, default=2.0) > 1.0:  # a machine that is busy with other things may need some
            assert len(tries_s) < 40, tries_s
            later, later_record = make_key(SECRET, name="late", role="admin", tenant=None, now_s=time.time())
            await put(any_broker, topic, later_record)
            made_s = await until(
                lambda text=later: all(isinstance(verify(text, d, time.time()), Principal) for d in both)
            )
            await put(any_broker, topic, record.revoked_at(time.time()).sealed(SECRET))
            gone = Refusal("revoked", record.lookup)
            ended_s = await until(lambda text=text, gone=gone: all(verify(text, d, time.time()) == gone for d in both))
            assert isinstance(verify(later, one, time.time()), Principal)
            tries_s.append(max(made_s, ended_s))
            text, record = later, later_record


async def test_the_last_use_reaches_the_topic_and_whoever_reads_it(tansu: Broker, fresh_topics: FreshTopics) -> None:
    topic, ended = await fresh_topics(tansu, "keys", "ended", partitions=1, compacted=True)
    text, record = make_key(SECRET, name="n", role="viewer", tenant="acme", now_s=time.time())
    await put(tansu, topic, record)
    async with following(tansu, topic, ended) as one, following(tansu, topic, ended) as other:
        verify(text, one, used_s := time.time())
        await until(lambda: other.last_used_s(record.lookup) is not None)
        assert other.last_used_s(record.lookup) == pytest.approx(used_s, abs=0.01)
        # Who knows that it was written down a moment ago does not write it again.
        verify(text, other, used_s + 5)
        assert other.to_write_down() == {}


async def test_several_uses_written_at_once_are_no_log_that_has_begun_anew(
    any_broker: Broker, fresh_topics: FreshTopics
) -> None:
    """Tansu tells the end of a batch of several as if it had one: every second all keys were unknown for a moment."""
    (topic,) = await fresh_topics(any_broker, "keys", partitions=1, compacted=True)
    values = {f"{USED}{number}": json.dumps({"used": "2026-01-01T00:00:00+00:00"}).encode() for number in range(3)}
    await write(any_broker.bootstrap, dict(values), topic)
    read = 0
    async with reading(any_broker.bootstrap, topic) as reader, asyncio.timeout(60):
        while read < len(values):
            read += len(await reader.poll())
        assert await reader.caught_up()
        for _ in range(8):  # every fourth empty poll looks at the end, and raises where it is less than what was read
            assert await reader.poll() == []


async def test_what_others_write_to_the_topic_changes_nothing(tansu: Broker, fresh_topics: FreshTopics) -> None:
    (topic,) = await fresh_topics(tansu, "keys", partitions=1, compacted=True)
    text, record = make_key(SECRET, name="n", role="viewer", tenant="acme", now_s=time.time())
    _, another = make_key(SECRET, name="n", role="admin", tenant=None, now_s=time.time())
    await put(tansu, topic, record)
    forged = record.model_copy(update={"tenant": None, "sql": True})
    bad = [b"\xff", b"null", b"{}", another.model_dump_json().encode(), forged.model_dump_json().encode()]
    for value in bad:
        await write(tansu.bootstrap, {record.lookup: value}, topic)
    await write(tansu.bootstrap, {f"{USED}{record.lookup}": b"[]", "nonsense": b""}, topic)
    directory = KeyDirectory(SECRET)
    await directory.read_all(tansu.bootstrap, topic)
    assert directory.refused == len(bad) + 2
    found = verify(text, directory, time.time())
    assert isinstance(found, Principal)
    assert (found.tenant, found.sql) == ("acme", False)


async def test_who_may_write_to_the_topic_brings_no_revoked_key_back(broker_factory: Callable[[str], Broker]) -> None:
    """Nothing but the old record is left in the topic of keys, as compaction leaves it, for who starts anew."""
    broker = broker_factory("tansu")
    await provision(broker.bootstrap, plan_topics(load_settings(partitions=1)))
    desk = KeyDesk(broker.bootstrap, SECRET, "local:tests")
    made = await desk.create(Wanted("n", "admin"))
    rotated = await desk.create(Wanted("m", "admin"))
    await desk.revoke(made.record.lookup)
    await desk.rotate(rotated.record.lookup, keep_s=60)
    for each in (made, rotated):
        await write(broker.bootstrap, {each.record.lookup: None})
        await write(broker.bootstrap, {each.record.lookup: each.record.model_dump_json().encode()})
    directory = KeyDirectory(SECRET)
    await directory.read_all(broker.bootstrap)
    assert verify(made.text, directory, time.time()) == Refusal("revoked", made.record.lookup)
    assert verify(rotated.text, directory, time.time() + 61) == Refusal("expired", rotated.record.lookup)


async def test_a_key_that_ended_before_ends_were_kept_is_not_brought_back_after_the_first_command(
    broker_factory: Callable[[str], Broker],
) -> None:
    broker = broker_factory("tansu")
    plans, now_s = plan_topics(load_settings(partitions=1)), time.time()
    older = [plan for plan in plans if plan.name != ACCESS_ENDED]
    await provision(broker.bootstrap, older)
    desk = KeyDesk(broker.bootstrap, SECRET, "local:tests")
    revoked, rotated, living = [
        make_key(SECRET, name="n", role="viewer", tenant=None, now_s=now_s, lives_s=lives_s)
        for lives_s in (None, None, 3_600.0)
    ]
    _, successor = make_key(SECRET, name="n", role="viewer", tenant=None, now_s=now_s, replaces=rotated[1].lookup)
    ends = [revoked[1].revoked_at(now_s).sealed(SECRET), rotated[1].ending(now_s + 60).sealed(SECRET)]
    for each in (*ends, living[1], successor):
        await put(broker, ACCESS_KEYS, each)
    assert len((await desk.directory()).records()) == 4  # also where there is no topic of ends yet

    await provision(broker.bootstrap, plans)
    await desk.directory()
    for _, record in (revoked, rotated):
        await write(broker.bootstrap, {record.lookup: None})
        await put(broker, ACCESS_KEYS, record)
    later = await desk.directory()
    assert later.ends_to_copy() == []
    # A second on: a record tells times in whole microseconds, and its end may lie a part of one after `now_s`.
    assert verify(revoked[0], later, now_s + 1) == Refusal("revoked", revoked[1].lookup)
    assert verify(rotated[0], later, now_s + 61) == Refusal("expired", rotated[1].lookup)
    assert isinstance(verify(living[0], later, now_s), Principal)


async def test_a_topic_that_is_not_there_is_not_made(tansu: Broker) -> None:
    with pytest.raises(TopicAbsentError, match="fleetpulse topics create"):
        async with reading(tansu.bootstrap, "no-such-topic"):
            pass


async def test_the_trail_is_on_the_broker_whole_and_in_order(
    any_broker: Broker, fresh_topics: FreshTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_trail, "_LAST_WITHIN_S", 60.0)
    (topic,) = await fresh_topics(any_broker, "audit", partitions=1)
    async with auditing(any_broker.bootstrap, "fleetpulse:api:h-1", topic=topic) as trail:
        for number in range(1_200):
            trail.record(AuditEvent("sql", detail=str(number)))
        for _ in range(150):
            trail.record(AuditEvent("refused", status=401, address="192.0.2.1"))
    assert (trail.sent, trail.waiting, trail.dropped) == (1_301, 0, 0)
    reader = consumer(any_broker.bootstrap)
    await reader.start()
    try:
        reader.assign([TopicPartition(topic, 0)])
        rows = []
        async with asyncio.timeout(60):
            while len(rows) < trail.sent:
                rows += [decode_record(SchemaBook("audit"), (await reader.getone()).value)]
    finally:
        await reader.stop()
    assert [row["seq"] for row in rows] == list(range(1_301))
    assert [row["detail"] for row in rows[:1_200]] == [str(number) for number in range(1_200)]
    assert rows[-1]["count"] == 50


async def test_what_has_to_be_written_first_is_not_given_up_like_last_words(
    broker_factory: Callable[[str], Broker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_trail, "_LAST_WITHIN_S", 0.0)
    broker = broker_factory("tansu")
    await provision(broker.bootstrap, plan_topics(load_settings(partitions=1)))
    await audit_trail.write_down(broker.bootstrap, "fleetpulse:keys:h-1", [AuditEvent("keys.create")])
    async with reading(broker.bootstrap, audit_trail.TOPIC) as reader:
        assert not await reader.caught_up()


async def test_a_broker_that_is_away_stops_nobody() -> None:
    """Nothing listens at port 1: what was to be written is told as lost, the block ends in time."""
    began_s = time.monotonic()
    async with auditing("127.0.0.1:1", "fleetpulse:api:h-1") as trail:
        trail.record(AuditEvent("sql"))
    assert trail.waiting == 1
    assert time.monotonic() - began_s < 30
