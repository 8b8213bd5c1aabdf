"""Which processes make a run, with which arguments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from infra.supervisor.plan import RunPlan, producers, sinks_and_streams

PLAN = RunPlan(bootstrap="127.0.0.1:9", data_dir=Path("d"), lake=Path("l"))


def test_consumers_come_in_the_order_of_the_flow() -> None:
    parts = sinks_and_streams(replace(PLAN, workers=2))
    assert [part.name for part in parts] == ["lake-writer", "stream-worker-1", "stream-worker-2", "notifier"]
    assert all(part.arguments[-1] == "127.0.0.1:9" or "--lake" in part.arguments for part in parts)
    assert [part.name for part in sinks_and_streams(replace(PLAN, notify=False))] == ["lake-writer", "stream-worker-1"]


def test_what_publishes() -> None:
    assert [part.name for part in producers(PLAN)] == ["probe", "example-agent", "simulator"]
    assert producers(replace(PLAN, probe=False, example=False, agents=0)) == []


def test_a_bounded_run_bounds_its_simulator() -> None:
    (simulator,) = producers(replace(PLAN, probe=False, example=False, run_for_s=90.5, rate=5000, seed=3))
    line = " ".join(simulator.arguments)
    assert "--agents 200 --rate 5000 --seed 3" in line
    assert line.endswith("--incidents --for 90.5s")
    (unbounded,) = producers(replace(PLAN, probe=False, example=False, incidents=False))
    assert unbounded.arguments[-1] == "--no-incidents"


def test_truth_and_accounts_are_in_the_data_folder() -> None:
    assert (PLAN.truth, PLAN.accounts) == (Path("d/truth.json"), Path("d/accounts"))
