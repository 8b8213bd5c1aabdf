"""The moving parts of a run, and the folders that it writes to."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.runtime.errors import LakeError
from infra.supervisor.child import Child
from infra.supervisor.fleet_state import FleetState
from infra.supervisor.plan import Part, RunPlan
from infra.supervisor.view import Picture

STREAMS_GROUP, LAKE_GROUP = "fleetpulse-streams", "fleetpulse-lake"
PRODUCERS = ("simulator", "example-agent", "probe")
SINKS = ("lake-writer", "notifier")


@dataclass
class Run:
    """One run: its plan, its processes by name, what its broker said, and what is shown of it."""

    plan: RunPlan
    environment: dict[str, str]
    children: dict[str, Child] = field(default_factory=dict)
    broker: dict[str, Any] = field(default_factory=dict)
    fleet: FleetState = field(default_factory=FleetState)
    picture: Picture = field(default_factory=Picture)
    started_s: float = field(default_factory=time.monotonic)

    def child(self, part: Part, *, restart: bool = True) -> Child:
        """Prepare the process of a part."""
        log = self.plan.data_dir / "logs" / f"{part.name}.log"
        child = Child(part.name, part.arguments, log, self.environment, restart=restart)
        self.children[part.name] = child
        return child

    def named(self, names: Sequence[str]) -> list[Child]:
        """The processes of these names that the run has."""
        return [self.children[name] for name in names if name in self.children]

    def workers(self) -> list[Child]:
        """The stream workers."""
        return [child for name, child in self.children.items() if name.startswith("stream-worker")]


def prepare_folders(data_dir: Path, lake: Path) -> None:
    """Make the folders of a run. Raises `LakeError` where one cannot be written, naming the setting."""
    for folder, setting in ((data_dir, "--data-dir or FLEETPULSE_DATA_DIR"), (lake, "FLEETPULSE_LAKE")):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f".writable-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise LakeError(
                f"cannot write to {folder}: {error.strerror}",
                setting=setting,
                way_out="Choose a folder that you may write to",
            ) from error
    for name in ("logs", "accounts"):
        (data_dir / name).mkdir(exist_ok=True)
