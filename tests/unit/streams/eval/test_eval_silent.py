import json
from dataclasses import replace

import polars as pl
import pytest
from typer.testing import CliRunner

from streams.eval.cli import app
from streams.eval.silent import evaluate, run
from streams.eval.traces import LEARNING_TURNS, make_trace
from streams.operators.silent import KINDS, SilentConfig


def test_every_injected_failure_is_found_and_nothing_in_a_clean_trace() -> None:
    score = evaluate(20_000, agents=60, each=4, seed=3)
    assert score.as_json()["kinds"] == {kind: {"injected": 4, "found": 4} for kind in KINDS}
    assert (dict(score.false), dict(score.stray)) == ({}, {})


def test_an_operator_without_patience_is_caught_by_the_clean_trace() -> None:
    trace = make_trace(10_000, agents=60, each=0, seed=3)
    findings = run(trace, replace(SilentConfig(), grace_s=0.0)).findings
    assert {"orphan_tool_completed", "missing_agent_started"} <= {finding.kind for finding in findings}


def test_a_trace_is_out_of_order_and_double_as_promised() -> None:
    trace = make_trace(20_000, agents=20, each=0, seed=1)
    times = trace.frame["timestamp"].dt.epoch("us")
    late = (times.cum_max() - times > 50_000).mean()
    assert 0.005 < late < 0.02
    assert trace.frame.height > trace.frame.unique().height


def test_the_same_seed_gives_the_same_trace() -> None:
    assert make_trace(5_000, agents=40, each=2, seed=9).frame.equals(make_trace(5_000, agents=40, each=2, seed=9).frame)


@pytest.mark.parametrize("arguments", [["silent", "--agents", "10", "--each", "2"]])
def test_more_failures_than_agents_are_refused(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert "--agents" in str(result.exception)


def test_a_failure_has_a_past_to_be_told_from() -> None:
    trace = make_trace(1_000, agents=30, each=5, seed=2)
    slow = trace.frame.filter(pl.col("run_id").is_in(trace.injected["high_latency"]), kind="tool_completed")
    for agent, failed, tool in slow.select("agent_id", "run_id", "tool").unique().iter_rows():
        before = trace.frame.filter(pl.col("agent_id") == agent, pl.col("run_id") != failed, kind="tool_completed")
        assert tool in before["tool"]
        assert int(failed.split("-")[1]) >= LEARNING_TURNS


def test_seeds_are_added_up() -> None:
    arguments = ["silent", "--events", "2000", "--agents", "12", "--each", "2", "--seeds", "2", "--json"]
    outcome = json.loads(CliRunner().invoke(app, arguments).stdout)
    assert outcome["seeds"] == 2
    assert outcome["clean"]["events"] > 3_500
    assert outcome["kinds"]["tool_loop"] == {"injected": 4, "found": 4}
