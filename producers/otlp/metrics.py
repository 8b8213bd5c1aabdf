"""Metrics as events of fleet.metrics and fleet.hosts: the known ones as fields in our units, all as custom ones.

A custom metric is named as the instrument, with the few attributes that have few values; points that differ in other
attributes are added up (sums, histograms) or averaged (gauges). Histograms are two: `NAME.mean` and `NAME.count`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from producers.otlp import utilization
from producers.otlp.event import Mapped, OtlpEvent
from producers.otlp.points import Point, points_of
from producers.otlp.since_last import Gain, SinceLast
from producers.otlp.source import Source
from producers.otlp.values import mean, text
from schemas.catalogue import METRICS

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics

MOST_CUSTOM = 200
"""Custom metrics of one event; points of further ones are rejected."""
_SAME_TIME_US = 1_000_000
_KEPT = ("gen_ai.token.type", "network.io.direction", "disk.io.direction", "direction", "cpu.mode", "state", "type")
_LONGEST_PART = 32
_DURATIONS = (
    "gen_ai.server.request.duration",
    "http.server.request.duration",
    "http.server.duration",
    "gen_ai.client.operation.duration",
)
"""What `response_time`, `error_rate`, `success_rate` and `request_count` are read off: the first that is there."""


def map_metrics(resource: ResourceMetrics, source: Source, now_us: int, seen: SinceLast, mapped: Mapped) -> None:
    """Add the events of a resource's data points to `mapped`: one for all that were read at the same time."""
    by_agent: dict[str, list[Point]] = defaultdict(list)
    for point in points_of(resource, now_us, mapped):
        by_agent[source.agent_called(text(point.attributes, "gen_ai.agent.id", limit=257))].append(point)
    for agent, points in by_agent.items():
        for together in _by_time(points):
            mapped.events += _events(together, agent, source, seen, mapped)


def _by_time(points: list[Point]) -> Iterator[list[Point]]:
    """Points in groups: a second and more without one lies between two groups."""
    group: list[Point] = []
    for point in sorted(points, key=lambda each: each.time_us):
        if group and point.time_us - group[-1].time_us >= _SAME_TIME_US:
            yield group
            group = []
        group.append(point)
    if group:
        yield group


def _events(
    points: Sequence[Point], agent: str, source: Source, seen: SinceLast, mapped: Mapped
) -> Iterator[OtlpEvent]:
    series: dict[str, list[Point]] = defaultdict(list)
    for point in points:
        series[point.name].append(point)
    owner = (source.user_id or source.writer.tenant or "", agent)
    gains = {id(point): seen.gain(owner, point) for point in points if point.kind == "distribution"}
    fields = {**_system(series), **_performance(series, gains), **_own(series)}
    finite = {name: value for name, value in fields.items() if value is not None and math.isfinite(value)}
    time_us = points[-1].time_us
    named = {"custom": _custom(series, gains, mapped)}
    yield OtlpEvent("fleet.metrics", agent, {**finite, **named}, time_us, source.user_id, source.deployment_id)
    if source.host is not None and (host := _host(series)) is not None:
        reading = {"host": source.host, **host}
        yield OtlpEvent("fleet.hosts", agent, reading, time_us, source.user_id, source.deployment_id)


def _system(series: utilization.Series) -> dict[str, float | None]:
    uptime = next(iter(series.get("process.uptime", ())), None)
    return {
        "cpu_usage": utilization.cpu_percent(series),
        "memory_usage": utilization.used_percent(series, "system.memory.utilization"),
        "disk_usage": utilization.used_percent(series, "system.filesystem.utilization"),
        "uptime": None if uptime is None else uptime.value,
    }


def _own(series: utilization.Series) -> dict[str, float | None]:
    """Instruments named `fleet.<field>` are that field, in its unit."""
    return {name: points[0].value for name in METRICS if (points := series.get(f"fleet.{name}"))}


def _performance(series: utilization.Series, gains: dict[int, Gain]) -> dict[str, float | None]:
    points = next((found for name in _DURATIONS if (found := series.get(name))), [])
    gained = [(point, gains[id(point)]) for point in points if id(point) in gains]
    count = sum(gain.observations for _, gain in gained)
    if count <= 0:
        return {}
    failed = sum(gain.observations for point, gain in gained if _failed(point))
    per_ms = points[0].ms_per_unit
    told: dict[str, float | None] = {"error_rate": failed / count, "success_rate": 100.0 * (count - failed) / count}
    if per_ms is not None:
        told["response_time"] = max(sum(gain.total for _, gain in gained) / count * per_ms, 0.0)
    if all(point.delta for point in points):
        told["request_count"] = float(count)
    return told


def _failed(point: Point) -> bool:
    code = text(point.attributes, "http.response.status_code", "http.status_code") or ""
    return text(point.attributes, "error.type") is not None or code.startswith("5")


def _host(series: utilization.Series) -> dict[str, float | int | None] | None:
    """A reading of the host, where all that its schema needs was told."""
    if not any(name.startswith("system.") for name in series):
        return None
    system = {name: points for name, points in series.items() if name.startswith(("system.", "hw."))}
    used, total = utilization.used_bytes(system), utilization.total_bytes(system)
    cpu, cores = utilization.cpu_percent(system), utilization.cores(system)
    if used is None or total is None or cpu is None or cores is None:
        return None
    if total <= 0 or not all(map(math.isfinite, (used, total, cpu, cores))):
        return None
    memory = utilization.used_percent(system, "system.memory.utilization")
    processes = utilization.largest(system, "system.process.count", "system.processes.count")
    return {
        "cpu_usage": cpu,
        "cpu_cores": _whole(cores),
        "memory_usage": memory if memory is not None else min(100.0 * used / total, 100.0),
        "memory_used_bytes": _whole(used),
        "memory_total_bytes": _whole(total),
        "load_1m": utilization.largest(system, "system.cpu.load_average.1m", "system.linux.cpu.load_1m"),
        "swap_usage": utilization.used_percent(system, "system.paging.utilization"),
        "disk_usage": utilization.used_percent(system, "system.filesystem.utilization"),
        "processes": None if processes is None else _whole(processes),
        "gpu_usage": utilization.used_percent(system, "hw.gpu.utilization"),
        "gpu_memory_usage": utilization.used_percent(system, "hw.gpu.memory.utilization"),
    }


def _whole(value: float) -> int:
    return int(min(max(value, 0.0), 2.0**62))


def _custom(series: utilization.Series, gains: dict[int, Gain], mapped: Mapped) -> dict[str, float]:
    named: dict[str, list[Point]] = defaultdict(list)
    for points in series.values():
        for point in points:
            named[_name(point)].append(point)
    found: dict[str, float] = {}
    for name, points in named.items():
        if len(found) >= MOST_CUSTOM:
            mapped.reject(f"more than {MOST_CUSTOM} metrics at a time", len(points))
        else:
            found.update(_reduced(name, points, gains))
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _name(point: Point) -> str:
    parts = (text(point.attributes, each, limit=_LONGEST_PART) for each in _KEPT)
    return ".".join([point.name, *(part for part in parts if part is not None)])


def _reduced(name: str, points: Sequence[Point], gains: dict[int, Gain]) -> Iterable[tuple[str, float]]:
    if points[0].kind != "distribution":
        values = [point.value for point in points if point.value is not None]
        yield name, sum(values) if points[0].kind == "sum" else mean(values)
        return
    yield f"{name}.count", float(sum(point.count for point in points))
    told = [gains[id(point)] for point in points if id(point) in gains and point.value is not None]
    if (count := sum(gain.observations for gain in told)) > 0:
        yield f"{name}.mean", sum(gain.total for gain in told) / count
