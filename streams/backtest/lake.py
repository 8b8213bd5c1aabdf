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
BY_THE_MANAGER = ("fleet", "budget", "outage", "incident", "worker_silent", "watchdog")
"""Kinds of alerts that come from the alert manager, which sees all partitions; a replay of workers cannot give them."""
_MOST_ROWS = 5_000_000
_LANDED = ("kafka_partition", "kafka_offset", "kafka_timestamp", "date", "hour")


@dataclass(frozen=True)
class Window:
    """Arrivals from `start_us` to before `end_us`, micros since the epoch; `rows`: about how many there are."""

    start_us: int
    end_us: int
    rows: int


class LakeReader:
    """Reads one lake; `folder` is for the answers, one window's at a time."""

    def __init__(self, lake: Path, folder: Path) -> None:
        self._lake = lake
        self._folder = folder

    def windows(self, since_us: int, until_us: int) -> list[Window]:
        """Windows with arrivals in the sources, oldest first. Raises `LakeError`."""
        counted = " UNION ALL ".join(
            f"SELECT epoch_us(kafka_timestamp) // {HOUR_US} AS h, count(*) AS n FROM {TOPICS[topic].table} "  # noqa: S608  # names of the catalogue
            f"WHERE {_between(since_us, until_us)} GROUP BY h"
            for topic in STREAM_SOURCES
        )
        hours = self._json(f"SELECT h, sum(n)::BIGINT AS n FROM ({counted}) GROUP BY h ORDER BY h")  # noqa: S608  # as above
        return [window for row in hours for window in _parts(int(row["h"]), int(row["n"]), since_us, until_us)]

    def arrivals(self, window: Window) -> Iterator[tuple[str, pl.DataFrame]]:
        """(topic, frame) for the sources that have rows: columns as they are decoded from Kafka, and `kafka_partition`,
        `arrived_us` i8 in ascending order. Raises `LakeError`."""
        for topic in STREAM_SOURCES:
            table, answer = TOPICS[topic].table, self._folder / "window.parquet"
            self._ask(
                f"SELECT * FROM {table} WHERE {_between(window.start_us, window.end_us)} "  # noqa: S608  # a name of the catalogue
                "ORDER BY kafka_timestamp, kafka_partition, kafka_offset",
                *("--format", "parquet", "--output", str(answer), "--max-rows", str(_MOST_ROWS)),
            )
            frame = pl.read_parquet(answer)
            answer.unlink()
            if frame.height:
                yield topic, _as_decoded(frame)

    def alerts(self, since_us: int, until_us: int) -> list[dict[str, Any]]:
        """Every firing that was raised, but those that only the alert manager decides: name, agent_id, labels,
        evidence, started_us, ended_us. Raises `LakeError`."""
        return self._json(
            f"""SELECT any_value(name) AS name, any_value(agent_id) AS agent_id, to_json(any_value(labels)) AS labels,
              to_json(any_value(evidence)) AS evidence,
              min(epoch_us(starts_at)) AS started_us, max(epoch_us(ends_at)) AS ended_us
            FROM alerts WHERE {_between(since_us, until_us)} GROUP BY fingerprint, epoch
            HAVING coalesce(any_value(rule_kind), '') NOT IN {BY_THE_MANAGER} AND bool_or(state = 'firing')
            ORDER BY started_us"""  # noqa: S608  # numbers
        )

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


def _between(start_us: int, end_us: int) -> str:
    return f"kafka_timestamp >= make_timestamptz({start_us}) AND kafka_timestamp < make_timestamptz({end_us})"


def _parts(hour: int, rows: int, since_us: int, until_us: int) -> Iterator[Window]:
    """One hour, or equal parts of it where it has too many rows."""
    start_us, end_us = max(hour * HOUR_US, since_us), min((hour + 1) * HOUR_US, until_us)
    count = 1 + rows // WINDOW_ROWS
    edges = [start_us + (end_us - start_us) * part // count for part in range(count + 1)]
    for begin_us, finish_us in pairwise(edges):
        yield Window(begin_us, finish_us, rows // count)


def _as_decoded(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns as the codec makes them: ids as 16 bytes, none of the columns that landing adds."""
    ids = pl.col("event_id").cast(pl.String).str.replace_all("-", "").str.decode("hex")
    arrived = pl.col("kafka_timestamp").dt.epoch("us").alias("arrived_us")
    return frame.with_columns(ids, arrived).drop(name for name in _LANDED if name != "kafka_partition")


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
