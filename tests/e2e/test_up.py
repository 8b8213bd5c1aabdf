"""The whole system by its one command: bounded with a report, and stopped at any moment."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from up_world import SCRIPT, Up, all_gone, environment, running_up, until

# Most start the whole system and take half a minute where nothing else runs.
pytestmark = pytest.mark.timeout(600)

SMALL = ("--agents", "50", "--rate", "300")
DERIVED = {"fleet.trust", "fleet.anomalies", "fleet.status", "fleet.alerts"}


def require_complete(report: dict[str, Any]) -> None:
    """All that was published landed, once; and the report says everything that the issue asks of it."""
    for counts in (report["published"], report["landed"]):
        assert counts["total"] == sum(count for topic, count in counts.items() if topic != "total")
        assert {"fleet.metrics", "fleet.heartbeats", "fleet.lifecycle", "fleet.hosts"} <= counts.keys()
    assert report["published"] == report["landed"]
    assert report["published"]["total"] > 1_000
    assert (report["missing"], report["duplicates"], report["dead_letters"], report["holes"]) == (0, 0, 0, 0)
    assert report["false_alarms"] == 0
    assert report["false_alarms_per_hour"] == 0
    assert report["bars"]["share_found"]["value"] == report["share_found"] > 0.5
    assert report["self_audit"]["agents"] >= 5
    audited = ("lake-writer", "alert-manager", "stream-worker-1", "probe")
    assert [report["processes"][name]["health"] for name in audited] == ["healthy"] * len(audited)
    assert report["self_audit"]["holes"] == 0
    assert report["incidents"]
    for found in report["incidents"].values():
        assert found["injected"] >= found["found"] >= 0
        assert "delay_p50_s" in found
    assert {"crash", "trust_collapse", "metric_anomaly"} <= {k for k, v in report["incidents"].items() if v["found"]}
    for name in ("event_to_score", "event_to_alert", "event_to_queryable"):
        assert 0 <= report["latency_s"][name]["p50"] <= report["latency_s"][name]["p99"] < 30
    parts = {"broker", "stream-worker-1", "alert-manager", "lake-writer", "simulator", "probe", "notifier"}
    assert parts <= report["processes"].keys()
    assert all(used["peak_rss_bytes"] > 1_000_000 and used["cpu_s"] > 0 for used in report["processes"].values())


@pytest.mark.parametrize("broker", ["tansu", pytest.param("kafka", marks=[pytest.mark.kafka, pytest.mark.fault])])
def test_a_bounded_run_reports_that_all_landed(tmp_path: Path, request: pytest.FixtureRequest, broker: str) -> None:
    if broker == "kafka":
        request.getfixturevalue("kafka")  # skips where there is none
    report = tmp_path / "new" / "report.json"
    with running_up(tmp_path, *SMALL, "--for", "12s", "--broker", broker, "--report", str(report)) as up:
        up.wait_for("waiting for simulator")
        family = up.family()
        assert up.process.wait(400) == 0, up.said()
        all_gone(family)
    found = json.loads(report.read_text())
    require_complete(found)
    assert found["broker"] == broker
    assert f"published {found['published']['total']:,}  landed" in up.said()
    lake, count = up.folder / "lake", "SELECT count(*) AS n FROM metrics WHERE user_id <> 'fleetpulse'"
    asked = subprocess.run(
        [SCRIPT, "sql", "--lake", str(lake), "--format", "json", count],
        capture_output=True,
        check=True,
        env=environment(),
    )
    assert json.loads(asked.stdout) == [{"n": found["landed"]["fleet.metrics"]}]


def use_the_doors(up: Up) -> None:
    """A beat through the gateway is known to the API, by the key that the run has made, and by no other."""
    found = re.search(r"gateway (http://\S+), api (http://\S+); the key to both is in (\S+)", up.said())
    assert found is not None, up.said()
    gateway, api, file = found.groups()
    assert Path(file).stat().st_mode & 0o777 == 0o600
    with httpx.Client(headers={"X-API-Key": Path(file).read_text().strip()}, timeout=60) as client:
        beat = {"agentId": "curl", "userId": "acme", "status": "healthy", "version": "1.0.0"}
        assert client.post(f"{gateway}/api/agents/heartbeat", json=beat).status_code == 202
        assert httpx.post(f"{gateway}/api/agents/heartbeat", json=beat, timeout=60).status_code == 401

        def known() -> bool:
            answer = client.get(f"{api}/api/agents/status/curl")
            return answer.status_code == 200 and answer.json()["status"] == "online"

        until(known, "the API knows the agent")


@pytest.mark.slow
def test_ctrl_c_stops_an_unbounded_run_in_order(tmp_path: Path) -> None:
    with running_up(tmp_path, *SMALL, "--broker", "tansu") as up:
        up.wait_for("online")
        family = up.family()
        assert len(family) >= 9
        use_the_doors(up)
        assert up.end() == 0
        all_gone(family)
    said = up.said()
    steps = ["stopping the producers", "streams catch up", "the alert manager decides", "the lake takes in the rest"]
    steps.append("stopping broker")
    assert [said.count(step) for step in steps] == [1] * len(steps)
    assert [said.index(step) for step in steps] == sorted(said.index(step) for step in steps)
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "moment",
    ["starting the broker", "waiting for lake-writer", pytest.param("waiting for simulator", marks=pytest.mark.fault)],
)
def test_ctrl_c_while_it_starts(tmp_path: Path, moment: str) -> None:
    with running_up(tmp_path, *SMALL, "--broker", "tansu") as up:
        up.wait_for(moment)
        family = up.family()
        assert up.end() == 0, up.said()
        all_gone(family)
    assert "Traceback" not in up.said()


@pytest.mark.fault
def test_a_killed_supervisor_leaves_nobody_behind(tmp_path: Path) -> None:
    with running_up(tmp_path, *SMALL, "--broker", "tansu") as up:
        up.wait_for("online")
        family = up.family()
        up.process.kill()
        up.process.wait()
        all_gone(family)


@pytest.mark.fault
@pytest.mark.parametrize("broker", ["tansu", pytest.param("kafka", marks=pytest.mark.kafka)])
def test_killed_workers_and_writers_cost_nothing(tmp_path: Path, request: pytest.FixtureRequest, broker: str) -> None:
    if broker == "kafka":
        request.getfixturevalue("kafka")  # skips where there is none
    report = tmp_path / "report.json"
    with running_up(tmp_path, *SMALL, "--for", "25s", "--broker", broker, "--report", str(report)) as up:
        up.wait_for("online")
        up.kill("stream-worker", "--bootstrap")
        up.kill("lake", "write")
        up.kill("notify", "--bootstrap")
        up.kill("alert-manager", "--bootstrap")
        assert up.process.wait(400) == 0, up.said()
    found = json.loads(report.read_text())
    assert found["published"] == found["landed"]
    assert (found["missing"], found["duplicates"], found["dead_letters"], found["holes"]) == (0, 0, 0, 0)
    assert {name: used["restarts"] for name, used in found["processes"].items() if used["restarts"]} == {
        "stream-worker-1": 1,
        "lake-writer": 1,
        "notifier": 1,
        "alert-manager": 1,
    }


@pytest.mark.fault
def test_a_part_that_hangs_is_started_again_and_nothing_is_missing(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    options = (*SMALL, "--for", "45s", "--broker", "tansu", "--report", str(report))
    # Long enough that a busy machine makes nobody else look as if it hung, and that it is told well before the end.
    with running_up(tmp_path, *options, FLEETPULSE_HUNG_AFTER_S="15") as up:
        up.wait_for("online")
        up.strike(signal.SIGSTOP, "lake", "write", within_s=120)
        assert up.process.wait(400) == 0, up.said()
    assert "process hangs" in up.said()
    found = json.loads(report.read_text())
    assert found["published"] == found["landed"]
    assert (found["missing"], found["duplicates"], found["holes"]) == (0, 0, 0)
    hung = {name: (used["hung"], used["restarts"]) for name, used in found["processes"].items() if used["hung"]}
    assert hung == {"lake-writer": (1, 1)}
    assert found["processes"]["lake-writer"]["health"] == "healthy"


@pytest.mark.fault
def test_a_run_does_not_outlive_its_broker(tmp_path: Path) -> None:
    with running_up(tmp_path, *SMALL, "--broker", "tansu") as up:
        up.wait_for("online")
        family = up.family()
        broker = up.part("broker", "start")
        assert broker is not None
        broker.kill()
        assert up.process.wait(200) == 2
        all_gone(family)
    assert "fleetpulse: broker ended with exit code -9" in up.said()
    assert "Traceback" not in up.said()


def refused(tmp_path: Path, *arguments: str, **more: str) -> str:
    """What `up` says when it does not even begin: one line, exit code 2."""
    done = subprocess.run(
        [SCRIPT, "up", "--plain", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env=environment(**{"FLEETPULSE_DATA_DIR": str(tmp_path / "data")} | more),
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_settings_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    wrong: list[tuple[list[str], dict[str, str], str]] = [
        (["--for", "abc"], {}, "'abc' is not a duration (setting --for)"),
        (["--for", ""], {}, "(setting --for)"),
        (["--report", "r.json"], {}, "--report needs the length of the run (setting --for)"),
        (["--for", "5s", "--report", "file/r.json"], {}, "(setting --report)"),
        ([], {"FLEETPULSE_PARTITIONS": "abc"}, "(setting FLEETPULSE_PARTITIONS)"),
        ([], {"FLEETPULSE_LOG_LEVEL": "loud"}, "(setting FLEETPULSE_LOG_LEVEL)"),
        (["--rules", "absent.yaml"], {}, "(setting --rules or FLEETPULSE_RULES)"),
        ([], {"FLEETPULSE_CHANNELS": "absent.yaml"}, "(setting --channels or FLEETPULSE_CHANNELS)"),
        ([], {"FLEETPULSE_LAKE": str(tmp_path / "file")}, "(setting FLEETPULSE_LAKE)"),
        (["--data-dir", str(tmp_path / "file")], {}, "(setting --data-dir or FLEETPULSE_DATA_DIR)"),
    ]
    for arguments, variables, told in wrong:
        line = refused(tmp_path, *arguments, **variables)
        assert line.startswith("fleetpulse: ")
        assert told in line


def test_a_broker_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, but nobody listens: while it is held nobody else can
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        line = refused(tmp_path, "--broker", f"127.0.0.1:{port}")
    assert f"no broker answers at 127.0.0.1:{port} (setting --broker" in line


def test_a_broker_whose_name_is_not_one(tmp_path: Path) -> None:
    assert "(setting --broker" in refused(tmp_path, "--broker", "rabbit")


def test_a_wrong_option_is_told_without_a_stack_trace(tmp_path: Path) -> None:
    for arguments in (["--agents", "-1"], ["--rate", "many"], ["--colour"]):
        done = subprocess.run([SCRIPT, "up", *arguments], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 2
        assert arguments[0] in done.stderr
        assert "Traceback" not in done.stderr
