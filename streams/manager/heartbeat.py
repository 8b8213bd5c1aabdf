"""An alert that always fires, told again and again: for a dead man's switch outside, which alarms when it stops.

It says that signals are read up to now, decided on and written, and that notifiers deliver. Nothing suppresses it. What
was missed while nobody worked is not made up for.
"""

from __future__ import annotations

from streams.manager.life import end
from streams.manager.model import FIRING, WATCHDOG, WATCHDOG_KIND, Alert
from streams.manager.roots import ROOTS, fingerprint, group_alert
from streams.manager.telling import plan, tell
from streams.manager.turn import Turn
from streams.rules.sections import Watchdog

_KEY = ("fleet", "")
FINGERPRINT = fingerprint(WATCHDOG, _KEY)


def beat(turn: Turn) -> None:
    """Tell the channels of the watchdog when it is time; end it where the settings name none any more."""
    settings = turn.config.pack.watchdog
    alert = turn.state.alerts.get(FINGERPRINT)
    if settings is None:
        if alert is not None and alert.active:
            alert.summary = "the pack has no watchdog any more"
            end(turn, alert, round(turn.now_s * 1e6), ROOTS)
    elif alert is None or not alert.active:
        _begin(turn, settings)
    elif turn.now_s >= alert.updated_s + settings.every_s:
        alert.status = FIRING
        _tell(turn, alert, settings, "repeated")


def _begin(turn: Turn, settings: Watchdog) -> None:
    summary = f"fleetpulse works; this comes every {settings.every_s:.0f} s, be alarmed when it stops"
    alert = group_alert(turn, WATCHDOG, WATCHDOG_KIND, _KEY, "info", summary)
    _tell(turn, alert, settings, "began")


def _tell(turn: Turn, alert: Alert, settings: Watchdog, cause: str) -> None:
    alert.updated_s = turn.now_s
    tell(turn, alert, cause, list(settings.channels))
    plan(turn, alert)
