from __future__ import annotations

import math
from typing import Any

import pytest
from otlp_world import NOW_US, gauge, histogram, mapped, metrics, of

from producers.otlp.export import Exporter
from producers.otlp.metrics import MOST_CUSTOM
from producers.otlp.since_last import SinceLast


def fields_of(*measured: dict[str, Any], **resource: object) -> dict[str, Any]:
    (event,) = of(mapped("metrics", metrics(*measured, **resource)), "fleet.metrics")
    return dict(event.fields)


def test_ratios_become_percent_and_seconds_milliseconds() -> None:
    found = fields_of(
        gauge("process.cpu.utilization", (0.25, {})),
        gauge("system.memory.utilization", (0.4, {"system.memory.state": "used"}), (0.6, {"state": "free"})),
        gauge("system.filesystem.utilization", (0.1, {"mountpoint": "/"}), (0.9, {"mountpoint": "/data"})),
        gauge("process.uptime", (12.5, {}), unit="s"),
        histogram("gen_ai.client.operation.duration", (4, 2.0, {})),
    )
    assert found["cpu_usage"] == pytest.approx(25)
    assert found["memory_usage"] == pytest.approx(40)
    assert found["disk_usage"] == pytest.approx(90)
    assert found["uptime"] == 12.5
    assert found["response_time"] == pytest.approx(500)
    assert found["request_count"] == 4


def test_errors_are_told_by_the_points_that_have_a_type() -> None:
    found = fields_of(histogram("gen_ai.client.operation.duration", (3, 3.0, {}), (1, 5.0, {"error.type": "timeout"})))
    assert found["error_rate"] == 0.25
    assert found["success_rate"] == 75
    assert found["response_time"] == 2000


def test_cpu_of_cores_by_state() -> None:
    points = [
        (share, {"cpu.logical_number": core, "cpu.mode": state})
        for core, idle in ((0, 0.5), (1, 0.9))
        for state, share in (("idle", idle), ("user", 1 - idle))
    ]
    assert fields_of(gauge("system.cpu.utilization", *points))["cpu_usage"] == pytest.approx(30)


def test_histograms_are_mean_and_count_sums_are_added_gauges_averaged() -> None:
    tokens = histogram(
        "gen_ai.client.token.usage",
        (2, 30.0, {"gen_ai.token.type": "input", "server.address": "a"}),
        (2, 10.0, {"gen_ai.token.type": "input", "server.address": "b"}),
        (1, 5.0, {"gen_ai.token.type": "output"}),
        unit="{token}",
    )
    data = [{"asInt": "2", "timeUnixNano": str(NOW_US * 1000)}, {"asInt": "3", "timeUnixNano": str(NOW_US * 1000)}]
    orders = {"name": "orders", "sum": {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": data}}
    custom = fields_of(tokens, orders, gauge("depth", (1.0, {"queue": "a"}), (2.0, {"queue": "b"})))["custom"]
    assert custom == {
        "gen_ai.client.token.usage.input.mean": 10,
        "gen_ai.client.token.usage.input.count": 4,
        "gen_ai.client.token.usage.output.mean": 5,
        "gen_ai.client.token.usage.output.count": 1,
        "orders": 5,
        "depth": 1.5,
    }


def test_our_own_names_are_fields_as_they_are() -> None:
    found = fields_of(gauge("fleet.trust_score", (0.9, {})), gauge("fleet.revenue", (12.0, {})))
    assert (found["trust_score"], found["revenue"]) == (0.9, 12.0)


def test_readings_of_different_times_are_different_events() -> None:
    result = mapped("metrics", metrics(gauge("depth", (1.0, {})), gauge("depth", (2.0, {}), at_ms=5_000)))
    assert [each.fields["custom"]["depth"] for each in of(result, "fleet.metrics")] == [2.0, 1.0]


def test_a_host_that_tells_enough_is_a_host() -> None:
    result = mapped(
        "metrics",
        metrics(
            gauge(
                "system.cpu.utilization",
                (0.2, {"cpu": "cpu0", "state": "user"}),
                (0.8, {"cpu": "cpu0", "state": "idle"}),
            ),
            gauge("system.memory.usage", (3e9, {"state": "used"}), (1e9, {"state": "free"}), unit="By"),
            gauge("system.cpu.load_average.1m", (0.7, {})),
            host__name="rack-1",
        ),
    )
    (host,) = of(result, "fleet.hosts")
    assert host.agent_id == "host:rack-1"
    assert host.fields["host"] == "rack-1"
    assert host.fields["cpu_usage"] == pytest.approx(20)
    assert host.fields["memory_usage"] == pytest.approx(75)
    assert (host.fields["memory_total_bytes"], host.fields["cpu_cores"]) == (4_000_000_000, 1)


def test_a_host_that_does_not_is_none() -> None:
    result = mapped("metrics", metrics(gauge("system.cpu.utilization", (0.2, {})), host__name="rack-1"))
    assert of(result, "fleet.hosts") == []
    assert of(result, "fleet.metrics")[0].fields["cpu_usage"] == pytest.approx(20)


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_rejected(bad: str) -> None:
    document = metrics(gauge("depth", (1.0, {}), (2.0, {})))
    document["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["gauge"]["dataPoints"][1]["asDouble"] = bad
    result = mapped("metrics", document)
    assert result.rejected.total() == 1
    assert of(result, "fleet.metrics")[0].fields["custom"] == {"depth": 1.0}


def test_names_are_bounded_in_number_and_length() -> None:
    many = [gauge(f"m{number}", (1.0, {})) for number in range(MOST_CUSTOM + 10)]
    result = mapped("metrics", metrics(*many, gauge("x" * 500, (1.0, {}))))
    assert len(of(result, "fleet.metrics")[0].fields["custom"]) == MOST_CUSTOM
    assert result.rejected.total() == 11


def test_a_point_without_a_recorded_value_is_nothing() -> None:
    document = metrics(gauge("depth", (1.0, {})))
    document["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["gauge"]["dataPoints"][0]["flags"] = 1
    assert mapped("metrics", document).events == []


def test_values_whose_sum_is_beyond_numbers_do_not_become_infinite() -> None:
    data = [{"asDouble": 1.7e308, "timeUnixNano": str(NOW_US * 1000)}] * 3
    huge = {"name": "huge", "sum": {"aggregationTemporality": 1, "dataPoints": data}}
    result = mapped("metrics", metrics(huge, gauge("depth", (1.0, {}))))
    custom = of(result, "fleet.metrics")[0].fields["custom"]
    assert all(math.isfinite(each) for each in custom.values())
    assert custom["depth"] == 1.0


def mean_of(exporter: Exporter, count: int, total: float, at_ms: float) -> float:
    measured = histogram("gen_ai.client.operation.duration", (count, total, {}), delta=False, at_ms=at_ms)
    (event,) = of(mapped("metrics", metrics(measured), exporter=exporter), "fleet.metrics")
    return float(event.fields["response_time"])


def test_a_cumulative_histogram_tells_the_mean_of_what_came_since() -> None:
    exporter = Exporter()
    assert mean_of(exporter, 10, 10.0, 60_000) == 1000
    assert mean_of(exporter, 12, 20.0, 0) == 5000
    assert mean_of(exporter, 12, 20.0, 0) == 5000, "a second try of a request tells the same"
    assert mean_of(Exporter(), 12, 20.0, 0) == pytest.approx(1666.67, rel=1e-3)


def test_the_memory_of_series_is_bounded() -> None:
    seen = SinceLast(most=5)
    exporter = Exporter(seen)
    for number in range(50):
        mapped("metrics", metrics(histogram(f"h{number}", (1, 1.0, {}), delta=False)), exporter=exporter)
    assert len(seen) == 5
