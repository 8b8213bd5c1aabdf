"""What producers say of themselves: `DATA_DIR/accounts/<process>.json`, written when a producer ends or on its way.

{"process", "published": {topic: n}, "sessions": [{"session_id", "agent_id", "issued", "acknowledged", "dropped"}]}
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.runtime.errors import SettingError


@dataclass(frozen=True, slots=True)
class SessionAccount:
    """Events of one session: numbered, acknowledged by the broker, given up."""

    session_id: str
    agent_id: str
    issued: int
    acknowledged: int
    dropped: int
    process: str = ""

    @property
    def settled(self) -> bool:
        """Whether every number has a fate: then the missing ones can be told to the last."""
        return self.issued == self.acknowledged + self.dropped


@dataclass(frozen=True, slots=True)
class Accounts:
    """All processes together: acknowledged events per topic, and every session."""

    published: dict[str, int]
    sessions: list[SessionAccount]
    processes: list[str]

    def agents_of(self, process: str) -> frozenset[str]:
        """Agents that a kind of process spoke for: all whose account's process name begins with `process`."""
        return frozenset(s.agent_id for s in self.sessions if s.process.startswith(process))

    @property
    def acknowledged(self) -> int:
        """Acknowledged events of all sessions."""
        return sum(session.acknowledged for session in self.sessions)


def _session(raw: dict[str, Any], process: str) -> SessionAccount:
    return SessionAccount(
        str(raw["session_id"]),
        str(raw["agent_id"]),
        int(raw["issued"]),
        int(raw["acknowledged"]),
        int(raw.get("dropped", 0)),
        process,
    )


def read_accounts(folder: Path, setting: str = "--accounts") -> Accounts:
    """Read every account file of a folder. Raises `SettingError` for a folder or file that cannot be read."""
    if not folder.is_dir():
        raise SettingError(f"there is no folder {folder}", setting=setting, way_out="Producers write DATA_DIR/accounts")
    published: Counter[str] = Counter()
    sessions: list[SessionAccount] = []
    processes: list[str] = []
    for path in sorted(folder.glob("*.json")):
        try:
            raw = json.loads(path.read_bytes())
            published.update({str(topic): int(count) for topic, count in raw.get("published", {}).items()})
            processes.append(str(raw.get("process", path.stem)))
            sessions += [_session(session, processes[-1]) for session in raw.get("sessions", [])]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SettingError(f"cannot read the account file {path}: {error!r}", setting=setting) from error
    return Accounts(dict(published), sessions, processes)
