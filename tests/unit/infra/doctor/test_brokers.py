from __future__ import annotations

from pathlib import Path

import pytest

from infra.broker.jars import jars_dir
from infra.broker.ports import LOOPBACK, free_port
from infra.doctor import brokers
from infra.doctor.examine import can_run, examine
from infra.runtime.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("FLEETPULSE_BOOTSTRAP", raising=False)
    return load_settings(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")


def test_absent_jars_are_a_warning_because_tansu_serves(settings: Settings) -> None:
    assert brokers.jars(settings).state == "warn"
    assert (brokers.chosen(settings).state, brokers.tansu().state) == ("ok", "ok")


def test_wrong_jars_must_be_mended(settings: Settings) -> None:
    jars_dir(settings).mkdir(parents=True)
    found = brokers.jars(settings)
    assert found.state == "missing"
    assert "broker fetch" in found.mend


def test_a_configured_broker_that_does_not_answer_must_be_mended(settings: Settings) -> None:
    found = brokers.chosen(settings.model_copy(update={"bootstrap": f"{LOOPBACK}:{free_port()}"}))
    assert found.state == "missing"
    assert "FLEETPULSE_BOOTSTRAP" in found.mend


def test_no_java_and_no_maven_are_warnings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")
    assert (brokers.java().state, brokers.maven(settings).state) == ("warn", "warn")
    assert brokers.chosen(settings).state == "ok"


def test_everything_is_looked_at_and_what_is_wrong_can_be_mended(settings: Settings) -> None:
    findings = examine(settings)
    names = [f.name for f in findings]
    assert len(names) == len(set(names))
    assert {"python", "packages:streams", "java", "maven", "kafka jars", "tansu", "broker", "docker", "gpu"} <= set(
        names
    )
    assert all(f.mend for f in findings if f.state != "ok")
    assert can_run(findings)
    assert not list(settings.data_dir.parent.iterdir())
