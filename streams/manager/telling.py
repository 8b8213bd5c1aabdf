"""Whether people are told of an alert, who, and when the next ones are: suppression and escalation.

An alert is suppressed by the first that holds of: an open maintenance window, a silence, an alert that inhibits it, the
outage or incident that it belongs to, flapping, an acknowledgement, a route whose first step is still to come.

That holds for firing. Who was told that an alert fires is told that it is over, even if a silence or an inhibition
began meanwhile: an incident that stays open at a pager until somebody finds it is worse than one message.
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
    if alert.always:
        return None
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
    if alert.suppressed_by is not None:
        turn.emit(alert, cause, alert.suppressed_by, [])
    elif due := [step for step in steps_of(turn, alert) if alert.began_s + step.after_s <= turn.now_s]:
        alert.step = len(due)
        tell(turn, alert, cause, [channel for step in due for channel in step.channels], len(due) - 1)
    else:
        tell_again(turn, alert, cause)
    plan(turn, alert)


def tell(turn: Turn, alert: Alert, cause: str, channels: list[str], step: int | None = None) -> None:
    """Tell these channels, each once, the default ones where there are none; it is kept who knows."""
    wanted = list(dict.fromkeys(channels))
    alert.told = True
    alert.told_default = alert.told_default or not wanted
    alert.receivers = list(dict.fromkeys([*alert.receivers, *wanted]))
    alert.told_size, alert.told_s = max(alert.told_size, alert.size), turn.now_s
    turn.emit(alert, cause, None, wanted, step)


def tell_again(turn: Turn, alert: Alert, cause: str) -> None:
    """Tell everybody who was told before: the default channels by an event of their own; them alone if nobody was."""
    if alert.told_default or not alert.receivers:
        tell(turn, alert, cause, [])
    if alert.receivers:
        tell(turn, alert, cause, alert.receivers)


def tell_end(turn: Turn, alert: Alert) -> None:
    """Whoever was told of the firing is told of its end, whatever silence or inhibition came between."""
    tell_again(turn, alert, "recovered")
    alert.told = False


def tell_growth(turn: Turn, root: Alert) -> None:
    """Whoever was told of an outage or incident is told how large it has become, where that is due."""
    due = _growth_due_s(turn, root)
    if due is not None and due <= turn.now_s:
        tell_again(turn, root, "grew")


def _growth_due_s(turn: Turn, root: Alert) -> float | None:
    """When people are told of it again: it is twice what they know of, and a window has gone by since they heard."""
    if not root.active or not root.told or root.suppressed_by is not None:
        return None
    if not root.told_size or root.size < 2 * root.told_size:
        return None
    return root.told_s + turn.config.pack.correlation.window_s


def escalate(turn: Turn, alert: Alert) -> None:
    """Tell the channels of the steps that came due, once each."""
    if not alert.active or alert.held_until_s is not None or alert.suppressed_by is not None:
        return
    steps = steps_of(turn, alert)
    for number in range(alert.step, len(steps)):
        if alert.began_s + steps[number].after_s > turn.now_s:
            break
        alert.step = number + 1
        tell(turn, alert, "escalated", list(steps[number].channels), number)


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
    if (grown_s := _growth_due_s(turn, alert)) is not None:
        times.append(grown_s)
    if alert.suppressed_by in {None, "delayed"} and not alert.always:
        steps = steps_of(turn, alert)
        times += [alert.began_s + step.after_s for step in steps[alert.step : alert.step + 1]]
    return min(times, default=None)


def plan(turn: Turn, alert: Alert) -> None:
    """Have the alert looked at when it is due, and written."""
    turn.state.changed("a", alert.fingerprint)
    turn.state.schedule(due_s(turn, alert), f"a/{alert.fingerprint}")
