"""Settings of an AgentReporter: ours, the sources' shape, the environment; wrong ones are named, keys never shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sdk_world import NOWHERE

from infra.runtime.errors import SettingError
from producers.sdk import AgentReporter, TrustConfig
from producers.sdk.agent_config import from_camel, make_agent_config

_OF_THE_SOURCES = {
    "apiKey": "promethios_user_123_agent_456_1672531200",
    "apiBaseUrl": "https://api.example.com",
    "agentId": "customer_service_bot",
    "userId": "company_xyz",
    "policies": [{"id": "response-length-limit", "name": "Response Length Limit", "enabled": True, "maxLength": 500}],
    "reportingConfig": {
        "metricsInterval": 60000,
        "heartbeatInterval": 30000,
        "batchSize": 10,
        "retryAttempts": 3,
        "retryDelay": 1000,
    },
    "trustConfig": {"initialScore": 1.0, "violationPenalty": 0.1, "complianceBonus": 0.05, "decayRate": 0.01},
    "logLevel": "warn",
    "enableConsoleLogging": False,
}


def test_the_shape_of_the_sources_is_understood() -> None:
    config = AgentReporter.from_dict(_OF_THE_SOURCES).config
    assert (config.agent_id, config.user_id, config.gateway) == (
        "customer_service_bot",
        "company_xyz",
        "https://api.example.com",
    )
    assert config.api_key is not None
    assert config.api_key.get_secret_value() == _OF_THE_SOURCES["apiKey"]
    assert (config.metrics_interval_s, config.heartbeat_interval_s, config.retry_delay_s) == (60.0, 30.0, 1.0)
    assert (config.batch_size, config.retry_attempts, config.log_level) == (10, 3, "warning")
    assert config.trust == TrustConfig()


def test_the_defaults_are_those_of_the_sources() -> None:
    given, plain = AgentReporter.from_dict(_OF_THE_SOURCES).config, make_agent_config(agent_id="a", bootstrap=NOWHERE)
    for name in (
        "metrics_interval_s",
        "heartbeat_interval_s",
        "batch_size",
        "retry_attempts",
        "retry_delay_s",
        "trust",
    ):
        assert getattr(plain, name) == getattr(given, name), name


def test_the_environment_alone_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    policies = tmp_path / "policies.json"
    policies.write_text(json.dumps([{"id": "no-personal-info"}]))
    for name, value in {
        "AGENT_ID": "bot",
        "USER_ID": "acme",
        "GATEWAY": "http://127.0.0.1:8000",
        "API_KEY": "fp_i_key",
        "METRICS_INTERVAL_S": "5",
        "BATCH_SIZE": "3",
        "TRUST_VIOLATION_PENALTY": "0.2",
        "POLICIES": str(policies),
        "LOG_LEVEL": "debug",
        "DATA_DIR": str(tmp_path),
    }.items():
        monkeypatch.setenv(f"FLEETPULSE_{name}", value)
    reporter = AgentReporter.from_env()
    config = reporter.config
    assert (config.agent_id, config.user_id, config.gateway) == ("bot", "acme", "http://127.0.0.1:8000")
    assert (config.metrics_interval_s, config.batch_size, config.log_level) == (5.0, 3, "debug")
    assert config.trust.violation_penalty == 0.2
    assert config.spool_dir == tmp_path / "spool"
    assert reporter.engine is not None
    assert [policy.id for policy in reporter.engine.policies] == ["no-personal-info"]
    assert AgentReporter.from_env(batch_size=7).config.batch_size == 7, "what is given wins"


def test_a_bootstrap_that_is_given_means_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETPULSE_GATEWAY", "http://127.0.0.1:8000")
    assert make_agent_config(agent_id="a", bootstrap=NOWHERE).gateway is None


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"agent_id": None}, "agent_id"),
        ({"gateway": "ftp://host"}, "gateway"),
        ({"gateway": "http://" + "user:word" + "@host"}, "gateway"),
        ({"gateway": "http://host/?a=b"}, "gateway"),
        ({"gateway": "http://host:99999"}, "gateway"),
        ({"gateway": "http://ho\r\nst"}, "gateway"),
        ({"gateway": "http://host", "api_key": "line\r\nX-Evil: 1"}, "gateway"),
        ({"metrics_interval_s": 0}, "metrics_interval_s"),
        ({"trust": {"decay_rate": 2}}, "trust.decay_rate"),
        ({"trust": {"colour": 1}}, "trust.colour"),
        ({"log_level": "loud"}, "log_level"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingError, match=rf"AgentReporter\({named}=...\)"):
        make_agent_config(**{"agent_id": "a"} | wrong)


def test_no_error_and_no_repr_shows_the_key() -> None:
    key = "_".join(("fp", "i", "very", "private"))
    for wrong in ({"api_key": key + " "}, {"api_key": key, "gateway": "nonsense"}, {"api_key": [key]}):
        with pytest.raises(SettingError) as caught:
            make_agent_config(agent_id="a", **wrong)
        assert key not in str(caught.value)
        assert caught.value.__cause__ is None
    config = make_agent_config(agent_id="a", gateway="http://host", api_key=key)
    assert key not in repr(config) + str(config) + config.model_dump_json()


@pytest.mark.parametrize(
    "wrong",
    [{"reportingConfig": 5}, {"reportingConfig": {"metricsInterval": "soon"}}, {"reportingConfig": {"colour": 1}}],
)
def test_a_wrong_shape_of_the_sources_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="reportingConfig"):
        from_camel(wrong)


@pytest.mark.parametrize("text", ["{", '{"id": "x"}', "/no/such/file"])
def test_policies_of_the_environment_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("FLEETPULSE_POLICIES", text)
    with pytest.raises(SettingError, match="FLEETPULSE_POLICIES"):
        make_agent_config(agent_id="a", bootstrap=NOWHERE)
