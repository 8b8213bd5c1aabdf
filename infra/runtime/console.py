"""Other processes of the project, by console script: how parts use each other without importing each other."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from infra.runtime.errors import BrokerStartError
from infra.runtime.settings import PREFIX, load_settings


def command(*arguments: str) -> list[str]:
    """The command line of `fleetpulse ARGUMENTS`, with the script beside this interpreter."""
    beside = Path(sys.executable).with_name("fleetpulse")
    return [str(beside) if beside.exists() else "fleetpulse", *arguments]


def run(*arguments: str) -> str:
    """Run a `fleetpulse` command to its end; what it wrote to standard output.

    Raises `subprocess.CalledProcessError`.
    """
    return subprocess.run(command(*arguments), check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603  # our own command


@contextlib.contextmanager
def broker(folder: Path) -> Iterator[tuple[str, str]]:
    """(bootstrap, kind) of the broker that FLEETPULSE_BOOTSTRAP names, else of one of our own while the block runs.

    Raises `BrokerStartError` with the last words of the broker's log, which is in `folder`.
    """
    if given := load_settings().bootstrap:
        yield given, "external"
        return
    start = command("broker", "start", "--broker", "auto", "--data-dir", str(folder))
    with (
        (folder / "broker.log").open("wb") as log,
        subprocess.Popen(start, stdout=subprocess.PIPE, stderr=log) as process,  # noqa: S603  # our own command
    ):
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise BrokerStartError(
                    f"no broker could be started: {(folder / 'broker.log').read_text(errors='replace')[-300:]}",
                    setting=f"{PREFIX}BOOTSTRAP",
                )
            ready = json.loads(line)
            yield str(ready["bootstrap"]), str(ready["kind"])
        finally:
            process.terminate()
