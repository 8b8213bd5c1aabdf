"""What has a trend: the sixteen metrics, trust, what hosts report, and how often things happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from schemas.catalogue import METRIC_FAMILIES, TABLES
from schemas.registry import load_schema

Stat = Literal["mean", "sum", "min", "max", "p95", "count"]
Better = Literal["higher", "lower", "neither"]
_AGENT: Mapping[str, str] = {"agent": "agent_id", "deployment": "deployment_id", "tenant": "user_id"}
_SUMMED = frozenset({"request_count", "user_interactions", "revenue", "violation_count", "policy_checks"})
"""Metrics that say how much there was since the last report."""
_LOWER = frozenset({"response_time", "error_rate", "cpu_usage", "memory_usage", "disk_usage", "violation_count"})
_HIGHER = frozenset({"trust_score", "compliance_rate", "uptime", "success_rate", "throughput", "revenue"})


@dataclass(frozen=True, slots=True)
class Measure:
    """`value`: SQL of the number of a row of `rows`, None: rows are counted. `by`: what it can be grouped by, as SQL of
    a row; `of_agents`: and by whatever is known of agents."""

    name: str
    label: str
    family: str
    unit: str
    about: str
    table: str
    value: str | None = None
    rows: str = ""
    where: str = "true"
    by: Mapping[str, str] = field(default_factory=lambda: _AGENT)
    of_agents: bool = True
    better: Better = "neither"
    stat: Stat = "mean"

    @property
    def stats(self) -> tuple[Stat, ...]:
        """What it can be told as, the usual one first."""
        if self.value is None:
            return ("count",)
        every: tuple[Stat, ...] = ("mean", "sum", "min", "max", "p95")
        return (self.stat, *(each for each in every if each != self.stat))

    @property
    def source(self) -> str:
        """Where its rows come from, as SQL."""
        return self.rows or self.table


def _fields(table: str) -> dict[str, tuple[str, str]]:
    fields = load_schema(TABLES[table].schema).raw["fields"]
    return {each["name"]: (str(each.get("unit", "")), str(each.get("doc", ""))) for each in fields}


def _better(name: str) -> Better:
    return "lower" if name in _LOWER else "higher" if name in _HIGHER else "neither"


def _metric(family: str, name: str, unit: str, about: str) -> Measure:
    stat: Stat = "sum" if name in _SUMMED else "mean"
    label = _label(name)
    return Measure(name, label, family, unit, about, "metrics", f'"{name}"', better=_better(name), stat=stat)


def _label(name: str) -> str:
    words = name.replace("_", " ")
    return (words[0].upper() + words[1:]).replace("Cpu", "CPU").replace("Gpu", "GPU").replace(" io", " I/O")


def _metrics() -> list[Measure]:
    told = _fields("metrics")
    return [_metric(family, name, *told[name]) for family, names in METRIC_FAMILIES.items() for name in names]


_HOST_NAMES = (
    "cpu_usage", "memory_usage", "disk_usage", "swap_usage", "load_1m", "network_receive_rate", "network_send_rate",
    "gpu_usage", "gpu_temperature",
)  # fmt: skip


def _hosts() -> list[Measure]:
    told = _fields("hosts")
    return [
        Measure(
            f"host_{name}", f"Host: {_label(name)}", "hosts", *told[name], "hosts", f'"{name}"',
            by={"host": "host", "tenant": "user_id"}, of_agents=False, better="lower",
        )
        for name in _HOST_NAMES
    ]  # fmt: skip


_TRUST = Measure(
    "trust", "Trust", "trust", "0 to 1", "The scores that were published: one that changes often counts often.",
    "trust", "trust", better="higher",
)  # fmt: skip
_FIRINGS = """(SELECT user_id, any_value(agent_id) AS agent_id, any_value(deployment_id) AS deployment_id,
  any_value(name) AS name, any_value(severity) AS severity, min(starts_at) AS "timestamp"
  FROM alerts WHERE state = 'firing' GROUP BY user_id, fingerprint, epoch)"""


def _count(name: str, label: str, about: str, table: str, better: Better = "lower", **more: str) -> Measure:
    """How often; `more`: a condition of rows, and what it can be grouped by besides."""
    where, rows = more.pop("where", "true"), more.pop("rows", "")
    by = {**_AGENT, **more}
    return Measure(name, label, "events", "count", about, table, rows=rows, where=where, by=by, better=better)


_COUNTS = (
    _count("reports", "Reports of metrics", "How many reports of metrics came.", "metrics", "neither"),
    _count(
        "violations", "Violations", "Violations of policies.", "violations",
        policy="policy_name", severity="severity", action="action", type="type",
    ),
    _count("anomalies", "Anomalies", "Values of metrics that were flagged.", "anomalies", metric="metric"),
    _count(
        "alerts", "Alerts that fired", "Alerts by when they began to fire, each once, however often it was told.",
        "alerts", rows=_FIRINGS, rule="name", severity="severity",
    ),
    _count(
        "log_errors", "Errors in logs", "Log lines of level error and critical.", "logs",
        where="level IN ('error', 'critical')", level="level", category="category",
    ),
    _count("runs_finished", "Runs that ended", "Runs by when they ended.", "runs", "neither",
           where="kind = 'run_finished'", status="status"),
    _count("failures", "Failures in runs", "Failures within runs.", "runs", where="kind = 'failure'",
           failure="failure_type"),
    _count("tool_calls", "Calls of tools", "Calls of tools that ended.", "lifecycle", "neither",
           where="kind = 'tool_completed'", tool="tool", status="status"),
)  # fmt: skip

MEASURES: Mapping[str, Measure] = {each.name: each for each in (_TRUST, *_metrics(), *_COUNTS, *_hosts())}
"""By name. Besides, `custom:NAME` is a custom metric of agents."""
CUSTOM = "custom:"


def custom(name: str) -> Measure:
    """A custom metric; its name is a parameter of the question."""
    value = "(list_filter(custom, lambda each: each.name = getvariable('trend_custom'))[1]).value"
    return Measure(CUSTOM + name, name, "custom", "", "A metric of the agents' own.", "metrics", value)


def measure_of(name: str) -> Measure | None:
    """The measure of a name; None where there is none."""
    if name.startswith(CUSTOM) and len(name) > len(CUSTOM):
        return custom(name.removeprefix(CUSTOM))
    return MEASURES.get(name)
