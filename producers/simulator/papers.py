"""The files that a run leaves: the ground truth of its incidents, and the account of what it published."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from infra.runtime.errors import SettingError
from producers.simulator.fleet import Fleet
from producers.simulator.incidents import Incident
from producers.simulator.sender import Sender


def write_json(path: Path, content: Mapping[str, Any], *, setting: str) -> None:
    """Write a JSON file so that a reader sees the old or the new one, never a part. Raises `SettingError`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise SettingError(
            f"cannot write {path}: {error.strerror}", setting=setting, way_out="Name a folder that can be written"
        ) from error


def truth(fleet: Fleet, ended_at_us: int | None, held_up_us: Sequence[tuple[int, int]] = ()) -> dict[str, Any]:
    """The incidents that have begun so far, and the run they belong to. An open end is null until the run ends.

    `held_up_us`: from when to when the fleet could not say in time what it had to, event time, micros.
    """
    begun = [incident for incident in fleet.incidents if incident.started_at_us is not None]
    return {
        "seed": fleet.config.seed,
        "agents": fleet.config.agents,
        "started_at_us": fleet.config.start_us,
        "ended_at_us": ended_at_us,
        "held_up_us": [list(stretch) for stretch in held_up_us],
        "incidents": [
            {
                "kind": incident.kind,
                "agent_id": _subject(fleet, incident),
                "started_at_us": incident.started_at_us,
                "ended_at_us": incident.ended_at_us,
                "detail": incident.detail,
            }
            for incident in begun
        ],
    }


def _subject(fleet: Fleet, incident: Incident) -> str:
    """Whom it is about: an agent, or the host of all that have it."""
    return f"host:{fleet.agents.hosts[incident.agent]}" if incident.agents else fleet.agents.ids[incident.agent]


def account(fleet: Fleet, sender: Sender, issued: Counter[str], seconds: float) -> dict[str, Any]:
    """What was issued and what the broker acknowledged, by topic and by session.

    `dropped` counts events that were given up before they were sent: the simulator never does; an event that was
    issued and not acknowledged by the deadline may have landed all the same.
    """
    issued_of = fleet.agents.issued_of_sessions()
    acknowledged = np.zeros(issued_of.size, np.int64)
    known = min(issued_of.size, sender.session_counts.size)
    acknowledged[:known] = sender.session_counts[:known]
    sessions = [
        {
            "session_id": session.session_id,
            "agent_id": fleet.agents.ids[session.agent],
            "issued": count,
            "acknowledged": seen,
            "dropped": 0,
        }
        for session, count, seen in zip(fleet.agents.sessions, issued_of.tolist(), acknowledged.tolist(), strict=True)
        if count
    ]
    return {
        "process": "simulator",
        "published": dict(sender.acknowledged),
        "issued": dict(issued),
        "sessions": sessions,
        "rate_asked": fleet.config.rate,
        "rate_achieved": round(sum(sender.acknowledged.values()) / seconds, 1) if seconds > 0 else 0.0,
        "seconds": round(seconds, 3),
    }
