"""Rows of fleet.signals from what the rules found."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from infra.runtime.ids import derived_id
from infra.runtime.measured import number
from streams.rules.engine import Fleet
from streams.rules.instances import Event
from streams.rules.values import render

Row = Mapping[str, Any]
_STEPS = {("firing", "info"): 0, ("firing", "warning"): 0, ("firing", "critical"): 1}
_RESOLVED = 2


def fingerprint(name: str, labels: Mapping[str, str]) -> str:
    """32 hexadecimal digits over the name and the labels, whatever their order."""
    parts = [name, *(f"{key}\x1f{labels[key]}" for key in sorted(labels))]
    return hashlib.blake2b("\x1e".join(parts).encode(), digest_size=16).hexdigest()


def signal_row(fleet: Fleet, event: Event) -> dict[str, Any]:
    """One row of fleet.signals; fingerprint, epoch and state give its identifier, so a replay gives the same.

    Labels: agent, tenant and metric identify; where the agent belongs and what the rule says come with them.
    """
    place = fleet.place(event.slot)
    identity = {name: place[name] for name in ("agent_id", "user_id")}
    if event.metric:
        identity["metric"] = event.metric
    rule, fact = event.rule, event.fact
    labels = rule.labels | place | identity
    print_, at_us = fingerprint(rule.name, identity), _micros(fact.at_s)
    step = _STEPS.get((event.state, event.severity), _RESOLVED)
    evidence = {name: value if isinstance(value, str) else f"{value:.6g}" for name, value in fact.evidence.items()}
    said = evidence | labels | _said(event)
    return {
        "event_id": derived_id(at_us, "signal", print_, event.epoch, step),
        "agent_id": place["agent_id"],
        "user_id": place["user_id"],
        "deployment_id": place.get("deployment_id"),
        "timestamp": at_us,
        "session_id": f"signals/{print_}",
        "seq": event.epoch * 4 + step,
        "kind": event.state,
        "fingerprint": print_,
        "epoch": event.epoch,
        "name": rule.name,
        "severity": event.severity,
        "summary": fact.summary,
        "starts_at": _micros(event.starts_s),
        "ends_at": at_us if event.state == "resolved" else None,
        "value": fact.value,
        "threshold": fact.threshold,
        "labels": _named(labels),
        "annotations": _named({name: render(text, said) for name, text in rule.annotations.items()}),
        "evidence": _named(evidence),
        "rule_kind": getattr(rule, "kind", None),
        "oldest_source_timestamp": at_us,
    }


def _said(event: Event) -> dict[str, str]:
    """What templates may name beside labels and evidence."""
    numbers = {"value": event.fact.value, "threshold": event.fact.threshold}
    words = {"name": event.rule.name, "severity": event.severity, "metric": event.metric}
    return words | {name: number(found) for name, found in numbers.items() if found is not None}


def _named(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def _micros(time_s: float) -> int:
    return round(time_s * 1e6)
