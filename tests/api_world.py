"""A query API on loopback, its memory filled by hand, its lake of files that hold what the test says."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from web_world import Keys, Running
from web_world import running as serving_app

from infra.access import Role
from infra.runtime.clock import ManualClock
from infra.runtime.ids import event_id
from infra.web.access import Access
from schemas.catalogue import TABLES
from schemas.columnar import decode_batch
from schemas.record import encode_single_object
from schemas.registry import SchemaBook, load_schema
from sinks.api.app import create_app
from sinks.api.world import World
from sinks.lake.naming import HOUR_S, LakeFile, hour_folder

NOW = datetime(2026, 11, 21, 19, 30, tzinfo=UTC)
NOW_US = int(NOW.timestamp() * 1e6)
PATIENCE_S = 120.0
"""What the server and the lake may take to answer: a busy machine needs longer than people would wait."""
_numbers = count()


def whole(schema: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A record of a schema: what is given, else null, an empty list or a zero."""
    number = next(_numbers)
    envelope = {"event_id": event_id(NOW_US, 7, number), "timestamp": NOW_US, "session_id": "s", "seq": number}
    fields = load_schema(schema).raw["fields"]
    return {f["name"]: {**envelope, **given}.get(f["name"], _zero(f["type"])) for f in fields}


def _zero(kind: object) -> object:
    if isinstance(kind, list):
        return None
    name = str(kind["type"] if isinstance(kind, dict) else kind)
    return {"string": "", "long": 0, "double": 0.0, "array": [], "boolean": False, "bytes": b""}[name]


def decoded(schema: str, records: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Records as the follower has them."""
    messages = [encode_single_object(load_schema(schema), whole(schema, record)) for record in records]
    batch = decode_batch(SchemaBook(schema), messages)
    assert not batch.bad
    return batch.frame


def status(agent: str, user: str = "acme", word: str = "online", at_us: int = NOW_US, **more: object) -> dict[str, Any]:
    """A record of fleet.status."""
    found = {"agent_id": agent, "user_id": user, "status": word, "previous": "unknown", "reason": "beat"}
    return {**found, "timestamp": at_us, "last_beat": at_us, "deadline": at_us, "interval_s": 30.0, **more}


def trust(agent: str, user: str = "acme", score: float = 0.9, **more: object) -> dict[str, Any]:
    """A record of fleet.trust."""
    found = {"agent_id": agent, "user_id": user, "trust": score, "p": score, "n": 100.0, "compliant": 90.0}
    return {**found, "model": "beta", "violations": 1, "oldest_source_timestamp": NOW_US, **more}


@dataclass
class Lake:
    """A folder of Parquet files, named as the writer names them."""

    folder: Path
    _offsets: Any = field(default_factory=count)

    def add(self, table: str, records: Iterable[Mapping[str, Any]]) -> list[Path]:
        """One file for each hour of the records; kept in the order of time."""
        topic = TABLES[table]
        rows = [whole(topic.schema, record) for record in records]
        hours: dict[int, list[dict[str, Any]]] = {}
        for row in rows:
            hours.setdefault(row["timestamp"] // 1_000_000 // HOUR_S, []).append(row)
        return [self._write(topic.name, table, hour, found) for hour, found in hours.items()]

    def _write(self, topic: str, table: str, hour: int, rows: list[dict[str, Any]]) -> Path:
        first = next(self._offsets)
        for _ in rows[1:]:
            next(self._offsets)
        path = self.folder / table / hour_folder(hour) / LakeFile(topic, 0, first, first + len(rows) - 1).name
        path.parent.mkdir(parents=True, exist_ok=True)
        frame = decoded(TABLES[table].schema, rows).drop("_row")
        kafka = {
            "kafka_partition": pa.array([0] * len(rows), pa.int32()),
            "kafka_offset": pa.array(range(first, first + len(rows)), pa.int64()),
            "kafka_timestamp": pa.array([row["timestamp"] for row in rows], pa.timestamp("us", "UTC")),
        }
        written = frame.with_columns(pl.col(pl.Datetime).dt.replace_time_zone("UTC")).to_arrow()
        for name, column in kafka.items():
            written = written.append_column(name, column)
        pq.write_table(written, path)
        return path


@dataclass
class Api:
    """The API that is asked."""

    world: World
    server: Running
    lake: Lake

    @property
    def client(self) -> httpx.AsyncClient:
        """A client without a key."""
        return self.server.client

    def tell(self, topic: str, *records: Mapping[str, Any]) -> None:
        """Records of fleet.status or fleet.trust arrive."""
        self.world.memory.apply(topic, decoded(topic.removeprefix("fleet."), records))
        self.world.viewers.wake()

    def by(self, tenant: str | None = "acme", role: Role = "viewer") -> dict[str, str]:
        """The header of a new key."""
        return self.server.by(role, tenant)

    async def get(self, path: str, tenant: str | None = "acme", **params: str | int) -> httpx.Response:
        """A GET by a viewer of a tenant."""
        return await self.client.get(path, params=params, headers=self.by(tenant))

    async def json(self, path: str, tenant: str | None = "acme", **params: str | int) -> Any:  # noqa: ANN401  # any JSON value
        """The same, which must succeed."""
        answer = await self.get(path, tenant, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextlib.asynccontextmanager
async def api(tmp_path: Path, **options: object) -> AsyncIterator[Api]:
    """An API whose memory is whole as of `NOW`; nothing follows a broker."""
    world = World("127.0.0.1:1", tmp_path / "lake", clock=ManualClock(NOW.timestamp()))
    world.past._timeout_s = PATIENCE_S
    world.follower.as_of_us = NOW_US
    keys = Keys()
    world.directory = keys.directory
    app = create_app(world)
    access = Access(keys.directory, sessions=world.sign_in.sessions, audit=world.audit, now_s=world.clock.now_s)
    async with serving_app(app, keys, access, **{"request_timeout_s": PATIENCE_S, **options}) as server:
        app.state.figures = server.door.figures
        try:
            yield Api(world, server, Lake(tmp_path / "lake"))
        finally:
            world.viewers.close()
            world.spares.close()
            await asyncio.sleep(0)
    world.recent.close()
    world.past.close()


@dataclass
class Event:
    """One server-sent event."""

    kind: str
    data: Any
    identity: str | None


async def events(answer: httpx.Response) -> AsyncIterator[Event]:
    """The events of a stream, comments left out."""
    kind, data, identity = "message", "", None
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            data = value
        elif name == "id":
            identity = value
        elif not line and data:
            yield Event(kind, json.loads(data), identity)
            kind, data, identity = "message", "", None


def ago_us(**how_long: float) -> int:
    """Microseconds of a time before `NOW`."""
    return NOW_US - int(timedelta(**how_long).total_seconds() * 1e6)
