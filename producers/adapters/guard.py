"""A fault in an adapter is its own business: it is logged, and the agent goes on."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")
_log = logging.getLogger("fleetpulse.adapters")


def harmless(method: Callable[P, None]) -> Callable[P, None]:
    """The same callback, except that no exception leaves it."""

    @functools.wraps(method)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception:  # noqa: BLE001  # what frameworks hand over changes with versions; the agent must not stop
            _log.exception("%s could not report", method.__qualname__)

    return guarded
