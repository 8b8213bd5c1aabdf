"""Limits of time that are meant for people who wait, not for a busy machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from sinks.api.rules import book, check
from sinks.api.rules import preview as previews
from sinks.api.sql import run

LONG_S = 240.0


@pytest.fixture
def patient_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules are checked by a process that reads half of our libraries. One that stands back far behind all others gets
    a thirtieth of a busy machine: it is behind them, but not so far."""
    monkeypatch.setattr(check, "_WITHIN_S", LONG_S)
    monkeypatch.setattr(book, "_NICE", 1)
    monkeypatch.setattr(previews, "_NICE", 1)


@pytest.fixture
def patient_sql(monkeypatch: pytest.MonkeyPatch) -> Callable[..., run.Told]:
    """What asks now: a question's time counts from the start of its process."""
    ask = partial(run.ask, limits=replace(run.LIMITS, timeout_s=LONG_S))
    monkeypatch.setattr("sinks.api.sql.queue.ask", ask)
    return ask
