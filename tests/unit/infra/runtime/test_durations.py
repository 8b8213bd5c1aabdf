"""Durations as people write them."""

from __future__ import annotations

import pytest

from infra.runtime.durations import parse_duration_s
from infra.runtime.errors import SettingError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30.0), ("2m", 120.0), ("2min", 120.0), (" 1.5 h ", 5400.0), ("7d", 604_800.0), ("7", 7.0)],
)
def test_units(text: str, seconds: float) -> None:
    assert parse_duration_s(text, "--for") == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1s", "1 fortnight", "1e9s", "0", "0s", "1h30", "s"])
def test_what_is_no_duration_names_the_setting(text: str) -> None:
    with pytest.raises(SettingError, match=r"setting --for"):
        parse_duration_s(text, "--for")


def test_zero_where_zero_means_something() -> None:
    assert parse_duration_s("0s", "--grace", or_zero=True) == 0.0
    with pytest.raises(SettingError):
        parse_duration_s("-1s", "--grace", or_zero=True)
