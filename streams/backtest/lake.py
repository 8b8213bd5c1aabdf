"""The lake's rows in the order of their arrival, window by window, through `fleetpulse sql` as a user would ask."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from infra.runtime.console import command
from infra.runtime.errors import LakeError
from schemas.catalogue import STREAM_SOURCES, TOPICS

HOUR_US = 3_600_000_000
WINDOW_ROWS = 400_000
"""Hours with more rows than this are read in parts: it bounds the memory."""
NOT_REPLAYED = ("watchdog",)
"""Kinds of alerts about the processes themselves."""
OF_MANY = ("fleet", "budget", "outage", "incident")
"""Kinds of alerts that follow from many agents: a replay of one cannot give them."""
_MOST_ROWS = 5_000_000
_Hour = dict[str, int]
"""Rows by topic."""
_LANDED = ("kafka_partition", "kafka_offset", "kafka_timestamp", "date", "hour")


@dataclass(frozen=True)
class Window:
    """Arrivals from `start_us` to before `end_us`, micros since the epoch; `rows`: about how many there are, in
    `topics` alone: a question to the lake is a process."""

    start_us: int
    end_us: int
    rows: int
    topics: frozenset[str]


class LakeReader:
    """Reads one lake, of `agents` that fit a pattern; `folder` is for the answers, one window's at a time."""

    def __init__(self, lake: Path, folder: Path, agents: str = "*") -> None:
        self._lake = lake
        self._folder = folder
        self._agents = agents

    def windows(self, since_us: int, until_us: int) -> list[Window]:
        """Windows with arrivals in the sources, oldest first. Raises `LakeError`."""
        counted = " UNION ALL ".join(
            f"SELECT epoch_us(kafka_timestamp) // {HOUR_US} AS h, '{topic}' AS topic, count(*) AS n "  # noqa: S608  # catalogue
            f"FROM {TOPICS[topic].table} WHERE {self._chosen(since_us, until_us)} GROUP BY h"
            for topic in STREAM_SOURCES
        )
        hours: dict[int, _Hour] = {}
        for row in self._json(f"SELECT h, topic, n FROM ({counted}) ORDER BY h, topic"):  # noqa: S608  # as above
            hours.setdefault(int(row["h"]), {})[str(row["topic"])] = int(row["n"])
        return list(_windows(list(hours.items()), since_us, until_us))

    def arrivals(self, window: Window) -> Iterator[tuple[str, pl.DataFrame]]:
        """(topic, frame) for the sources that have rows: columns as they are decoded from Kafka, and `arrived_us` i8
        in ascending order. Raises `LakeError`."""
        for topic in (one for one in STREAM_SOURCES if one in window.topics):
            table, answer = TOPICS[topic].table, self._folder / "window.parquet"
            self._ask(
                f"SELECT * FROM {table} WHERE {self._chosen(window.start_us, window.end_us)} "  # noqa: S608  # a name of the catalogue
                "ORDER BY kafka_timestamp, kafka_partition, kafka_offset",
                *("--format", "parquet", "--output", str(answer), "--max-rows", str(_MOST_ROWS)),
            )
            frame = pl.read_parquet(answer)
            answer.unlink()
            if frame.height:
                yield topic, _as_decoded(frame)

    def alerts(self, since_us: int, until_us: int) -> list[dict[str, Any]]:
        """Every firing that was raised, but those about the processes themselves: name, agent_id, labels, evidence,
        started_us, ended_us, kind. Raises `LakeError`."""
        left_out = NOT_REPLAYED if self._agents == "*" else (*NOT_REPLAYED, *OF_MANY)
        kinds = ", ".join(f"'{kind}'" for kind in left_out)
        return self._json(
            f"""SELECT any_value(name) AS name, any_value(agent_id) AS agent_id, to_json(any_value(labels)) AS labels,
              to_json(any_value(evidence)) AS evidence, coalesce(any_value(rule_kind), '') AS kind,
              min(epoch_us(starts_at)) AS started_us, max(epoch_us(ends_at)) AS ended_us
            FROM alerts WHERE {self._chosen(since_us, until_us)} GROUP BY fingerprint, epoch
            HAVING coalesce(any_value(rule_kind), '') NOT IN ({kinds}) AND bool_or(state = 'firing')
            ORDER BY started_us"""  # noqa: S608  # numbers, and a pattern with its quotes doubled
        )

    def _chosen(self, start_us: int, end_us: int) -> str:
        """The condition for rows that arrived in a time, of the agents."""
        between = f"kafka_timestamp >= make_timestamptz({start_us}) AND kafka_timestamp < make_timestamptz({end_us})"
        quoted = self._agents.replace("'", "''")
        return between if self._agents == "*" else f"{between} AND agent_id GLOB '{quoted}'"

    def _json(self, query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._ask(query, "--format", "json", "--max-rows", str(_MOST_ROWS)))
        return found

    def _ask(self, query: str, *options: str) -> str:
        arguments = command("sql", query, "--lake", str(self._lake), "--timeout", "10m", *options)
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)  # noqa: S603  # our own command
        if done.returncode:
            said = done.stderr.strip().splitlines()
            raise LakeError(
                f"the lake {self._lake} does not answer: {said[-1] if said else done.returncode}",
                setting="--lake or FLEETPULSE_LAKE",
            )
        return done.stdout


def _windows(hours: list[tuple[int, _Hour]], since_us: int, until_us: int) -> Iterator[Window]:
    """Windows over hours (number, rows by topic): several small hours are one, a large one is equal parts."""
    waiting: list[tuple[int, _Hour]] = []
    for hour, found in hours:
        if waiting and _rows(waiting) + sum(found.values()) > WINDOW_ROWS:
            yield from _parts(waiting, since_us, until_us)
            waiting = []
        waiting.append((hour, found))
    if waiting:
        yield from _parts(waiting, since_us, until_us)


def _rows(hours: list[tuple[int, _Hour]]) -> int:
    return sum(sum(found.values()) for _, found in hours)


def _parts(hours: list[tuple[int, _Hour]], since_us: int, until_us: int) -> Iterator[Window]:
    """From the first to the last of some hours, in equal parts where there are too many rows."""
    start_us = max(hours[0][0] * HOUR_US, since_us)
    end_us = min((hours[-1][0] + 1) * HOUR_US, until_us)
    rows, topics = _rows(hours), frozenset(topic for _, found in hours for topic in found)
    count = 1 + rows // WINDOW_ROWS
    edges = [start_us + (end_us - start_us) * part // count for part in range(count + 1)]
    for begin_us, finish_us in pairwise(edges):
        yield Window(begin_us, finish_us, rows // count, topics)


def _as_decoded(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns as the codec makes them: ids as 16 bytes, none of the columns that landing adds."""
    ids = pl.col("event_id").cast(pl.String).str.replace_all("-", "").str.decode("hex")
    arrived = pl.col("kafka_timestamp").dt.epoch("us").alias("arrived_us")
    return frame.with_columns(ids, arrived).drop(_LANDED)


def metric_of(row: Mapping[str, Any]) -> str:
    """The metric that a firing is about, empty where it is about none: from its labels, else from its evidence.

    Both are lists of name and value, or the JSON of one.
    """
    for found in (row["labels"], row["evidence"]):
        listed = json.loads(found) if isinstance(found, str) else found
        for item in listed or ():
            if item["name"] == "metric":
                return str(item["value"])
    return ""
