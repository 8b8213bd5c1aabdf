"""`fleetpulse bench streams`: this pipeline against stock Faust, a loop written by hand, and the bare consumer.

One topic with 500,000 fleet.metrics events of 10,000 agents in 4 partitions, 16 values each; every runner is a process
of its own and measures itself from its first record to its last. Ours does the full work (trust, anomalies on all 16
values, heartbeat state, outputs, snapshots, commits), the peers one average an agent, the bare consumer nothing. The
median of `ROUNDS` rounds counts; stock Faust does fewer events, since it takes as long as all others together. Where
the time of ours goes is measured apart, in one thread under a profiler.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from rich.console import Console
from rich.table import Table

from infra.runtime import console
from infra.runtime.kafka import MAX_MESSAGE_BYTES

EVENTS, AGENTS, PARTITIONS, STOCK_EVENTS, ROUNDS = 500_000, 10_000, 4, 30_000, 3
_RUN_S = 300


def _runner(module: str, *arguments: str) -> dict[str, Any]:
    """Run a measuring process and return what it says of itself."""
    command = [sys.executable, "-m", f"streams.bench.{module}", *arguments]
    done = subprocess.run(  # noqa: S603  # our own module
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=_RUN_S
    )
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


async def _create_changelog(bootstrap: str, app_id: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        name, configs = (
            f"{app_id}-state-changelog",
            {"max.message.bytes": str(MAX_MESSAGE_BYTES), "cleanup.policy": "compact"},
        )
        await admin.create_topics([NewTopic(name, PARTITIONS, 1, topic_configs=configs)])
    finally:
        await admin.close()


def _ours(bootstrap: str) -> dict[str, Any]:
    app_id = f"bench-{uuid.uuid4().hex[:8]}"
    asyncio.run(_create_changelog(bootstrap, app_id))
    return _runner("ours", bootstrap, str(EVENTS), app_id)


def _median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The run whose rate is the median, with all rates beside it."""
    middle = statistics.median_low([run["events_per_s"] for run in runs])
    chosen = next(run for run in runs if run["events_per_s"] == middle)
    return chosen | {"all_events_per_s": [run["events_per_s"] for run in runs]}


def measure() -> dict[str, Any]:
    """Fill the topic, run everybody in turns, and compare."""
    with (
        tempfile.TemporaryDirectory(prefix="fleetpulse-bench-") as name,
        console.broker(Path(name)) as (bootstrap, kind),
    ):
        console.run("topics", "create", "--broker", bootstrap, "--partitions", str(PARTITIONS))
        fill = ["--fill", "fleet.metrics", "--events", str(EVENTS), "--agents", str(AGENTS)]
        console.run("simulate", *fill, "--bootstrap", bootstrap, "--data-dir", name)
        runs: dict[str, list[dict[str, Any]]] = {"raw": [], "hand_written": [], "ours": [], "stock_faust": []}
        for _ in range(ROUNDS):
            runs["raw"].append(_runner("raw", bootstrap, str(EVENTS)))
            runs["ours"].append(_ours(bootstrap))
            runs["hand_written"].append(_runner("hand_written", bootstrap, str(EVENTS), f"hand-{uuid.uuid4().hex[:8]}"))
            runs["stock_faust"].append(
                _runner("stock_faust", bootstrap, str(STOCK_EVENTS), f"stock-{uuid.uuid4().hex[:8]}")
            )
        parts = _runner("parts", bootstrap, str(EVENTS))
    found: dict[str, Any] = {who: _median(of_one) for who, of_one in runs.items()}
    rate = {who: found[who]["events_per_s"] for who in runs}
    found["ratios"] = {
        "ours_to_stock_faust": round(rate["ours"] / rate["stock_faust"], 2),
        "ours_to_hand_written": round(rate["ours"] / rate["hand_written"], 2),
        "ours_to_raw": round(rate["ours"] / rate["raw"], 3),
    }
    return found | {"broker": kind, "metric_values_per_s": rate["ours"] * 16, "parts_us_an_event": parts}


def _parts_table(parts: dict[str, dict[str, float]]) -> Table:
    table = Table("part of ours, us an event", *parts, box=None, header_style="dim")
    for part in dict.fromkeys(part for of_kind in parts.values() for part in of_kind):
        table.add_row(part, *(_share(of_kind, part) for of_kind in parts.values()))
    return table


def _share(of_kind: dict[str, float], part: str) -> str:
    us = of_kind.get(part)
    return "" if us is None else f"{us:.2f} ({us / sum(of_kind.values()):.0%})"


def main(json_output: bool) -> None:
    """Print the comparison as a table, or as one JSON object."""
    found = measure()
    if json_output:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    table = Table("", "events/s", "CPU us an event", "peak MB", "all rounds", box=None, header_style="dim")
    for who in ("ours", "raw", "hand_written", "stock_faust"):
        row = found[who]
        cpu_us = row["cpu_s"] / row["events"] * 1e6
        table.add_row(
            who.replace("_", " "), f"{row['events_per_s']:,}", f"{cpu_us:.2f}", f"{row['peak_rss_bytes'] / 1e6:.0f}",
            ", ".join(f"{rate:,}" for rate in row["all_events_per_s"]),
        )  # fmt: skip
    console_ = Console()
    console_.print(table)
    console_.print(_parts_table(found["parts_us_an_event"]))
    ratios = found["ratios"]
    console_.print(
        f"ours to stock Faust {ratios['ours_to_stock_faust']} (bar 40), "
        f"to the loop by hand {ratios['ours_to_hand_written']}, the bare consumer {ratios['ours_to_raw']} (bar 0.5); "
        f"broker {found['broker']}",
        highlight=False,
    )
