"""Which processes make the whole system, with which arguments. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunPlan:
    """What a run is made of; durations in seconds, rate in events/s over the whole simulated fleet."""

    bootstrap: str
    data_dir: Path
    lake: Path
    agents: int = 200
    rate: float = 1000.0
    seed: int = 1
    run_for_s: float | None = None
    workers: int = 1
    incidents: bool = True
    probe: bool = True
    example: bool = True
    notify: bool = True

    @property
    def truth(self) -> Path:
        """The simulator's ground truth."""
        return self.data_dir / "truth.json"

    @property
    def accounts(self) -> Path:
        """What every producer says that it published."""
        return self.data_dir / "accounts"


@dataclass(frozen=True)
class Part:
    """One process: its name and the arguments after `fleetpulse`."""

    name: str
    arguments: Sequence[str]


def sinks_and_streams(plan: RunPlan) -> list[Part]:
    """What consumes, in the order of starting."""
    parts = [Part("lake-writer", ("lake", "write", "--bootstrap", plan.bootstrap, "--lake", str(plan.lake)))]
    parts += [
        Part(f"stream-worker-{n + 1}", ("stream-worker", "--bootstrap", plan.bootstrap)) for n in range(plan.workers)
    ]
    if plan.notify:
        parts.append(Part("notifier", ("notify", "--bootstrap", plan.bootstrap)))
    return parts


def producers(plan: RunPlan) -> list[Part]:
    """What publishes: this host's probe, an agent that works, a simulated fleet."""
    parts = []
    if plan.probe:
        parts.append(Part("probe", ("probe", "--bootstrap", plan.bootstrap)))
    if plan.example:
        parts.append(Part("example-agent", ("example-agent", "--bootstrap", plan.bootstrap)))
    if plan.agents:
        simulate = ["simulate", "--bootstrap", plan.bootstrap, "--agents", str(plan.agents), "--rate", f"{plan.rate:g}"]
        simulate += ["--seed", str(plan.seed), "--truth", str(plan.truth)]
        simulate += ["--incidents" if plan.incidents else "--no-incidents"]
        if plan.run_for_s is not None:
            simulate += ["--for", f"{plan.run_for_s:g}s"]
        parts.append(Part("simulator", tuple(simulate)))
    return parts
