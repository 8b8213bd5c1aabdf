"""docs/rules.md and the default pack: examples can be used, every kind has one, limits of the sources are in force."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from streams.rules.cli import app
from streams.rules.load import default_pack, parse_pack
from streams.rules.model import BudgetRule, FleetRule, ForecastRule, Rule, ThresholdRule, TrustRule

PAGE = Path(__file__).parents[4] / "docs" / "rules.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
RULES = {rule.name: rule for rule in default_pack().rules}


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_accepted_by_the_command(example: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(example)
    done = CliRunner().invoke(app, ["check", str(file)])
    assert (done.exit_code, "no errors" in done.stdout) == (0, True), done.output


def test_every_kind_has_an_example_and_every_default_rule_its_line() -> None:
    kinds = {get_args(kind.model_fields["kind"].annotation)[0] for kind in get_args(get_args(Rule)[0])}
    assert kinds == {rule.kind for text in EXAMPLES for rule in parse_pack(text, "page").rules}
    table = PAGE.read_text().split("where its limits come from")[1]
    assert {name for name in RULES if f"`{name}`" not in table} == set()


def test_budgets_of_the_default_pack_are_examples_that_work() -> None:
    text = files("streams.rules").joinpath("default.yaml").read_text()
    added = parse_pack(text.replace("  # - {name:", "  - {name:"), "default with budgets")
    assert not default_pack().budget_rules
    assert [rule.name for rule in added.rules if isinstance(rule, BudgetRule)] == ["spend", "tokens", "error_budget"]


@pytest.mark.parametrize(
    ("name", "metric", "side", "limits"),
    [
        ("api_response_time", "custom:api_response_time", 1, {"warning": 500, "critical": 1000}),
        ("error_rate_high", "error_rate", 1, {"warning": 0.05, "critical": 0.10}),
        ("cpu_high", "cpu_usage", 1, {"warning": 80}),
        ("memory_high", "memory_usage", 1, {"warning": 85}),
        ("disk_full", "disk_usage", 1, {"warning": 90}),
        ("response_time_high", "response_time", 1, {"warning": 5000}),
        ("success_rate_low", "success_rate", -1, {"warning": 85, "critical": 80}),
    ],
)
def test_thresholds_of_the_sources(name: str, metric: str, side: int, limits: dict[str, float]) -> None:
    rule = RULES[name]
    assert isinstance(rule, ThresholdRule)
    assert (rule.metric, rule.side, dict(rule.limits)) == (metric, side, limits)


@pytest.mark.parametrize(
    ("name", "measure", "limits"),
    [
        ("agent_connectivity", "online_share", {"warning": 0.9, "critical": 0.8}),
        ("fleet_trust_low", "mean_trust", {"warning": 0.7, "critical": 0.5}),
    ],
)
def test_fleet_limits_of_the_sources(name: str, measure: str, limits: dict[str, float]) -> None:
    rule, trust = RULES[name], RULES["trust_low"]
    assert isinstance(rule, FleetRule)
    assert (rule.of, rule.measure, rule.side, dict(rule.limits)) == ("fleet", measure, -1, limits)
    assert isinstance(trust, TrustRule)
    assert dict(trust.limits) == {"warning": 0.7, "critical": 0.5}


@pytest.mark.parametrize(
    ("metric", "hours", "limit"), [("cpu_usage", 6, 80), ("memory_usage", 12, 85), ("response_time", 3, 5000)]
)
def test_forecasts_of_the_sources(metric: str, hours: float, limit: float) -> None:
    rule = RULES[f"{metric.removesuffix('_usage')}_forecast"]
    assert isinstance(rule, ForecastRule)
    assert (rule.metric, rule.horizon_s, rule.limit, rule.confidence) == (metric, hours * 3600, limit, 0.8)


def test_what_was_looked_up_of_a_pack_makes_it_no_other_pack() -> None:
    text = EXAMPLES[0]
    looked, fresh = parse_pack(text, "one"), parse_pack(text, "two")
    assert looked.fleet_rules == looked.budget_rules == ()
    assert looked == fresh
