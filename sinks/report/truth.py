"""The ground truth of a run: what the simulator says that it made go wrong, and when."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.runtime.errors import SettingError


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing that went wrong with one agent. Times in micros since the epoch; `ended_at_us` None: it never ended.

    What happened to many agents at once names them in its detail, `agents`; `agent_id` is then what they share.
    """

    kind: str
    agent_id: str
    started_at_us: int
    ended_at_us: int | None
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def everyone(self) -> tuple[str, ...]:
        """The agents that it happened to."""
        return tuple(map(str, self.detail.get("agents") or (self.agent_id,)))


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """One simulator's account of its run; `agents` None when it does not say which agents are its own.

    `held_up_us`: from when to when it could not say in time what it had to, so that beats were late indeed, micros.
    """

    incidents: list[Incident]
    started_at_us: int | None = None
    ended_at_us: int | None = None
    agents: frozenset[str] | None = None
    held_up_us: tuple[tuple[int, int], ...] = ()

    def covers(self, agent_id: str) -> bool:
        """Whether it knows everything that was wrong with this agent."""
        return self.agents is None or agent_id in self.agents


def _micros(raw: dict[str, Any], name: str) -> int | None:
    """A time as micros: `NAME_us`, or `NAME` as ISO 8601 text, micros or seconds."""
    value = raw.get(f"{name}_us", raw.get(name))
    if value is None:
        return None
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6)
    return round(float(value) * 1e6) if abs(value) < 1e11 else int(value)


def _incidents(raws: Iterable[dict[str, Any]]) -> list[Incident]:
    """Those that began: what was planned but never happened is not part of the truth."""
    found = []
    for raw in raws:
        started_at_us = _micros(raw, "started_at")
        if started_at_us is not None:
            ended_at_us = _micros(raw, "ended_at")
            found.append(
                Incident(str(raw["kind"]), str(raw["agent_id"]), started_at_us, ended_at_us, raw.get("detail") or {})
            )
    return found


def read_truth(path: Path) -> GroundTruth:
    """Read a ground-truth file. Raises `SettingError` when there is none or it cannot be understood."""
    try:
        raw = json.loads(path.read_bytes())
        agents = raw.get("agents")
        return GroundTruth(
            _incidents(raw["incidents"]),
            _micros(raw, "started_at"),
            _micros(raw, "ended_at"),
            frozenset(map(str, agents)) if isinstance(agents, list) else None,
            tuple((int(begin_us), int(end_us)) for begin_us, end_us in raw.get("held_up_us", ())),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingError(
            f"cannot read the ground truth {path}: {error!r}",
            setting="--truth",
            way_out="Give the file that `fleetpulse simulate --truth FILE` wrote",
        ) from error
