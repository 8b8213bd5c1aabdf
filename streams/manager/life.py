"""The life of one alert: it begins, becomes worse, flaps, ends. What was seen before changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streams.manager.inhibition import inhibited_by_change
from streams.manager.model import FIRING, RESOLVED, Alert, Signal
from streams.manager.telling import announce, plan, reconsider, tell_end
from streams.manager.turn import Turn
from streams.rules.values import RANK


@dataclass(frozen=True)
class Roots:
    """What outages and incidents have to say: `place` before an alert is announced, `left` after one ended."""

    place: Callable[[Turn, Alert], None]
    left: Callable[[Turn, Alert], None]


def alert_from(signal: Signal, began_s: float) -> Alert:
    """A new alert of a firing or resolved signal."""
    return Alert(
        fingerprint=signal["fingerprint"],
        epoch=signal["epoch"],
        name=signal["name"],
        severity=signal["severity"] or "warning",
        summary=signal["summary"] or "",
        agent_id=signal["agent_id"],
        user_id=signal["user_id"],
        deployment_id=signal["deployment_id"],
        rule_kind=signal["rule_kind"],
        starts_us=signal["starts_at"] if signal["starts_at"] is not None else signal["timestamp"],
        oldest_us=_oldest_us(signal),
        began_s=began_s,
        value=signal["value"],
        threshold=signal["threshold"],
        labels=dict(signal["labels"]),
        annotations=dict(signal["annotations"]),
        evidence=dict(signal["evidence"]),
    )


def _oldest_us(signal: Signal) -> int:
    oldest: int | None = signal["oldest_source_timestamp"]
    return oldest if oldest is not None else int(signal["timestamp"])


def on_firing(turn: Turn, signal: Signal, roots: Roots) -> None:
    """A rule became true, or worse; a signal that was decided on already changes nothing."""
    known = turn.state.alerts.get(signal["fingerprint"])
    if known is not None and (signal["epoch"] < known.epoch or (signal["epoch"] == known.epoch and not known.active)):
        return
    if known is None or not known.active:
        begin(turn, alert_from(signal, turn.now_s), roots)
        return
    worse = RANK.get(signal["severity"], 0) > RANK.get(known.severity, 0)
    if worse or signal["epoch"] > known.epoch:
        _go_on(turn, known, alert_from(signal, turn.now_s), worse=worse)


def begin(turn: Turn, alert: Alert, roots: Roots) -> None:
    """A new alert, or a new firing of one that ended."""
    if (before := turn.state.alerts.get(alert.fingerprint)) is not None:
        alert.flips_s, alert.flapping, alert.counted_in = before.flips_s, before.flapping, before.counted_in
        if before.told:
            alert.told, alert.told_default, alert.receivers = True, before.told_default, before.receivers
    turn.state.place(alert)
    starts_to_flap = _flips(turn, alert)
    roots.place(turn, alert)
    if alert.held_until_s is None:
        announce(turn, alert, "flapping" if starts_to_flap else "began")
    else:
        plan(turn, alert)
    if starts_to_flap:
        alert.flapping, alert.suppressed_by = True, alert.suppressed_by or "flapping"
        plan(turn, alert)
    _inhibit(turn, alert)


def _go_on(turn: Turn, alert: Alert, fresh: Alert, *, worse: bool) -> None:
    """A firing alert became worse, or fired anew without having ended. Only what is worse ends an acknowledgement."""
    # Fired anew less gravely it may inhibit no longer: whom it did is asked before, whom it does after.
    inhibited = inhibited_by_change(turn, alert)
    if fresh.epoch > alert.epoch:
        alert.epoch, alert.changes = fresh.epoch, 0
    for name in ("severity", "summary", "value", "threshold", "annotations", "evidence", "oldest_us"):
        setattr(alert, name, getattr(fresh, name))
    if worse:
        alert.status, alert.actor, alert.comment = FIRING, None, None
        alert.began_s, alert.step = turn.now_s, 0
    if alert.held_until_s is None:
        announce(turn, alert, "worse" if worse else "repeated")
    plan(turn, alert)
    for other in inhibited:
        reconsider(turn, other, "repeated")
    _inhibit(turn, alert)


def on_resolved(turn: Turn, signal: Signal, roots: Roots) -> None:
    """A rule is no longer true."""
    alert = turn.state.alerts.get(signal["fingerprint"])
    if alert is None:
        # Its beginning is not known here (a changelog was lost): people may have been told, so they hear the end.
        alert = alert_from(signal, turn.now_s)
        alert.told = True
    elif not alert.active or signal["epoch"] < alert.epoch:
        return
    _write_beginning(turn, alert)
    alert.summary = signal["summary"] or alert.summary
    alert.value = signal["value"] if signal["value"] is not None else alert.value
    alert.oldest_us = _oldest_us(signal)
    ends_us = signal["ends_at"] if signal["ends_at"] is not None else signal["timestamp"]
    end(turn, alert, ends_us, roots)


def end(
    turn: Turn, alert: Alert, ends_us: int, roots: Roots, *, actor: str | None = None, comment: str | None = None
) -> None:
    """The alert is over: who was told that it began is told that it ended. `actor`: who ended it, None: it did itself;
    who looked after it has not ended it."""
    _write_beginning(turn, alert)
    alert.actor, alert.comment = actor, comment
    alert.status, alert.ends_us, alert.updated_s = RESOLVED, ends_us, turn.now_s
    was_flapping = alert.flapping
    starts_to_flap = _flips(turn, alert)
    if alert.told and not was_flapping:
        tell_end(turn, alert)
    else:
        turn.emit(alert, "recovered", "flapping" if was_flapping else alert.suppressed_by, [])
    alert.flapping = was_flapping or starts_to_flap
    plan(turn, alert)
    roots.left(turn, alert)
    _inhibit(turn, alert)
    _forget_oldest(turn)


def _write_beginning(turn: Turn, alert: Alert) -> None:
    """An alert that is held and ends: its beginning is written as it was, before its words are those of the end."""
    if alert.held_until_s is not None:
        cause, alert.held_until_s = alert.held_cause, None
        if cause == "began":
            announce(turn, alert, cause)


def _forget_oldest(turn: Turn) -> None:
    while len(turn.state.ended) > turn.config.most_ended:
        oldest = turn.state.alerts[next(iter(turn.state.ended))]
        if oldest.told:
            tell_end(turn, oldest)
        turn.state.forget(oldest.fingerprint)


def _flips(turn: Turn, alert: Alert) -> bool:
    """Note a beginning or end; whether the alert begins to flap by it."""
    settings = turn.config.pack.flapping
    alert.flips_s = [at_s for at_s in alert.flips_s if at_s > turn.now_s - settings.within_s] + [turn.now_s]
    return not alert.flapping and len(alert.flips_s) >= settings.changes


def _inhibit(turn: Turn, alert: Alert) -> None:
    for other in inhibited_by_change(turn, alert):
        reconsider(turn, other, "repeated")


def release(turn: Turn, alert: Alert) -> None:
    """An alert that was held is written now."""
    alert.held_until_s = None
    if alert.held_cause == "began":
        announce(turn, alert, "began")
    else:
        reconsider(turn, alert, alert.held_cause)
        plan(turn, alert)


def calm_down(turn: Turn, alert: Alert) -> None:
    """An alert has not changed for long enough: people are told how it stands."""
    alert.flapping, alert.flips_s = False, []
    if alert.active:
        reconsider(turn, alert, "repeated")
    elif alert.told:
        tell_end(turn, alert)
    alert.updated_s = turn.now_s
    plan(turn, alert)
