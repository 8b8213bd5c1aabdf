"""A reading of this very machine fits the schema; rates need two counts that did not go back."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.runtime.clock import ManualClock
from infra.runtime.durations import parse_duration_s
from infra.runtime.errors import SettingError
from producers.probe.gpu import GpuReader
from producers.probe.reading import HostReader, rate
from producers.sdk.config import make_config
from producers.sdk.encode import Encoder
from schemas.record import decode_record
from schemas.registry import SchemaBook


def test_a_reading_is_an_event_of_fleet_hosts(tmp_path: Path) -> None:
    clock = ManualClock()
    gpu = GpuReader()
    reader = HostReader(clock, tmp_path / "not" / "made" / "yet", gpu)
    clock.advance(2.0)
    fields = reader.read()
    gpu.close()
    encoder = Encoder(make_config(agent_id="host:box", bootstrap="h:1", spool_dir=tmp_path), "session")
    record = decode_record(SchemaBook("host"), encoder.encode((0, 1, "fleet.hosts", fields), 0).value)
    assert record["host"] == reader.host
    assert 0 < record["memory_used_bytes"] < record["memory_total_bytes"]
    assert 0 <= record["cpu_usage"] <= 100
    assert 0 <= record["disk_usage"] <= 100
    assert record["cpu_cores"] >= 1
    assert record["network_receive_rate"] is None or record["network_receive_rate"] >= 0
    assert (record["gpu_count"] is None) == (not gpu.available and "gpu_count" not in fields)


@pytest.mark.parametrize(
    ("before", "now", "seconds", "expected"),
    [(100, 300, 2.0, 100.0), (300, 100, 2.0, None), (None, 1, 1.0, None), (1, None, 1.0, None), (1, 2, 0.0, None)],
)
def test_rates(before: int | None, now: int | None, seconds: float, expected: float | None) -> None:
    assert rate(before, now, seconds) == expected


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("2s", 2), ("1.5m", 90), ("1h", 3600), ("3", 3), ("1d", 86400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration_s(text, "--for") == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "-1s", "soon", "1 fortnight", "nan", "1e9s"])
def test_what_is_no_duration_names_the_setting(text: str) -> None:
    with pytest.raises(SettingError, match="--for"):
        parse_duration_s(text, "--for")
