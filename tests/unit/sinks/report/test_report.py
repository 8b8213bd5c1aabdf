"""The report over small lakes and truths with known answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from small_lake import SmallLake

from infra.runtime.errors import SettingError
from infra.runtime.run_view import print_report
from sinks.report.build import ReportInputs, build_report
from sinks.report.detection import EVIDENCE, About, Detections, Firing, StatusChange
from sinks.report.truth import GroundTruth, Incident, read_truth

Moment = Callable[[float], datetime]
S = 1_000_000


def _incident(kind: str, agent: str = "a", start_s: int = 100, end_s: int | None = 110, **detail: object) -> Incident:
    return Incident(kind, agent, start_s * S, None if end_s is None else end_s * S, detail)


def _detections(
    *firings: Firing, incidents: list[Incident], changes: tuple[StatusChange, ...] = (), **truth: object
) -> Detections:
    return Detections([GroundTruth(incidents, **truth)], firings, changes)


@pytest.mark.parametrize("kind", [kind for kind, evidence in EVIDENCE.items() if evidence.alerts])
def test_each_kind_is_found_by_its_alert_within_the_window_only(kind: str) -> None:
    name = min(EVIDENCE[kind].alerts)
    inside = _detections(Firing(name, "a", 103 * S, None), incidents=[_incident(kind)]).by_kind()[kind]
    assert (inside["injected"], inside["found"], inside["delay_p50_s"], inside["missed"]) == (1, 1, 3.0, [])
    late = _detections(Firing(name, "a", 125 * S, None), incidents=[_incident(kind)])
    assert late.by_kind()[kind]["found"] == 1
    for wrong in (Firing(name, "a", 99 * S, None), Firing(name, "a", 126 * S, None), Firing(name, "b", 103 * S, None)):
        found = _detections(wrong, incidents=[_incident(kind)])
        assert found.by_kind()[kind]["found"] == 0
        assert found.by_kind()[kind]["missed"][0]["agent_id"] == "a"
        assert found.false_alarms() == {name: 1}


def test_an_anomaly_counts_only_on_the_metric_that_was_spoilt() -> None:
    incident = _incident("metric_anomaly", metric="cpu_usage")
    found = _detections(Firing("metric_anomaly", "a", 101 * S, "revenue"), incidents=[incident])
    assert found.by_kind()["metric_anomaly"]["found"] == 0
    assert found.false_alarms() == {"metric_anomaly": 1}
    assert _detections(Firing("metric_anomaly", "a", 101 * S, "cpu_usage"), incidents=[incident]).false_alarms() == {}


@pytest.mark.parametrize(("metric", "false_alarms"), [("response_time", 0), ("revenue", 1)])
def test_a_threshold_that_a_spoilt_metric_crosses_is_no_false_alarm(metric: str, false_alarms: int) -> None:
    incident = _incident("metric_anomaly", metric=metric)
    found = _detections(Firing("response_time_high", "a", 109 * S, None), incidents=[incident])
    assert found.false_alarms().total() == false_alarms
    assert found.by_kind()["metric_anomaly"]["found"] == 0


def test_lateness_is_no_false_alarm_while_the_simulator_itself_is_late() -> None:
    firings = [Firing("agent_late", "a", at_s * S, None) for at_s in (50, 105, 130)]
    firings.append(Firing("trust_low", "a", 105 * S, None))
    found = _detections(*firings, incidents=[], held_up_us=((100 * S, 110 * S),))
    assert found.false_alarms() == {"agent_late": 2, "trust_low": 1}
    assert found.held_up_s() == 10.0


def test_late_beats_and_lossy_networks_are_found_by_status() -> None:
    incidents = [_incident("late_beats"), _incident("lossy_network", agent="b")]
    found = _detections(
        incidents=incidents, changes=(StatusChange("late", "a", 105 * S), StatusChange("degraded", "b", 109 * S))
    ).by_kind()
    assert (found["late_beats"]["found"], found["late_beats"]["delay_p50_s"]) == (1, 5.0)
    assert (found["lossy_network"]["found"], found["lossy_network"]["alert_expected"]) == (1, False)
    assert _detections(incidents=incidents).by_kind()["lossy_network"]["found"] == 0


def test_the_first_evidence_counts_and_delays_are_medians() -> None:
    incidents = [_incident("crash", agent=name, end_s=None) for name in "abc"]
    firings = [
        Firing("agent_offline", name, (100 + s) * S, None) for name, s in (("a", 2), ("a", 1), ("b", 4), ("c", 9))
    ]
    row = _detections(*firings, incidents=incidents).by_kind()["crash"]
    assert (row["found"], row["delay_p50_s"], row["delay_max_s"]) == (3, 4.0, 9.0)


def test_side_effects_and_the_end_of_the_run_are_no_false_alarms() -> None:
    incidents = [_incident("lossy_network"), _incident("trust_collapse", agent="b")]
    explained = [
        Firing("agent_late", "a", 105 * S, None),
        Firing("metric_anomaly", "b", 105 * S, "compliance_rate"),
        Firing("agent_offline", "z", 301 * S, None),
    ]
    wrong = [
        Firing("trust_low", "a", 105 * S, None),
        Firing("trust_low", "z", 301 * S, None),
        Firing("agent_late", "z", 299 * S, None),
    ]
    found = _detections(*explained, *wrong, incidents=incidents, ended_at_us=300 * S)
    assert found.false_alarms() == {"trust_low": 2, "agent_late": 1}


def _outage(agents: str = "abc") -> Incident:
    return Incident("host_outage", "host:h1", 100 * S, 110 * S, {"host": "h1", "agents": list(agents)})


def test_a_host_outage_is_one_alert_and_its_agents_are_explained() -> None:
    root = Firing("outage", "host:h1", 103 * S, None, About("outage", "r1"))
    members = [Firing("agent_offline", a, 103 * S, None, About("status", a, "r1", told=False)) for a in "abc"]
    found = _detections(root, *members, incidents=[_outage()], agents=frozenset("abcz"))
    row = found.by_kind()["host_outage"]
    assert (row["injected"], row["found"], row["delay_p50_s"], row["told"]) == (1, 1, 3.0, 1)
    assert found.false_alarms() == {}
    assert found.outside_truth() == {}
    late = _detections(*members, incidents=[_outage()], agents=frozenset("abcz"))
    assert late.by_kind()["host_outage"]["found"] == 0
    assert late.false_alarms() == {}


def test_what_stands_for_others_is_explained_when_all_of_them_are() -> None:
    root = Firing("incident", "name:agent_offline", 103 * S, None, About("incident", "r1"))
    real = Firing("agent_offline", "a", 102 * S, None, About("status", "fa", "r1"))
    wrong = Firing("agent_offline", "z", 102 * S, None, About("status", "fz", "r1"))
    incidents = [_incident("crash")]
    agents = frozenset("az")
    assert _detections(root, real, incidents=incidents, agents=agents).false_alarms() == {}
    both = _detections(root, real, wrong, incidents=incidents, agents=agents).false_alarms()
    assert both == {"agent_offline": 1, "incident": 1}
    nobody = _detections(Firing("outage", "host:h1", 103 * S, None, About("outage", "r1")), incidents=[_outage("")])
    assert nobody.false_alarms() == {}
    elsewhere = Firing("outage", "deployment:d", 103 * S, None, About("outage", "r2"))
    assert _detections(elsewhere, incidents=[]).false_alarms() == {"outage": 1}
    of_ours = Firing("agent_late", "fleetpulse:probe:h", 103 * S, None, About("status", "f", "r2"))
    assert _detections(elsewhere, of_ours, incidents=[], agents=agents).false_alarms() == {}


@pytest.mark.parametrize(("gone", "false_alarms"), [(1, 1), (10, 0)])
def test_few_agents_online_is_explained_by_as_many_that_are_away(gone: int, false_alarms: int) -> None:
    agents = [f"agent-{n}" for n in range(100)]
    firing = Firing("agent_connectivity", "fleet", 105 * S, None, About("fleet", "f"))
    outage = Incident("host_outage", "host:h1", 100 * S, 110 * S, {"agents": agents[:gone]})
    found = _detections(firing, incidents=[outage], agents=frozenset(agents))
    assert found.false_alarms().total() == false_alarms


def test_a_clock_that_is_off_is_found_where_status_says_by_how_much() -> None:
    incident = _incident("clock_skew", clock_skew_s=-240.0)
    changes = [StatusChange("online", "a", (101 + n) * S, skew) for n, skew in enumerate((None, 240.0, -250.0))]
    found = _detections(incidents=[incident], changes=tuple(changes)).by_kind()["clock_skew"]
    assert (found["found"], found["delay_p50_s"], found["alert_expected"]) == (1, 3.0, False)
    late = _detections(Firing("agent_late", "a", 103 * S, None), incidents=[incident])
    assert late.false_alarms() == {"agent_late": 1}


def test_agents_that_the_truth_does_not_know_are_apart() -> None:
    found = _detections(Firing("metric_anomaly", "host:h", 1, "cpu_usage"), incidents=[], agents=frozenset({"a"}))
    assert found.false_alarms() == {}
    assert found.outside_truth() == {"metric_anomaly": 1}


def test_truth_files(tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    incident = {"kind": "crash", "agent_id": "a", "started_at_us": 5 * 10**14, "ended_at_us": None, "detail": {"x": 1}}
    path.write_text(
        json.dumps({"agents": 3, "ended_at_us": 7, "incidents": [incident, incident | {"started_at_us": None}]})
    )
    assert read_truth(path) == GroundTruth([Incident("crash", "a", 5 * 10**14, None, {"x": 1})], None, 7 * S, None)
    path.write_text("{}")
    with pytest.raises(SettingError, match="--truth"):
        read_truth(path)


@pytest.fixture
def run(lake: SmallLake, moment: Moment, moment_us: Callable[[float], int], tmp_path: Path) -> ReportInputs:
    """Two simulated agents and a host: three events lost, one doubled and kept apart, a crash, a false alarm."""
    beats = [
        {"agent_id": "a", "session_id": "s1", "seq": n, "timestamp": moment(n), "status": "healthy"} for n in range(4)
    ]
    lake.add("heartbeats", beats)
    lake.add("metrics", [{"agent_id": "b", "session_id": "s2", "seq": n, "timestamp": moment(n)} for n in (0, 2, 3)])
    lake.add("hosts", [{"agent_id": "host:h", "session_id": "s3", "seq": 0, "timestamp": moment(0)}])
    lake.add_duplicates([{"session_id": "s2", "seq": 2}])
    lake.add(
        "trust",
        [
            {"seq": n, "session_id": "p", "timestamp": moment(n), "oldest_source_timestamp": moment(n - 0.1 * n)}
            for n in range(5)
        ],
    )
    alert = {"state": "firing", "session_id": "p", "epoch": 1, "cause": "began"}
    lake.add(
        "alerts",
        [
            alert
            | {
                "name": "agent_offline",
                "agent_id": "a",
                "fingerprint": "f1",
                "timestamp": moment(9),
                "oldest_source_timestamp": moment(3),
            },
            alert
            | {
                "name": "trust_low",
                "agent_id": "b",
                "fingerprint": "f2",
                "timestamp": moment(9),
                "oldest_source_timestamp": moment(8.5),
            },
            alert
            | {
                "name": "trust_low",
                "agent_id": "host:h",
                "fingerprint": "f3",
                "timestamp": moment(9),
                "oldest_source_timestamp": moment(8.5),
            },
            alert
            | {"name": "trust_low", "agent_id": "b", "fingerprint": "f2", "state": "resolved", "timestamp": moment(9)},
        ],
    )
    truth = tmp_path / "truth.json"
    crash = {"kind": "crash", "agent_id": "a", "started_at_us": moment_us(4), "ended_at_us": None, "detail": {}}
    truth.write_text(json.dumps({"started_at_us": moment_us(0), "ended_at_us": moment_us(20), "incidents": [crash]}))
    accounts = tmp_path / "accounts"
    accounts.mkdir()
    sessions = [
        {"session_id": "s1", "agent_id": "a", "issued": 6, "acknowledged": 6, "dropped": 0},
        {"session_id": "s2", "agent_id": "b", "issued": 4, "acknowledged": 4, "dropped": 0},
    ]
    (accounts / "simulator.json").write_text(
        json.dumps(
            {"process": "simulator", "published": {"fleet.heartbeats": 6, "fleet.metrics": 4}, "sessions": sessions}
        )
    )
    (accounts / "probe.json").write_text(
        json.dumps(
            {
                "process": "probe",
                "published": {"fleet.hosts": 1},
                "sessions": [sessions[0] | {"session_id": "s3", "agent_id": "host:h", "issued": 1, "acknowledged": 1}],
            }
        )
    )
    processes = tmp_path / "processes.json"
    processes.write_text(json.dumps({"lake-writer": {"peak_rss_bytes": 7, "cpu_s": 0.5}}))
    return ReportInputs(lake.folder, (truth,), accounts, processes, "tansu")


def test_the_report_of_a_small_run(run: ReportInputs) -> None:
    found = build_report(run)
    assert found["published"] == {"fleet.heartbeats": 6, "fleet.metrics": 4, "fleet.hosts": 1, "total": 11}
    assert (found["landed"]["fleet.heartbeats"], found["landed"]["fleet.metrics"], found["landed"]["total"]) == (
        4,
        3,
        8,
    )
    assert found["derived"]["fleet.alerts"] == 4
    assert (found["missing"], found["holes"], found["unclaimed"]) == (3, 3, 0)
    assert {row["session_id"]: row["not_landed"] for row in found["missing_sessions"]} == {"s1": 2, "s2": 1}
    assert (found["duplicates"], found["duplicates_removed"], found["dead_letters"]) == (0, 1, 0)
    assert found["incidents"]["crash"] == {
        "injected": 1, "found": 1, "delay_p50_s": 5.0, "delay_max_s": 5.0, "alert_expected": True, "missed": [],
        "told": 0,
    }  # fmt: skip
    assert (found["false_alarms"], found["false_alarms_by_name"]) == (1, {"trust_low": 1})
    assert found["alerts_outside_truth"] == {"trust_low": 1}
    assert (found["seconds"], found["events_per_s"], found["broker"]) == (20.0, 0.4, "tansu")
    assert found["processes"] == {"lake-writer": {"peak_rss_bytes": 7, "cpu_s": 0.5}}


def test_latencies_are_percentiles_of_what_they_say(run: ReportInputs) -> None:
    latency = build_report(run)["latency_s"]
    assert latency["event_to_score"] == {"p50": 0.2, "p99": pytest.approx(0.396), "max": 0.4, "count": 5}
    assert latency["event_to_alert"] == {"p50": 0.5, "p99": 0.5, "max": 0.5, "count": 2}
    assert latency["absence_to_alert"] == {"p50": 6.0, "p99": 6.0, "max": 6.0, "count": 1}
    assert latency["event_to_queryable"]["count"] == 8


def test_queryable_is_when_a_file_got_its_name(lake: SmallLake) -> None:
    begun = datetime.fromtimestamp(time.time() - 30, tz=UTC)
    [path] = lake.add("metrics", [{"timestamp": begun}])
    os.utime(path, (0, 0))
    lake.add("logs", [{"timestamp": begun, "session_id": "s2"}], mark="c")
    row = build_report(ReportInputs(lake.folder))["latency_s"]["event_to_queryable"]
    assert row["count"] == 1
    # The time of a change is that of the kernel's last tick, a little before the clock's; a busy machine adds minutes.
    assert 29 <= row["p50"] < 300


def test_rows_that_landed_without_a_claim_are_counted(lake: SmallLake, moment: Moment, run: ReportInputs) -> None:
    lake.add(
        "logs", [{"agent_id": "x", "session_id": "never issued", "seq": n, "timestamp": moment(0)} for n in range(2)]
    )
    assert build_report(run)["unclaimed"] == 2


def test_a_lake_without_anything_reports_zeros(lake: SmallLake) -> None:
    found = build_report(ReportInputs(lake.folder))
    assert (found["published"]["total"], found["landed"]["total"], found["missing"], found["incidents"]) == (
        0,
        0,
        0,
        {},
    )
    assert found["latency_s"]["event_to_queryable"] == {"p50": None, "p99": None, "max": None, "count": 0}
    assert found["events_per_s"] is None


def test_the_command_writes_what_it_prints(run: ReportInputs, tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    arguments = [
        "report",
        "--lake",
        str(run.lake),
        "--truth",
        str(run.truths[0]),
        "--accounts",
        str(run.accounts),
        "--json",
        "--output",
        str(output),
    ]
    start = "from infra.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", start, *arguments], capture_output=True, timeout=240, check=True)
    assert json.loads(done.stdout) == json.loads(output.read_text())


def test_people_read_what_up_shows_and_without_a_truth_no_verdict(
    run: ReportInputs, capsys: pytest.CaptureFixture[str]
) -> None:
    found = build_report(run)
    print_report(found)
    told = capsys.readouterr().out
    assert f"published {found['published']['total']:,}  landed {found['landed']['total']:,}" in told
    assert "injected" in told
    print_report(build_report(ReportInputs(run.lake)), with_truth=False)
    told = capsys.readouterr().out
    assert "only --truth can tell" in told
    assert "injected" not in told
