"""One step of deciding: the settings, the state, the time, and the events that come of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from infra.runtime.ids import derived_id
from streams.manager.config import ManagerConfig
from streams.manager.model import MOST_MEMBERS, Alert, Event
from streams.manager.state import State


@dataclass
class Turn:
    """`at_us`: event time of the signal that is being decided on, None where time itself is the reason."""

    config: ManagerConfig
    state: State
    at_us: int | None = None
    events: list[Event] = field(default_factory=list)

    @property
    def now_s(self) -> float:
        """Log time."""
        return self.state.now_s

    def emit(
        self, alert: Alert, cause: str, suppressed_by: str | None, receivers: list[str], step: int | None = None
    ) -> None:
        """Write one change of an alert; `receivers` empty: the default channels."""
        at_us = self.at_us if self.at_us is not None else round(self.now_s * 1e6)
        session = f"alerts/{alert.fingerprint}/{alert.epoch}"
        self.events.append(
            {
                "event_id": derived_id(at_us, session, alert.changes, alert.status, cause),
                "agent_id": alert.agent_id,
                "user_id": alert.user_id,
                "deployment_id": alert.deployment_id,
                "timestamp": at_us,
                "session_id": session,
                "seq": alert.changes,
                "fingerprint": alert.fingerprint,
                "epoch": alert.epoch,
                "state": alert.status,
                "name": alert.name,
                "severity": alert.severity,
                "summary": alert.summary,
                "starts_at": alert.starts_us,
                "ends_at": alert.ends_us,
                "value": alert.value,
                "threshold": alert.threshold,
                "labels": _named(alert.labels),
                "evidence": _named(alert.evidence),
                "correlation_id": alert.root,
                "oldest_source_timestamp": alert.oldest_us,
                "annotations": _named(alert.annotations),
                "rule_kind": alert.rule_kind,
                "cause": cause,
                "suppressed_by": suppressed_by,
                "receivers": list(receivers),
                "escalation_step": step,
                "members": alert.members[-MOST_MEMBERS:],
                "member_count": alert.member_count or None,
                "actor": alert.actor,
                "comment": alert.comment,
            }
        )
        alert.changes += 1
        self.state.place(alert)


def _named(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]
