"""After the warm-up nothing is compiled any more, whatever a batch looks like."""

from __future__ import annotations

import pytest

from schemas.catalogue import METRICS
from streams.operators.anomaly_kernel import scan
from streams.operators.forecast_kernel import kernel
from streams.operators.trust_kernel import add_checks, add_factors
from streams.warm_up import warm_up
from tests.stream_world import NOW_S, columns, event, pipeline

CUSTOM = [{"name": "queue", "value": 1.0}, {"name": "wait", "value": 2.0}]
HOST = {"host": "h", "cpu_usage": 1.0, "memory_usage": 2.0}
EVENTS = [
    ("fleet.metrics", {}),
    ("fleet.metrics", dict.fromkeys(METRICS[::2], 3.0)),
    ("fleet.metrics", {"custom": CUSTOM}),
    ("fleet.hosts", HOST),
    ("fleet.hosts", HOST | {"custom": CUSTOM}),
    ("fleet.heartbeats", {"status": "healthy", "interval_s": 1.0}),
    ("fleet.violations", {"severity": "high"}),
]
KERNELS = (scan, kernel, add_checks, add_factors)


@pytest.mark.parametrize(("topic", "fields"), EVENTS)
@pytest.mark.parametrize("count", [1, 2, 7])
def test_no_batch_waits_for_the_compiler(topic: str, fields: dict[str, object], count: int) -> None:
    judge = pipeline()
    warm_up(judge, NOW_S)
    compiled = {one: list(one.signatures) for one in KERNELS}
    values = [event(topic, f"agent-{n % 3}", NOW_S + n, seq=n, **fields) for n in range(count)]
    judge.apply(judge.restore(0), columns(topic, values), NOW_S + count)
    assert {one: list(one.signatures) for one in compiled} == compiled


def test_a_warm_up_leaves_nothing_behind() -> None:
    judge = pipeline()
    warm_up(judge, NOW_S)
    assert len(judge.restore(0).agents) == 0
