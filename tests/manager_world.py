"""What the tests of the alert manager share: signals with little typing, and a manager whose clock is moved by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.record import encode_single_object
from schemas.registry import load_schema, topic_schema
from streams.manager.config import ManagerConfig
from streams.manager.core import decide, resume, tick, watch
from streams.manager.model import GROUP_FIELDS, Event
from streams.manager.state import State, restore
from streams.rules.load import parse_pack

T0 = 1_800_000_000.0
_DEFAULTS: dict[str, Any] = {field["name"]: field.get("default") for field in load_schema("signal").raw["fields"]}


def settings(text: str = "", **more: Any) -> ManagerConfig:  # noqa: ANN401  # fields of a signal
    """Settings with the sections of a pack in YAML."""
    return ManagerConfig(pack=parse_pack(f"version: 1\nrules: []\n{text}", "test"), **more)


def pack_settings(text: str) -> ManagerConfig:
    """Settings with a whole pack in YAML."""
    return ManagerConfig(pack=parse_pack(f"version: 1\n{text}", "test"))


def fingerprint(agent: str, name: str) -> str:
    """Any text will do where only equality counts."""
    return f"{name}@{agent}"


def signal(kind: str, at_s: float, agent: str = "a", name: str = "cpu_high", **more: Any) -> dict[str, Any]:  # noqa: ANN401  # fields of a signal
    """A signal as the core sees it; `epoch` is the time of the beginning, `host` and `gateway` are labels."""
    at_us = round(at_s * 1e6)
    labels = {key: more.pop(key) for key in ("host", "gateway", "metric", "status") if key in more}
    given = {
        "agent_id": agent, "user_id": "tenant", "deployment_id": None, "timestamp": at_us, "kind": kind,
        "fingerprint": fingerprint(agent, name), "epoch": at_us // 1000, "name": name, "severity": "warning",
        "summary": f"{agent}: {name}", "starts_at": at_us, "rule_kind": "threshold", "value": 90.0, "threshold": 80.0,
        "labels": {"agent_id": agent} | labels, "annotations": {}, "evidence": {}, "event_id": b"0" * 16,
        "session_id": f"signals/{fingerprint(agent, name)}", "seq": 0, "oldest_source_timestamp": at_us,
    }  # fmt: skip
    return {**_DEFAULTS, **given, **more}


def group(kind: str, name: str, **counts: float) -> dict[str, Any]:
    """One group of a summary."""
    return {"kind": kind, "name": name} | dict.fromkeys(GROUP_FIELDS, 0.0) | counts


def encoded(found: Mapping[str, Any]) -> bytes:
    """The message of a signal."""
    named = {
        name: [{"name": key, "value": value} for key, value in found[name].items()]
        for name in ("labels", "annotations", "evidence")
    }
    return encode_single_object(topic_schema("fleet.signals"), {**found, **named})


@dataclass
class World:
    """A manager in memory: `at` moves the clock and gives what was due, the others send a signal now."""

    config: ManagerConfig = field(default_factory=settings)
    now_s: float = T0
    state: State = field(default_factory=State)
    events: list[Event] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    epochs: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state.now_s = self.now_s
        resume(self.config, self.state)

    def send(self, found: Mapping[str, Any]) -> list[Event]:
        """A signal at the present time."""
        decision = decide(self.config, self.state, found, self.now_s)
        self.problems += [decision.problem] if decision.problem else []
        self.events += decision.events
        return decision.events

    def fire(self, agent: str = "a", name: str = "cpu_high", **more: Any) -> list[Event]:  # noqa: ANN401  # fields of a signal
        """An alert begins, or becomes worse where `epoch` is given."""
        found = signal("firing", self.now_s, agent, name, **more)
        self.epochs[found["fingerprint"]] = found["epoch"]
        return self.send(found)

    def resolve(self, agent: str = "a", name: str = "cpu_high", **more: Any) -> list[Event]:  # noqa: ANN401  # fields of a signal
        """An alert ends."""
        epoch = self.epochs[fingerprint(agent, name)]
        ends = round(self.now_s * 1e6)
        return self.send(signal("resolved", self.now_s, agent, name, **({"epoch": epoch, "ends_at": ends} | more)))

    def summary(
        self, groups: Sequence[Mapping[str, Any]], partition: int = 0, *, complete: bool = False
    ) -> list[Event]:
        """What a partition tells."""
        name = f"partition:{partition}"
        found = signal("summary", self.now_s, name, partition=partition, groups=list(groups), complete=complete)
        return self.send(found)

    def command(self, name: str, arguments: str, who: str = "ann") -> list[Event]:
        """What a person commands; `arguments` JSON."""
        return self.send(signal("command", self.now_s, "operator", command=name, arguments=arguments, actor=who))

    def after(self, seconds: float) -> list[Event]:
        """What comes due until then."""
        self.now_s += seconds
        found = tick(self.config, self.state, self.now_s)
        self.events += found
        return found

    def silent_partitions(self, since_s: float = T0) -> list[Event]:
        """What the watch over partitions finds now."""
        return watch(self.config, self.state, since_s)

    def restart(self) -> None:
        """As after a crash: only what the changelog holds is left."""
        self.state = restore(self.state.dump())
        resume(self.config, self.state)


def told(events: Sequence[Event]) -> list[tuple[str, str, str]]:
    """(name, state, cause) of what people are told."""
    return [(e["name"], e["state"], e["cause"]) for e in events if e["suppressed_by"] is None]


def why(events: Sequence[Event]) -> list[str | None]:
    """Why nobody is told, event by event."""
    return [e["suppressed_by"] for e in events]
