"""Counters of the gateway for Prometheus, beside those of its door."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from producers.gateway.publisher import Publisher


class PublisherFigures(Collector):
    """Events by what became of them."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def describe(self) -> list[Metric]:
        """Nothing beforehand."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The counters as they are now."""
        events = CounterMetricFamily("fleetpulse_gateway_events", "Events by what became of them", labels=["outcome"])
        events.add_metric(["acknowledged"], self._publisher.acknowledged_rows)
        events.add_metric(["dropped"], self._publisher.dropped_rows)
        yield events
