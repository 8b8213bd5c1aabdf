"""Who else takes alerts to a webhook: Prometheus' Alertmanager, and the loop that one writes first."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import urllib.request
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from infra.bench.children import until
from infra.broker.ports import free_port
from infra.runtime.kafka import consumer
from schemas.record import decode_record
from schemas.registry import SchemaBook

ALERTMANAGER = "prometheus-alertmanager"


async def by_hand(bootstrap: str, url: str, count: int) -> None:
    """Consume, decode, post, commit every batch: one after the other, over one connection that is kept."""
    import aiohttp  # noqa: PLC0415  # of an extra, and only this peer needs it

    book, done = SchemaBook("alert"), 0
    reader = consumer(bootstrap, "fleet.alerts", group_id=f"by-hand-{datetime.now(UTC).timestamp()}")
    await reader.start()
    async with aiohttp.ClientSession() as session:
        while done < count:
            for records in (await reader.getmany(timeout_ms=500)).values():
                for record in records:
                    alert = decode_record(book, record.value)
                    entry = {"status": alert["state"], "fingerprint": alert["fingerprint"], "labels": {}}
                    async with session.post(url, json={"version": "4", "alerts": [entry]}) as answer:
                        answer.raise_for_status()
                done += len(records)
            await reader.commit()
    await reader.stop()


def _post(url: str, body: bytes) -> None:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310  # loopback
    with urllib.request.urlopen(request, timeout=30):  # noqa: S310  # loopback
        return


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=2):  # noqa: S310  # loopback
            return True
    except OSError:
        return False


@asynccontextmanager
async def alertmanager(folder: Path, webhook: str) -> AsyncIterator[str | None]:
    """The URL of a real one that posts every alert by itself to `webhook`; None where it is not installed."""
    binary = shutil.which(ALERTMANAGER)
    if binary is None:
        yield None
        return
    route = "{receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 1m, repeat_interval: 1h}"
    receivers = f"[{{name: hook, webhook_configs: [{{url: '{webhook}'}}]}}]"
    (folder / "am.yml").write_text(f"route: {route}\nreceivers: {receivers}\n", encoding="utf-8")
    url = f"http://127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        binary, f"--config.file={folder}/am.yml", f"--storage.path={folder}/am",
        f"--web.listen-address={url.removeprefix('http://')}", "--cluster.listen-address=",
        stdout=DEVNULL, stderr=DEVNULL,
    )  # fmt: skip
    try:
        await until(lambda: _is_ready(url), 20.0, 0.1)
        yield url
    finally:
        process.terminate()
        await process.wait()


async def tell(url: str, names: list[str]) -> None:
    """Alerts to Alertmanager's API, 100 a request, as Prometheus sends them."""
    for first in range(0, len(names), 100):
        alerts = [{"labels": {"alertname": "cpu_high", "number": name}} for name in names[first : first + 100]]
        await asyncio.to_thread(_post, f"{url}/api/v2/alerts", json.dumps(alerts).encode())


if __name__ == "__main__":
    asyncio.run(by_hand(sys.argv[1], sys.argv[2], int(sys.argv[3])))
