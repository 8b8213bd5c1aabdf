"""`fleetpulse broker`: start one in the foreground, fetch Kafka's jars, say which would be used."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from infra.broker.interface import Broker
    from infra.runtime.settings import Settings

app = typer.Typer(
    help="The Kafka broker: a local one, or one that runs elsewhere.", no_args_is_help=True, add_completion=False
)

BrokerChoice = Annotated[str, typer.Option("--broker", help="auto, kafka, tansu or HOST:PORT[,HOST:PORT]")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="folder of the data; default FLEETPULSE_DATA_DIR")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="port on 127.0.0.1; 0 chooses a free one")]

_LOOK_EVERY_S = 0.5


@app.command()
def start(broker: BrokerChoice = "auto", port: Port = 0, data_dir: DataDir = None) -> None:
    """Run a broker until Ctrl-C; prints one JSON line once it serves.

    Example:  fleetpulse broker start --broker kafka --port 9092
    """
    from infra.broker.resolve import resolve_broker
    from infra.runtime.logs import configure_logs
    from infra.runtime.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    configure_logs(settings.log_level, settings.log_format, "broker")
    asyncio.run(_serve(resolve_broker(broker, settings, port=port), settings))


async def _serve(broker: Broker, settings: Settings) -> None:
    from infra.broker.record import recorded
    from infra.runtime.lifecycle import stop_on_signals

    with stop_on_signals() as asked:
        try:
            broker.start()
            if await _ready(broker, asked):
                with recorded(broker, settings.data_dir) as serving:
                    typer.echo(json.dumps({"event": "ready", **asdict(serving)}))
                    await _until_asked_to_stop(broker, asked)
        finally:
            broker.stop()


async def _ready(broker: Broker, asked: asyncio.Event) -> bool:
    """Wait until it serves; False when asked to stop before."""
    serves = asyncio.ensure_future(asyncio.to_thread(broker.wait_ready))
    stop = asyncio.ensure_future(asked.wait())
    await asyncio.wait({serves, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if serves.done():
        serves.result()
        return not asked.is_set()
    broker.stop()  # ends the wait in the thread, whose complaint about it says nothing new
    await asyncio.wait({serves})
    serves.exception()
    return False


async def _until_asked_to_stop(broker: Broker, asked: asyncio.Event) -> None:
    """Raises `BrokerStartError` when a broker of ours ends before."""
    from infra.runtime.errors import BrokerStartError

    while not asked.is_set():
        if broker.kind != "external" and broker.pid is None:
            raise BrokerStartError(f"the {broker.kind} broker ended by itself")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), timeout=_LOOK_EVERY_S)


@app.command()
def fetch(as_json: AsJson = False) -> None:
    """Fetch the jars of Apache Kafka once with Maven, and check every one against its committed SHA-256.

    Example:  fleetpulse broker fetch
    """
    from infra.broker.jars import KAFKA_VERSION, expected_digests, jars_dir
    from infra.broker.jars import fetch as fetch_jars
    from infra.runtime.settings import load_settings

    settings = load_settings()
    present = jars_dir(settings).is_dir()
    folder = fetch_jars(settings)
    told = {"kafka": KAFKA_VERSION, "folder": str(folder), "jars": len(expected_digests()), "fetched_now": not present}
    if as_json:
        typer.echo(json.dumps(told))
        return
    typer.echo(f"Kafka {KAFKA_VERSION}: {told['jars']} jars in {folder}, every SHA-256 as expected")


@app.command()
def status(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Say which broker serves this data folder, and which one `--broker auto` would take.

    Example:  fleetpulse broker status --json
    """
    from infra.broker.record import serving
    from infra.broker.resolve import describe_choice
    from infra.runtime.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    now = serving(settings.data_dir)
    kind, why = describe_choice(settings)
    if as_json:
        typer.echo(json.dumps({"serving": asdict(now) if now else None, "auto": {"kind": kind, "why": why}}))
        return
    typer.echo(f"serving: {f'{now.kind} at {now.bootstrap} (pid {now.pid})' if now else 'none'}")
    typer.echo(f"auto:    {kind}, {why}")
