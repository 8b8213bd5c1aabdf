"""Which processes make a run, with which arguments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from infra.supervisor.plan import RunPlan, admin_key, doors, producers, sinks_and_streams

PLAN = RunPlan(bootstrap="127.0.0.1:9", data_dir=Path("d"), lake=Path("l"))


def test_consumers_come_in_the_order_of_the_flow() -> None:
    parts = sinks_and_streams(replace(PLAN, workers=2))
    workers = ["stream-worker-1", "stream-worker-2"]
    assert [part.name for part in parts] == ["lake-writer", "alert-manager", *workers, "notifier"]
    assert all(part.arguments[-1] == "127.0.0.1:9" or "--lake" in part.arguments for part in parts)
    assert "notifier" not in [part.name for part in sinks_and_streams(replace(PLAN, notify=False))]


def test_rules_go_to_who_judges_and_channels_to_who_tells() -> None:
    plan = replace(PLAN, rules=Path("/r.yaml"), channels=Path("/c.yaml"))
    given = {part.name: " ".join(part.arguments) for part in sinks_and_streams(plan)}
    assert {name for name, line in given.items() if line.endswith("--rules /r.yaml")} == {
        "alert-manager",
        "stream-worker-1",
    }
    assert given["notifier"].endswith("--channels /c.yaml")
    assert not any("--rules" in part.arguments or "--channels" in part.arguments for part in sinks_and_streams(PLAN))


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


def test_doors_are_where_they_are_asked_for() -> None:
    plan = replace(PLAN, gateway_port=8000, api_port=8080, rules=Path("/r.yaml"))
    given = {part.name: " ".join(part.arguments) for part in doors(plan)}
    assert given["gateway"].endswith("--port 8000")
    assert "--lake l --port 8080 --rules /r.yaml" in given["api"]
    assert [part.name for part in doors(replace(PLAN, gateway_port=None))] == ["api"]
    assert doors(replace(PLAN, gateway_port=None, api_port=None)) == []
    assert "--role admin --sql --file d/admin.key" in " ".join(admin_key(PLAN))
