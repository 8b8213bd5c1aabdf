"""Which processes make the whole system, with which arguments. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ALERT_MANAGER, NOTIFIER = "alert-manager", "notifier"
GATEWAY, API = "gateway", "api"
ADMIN = "local-admin"


@dataclass(frozen=True)
class RunPlan:
    """What a run is made of; durations in seconds, rate in events/s over the whole simulated fleet.

    `rules`: the pack that workers and the alert manager follow; `channels`: where the notifier delivers; None: what
    comes with them. `gateway_port`, `api_port`: where the doors listen on 127.0.0.1, 0 for any port, None for no door.
    """

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
    rules: Path | None = None
    channels: Path | None = None
    gateway_port: int | None = 0
    api_port: int | None = 0

    @property
    def truth(self) -> Path:
        """The simulator's ground truth."""
        return self.data_dir / "truth.json"

    @property
    def accounts(self) -> Path:
        """What every producer says that it published."""
        return self.data_dir / "accounts"

    @property
    def admin_key(self) -> Path:
        """The key of who runs this, for both doors."""
        return self.data_dir / "admin.key"


@dataclass(frozen=True)
class Part:
    """One process: its name and the arguments after `fleetpulse`."""

    name: str
    arguments: Sequence[str]


def sinks_and_streams(plan: RunPlan) -> list[Part]:
    """What consumes, in the order of starting."""
    broker = ("--bootstrap", plan.bootstrap)
    rules = ("--rules", str(plan.rules)) if plan.rules is not None else ()
    channels = ("--channels", str(plan.channels)) if plan.channels is not None else ()
    parts = [Part("lake-writer", ("lake", "write", *broker, "--lake", str(plan.lake)))]
    parts.append(Part(ALERT_MANAGER, ("alert-manager", *broker, *rules)))
    parts += [Part(f"stream-worker-{n + 1}", ("stream-worker", *broker, *rules)) for n in range(plan.workers)]
    if plan.notify:
        parts.append(Part(NOTIFIER, ("notify", *broker, *channels)))
    return parts


def doors(plan: RunPlan) -> list[Part]:
    """What people and programs talk to: the gateway takes events in, the API answers."""
    broker = ("--bootstrap", plan.bootstrap)
    parts = []
    if plan.gateway_port is not None:
        parts.append(Part(GATEWAY, ("gateway", *broker, "--port", str(plan.gateway_port))))
    if plan.api_port is not None:
        rules = ("--rules", str(plan.rules)) if plan.rules is not None else ()
        parts.append(Part(API, ("api", *broker, "--lake", str(plan.lake), "--port", str(plan.api_port), *rules)))
    return parts


def admin_key(plan: RunPlan) -> Sequence[str]:
    """The arguments of the command that makes the key of who runs this, unless there is one that still opens."""
    return (
        "keys",
        "ensure",
        "--bootstrap",
        plan.bootstrap,
        "--name",
        ADMIN,
        "--role",
        "admin",
        "--sql",
        "--file",
        str(plan.admin_key),
        "--json",
    )


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
