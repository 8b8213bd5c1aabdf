"""What was measured of an alert and what it was compared with, in words, with the unit where the rule implies one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

_SILENT = "silent_s"
NEEDED = frozenset({_SILENT, "value", "expected", "lower", "upper"})
"""What of an alert's evidence `measured` looks at."""
_SAME = 1e-6
_LARGEST = 1e15


def measured(rule_kind: str | None, value: float | None, threshold: float | None, evidence: Mapping[str, str]) -> str:
    """One line, empty without a value.

    Of rules about a status, `value` is for how long no beat had come when the status changed, and `threshold` after how
    long the agent counts as offline; of absence rules the wait so far and what they allow. All in seconds.
    """
    if value is None:
        return ""
    words = _WORDS.get(rule_kind or "", _plain)
    return words(value, threshold, evidence)


def number(value: float) -> str:
    """Four digits that count, all of those before the point, and no exponent for what is large."""
    return f"{value:,.0f}" if 1_000 <= abs(value) < _LARGEST else f"{value:.4g}"


def _plain(value: float, threshold: float | None, evidence: Mapping[str, str]) -> str:
    del evidence
    return number(value) + _limit(threshold, number)


def _silence(value: float, threshold: float | None, evidence: Mapping[str, str]) -> str:
    del evidence
    return f"nothing for {in_seconds(value)}" + ("" if threshold is None else f" (allowed are {in_seconds(threshold)})")


def _outage(value: float, threshold: float | None, evidence: Mapping[str, str]) -> str:
    del evidence
    return f"{_percent(value)} of its agents down" + _limit(threshold, _percent)


def _forecast(value: float, threshold: float | None, evidence: Mapping[str, str]) -> str:
    now = f"; {_shown(evidence['value'])} now" if "value" in evidence else ""
    return f"{_percent(value)} sure{_limit(threshold, _percent)}{now}"


def _unlike(strength: float, threshold: float | None, evidence: Mapping[str, str]) -> str:
    """The metric's own value first: how strange it is means little to who has not read how that is computed."""
    if not {"value", "expected"} <= evidence.keys():
        return _plain(strength, threshold, evidence)
    value, expected, lower, upper = (_shown(evidence.get(name, "")) for name in ("value", "expected", "lower", "upper"))
    usual = f", usual {lower} to {upper}" if lower and upper else ""
    return f"{value}, expected {expected}{usual}; strangeness {number(strength)}{_limit(threshold, number)}"


def _limit(threshold: float | None, words: Callable[[float], str]) -> str:
    return "" if threshold is None else f" (limit {words(threshold)})"


def _shown(text: str) -> str:
    """A number of evidence, which is a text there, as people read it."""
    try:
        return number(float(text))
    except ValueError:
        return text


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _beats(value: float, threshold: float | None, evidence: Mapping[str, str]) -> str:
    if not value:  # it said so itself, and beats
        return ""
    if _SILENT not in evidence:  # of a rule that waits with `for`, the end of its waiting
        return f"true for {in_seconds(value)}"
    told = f"{in_seconds(value)} without a beat"
    if threshold is None or threshold < value * (1 - _SAME):
        return told
    return (
        f"{told}, its deadline"
        if threshold <= value * (1 + _SAME)
        else f"{told}; offline after {in_seconds(threshold)}"
    )


def in_seconds(seconds: float) -> str:
    """Three digits, whole seconds from a hundred on."""
    return f"{seconds:.3g} s" if seconds < 100 else f"{seconds:,.0f} s"


_WORDS: Mapping[str, Callable[[float, float | None, Mapping[str, str]], str]] = MappingProxyType(
    {"status": _beats, "absence": _silence, "outage": _outage, "forecast": _forecast, "anomaly": _unlike}
)
