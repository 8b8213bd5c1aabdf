"""Which alerts a person means: filters, fingerprints by their beginning, what a list leaves out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from infra.runtime.errors import FleetpulseError, SettingError
from infra.runtime.text import printable
from streams.manager.matchers import Matcher, MatcherError, fits, parse_matcher
from streams.manager.model import Alert, Silence
from streams.rules.values import RANK

_SHORTEST, _MOST_NAMED = 8, 5
_SHOWN = frozenset({"acknowledged", "flapping", "delayed"})
"""Reasons for telling nobody that are no other alert's and no other person's affair: a list shows these alerts."""


class UnknownAlertError(FleetpulseError):
    """No alert, no silence, or more than one, begins like that."""


IN_A_SHELL = "Quote it for the shell: 'name=~cpu_.*' 'host!=web-1'"
IN_A_REQUEST = "Each is a text such as name=~cpu_.* or host!=web-1"


def parse_matchers(texts: Iterable[str], setting: str, way_out: str = IN_A_SHELL) -> tuple[Matcher, ...]:
    """Raises `SettingError` that names `setting` and a `way_out` for who asks."""
    try:
        return tuple(map(parse_matcher, texts))
    except MatcherError as error:
        raise SettingError(str(error), setting=setting, way_out=way_out) from error


@dataclass(frozen=True)
class Wanted:
    """What a list is to hold: `severity`, `agent`, `name` are patterns with `*` and `?`; `matchers` as of silences."""

    matchers: tuple[Matcher, ...] = ()
    severity: str | None = None
    agent: str | None = None
    name: str | None = None

    def has(self, alert: Alert) -> bool:
        """Whether the alert fits all of it."""
        patterns = ((self.severity, alert.severity), (self.agent, alert.agent_id), (self.name, alert.name))
        return all(p is None or fnmatchcase(value, p) for p, value in patterns) and fits(self.matchers, alert.values())


@dataclass(frozen=True)
class Chosen:
    """`shown` in the order of a list; `hidden`: how many others fit, by why (also `resolved` and `watchdog`)."""

    shown: list[Alert]
    hidden: dict[str, int]


def choose(alerts: Iterable[Alert], wanted: Wanted, *, everything: bool = False) -> Chosen:
    """The alerts that a list shows: the gravest and newest first, those that are over at the end."""
    found = [alert for alert in alerts if wanted.has(alert)]
    # A member is a line in the row of its root; where the root does not fit, it is shown by itself.
    roots = {alert.fingerprint for alert in found}
    quiet = [] if everything else [alert for alert in found if not _is_shown(alert, roots)]
    hidden = Counter(map(_kind, quiet))
    names = {alert.fingerprint for alert in quiet}
    shown = [alert for alert in found if alert.fingerprint not in names]
    shown.sort(key=lambda a: (not a.active, -RANK.get(a.severity, 0), -a.starts_us, a.fingerprint))
    return Chosen(shown, dict(sorted(hidden.items())))


def _is_shown(alert: Alert, roots: Collection[str]) -> bool:
    kind, _, name = (alert.suppressed_by or "").partition(":")
    alone = kind == "incident" and name not in roots
    return alert.active and not alert.always and (alert.suppressed_by is None or kind in _SHOWN or alone)


def _kind(alert: Alert) -> str:
    if alert.always:
        return "watchdog"
    return (alert.suppressed_by or "").partition(":")[0] if alert.active else "resolved"


def short_length(names: Sequence[str]) -> int:
    """How many first characters tell `names` apart, at least eight."""
    length = _SHORTEST
    while len({name[:length] for name in names}) < len(set(names)):
        length += 1
    return length


def find_alert(alerts: Sequence[Alert], beginning: str, *, active: bool) -> Alert:
    """The alert whose fingerprint begins so; `active`: one that has not ended. Raises `UnknownAlertError`."""
    text = beginning.strip().lower()
    alike = [alert for alert in alerts if text and alert.fingerprint.lower().startswith(text)]
    exact = [alert for alert in alike if alert.fingerprint.lower() == text]
    candidates = exact or ([alert for alert in alike if alert.active] if active else alike)
    if len(candidates) == 1 and (candidates[0].active or not active):
        return candidates[0]
    if len(candidates) > 1:
        raise _ambiguous(beginning, candidates)
    raise _unknown(beginning, ended=bool(alike))


def _ambiguous(beginning: str, candidates: Sequence[Alert]) -> UnknownAlertError:
    length = short_length([alert.fingerprint for alert in candidates])
    named = [printable(f"{a.fingerprint[:length]} ({a.name} of {a.agent_id})") for a in candidates[:_MOST_NAMED]]
    more = f" and {len(candidates) - _MOST_NAMED} more" if len(candidates) > _MOST_NAMED else ""
    return UnknownAlertError(
        f"{printable(beginning)!r} begins {len(candidates)} fingerprints",
        setting="FINGERPRINT",
        way_out=f"Give more of it: {', '.join(named)}{more}",
    )


def _unknown(beginning: str, *, ended: bool) -> UnknownAlertError:
    what = "that alert has ended" if ended else f"no alert begins with {printable(beginning)!r}"
    return UnknownAlertError(
        what,
        setting="FINGERPRINT",
        way_out="`fleetpulse alerts list --all` shows those that are known, `fleetpulse alerts history` older ones",
    )


def find_silence(silences: Sequence[Silence], beginning: str) -> Silence:
    """The silence whose id begins so. Raises `UnknownAlertError`."""
    alike = [each for each in silences if beginning and each.id.startswith(beginning)]
    alike = [each for each in alike if each.id == beginning] or alike
    if len(alike) == 1:
        return alike[0]
    what = f"{len(alike)} silences begin with" if alike else "no silence begins with"
    raise UnknownAlertError(
        f"{what} {printable(beginning)!r}", setting="ID", way_out="`fleetpulse alerts silences` lists them"
    )
