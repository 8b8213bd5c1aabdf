"""Bodies of many lines to acknowledgements: read and encoded in a thread, numbered in the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from infra.access import Principal
from infra.runtime.clock import Clock, SystemClock
from producers.gateway.encode import HEARTBEATS
from producers.gateway.identity import Ownership, Refused, name_of
from producers.gateway.ingest import Ingest, check_idempotency_key
from producers.gateway.ndjson.encode import Numbers, encode_table
from producers.gateway.ndjson.read import ROW, Fault, Lines, read_lines
from producers.gateway.owners import Owners
from producers.gateway.publisher import Parcel
from producers.gateway.sessions import Session, repeatable_session

AT_ONCE = 2
"""Bodies that are read or encoded at a time: more would only take memory."""


@dataclass(frozen=True, slots=True)
class Taken:
    """`accepted` lines are with the broker; `faults` say what was wrong with the others."""

    accepted: int
    faults: Sequence[Fault]


class UnfitLinesError(ValueError):
    """Some lines do not fit, so none was taken."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = faults
        super().__init__(f"{len({fault.row for fault in faults})} lines do not fit, none was taken")


class Bulk:
    """Takes bodies of lines for an `Ingest`."""

    def __init__(self, ingest: Ingest, clock: Clock | None = None) -> None:
        self._ingest = ingest
        self._clock = clock or SystemClock()
        self._room = asyncio.Semaphore(AT_ONCE)

    async def accept(
        self,
        who: Principal,
        body: bytes,
        *,
        agent_id: str | None = None,
        idempotency_key: str | None = None,
        partial: bool = False,
    ) -> Taken:
        """Publish the lines of `body`; with `partial` those that fit, else all or none.

        Raises what `Ingest.accept` raises, `UnfitLinesError`, `TooManyFaultsError`.
        """
        publisher = self._ingest.publisher
        publisher.admit()
        check_idempotency_key(idempotency_key)
        async with self._room:
            lines = await asyncio.to_thread(read_named, who, body, agent_id, self._ingest.owners)
            if not lines.lines:
                raise UnfitLinesError([Fault(0, "", "there is no line")])
            if lines.faults and not (partial and lines.tables):
                raise UnfitLinesError(lines.faults)
            now_us = round(self._clock.now_s() * 1e6)
            if idempotency_key is None:
                sessions = self._take_numbers(lines)
                parcels = await self._encoded(lines, sessions, now_us)
            else:
                session = repeatable_session(who.id, idempotency_key)
                parcels = await asyncio.to_thread(_encode_repeatable, lines, session, now_us)
        await publisher.publish(parcels)
        return Taken(sum(frame.height for frame in lines.tables.values()), lines.faults)

    def _take_numbers(self, lines: Lines) -> Mapping[str, tuple[Session, int]]:
        """Of each agent its session and the first of as many numbers as it has lines."""
        counts: dict[str, int] = {}
        for frame in lines.tables.values():
            for agent_id, count in frame.group_by("agent_id").len().iter_rows():
                counts[agent_id] = counts.get(agent_id, 0) + count
        sessions = self._ingest.sessions
        taken = {agent: (session := sessions.of(agent), session.take(count)) for agent, count in counts.items()}
        if (beats := lines.tables.get(HEARTBEATS)) is not None:
            for agent_id in beats.filter(pl.col("status") == "stopping")["agent_id"].unique():
                sessions.end(agent_id)
        return taken

    async def _encoded(self, lines: Lines, taken: Mapping[str, tuple[Session, int]], now_us: int) -> list[Parcel]:
        """The records with these numbers; should that fail, the numbers are counted as dropped."""
        encoding = asyncio.create_task(asyncio.to_thread(encode_numbered, lines, taken, now_us))
        try:
            return await asyncio.shield(encoding)
        except BaseException:
            for frame in lines.tables.values():
                for agent_id in frame["agent_id"]:
                    taken[agent_id][0].dropped += 1
            raise


def read_named(who: Principal, body: bytes, agent_id: str | None, owners: Ownership) -> Lines:
    """Read the lines, and put a name to each. Raises `Refused` 403 where one is in another's name."""
    lines = read_lines(body)
    named = {topic: _named(who, frame, agent_id, lines.faults, owners) for topic, frame in lines.tables.items()}
    lines.tables = {topic: frame for topic, frame in named.items() if not frame.is_empty()}
    return lines


def _named(
    who: Principal, frame: pl.DataFrame, agent_id: str | None, faults: list[Fault], owners: Ownership
) -> pl.DataFrame:
    claimed = frame.with_columns(pl.col("agent_id").fill_null(agent_id)) if agent_id is not None else frame
    names: list[tuple[str | None, str | None, str | None, str | None, str]] = []
    for agent, user in claimed.select("agent_id", "user_id").unique().iter_rows():
        try:
            names.append((agent, user, *reversed(name_of(who, agent, user, owners)), ""))
        except Refused as refused:
            if refused.status == 403:
                raise
            names.append((agent, user, None, None, str(refused)))
    kind = pl.String
    known = pl.DataFrame(
        names, schema={"agent_id": kind, "user_id": kind, "_agent": kind, "_user": kind, "_why": kind}, orient="row"
    )
    joined = claimed.join(known, on=["agent_id", "user_id"], how="left", nulls_equal=True, maintain_order="left")
    for row, why in joined.filter(pl.col("_agent").is_null()).select(ROW, "_why").iter_rows():
        faults.append(Fault(row, "agent_id", why))
    fit = joined.filter(pl.col("_agent").is_not_null())
    return fit.with_columns(agent_id="_agent", user_id="_user").drop("_agent", "_user", "_why")


def encode_numbered(lines: Lines, taken: Mapping[str, tuple[Session, int]], now_us: int) -> list[Parcel]:
    agents = {agent_id: code for code, agent_id in enumerate(taken)}
    sessions = [session for session, _ in taken.values()]
    first = np.array([first for _, first in taken.values()], np.int64)
    bits = np.array([session.bits for session in sessions], np.int64)
    order = pl.concat([frame.select(ROW, "agent_id") for frame in lines.tables.values()]).sort(ROW)
    ranks = order.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).over("agent_id").alias("rank"))
    parcels = []
    for topic, frame in lines.tables.items():
        rank = frame.select(ROW).join(ranks, on=ROW, how="left", maintain_order="left")["rank"].to_numpy()
        index = frame["agent_id"].replace_strict(agents, return_dtype=pl.Int64).to_numpy()
        numbers = Numbers([each.session_id for each in sessions], index, bits[index], first[index] + rank)
        rows = encode_table(topic, frame, numbers, _lists(lines, topic), now_us)
        parcels.append(Parcel(topic, rows, [sessions[code] for code in index.tolist()]))
    return parcels


def _encode_repeatable(lines: Lines, session: str, now_us: int) -> list[Parcel]:
    parcels = []
    for topic, frame in lines.tables.items():
        numbers = Numbers([session], np.zeros(frame.height, np.int64), None, frame[ROW].to_numpy().astype(np.int64))
        parcels.append(Parcel(topic, encode_table(topic, frame, numbers, _lists(lines, topic), now_us), []))
    return parcels


def _lists(lines: Lines, topic: str) -> Mapping[str, Mapping[str, bytes]]:
    return {name: pieces for (of, name), pieces in lines.arrays.items() if of == topic}


def warm_up() -> None:
    """Read and encode one line, so that the first client does not wait for kernels to load. Blocks for a second."""
    who = Principal("local", "warm-up", "none", ("none",), "ingest", False, "local")
    lines = read_named(who, b'{"topic":"fleet.metrics","cpu_usage":1}\n{"topic":"fleet.heartbeats"}\n', None, Owners())
    encode_numbered(lines, {"none": (Session("warm-up", "none"), 0)}, 0)
