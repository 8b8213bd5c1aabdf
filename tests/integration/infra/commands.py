"""The console script as a process."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPT = str(Path(sys.executable).with_name("fleetpulse"))


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """The tests' own environment without settings of whoever runs them."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("FLEETPULSE_") or k == "FLEETPULSE_CACHE_DIR"}
    return kept | {"FLEETPULSE_DATA_DIR": str(data_dir)} | more


def fleetpulse(data_dir: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [SCRIPT, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment(data_dir, **more),
    )


@dataclass
class Foreground:
    """A long-running command and what its ready line said."""

    process: subprocess.Popen[str]
    ready: dict[str, Any]


@contextlib.contextmanager
def running(data_dir: Path, *arguments: str, **more: str) -> Iterator[Foreground]:
    """Run a command that stays, from its ready line on; killed at the end if it still runs."""
    with subprocess.Popen(
        [SCRIPT, *arguments], stdout=subprocess.PIPE, text=True, env=environment(data_dir, **more)
    ) as process:
        try:
            assert process.stdout is not None
            yield Foreground(process, json.loads(process.stdout.readline()))
        finally:
            process.kill()
