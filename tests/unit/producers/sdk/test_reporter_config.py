"""Settings: errors name the setting; the environment fills in what is not given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.runtime.errors import SettingError
from producers.sdk import Reporter
from producers.sdk.config import make_config


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"agent_id": ""}, "agent_id"),
        ({"agent_id": "line\nbreak"}, "agent_id"),
        ({"agent_id": "line\n"}, "agent_id"),
        ({"bootstrap": "nowhere"}, "bootstrap"),
        ({"bootstrap": "one:1\n"}, "bootstrap"),
        ({"buffer_events": 0}, "buffer_events"),
        ({"spool_bytes": -1}, "spool_bytes"),
        ({"heartbeat_interval_s": 0}, "heartbeat_interval_s"),
        ({"max_event_bytes": 10**9}, "max_event_bytes"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, Any], name: str) -> None:
    with pytest.raises(SettingError, match=f"Reporter\\({name}=...\\)"):
        Reporter(**{"agent_id": "a", "bootstrap": "127.0.0.1:1"} | wrong)


def test_the_environment_fills_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLEETPULSE_BOOTSTRAP", "one:1,two:2")
    monkeypatch.setenv("FLEETPULSE_DATA_DIR", str(tmp_path))
    config = make_config(agent_id="a")
    assert (config.bootstrap, config.spool_dir) == ("one:1,two:2", tmp_path / "spool")
    assert make_config(agent_id="a", bootstrap="three:3").bootstrap == "three:3"


def test_a_spool_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    reporter = Reporter("a", bootstrap="127.0.0.1:1", spool_dir=tmp_path / "file")
    with pytest.raises(SettingError, match="spool_dir"):
        reporter.start()


def test_a_reporter_that_is_not_started_says_so(tmp_path: Path) -> None:
    reporter = Reporter("a", bootstrap="127.0.0.1:1", spool_dir=tmp_path)
    reporter.heartbeat()
    with pytest.raises(RuntimeError, match="start"):
        reporter.flush(0.1)
    assert reporter.close() is None
