"""Metrics with and without the families of the sources."""

from __future__ import annotations

import pytest

from producers.gateway.payload.agents import Metrics
from schemas.catalogue import METRICS


@pytest.mark.parametrize(
    "payload",
    [
        {"performance_metrics": {"response_time": 120}, "businessMetrics": {"requestCount": 3}},
        {"response_time": 120, "requestCount": 3},
        {"response_time": 7, "performance_metrics": {"response_time": 120}, "request_count": 3},
    ],
)
def test_numbers_count_with_and_without_their_family(payload: dict[str, object]) -> None:
    event = Metrics.model_validate(payload).event("bot")
    assert event.fields == {"response_time": 120.0, "request_count": 3.0}


def test_every_metric_of_the_topic_has_its_place() -> None:
    event = Metrics.model_validate(dict.fromkeys(METRICS, 0.5)).event("bot")
    assert dict(event.fields) == dict.fromkeys(METRICS, 0.5)
