"""Data points of every kind of OTLP metric as one shape."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from producers.otlp.event import Mapped
from producers.otlp.times import OUT_OF_RANGE, event_us
from producers.otlp.values import Attributes, attributes_of

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ResourceMetrics

LONGEST_METRIC = 128
_NO_RECORDED_VALUE = 1
_DELTA = 1
_TO_MS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "µs": 1e-3, "ns": 1e-6, "min": 6e4, "h": 3.6e6}


@dataclass(frozen=True, slots=True)
class Point:
    """A number, or a histogram's or summary's count and sum (`value` is its sum, None where it is not told).

    `delta`: an amount since `start_ns`, which was when the last one was told; else since the series began.
    """

    name: str
    unit: str
    kind: Literal["gauge", "sum", "distribution"]
    attributes: Attributes
    time_us: int
    start_ns: int
    delta: bool
    value: float | None
    count: int = 0

    @property
    def ms_per_unit(self) -> float | None:
        """What makes milliseconds of its unit; None where it is no time."""
        return _TO_MS.get(self.unit)


def points_of(resource: ResourceMetrics, now_us: int, mapped: Mapped) -> list[Point]:
    """The data points of a resource that can be used; the others are rejected in `mapped`."""
    metrics = (metric for scope in resource.scope_metrics for metric in scope.metrics)
    return [point for metric in metrics for point in _of_metric(metric, now_us, mapped)]


def count_points(resource: ResourceMetrics) -> int:
    """How many data points there are."""
    return sum(len(_data(metric)) for scope in resource.scope_metrics for metric in scope.metrics)


def _data(metric: Metric) -> Any:  # noqa: ANN401  # repeated points of one of five types
    kind = metric.WhichOneof("data")
    return getattr(metric, kind).data_points if kind is not None else ()


def _of_metric(metric: Metric, now_us: int, mapped: Mapped) -> Iterator[Point]:
    kind, points = metric.WhichOneof("data"), _data(metric)
    if kind is None:
        return
    if not 0 < len(metric.name) <= LONGEST_METRIC or not metric.name.isprintable():
        mapped.reject(f"a metric's name is 1 to {LONGEST_METRIC} printable characters", len(points))
        return
    delta = kind not in {"gauge", "summary"} and getattr(metric, kind).aggregation_temporality == _DELTA
    for data in points:
        if data.flags & _NO_RECORDED_VALUE:
            continue
        time_us = event_us(data.time_unix_nano, now_us)
        number = _number(data) if kind in {"gauge", "sum"} else _total(data)
        if time_us is None:
            mapped.reject(OUT_OF_RANGE)
        elif number is not None and not math.isfinite(number):
            mapped.reject("its value is not a finite number")
        elif number is None and kind in {"gauge", "sum"}:
            mapped.reject("it has no value")
        else:
            yield Point(
                name=metric.name,
                unit=metric.unit,
                kind="gauge" if kind == "gauge" else "sum" if kind == "sum" else "distribution",
                attributes=attributes_of(data.attributes),
                time_us=time_us,
                start_ns=data.start_time_unix_nano,
                delta=delta,
                value=number,
                count=0 if kind in {"gauge", "sum"} else data.count,
            )


def _number(data: Any) -> float | None:  # noqa: ANN401  # a NumberDataPoint
    kind = data.WhichOneof("value")
    return float(getattr(data, kind)) if kind is not None else None


def _total(data: Any) -> float | None:  # noqa: ANN401  # a histogram's point, whose sum is optional, or a summary's
    if "sum" in data.DESCRIPTOR.fields_by_name and data.DESCRIPTOR.fields_by_name["sum"].has_presence:
        return float(data.sum) if data.HasField("sum") else None
    return float(data.sum)
