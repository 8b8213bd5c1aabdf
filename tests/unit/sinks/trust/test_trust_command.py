"""`fleetpulse trust` over lakes whose scores and causes are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from small_lake import SmallLake
from typer.testing import CliRunner, Result

from infra.runtime.errors import LakeError, SettingError
from infra.runtime.trust_settings import FACTORS, TrustSettings, load_trust_settings
from sinks.trust.model import Evidence, TrustModel
from sinks.trust.show import sparkline

Moment = Callable[[float], datetime]
HOSTILE = "\x1b[31m[bold]ev\u202eil[/]"
DAY_S = 86_400.0


def ask(lake: SmallLake, *arguments: str) -> Result:
    """Run the command in this process, as its entry point."""
    from importlib.metadata import entry_points  # noqa: PLC0415  # beside the one below

    from infra.cli.main import load  # noqa: PLC0415  # the command line as it is composed

    (entry,) = entry_points(group="fleetpulse.commands", name="trust")
    done = CliRunner().invoke(load(entry), [*arguments, "--lake", str(lake.folder)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def ask_json(lake: SmallLake, *arguments: str) -> dict[str, Any]:
    """The answer as JSON."""
    found: dict[str, Any] = json.loads(ask(lake, *arguments, "--json").stdout)
    return found


def score(moment: Moment, at_s: float, agent: str = "a", **more: object) -> dict[str, Any]:
    """A row of fleet.trust with what follows from its evidence."""
    row: dict[str, Any] = {
        **dict.fromkeys(FACTORS),
        "agent_id": agent,
        "timestamp": moment(at_s),
        "model": "beta",
        "compliant": 90.0,
        "violating": 0.0,
        "user_id": "t",
    }
    row |= more
    model = TrustModel(TrustSettings())
    evidence = Evidence(row["compliant"], row["violating"])
    p, n = model.compliance(evidence)
    trust = model.bound(evidence)
    for name in FACTORS:
        trust *= model.effect(name, row[name])
    return {"p": p, "n": n, "trust": trust, "compliance": p} | row


def test_violations_are_weighed_by_severity_and_age(lake: SmallLake, moment: Moment) -> None:
    lake.add("trust", [score(moment, 7 * DAY_S, violating=11.5, violations=3)])
    lake.add(
        "violations",
        [
            {"timestamp": moment(0), "severity": "High", "policy_name": "old"},
            {"timestamp": moment(7 * DAY_S), "severity": "critical", "agent_id": "b"},
            {"timestamp": moment(7 * DAY_S), "severity": "medium", "policy_name": "new", "action": "blocked"},
        ],
    )
    found = ask_json(lake, "a")
    assert [(m["kind"], m["weight"]) for m in found["moved"]] == [("violation", 5.0), ("violation", 3.0)]
    assert found["moved"][0]["text"] == "High: old"
    assert found["moved"][1]["text"] == "medium, blocked: new"
    model = TrustModel(TrustSettings())
    without = model.bound(Evidence(90.0, 6.5))
    assert found["moved"][0]["delta"] == pytest.approx(found["trust"] - without)
    assert found["bound"] == pytest.approx(found["trust"])
    assert found["factors"]["reliability"] == {"value": None, "effect": 1.0, "evidence": {"good": 0.0, "bad": 0.0}}


def test_since_leaves_older_events_out(lake: SmallLake, moment: Moment) -> None:
    lake.add("trust", [score(moment, 7 * DAY_S, violating=5.0)])
    lake.add("violations", [{"timestamp": moment(0), "severity": "high"}])
    assert len(ask_json(lake, "a", "--since", "8d")["moved"]) == 1
    assert ask_json(lake, "a", "--since", "6d")["moved"] == []


def test_reports_errors_gaps_and_flags_are_explained(lake: SmallLake, moment: Moment) -> None:
    shares = {"reliability": 0.9, "liveness": 0.5, "behaviour": 0.9}
    lake.add("trust", [score(moment, 600, **shares)])
    report = {"policy_checks": 10.0, "request_count": 100.0, "success_rate": 100.0, "error_rate": 0.0}
    lake.add(
        "metrics",
        [
            report | {"timestamp": moment(100), "compliance_rate": 0.5},
            report | {"timestamp": moment(200), "compliance_rate": None, "error_rate": 0.8},
            report | {"timestamp": moment(300), "compliance_rate": float("nan"), "error_rate": None},
        ],
    )
    beat = {"status": "healthy", "interval_s": 5.0}
    lake.add("heartbeats", [beat | {"timestamp": moment(s)} for s in (0, 5, 105, 110)])
    lake.add("anomalies", [{"timestamp": moment(100), "metric": "cpu_usage", "value": 99.0, "expected": 9.0}])
    found = ask_json(lake, "a")
    texts = {m["kind"]: m["text"] for m in found["moved"]}
    assert texts == {
        "report": "50.0% of 10 checks passed",
        "errors": "80 of 100 requests failed within a minute",
        "gap": "no beat for 100 s, 19 missed",
        "anomaly": "cpu_usage was 99, expected 9",
    }
    assert all(m["delta"] < 0 for m in found["moved"] if m["kind"] != "anomaly")
    evidence = {name: factor["evidence"] for name, factor in found["factors"].items()}
    assert evidence["reliability"] == pytest.approx({"good": 220, "bad": 80}, rel=1e-3)
    assert evidence["liveness"] == pytest.approx({"good": 3, "bad": 19}, rel=1e-3)


def test_a_planned_gap_is_no_gap(lake: SmallLake, moment: Moment) -> None:
    lake.add("trust", [score(moment, 600, liveness=0.9)])
    beat = {"status": "healthy", "interval_s": 5.0}
    lake.add(
        "heartbeats",
        [
            beat | {"timestamp": moment(0), "next_beat_by": moment(100)},
            beat | {"timestamp": moment(100), "status": "stopping"},
            beat | {"timestamp": moment(300)},
        ],
    )
    assert ask_json(lake, "a")["moved"] == []


def test_classic_scores_have_no_bound(lake: SmallLake, moment: Moment) -> None:
    lake.add("trust", [score(moment, 0) | {"model": "classic", "trust": 0.8, "p": 0.8, "violating": 3.0}])
    lake.add("violations", [{"timestamp": moment(0), "severity": "low"}])
    found = ask_json(lake, "a")
    assert (found["bound"], [m["delta"] for m in found["moved"]]) == (None, [None])
    assert "trust 0.800, p 0.800" in ask(lake, "a").stdout


def test_the_trend_ends_with_the_newest_score(lake: SmallLake, moment: Moment) -> None:
    lake.add("trust", [score(moment, s, violating=s / 10) for s in range(100)])
    found = ask_json(lake, "a")
    assert len(found["trend"]) == 40
    assert found["trend"][-1]["trust"] == found["trust"]
    assert sparkline([0.0, 0.5, 1.0, -1.0, 2.0]) == "▁▅█▁█"


def test_a_tenant_is_the_sum_of_its_agents(lake: SmallLake, moment: Moment) -> None:
    lake.add(
        "trust", [score(moment, 0, "a"), score(moment, 0, "b", violating=30.0), score(moment, 0, "c", user_id="u")]
    )
    lake.add("violations", [{"agent_id": agent, "timestamp": moment(0), "severity": "critical"} for agent in "bc"])
    found = ask_json(lake, "--tenant", "t")
    assert (found["agents"], [s["agent_id"] for s in found["lowest"]]) == (2, ["b", "a"])
    assert found["pooled"]["bound"] == pytest.approx(TrustModel(TrustSettings()).bound(Evidence(180.0, 30.0)))
    assert [m["agent_id"] for m in found["moved"]] == ["b"]
    assert "all evidence together" in ask(lake, "--tenant", "t").stdout


def test_without_a_name_the_lowest_come_first(lake: SmallLake, moment: Moment) -> None:
    lake.add("trust", [score(moment, 0, f"agent-{k}", violating=float(k), deployment_id="d") for k in range(30)])
    found = ask_json(lake)
    assert (found["agents"], len(found["lowest"]), found["lowest"][0]["agent_id"]) == (30, 20, "agent-29")
    assert ask_json(lake, "--deployment", "d", "--top", "3")["agents"] == 30
    assert "30 agents" in ask(lake).stdout


def test_an_empty_lake_has_no_scores(lake: SmallLake) -> None:
    assert "0 agents, no score yet" in ask(lake).stdout


def test_unknown_names_come_with_those_that_are_like_them(lake: SmallLake, moment: Moment) -> None:
    lake.add("trust", [score(moment, 0, "agent-17"), score(moment, 0, HOSTILE)])
    with pytest.raises(LakeError, match=r"no score of the agent 'agnet-17'.*Did you mean agent-17\?"):
        ask(lake, "agnet-17")
    with pytest.raises(LakeError, match="without a name lists the lowest"):
        ask(lake, "zzz")
    with pytest.raises(LakeError) as refused:
        ask(lake, HOSTILE[:-3])
    assert "\x1b" not in str(refused.value)


def test_hostile_texts_stay_text(lake: SmallLake, moment: Moment) -> None:
    lake.add("trust", [score(moment, 0, HOSTILE, violating=30.0, user_id=HOSTILE, deployment_id=HOSTILE)])
    texts = dict.fromkeys(("severity", "type", "policy_name", "description", "action"), HOSTILE)
    lake.add("violations", [texts | {"agent_id": HOSTILE, "timestamp": moment(0)}])
    for arguments in ([HOSTILE], ["--tenant", HOSTILE], ["--deployment", HOSTILE], []):
        shown = ask(lake, *arguments).stdout
        assert "[bold]ev" in shown
        assert not {"\x1b", "\u202e"} & set(shown)


def test_settings_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETPULSE_TRUST_SEVERITY_LOW", "2")
    assert load_trust_settings().severity_weights["low"] == 2
    monkeypatch.setenv("FLEETPULSE_TRUST_HALF_LIFE_S", "soon")
    with pytest.raises(SettingError, match="FLEETPULSE_TRUST_HALF_LIFE_S"):
        load_trust_settings()


def test_one_name_at_a_time(lake: SmallLake) -> None:
    with pytest.raises(SettingError, match="Give one of them"):
        ask(lake, "a", "--tenant", "b")
