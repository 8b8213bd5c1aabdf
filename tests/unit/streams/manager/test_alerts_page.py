"""docs/alerts.md: its packs are packs, and what it says of reasons and matchers is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streams.manager.ask.choose import parse_matchers
from streams.rules.load import parse_pack

PAGE = Path(__file__).parents[4].joinpath("docs", "alerts.md").read_text(encoding="utf-8")
PACKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
MATCHERS = re.findall(r"^\| `'?([a-z_]+[!=~]+[^'`]*)'?` \| ", PAGE, re.MULTILINE)


@pytest.mark.parametrize("text", PACKS)
def test_packs_are_read(text: str) -> None:
    assert parse_pack(text, "docs/alerts.md").version == 1


def test_there_are_some() -> None:
    assert len(PACKS) >= 3
    assert len(MATCHERS) == 4


@pytest.mark.parametrize("text", MATCHERS)
def test_matchers_are_matchers(text: str) -> None:
    assert len(parse_matchers([text], "MATCHER")) == 1
