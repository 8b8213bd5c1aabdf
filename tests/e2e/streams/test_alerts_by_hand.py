"""The way of somebody on call, in processes: an alert manager, a channel's record, list, acknowledge, silence, show."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from manager_world import encoded, signal

from infra.broker.interface import Broker
from infra.broker.record import recorded
from infra.provisioning.plan import plan_topics
from infra.provisioning.topics import provision
from infra.runtime.kafka import producer
from infra.runtime.settings import load_settings

Make = Callable[[str], Broker]
_FLEETPULSE = (sys.executable, "-c", "from infra.cli.main import main; main()")
FIRST, SECOND = "aa01" * 8, "bb02" * 8


@contextmanager
def running(env: Mapping[str, str], *words: str) -> Iterator[None]:
    """A long-running command that is ready."""
    with subprocess.Popen([*_FLEETPULSE, *words], stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "ready"
        try:
            yield
        finally:
            process.terminate()
            # What it still prints must not hold it up.
            process.communicate(timeout=60)


def alerts(env: Mapping[str, str], *words: str) -> tuple[int, str, str]:
    """(exit code, output, errors) of one command."""
    done = subprocess.run(
        [*_FLEETPULSE, "alerts", *words], capture_output=True, text=True, env=env, timeout=120, check=False
    )
    return done.returncode, done.stdout, done.stderr


def until(env: Mapping[str, str], enough: Callable[[Any], bool], *words: str) -> Any:  # noqa: ANN401  # JSON
    """The answer once it is as wanted."""
    end_s = time.monotonic() + 90
    found: Any = None
    while time.monotonic() < end_s:
        code, out, errors = alerts(env, *words, "--json")
        assert code == 0, errors
        if enough(found := json.loads(out)):
            return found
    raise AssertionError(f"never as wanted: {found}")


async def publish(bootstrap: str, *values: bytes) -> None:
    client = producer(bootstrap, idempotent=False, linger_ms=0)
    await client.start()
    try:
        for value in values:
            await client.send_and_wait("fleet.signals", value, key=b"k", partition=0)
    finally:
        await client.stop()


@pytest.mark.fault
def test_from_the_first_alert_to_silence(broker_factory: Make, tmp_path: Path) -> None:
    broker = broker_factory("tansu")
    asyncio.run(provision(broker.bootstrap, plan_topics(load_settings(partitions=2))))
    # No address is named: the data folder knows its broker, as beside `fleetpulse up`.
    env = {k: v for k, v in os.environ.items() if k != "FLEETPULSE_BOOTSTRAP"} | {
        "FLEETPULSE_DATA_DIR": str(tmp_path), "FLEETPULSE_LOG_LEVEL": "warning",
    }  # fmt: skip
    at = ("--bootstrap", broker.bootstrap)
    with (
        recorded(broker, tmp_path),
        running(env, "alert-manager", *at),
        running(env, "notify", *at, "--from", "earliest"),
    ):
        now_s = time.time()
        first = signal("firing", now_s, "web-1", fingerprint=FIRST)
        second = signal("firing", now_s, "web-2", fingerprint=SECOND, severity="critical")
        asyncio.run(publish(broker.bootstrap, encoded(first), encoded(second)))
        listed = until(env, lambda found: len(found["alerts"]) == 2, "list")
        assert [alert["fingerprint"] for alert in listed["alerts"]] == [SECOND, FIRST]
        shown = until(env, lambda found: found["deliveries"], "show", "bb")
        assert (shown["deliveries"][0]["channel"], shown["deliveries"][0]["outcome"]) == ("console", "delivered")

        code, said, errors = alerts(env, "ack", "bb02", "--by", "ann", "--comment", "on it")
        assert (code, said, errors) == (0, "acknowledged bb02bb02 cpu_high of web-2\n", "")
        code, said, errors = alerts(env, "silence", "agent_id=web-3", "--for", "1h", "--by", "ann")
        assert code == 0, errors
        third = signal("firing", time.time(), "web-3", fingerprint="cc03" * 8)
        asyncio.run(publish(broker.bootstrap, encoded(third)))
        # Of an alert that nobody has heard of yet, `show` says that there is none.
        until(env, lambda found: len(found["alerts"]) == 3, "list", "--all")
        quiet = until(env, lambda found: found["deliveries"], "show", "cc")
        assert [row["outcome"] for row in quiet["deliveries"]] == ["suppressed"]
        assert quiet["alert"]["suppressed_by"] == f"silence:{said.strip()}"

        code, said, errors = alerts(env, "ack", "ff")
        assert (code, said) == (2, "")
        assert errors.startswith("fleetpulse: no alert begins with 'ff'")
        assert errors.count("\n") == 1
