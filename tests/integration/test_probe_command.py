"""`fleetpulse probe` as a process: ready line, events, a clean end on a signal, its account."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from reporter_world import make_topics, seqs_of

from infra.broker.interface import Broker

FLEETPULSE = str(Path(sys.executable).with_name("fleetpulse"))


async def test_the_probe_reports_until_it_is_asked_to_stop(tansu: Broker, tmp_path: Path) -> None:
    await make_topics(tansu)
    command = [
        FLEETPULSE,
        "probe",
        "--bootstrap",
        tansu.bootstrap,
        "--interval",
        "100ms",
        "--agent-id",
        "host:under-test",
    ]
    with subprocess.Popen([*command, "--data-dir", str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:  # noqa: ASYNC220  # nothing else runs in this loop
        assert child.stdout is not None
        ready = json.loads(child.stdout.readline())
        assert (ready["event"], ready["agent_id"]) == ("ready", "host:under-test")
        assert len(await seqs_of(tansu.bootstrap, ready["session_id"], 6)) >= 6
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
    (path,) = (tmp_path / "accounts").iterdir()
    account = json.loads(path.read_text())
    (session,) = account["sessions"]
    assert session["issued"] == session["acknowledged"]
    assert account["published"]["fleet.heartbeats"] == account["published"]["fleet.hosts"] + 1
    assert len(await seqs_of(tansu.bootstrap, ready["session_id"], session["issued"])) == session["issued"]


def test_without_a_broker_it_ends_in_time_and_says_what_it_has_not_sent(tmp_path: Path) -> None:
    command = [FLEETPULSE, "probe", "--bootstrap", "127.0.0.1:1", "--for", "300ms", "--data-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "accounts").iterdir()
    (session,) = json.loads(path.read_text())["sessions"]
    assert session["acknowledged"] == 0 < session["issued"]
    assert list((tmp_path / "spool").rglob("*.seg")), "they wait on disk for the next probe"


def test_a_wrong_setting_is_one_line(tmp_path: Path) -> None:
    for wrong in (["--interval", "0s"], ["--bootstrap", "nowhere"], ["--agent-id", "", "--bootstrap", "h:1"]):
        command = [FLEETPULSE, "probe", *wrong, "--data-dir", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.splitlines()) == 1, done.stderr
