"""What producers say of themselves: `DATA_DIR/accounts/<process>.json`, written when a producer ends or on its way.

{"process", "published": {topic: n}, "sessions": [{"session_id", "agent_id", "issued", "acknowledged", "dropped"}]}

A session with `"ended": true` gives no more numbers: how a gateway closes the sessions of agents that live on. A
process that renews `as_of` (s since the epoch, when it wrote the file) as long as it lives, and has not for
`GONE_AFTER_S`, is gone: its sessions have ended without a last word, and what they numbered after that moment is not
known.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.runtime.errors import SettingError

GONE_AFTER_S = 600.0
"""Ten times as long as a gateway takes to renew its account."""


@dataclass(frozen=True, slots=True)
class SessionAccount:
    """Events of one session: numbered, acknowledged by the broker, given up. `gone`: its process writes no
    more, and said no last word; the counts are those of its last line."""

    session_id: str
    agent_id: str
    issued: int
    acknowledged: int
    dropped: int
    process: str = ""
    ended: bool = False
    gone: bool = False

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


def _session(raw: dict[str, Any], process: str, *, silent: bool) -> SessionAccount:
    ended = bool(raw.get("ended", False))
    return SessionAccount(
        str(raw["session_id"]),
        str(raw["agent_id"]),
        int(raw["issued"]),
        int(raw["acknowledged"]),
        int(raw.get("dropped", 0)),
        process,
        ended,
        silent and not ended,
    )


def read_accounts(folder: Path, setting: str = "--accounts", *, now_s: float | None = None) -> Accounts:
    """Read every account file of a folder; `now_s`: wall time, s since the epoch (None: now).

    Raises `SettingError` for a folder or file that cannot be read.
    """
    if not folder.is_dir():
        raise SettingError(f"there is no folder {folder}", setting=setting, way_out="Producers write DATA_DIR/accounts")
    now_s = time.time() if now_s is None else now_s
    published: Counter[str] = Counter()
    sessions: list[SessionAccount] = []
    processes: list[str] = []
    for path in sorted(folder.glob("*.json")):
        try:
            raw = json.loads(path.read_bytes())
            published.update({str(topic): int(count) for topic, count in raw.get("published", {}).items()})
            processes.append(str(raw.get("process", path.stem)))
            silent = now_s - float(raw.get("as_of", now_s)) > GONE_AFTER_S
            sessions += [_session(session, processes[-1], silent=silent) for session in raw.get("sessions", [])]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SettingError(f"cannot read the account file {path}: {error!r}", setting=setting) from error
    return Accounts(dict(published), sessions, processes)
