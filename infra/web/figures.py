"""Counters and times of a door, cheap to keep, as Prometheus families. Labels are bounded: templates, no paths."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
UNMATCHED = "unmatched"
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class RouteFigures:
    """Of one route: answers by method and status, times in buckets (upper bounds `BOUNDS_S`, the last one open)."""

    __slots__ = ("answers", "buckets", "sum_s")

    def __init__(self) -> None:
        self.answers: dict[tuple[str, int], int] = {}
        self.buckets = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def count(self, method: str, status: int, took_s: float) -> None:
        """One answer."""
        key = (method, status)
        self.answers[key] = self.answers.get(key, 0) + 1
        self.buckets[bisect_left(BOUNDS_S, took_s)] += 1
        self.sum_s += took_s


class Figures:
    """Of a whole server. `prefix` names its families, e.g. fleetpulse_gateway; gauges are read when asked."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.routes: dict[str, RouteFigures] = {}
        self.refused: Counter[str] = Counter()
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self.answered = 0
        self.failed = 0
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def of(self, template: str) -> RouteFigures:
        """The figures of a route by its template."""
        found = self.routes.get(template)
        if found is None:
            found = self.routes[template] = RouteFigures()
        return found

    def gauge(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Have a number told as it is when it is asked for."""
        self.gauges[name] = (description, read)

    def describe(self) -> list[Metric]:
        """Nothing beforehand: what there is follows from the routes."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The families as they are now."""
        requests = CounterMetricFamily(f"{self.prefix}_requests", "Answers", labels=["route", "method", "status"])
        seconds = HistogramMetricFamily(f"{self.prefix}_request_seconds", "Time to an answer", labels=["route"])
        for template, route in self.routes.items():
            for (method, status), count in route.answers.items():
                requests.add_metric([template, method, str(status)], count)
            seconds.add_metric([template], _cumulated(route.buckets), route.sum_s)
        refused = CounterMetricFamily(f"{self.prefix}_refused", "Requests refused at the door", labels=["reason"])
        for reason, count in self.refused.items():
            refused.add_metric([reason], count)
        yield from (requests, seconds, refused)
        for name, (description, read) in self.gauges.items():
            yield GaugeMetricFamily(f"{self.prefix}_{name}", description, read())

    def text(self) -> bytes:
        """Prometheus' text format; media type `MEDIA_TYPE`. Also what others registered with `registry`."""
        return generate_latest(self.registry)


def _cumulated(buckets: list[int]) -> list[tuple[str, float]]:
    total, found = 0, []
    for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), buckets, strict=True):
        total += count
        found.append((bound, float(total)))
    return found
