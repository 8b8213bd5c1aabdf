from __future__ import annotations

import numpy as np

from streams.bench.anomaly import PlainDetector, measure


def test_the_bench_measures_both_and_finds_what_was_spoilt() -> None:
    found = measure(rounds=1)
    assert found["series"] == 160_000
    assert found["ns_per_value"] > 0
    assert found["numpy_ns_per_value"] > 0
    assert found["bytes_per_series"] <= 200
    assert found["flags_explained"] > 50


def test_plain_numpy_finds_a_jump() -> None:
    values = np.random.default_rng(1).normal(100, 2, (100, 3))
    values[80:, 1] += 100
    plain = PlainDetector.begin(values[0])
    found = {int(series) for row in values[1:] for series in plain.update(row, 1.0)}
    assert 1 in found
