"""The moving parts of a run, and the folders that it writes to."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.runtime.errors import LakeError
from infra.supervisor.child import Child
from infra.supervisor.fleet_state import FleetState
from infra.supervisor.plan import API, GATEWAY, NOTIFIER, Part, RunPlan
from infra.supervisor.view import Picture
from schemas.catalogue import STREAM_SOURCES, TOPICS

PRODUCERS = ("simulator", "example-agent", "probe", GATEWAY)
LAKE_WRITER = "lake-writer"
STREAMS_GROUP, ALERTS_GROUP, LAKE_GROUP = "fleetpulse-streams", "fleetpulse-alert-manager", "fleetpulse-lake"
GROUPS: Mapping[str, tuple[str, ...]] = {
    STREAMS_GROUP: STREAM_SOURCES,
    ALERTS_GROUP: ("fleet.signals",),
    LAKE_GROUP: tuple(TOPICS),
}
"""What each consumer group reads, but for the notifier's: it names its groups when it is ready."""


@dataclass
class Run:
    """One run: its plan, its processes by name, what its broker said, what is shown of it, `looks` at it so far."""

    plan: RunPlan
    environment: dict[str, str]
    children: dict[str, Child] = field(default_factory=dict)
    broker: dict[str, Any] = field(default_factory=dict)
    fleet: FleetState = field(default_factory=FleetState)
    picture: Picture = field(default_factory=Picture)
    looks: int = 0
    started_s: float = field(default_factory=time.monotonic)

    def child(self, part: Part, *, restart: bool = True) -> Child:
        """Prepare the process of a part."""
        log = self.plan.data_dir / "logs" / f"{part.name}.log"
        pulse = self.plan.data_dir / "pulse" / f"{part.name}.json"
        child = Child(part.name, part.arguments, log, self.environment, restart=restart, pulse_file=pulse)
        self.children[part.name] = child
        return child

    def named(self, names: Sequence[str]) -> list[Child]:
        """The processes of these names that the run has."""
        return [self.children[name] for name in names if name in self.children]

    def workers(self) -> list[Child]:
        """The stream workers."""
        return [child for name, child in self.children.items() if name.startswith("stream-worker")]

    def doors(self) -> dict[str, str]:
        """The addresses of the gateway and the API, by name."""
        return {child.name: str(child.ready["url"]) for child in self.named((GATEWAY, API)) if "url" in child.ready}

    def notifier_groups(self) -> dict[str, tuple[str, ...]]:
        """The groups that the notifier said it reads fleet.alerts in: its journal's, and one for each channel."""
        said = self.children[NOTIFIER].ready if NOTIFIER in self.children else {}
        group, channels = said.get("group"), said.get("channels", [])
        names = [] if group is None else [group, *(f"{group}.{channel}" for channel in channels)]
        return dict.fromkeys(names, ("fleet.alerts",))


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
    for name in ("logs", "accounts", "pulse"):
        (data_dir / name).mkdir(exist_ok=True)
