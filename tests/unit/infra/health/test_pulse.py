"""Signs of life in a file: of the loop, with health and progress, gone when the process goes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from infra.health import Component, Health, HealthStatus, publishing
from infra.health.pulse import Pulse, pulsing, read_pulse


class Part(Component):
    def __init__(self) -> None:
        super().__init__("part")

    def health(self) -> Health:
        return Health(HealthStatus.DEGRADED, "tired")

    def progress(self) -> int:
        return 5

    def metrics(self) -> Mapping[str, float]:
        return {}


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  # a file that another task writes, with no way to tell us
            await asyncio.sleep(0.01)


def names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


async def test_it_says_how_it_is_and_goes_with_the_process(tmp_path: Path) -> None:
    file = tmp_path / "part.json"
    async with pulsing(Part(), file):
        await until(file.exists)
        assert read_pulse(file) == Pulse(os.getpid(), 1, "degraded", "tired", 5)
        await until(lambda: (found := read_pulse(file)) is not None and found.beats >= 2)
    assert names(tmp_path) == []


async def test_a_folder_that_is_not_there_disturbs_nobody(tmp_path: Path) -> None:
    async with pulsing(Part(), tmp_path / "absent" / "part.json"):
        await asyncio.sleep(0)
    assert names(tmp_path) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_what_cannot_be_read_is_no_sign(tmp_path: Path, text: str) -> None:
    file = tmp_path / "part.json"
    assert read_pulse(file) is None
    file.write_text(text)
    assert read_pulse(file) is None


async def test_publishing_gives_it_where_a_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "part.json"
    monkeypatch.setenv("FLEETPULSE_PULSE_FILE", str(file))
    monkeypatch.setenv("FLEETPULSE_SELF_AUDIT", "false")
    async with publishing(Part(), "127.0.0.1:1", process="part"):
        await until(file.exists)
    assert not file.exists()
