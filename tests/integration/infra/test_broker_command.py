"""`fleetpulse broker` as people and the supervisor use it."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
from pathlib import Path

import pytest
from commands import fleetpulse, running

from infra.broker.handshake import answers
from infra.broker.ports import LOOPBACK, free_port
from schemas.catalogue import (
    ACCESS_ENDED,
    ACCESS_KEYS,
    ACCESS_SESSIONS,
    ALERTS_CHANGELOG,
    SAVED_VIEWS,
    STREAMS_CHANGELOG,
    TOPICS,
)

CHANGELOGS = (STREAMS_CHANGELOG, ACCESS_KEYS, ACCESS_ENDED, ACCESS_SESSIONS, ALERTS_CHANGELOG, SAVED_VIEWS)

KINDS = ["tansu", pytest.param("kafka", marks=pytest.mark.kafka)]


def test_ready_line_status_and_a_clean_end(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, "broker", "start", "--broker", "tansu", "--port", str(port)) as started:
        assert started.ready == {
            "event": "ready",
            "bootstrap": f"{LOOPBACK}:{port}",
            "kind": "tansu",
            "why": "asked for",
            "pid": started.ready["pid"],
        }
        assert answers(started.ready["bootstrap"], timeout_s=60)
        told = json.loads(fleetpulse(tmp_path, "broker", "status", "--json").stdout)
        assert told["serving"]["bootstrap"] == started.ready["bootstrap"]
        started.process.send_signal(signal.SIGINT)
        assert started.process.wait(60) == 0
    assert not answers(started.ready["bootstrap"])
    assert json.loads(fleetpulse(tmp_path, "broker", "status", "--json").stdout)["serving"] is None


def test_topics_find_the_broker_of_the_data_folder(tmp_path: Path) -> None:
    with running(tmp_path, "broker", "start", "--broker", "tansu"):
        assert fleetpulse(tmp_path, "topics", "check").returncode == 1
        assert json.loads(fleetpulse(tmp_path, "topics", "create", "--json").stdout)["already_there"] == 0
        assert fleetpulse(tmp_path, "topics", "check").returncode == 0
        assert len(json.loads(fleetpulse(tmp_path, "topics", "list", "--json").stdout)) == len(TOPICS) + len(CHANGELOGS)
        refused = fleetpulse(tmp_path, "topics", "create", "--partitions", "5")
    assert refused.returncode == 2
    assert "fleet.heartbeats has 4 partitions instead of 5" in refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("kind", ["tansu", "kafka"])
def test_an_occupied_port_is_one_clear_line(tmp_path: Path, kind: str) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = str(listener.getsockname()[1])
        done = fleetpulse(tmp_path, "broker", "start", "--broker", kind, "--port", port)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"fleetpulse: port {port} on 127.0.0.1 is in use or may not be bound (setting --port). "
        "Choose another, or end what listens there\n"
    )


@pytest.mark.parametrize("command", [["broker", "start"], ["topics", "create"], ["topics", "list"]])
def test_an_unreachable_broker_is_one_clear_line(tmp_path: Path, command: list[str]) -> None:
    address = f"{LOOPBACK}:{free_port()}"
    done = fleetpulse(tmp_path, *command, "--broker", address)
    assert done.returncode == 2
    assert done.stderr.startswith(f"fleetpulse: no broker answers at {address} (setting --broker")
    assert done.stderr.count("\n") == 1


def test_wrong_jars_are_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "cache" / "kafka-4.1.0").mkdir(parents=True)
    done = fleetpulse(tmp_path, "broker", "fetch", FLEETPULSE_CACHE_DIR=str(tmp_path / "cache"))
    assert done.returncode == 2
    assert "cannot be trusted" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_doctor_tells_machines_and_people(tmp_path: Path) -> None:
    told = fleetpulse(tmp_path, "doctor", "--json")
    assert told.returncode == 0
    assert json.loads(told.stdout)["can_run"]
    absent = fleetpulse(tmp_path, "doctor", FLEETPULSE_BOOTSTRAP=f"{LOOPBACK}:{free_port()}")
    assert absent.returncode == 1
    assert "does not answer" in absent.stdout


def test_schemas_are_in_order(tmp_path: Path) -> None:
    assert fleetpulse(tmp_path, "schemas", "check").returncode == 0
    assert len(json.loads(fleetpulse(tmp_path, "schemas", "list", "--json").stdout)) == len(TOPICS)


@pytest.mark.fault
@pytest.mark.parametrize("kind", KINDS)
def test_the_broker_does_not_outlive_a_killed_parent(tmp_path: Path, kind: str) -> None:
    with running(tmp_path, "broker", "start", "--broker", kind) as started:
        child = os.pidfd_open(started.ready["pid"])
        started.process.kill()
        with os.fdopen(child) as watched:
            assert select.select([watched], [], [], 60)[0], "the child still runs"
    assert not answers(started.ready["bootstrap"])
    assert json.loads(fleetpulse(tmp_path, "broker", "status", "--json").stdout)["serving"] is None


@pytest.mark.fault
@pytest.mark.parametrize("kind", KINDS)
def test_a_broker_that_dies_ends_its_command_with_an_error(tmp_path: Path, kind: str) -> None:
    with running(tmp_path, "broker", "start", "--broker", kind) as started:
        os.kill(started.ready["pid"], signal.SIGKILL)
        assert started.process.wait(60) == 2
