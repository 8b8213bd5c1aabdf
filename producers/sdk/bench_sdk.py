"""What an `AgentReporter` takes of its host: import time, memory, processor time, over Kafka and over HTTP.

Every figure is of an interpreter of its own, with compiled bytecode as an installation has it: compiling leaves
a megabyte behind. Memory is what is resident more than in an interpreter that does nothing, not even what `.pth` files
ask for: that of an editable installation loads 2 MB of what an agent needs. `private` leaves out pages of shared
libraries, which a host that uses them has anyway. Processor time is that of the whole process at 10 events/s, less that
of the same loop without a reporter.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.runtime import console
from infra.runtime.errors import FleetpulseError

_ROUNDS = 5
_LOAD_ROUNDS = 3
_LOAD_S = 5.0
_BARS = {"import_ms": 150.0, "rss_mb": 30.0, "cpu_percent": 1.0}
_IMPORT = """
import time; began = time.perf_counter(), time.process_time()
{code}
print((time.perf_counter() - began[0]) * 1000, (time.process_time() - began[1]) * 1000)
"""
_RESIDENT = """
def resident():
    kib = {line.split()[0]: int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('Rss')}
    return sum(kib.values()), kib['RssAnon:']
"""
_AGENT = f"""{_RESIDENT}
import asyncio, contextlib, json, sys, time
settings = json.loads(sys.argv[1])
async def load(reporter, seconds):
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        number += 1
        if reporter is not None:
            reporter.log('info', 'a line') if number % 2 else reporter.agent_thinking('run', 'thread')
        await asyncio.sleep(0.1)
async def main():
    reporter = None
    async with contextlib.AsyncExitStack() as stack:
        if settings:
            from producers.sdk import AgentReporter
            policies = [{{'id': 'no-personal-info'}}]
            reporter = AgentReporter('bench', 'bench', policies=policies, **settings)
            await stack.enter_async_context(reporter)
        await load(reporter, 2.0)
        before_s, began_s = time.process_time(), time.monotonic()
        await load(reporter, float(sys.argv[2]))
        used_s, took_s = time.process_time() - before_s, time.monotonic() - began_s
        now = resident()
        complete = (await reporter.aflush(10.0)).complete if reporter is not None else None
    print(json.dumps({{'cpu': 100 * used_s / took_s, 'complete': complete, 'rss': now[0], 'private': now[1]}}))
asyncio.run(main())
"""


def _compiling_once(folder: Path) -> dict[str, str]:
    """The environment of interpreters that keep what they compiled in `folder`, whatever is set here."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(folder)}


def _output(code: str, *arguments: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout  # noqa: S603  # our own code


def _import(code: str, environment: dict[str, str]) -> dict[str, float]:
    """Median `ms` and `cpu_ms` that `code` takes in a new interpreter; on a busy machine they are far apart."""
    probe = _IMPORT.format(code=code)
    _output(probe, environment=environment)
    runs = [_output(probe, environment=environment).split() for _ in range(_ROUNDS)]
    return {
        name: round(statistics.median(float(run[place]) for run in runs), 1)
        for place, name in enumerate(("ms", "cpu_ms"))
    }


def _bare(environment: dict[str, str]) -> tuple[int, int]:
    """KiB resident in an interpreter that does nothing, and the private part of it."""
    command = [sys.executable, "-S", "-c", f"import site, os{_RESIDENT}print(*resident())"]
    told = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.split()  # noqa: S603  # our own code
    return int(told[0]), int(told[1])


def _load(settings: dict[str, str] | None, environment: dict[str, str]) -> dict[str, float]:
    """Median of rounds of an agent with a policy at 10 events/s: `cpu` percent, `rss` and `private` KiB over bare."""
    _output(_AGENT, json.dumps(settings), "0", environment=environment)
    runs = [
        json.loads(_output(_AGENT, json.dumps(settings), str(_LOAD_S), environment=environment))
        for _ in range(_LOAD_ROUNDS)
    ]
    if settings is not None and not all(run["complete"] for run in runs):
        raise FleetpulseError("not every event of the bench was acknowledged")
    bare = dict(zip(("rss", "private"), _bare(environment), strict=True))
    return {
        name: statistics.median(run[name] for run in runs) - bare.get(name, 0) for name in ("cpu", "rss", "private")
    }


@contextlib.contextmanager
def _gateway(bootstrap: str, folder: Path) -> Iterator[dict[str, str]]:
    """The settings that lead to a gateway of our own while the block runs. Raises `FleetpulseError`."""
    environment = os.environ | {"FLEETPULSE_DATA_DIR": str(folder)}
    make = console.command("keys", "create", "--name", "bench", "--role", "ingest", "--tenant", "bench", "--json")
    made = subprocess.run(  # noqa: S603  # our own command
        [*make, "--bootstrap", bootstrap], check=True, stdout=subprocess.PIPE, text=True, env=environment
    )
    with (
        (folder / "gateway.log").open("wb") as log,
        subprocess.Popen(  # noqa: S603  # our own command
            console.command("gateway", "--port", "0", "--bootstrap", bootstrap),
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise FleetpulseError(f"no gateway: {(folder / 'gateway.log').read_text(errors='replace')[-300:]}")
            yield {"gateway": str(json.loads(line)["url"]), "api_key": str(json.loads(made.stdout)["key"])}
        finally:
            process.terminate()


def _mb(kib: float) -> float:
    return round(kib * 1_024 / 1e6, 1)


def measure(bootstrap: str, folder: Path) -> dict[str, Any]:
    """All figures against the broker at `bootstrap` and a gateway before it; memory in MB of 10^6 bytes."""
    environment = _compiling_once(folder / "bytecode")
    idle = _load(None, environment)
    over = {"kafka": _load({"bootstrap": bootstrap, "spool_dir": str(folder / "kafka")}, environment)}
    with _gateway(bootstrap, folder) as settings:
        over["http"] = _load({**settings, "spool_dir": str(folder / "http")}, environment)
    return {
        "import": _import("import producers.sdk", environment),
        "import_asyncio": _import("import asyncio", environment),
        "transports": {
            name: {
                "rss_mb": _mb(run["rss"]),
                "private_mb": _mb(run["private"]),
                "cpu_percent": round(run["cpu"] - idle["cpu"], 2),
            }
            for name, run in over.items()
        },
        "asyncio_alone": {"rss_mb": _mb(idle["rss"]), "cpu_percent": round(idle["cpu"], 2)},
        "bars": _BARS,
    }


def _print_table(figures: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415  # would count in what is measured
    from rich.table import Table  # noqa: PLC0415  # as above

    table = Table(title="What an AgentReporter takes of its host", title_justify="left")
    for name in ("", "measured", "bar"):
        table.add_column(name, justify="left" if not name else "right")
    table.add_row("import producers.sdk", f"{figures['import']['ms']:.0f} ms", f"{_BARS['import_ms']:.0f} ms")
    table.add_row("  its processor time", f"{figures['import']['cpu_ms']:.0f} ms")
    table.add_row("  of that import asyncio", f"{figures['import_asyncio']['cpu_ms']:.0f} ms")
    for name, run in figures["transports"].items():
        mib = run["rss_mb"] * 1e6 / 2**20
        table.add_row(f"memory over {name}", f"{run['rss_mb']:.1f} MB ({mib:.1f} MiB)", f"{_BARS['rss_mb']:.0f} MB")
        table.add_row("  of it private", f"{run['private_mb']:.1f} MB")
        table.add_row(f"processor at 10 events/s over {name}", f"{run['cpu_percent']:.2f} %", "1 %")
    Console().print(table)


def main(json_output: bool) -> None:  # the interface of `fleetpulse.benches`
    """Measure and print; against FLEETPULSE_BOOTSTRAP if it is set, else a broker of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="fleetpulse-bench-") as made,
        console.broker(Path(made)) as (bootstrap, _),
    ):
        folder = Path(made)
        console.run("topics", "create", "--broker", bootstrap)
        figures = measure(bootstrap, folder)
    if json_output:
        sys.stdout.write(json.dumps(figures) + "\n")
    else:
        _print_table(figures)
