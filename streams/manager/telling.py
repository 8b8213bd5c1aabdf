"""Whether people are told of an alert, who, and when the next ones are: suppression and escalation.

An alert is suppressed by the first that holds of: an open maintenance window, a silence, an alert that inhibits it, the
outage or incident that it belongs to, flapping, an acknowledgement, a route whose first step is still to come.
"""

from __future__ import annotations

from streams.manager.inhibition import inhibitor
from streams.manager.matchers import fits
from streams.manager.model import ACKNOWLEDGED, Alert
from streams.manager.turn import Turn
from streams.manager.windows import is_open
from streams.rules.sections import Step
from streams.rules.values import matches


def steps_of(turn: Turn, alert: Alert) -> list[Step]:
    """The steps that an alert goes, by their delay; none where no route fits: then the default channels are told."""
    steps: list[Step] = []
    values = alert.values()
    for route in turn.config.pack.routes:
        if matches(route.match, values):
            steps += route.steps
            if not route.go_on:
                break
    return sorted(steps, key=lambda step: step.after_s)


def suppression(turn: Turn, alert: Alert) -> str | None:
    """Why nobody is to be told now; None: tell them."""
    return _by_people(turn, alert) or _by_others(turn, alert) or _by_itself(turn, alert)


def _by_people(turn: Turn, alert: Alert) -> str | None:
    values = alert.values()
    for window in turn.config.pack.maintenance:
        if matches(window.match, values) and is_open(window, turn.now_s):
            return f"maintenance:{window.name}"
    for _, silence in sorted(turn.state.silences.items()):
        if silence.until_s > turn.now_s and fits(silence.matchers, values):
            return f"silence:{silence.id}"
    return None


def _by_others(turn: Turn, alert: Alert) -> str | None:
    if (source := inhibitor(turn, alert)) is not None:
        return f"inhibited:{source}"
    root = turn.state.alerts.get(alert.root) if alert.root is not None else None
    return f"incident:{root.fingerprint}" if root is not None and root.active else None


def _by_itself(turn: Turn, alert: Alert) -> str | None:
    if alert.flapping:
        return "flapping"
    if alert.status == ACKNOWLEDGED:
        return "acknowledged"
    steps = steps_of(turn, alert)
    later = steps and not alert.told and alert.began_s + steps[0].after_s > turn.now_s
    return "delayed" if later else None


def announce(turn: Turn, alert: Alert, cause: str) -> None:
    """Write that an alert began, or began anew, and tell people unless something speaks against it."""
    alert.suppressed_by = suppression(turn, alert)
    _write(turn, alert, cause)


def reconsider(turn: Turn, alert: Alert, cause: str) -> None:
    """Write it where the reason for telling nobody has changed; tell people where it is gone."""
    if not alert.active or alert.held_until_s is not None:
        return
    reason = suppression(turn, alert)
    if reason == alert.suppressed_by:
        return
    alert.suppressed_by = reason
    _write(turn, alert, cause)


def _write(turn: Turn, alert: Alert, cause: str) -> None:
    step: int | None = None
    receivers: list[str] = []
    if alert.suppressed_by is None:
        step, receivers = _take_steps(turn, alert)
        alert.told = True
    turn.emit(alert, cause, alert.suppressed_by, receivers, step)
    plan(turn, alert)


def _take_steps(turn: Turn, alert: Alert) -> tuple[int | None, list[str]]:
    """The last step that is due by now, and the channels of all of them, each once; they count as done."""
    due = [step for step in steps_of(turn, alert) if alert.began_s + step.after_s <= turn.now_s]
    if not due:
        return None, []
    alert.step = len(due)
    receivers = list(dict.fromkeys(channel for step in due for channel in step.channels))
    alert.receivers = list(dict.fromkeys([*alert.receivers, *receivers]))
    return len(due) - 1, receivers


def escalate(turn: Turn, alert: Alert) -> None:
    """Tell the channels of the steps that came due, once each."""
    if not alert.active or alert.held_until_s is not None or alert.suppressed_by is not None:
        return
    steps = steps_of(turn, alert)
    for number in range(alert.step, len(steps)):
        if alert.began_s + steps[number].after_s > turn.now_s:
            break
        alert.step = number + 1
        channels = list(steps[number].channels)
        alert.receivers = list(dict.fromkeys([*alert.receivers, *channels]))
        turn.emit(alert, "escalated", None, channels, number)


def due_s(turn: Turn, alert: Alert) -> float | None:
    """When to look at an alert again; None: when something happens to it."""
    flapping = turn.config.pack.flapping
    times = [alert.flips_s[-1] + flapping.calm_s] if alert.flapping and alert.flips_s else []
    if not alert.active:
        return times[0] if times else alert.updated_s + turn.config.forget_s
    if alert.held_until_s is not None:
        return alert.held_until_s
    if alert.below_s is not None:
        times.append(alert.below_s + turn.config.pack.correlation.window_s)
    if alert.suppressed_by in {None, "delayed"}:
        steps = steps_of(turn, alert)
        times += [alert.began_s + step.after_s for step in steps[alert.step : alert.step + 1]]
    return min(times, default=None)


def plan(turn: Turn, alert: Alert) -> None:
    """Have the alert looked at when it is due, and written."""
    turn.state.changed("a", alert.fingerprint)
    turn.state.schedule(due_s(turn, alert), f"a/{alert.fingerprint}")
