"""Regular expressions that people give, by RE2: no pattern and no answer makes it slow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from infra.runtime.errors import SettingError

_PATTERN_BYTES = 4 * 1024 * 1024


def _load() -> Any:  # noqa: ANN401  # google-re2 has no types
    try:
        import re2  # noqa: PLC0415  # optional: only policies of type pattern need it
    except ImportError as error:
        raise SettingError(
            "policies of type pattern need google-re2, which is not installed",
            setting="policies",
            way_out="pip install 'fleetpulse[governance]'",
        ) from error
    return re2


class Patterns:
    """Some expressions. Raises `SettingError` for one that RE2 does not take (backreferences, look-around)."""

    def __init__(self, patterns: Iterable[str], *, ignore_case: bool, policy_id: str) -> None:
        re2 = _load()
        options = re2.Options()
        options.case_sensitive = not ignore_case
        options.log_errors = False
        options.max_mem = _PATTERN_BYTES
        self._compiled = []
        for pattern in patterns:
            try:
                self._compiled.append(re2.compile(pattern, options))
            except re2.error as error:
                raise SettingError(
                    f"the pattern {pattern!r} cannot be used: {error.args[0]}",
                    setting=f"policies[{policy_id}].patterns",
                    way_out="RE2 has no look-around and no backreferences: https://github.com/google/re2/wiki/Syntax",
                ) from error

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Start and end of every match that is not empty."""
        for compiled in self._compiled:
            for match in compiled.finditer(text):
                if match.end() > match.start():
                    yield match.span()
