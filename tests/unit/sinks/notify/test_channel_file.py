"""channels.yaml: what is accepted, and what mistakes are told like."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.runtime.errors import SettingError
from sinks.notify.settings import WebhookSettings, load_channels, parse_channels

GOOD = """\
version: 1
channels:
  - name: ops
    kind: webhook
    url: https://hooks.example.org/${TOKEN}
    secret: ${SIGNING_KEY}
    rate: {per_minute: 60, burst: 10}
    group_by: [name, user_id]
  - {name: oncall, kind: pagerduty, routing_key: abc, min_severity: critical, default: false}
"""


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "t:[not_yaml")
    monkeypatch.setenv("SIGNING_KEY", "0123456789abcdef")


def test_secrets_come_from_the_environment_and_are_not_shown() -> None:
    channels = parse_channels(GOOD, "c.yaml")
    ops = channels.named("ops")
    assert isinstance(ops, WebhookSettings)
    assert ops.url.get_secret_value() == "https://hooks.example.org/t:[not_yaml"
    assert "0123456789abcdef" not in repr(channels)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD.replace("SIGNING_KEY", "NOT_THERE"), r"line 6, column 13: .*NOT_THERE is not set"),
        (GOOD.replace("kind: webhook", "kind: pigeon"), r"line 3, column 5: .*pigeon"),
        (GOOD.replace("per_minute: 60", "per_minute: -1"), r"line 7, column 24: .*per_minute: .*greater than 0"),
        (GOOD.replace("name: ops", "name: oncall"), "two channels have the same name"),
        (GOOD.replace("min_severity", "min_sevrity"), r"line 9, column 55: .*min_sevrity; did you mean min_severity"),
        (GOOD.replace("https:", "ftp:"), r"line 5, column 10: .*url: .*has to begin"),
        ("version: 1\nchannels: [{name: a, kind: console, default: false}]", "reach nobody"),
        ("version: 1\nversion: 1\n", r"line 2, column 1: version: stands here twice"),
        ("version: [1\n", r"line 2, column 1"),
        ("a: !!python/object:os.system {}\n", r"line 1"),
        ("a: !x 1\n", "tags are not allowed"),
        ("", "line 1, column 1"),
        ("a: &x [*x]\n", "line 1"),
    ],
)
def test_mistakes_are_told_with_line_and_column(text: str, told: str) -> None:
    with pytest.raises(SettingError, match=told) as raised:
        parse_channels(text, "channels.yaml")
    assert "channels.yaml" in str(raised.value)
    assert "0123456789abcdef" not in str(raised.value)


def test_without_a_file_there_is_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLEETPULSE_CHANNELS", raising=False)
    assert [c.kind for c in load_channels(None).channels] == ["console"]
    assert [c.kind for c in load_channels(None, as_json=True).channels] == ["json"]


def test_a_file_that_is_not_there_is_one_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLEETPULSE_CHANNELS", str(tmp_path / "none.yaml"))
    with pytest.raises(SettingError, match=r"none\.yaml cannot be read"):
        load_channels(None)


def test_an_unknown_channel_names_the_known() -> None:
    with pytest.raises(SettingError, match="ops, oncall"):
        parse_channels(GOOD, "c").named("nobody")


def test_a_dollar_can_be_written() -> None:
    text = GOOD.replace("routing_key: abc", "routing_key: 'a$${b}'")
    found = parse_channels(text, "c").named("oncall")
    assert found.secrets()[-1] == "a${b}"
