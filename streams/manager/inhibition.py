"""Inhibition: while an alert that fits `source` fires, those that fit `target` and agree in `equal` tell nobody.

Two alerts that both fit both sides do not inhibit each other: nobody would be told of either.
"""

from __future__ import annotations

from streams.manager.model import Alert
from streams.manager.turn import Turn
from streams.rules.sections import Inhibit
from streams.rules.values import matches


def inhibitor(turn: Turn, alert: Alert) -> str | None:
    """Fingerprint of an alert that inhibits this one, the first of them by name; None where there is none."""
    if not turn.config.pack.inhibit:
        return None
    values = alert.values()
    for rule in turn.config.pack.inhibit:
        if not matches(rule.target, values):
            continue
        for other in _alike(turn, alert, rule.equal):
            theirs = other.values()
            if _mutual(rule, values, theirs):
                continue
            if matches(rule.source, theirs) and _agree(rule, values, theirs):
                return other.fingerprint
    return None


def _agree(rule: Inhibit, values: dict[str, str], theirs: dict[str, str]) -> bool:
    """Whether both have the same in `equal`; two that merely lack all of it have nothing in common."""
    shared = [values.get(name, "") for name in rule.equal]
    return shared == [theirs.get(name, "") for name in rule.equal] and (not shared or any(shared))


def _mutual(rule: Inhibit, values: dict[str, str], theirs: dict[str, str]) -> bool:
    return matches(rule.source, values) and matches(rule.target, theirs)


def _alike(turn: Turn, alert: Alert, equal: tuple[str, ...]) -> list[Alert]:
    """Other active alerts; where rules compare agents, only those of the same agent, by an index."""
    alerts, state = turn.state.alerts, turn.state
    names = state.by_agent.get(alert.agent_id, {}) if "agent_id" in equal else state.active
    return [alerts[name] for name in sorted(names) if name != alert.fingerprint and alerts[name].active]


def inhibited_by_change(turn: Turn, alert: Alert) -> list[Alert]:
    """Alerts whose inhibition may have changed because this one began or ended."""
    values = alert.values()
    found: dict[str, Alert] = {}
    for rule in turn.config.pack.inhibit:
        if not matches(rule.source, values):
            continue
        for other in _alike(turn, alert, rule.equal):
            theirs = other.values()
            if matches(rule.target, theirs) and _agree(rule, values, theirs):
                found[other.fingerprint] = other
    return list(found.values())
