"""What was measured, in words."""

from __future__ import annotations

import pytest

from infra.runtime.measured import measured

UNLIKE = {"value": "97", "expected": "20", "lower": "12", "upper": "31"}
SILENT = {"silent_s": "6.98775"}


@pytest.mark.parametrize(
    ("kind", "value", "threshold", "evidence", "told"),
    [
        ("status", 6.98775, 6.98775, SILENT, "6.99 s without a beat, its deadline"),
        ("status", 3.2, 6.98775, SILENT, "3.2 s without a beat; offline after 6.99 s"),
        ("status", 0.0, 6.98775, SILENT, ""),
        ("status", 60.0, 60.0, {}, "true for 60 s"),
        ("absence", 1234.5, 900.0, {}, "nothing for 1,234 s (allowed are 900 s)"),
        ("threshold", 91.23456, 80.0, {}, "91.23 (limit 80)"),
        ("silent", 7.0, None, {}, "7"),
        ("outage", None, None, {}, ""),
        ("outage", 0.3, 0.05, {}, "30 % of its agents down (limit 5 %)"),
        ("forecast", 0.864, 0.8, {"value": "71.2"}, "86.4 % sure (limit 80 %); 71.2 now"),
        ("anomaly", 12.3, 9.0, UNLIKE, "97, expected 20, usual 12 to 31; strangeness 12.3 (limit 9)"),
        ("anomaly", 12.3, 9.0, {}, "12.3 (limit 9)"),
        ("threshold", 12345.6, 5000.0, {}, "12,346 (limit 5,000)"),
        ("budget", 5_400_000.0, 5e6, {}, "5,400,000 (limit 5,000,000)"),
    ],
)
def test_what_was_measured(
    kind: str, value: float | None, threshold: float | None, evidence: dict[str, str], told: str
) -> None:
    assert measured(kind, value, threshold, evidence) == told
