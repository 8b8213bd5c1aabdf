"""What people command: acknowledge, silence and their opposites, resolve, escalate."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from streams.manager.life import end
from streams.manager.matchers import MatcherError, check_matcher
from streams.manager.model import ACKNOWLEDGED, FIRING, Alert, Signal, Silence
from streams.manager.roots import ROOTS, hold_no_longer
from streams.manager.telling import plan, reconsider, steps_of, tell, tell_again
from streams.manager.turn import Turn

_LONGEST_TEXT, _MOST_MATCHERS = 1000, 20


class CommandError(ValueError):
    """A command that cannot be carried out, in words for people."""


def on_command(turn: Turn, signal: Signal) -> None:
    """Carry out a command. Raises `CommandError`; then nothing has changed."""
    try:
        arguments = json.loads(signal["arguments"] or "{}")
    except ValueError as error:
        raise CommandError(f"arguments are not JSON: {error}") from error
    if not isinstance(arguments, dict):
        raise CommandError("arguments are not a JSON object")
    arguments = {"fingerprint": signal["fingerprint"]} | arguments
    carry_out = _COMMANDS.get(signal["command"] or "")
    if carry_out is None:
        raise CommandError(f"no such command: {signal['command']!r}")
    carry_out(turn, arguments, _cut(signal["actor"] or "somebody"))


def _cut(text: object) -> str:
    return str(text)[:_LONGEST_TEXT]


def _alert(turn: Turn, arguments: Mapping[str, Any]) -> Alert:
    alert = turn.state.alerts.get(str(arguments.get("fingerprint")))
    if alert is None or not alert.active:
        raise CommandError(f"no alert with fingerprint {arguments.get('fingerprint')!r} is firing")
    return alert


def _acknowledge(turn: Turn, arguments: Mapping[str, Any], actor: str) -> None:
    """People hear of an acknowledgement where they heard of the alert; escalation ends."""
    alert = _alert(turn, arguments)
    if alert.status == ACKNOWLEDGED:
        return
    if alert.held_until_s is not None:
        hold_no_longer(turn, alert)
    alert.status, alert.actor, alert.comment = ACKNOWLEDGED, actor, _cut(arguments.get("comment") or "")
    alert.suppressed_by = alert.suppressed_by or "acknowledged"
    if alert.told:
        tell_again(turn, alert, "acknowledged")
    else:
        turn.emit(alert, "acknowledged", alert.suppressed_by, [])
    plan(turn, alert)


def _unacknowledge(turn: Turn, arguments: Mapping[str, Any], actor: str) -> None:
    alert = _alert(turn, arguments)
    if alert.status != ACKNOWLEDGED:
        raise CommandError("the alert is not acknowledged")
    alert.status, alert.actor, alert.comment = FIRING, actor, _cut(arguments.get("comment") or "")
    alert.step = 0
    if alert.suppressed_by == "acknowledged":
        reconsider(turn, alert, "unacknowledged")
    else:
        turn.emit(alert, "unacknowledged", alert.suppressed_by, [])
    alert.actor = alert.comment = None  # their name is on this change alone
    turn.state.changed("a", alert.fingerprint)


def _silence(turn: Turn, arguments: Mapping[str, Any], actor: str) -> None:
    name = str(arguments.get("id") or "")
    if not name or len(name) > 100 or "/" in name:
        raise CommandError("a silence needs an id without a slash")
    try:
        until_s = float(arguments["until_s"])
        matchers = tuple(check_matcher((str(n), str(o), str(v))) for n, o, v in arguments["matchers"])
    except (KeyError, TypeError, MatcherError, ValueError) as error:
        raise CommandError(f"not a silence: {error}") from error
    if not matchers or len(matchers) > _MOST_MATCHERS:
        raise CommandError(f"a silence has 1 to {_MOST_MATCHERS} matchers")
    if not turn.now_s < until_s < turn.now_s + 366 * 86_400:
        raise CommandError("a silence ends within a year from now")
    comment = _cut(arguments.get("comment") or "")
    turn.state.silences[name] = Silence(name, matchers, until_s, actor, comment, turn.now_s)
    turn.state.changed("s", name)
    turn.state.schedule(until_s, f"s/{name}")
    reconsider_all(turn, "silenced")


def _unsilence(turn: Turn, arguments: Mapping[str, Any], actor: str) -> None:
    del actor
    name = str(arguments.get("id"))
    if name not in turn.state.silences:
        raise CommandError(f"no silence {name!r}")
    drop_silence(turn, name, "unsilenced")


def drop_silence(turn: Turn, name: str, cause: str) -> None:
    """A silence is over; who was not told because of it is told."""
    del turn.state.silences[name]
    turn.state.changed("s", name)
    reconsider_all(turn, cause)


def reconsider_all(turn: Turn, cause: str) -> None:
    """Every alert that is active, in an order that a restart does not change."""
    for name in sorted(turn.state.active):
        reconsider(turn, turn.state.alerts[name], cause)


def _resolve(turn: Turn, arguments: Mapping[str, Any], actor: str) -> None:
    alert = _alert(turn, arguments)
    at_us = turn.at_us if turn.at_us is not None else round(turn.now_s * 1e6)
    end(turn, alert, at_us, ROOTS, actor=actor, comment=_cut(arguments.get("comment") or ""))


def _escalate(turn: Turn, arguments: Mapping[str, Any], actor: str) -> None:
    """The next step at once, whoever it is for; who looked after the alert does no longer."""
    alert = _alert(turn, arguments)
    steps = steps_of(turn, alert)
    if alert.step >= len(steps):
        raise CommandError("the alert has no further step")
    if alert.held_until_s is not None:
        hold_no_longer(turn, alert)
    step = alert.step
    if alert.status == ACKNOWLEDGED:
        _take_back(turn, alert, steps[step].after_s)
    alert.step = step + 1
    _told_by(turn, alert, actor, _cut(arguments.get("comment") or ""), list(steps[step].channels), step)
    plan(turn, alert)


def _take_back(turn: Turn, alert: Alert, after_s: float) -> None:
    """No longer acknowledged; further steps count from now as if the next one had come by itself, at `after_s`."""
    alert.status, alert.actor, alert.comment = FIRING, None, None
    alert.began_s = turn.now_s - after_s
    if alert.suppressed_by == "acknowledged":
        alert.suppressed_by = None


def _told_by(turn: Turn, alert: Alert, actor: str, comment: str, channels: list[str], step: int) -> None:
    """Tell channels because somebody said so: their name is on this change alone, later ones are not theirs."""
    before = alert.actor, alert.comment
    alert.actor, alert.comment = actor, comment
    tell(turn, alert, "escalated", channels, step)
    alert.actor, alert.comment = before


_COMMANDS: Mapping[str, Callable[[Turn, Mapping[str, Any], str], None]] = MappingProxyType(
    {
        "acknowledge": _acknowledge,
        "unacknowledge": _unacknowledge,
        "silence": _silence,
        "unsilence": _unsilence,
        "resolve": _resolve,
        "escalate": _escalate,
    }
)
