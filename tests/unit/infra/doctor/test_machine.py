from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.doctor import machine
from infra.doctor.machine import (
    docker_answers,
    docker_engine,
    free_disk,
    python_version,
    requirements_by_extra,
    writable,
)


def test_this_python_will_do() -> None:
    assert python_version().state == "ok"


def test_requirements_by_extra() -> None:
    lines = [
        "aiokafka<0.15,>=0.14",
        'psutil>=7; extra == "probe"',
        "nvidia-ml-py>=13; extra == 'probe'",
        'fleetpulse[broker,probe]; extra == "all"',
        'ruff>=0.12; extra == "dev"',
        'tomli; python_version < "3.11" and extra == "sinks"',
    ]
    assert requirements_by_extra(lines) == {
        "base": ["aiokafka"],
        "probe": ["psutil", "nvidia-ml-py"],
        "sinks": ["tomli"],
    }


def test_what_is_optional_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_installed", lambda package: None)
    found = {finding.name: finding.state for finding in machine.packages()}
    assert found["packages:presidio"] == "ok"
    assert found["packages:gateway"] == "missing"


def test_the_extras_of_the_installed_package() -> None:
    assert {"base", "probe", "streams", "sinks", "simulator", "broker"} <= requirements_by_extra().keys()


def test_a_folder_to_be_made_is_writable_and_is_not_made(tmp_path: Path) -> None:
    found = writable("lake", tmp_path / "a" / "b", "FLEETPULSE_LAKE")
    assert found.state == "ok"
    assert "will be made" in found.detail
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere but into /proc")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    found = writable("lake", tmp_path / "lake", "FLEETPULSE_LAKE")
    assert (found.state, "FLEETPULSE_LAKE" in found.mend) == ("missing", True)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc")
def test_a_file_system_that_takes_no_files() -> None:
    found = writable("data folder", Path("/proc/fleetpulse"), "FLEETPULSE_DATA_DIR")
    assert found.state == "missing"
    assert "FLEETPULSE_DATA_DIR" in found.mend


def test_little_disk_is_a_warning(tmp_path: Path) -> None:
    assert free_disk(tmp_path, "FLEETPULSE_DATA_DIR", least_bytes=0).state == "ok"
    assert free_disk(tmp_path, "FLEETPULSE_DATA_DIR", least_bytes=2**62).state == "warn"


@contextlib.contextmanager
def _engine(path: Path, reply: bytes) -> Iterator[str]:
    """Answers one connection on a Unix socket."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(reply)

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"unix://{path}"
        thread.join()


def test_a_docker_engine_that_answers(tmp_path: Path) -> None:
    with _engine(tmp_path / "docker.sock", b"HTTP/1.0 200 OK\r\n\r\nOK") as url:
        assert docker_engine({"DOCKER_HOST": url}, within_s=60).state == "ok"


def test_something_else_at_its_socket(tmp_path: Path) -> None:
    with _engine(tmp_path / "docker.sock", b"SSH-2.0\r\n") as url:
        assert not docker_answers(url, timeout_s=60)


@pytest.mark.parametrize("url", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1", "npipe:////./pipe/docker"])
def test_no_docker_engine_is_a_warning(url: str) -> None:
    assert docker_engine({"DOCKER_HOST": url}).state == "warn"
