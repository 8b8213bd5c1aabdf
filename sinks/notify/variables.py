"""Secrets from the environment: `${NAME}` in a value is the environment variable NAME, `$${` is a plain `${`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def filled_from(environment: Mapping[str, str]) -> Callable[[str], str]:
    """Puts variables into a text. What it returns raises `ValueError` where one is not set or empty."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "${"
        if not environment.get(name):
            raise ValueError(f"the environment variable {name} is not set")
        return environment[name]

    return lambda text: _VARIABLE.sub(value, text)
