"""Prometheus' text format, as far as a benchmark reads it."""

from __future__ import annotations

import re

_SAMPLE = re.compile(r'^(?P<name>\w+)\{[^}]*route="(?P<route>[^"]*)"[^}]*\} (?P<value>\S+)$', re.MULTILINE)


def mean_ms(text: str, family: str) -> dict[str, float]:
    """Mean of a histogram in seconds by its label `route`, in ms."""
    sums, counts = dict[str, float](), dict[str, float]()
    for sample in _SAMPLE.finditer(text):
        if sample["name"] == f"{family}_sum":
            sums[sample["route"]] = float(sample["value"])
        elif sample["name"] == f"{family}_count":
            counts[sample["route"]] = float(sample["value"])
    return {route: round(sums[route] / count * 1_000, 3) for route, count in counts.items() if count}
