"""A pack is checked to the letter, and says where it is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.rules.cli import app
from streams.rules.load import RulesError, default_pack, load_pack, parse_pack
from streams.rules.model import ThresholdRule, TrustRule
from streams.rules.values import render, seconds


def _errors(text: str) -> list[str]:
    with pytest.raises(RulesError) as caught:
        parse_pack(text, "my.yaml")
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("rules: [1", "my.yaml:1:10: "),
        ("version: 1\nrules:\n  - {name: a, kind: nope}", "my.yaml:3:5: rules[a]: "),
        ("version: 1\nrules:\n  - {name: a, kind: threshold, metric: m, above: x}", "my.yaml:3:50: rules[a].above: "),
        (
            "version: 1\nrules:\n  - {name: a, kind: status, status: late, fro: 1s}",
            "my.yaml:3:43: rules[a].fro: there is no fro; did you mean for?",
        ),
        ("version: 1\nrules:\n  - {name: a, kind: status, status: late, for: 1y}", "my.yaml:3:48: rules[a].for: "),
        ("version: 1\nrules:\n  - {name: a, kind: trust, above: 1}", "my.yaml:3:5: rules[a]: trust is judged below"),
        ("version: 1\nroutes:\n  - steps: [{after: 1s, channels: []}]", "my.yaml:3:35: routes[0].steps[0].channels: "),
        (
            "version: 1\nrules:\n  - {name: a, kind: absence}\n  - {name: b, kind: absence, for: 1s, for: 2s}",
            "my.yaml:4:39: rules[b].for: stands here twice",
        ),
        (
            "version: 1\nmaintenance: [{name: night, from: '22:00', to: 25, match: {}}]",
            "my.yaml:2:48: maintenance[night].to: ",
        ),
        ("version: 1\nversion: 1", "my.yaml:2:1: version: stands here twice"),
        ("version: 1\nrules: &a []\ninhibit: *a", "my.yaml:3:10: aliases are not read"),
        ("", "my.yaml:1:1: is empty: begin it with `version: 1`"),
        (
            "version: 1\nrules: [{name: a, kind: threshold, metric: m, levels: {critical: 9}, severity: info}]",
            "my.yaml:2:9: rules[a]: severity beside levels says nothing",
        ),
        (
            "version: 1\nrules: [{name: a, kind: budget, metric: revenue, limit: 9, window: 1h, severity: info}]",
            "my.yaml:2:9: rules[a]: severity beside burn says nothing",
        ),
    ],
)
def test_errors_say_line_and_column(text: str, at: str) -> None:
    [line] = _errors(text)
    assert line.startswith(at)


@pytest.mark.parametrize("name", ["", "[x]", "3", "'two words'", '"\\n"', "{a: 1}"])
def test_a_rule_without_a_name_that_can_be_read_is_named_by_its_number(name: str) -> None:
    told = _errors(
        f"version: 1\nrules:\n  - {{name: ok, kind: status, status: late}}\n  - {{name: {name}, kind: nope}}"
    )
    assert all(line.startswith("my.yaml:4:") and ": rules[1]" in line for line in told)


def test_a_name_that_stands_twice_is_told_beside_other_mistakes() -> None:
    late = "{name: a, kind: status, status: late}"
    told = _errors(f"version: 1\nrules:\n  - {late}\n  - {late}\n  - {{name: b, kind: status, status: gone}}")
    assert told[0] == "my.yaml:4:12: rules[a].name: the rule of line 3 is called so already"
    assert told[1].startswith("my.yaml:5:")
    assert len(_errors(f"version: 1\nrules: [{late}, {late}]")) == 1


def test_what_show_prints_is_a_pack() -> None:
    shown = CliRunner().invoke(app, ["show"]).output
    assert parse_pack(shown, "shown") == default_pack()


@pytest.mark.parametrize("name", ["{agent_id.__class__}", "{value:>99999999}", "{0}", "{value!r}", "{", "}"])
def test_templates_name_fields_and_nothing_else(name: str) -> None:
    rule = f"{{name: a, kind: status, status: late, annotations: {{x: '{name}'}}}}"
    assert "rules[a].annotations.x" in _errors(f"version: 1\nrules: [{rule}]")[0]


def test_templates_are_filled_in_as_text() -> None:
    assert render("{agent_id} {value}{host}", {"agent_id": "{value}", "value": "3"}) == "{value} 3"


def test_durations() -> None:
    assert [seconds(text) for text in ("90s", "1h30m", "250ms", 5)] == [90.0, 5400.0, 0.25, 5.0]


@pytest.mark.parametrize(
    "limits",
    [
        "above: 1, below: 0",
        "levels: {}",
        "above: .nan",
        "above: 8, clear: 9",
        "levels: {warning: 1, info: 2, critical: 3}",
    ],
)
def test_limits_that_contradict_each_other_are_refused(limits: str) -> None:
    assert _errors(f"version: 1\nrules: [{{name: a, kind: threshold, metric: m, {limits}}}]")


@pytest.mark.parametrize(
    "kind", ["kind: trust", "kind: fleet, measure: online_share", "kind: fleet, measure: mean_trust"]
)
@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ("below: 90", "is a share from 0 to 1: write 0.9, not 90"),
        ("levels: {warning: 0.9, critical: 0.8}, clear: 92", "is a share from 0 to 1"),
        ("below: 0", "is a share from 0 to 1"),
        ("above: 0.5", "is judged below limits"),
        ("levels: {critical: 0.8}", "is judged below limits"),
    ],
)
def test_shares_that_would_fire_always_or_never_are_refused(kind: str, limits: str, why: str) -> None:
    with pytest.raises(RulesError, match=why):
        parse_pack(f"version: 1\nrules: [{{name: a, {kind}, {limits}}}]", "my.yaml")


def test_levels_tell_their_side() -> None:
    text = "version: 1\nrules: [{name: a, kind: threshold, metric: m, levels: {warning: 85, critical: 80}, clear: 87}]"
    [rule] = parse_pack(text, "x").rules
    assert isinstance(rule, ThresholdRule)
    assert (rule.side, rule.limits, rule.clear_at) == (-1, (("critical", 80.0), ("warning", 85.0)), 87.0)


def test_the_default_pack_holds_what_the_sources_name() -> None:
    rules = {rule.name: rule for rule in default_pack().rules}
    limits = {name: dict(rule.limits) for name, rule in rules.items() if isinstance(rule, ThresholdRule | TrustRule)}
    assert limits["cpu_high"] == {"warning": 80.0}
    assert limits["memory_high"] == {"warning": 85.0}
    assert limits["disk_full"] == {"warning": 90.0}
    assert limits["response_time_high"] == {"warning": 5000.0}
    assert limits["success_rate_low"] == {"warning": 85.0, "critical": 80.0}
    assert limits["error_rate_high"] == {"warning": 0.05, "critical": 0.1}
    assert limits["api_response_time"] == {"warning": 500.0, "critical": 1000.0}
    assert limits["trust_low"] == {"warning": 0.7, "critical": 0.5}
    assert {rule.measure for rule in default_pack().fleet_rules} == {"online_share", "mean_trust"}


def test_the_commands_check_and_show(tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.yaml", tmp_path / "good.yaml"
    bad.write_text("version: 2")
    good.write_text("version: 1\nrules: [{name: a, kind: status, status: late}]")
    refused = CliRunner().invoke(app, ["check", str(bad)])
    assert (refused.exit_code, f"{bad}:1:10: version" in refused.output) == (2, True)
    assert '"line": 1' in CliRunner().invoke(app, ["check", str(bad), "--json"]).output
    assert CliRunner().invoke(app, ["check", str(good)]).exit_code == 0
    parsed = CliRunner().invoke(app, ["check", str(good), "--json", "--parsed"]).output
    assert json.loads(parsed)["pack"]["rules"][0]["name"] == "a"
    assert '"name":"a"' in CliRunner().invoke(app, ["show", "--rules", str(good), "--json"]).output
    assert CliRunner().invoke(app, ["show", "--rules", str(good), "--written"]).output == good.read_text()
    assert CliRunner().invoke(app, ["show", "--written"]).output.startswith("# The pack in force")
    with pytest.raises(RulesError, match=r"cannot read .*none\.yaml: No such file .*\. `fleetpulse rules show"):
        load_pack(tmp_path / "none.yaml")
