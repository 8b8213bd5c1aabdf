"""Matchers of silences: NAME=VALUE, NAME!=VALUE, NAME=~REGEX, NAME!~REGEX. No pattern is slow on any text.

Python's regex engine backtracks: `(a+)+b` on a long text never ends, nor does `(a|.)(a|.)...b`, which doubles its ways
with every group. So a repetition may hold one character or class only, a pattern at most `_MOST_REPEATS` of them, texts
are cut, and the ways through a pattern's alternatives are bounded together with its repetitions: the worst case is then
some ten milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from re import _constants, _parser  # type: ignore[attr-defined]  # the parser of `re`; sre_parse is deprecated
from typing import Any

OPERATORS = ("!=", "=~", "!~", "=")
_MOST_TEXT, _MOST_PATTERN, _MOST_REPEATS = 256, 200, 3
_MOST_WAYS = (10_000, 10_000, 500, 5)
"""By how many repetitions a pattern has, in how many ways its alternatives may be taken."""
_SHAPE = re.compile(r"([A-Za-z_][A-Za-z0-9_.:-]{0,99})(!=|=~|!~|=)(.*)", re.DOTALL)
Matcher = tuple[str, str, str]


class MatcherError(ValueError):
    """A matcher that cannot be used, in words for people."""


def parse_matcher(text: str) -> Matcher:
    """(name, operator, value) of NAME=VALUE and its kin. Raises `MatcherError`."""
    found = _SHAPE.fullmatch(text)
    if found is None:
        raise MatcherError(f"{text!r} is no matcher: write agent_id=NAME, host!=NAME, name=~cpu_.* or name!~cpu_.*")
    return check_matcher((found[1], found[2], found[3]))


def check_matcher(matcher: Matcher) -> Matcher:
    """The matcher itself. Raises `MatcherError` where its operator or pattern cannot be used."""
    _, operator, value = matcher
    if operator not in OPERATORS:
        raise MatcherError(f"{operator!r} is no operator: there are {', '.join(OPERATORS)}")
    if operator.endswith("~"):
        _compiled(value)
    return matcher


def fits(matchers: Iterable[Matcher], values: Mapping[str, str]) -> bool:
    """Whether values fit all matchers; a value that is missing is the empty text."""
    return all(_fits_one(matcher, values.get(matcher[0], "")) for matcher in matchers)


def _fits_one(matcher: Matcher, value: str) -> bool:
    _, operator, wanted = matcher
    if operator in {"=", "!="}:
        return (value == wanted) == (operator == "=")
    try:
        pattern = _compiled(wanted)
    except MatcherError:  # of a silence that was made when more patterns were allowed: it keeps nothing quiet
        return False
    return bool(pattern.fullmatch(value[:_MOST_TEXT])) == (operator == "=~")


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    if len(pattern) > _MOST_PATTERN:
        raise MatcherError(f"the pattern has {len(pattern)} characters, at most {_MOST_PATTERN} are allowed")
    try:
        tree = _parser.parse(pattern)
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise MatcherError(f"{pattern!r} is no regular expression: {error}") from error
    if (repeats := _repeats(tree)) > _MOST_REPEATS:
        raise MatcherError(f"{pattern!r} has more than {_MOST_REPEATS} repetitions")
    if _ways(tree) > _MOST_WAYS[repeats]:
        raise MatcherError(f"the alternatives of {pattern!r} can be taken in too many ways: use fewer of them")
    return compiled


def _ways(tree: Any) -> int:  # noqa: ANN401  # what re's parser gives
    """In how many ways the alternatives of a pattern can be taken, one after another: what backtracking may try."""
    ways = 1
    for kind, given in tree:
        if kind is _constants.SUBPATTERN:
            ways *= _ways(given[3])
        elif kind is _constants.BRANCH:
            ways *= sum(_ways(branch) for branch in given[1])
    return ways


_REPEATS = {_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT}
_SINGLE = {_constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY, _constants.IN}
_PLAIN = _SINGLE | {_constants.AT}


def _repeats(tree: Any) -> int:  # noqa: ANN401  # what re's parser gives
    """Number of repetitions. Raises `MatcherError` for what could be slow."""
    count = 0
    for kind, given in tree:
        if kind in _REPEATS:
            if (
                [inner for inner, _ in given[2]]
                and all(inner in _SINGLE for inner, _ in given[2])
                and len(given[2]) == 1
            ):
                count += 1
            else:
                raise MatcherError("a repetition may hold a single character or class: a.*, [0-9]+, not (ab)*")
        elif kind is _constants.SUBPATTERN:
            count += _repeats(given[3])
        elif kind is _constants.BRANCH:
            count += sum(_repeats(branch) for branch in given[1])
        elif kind not in _PLAIN:
            raise MatcherError("look-around and back-references are not allowed in a pattern")
    return count
