"""`fleetpulse bench notify`: the notifier alone, from fleet.alerts to a webhook on loopback, beside its peers.

Rates over a topic that is full already, from the first request that comes to the last: each alert a message of its
own, and grouped by name. Latency at 1,000 alerts a second, each a message of its own, from the moment before an alert
is sent to fleet.alerts. Peers: the real Alertmanager (if Debian's package is installed), given the alerts by its API,
and a loop written by hand. The median of the rounds counts.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
from asyncio.subprocess import create_subprocess_exec
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from infra.bench import notify_peers
from infra.bench.alert_load import Load, open_load
from infra.bench.children import cpu_s, quantiles_s, running, until
from infra.bench.pace import at_pace
from infra.bench.webhook_receiver import Received, receiving
from infra.runtime import console
from infra.runtime.settings import PREFIX

ALERTS, PACE_PER_S, PACE_S = 10_000, 1_000.0, 10.0
_WITHIN_S = 120.0
_ONE_BY_ONE = "group_by: [fingerprint], alerts_per_message: 1"


def _channels(folder: Path, url: str, more: str) -> str:
    file = folder / "channels.yaml"
    file.write_text(
        f"version: 1\nchannels: [{{name: hook, kind: webhook, url: '{url}', allow_private: true, {more}}}]\n",
        encoding="utf-8",
    )
    return str(file)


def _rate(received: Received, label: str, names: set[str]) -> dict[str, float]:
    """Alerts a second from the first request to the last, of those that are meant."""
    moments = sorted(at_s for name, at_s in received.first_s(label).items() if name in names)
    took_s = moments[-1] - moments[0] if len(moments) > 1 else 0.0
    return {
        "alerts": len(moments),
        "missing": len(names) - len(moments),
        "requests": len(received.requests),
        "alerts_per_s": round((len(moments) - 1) / took_s, 1) if took_s else 0.0,
    }


def _all_came(received: Received, label: str, names: set[str]) -> Callable[[], bool]:
    return lambda: len(received.requests) > 0 and names <= received.first_s(label).keys()


async def _ours(bootstrap: str, folder: Path, more: str, names: set[str]) -> dict[str, float]:
    async with receiving() as received:
        files = _channels(folder, received.url, more)
        group = f"bench-{uuid4().hex[:8]}"
        arguments = ("notify", "--bootstrap", bootstrap, "--channels", files, "--from", "earliest", "--group", group)
        async with running(folder / "notify.log", *arguments) as pid:
            await until(_all_came(received, "fingerprint", names), _WITHIN_S, 0.2)
            used_s = cpu_s(pid)
        return _rate(received, "fingerprint", names) | {"cpu_us_per_alert": round(used_s / len(names) * 1e6)}


async def _latency(bootstrap: str, folder: Path, load: Load, more: str) -> dict[str, Any]:
    async with receiving() as received:
        arguments = ("notify", "--bootstrap", bootstrap, "--channels", _channels(folder, received.url, more))
        async with running(folder / "notify.log", *arguments, "--group", f"bench-{uuid4().hex[:8]}"):
            sent = await at_pace(load.at_once, PACE_PER_S, PACE_S)
            await until(_all_came(received, "fingerprint", set(sent)), 30.0, 0.2)
        came = received.first_s("fingerprint")
        waits_s = [came[name] - at_s for name, at_s in sent.items() if name in came]
        return {"missing": len(sent) - len(waits_s), **quantiles_s(waits_s)}


async def _by_hand(bootstrap: str, names: set[str]) -> dict[str, float]:
    async with receiving() as received:
        arguments = ("-m", "infra.bench.notify_peers", bootstrap, received.url, str(len(names)))
        process = await create_subprocess_exec(sys.executable, *arguments)
        await process.wait()
        return _rate(received, "fingerprint", names)


async def _alertmanager(folder: Path) -> dict[str, float] | None:
    names = {uuid4().hex for _ in range(ALERTS)}
    folder = Path(tempfile.mkdtemp(dir=folder))
    async with receiving() as received, notify_peers.alertmanager(folder, received.url) as url:
        if url is None:
            return None
        await notify_peers.tell(url, sorted(names))
        await until(_all_came(received, "number", names), 60.0, 0.2)
        return _rate(received, "number", names)


def _median(runs: list[dict[str, Any]], key: str) -> dict[str, Any]:
    middle = statistics.median_low([run[key] for run in runs])
    chosen = next(run for run in runs if run[key] == middle)
    return chosen | {"rounds": [run[key] for run in runs]}


async def measure(bootstrap: str, folder: Path) -> dict[str, Any]:
    """All in turns, some rounds."""
    rounds = int(os.environ.get(f"{PREFIX}BENCH_ROUNDS", "3"))
    load, sender = await open_load(bootstrap)
    found: dict[str, list[dict[str, Any]]] = {"one_by_one": [], "grouped": [], "by_hand": [], "alertmanager": []}
    try:
        names = set(await load.at_once(ALERTS))
        for _ in range(rounds):
            found["one_by_one"].append(await _ours(bootstrap, folder, _ONE_BY_ONE, names))
            found["grouped"].append(await _ours(bootstrap, folder, "group_by: [name]", names))
            found["by_hand"].append(await _by_hand(bootstrap, names))
            if (peer := await _alertmanager(folder)) is not None:
                found["alertmanager"].append(peer)
        # Last: whoever reads the topic from its beginning would read these too.
        latency = [await _latency(bootstrap, folder, load, _ONE_BY_ONE) for _ in range(rounds)]
    finally:
        await sender.stop()
    rates = {who: _median(runs, "alerts_per_s") for who, runs in found.items() if runs}
    return {**rates, "latency_s": _median(latency, "p99"), "pace_per_s": PACE_PER_S}


def run() -> dict[str, Any]:
    """On a broker of its own, unless FLEETPULSE_BOOTSTRAP names one."""
    with (
        tempfile.TemporaryDirectory(prefix="fleetpulse-bench-") as name,
        console.broker(Path(name)) as (bootstrap, kind),
    ):
        console.run("topics", "create", "--broker", bootstrap)
        return asyncio.run(measure(bootstrap, Path(name))) | {"broker": kind}


def main(json_output: bool) -> None:
    """Print the figures as a table, or as one JSON object."""
    found = run()
    if json_output:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    table = Table("", "alerts/s", "requests", "missing", "rounds", box=None, header_style="dim")
    for who in ("one_by_one", "grouped", "by_hand", "alertmanager"):
        if who in found:
            row = found[who]
            rounds = ", ".join(f"{rate:,.0f}" for rate in row["rounds"])
            table.add_row(
                who.replace("_", " "),
                f"{row['alerts_per_s']:,.0f}",
                f"{row['requests']:,}",
                f"{row['missing']}",
                rounds,
            )
    terminal = Console()
    terminal.print(table)
    latency = found["latency_s"]
    terminal.print(
        f"sent to delivered at {found['pace_per_s']:,.0f}/s: p50 {latency['p50']:.3f} s, p99 {latency['p99']:.3f} s, "
        f"at most {latency['max']:.3f} s, missing {latency['missing']}; broker {found['broker']}",
        highlight=False,
    )
