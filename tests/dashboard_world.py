"""The API with the dashboard over a known fleet: a real broker, alert manager and API as processes, a lake of files.

    .venv/bin/python tests/dashboard_world.py        # serve it until Ctrl-C, for a look with a browser of yours

All of it listens on 127.0.0.1 and ends with the block.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal as signals
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import known_fleet
from api_world import Lake, decoded
from manager_world import encoded, signal

from infra.access import Role, make_key
from infra.access.secret import server_secret
from infra.access.topic import write
from infra.broker.interface import Broker
from infra.broker.resolve import resolve_broker
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.kafka import producer
from infra.runtime.settings import load_settings
from infra.supervisor.child import die_with_parent
from schemas.columnar import encode_rows
from schemas.registry import topic_schema

_MAIN = (sys.executable, "-c", "from infra.cli.main import main; main()")


@dataclass
class DashboardWorld:
    """`url` of the API; `keys`: of the tenant by role, "whole": an admin of the whole fleet, "other": a viewer of the
    other tenant; `now_us`: the moment that the fleet's times are relative to."""

    url: str
    broker: Broker
    now_us: int
    data_dir: Path
    keys: dict[str, str] = field(default_factory=dict)

    def publish(self, topic: str, *records: Mapping[str, Any]) -> None:
        """Records of a topic arrive, as its writers write them."""
        frame = decoded(topic.removeprefix("fleet."), records).drop("_row")
        messages = encode_rows(topic_schema(topic), frame)
        keyed = list(zip(frame["agent_id"].to_list(), messages, strict=True))
        _run(_send(self.broker.bootstrap, topic, [(key.encode(), value) for key, value in keyed]))

    def alert(self, kind: str, fingerprint: str, tenant: str, agent: str, name: str, **more: object) -> None:
        """An alert begins (`firing`) or ends (`resolved`): the alert manager decides what becomes of it."""
        self.alerts(kind, {fingerprint: agent}, tenant, name, **more)

    def alerts(self, kind: str, agents: Mapping[str, str], tenant: str, name: str, **more: object) -> None:
        """The same of several agents by fingerprint, all at once: what comes minutes apart is no incident."""
        found = [
            signal(kind, time.time(), agent, name, fingerprint=fingerprint, user_id=tenant, **more)
            for fingerprint, agent in agents.items()
        ]
        _run(_send(self.broker.bootstrap, "fleet.signals", [(b"k", encoded(each)) for each in found], partition=0))

    def get(self, path: str, key: str = "whole") -> Any:  # noqa: ANN401  # any JSON value
        """A GET by one of the keys."""
        return self._asked(urllib.request.Request(self.url + path), key)

    def post(self, path: str, body: Mapping[str, Any], key: str = "whole") -> Any:  # noqa: ANN401  # any JSON value
        """A POST of JSON by one of the keys."""
        as_json = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), as_json, method="POST")
        return self._asked(request, key)

    def _asked(self, request: urllib.request.Request, key: str) -> Any:  # noqa: ANN401  # any JSON value
        request.add_header("X-API-Key", self.keys[key])
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


def _run(work: Coroutine[None, None, None]) -> None:
    """In a thread of its own: the browser's library has a loop at work in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


async def _send(
    bootstrap: str, topic: str, values: Sequence[tuple[bytes, bytes]], partition: int | None = None
) -> None:
    client = producer(bootstrap, idempotent=False, linger_ms=5)
    await client.start()
    try:
        sent = [await client.send(topic, value, key=key, partition=partition) for key, value in values]
        await asyncio.gather(*sent)
    finally:
        await client.stop()


@contextlib.contextmanager
def dashboard_world(folder: Path) -> Iterator[DashboardWorld]:
    """Everything at work, the four alerts of the fleet firing, while the block runs."""
    now_us = int(time.time()) * 1_000_000
    settings = load_settings(data_dir=folder, partitions=2)
    lake = Lake(folder / "lake")
    for table, records in known_fleet.TABLES.items():
        lake.add(table, records(now_us))
    (folder / "agents.yaml").write_text(known_fleet.AGENTS_YAML)
    broker = resolve_broker("tansu", settings)
    environment = {
        **os.environ,
        "FLEETPULSE_DATA_DIR": str(folder),
        "FLEETPULSE_SELF_AUDIT": "false",
        "FLEETPULSE_LOG_LEVEL": "info",
    }
    with contextlib.ExitStack() as stack:
        broker.start()
        stack.callback(broker.stop, deadline_s=5)
        broker.wait_ready()
        asyncio.run(provision(broker.bootstrap, plan_topics(settings)))
        keys = _make_keys(folder, broker.bootstrap)
        rules = _rules(folder)
        log = stack.enter_context((folder / "alert-manager.log").open("w+"))
        stack.enter_context(
            _process(
                ("alert-manager", "--bootstrap", broker.bootstrap, "--rules", str(rules)),
                environment,
                stderr=log,
                stdout=subprocess.DEVNULL,
            )
        )
        world = DashboardWorld("", broker, now_us, folder, keys)
        world.publish("fleet.status", *known_fleet.statuses(now_us))
        world.publish("fleet.trust", *known_fleet.scores(now_us))
        arguments = ("api", "--bootstrap", broker.bootstrap, "--port", "0", "--rules", str(rules))
        errors = stack.enter_context((folder / "api.log").open("w"))
        api = stack.enter_context(_process(arguments, environment, stdout=subprocess.PIPE, stderr=errors))
        assert api.stdout is not None
        ready = api.stdout.readline()
        assert ready.startswith("{"), f"{ready!r} is no word of the API\n{(folder / 'api.log').read_text()}"
        world.url = json.loads(ready)["url"]
        _until(lambda: "took over" in (folder / "alert-manager.log").read_text(), "the alert manager took over")
        for fingerprint, tenant, agent, name, severity in known_fleet.signals(now_us):
            world.alert("firing", fingerprint, tenant, agent, name, severity=severity, host=known_fleet.host_of(agent))
        _until(lambda: _fire(world) == 4, "the alerts are there")
        yield world


def _fire(world: DashboardWorld) -> int:
    """How many alerts fire; none while those who tell of alerts begin."""
    try:
        return len(world.get("/alerts")["items"])
    except urllib.error.HTTPError as error:
        if error.code != 503:
            raise
        return 0


def _make_keys(folder: Path, bootstrap: str) -> dict[str, str]:
    secret = server_secret(folder, bootstrap)
    wanted: dict[str, tuple[Role, str | None]] = {
        "viewer": ("viewer", known_fleet.TENANT), "operator": ("operator", known_fleet.TENANT),
        "admin": ("admin", known_fleet.TENANT), "whole": ("admin", None), "other": ("viewer", known_fleet.OTHER_TENANT),
        "plain": ("viewer", known_fleet.TENANT),
    }  # fmt: skip
    made = {
        name: make_key(secret, name=name, role=role, tenant=tenant, now_s=time.time(), sql=name != "plain")
        for name, (role, tenant) in wanted.items()
    }
    asyncio.run(write(bootstrap, {record.lookup: record.model_dump_json().encode() for _, record in made.values()}))
    return {name: text for name, (text, _) in made.items()}


def _rules(folder: Path) -> Path:
    path = folder / "rules.yaml"
    path.write_text(
        "version: 1\nrules:\n  - {name: cpu_high, kind: threshold, metric: cpu_usage, above: 90, for: 5m}\n"
        "routes: [{match: {name: slow_tool}, steps: [{after: 0s, channels: [chat]}, {after: 1h, channels: [boss]}]}]\n"
    )
    return path


@contextlib.contextmanager
def _process(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    **streams: Any,  # noqa: ANN401  # Popen's
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*_MAIN, *arguments],
        env=environment,
        text=True,
        **streams,
        preexec_fn=die_with_parent(),  # noqa: PLW1509  # loads nothing after the fork
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _until(holds: Any, what: str, within_s: float = 120) -> None:  # noqa: ANN401  # a condition
    end = time.monotonic() + within_s
    while not holds():  # what another process does: nobody tells of it
        assert time.monotonic() < end, f"{what}: not within {within_s:g} s"
        time.sleep(0.1)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as somewhere, dashboard_world(Path(somewhere)) as shown:
        sys.stdout.write(json.dumps({"url": shown.url, "keys": shown.keys, "folder": somewhere}, indent=1) + "\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            signals.pause()
