"""What the alert manager decides. Pure but for its own state: signals and time come in, events come out.

Time is the log's: the broker's time stamp of each signal. Timers that were due before a signal are decided on before
it, so that a replay of the same signals on the same state gives the same events with the same identifiers.
"""

from __future__ import annotations

from dataclasses import dataclass

from streams.manager.commands import CommandError, drop_silence, on_command, reconsider_all
from streams.manager.config import ManagerConfig
from streams.manager.heartbeat import beat
from streams.manager.life import calm_down, on_firing, on_resolved
from streams.manager.model import Alert, Event, Signal
from streams.manager.roots import ROOTS, end_outage, hold_no_longer, note_again
from streams.manager.state import State
from streams.manager.summaries import end_unruled, judge_all, judge_waiting, on_summary, watch_partitions
from streams.manager.telling import due_s, escalate, reconsider, tell_growth
from streams.manager.turn import Turn
from streams.manager.windows import next_change_s

_WINDOWS = "windows"


@dataclass(frozen=True)
class Decision:
    """`problem`: why nothing was decided on the signal itself; None where all is well. `events` count in both cases."""

    events: list[Event]
    problem: str | None = None


def decide(config: ManagerConfig, state: State, signal: Signal, now_s: float) -> Decision:
    """Events of one signal, and of what was due before it; `now_s`: when the broker got it, s since the epoch."""
    events = tick(config, state, now_s)
    turn = Turn(config, state, signal["timestamp"])
    try:
        _take(turn, signal)
    except (SignalError, CommandError) as error:
        return Decision(events, str(error))
    return Decision(events + turn.events)


class SignalError(ValueError):
    """A signal that nothing can be decided on."""


def _take(turn: Turn, signal: Signal) -> None:
    kind = signal["kind"]
    if kind in {"firing", "resolved"}:
        if not signal["fingerprint"] or signal["epoch"] is None or not signal["name"]:
            raise SignalError(f"a {kind} signal without fingerprint, epoch or name")
        (on_firing if kind == "firing" else on_resolved)(turn, signal, ROOTS)
    elif kind == "summary":
        on_summary(turn, signal)
    elif kind == "command":
        on_command(turn, signal)
    else:
        raise SignalError(f"no such kind of signal: {kind!r}")


def tick(config: ManagerConfig, state: State, now_s: float) -> list[Event]:
    """Events of what is due by `now_s`, each at its own time."""
    turn = Turn(config, state)
    while (due := state.pop_due(now_s)) is not None:
        at_s, key = due
        state.now_s = max(state.now_s, at_s)
        _look_at(turn, key)
    state.now_s = max(state.now_s, now_s)
    return turn.events


def watch(config: ManagerConfig, state: State, since_s: float) -> list[Event]:
    """Events of partitions that fell silent, and the watchdog's; for whoever has read all signals, since `since_s`."""
    turn = Turn(config, state)
    watch_partitions(turn, since_s)
    beat(turn)
    return turn.events


def resume(config: ManagerConfig, state: State) -> list[Event]:
    """To be called once after a restore: timers, indexes, what other settings mean."""
    turn = Turn(config, state)
    note_again(turn)
    _know_what_was_told(turn)
    for alert in state.alerts.values():
        state.schedule(due_s(turn, alert), f"a/{alert.fingerprint}")
    for silence in state.silences.values():
        state.schedule(silence.until_s, f"s/{silence.id}")
    for name, since_s in state.waiting.items():
        rule = next((r for r in config.pack.rules if r.name == name.split("/")[0]), None)
        state.schedule(since_s + (rule.for_s if rule else 0.0), f"w/{name}")
    state.schedule(next_change_s(config.pack.maintenance, state.now_s), _WINDOWS)
    end_unruled(turn)
    reconsider_all(turn, "repeated")
    return turn.events


def _know_what_was_told(turn: Turn) -> None:
    """Outages and incidents that an older program told: people know of the size that was kept, so growth is told."""
    for alert in map(turn.state.alerts.__getitem__, turn.state.active):
        if alert.told and not alert.told_size and (size := alert.size or alert.member_count):
            alert.told_size = size
            turn.state.changed("a", alert.fingerprint)


def change_rules(config: ManagerConfig, state: State) -> list[Event]:
    """To be called when other rules are in force: as `resume`, and what groups of agents are by the new ones."""
    events = resume(config, state)
    turn = Turn(config, state)
    judge_all(turn)
    return events + turn.events


def _look_at(turn: Turn, key: str) -> None:
    kind, _, name = key.partition("/")
    if kind == "a" and (alert := turn.state.alerts.get(name)) is not None:
        _look_at_alert(turn, alert)
    elif kind == "s" and (silence := turn.state.silences.get(name)) is not None:
        if silence.until_s <= turn.now_s:
            drop_silence(turn, name, "expired")
    elif kind == "w":
        judge_waiting(turn, name)
    elif kind == _WINDOWS:
        reconsider_all(turn, "expired")
        turn.state.schedule(next_change_s(turn.config.pack.maintenance, turn.now_s), _WINDOWS)


def _look_at_alert(turn: Turn, alert: Alert) -> None:
    """Whatever of an alert is due now; a timer that is no longer true finds nothing."""
    due = due_s(turn, alert)
    if due is None or due > turn.now_s:
        return
    if alert.held_until_s is not None:
        hold_no_longer(turn, alert)
    elif alert.flapping:
        calm_down(turn, alert)
    elif not alert.active:
        turn.state.forget(alert.fingerprint)
    elif alert.below_s is not None and alert.below_s + turn.config.pack.correlation.window_s <= turn.now_s:
        end_outage(turn, alert)
    else:
        reconsider(turn, alert, "began")
        tell_growth(turn, alert)
        escalate(turn, alert)
        turn.state.schedule(due_s(turn, alert), f"a/{alert.fingerprint}")
