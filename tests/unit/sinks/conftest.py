"""Small lakes and a beginning of time for the tests of the sinks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from small_lake import SmallLake, at, at_us


@pytest.fixture
def lake(tmp_path: Path) -> SmallLake:
    """An empty lake."""
    folder = tmp_path / "lake"
    folder.mkdir()
    return SmallLake(folder)


@pytest.fixture
def new_lake(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], SmallLake]:
    """As many empty lakes as a test wants."""
    return lambda: SmallLake(tmp_path_factory.mktemp("lake"))


@pytest.fixture
def moment() -> Callable[[float], datetime]:
    """Seconds after the beginning of the small worlds as a time."""
    return at


@pytest.fixture
def moment_us() -> Callable[[float], int]:
    """Seconds after the beginning of the small worlds as micros."""
    return at_us
